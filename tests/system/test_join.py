# SPDX-License-Identifier: MIT
"""Joining: with as many agents as may be, who is there already takes its own place over at once, and one more is refused."""
import contextlib
import select
import socket
import threading
import time

import peers
from harness import equal, expect, short

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
    return [e for kind in ("hello_refused", "upgrade_refused") for e in w.api.must("GET", f"events?kind={kind}&limit=100").json["events"]]


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
