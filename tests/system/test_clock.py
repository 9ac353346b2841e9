# SPDX-License-Identifier: MIT
"""The time of day is for people: set it by a day, smear it, let it pass 2038, at either side, and no lease, deadline or
verdict moves; only who is off is told."""
import datetime
import os
import time

import told
from harness import Skipped, equal, expect, long, takes

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
DAY = 86400
SMALL = ("--workers", "1", "--slots", "8")


class Clock:
    """The time of day of the programs that run under it, which a test sets."""

    def __init__(self, w, name):
        self.path = w.path(name + ".clock")
        self.set("+0")

    def set(self, text):
        with open(self.path + ".new", "w", encoding="ascii") as f:
            f.write(text + "\n")
        os.rename(self.path + ".new", self.path)

    def env(self):
        return {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def only_where_it_works(w):
    if w.kind != "release":
        raise Skipped("libfaketime and sanitizers both want to be first")
    if not os.path.exists(FAKETIME):
        raise Skipped("the package faketime is not installed")


def clocks(w):
    """Master and agents, each side by a clock of its own."""
    only_where_it_works(w)
    of = {name: Clock(w, name) for name in ("master", "agent")}
    w.world()
    w.master(env=of["master"].env())
    w.nginx()
    w.agent("a1", *SMALL, env=of["agent"].env())
    w.agent("a2", *SMALL, env=of["agent"].env())
    return of


def flagged(w, wanted, name="a1"):
    """The agent's view, once the flag is so."""

    def so():
        a = w.api.agent(name)
        return a if a and a["clock_skew"] == wanted and (a["clock_ahead_ms"] is not None) else None

    return w.wait_for(so, 25, f"clock_skew of {name} is {wanted}")


def events(w, *kinds):
    return [e for e in told.events(w) if e["kind"] in kinds]


def nothing_moved(w):
    equal(events(w, "agent_disconnected", "agent_suspect", "agent_grace_over", "bulk_loss", "master_overslept",
                 "batch_deadline", "agent_slow"), [], "what nobody's clock may cause")
    text = w.api.must("GET", "/metrics").text
    expect("\nsonde_tasks_requeued_total 0\n" in text, "a lease was ended by a clock:", text)


def under_way(w, n=60):
    """A batch that lasts as long as the clocks are played with: each task hangs for some seconds."""
    batch = w.api.submit([w.url(f"/slow/2000?{i}") for i in range(n)], deadline_s=600, per_host=0)
    w.wait_for(lambda: w.api.counts(batch)["running"] > 0, 20, "its tasks run")
    return batch


def all_ok(w, batch, n=60):
    counts = w.wait_batch(batch, 90)
    equal((counts["ok"], counts["total"]), (n, n), "results that are ok")
    return w.one_result_each(batch, n)


def set_and_look(w, of, side, offset, ahead_s):
    batch = under_way(w)
    of[side].set(offset)
    a = flagged(w, True)
    expect(abs(a["clock_ahead_ms"] / 1000 - ahead_s) < 3, a["clock_ahead_ms"], "is not", ahead_s, "s")
    shown = w.cli("agents", "a1").stdout
    expect("clock_skew" in shown, shown)
    f = told.finding(w, "agent_clock")
    expect(f["state"] == "warn" and "a1" in (i["name"] for i in f["items"]), f)
    results = all_ok(w, batch)
    skews = [r.get("clock_skew_ms", 0) for r in results]
    expect(any(abs(s / 1000 - ahead_s) < 3 for s in skews), "no result says so:", skews)
    of[side].set("+0")
    flagged(w, False)
    flagged(w, False, "a2")
    nothing_moved(w)


@takes(105)
def test_a_day_off_at_either_side_is_told_and_moves_nothing(w):
    of = clocks(w)
    flagged(w, False)
    equal(events(w, "agent_clock_skew"), [], "before anything was set")
    for side, offset, ahead_s in (("agent", "+86400", DAY), ("agent", "-86400", -DAY), ("master", "+86400", -DAY),
                                  ("master", "-86400", DAY)):
        with w.case(f"the {side}'s clock by {offset} s"):
            set_and_look(w, of, side, offset, ahead_s)
    with w.case("a master's clock that is off shows as that"):
        of["master"].set("+7200")
        flagged(w, True)
        flagged(w, True, "a2")
        w.wait_for(lambda: "its clock is off" in told.finding(w, "agent_clock")["evidence"], 10, "all agree with each other")
        equal(told.finding(w, "clock")["state"], "warn", "the check of the master's own clock")
        of["master"].set("+0")
        flagged(w, False)
        flagged(w, False, "a2")
    with w.case("each change was an event, and there was no other"):
        kinds = [e["kind"] for e in events(w, "agent_clock_skew", "agent_clock_right") if e["agent"] == "a1"]
        equal(kinds, ["agent_clock_skew", "agent_clock_right"] * 5, "events of a1")
    w.check_store()


@long
def test_a_leap_second_smeared_or_stepped_is_none(w):
    of = clocks(w)
    flagged(w, False)
    for side in ("agent", "master"):
        for offset in ("+0 x1.00002", "-1", "+1"):
            of[side].set(offset)
            seq = w.api.agent("a1")["heartbeat"]["seq"]
            w.wait_for(lambda: w.api.agent("a1")["heartbeat"]["seq"] >= seq + 2, 20, "two heartbeats")
            expect(not w.api.agent("a1")["clock_skew"], side, offset, w.api.agent("a1")["clock_ahead_ms"])
        of[side].set("+0")
    equal(events(w, "agent_clock_skew"), [], "clocks that are off")
    nothing_moved(w)


@takes(50)
def test_the_end_of_32_bits_of_seconds_passes_unnoticed(w):
    of = clocks(w)
    end = datetime.datetime(2038, 1, 19, 3, 14, 8, tzinfo=datetime.timezone.utc).timestamp()
    for sides in (("agent",), ("master",), ("agent", "master")):
        with w.case("at the " + " and the ".join(sides)):
            batch = under_way(w)
            offset = int(end - time.time()) - 4
            for side in sides:
                of[side].set(f"+{offset}")
            results = all_ok(w, batch)
            if "agent" in sides:
                years = {r["started_at"][:4] for r in results}
                expect("2038" in years, "no result was of 2038:", years)
                late = max(r["started_at"] for r in results)
                expect(late > "2038-01-19T03:14:08", "none was after the last second:", late)
            for side in sides:
                of[side].set("+0")
            flagged(w, False)
            nothing_moved(w)
    w.check_store()


@takes(30)
def test_deadlines_and_leases_of_a_master_that_starts_again_with_another_clock(w):
    of = clocks(w)
    batch = under_way(w)
    lasting = w.api.submit(["dns:a.test"], agents={"names": ["nobody"]}, deadline_s=3600)
    short = w.api.submit(["dns:b.test"], agents={"names": ["nobody"]}, deadline_s=25)
    began = time.monotonic()
    for offset in ("+86400", "-86400", "+378432000"):
        w.master_proc.kill9()
        of["master"].set(offset)
        w.master(env=of["master"].env())
    with w.case("what runs comes in, and nothing expires by the clock"):
        all_ok(w, batch)
        equal(w.api.counts(lasting)["queued"], 1, "of an hour's deadline")
    with w.case("a deadline that is due ends what is left, by the time that has really passed"):
        counts = w.wait_batch(short, 60)
        equal(counts["expired"], 1, "expired")
        expect(time.monotonic() - began > 20, "it came early, after", time.monotonic() - began)
    with w.case("and the first clock again"):
        w.master_proc.kill9()
        of["master"].set("+0")
        w.master(env=of["master"].env())
        w.wait_agent("a1")
        equal(w.api.counts(lasting)["queued"], 1, "of an hour's deadline")
    w.check_store()


def test_what_is_kept_for_a_time_is_kept_when_the_clock_jumps(w):
    of = clocks(w)
    first = w.api.call("POST", "batches", {"targets": ["dns:a.test"]}, headers={"Idempotency-Key": "k"}).json
    w.wait_batch(first["id"], 30)
    of["master"].set("+378432000")
    flagged(w, True)
    again = w.api.call("POST", "batches", {"targets": ["dns:a.test"]}, headers={"Idempotency-Key": "k"}).json
    equal(again["id"], first["id"], "the first answer again")
    equal(len(w.api.results(first["id"])), 1, "results after twelve years that nobody lived")
