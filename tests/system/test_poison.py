# SPDX-License-Identifier: MIT
"""A task that kills every agent that runs it: convicted at the third death, alone, while the fleet goes on (poison_agent.c)."""
import os
import signal

from harness import equal, expect, short


class Supervised:
    """Agents that are started again when they have ended, as systemd would."""

    def __init__(self, w, names):
        self.w, self.deaths = w, 0
        self.program = os.path.join(w.build, "tests", "poison_agent")
        self.procs = {name: w.agent(name, program=self.program) for name in names}
        for proc in self.procs.values():
            proc.expected.add(-signal.SIGABRT)

    def look(self, _counts):
        for name, proc in list(self.procs.items()):
            if not proc.alive():
                equal(proc.popen.returncode, -signal.SIGABRT, f"the end of {name}")
                self.deaths += 1
                self.procs[name] = self.w.agent(name, program=self.program, wait=False)
                self.procs[name].expected.add(-signal.SIGABRT)


@short
def test_three_deaths(w):
    w.world()
    w.master()
    w.nginx()
    fleet = Supervised(w, ("a1", "a2", "a3"))
    http = w.targets["http"]
    targets = [{"url": f"http://h{i}.ok.test:{http}/ok", "user_id": f"good {i}"} for i in range(300)]
    targets += [{"url": f"http://slow{i}.ok.test:{http}/slow/100", "user_id": f"slow {i}"} for i in range(20)]
    for i in range(2):
        targets.insert(100 + i * 100, {"url": f"http://p{i}.ok.test:{http}/poison", "user_id": f"poison {i}"})
    batch = w.api.submit(targets, per_host=0)
    w.wait_batch(batch, 60, at_poll=fleet.look)
    results = {r["user_id"]: r for r in w.one_result_each(batch, len(targets))}
    with w.case("the poison is named, and it is not the target's fault"):
        for i in range(2):
            r = results[f"poison {i}"]
            equal((r["outcome"], r["cause"]), ("undetermined", "poison"), "outcome, cause")
    with w.case("all others end well, those too that died with it"):
        wrong = [r for name, r in results.items() if not name.startswith("poison") and r["outcome"] != "ok"]
        expect(not wrong, f"{len(wrong)} did not:", wrong[:3])
    with w.case("no more agents died than it takes"):
        expect(3 <= fleet.deaths <= 6, f"{fleet.deaths} deaths")
    with w.case("the fleet is as before"):
        for name in ("a1", "a2", "a3"):
            w.wait_agent(name)
        again = w.api.submit([f"http://h{i}.ok.test:{http}/ok" for i in range(30)])
        equal(w.wait_batch(again, 20)["ok"], 30, "ok")
    with w.case("the accounts are in order"):
        w.check_store()


def test_what_is_shipped_knows_no_poison(w):
    w.fleet(agents=("a1",))
    with w.case("a path of that name is a path like any other"):
        batch = w.api.submit([w.url("/poison")])
        w.wait_batch(batch, 20)
        equal(w.api.results(batch)[0]["cause"], "http_4xx", "cause")
