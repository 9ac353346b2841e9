# SPDX-License-Identifier: MIT
"""A batch that is held back: what runs ends, nothing more starts, and no death of the master forgets it."""
from harness import check_sum, ended, equal, expect, short

SMALL = ("--workers", "1", "--slots", "16")
SLOW_MS = 300


def under_way(w, count, **options):
    """More tasks than there are slots, each of which takes a while."""
    batch = w.slow_batch(count, SLOW_MS, **options)
    w.wait_for(lambda: ended(w.api.counts(batch)) > 20, 30, "some have ended")
    return batch


def change(w, batch, call, status=202):
    return w.api.must("POST", f"batches/{batch}/{call}", status=status).json


def settled(w, batch):
    """What agents had has ended; the counts, which stay."""

    def nothing_runs():
        counts = w.api.counts(batch)
        check_sum(counts)
        return counts if counts["running"] == 0 else None

    return w.wait_for(nothing_runs, 30, "what agents had has ended")


@short
def test_pause_holds_back_and_outlives_kill_9(w):
    w.fleet(agent_options=SMALL)
    batch = under_way(w, 400)
    equal(change(w, batch, "pause")["state"], "paused", "state")
    counts = settled(w, batch)
    expect(0 < counts["queued"] < 400, counts)
    shown = w.api.batch(batch)
    equal((shown["state"], shown["waits_for"]), ("paused", "it is paused"), "what the batch says")
    equal(w.api.must("GET", "batches").json["batches"][0]["state"], "paused", "state in the list")
    seen = w.requests()
    with w.case("others go on meanwhile"):
        other = w.api.submit([w.url("/ok")] * 50)
        equal(w.wait_batch(other, 20)["ok"], 50, "ok of another batch")
    with w.case("the master is killed, and nothing of it starts"):
        w.master_proc.kill9()
        w.master()
        for name in ("a1", "a2"):
            w.wait_agent(name)
        equal(w.wait_batch(w.api.submit([w.url("/ok")] * 50), 30)["ok"], 50, "ok of a batch after the restart")
        equal(w.api.batch(batch)["state"], "paused", "state")
        equal(w.api.counts(batch)["queued"], counts["queued"], "queued")
        equal(w.requests(), seen + 100, "requests that the targets saw")
    with w.case("resumed it ends, each task once"):
        equal(change(w, batch, "resume")["state"], "running", "state")
        equal(w.wait_batch(batch, 60)["ok"], 400, "ok")
        w.one_result_each(batch, 400)
        equal(w.requests(), seen + 100 + counts["queued"], "requests that the targets saw")
    with w.case("too late for an ended one"):
        r = w.api.post(f"batches/{batch}/pause")
        equal((r.status, r.json["code"]), (409, "batch_ended"), "the answer")
    w.master_proc.stop()
    w.check_store()


@short
def test_pause_is_committed_before_it_is_answered(w):
    """Killed right behind the 202, while results come in."""
    w.fleet(agent_options=SMALL)
    batch = under_way(w, 300)
    for call, state in (("pause", "paused"), ("resume", "running"), ("pause", "paused")):
        change(w, batch, call)
        w.master_proc.kill9()
        w.master()
        equal(w.api.batch(batch)["state"], state, f"state after {call} and kill -9")
    change(w, batch, "resume")
    equal(w.wait_batch(batch, 90)["ok"], 300, "ok")
    w.one_result_each(batch, 300)
    w.master_proc.stop()
    w.check_store()


@short
def test_deadline_and_cancel_pass_a_pause(w):
    w.fleet(agents=("a1",), agent_options=SMALL)
    with w.case("the deadline runs through it"):
        batch = under_way(w, 400, deadline_s=3)
        change(w, batch, "pause")
        counts = w.wait_batch(batch, 30)
        expect(counts["expired"] > 0 and counts["ok"] + counts["expired"] == 400, counts)
    with w.case("cancel ends it"):
        batch = under_way(w, 400)
        change(w, batch, "pause")
        change(w, batch, "cancel")
        expect(w.wait_batch(batch, 20)["cancelled"] > 0, "nothing was cancelled")
        w.one_result_each(batch, 400)


@short
def test_pause_and_resume_of_the_command_line(w):
    w.fleet(agents=("a1",), agent_options=SMALL)
    batch = under_way(w, 200)
    r = w.cli("pause", batch[:13])
    equal(r.returncode, 0, f"exit code ({r.stderr})")
    expect(f"batch {batch} is paused" in r.stdout, r.stdout)
    r = w.cli("status", batch)
    expect("paused" in r.stdout and "it is paused" in r.stdout, r.stdout)
    for state, there in (("paused", True), ("running", False)):
        r = w.cli("batches", "--state", state, "-o", "ndjson")
        equal((r.returncode, batch in r.stdout), (0, there), f"the list of those that are {state}")
    r = w.cli("resume", "latest", "-o", "csv")
    equal((r.returncode, r.stdout), (0, f"id,state\n{batch},running\n"), "the answer")
    w.wait_batch(batch, 60)
    r = w.cli("pause", batch)
    equal(r.returncode, 2, "exit code")
    expect("has ended: there is nothing to pause" in r.stderr, r.stderr)
