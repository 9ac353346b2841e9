# SPDX-License-Identifier: MIT
"""kill -9 of anything in mid-batch: the batch ends, with one result for each task."""
import os
import signal
import subprocess
import time

import mix
from harness import Sampler, Skipped, ended, equal, expect, long, short, takes


def slow_mix(w, count):
    """Long enough to be killed in the middle: a third takes a second each."""
    targets, causes = mix.targets(w.targets, count)
    for i in range(0, count, 3):
        targets[i] = {"url": f"http://s{i}.ok.test:{w.targets['http']}/slow/1000", "user_id": f"row-{i}"}
        causes[f"row-{i}"] = None
    return w.api.submit(targets), causes


def in_the_middle(w, batch, total):
    def middle():
        done = ended(w.api.counts(batch))
        expect(done < total, "the batch ended too soon to be disturbed")
        return done > total // 10

    w.wait_for(middle, 30, "the batch is in its middle")


def finish(w, batch, causes, timeout, stop=True):
    w.wait_batch(batch, timeout)
    results = w.one_result_each(batch, len(causes))
    wrong = mix.wrong_causes(results, causes)
    expect(not wrong, f"{len(wrong)} results have another cause than their target gives:", wrong[:5])
    if stop:
        w.master_proc.stop()
        w.check_store()
    return results


SMALL = ("--workers", "1", "--slots", "64")


@takes(20)
@short
def test_agent_killed_in_mid_batch(w):
    agents = w.fleet(agent_options=SMALL)
    batch, causes = slow_mix(w, 1500)
    in_the_middle(w, batch, 1500)
    agents[0].kill9()
    results = finish(w, batch, causes, 60)
    expect(any(r["attempt"] > 1 for r in results), "nothing was run a second time: the kill hit nothing")


@short
def test_agent_killed_and_started_again_in_mid_batch(w):
    agents = w.fleet(agents=("a1",), agent_options=SMALL)
    batch, causes = slow_mix(w, 600)
    in_the_middle(w, batch, 600)
    agents[0].kill9()
    w.agent("a1", *SMALL)
    finish(w, batch, causes, 60)


@short
def test_master_killed_in_mid_batch(w):
    w.fleet(agent_options=SMALL)
    batch, causes = slow_mix(w, 1500)
    in_the_middle(w, batch, 1500)
    w.master_proc.kill9()
    w.master()
    finish(w, batch, causes, 90)


@short
def test_nginx_killed_in_mid_batch(w):
    w.fleet(agent_options=SMALL)
    batch, causes = slow_mix(w, 1500)
    in_the_middle(w, batch, 1500)
    w.kill_nginx()
    w.nginx()
    finish(w, batch, causes, 60)


def test_flapping_connection_keeps_its_leases(w):
    """The link is cut five times while probes run: the same process takes its leases back, so each runs once."""
    w.fleet(agent_options=("--workers", "1", "--slots", "256"))
    requests = w.requests()
    batch = w.api.submit([f"http://f{i}.ok.test:{w.targets['http']}/slow/9000" for i in range(200)], defaults={"timeout_ms": 30000})
    w.wait_for(lambda: w.requests() - requests >= 200, 20, "all run")
    sessions = {w.api.agent(n)["session"] for n in ("a1", "a2")}
    for _ in range(3):
        w.kill_nginx()
        w.nginx()
        for name in ("a1", "a2"):
            w.wait_agent(name)
    expect(not sessions & {w.api.agent(n)["session"] for n in ("a1", "a2")}, "the sessions did not change: nothing was cut")
    equal(w.wait_batch(batch, 60)["ok"], 200, "ok")
    equal({r["attempt"] for r in w.one_result_each(batch, 200)}, {1}, "attempts")
    equal(w.requests() - requests, 200, "requests that the target saw")


def kill_workers(w):
    """kill -9 of nginx's workers: the kernel resets what they held, and nginx starts others."""
    for pid in w.nginx_workers():
        os.kill(pid, signal.SIGKILL)


def reset_links(w):
    """ss -K of the agents' ends of their links: both sides learn of it as an error of the socket."""
    r = subprocess.run(
        ["ss", "-HtK", "state", "established", f"dport = :{w.port['nginx']}"], capture_output=True, text=True, check=False
    )
    return len(r.stdout.splitlines())


def under_resets(w, reset, seconds):
    """Every 5 s the links are reset while more than the slots can hold is to do: nothing is lost."""
    w.fleet(agent_options=SMALL)
    w.api.port = w.port["api"]  # the test's own questions shall not be what is reset
    before = {n: w.api.agent(n)["reconnects"] for n in ("a1", "a2")}
    batch, causes = slow_mix(w, seconds * 280)
    in_the_middle(w, batch, seconds * 280)
    resets = []

    def again():
        resets.append(reset(w))

    until = time.monotonic() + seconds
    with Sampler(again, 5):
        w.wait_for(lambda: time.monotonic() > until or ended(w.api.counts(batch)) == len(causes), seconds + 10, "resets")
    expect(len(resets) >= min(3, seconds // 5), "only", len(resets), "resets")
    w.api.port = w.port["nginx"]
    finish(w, batch, causes, 60, stop=False)
    for name in ("a1", "a2"):
        again = w.api.agent(name)["reconnects"] - before[name]
        expect(again >= len(resets) - 1, f"{name} connected again {again} times after {len(resets)} resets")
    w.master_proc.stop()
    w.check_store()


@takes(15)
@short
def test_nginx_workers_killed_every_5_s(w):
    under_resets(w, kill_workers, 12)


def can_reset():
    """Whether this kernel lets root end a connection (CONFIG_INET_DIAG_DESTROY)."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as s:
            subprocess.run(["ss", "-HtK", f"dport = :{port}"], capture_output=True, check=False)
            try:
                s.send(b"x")
                return False
            except OSError:
                return True


def links_reset(w, seconds):
    if not can_reset():
        raise Skipped("ss -K does nothing here: it needs root and CONFIG_INET_DIAG_DESTROY")

    def reset(world):
        expect(reset_links(world) >= 1, "there was no link to reset")

    under_resets(w, reset, seconds)


@takes(15)
def test_links_reset_every_5_s(w):
    links_reset(w, 17)


@long
def test_links_reset_every_5_s_for_two_minutes(w):
    links_reset(w, 120)
