# SPDX-License-Identifier: MIT
"""The agent's spool: results that the master has not acknowledged outlive the agent's own kill -9."""
import contextlib
import glob
import os
import random
import re
import shutil
import signal
import time

from faults import SmallDisk, need_strace, under_strace
from harness import Proc, ended, equal, expect, heavy, long, short, takes

MANY = 500
# All of a batch is on its way at once, so that each target is asked once unless something is run again.
WIDE = ("--workers", "1", "--slots", "1024")
# Small files, so that they come and go.
SMALL = ("--workers", "1", "--slots", "64", "--spool-bytes", "1048576")


def spool_files(w, name="a1"):
    return sorted(glob.glob(w.path(name, "spool", "*.spool")))


def on_disk(w, name="a1"):
    """How many results the files hold, acknowledged or not."""
    count = 0
    for path in spool_files(w, name):
        with open(path, "rb") as f:
            count += f.read().count(b'{"outcome":')
    return count


def probes_that_end_together(w, requests=MANY):
    """A batch, from when all of it runs on: each target has been asked, which makes so many requests."""
    batch = w.api.submit([f"http://s{i}.ok.test:{w.targets['http']}/slow/1500" for i in range(MANY)], per_host=0)
    w.wait_for(lambda: w.requests() >= requests, 30, "all run")
    return batch


@contextlib.contextmanager
def still_master(w):
    """It stands still, and the path to it is cut, so that no socket holds a result for it."""
    w.master_proc.signal(signal.SIGSTOP)
    w.kill_nginx()
    try:
        yield
    finally:
        w.nginx()
        w.master_proc.signal(signal.SIGCONT)


def all_spooled_and_killed(w, agent, count=MANY):
    """All results of the batch are on the agent's disk, and nowhere else."""
    w.wait_for(lambda: on_disk(w) >= count, 30, "all results are on the agent's disk")
    agent.kill9()


def delivered(w, batch, requests=MANY):
    """Each task has its one result, and no target was asked a second time."""
    equal(w.wait_batch(batch, 60)["ok"], MANY, "ok")
    equal({r["attempt"] for r in w.one_result_each(batch, MANY)}, {1}, "attempts")
    equal(w.requests(), requests, "requests that the targets saw")
    w.wait_for(lambda: w.api.agent("a1")["heartbeat"], 20, "a heartbeat")


def finish(w):
    """After an orderly end nothing is left on the disk, and the store adds up."""
    for proc in w.procs:
        if proc.name.startswith("a"):
            proc.stop()
    for name in ("a1", "a2"):
        equal(spool_files(w, name), [], "files of the spool after an orderly end")
    w.master_proc.stop()
    w.check_store()


def spooled_batch(w, meanwhile=lambda: None):
    """An agent is killed with the results of a whole batch on its disk; then it and its master are there again."""
    agent = w.fleet(agents=("a1",), agent_options=WIDE)[0]
    batch = probes_that_end_together(w)
    with still_master(w):
        all_spooled_and_killed(w, agent)
        meanwhile()
        agent = w.agent("a1", *WIDE, wait=False)
    return agent, batch


@short
def test_agent_killed_while_the_master_stands_still(w):
    _, batch = spooled_batch(w)
    delivered(w, batch)
    finish(w)


@short
def test_agent_and_master_killed(w):
    def master_too():
        w.master_proc.kill9()
        w.master(wait=False)

    _, batch = spooled_batch(w, master_too)
    w.wait_ready()
    delivered(w, batch)
    finish(w)


def test_killed_after_it_sent_and_before_the_acks(w):
    """The results are in the master's socket and on the agent's disk: they come twice, and count once."""
    agent = w.fleet(agents=("a1",), agent_options=WIDE)[0]
    batch = probes_that_end_together(w)
    w.master_proc.signal(signal.SIGSTOP)
    try:
        all_spooled_and_killed(w, agent)
        w.agent("a1", *WIDE, wait=False)
    finally:
        w.master_proc.signal(signal.SIGCONT)
    delivered(w, batch)
    twice = re.search(r"^sonde_results_duplicate_total (\d+)$", w.api.get("/metrics").text, re.MULTILINE)
    print(f"    {twice.group(1)} results came a second time")
    finish(w)


def test_killed_again_before_it_could_deliver(w):
    """Four processes hold the results one after the other before the master takes them."""
    def again():
        for k in range(3):
            proc = w.agent("a1", *WIDE, wait=False)
            w.wait_for(lambda k=k: proc.log().count(f"results={MANY}") > k, 20, "it has read its spool")
            proc.kill9()

    _, batch = spooled_batch(w, again)
    delivered(w, batch)
    finish(w)


def test_another_agent_waits_for_work(w):
    """What the killed agent brings is not given to the one that has room all the time."""
    def another():
        w.agent("a2", *WIDE, wait=False)

    _, batch = spooled_batch(w, another)
    delivered(w, batch)
    finish(w)


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 0x10]))


def damaged(w, harm):
    """What the damage took is run again, the rest is not."""
    agent, batch = spooled_batch(w, lambda: harm(spool_files(w)[0]))
    equal(w.wait_batch(batch, 60)["ok"], MANY, "ok")
    w.one_result_each(batch, MANY)
    expect("damaged" in agent.log() and "offset=" in agent.log(), "nothing was said of the damage:", agent.log()[-2000:])
    again = w.requests() - MANY
    expect(0 < again < MANY, f"{again} targets were asked again")
    finish(w)


def test_a_bit_flips_in_the_spool(w):
    damaged(w, lambda path: flip(path, os.path.getsize(path) // 2))


def test_the_spool_is_cut_short(w):
    damaged(w, lambda path: os.truncate(path, os.path.getsize(path) // 2))


def test_the_spool_is_garbage(w):
    """Every file is unreadable: it is set aside, and everything is run again."""
    def garbage():
        for path in spool_files(w):
            with open(path, "r+b") as f:
                f.write(random.Random(1).randbytes(4096))

    _, batch = spooled_batch(w, garbage)
    equal(w.wait_batch(batch, 60)["ok"], MANY, "ok")
    w.one_result_each(batch, MANY)
    w.wait_for(lambda: glob.glob(w.path("a1", "spool", "foreign-unknown", "*")), 20, "the file is set aside")
    finish(w)


def test_another_masters_results_are_set_aside(w):
    def another_master():
        w.master_proc.kill9()
        shutil.rmtree(w.path("data"))
        os.makedirs(w.path("data"), mode=0o700)
        w.api = None
        w.master()
        os.unlink(w.path("a1", "token"))

    agent, _ = spooled_batch(w, another_master)
    w.wait_for(lambda: glob.glob(w.path("a1", "spool", "foreign-*", "*.spool")), 20, "the files are set aside")
    w.wait_for(lambda: not spool_files(w), 20, "none is left")
    expect("store_changed" in agent.log(), "the change was not said")
    equal(w.api.agent("a1")["results"], 0, "results that were sent to the new master")
    batch = w.api.submit([w.url(f"/ok?{i}") for i in range(50)], per_host=0)
    equal(w.wait_batch(batch, 30)["ok"], 50, "ok")
    finish(w)


# --- a disk that does not take it


def trouble(w):
    return w.api.agent("a1")["trouble"] or ""


def goes_on_in_memory(w, heal):
    """The agent works on; its heartbeat says what is wrong; when the disk is well the spool is."""
    batch = w.api.submit([w.url(f"/ok?{i}") for i in range(300)], per_host=0)
    equal(w.wait_batch(batch, 60)["ok"], 300, "ok while nothing can be written")
    w.wait_for(lambda: "memory alone" in trouble(w), 30, "the heartbeat says what is wrong")
    heal()
    w.wait_for(lambda: trouble(w) == "", 30, "it is well again")


def test_the_spool_cannot_be_written(w):
    w.world()
    w.master()
    w.nginx()
    os.makedirs(w.path("a1"))
    blocker = w.path("a1", "spool")  # no directory: even root cannot write there
    with open(blocker, "w", encoding="ascii"):
        pass
    agent = w.agent("a1", *WIDE)
    goes_on_in_memory(w, lambda: os.unlink(blocker))
    requests = w.requests()
    batch = probes_that_end_together(w, requests + MANY)
    with still_master(w):
        all_spooled_and_killed(w, agent)
        w.agent("a1", *WIDE, wait=False)
    delivered(w, batch, requests + MANY)
    finish(w)


@takes(20)
def test_the_disk_of_the_spool_is_full(w):
    w.world()
    w.master()
    w.nginx()
    with SmallDisk(w.path("a1", "spool"), "1m") as disk:
        disk.fill()
        agent = w.agent("a1", *WIDE)
        goes_on_in_memory(w, disk.free)
        expect("No space left on device" in agent.log(), "the log does not say why")
        # It is full again, and nobody takes results: what has no room waits in memory, and is not lost.
        requests = w.requests()
        batch = probes_that_end_together(w, requests + MANY)
        with still_master(w):
            disk.fill()
            w.wait_for(lambda: agent.log().count("cannot_write") == 2, 30, "the agent has seen it")
        delivered(w, batch, requests + MANY)
        disk.free()
        w.wait_for(lambda: trouble(w) == "", 30, "it is well again")
        agent.stop()
        equal(spool_files(w), [], "files of the spool after an orderly end")
    w.master_proc.stop()
    w.check_store()


# --- kill -9, at any moment


class Executions:
    """What may be run twice: at each kill what ran or stood in the queue, and what was not written yet."""

    def __init__(self, w, slots):
        self.w, self.kills, self.each = w, 0, slots + slots // 4

    def check(self, total):
        more = self.w.requests() - total
        expect(0 <= more <= self.kills * self.each, f"{more} targets were asked again after {self.kills} kills")
        print(f"    {self.kills} kills: {more} of {total} targets were asked again")


def one_result_each_of_many_lives(w, batch, total):
    """A task that ran when three processes were killed is held to have killed them: that too is an end."""
    w.wait_batch(batch, 120)
    bad = [r for r in w.one_result_each(batch, total) if r["outcome"] != "ok" and r["cause"] not in ("poison", "agent_lost")]
    expect(not bad, f"{len(bad)} results are neither ok nor an agent's death:", bad[:3])


def traced_agent(w, what, n):
    """a1, killed as it enters that system call for the nth time: exactly between two steps of its spool."""
    home = w.path("a1")
    agent = next(p for p in w.procs if p.name == "a1")
    proc = Proc(w, f"a1-{what}", under_strace(f"{what}:signal=KILL:when={n}") + agent.argv)
    proc.expected |= {-signal.SIGKILL, 137}
    expect(os.path.exists(os.path.join(home, "instance")), "the instance is there: no other write counts")
    return proc


def killed_at_exact_points(w, what, points):
    """Killed at each of its first writes (or removals) in turn, under one batch; nothing is lost, nothing counts twice."""
    need_strace()
    first = w.fleet(agents=("a1",), agent_options=SMALL)[0]
    first.stop()
    w.agent("a2", *SMALL)
    runs = Executions(w, 64)
    total, batches = 0, []
    for n in points:
        proc = traced_agent(w, what, n)
        while proc.alive():
            if not batches or ended(w.api.counts(batches[-1])) > 100:
                batches.append(w.api.submit([w.url(f"/ok?{n}-{i}") for i in range(400)], per_host=0))
                total += 400
            w.no_crash()
            time.sleep(0.02)
        runs.kills += 1
    w.agent("a1", *SMALL)
    for batch in batches:
        one_result_each_of_many_lives(w, batch, 400)
    runs.check(total)
    finish(w)


@heavy
@takes(15)
def test_killed_at_each_write(w):
    killed_at_exact_points(w, "pwrite64", range(1, 41))


def test_killed_at_each_removal(w):
    killed_at_exact_points(w, "unlink", range(1, 4))


@long
def test_killed_at_each_of_two_hundred_writes(w):
    killed_at_exact_points(w, "pwrite64", range(1, 201))
