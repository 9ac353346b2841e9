# SPDX-License-Identifier: MIT
"""Targets that are probed from several agents."""
from collections import defaultdict

from harness import check_sum, equal, expect, short

AGENTS = ("a1", "a2", "a3")


def answers(w, batch):
    """By target: who answered, each once."""
    by = defaultdict(list)
    for r in w.api.results(batch):
        by[r["target"]].append(r["agent"])
    for target, agents in by.items():
        known = [a for a in agents if a]
        equal(len(set(known)), len(known), f"different agents for {target}")
    return by


@short
def test_each_target_is_answered_by_different_agents(w):
    w.fleet(agents=AGENTS)
    targets = [w.url(f"/ok?{i}") for i in range(500)]
    with w.case("two of three"):
        answer = w.api.must("POST", "batches", {"targets": targets, "agents": {"count": 2}}, status=202).json
        equal((answer["accepted"], answer["tasks"]), (500, 1000), "targets and tasks")
        equal(w.wait_batch(answer["id"], 60)["ok"], 1000, "ok")
        expect(all(len(a) == 2 for a in answers(w, answer["id"]).values()), "two answers each")
    with w.case("all, and the master dies in the middle"):
        batch = w.api.submit([w.url(f"/slow/30?{i}") for i in range(300)], agents={"count": "all"}, per_host=0)
        equal(w.api.batch(batch)["count"], 3, "count")
        w.wait_for(lambda: w.api.counts(batch)["ok"] > 50, 30, "some have ended")
        w.master_proc.kill9()
        w.master()
        equal(w.wait_batch(batch, 90)["ok"], 900, "ok")
        expect(all(len(a) == 3 for a in answers(w, batch).values()), "three answers each")
    with w.case("one probe, all agents, at once"):
        found = w.api.must("POST", "probes?count=all", {"url": w.url("/ok")}).json["results"]
        equal(sorted(r["agent"] for r in found), sorted(AGENTS), "who answered")
        r = w.cli("probe", w.url("/ok"), "--count", "2", "-o", "ndjson")
        equal((r.returncode, len(r.stdout.splitlines())), (0, 2), "exit code and results")
    w.master_proc.stop()
    w.check_store()


@short
def test_too_few_agents(w):
    w.fleet()
    targets = [w.url(f"/ok?{i}") for i in range(40)]
    with w.case("what is missing expires"):
        batch = w.api.submit(targets, agents={"count": 3}, deadline_s=3)
        counts = w.wait_batch(batch, 30)
        check_sum(counts)
        equal((counts["ok"], counts["expired"]), (80, 40), "ok and expired")
        causes = w.api.batch(batch)["causes"]
        expect("no_agent" in str(causes), causes)
    with w.case("and can be retried when there is another agent"):
        w.agent("a3")
        again = w.api.must("POST", f"batches/{batch}/retry-failed", status=202).json
        equal((again["accepted"], again["tasks"]), (40, 40), "targets and tasks")
        equal(w.wait_batch(again["id"], 30)["ok"], 40, "ok")
    with w.case("those that wait go to an agent that comes"):
        batch = w.api.submit(targets, agents={"count": 4})
        w.wait_for(lambda: w.api.counts(batch)["ok"] == 120, 30, "three have answered")
        w.wait_for(lambda: "more than are connected" in (w.api.batch(batch)["waits_for"] or ""), 10, "it says so")
        w.agent("a4")
        equal(w.wait_batch(batch, 30)["ok"], 160, "ok")
        answers(w, batch)
    w.master_proc.stop()
    w.check_store()
