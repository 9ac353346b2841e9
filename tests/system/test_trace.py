# SPDX-License-Identifier: MIT
"""One grep for a trace over both logs tells what the API tells of a task."""
import re

from harness import equal, expect, short

SMALL = ("--workers", "1", "--slots", "4")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
# What stands in the timeline stands in the master's log under the same word.
MASTER = ("leased", "nack", "released", "lost", "died", "result", "stored")


def grep(proc, trace, task=None):
    """The lines of one log about a trace, or about one of its tasks, as events with their fields."""
    found = []
    for line in proc.log().splitlines():
        if f" trace={trace}" + (f" task={task} " if task else "") not in line + " ":
            continue
        at, level, area, event = line.split(" ")[:4]
        fields = dict(re.findall(r' (\w+)=("(?:[^"\\]|\\.)*"|\S+)', line))
        found.append({"at": at, "level": level, "area": area, "event": event, **fields})
    return found


def events(lines):
    return [line["event"] for line in lines]


def submit(w, targets, parent=PARENT, **options):
    headers = {"traceparent": parent} if parent else {}
    return w.api.must("POST", "batches", {"targets": targets, **options}, status=202, headers=headers).json


@short
def test_one_grep_tells_the_story(w):
    (a1,) = w.fleet(agents=("a1",), agent_options=SMALL)
    with w.case("an ordinary task of a batch that asks for it"):
        got = submit(w, [w.url("/ok")], log_tasks=True)
        equal(got["trace"], TRACE, "the trace of the 202")
        w.wait_batch(got["id"], 20)
        batch = w.api.batch(got["id"])
        equal((batch["trace"], batch["log_tasks"]), (TRACE, True), "the batch")
        result = w.api.results(got["id"])[0]
        equal(result["trace"], TRACE, "the trace of the result")
        w.wait_for(lambda: "acknowledged" in events(grep(a1, TRACE)), 10, "the agent has its acknowledgement")
        task = tells_the_same(w, a1, result["task"])
        steps = [s["step"] for s in task["timeline"]]
        expect(steps.index("leased") < steps.index("connect") < steps.index("result") < steps.index("stored"), steps)
        ours = grep(a1, TRACE, result["task"])
        equal(events(ours), ["admitted", "ended", "result_sent", "acknowledged"], "the agent's steps")
        for phase in ("connect_ms", "wait_ms", "total_ms"):
            expect(abs(float(ours[1][phase]) - result["timings"][phase]) < 0.002, phase, ours[1], result["timings"])
        equal(events(grep(w.master_proc, TRACE))[:1], ["opened"], "the batch's first line")
        expect(TRACE in w.cli("task", result["task"]).stdout, "sonde task does not name it")
    with w.case("an agent dies with one, and its next process ends it"):
        got = submit(w, [w.url("/slow/3000")], parent="", log_tasks=True)
        expect(got["trace"] != TRACE and len(got["trace"]) == 32, got)
        w.wait_for(lambda: w.api.counts(got["id"])["running"], 20, "it runs")
        w.wait_for(lambda: "admitted" in events(grep(a1, got["trace"])), 20, "the agent has it")
        a1.kill9()
        a1 = w.agent("a1", *SMALL)
        w.wait_batch(got["id"], 60)
        w.wait_for(lambda: "acknowledged" in events(grep(a1, got["trace"])), 10, "the agent has its acknowledgement")
        result = w.api.results(got["id"])[0]
        task = tells_the_same(w, a1, result["task"])
        equal([a["end"] for a in task["attempts"]], ["died", "result"], "attempts")
        equal(events(grep(a1, got["trace"])), ["admitted", "admitted", "ended", "result_sent", "acknowledged"], "the agent's steps")
    with w.case("what does not ask is silent, but for what fails"):
        got = submit(w, [w.url("/ok"), w.url("/status/500")], parent="")
        w.wait_batch(got["id"], 20)
        w.wait_for(lambda: events(grep(w.master_proc, got["trace"])).count("stored") == 1, 10, "the failure is told")
        good, bad = sorted(w.api.results(got["id"]), key=lambda r: r["outcome"] != "ok")
        equal([good["outcome"], bad["outcome"]], ["ok", "failed"], "outcomes")
        equal(grep(w.master_proc, got["trace"], good["task"]) + grep(a1, got["trace"], good["task"]), [], "lines of the good one")
        equal(events(grep(w.master_proc, got["trace"], bad["task"])), ["result", "stored"], "the master's lines of the bad one")
        equal([(x["event"], x["cause"]) for x in grep(a1, got["trace"], bad["task"])], [("ended", bad["cause"])], "the agent's")
    with w.case("a traceparent that is none is not taken"):
        for parent in (PARENT.upper(), PARENT[:-1], PARENT + "-x", "00-" + "0" * 32 + PARENT[35:], "x" * 5000):
            expect(submit(w, [w.url("/ok")], parent)["trace"] != TRACE, parent[:60])
    with w.case("a batch of many: each has its lines"):
        text = w.api.submit_text([w.url("/ok")] * 200, "?log_tasks=1")
        w.wait_batch(text["id"], 30)
        w.wait_for(lambda: events(grep(a1, text["trace"])).count("acknowledged") == 200, 10, "the last acknowledgement")
        for proc, words in ((w.master_proc, ("leased", "result", "stored")), (a1, ("admitted", "ended", "result_sent", "acknowledged"))):
            for word in words:
                lines = [x for x in grep(proc, text["trace"]) if x["event"] == word]
                equal(len({x["task"] for x in lines}), 200, f"tasks of {proc.name} that were {word}")


def tells_the_same(w, agent, number):
    """Both logs and the API: the same steps, in the same order, by the same agent. The task."""
    task = w.api.must("GET", f"tasks/{number}").json
    of_master = [x for x in grep(w.master_proc, task["trace"], number) if x["area"] == "task"]
    of_api = [s for s in task["timeline"] if s["step"] in MASTER]
    equal(events(of_master), [s["step"] for s in of_api], "the steps of log and timeline")
    for line, step in zip(of_master, of_api):
        equal(line.get("agent"), step["agent"] or line.get("agent"), f"the agent of {step['step']}")
        equal(line["batch"], task["batch"], "the batch")
    equal(of_master[-1]["outcome"], task["result"]["outcome"], "the outcome")
    equal([x["level"] for x in of_master], ["info"] * len(of_master), "levels")
    expect("acknowledged" in events(grep(agent, task["trace"], number)), "the agent's log does not end with the acknowledgement")
    return task
