# SPDX-License-Identifier: MIT
"""Ten thousand strangers at the agents' port: who is there stays, who comes is let in at once, and all that they took comes back."""
import contextlib
import json
import os
import resource
import subprocess
import time

from faults import metric
from harness import Proc, Sampler, Skipped, equal, expect, heavy
from ills import calm_log, peak_rss_mb

STRANGERS = 10000
JOIN_S = 5      # FAULTS 30
RSS_MB = 80      # 9 KB for each of those that are let in at the same time, beside the master's own
LAG_MS = 1000   # from here on the master takes its own lateness into account


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def storm(w, port, count, *kinds):
    """Strangers as storm.py knows them; they stay until the block ends. What they were told is in .told then."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < count + 100:
        raise Skipped(f"{count} sockets need a hard limit of descriptors above that")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "storm.py")
    proc = Proc(w, f"storm-{port}", ["/usr/bin/python3", script, "127.0.0.1", str(port), str(count), *kinds],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        up = proc.popen.stdout.readline().decode().split()
        expect(up and up[0] == "up", "storm.py ended:", proc.log())
        proc.up_s = float(up[1])
        yield proc
    finally:
        proc.popen.stdin.close()
        proc.popen.stdin = None
        told = proc.popen.stdout.read().decode()
        proc.wait(30)
    proc.told = json.loads(told)


def crowd(w, port, count, *kinds):
    """a1 is there before; a2 comes amid the crowd."""
    w.agent("a1")
    session, pid = w.api.agent("a1")["session"], w.master_proc.pid
    before, lags, waits = fds(pid), [], []

    def look():
        began = time.monotonic()
        lags.append(metric(w, "hub_lag_ms"))
        waits.append(time.monotonic() - began)

    with Sampler(look, 0.1), storm(w, port, count, *kinds) as crowded:
        held = fds(pid) - before
        began = time.monotonic()
        w.agent("a2")
        joined = time.monotonic() - began
        equal(w.wait_batch(w.api.submit([w.url(f"/ok?{i}") for i in range(50)], per_host=0), 30)["ok"], 50, "ok amid the crowd")
        w.wait_for(lambda: fds(pid) <= before + 10, 10, "the strangers were cut, and their descriptors came back")
    print(f"    {crowded.told} in {crowded.up_s:.1f} s; held {held}; a2 joined after {joined:.1f} s; hub late by {max(lags):.0f} ms, "
          f"/metrics took {max(waits):.2f} s at most; peak {peak_rss_mb(pid):.0f} MB")
    expect(joined < JOIN_S * w.slower, f"a2 joined after {joined:.1f} s")
    expect(max(lags) < LAG_MS * w.slower, f"the hub was {max(lags):.0f} ms late")
    equal([w.api.agent("a1")["session"], metric(w, "agents_dead_total")], [session, 0], "session of a1, agents declared dead")
    if w.kind == "release":
        expect(peak_rss_mb(pid) < RSS_MB, f"{peak_rss_mb(pid):.0f} MB")
    calm_log(w.master_proc)
    return crowded.told


@heavy
def test_ten_thousand_straight(w):
    w.world()
    w.master()
    told = crowd(w, w.port["agents"], STRANGERS, "silent", "stranger", "silent", "head")
    equal(told["connected"] + told["refused"], STRANGERS, "strangers that were let in, or refused")
    expect(told["answered"] > 0, "those who asked got no answer")


@heavy
def test_ten_thousand_where_few_agents_are_allowed(w):
    """The places are few: the crowd pushes itself out."""
    w.world()
    w.master("--max-agents", "10")
    crowd(w, w.port["agents"], STRANGERS, "silent", "head")
    expect(metric(w, "agents_port_pushed_out_total") > STRANGERS / 4, "pushed out:", metric(w, "agents_port_pushed_out_total"))


@heavy
def test_ten_thousand_through_nginx(w):
    """Those who say nothing stay nginx's; those who ask are answered and gone."""
    w.world()
    w.master()
    w.nginx()
    crowd(w, w.port["nginx"], STRANGERS, "silent", "stranger")
