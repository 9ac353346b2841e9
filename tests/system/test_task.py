# SPDX-License-Identifier: MIT
"""What a task went through: told step by step, over agents that die and a master that is killed."""
from harness import equal, expect, short

SMALL = ("--workers", "1", "--slots", "4")


def steps(task):
    return [s["step"] for s in task["timeline"]]


def first_task(w, batch):
    return w.api.results(batch)[0]["task"]


@short
def test_a_task_tells_its_way(w):
    w.fleet(agents=("a1",), agent_options=SMALL)
    with w.case("an ordinary one"):
        batch = w.api.submit([w.url("/ok")])
        w.wait_batch(batch, 20)
        task = w.api.must("GET", f"tasks/{first_task(w, batch)}").json
        equal(
            steps(task),
            ["accepted", "committed", "leased", "received", "started", "connect", "send", "wait", "download", "finished", "result", "stored"],
            "steps",
        )
        equal((task["state"], task["history_lost"], len(task["attempts"])), ("ended", False, 1), "the task")
        times = [s["at"] for s in task["timeline"]]
        equal(times, sorted(times), "times")  # one machine, one clock
        r = w.cli("task", task["task"])
        equal(r.returncode, 0, f"exit code ({r.stderr})")
        expect("stored" in r.stdout and "http" in r.stdout and "CLOCK" in r.stdout, r.stdout)
        r = w.cli("task", task["task"], "-o", "json")
        expect('"timeline"' in r.stdout, r.stdout)
        r = w.cli("task", "hello")
        equal(r.returncode, 2, "exit code")
        r = w.cli("task", "99999999999")
        expect(r.returncode != 0 and "there is no task" in r.stderr, r.stderr)
    with w.case("an agent dies with it, another ends it"):
        batch = w.api.submit([w.url("/slow/4000")])
        running = w.wait_for(lambda: w.api.counts(batch)["running"], 20, "it runs")
        equal(running, 1, "running")
        number = int(first_number(w, batch))
        task = w.api.must("GET", f"tasks/{number}").json
        equal((task["state"], task["attempts"][0]["agent"]), ("running", "a1"), "where it is")
        w.procs[-1].kill9()
        w.agent("a1", *SMALL)  # another process of that name: the first one has died
        w.wait_batch(batch, 60)
        task = w.api.must("GET", f"tasks/{number}").json
        equal([(a["agent"], a["end"]) for a in task["attempts"]], [("a1", "died"), ("a1", "result")], "attempts")
        equal(
            [s for s in steps(task) if s not in ("connect", "send", "wait", "download")],
            ["accepted", "committed", "leased", "died", "leased", "received", "started", "finished", "result", "stored"],
            "steps without the phases",
        )
        equal(task["history_lost"], False, "history_lost")
        expect("died" in w.cli("task", str(number)).stdout, "the command line does not tell")
    with w.case("a master dies, and what it knew is said to be lost"):
        batch = w.api.submit([w.url("/slow/4000")])
        w.wait_for(lambda: w.api.counts(batch)["running"], 20, "it runs")
        w.master_proc.kill9()
        w.master()
        w.wait_batch(batch, 60)
        task = w.api.must("GET", f"tasks/{first_task(w, batch)}").json
        equal((task["history_lost"], task["result"]["outcome"]), (True, "ok"), "the task")
        expect("not remembered" in w.cli("task", task["task"]).stdout, "the command line does not tell")
    w.master_proc.stop()
    w.check_store()


def first_number(w, batch):
    """The id of the only task of the newest batch, before it has a result."""
    newest = w.api.must("GET", "batches?limit=1").json["batches"][0]["id"]
    equal(newest, batch, "the newest batch")
    known = [b["id"] for b in w.api.must("GET", "batches").json["batches"]]
    return len(known) << 32
