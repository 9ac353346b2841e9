# SPDX-License-Identifier: MIT
"""An agent, the master or its disk stands still: the work goes to others or waits, and what comes later counts once."""
import re
import time

import told
from faults import Still, metric, side_by_side
from harness import equal, expect, long, short, takes
from test_disk import slow_disk

SMALL = ("--workers", "1", "--slots", "64")
WINDOW = 64 + 64 // 4  # slots and queue of such an agent
DEAD_S = 15
TASKS = 600  # of a second each: more than the slots hold, done by one agent within the time the other stands still


def fleet(w, names=("a1", "a2"), proxy=False):
    w.world()
    w.master()
    if proxy:
        w.nginx()
        w.api.port = w.port["api"]
    return [w.agent(name, *SMALL) for name in names]


def full(w, count, ms):
    """More tasks than the slots hold, which are full."""
    batch = w.slow_batch(count, ms)
    w.wait_for(lambda: w.requests() >= 2 * 64, 20, "the slots are full")
    return batch


def all_ok_once(w, batch, count):
    equal(w.wait_batch(batch, 60)["ok"], count, "ok")
    w.one_result_each(batch, count)
    for proc in w.procs:
        if proc.name.startswith("a"):
            proc.stop()
    w.master_proc.stop()
    w.check_store()


def agent_stops(w, seconds):
    """It holds its window and no more; when it is given up the other runs that; its own results come late and change nothing."""
    a1, _ = fleet(w)
    batch = full(w, TASKS, 1000)
    with Still(a1):
        stopped = time.monotonic()
        w.wait_for(lambda: w.api.agent("a1")["state"] == "suspect", 12, "it is suspect")
        suspect_s = time.monotonic() - stopped
        held = w.api.agent("a1")["leases"]
        expect(0 < held <= WINDOW, f"it holds {held} tasks")
        sent = w.api.agent("a1")["sent_tasks"]
        w.wait_for(lambda: metric(w, "agents_dead_total") == 1, DEAD_S, "it is given up")
        dead_s = time.monotonic() - stopped
        equal(w.api.agent("a1")["sent_tasks"], sent, "tasks that were sent to it when it was suspect")
        equal(w.api.agent("a2")["state"], "alive", "the other")
        w.wait_batch(batch, 30)
        before = w.one_result_each(batch, TASKS)
        time.sleep(max(0, seconds - (time.monotonic() - stopped)))
    w.wait_agent("a1")
    w.wait_for(lambda: metric(w, "results_late_total") + metric(w, "results_duplicate_total") > 0, 20, "its results have come, late")
    equal(w.one_result_each(batch, TASKS), before, "results, before it came and after")
    print(f"    suspect after {suspect_s:.1f} s, dead after {dead_s:.1f} s, with {held} tasks; late {metric(w, 'results_late_total'):.0f}, "
          f"duplicate {metric(w, 'results_duplicate_total'):.0f}")
    expect(suspect_s > 7 and 12 < dead_s < DEAD_S + 2 * w.slower, "suspect and dead after", suspect_s, dead_s)
    all_ok_once(w, batch, TASKS)


def master_stops(w, seconds, proxy=False):
    """The agents give it up and come again; it gives up nobody, says that it was itself, and nothing is run twice."""
    agents = fleet(w, ("a1", "a2", "a3"), proxy)  # so many that their loss would be one of many
    batch = full(w, TASKS, 1000)
    with Still(w.master_proc):
        time.sleep(seconds)
    for a in agents:
        w.wait_agent(a.name)
    overslept = [e["detail"] for e in told.events(w, "master_overslept")]
    equal(len(overslept), 1, "times that its standing is told")
    stood_ms = int(re.search(r"stood for (\d+) ms", overslept[0]).group(1))
    expect(seconds * 1000 - 500 < stood_ms < seconds * 1000 + 2000 * w.slower, "it says that it stood for", stood_ms, "ms")
    finding = told.finding(w, "stood_still")
    equal((finding["state"], finding["figures"]["stood_ms"]), ("warn" if seconds > 5 else "ok", stood_ms), "the diagnosis")
    equal(metric(w, "hub_stood_still_total"), 1, "times that it stood still, by its metrics")
    if seconds > DEAD_S:
        for a in agents:
            # It heard nothing, or its last heartbeat was never acknowledged: whichever is 15 s old first.
            expect("code=4409" in a.log(), f"{a.name} has not given up a master that is silent for {seconds} s:", a.log()[-1000:])
    # They wait at its port already when it wakes up, so it need not miss any; if it does, it blames itself.
    blamed = [e["detail"] for e in told.events(w, "bulk_loss")]
    expect(all(x.startswith("master_overload") for x in blamed), "bulk losses:", blamed)
    equal(told.events(w, "master_overloaded"), [], "one stall is no overload")
    equal(w.wait_batch(batch, 60)["ok"], TASKS, "ok")
    equal(metric(w, "agents_dead_total"), 0, "agents declared dead")
    expect("agent_suspect" not in w.master_proc.log(), "an agent was suspected")
    equal(w.requests(), TASKS, "requests that the targets saw")
    all_ok_once(w, batch, TASKS)


@takes(20)
@short
def test_for_so_long_that_they_are_given_up(w):
    def an_agent_for_17_s(own):
        agent_stops(own, 17)

    def the_master_for_17_s(own):
        master_stops(own, 17)

    def the_master_for_2_s(own):
        master_stops(own, 2)

    def the_disk_for_a_second_each_time(own):
        slow_disk(own, 1.2, 8)

    side_by_side(w, an_agent_for_17_s, the_master_for_17_s, the_master_for_2_s, the_disk_for_a_second_each_time)


@long
def test_for_half_a_minute(w):
    def an_agent_for_30_s(own):
        agent_stops(own, 30)

    def the_master_for_20_s_behind_nginx(own):
        master_stops(own, 20, proxy=True)

    def the_disk_for_three_seconds_each_time(own):
        slow_disk(own, 3, 35)

    side_by_side(w, an_agent_for_30_s, the_master_for_20_s_behind_nginx, the_disk_for_three_seconds_each_time)
