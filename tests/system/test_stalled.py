# SPDX-License-Identifier: MIT
"""An agent whose link lives and whose work stands still: its tasks go to others, and its watchdog ends it (poison_agent.c)."""
import os
import signal
import time

import told
from harness import equal, expect, short, takes

STALLED = 70  # what a process that its watchdog has ended gives
BLOCKS = {"POISON_AGENT": "blocks"}


class Sick:
    """Agents of the program with a sick kind of probe; those that have ended are started again, as systemd would, and well."""

    def __init__(self, w, sick, well=()):
        self.w, self.ends = w, []
        self.program = os.path.join(w.build, "tests", "poison_agent")
        self.procs = {}
        for name in (*sick, *well):
            self.start(name, BLOCKS if name in sick else None)
        self.heal = True

    def start(self, name, env=None, wait=True):
        self.procs[name] = self.w.agent(name, "--workers", "2", program=self.program, env=env, wait=wait)
        self.procs[name].expected.add(STALLED)

    def look(self, _counts=None):
        for name, proc in list(self.procs.items()):
            if not proc.alive():
                equal(proc.popen.returncode, STALLED, f"the end of {name}")
                self.ends.append(name)
                self.start(name, None if self.heal else BLOCKS, wait=False)


def stands(w, path, what):
    """One agent of two stands at a task of that path."""
    w.world()
    w.master()
    w.nginx()
    fleet = Sick(w, sick=("a1",))
    http = w.targets["http"]

    def target(path, i):
        return {"url": f"http://h{i}.ok.test:{http}{path}", "user_id": f"{path} {i}", "timeout_ms": 1000}

    batch = w.api.submit([target(path, 0)] + [target("/ok", i) for i in range(1, 60)], per_host=0)
    w.wait_for(lambda: w.api.counts(batch)["running"] > 0, 10, "the task is there")
    with w.case("its heartbeats go on, and it is found stalled"):
        w.wait_for(lambda: w.api.agent("a1")["state"] == "stalled", 20, "a1 is stalled")
        agent = w.api.agent("a1")
        expect(agent["heartbeat"]["overdue_ms"] >= 5000, "no figure says so:", agent["heartbeat"])
        expect(agent["heartbeat_age_ms"] < 10000, "its heartbeats have ended:", agent)
        event = told.events(w, "agent_stalled")[0]
        equal(event["agent"], "a1", "the agent of the event")
        expect("over its time-out" in event["detail"], "no evidence:", event)
    with w.case("people are told, with the meaning and what to do"):
        finding = told.finding(w, "agents_stalled")
        equal(finding["state"], "warn", "the finding")
        expect("over its time-out" in finding["items"][0]["evidence"], "no evidence:", finding)
        expect("stalled: its work stands still" in w.cli("agents").stdout, "the list does not tell")
        expect("what to do" in w.cli("agents", "a1").stdout, "its page does not tell")
        w.wait_for(lambda: b"sonde_agents_stalled 1" in w.api.get("/metrics").body, 5, "the metrics tell")
    with w.case("another agent gets its tasks, and each has one result"):
        fleet.start("a2")
        w.wait_batch(batch, 30, at_poll=fleet.look)
        results = {r["user_id"]: r for r in w.one_result_each(batch, 60)}
        wrong = [r for r in results.values() if r["outcome"] != "ok" and not r["user_id"].startswith(path)]
        expect(not wrong, f"{len(wrong)} did not end well:", wrong[:3])
        equal(results[f"{path} 0"]["agent"], "a2", "who answered")
        task = results[f"{path} 0"]["task"]
    with w.case("its watchdog ends the process, and says what stood"):
        old = fleet.procs["a1"]
        w.wait_for(lambda: not old.alive(), 60, "its watchdog ends it")
        fleet.look()
        lines = [line for line in old.log().splitlines() if " error pool hopeless " in line]
        equal(len(lines), 1, "lines of its end")
        expect(f" what=\"{what}\" " in lines[0], "it does not say what stood:", lines[0])
        expect(f" task={task} " in lines[0] and " trace=" in lines[0], "nor at which task:", lines[0])
        equal(fleet.ends, ["a1"], "who was ended")
    with w.case("it comes back, and works"):
        w.wait_agent("a1")
        again = w.api.submit([target("/ok", i) for i in range(20)], agents={"names": ["a1"]})
        equal(w.wait_batch(again, 20)["ok"], 20, "ok")
    with w.case("the accounts are in order"):
        w.check_store()


@takes(30)
@short
def test_a_worker_that_stands(w):
    stands(w, "/block", "a worker's loop stands")


@takes(30)
def test_a_probe_that_never_ends(w):
    stands(w, "/endless", "a probe is over its time-out")


@takes(50)
def test_a_task_that_stalls_every_agent(w):
    """Two stalls, then alone, then poison; the fleet goes on."""
    w.world()
    w.master()
    w.nginx()
    fleet = Sick(w, sick=("a1", "a2", "a3"))
    fleet.heal = False
    http = w.targets["http"]
    targets = [{"url": f"http://h{i}.ok.test:{http}/ok", "timeout_ms": 1000} for i in range(100)]
    targets.insert(50, {"url": f"http://p.ok.test:{http}/block", "user_id": "evil", "timeout_ms": 1000})
    batch = w.api.submit(targets, per_host=0)
    w.wait_batch(batch, 150, at_poll=fleet.look)
    results = w.one_result_each(batch, len(targets))
    with w.case("it is convicted, and nothing else"):
        evil = [r for r in results if r.get("user_id") == "evil"][0]
        equal((evil["outcome"], evil["cause"]), ("undetermined", "poison"), "outcome, cause")
        equal(sum(r["outcome"] == "ok" for r in results), 100, "ok")
        attempts = w.api.must("GET", f"tasks/{evil['task']}").json["attempts"]
        equal([a["end"] for a in attempts], ["stalled"] * 3, "how its leases ended")
    with w.case("three stalls were enough"):
        equal(len(told.events(w, "agent_stalled")), 3, "stalls")
    with w.case("all agents come back"):
        for name in ("a1", "a2", "a3"):
            def there(name=name):
                fleet.look()
                return w.api.agent(name)["state"] == "alive"

            w.wait_for(there, 90, f"{name} is well")
    with w.case("the accounts are in order"):
        w.check_store()


@short
def test_a_process_that_was_stopped(w):
    """Its clocks went on without it: that is no stall, and its watchdog ends nothing."""
    w.world()
    w.master()
    agent = w.agent("a1")
    tarpits = [{"url": f"http://127.0.0.1:{w.targets['tarpit']}/", "timeout_ms": 3000} for _ in range(20)]
    batch = w.api.submit(tarpits, per_host=0)
    w.wait_for(lambda: w.api.counts(batch)["running"] == 20, 10, "all run")
    beats = w.api.agent("a1")["heartbeat"]
    agent.signal(signal.SIGSTOP)
    w.wait_for(lambda: told.events(w, "agent_suspect"), 20, "its silence is seen")
    time.sleep(1)  # more than 5 s beyond their time-outs in any case
    agent.signal(signal.SIGCONT)
    with w.case("it works on"):
        counts = w.wait_batch(batch, 30)
        equal(counts["failed"], 20, "failed (timed out)")
        w.wait_for(lambda: (w.api.agent("a1")["heartbeat"] or {}).get("probes", 0) >= 20, 15, "a heartbeat after it")
        w.wait_agent("a1")  # suspect until the next scan
        expect(beats is None or beats["probes"] < 20, "it had ended before", beats)
    with w.case("nobody calls it stalled"):
        equal(told.events(w, "agent_stalled"), [], "events")
        expect(" error pool " not in agent.log(), "it did so itself:", agent.log()[-1500:])
    with w.case("the accounts are in order"):
        w.check_store()


def test_what_is_shipped_knows_no_sickness(w):
    w.world()
    w.master()
    w.agent("a1", env=BLOCKS)
    with w.case("paths of these names are paths like any other"):
        batch = w.api.submit([w.url("/block"), w.url("/endless")])
        w.wait_batch(batch, 20)
        equal([r["cause"] for r in w.api.results(batch)], ["http_4xx", "http_4xx"], "causes")
