# SPDX-License-Identifier: MIT
"""Joining: who takes its own place over, who is one too many, and a crowd that comes in one moment."""
import contextlib
import resource
import select
import socket
import threading
import time

import peers
import told
from faults import metric
from harness import Sampler, Skipped, equal, expect, short
from ills import calm_log

MAX_AGENTS = 3
BACK_S = 6  # of backoff, as it holds tasks, and what a busy machine adds; a silent session is found dead after 15
SMALL = ("--workers", "1", "--slots", "16")


class LossyPath:
    """To the agents' port: when the agent's side ends, the master is not told; its side stays and is silent."""

    def __init__(self, world):
        self.world, self.nears = world, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.world.port["agents"]))
                self.nears.append(near)
                threading.Thread(target=self._relay, args=(near, far), daemon=True).start()

    @staticmethod
    def _relay(near, far):
        to = {near: far, far: near}
        with contextlib.suppress(OSError):
            while far in to:
                for s in select.select(list(to), [], [])[0]:
                    data = s.recv(65536)
                    if data:
                        to[s].sendall(data)
                    else:
                        del to[s]  # of near: far goes on, alone
        near.close()
        far.close()

    def cut(self):
        for near in self.nears:
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)


def refusals(w):
    return told.events(w, "hello_refused") + told.events(w, "upgrade_refused")


@short
def test_with_as_many_as_may_be_a_lost_link_comes_back_at_once(w):
    """Its old session is half-open, and counts until it is taken over."""
    w.world()
    w.master("--max-agents", str(MAX_AGENTS))
    for name in ("a1", "a2"):
        w.agent(name, *SMALL)
    with LossyPath(w) as path:
        w.agent("a3", *SMALL, port=path.port)
        batch = w.api.submit([f"http://s{i}.ok.test:{w.targets['http']}/slow/10000" for i in range(8)],
                             defaults={"timeout_ms": 20000}, agents={"names": ["a3"]})
        w.wait_for(lambda: w.api.counts(batch)["running"] == 8, 20, "a3 runs them")
        session = w.api.agent("a3")["session"]
        began = time.monotonic()
        path.cut()
        w.wait_for(lambda: w.api.agent("a3")["session"] not in (None, session), BACK_S, "a3 is back in a session of its own")
        print(f"    back after {time.monotonic() - began:.1f} s")
        with w.case("it took its own session over, and was refused by nobody"):
            equal(w.api.agent("a3")["last_disconnect"]["cause"], "replaced", "cause")
            equal(refusals(w), [], "refusals")
        with w.case("one more is refused by its HELLO, with a cause"):
            token = w.token("agent")
            with peers.connect(w, token) as one:
                one.say(peers.hello("a4"), {"type": "inflight_end"})
                equal(one.wait_close(), 1008, "close code")
                expect("--max-agents" in one.closed[1], one.closed)
            equal([(e["kind"], e["agent"]) for e in refusals(w)], [("hello_refused", "a4")], "refusals")
            ended = 'sonde_session_ends_total{cause="refused"} 1\n'
            w.wait_for(lambda: ended in w.api.must("GET", "/metrics").text, 5, "its session ended as refused")
            equal(w.api.agent("a4"), None, "what is known of it")
        with w.case("and its tasks went on: none was run twice"):
            equal(w.wait_batch(batch, 40)["ok"], 8, "ok")
            equal({r["attempt"] for r in w.api.results(batch)}, {1}, "attempts")


# --- HELLOs that come faster than they are heard

CROWD = 4500
RATE, BURST = 2000, 2000  # PROTOCOL 1
GRACE_S = 15


class Crowd:
    """Upgraded connections that have said nothing; then all say HELLO in one moment."""

    def __init__(self, w, count):
        self.w, token = w, w.token("agent")
        self.ends = [peers.connect(w, token) for _ in range(count)]
        expect(all(isinstance(e, peers.End) for e in self.ends), "an upgrade was refused")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for e in self.ends:
            e.sock.close()

    def say_hello(self):
        for i, e in enumerate(self.ends):
            e.say(peers.hello(f"c{i}"), {"type": "inflight_end"})

    def welcomes(self):
        """When each was welcomed, in seconds from now, by the order of their HELLOs."""
        began, at, poll = time.monotonic(), {}, select.epoll()
        by_fd = {e.sock.fileno(): i for i, e in enumerate(self.ends)}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        while len(at) < len(self.ends):
            expect(time.monotonic() - began < 4 * GRACE_S * self.w.slower, len(self.ends) - len(at), "were never welcomed")
            for fd, _ in poll.poll(1):
                e = self.ends[by_fd[fd]]
                expect(e.fill(time.monotonic() + 1), f"c{by_fd[fd]} was hung up on")
                if b'"welcome"' in e.bytes:
                    at[by_fd[fd]] = time.monotonic() - began
                    poll.unregister(fd)
        poll.close()
        return [at[i] for i in range(len(self.ends))]


def out_of_order(times, slack):
    """How many were welcomed so much earlier than one that spoke before them."""
    latest, n = 0, 0
    for t in times:
        n += t < latest - slack
        latest = max(latest, t)
    return n


def test_a_crowd_is_heard_in_turn_and_none_is_refused(w):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < CROWD + 2600:
        raise Skipped(f"{CROWD} agents need more than {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    w.world()
    w.master()
    w.agent("a1", *SMALL)
    session, lags, waits = w.api.agent("a1")["session"], [], []

    def look():
        lags.append(metric(w, "hub_lag_ms"))
        waits.append(metric(w, "hellos_waiting"))

    with Sampler(look, 0.1), Crowd(w, CROWD) as crowd:
        began = time.monotonic()
        crowd.say_hello()
        said_s = time.monotonic() - began
        times = crowd.welcomes()
        took = time.monotonic() - began
        paced = metric(w, "hellos_paced_total")
        print(f"    said in {said_s:.2f} s, all heard after {took:.2f} s; {paced:.0f} had to wait, up to {max(waits):.0f} at once, the last for "
              f"{metric(w, 'hello_wait_milliseconds'):.0f} ms; hub late by {max(lags):.0f} ms")
        with w.case("all are back within the grace, and the line is empty"):
            expect(took < GRACE_S * w.slower, f"{took:.1f} s")
            equal(metric(w, "hellos_waiting"), 0, "HELLOs that wait")
            equal(refusals(w), [], "refusals")
            w.wait_for(lambda: metric(w, "agents_alive") == CROWD + 1, 3, "the scan has counted them")
        with w.case("no faster than they are to be heard, and in order"):
            expect(took >= (CROWD - BURST) / RATE * 0.95, f"{CROWD} within {took:.2f} s")
            late = out_of_order(times, 0.2 * w.slower)
            expect(late < CROWD / 100, f"{late} were heard before others that had spoken long before them")
        with w.case("who is there already does not notice"):
            equal([w.api.agent("a1")["session"], metric(w, "agents_dead_total")], [session, 0], "session of a1, agents declared dead")
            equal(w.wait_batch(w.api.submit([w.url(f"/ok?{i}") for i in range(20)], agents={"names": ["a1"]}), 20)["ok"], 20, "ok")
        with w.case("it is told once"):
            if paced:
                said = w.wait_for(lambda: told.events(w, "hellos_paced"), 5, "an event says so")
                expect(sum(int(e["detail"].split()[0]) for e in said) == paced and len(said) <= 5, said)
    calm_log(w.master_proc)
