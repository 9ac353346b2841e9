# SPDX-License-Identifier: MIT
"""Many agents lost at once: whose fault it is, what is withheld meanwhile, how it goes on, and what the lost say when they are back."""
import re
import time

import told
from faults import Harm, Still, metric, need_strace
from harness import Sampler, equal, expect, long, short
from remote import both_ways, fleet, links_at_master, mend, slow_batch

SUSPECT_S, DEAD_S = 10, 15
SETTLE_S = 6   # from the first suspects to the verdict: BULK_SETTLE_MS
FREEZE_S = 60  # nothing is withheld for longer: BULK_FREEZE_MS
PACE_S = 10    # a lost part's tasks are queued again over so many seconds: BULK_PACE_S
SCAN_S = 2     # the scan's period, and what a busy machine adds
SMALL = ("--workers", "1", "--slots", "16")


def verdict(w):
    """The sentence of the one bulk loss, once it is told."""
    w.wait_for(lambda: told.events(w, "bulk_loss"), DEAD_S + SETTLE_S + SCAN_S, "the loss is told")
    found = told.events(w, "bulk_loss")
    equal(len(found), 1, "events of bulk loss")
    print("   ", found[0]["detail"])
    return found[0]["detail"]


def says(sentence, *words):
    for word in words:
        expect(word in sentence, f"without {word!r}:", sentence)


def finish(w, batch, total, timeout=60):
    """All ended well, each once. The results."""
    equal(w.wait_batch(batch, timeout)["ok"], total, "ok")
    return w.one_result_each(batch, total)


def come_late(w, batch, total, before):
    """What the lost had found comes with them, is counted, and changes nothing."""
    w.wait_for(lambda: metric(w, "results_late_total") + metric(w, "results_duplicate_total") > 0, 20, "what the lost had found has come")
    equal(w.one_result_each(batch, total), before, "results, before they came and after")
    print(f"    late {metric(w, 'results_late_total'):.0f}, duplicate {metric(w, 'results_duplicate_total'):.0f}")


def proved(w):
    w.master_proc.stop()
    w.check_store()


# --- a part


def paced(w, lost):
    """Their tasks went to others agent by agent, and not before the loss was told; the seconds from the first to the last."""
    events = told.events(w)
    times = [told.at(e) for e in events if e["kind"] == "agent_grace_over"]
    equal(len(times), lost, "agents whose tasks went to others")
    expect(times[0] >= told.at(next(e for e in events if e["kind"] == "bulk_loss")), "the first went before the loss was told")
    each = -(-lost // PACE_S)  # with a scan, which comes once a second
    expect(times[-1] - times[0] >= lost / each - 1 - SCAN_S / 2, f"they went within {times[-1] - times[0]:.1f} s:", times)
    most = max(sum(0 <= t - first < 0.5 for t in times) for first in times)
    expect(most <= each, f"{most} went at once:", times)
    return times[-1] - times[0]


@short
def test_sixty_percent_cut_at_once_are_a_group_and_requeued_at_a_pace(w):
    """Six of ten share a tag and their network; the four others do the work, and are not flooded with it at once."""
    names = [f"a{i}" for i in range(10)]
    lost, total = names[:6], 3000
    with fleet(w, names, {n: "isp=north" for n in lost}, options=("--slots", "8")):
        batch = slow_batch(w, total)
        w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in names), 20, "all agents have tasks")
        for name in lost:
            both_ways(w, name)
        w.wait_for(lambda: all(w.api.agent(n)["state"] == "suspect" for n in lost), SUSPECT_S + SCAN_S, "they are suspect")
        held = sum(w.api.agent(n)["leases"] for n in lost)
        with w.case("a group is named with what its members share, and with the master's own figures"):
            says(verdict(w), "network_group: 6 of 10 agents", "6 of them have the tag isp=north, as have 0 that are fine", "own lag ")
        w.wait_for(lambda: all(w.api.agent(n)["leases"] == 0 for n in lost), PACE_S + SCAN_S, "their tasks have gone to others")
        expect(w.api.counts(batch)["queued"] > 0, "the batch was too short to show it")
        with w.case("none went before it was told, and then they did agent by agent"):
            took = paced(w, len(lost))
            equal(metric(w, "tasks_requeued_total"), held, "tasks queued again, of those that they held")
            print(f"    {held} tasks of {len(lost)} agents over {took:.1f} s")
        with w.case("each of them was given up"):
            equal(metric(w, "agents_dead_total"), len(lost), "agents declared dead")
        results = finish(w, batch, total)
        for name in lost:
            mend(w, name)
        w.cut.clear()
        with w.case("when they are back, what they say leaves the verdict as it is"):
            w.wait_for(lambda: told.events(w, "bulk_loss_story"), 20, "their story is told")
            says(told.events(w, "bulk_loss_story")[0]["detail"], "network_group stands: of 6 that were lost 6 are back; 0 of them say")
        come_late(w, batch, total, results)
        proved(w)


def test_agents_whose_host_stood_tell_so_when_they_are_back(w):
    """By their silence alone it was the network; by what they say themselves it was their host."""
    w.world()
    w.master()
    w.nginx()
    names = [f"a{i}" for i in range(6)]
    on_host = names[:4]
    agents = [w.agent(n, *SMALL, "--tag", f"host={'h1' if n in on_host else n}", wait=False) for n in names]
    for name in names:
        w.wait_agent(name)
    total = 1500
    batch = w.slow_batch(total, 300)
    w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in names), 20, "all agents have tasks")
    stopped = time.monotonic()
    with Still(*agents[:4]):
        says(verdict(w), "network_group: 4 of 6 agents", "4 of them have the tag host=h1, as have 0 that are fine")
        stood_s = time.monotonic() - stopped
    with w.case("the label is corrected, with what they say"):
        w.wait_for(lambda: told.events(w, "bulk_loss_story"), 20, "their story is told")
        story = told.events(w, "bulk_loss_story")[0]["detail"]
        print("   ", story)
        says(story, "network_group corrected to agents_stood: of 4 that were lost 4 are back; 4 of them say that their own loop stood",
             "look at what their hosts share, not at the network")
        longest = float(re.search(r"for ([0-9.]+) s at most", story).group(1))
        expect(stood_s - 1 < longest < stood_s + 1 + SCAN_S * w.slower, "they say", longest, "s, and stood for", stood_s)
        expect(int(re.search(r"(\d+) tasks and results waited", story).group(1)) > 0, story)
    finish(w, batch, total)
    proved(w)


# --- all of them


def test_all_cut_freezes_the_requeue_and_they_go_on_when_the_path_is_mended(w):
    """Nothing is queued again, and the same processes take their tasks back."""
    names, total = ["a1", "a2", "a3"], 900
    with fleet(w, names):
        batch = slow_batch(w, total)
        w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in names), 20, "all agents have tasks")
        for name in names:
            both_ways(w, name)
        expect(w.api.counts(batch)["queued"] > 0, "nothing was left to be held back")
        says(verdict(w), "network_all: 3 of 3 agents")
        w.wait_for(lambda: links_at_master(w) == 0, DEAD_S, "the descriptors are given back")
        held = w.api.counts(batch)["running"]
        expect(held > 0 and metric(w, "tasks_requeued_total") == 0, "tasks queued again, and still held:", held)
        for name in names:
            mend(w, name)
        w.cut.clear()
        equal({r["attempt"] for r in finish(w, batch, total)}, {1}, "attempts")
        equal(metric(w, "tasks_requeued_total"), 0, "tasks queued again")
        proved(w)


@long
def test_all_lost_freezes_the_requeue_for_a_minute_and_no_longer(w):
    """Our own edge is more likely than all of them; but after a minute tasks wait for whoever comes."""
    w.world()
    w.master()
    w.nginx()
    names = ("a1", "a2", "a3", "a4")
    agents = [w.agent(n, *SMALL) for n in names]
    total = 600
    batch = w.slow_batch(total, 500)
    w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in names), 20, "all agents have tasks")
    requeued = []
    with Still(*agents):
        says(verdict(w), "network_all: 4 of 4 agents")
        held = w.api.counts(batch)["running"]
        began = told.at(told.events(w, "agent_suspect")[2])  # so many that they belong together: BULK_LEAST
        with w.case("nothing goes to others, for a minute at most, and then it is told"):
            with Sampler(lambda: requeued.append((time.time(), metric(w, "tasks_requeued_total"))), 0.25):
                w.wait_for(lambda: told.events(w, "bulk_loss_over"), FREEZE_S, "the freeze is over")
            over = told.events(w, "bulk_loss_over")[0]
            says(over["detail"], "network_all: after 60 s 4 of 4 agents are still away; nothing is withheld any longer")
            expect(FREEZE_S - 1 <= told.at(over) - began <= FREEZE_S + SCAN_S * w.slower, "it lasted", told.at(over) - began, "s")
            early = [n for when, n in requeued if when < told.at(over) - 0.5]
            expect(len(early) > 20 and set(early) == {0}, "queued again meanwhile:", set(early))
        w.wait_for(lambda: w.api.counts(batch)["running"] == 0, PACE_S + SCAN_S, "all of it is queued again")
        with w.case("then at the same pace as a part"):
            took = paced(w, len(names))
            equal(metric(w, "tasks_requeued_total"), held, "tasks queued again, of those that they held")
            print(f"    {held} tasks of {len(names)} agents over {took:.1f} s, from {told.at(over) - began:.1f} s after three were suspect")
        w.agent("new", *SMALL)
        results = finish(w, batch, total)
        expect(sum(r["agent"] == "new" for r in results) >= held, "the new one has not done what they held")
    for name in names:
        w.wait_agent(name)
    come_late(w, batch, total, results)
    proved(w)


# --- the master's own fault


def test_a_master_that_does_not_read_blames_its_handler_and_gives_up_nobody(w):
    """Its loop turns, and each read of a socket finds nothing (EAGAIN): the kernel holds what the agents say."""
    need_strace()
    w.world()
    w.master()
    names = ("a1", "a2", "a3", "a4")
    for name in names:
        w.agent(name, *SMALL)
    total = 900
    batch = w.slow_batch(total, 300)
    w.wait_for(lambda: w.requests() > 200, 20, "all are busy")  # so that each is heard until the last moment
    sessions = {n: w.api.agent(n)["session"] for n in names}
    # A loop that reads in vain would spin: it may do so fifty times a second.
    harm = Harm(w, w.master_proc, "hub", "recvfrom:error=EAGAIN:delay_exit=20000")
    sentence = verdict(w)
    with w.case("the kernel's unread bytes are the evidence, and its loop is in time"):
        says(sentence, "handler_slow: 4 of 4 agents suspect", "4 of 4 connections hold unread bytes")
        expect(float(re.search(r"own lag (\d+) ms", sentence).group(1)) < 1000 and "overslept 0 ms" in sentence, sentence)
    with w.case("meanwhile nobody is dead, and nothing goes to others"):
        equal({w.api.agent(n)["state"] for n in names}, {"suspect"}, "states")
        equal((metric(w, "agents_dead_total"), metric(w, "tasks_requeued_total")), (0, 0), "dead, and tasks queued again")
    harm.end()
    for name in names:
        w.wait_agent(name)
    with w.case("it is over when it reads again: the same sessions, and each task run once"):
        w.wait_for(lambda: told.events(w, "bulk_loss_over"), 10, "that is told")
        equal({n: w.api.agent(n)["session"] for n in names}, sessions, "sessions")
        equal({r["attempt"] for r in finish(w, batch, total)}, {1}, "attempts")
        equal(w.requests(), total, "requests that the targets saw")
    proved(w)
