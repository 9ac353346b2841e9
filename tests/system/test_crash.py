# SPDX-License-Identifier: MIT
"""kill -9 of the real programs, at any moment and at exact ones: nothing that was acknowledged is lost, nothing counts twice."""
import os
import random
import signal
import threading
import time

from faults import Clients, Harm, need_strace, under_strace
from harness import Proc, Skipped, equal, expect, long, short

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


def test_thirty_kills_of_the_master_and_thirty_of_agents(w):
    storm(w, 30)


@long
def test_three_hundred_kills_of_the_master_and_of_agents(w):
    storm(w, 300)
