# SPDX-License-Identifier: MIT
"""The diagnosis: what is ill is named, what is well is one line, and scripts can tell by the exit code."""
import contextlib
import os
import signal
import subprocess

import told
from harness import Failed, Skipped, equal, expect, free_port, short

ROOMY = "3g"  # of memory nothing is taken for it


def mount(path, *options):
    r = subprocess.run(["mount", "-t", "tmpfs", *options, "sonde-test", path], capture_output=True, check=False)
    if r.returncode != 0:
        raise Skipped("a tmpfs cannot be mounted here: it needs root")


@contextlib.contextmanager
def small_disk(w):
    """The data directory on a file system of its own, whose size can be set."""
    w.port = {"api": free_port(), "agents": free_port(), "nginx": free_port()}
    path = w.path("data")
    os.makedirs(path, mode=0o700)
    mount(path, "-o", f"size={ROOMY},mode=0700")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@contextlib.contextmanager
def full(path):
    v = os.statvfs(path)
    used = (v.f_blocks - v.f_bfree) * v.f_frsize
    mount(path, "-o", f"remount,size={used + v.f_frsize}")
    try:
        yield
    finally:
        mount(path, "-o", f"remount,size={ROOMY}")


def named(w, check, name):
    """Waits until the check names that agent or batch; all findings."""

    def there():
        answer = told.findings(w)
        return answer if name in (i["name"] for i in answer[check]["items"]) else None

    return w.wait_for(there, 15, f"{check} names {name}")


def words(text):
    return " ".join(text.split())


def code(r, wanted):
    expect(r.returncode == wanted, f"exit code {r.returncode}, wanted {wanted}:", r.stdout[-1500:], r.stderr[-600:])
    return r


@short
def test_what_is_ill_is_named(w):
    # Of its own are the disk and the network, for what others leave in TIME_WAIT is a finding.
    with w.own_network(), small_disk(w):
        w.master()
        with w.case("no agent, and a batch that needs one: bad"):
            lost = w.api.submit(["dns:a.test"], agents={"names": ["nobody"]})
            r = code(w.cli("diagnose"), 2)
            expect("bad agents none is connected" in words(r.stdout) and "tasks that wait: 1" in r.stdout, r.stdout)
            expect("means" in r.stdout and "do " in r.stdout, "no meaning, or no way out:", r.stdout)
        w.api.must("POST", f"batches/{lost}/cancel", status=202)
        w.agent("a1", wait=False)
        stopped = w.agent("a2")
        w.wait_agent("a1")
        with w.case("all is well: one line, and 0"):
            last = [w.cli("diagnose")]
            with contextlib.suppress(Failed):  # what a busy machine was late with is forgotten in 5 s
                w.wait_for(lambda: last[0].returncode == 0 or last.insert(0, w.cli("diagnose")), 8, "all is well")
            r = code(last[0], 0)
            expect(r.stdout.startswith("all ") and r.stdout.count("\n") == 1, r.stdout)
        stopped.signal(signal.SIGSTOP)
        lost = w.api.submit(["dns:a.test"], agents={"names": ["nobody"]})
        with w.case("a full disk: bad"):
            with full(w.path("data")):
                shown = code(w.cli("diagnose", "--all"), 2).stdout
                answer = told.findings(w)
                disk = answer["disk"]
                equal(disk["state"], "bad", "state of the disk")
                expect(disk["figures"]["free_bytes"] <= 4096 and w.path("data") in disk["evidence"], disk)
        with w.case("--all shows the rest, too"):
            for check in answer:
                expect(f" {check} " in shown, f"--all does not show {check}:", shown)
        with w.case("a batch that no agent serves is named"):
            answer = named(w, "batch_no_agent", lost)
            equal(answer["batch_hosts"]["state"], "ok", "of those that wait for hosts")
        with w.case("a stopped agent is named, and no other one"):
            answer = named(w, "half_open", "a2")
            equal([i["name"] for i in answer["half_open"]["items"]], ["a2"], "silent agents")
            r = code(w.cli("diagnose"), 1)
            expect("a2: no heartbeat for" in r.stdout and lost in r.stdout, r.stdout)
        stopped.signal(signal.SIGCONT)
        with w.case("what could not be asked: 3, whatever kept it"):
            code(w.cli("diagnose", url=f"http://127.0.0.1:{free_port()}"), 3)
            code(w.cli("diagnose", token="wrong"), 3)
            code(w.cli("diagnose", "--colour"), 3)
        w.master_proc.stop()
