# SPDX-License-Identifier: MIT
"""Logs that cannot be written: a full disk, a reader that is gone, one that stands still. Both programs go on, and say what was lost."""
import fcntl
import os
import re
import subprocess
import time

from faults import SmallDisk
from harness import equal, expect, short
from told import finding

TASKS = 40
PIPE_BYTES = 16384


def dropped(w, reason="write"):
    text = w.api.must("GET", "/metrics").text
    return float(re.search(rf'^sonde_log_dropped_total{{reason="{reason}"}} (\S+)$', text, re.MULTILINE).group(1))


def lost_by_agent(w):
    return w.api.agent("a1")["heartbeat"]["log_lost"]


def works(w):
    equal(w.wait_batch(w.api.submit([w.url(f"/ok?{i}") for i in range(TASKS)], per_host=0), 30)["ok"], TASKS, "ok")


def reopened(w, proc, stderr):
    """The same program anew, with its log there."""
    argv = proc.argv
    proc.stop()
    again = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True)
    proc.popen = again
    proc.stopped = False


def told(path):
    """How many lines were lost, by the lines that say so."""
    with open(path, encoding="utf-8", errors="replace") as f:
        return [int(n) for n in re.findall(r" warn log lines_lost lines=(\d+) ", f.read())]


def test_log_disk_is_full(w):
    w.world()
    w.master()
    agent = w.agent("a1")
    with SmallDisk(w.path("logs"), "64k") as disk:
        logs = {name: w.path("logs", name) for name in ("master", "a1")}
        disk.fill()
        for proc in (w.master_proc, agent):
            with open(logs[proc.name], "ab") as log:
                reopened(w, proc, log)
        w.wait_ready()
        w.wait_agent("a1")
        with w.case("both work, and count what they lose"):
            works(w)
            expect(dropped(w) > 0, "the master lost no line")
            w.wait_for(lambda: (lost_by_agent(w) or 0) > 0, 15, "the agent's heartbeat tells of its lines")
            equal(finding(w, "log")["state"], "warn", "the diagnosis of the log")
            expect("log" in (w.api.agent("a1")["trouble"] or ""), "trouble of the agent:", w.api.agent("a1")["trouble"])
        with w.case("with room again they say how many, once"):
            disk.free()
            works(w)
            w.wait_for(lambda: len(told(logs["master"])) == 1, 10, "the master says how many lines it lost")
            equal(finding(w, "log")["state"], "ok", "the diagnosis of the log")
            expect(0 < told(logs["master"])[0] <= dropped(w), told(logs["master"]), "of", dropped(w))
            agent.stop()  # it says so
            equal(len(told(logs["a1"])), 1, "lines of the agent that tell of lost ones")
        w.master_proc.stop()


def piped(w, reader):
    """Both programs with their logs in small pipes: the ends to read, closed at once without a reader."""
    w.world()
    w.master()
    ends = {}
    for proc in (w.master_proc, w.agent("a1")):
        ends[proc.name], log = os.pipe()
        fcntl.fcntl(log, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        if not reader:
            os.close(ends[proc.name])
        reopened(w, proc, log)
        os.close(log)
    w.wait_ready()
    w.wait_agent("a1")
    return ends


@short
def test_log_reader_is_gone(w):
    ends = piped(w, reader=False)
    before = dropped(w)
    works(w)
    expect(dropped(w) > before, "no line was lost")
    w.wait_for(lambda: (lost_by_agent(w) or 0) > 0, 15, "the agent's heartbeat tells of its lines")
    for proc in reversed(w.procs):
        if proc.name in ends:
            proc.stop()  # and they end as they should


def test_log_reader_stands_still(w):
    """The pipe is full: a program that waited for its reader would be dead to all."""
    ends = piped(w, reader=True)
    deadline = time.monotonic() + 60 * w.slower
    while dropped(w) == 0:
        expect(time.monotonic() < deadline, "the pipe is never full")
        for _ in range(50):
            w.api.get("agents")
            w.api.get("no-such-path")
        time.sleep(0.2)  # a place writes ten lines a second
    began = time.monotonic()
    works(w)
    expect(time.monotonic() - began < 10 * w.slower, "a batch took", time.monotonic() - began, "s")
    os.read(ends["master"], 1 << 20)
    w.api.get("agents")
    w.wait_for(lambda: w.api.get("agents") and finding(w, "log")["state"] == "ok", 10, "it writes again")
    text = os.read(ends["master"], 1 << 20).decode()
    expect(re.search(r" warn log lines_lost lines=\d+ ", text), "nothing tells of the lost lines:", text[:1000])
