# SPDX-License-Identifier: MIT
"""kill -9 of the real programs, at any moment and at exact ones: nothing that was acknowledged is lost, nothing counts twice."""
import http.client
import os
import random
import shutil
import signal
import threading
import time

from faults import Clients, Harm, all_batches, need_strace, under_strace
from harness import Proc, equal, expect, heavy, long, takes

SMALL = ("--workers", "1", "--slots", "64")
QUEUE = 64 // 4  # what an agent admits beyond its slots
AGENTS = ("a1", "a2", "a3")
RESTART_S = 2
PATIENCE_S = 0.7  # for a moment to come


def seed():
    """SONDE_TEST_SEED repeats a run; without it each run sees other moments."""
    n = int(os.environ.get("SONDE_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"    SONDE_TEST_SEED={n}", flush=True)
    return n


def one_end_each(w, batches):
    """Every task has one result: ok, or what a task gets that three dying processes ran. How many tasks."""
    total = 0
    for b in batches:
        results = w.one_result_each(b["id"], b["counts"]["total"])
        bad = [r for r in results if r["outcome"] != "ok" and r["cause"] not in ("poison", "agent_lost")]
        expect(not bad, f"{len(bad)} results are neither ok nor an agent's death:", bad[:3])
        total += len(results)
    return total


class Storm:
    """Kills of the master and of agents, each after another moment of the work."""

    def __init__(self, w, clients, dice):
        self.w, self.clients, self.dice = w, clients, dice
        self.hits, self.slowest, self.agent_kills = {}, 0, 0

    # moments: each is a condition that is true for a short while

    def moments(self):
        c, before = self.clients, self.clients.ended
        return {
            "upload": lambda: c.sending > 0,
            "commit": lambda: c.asking > 0,
            "dispatch": lambda: c.running > 0,
            "results": lambda: c.ended > before,
        }

    def wait_moment(self, i):
        """The kill falls into it or soon after; when it does not come, the kill does."""
        moments = self.moments()
        name = list(moments)[i % len(moments)]
        deadline = time.monotonic() + PATIENCE_S
        while not moments[name]() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.hits[name] = self.hits.get(name, 0) + (time.monotonic() < deadline)
        time.sleep(self.dice.choice((0, self.dice.uniform(0, 0.05), self.dice.uniform(0, 0.6))))

    def kill_master(self, i):
        self.wait_moment(i)
        proc = self.w.master_proc
        if i % 10 == 9:  # the impatient end: a second SIGTERM while it drains
            proc.expected.add(-signal.SIGTERM)
            proc.signal(signal.SIGTERM)
            time.sleep(0.05)
            proc.signal(signal.SIGTERM)
            proc.wait(5)
        else:
            proc.kill9()
        if i % 6 == 5:
            self.w.check_store()
        began = time.monotonic()
        self.w.master()
        self.slowest = max(self.slowest, time.monotonic() - began)

    def kill_agents(self, kills, dice):
        agents = {name: next(p for p in self.w.procs if p.name == name) for name in AGENTS}
        for _ in range(kills):
            time.sleep(dice.uniform(0.05, 0.6))
            name = dice.choice(AGENTS)
            agents[name].kill9()
            self.agent_kills += 1
            agents[name] = self.w.agent(name, *SMALL, wait=False)


def storm(w, kills):
    n = seed()
    w.world()
    w.master()
    for name in AGENTS:
        w.agent(name, *SMALL)
    with Clients(w, n) as clients:
        s = Storm(w, clients, random.Random(n))
        thread = threading.Thread(target=s.kill_agents, args=(kills, random.Random(n + 1)))
        thread.start()
        for i in range(kills):
            s.kill_master(i)
        thread.join()
    equal(s.agent_kills, kills, "kills of agents")
    batches = clients.verify(60)
    total = one_end_each(w, batches)
    again = w.requests() - total
    print(f"    {kills} + {kills} kills, moments {s.hits}; {len(clients.uploads)} uploads, {len(batches)} batches, {total} tasks, "
          f"{again} targets asked again; slowest restart {s.slowest:.2f} s")
    expect(0 <= again <= kills * (64 + QUEUE), again, "targets were asked again: more than the killed agents can have had")
    expect(s.slowest < RESTART_S * w.slower, "a restart took", s.slowest, "s")
    expect(sum(s.hits.values()) > kills // 2, "most kills missed their moment:", s.hits)
    for name in AGENTS:
        next(p for p in reversed(w.procs) if p.name == name).stop()
    w.master_proc.stop()
    w.check_store()


@heavy
@takes(15)
def test_thirty_kills_of_the_master_and_thirty_of_agents(w):
    storm(w, 30)


@long
def test_three_hundred_kills_of_the_master_and_of_agents(w):
    storm(w, 300)


# --- at exact system calls


def text_of(w, n, count=150):
    return "".join(w.url(f"/ok?{n}-{i}") + "\n" for i in range(count))


def upload(w, n):
    """The answer, or None when the master died over it."""
    try:
        return w.api.post("batches?per_host=0", text_of(w, n), type="text/plain", headers={"Idempotency-Key": f"exact-{n}"}, timeout=20)
    except (OSError, http.client.HTTPException):
        return None


def work_until_death(w, proc, n, answers):
    """Uploads, whose results come meanwhile, until the master is dead; then all that got no answer are repeated."""
    asked = []
    while proc.alive():
        asked.append(f"{n}-{len(asked)}")
        r = upload(w, asked[-1])
        if r:
            equal(r.status, 202, f"answer before the kill ({r!r})")
            answers[asked[-1]] = r.json["id"]
        expect(len(asked) < 300, "the master lives on")
    proc.wait(5)
    w.check_store()
    w.master()
    for name in asked:
        r = upload(w, name)
        expect(r and r.status == 202, f"the repeat of {name}: {r!r}")
        equal(r.json["id"], answers.setdefault(name, r.json["id"]), f"the batch of {name}, repeated")


def all_answers_are_batches(w, answers):
    """What was answered is there, once, and has ended once; nothing else is there."""
    for batch in answers.values():
        equal(w.wait_batch(batch, 60)["total"], 150, "tasks of a batch")
        one_end_each(w, [w.api.batch(batch)])
    there = [b["id"] for b in all_batches(w)]
    equal(len(there), len(answers), "batches")
    equal(set(there) ^ set(answers.values()), set(), "batches that are not those that were answered")


def finish(w):
    for proc in w.procs:
        if proc.name.startswith("a") and proc.alive():
            proc.stop()
    w.master_proc.stop()
    w.check_store()


def killed_at_calls_of_the_writer(w, points):
    """points: (system call, n): the store's writer is killed as it enters that call for the nth time from now."""
    need_strace()
    w.world()
    w.master()
    answers, agent = {}, w.agent("a1", *SMALL)
    for call, n in points:
        proc = w.master_proc
        proc.expected.add(-signal.SIGKILL)
        Harm(w, proc, "store-writer", f"{call}:signal=KILL:when={n}")
        work_until_death(w, proc, f"{call}-{n}", answers)
        agent.kill9()  # one that lost its master so often would take its time to come back
        agent = w.agent("a1", *SMALL)
    all_answers_are_batches(w, answers)
    finish(w)


def test_the_master_is_killed_at_writes_and_syncs_of_its_store(w):
    killed_at_calls_of_the_writer(w, [("pwrite64", n) for n in (1, 2, 5, 9, 20, 47, 101)] + [("fdatasync", n) for n in (1, 2, 4)])


@long
def test_the_master_is_killed_at_each_of_two_hundred_writes(w):
    killed_at_calls_of_the_writer(w, [("pwrite64", n) for n in range(1, 201)] + [("fdatasync", n) for n in range(1, 31)])


def killed_in_its_first_start(w, points):
    """On an empty directory each time; the second start makes good what the first left, and is a master like any other."""
    need_strace()
    w.master()
    argv = w.master_proc.argv
    for call, n in points:
        w.master_proc.kill9()
        shutil.rmtree(w.path("data"))
        os.makedirs(w.path("data"), mode=0o700)
        first = Proc(w, "master", under_strace(f"{call}:signal=KILL:when={n}") + argv)
        first.expected = {-signal.SIGKILL, 128 + signal.SIGKILL}
        first.wait(10)
        with w.case(f"{call} {n}"):
            w.api = None
            w.master()
            equal(w.api.must("GET", "batches").json["batches"], [], "batches")
            w.api.submit(["http://127.0.0.1/ok"])
            w.check_store()


def test_the_master_is_killed_in_its_first_start(w):
    killed_in_its_first_start(w, [("pwrite64", n) for n in (1, 3, 20, 50)] + [("fdatasync", n) for n in (1, 3, 5)] +
                              [("fsync", n) for n in (1, 2, 3, 4)] + [("rename", n) for n in (1, 2)])


@long
def test_the_master_is_killed_at_each_write_of_its_first_start(w):
    killed_in_its_first_start(w, [("pwrite64", n) for n in range(1, 51)] + [("fdatasync", n) for n in range(1, 7)])


def test_the_master_is_killed_in_its_last_checkpoint(w):
    """An orderly end copies the log into the file: killed in its midst, neither is whole, and nothing is lost."""
    need_strace()
    w.world()
    w.master()
    answers, agent = {}, w.agent("a1", *SMALL)
    for n in (1, 4, 11):
        proc, name = w.master_proc, f"checkpoint-{n}"
        answers[name] = upload(w, name).json["id"]
        w.wait_batch(answers[name], 30)
        proc.expected.add(-signal.SIGKILL)
        Harm(w, proc, "sonde-master", f"pwrite64:signal=KILL:when={n}")
        proc.signal(signal.SIGTERM)
        equal(proc.wait(10), -signal.SIGKILL, "exit code")
        w.check_store()
        w.master()
        agent.kill9()
        agent = w.agent("a1", *SMALL)
    all_answers_are_batches(w, answers)
    finish(w)
