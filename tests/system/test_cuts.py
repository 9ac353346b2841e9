# SPDX-License-Identifier: MIT
"""Alive or dead under real network faults: agents on hosts of their own, nginx between them and the master."""
import contextlib
import signal
import time

from faults import metric
from harness import Failed, equal, expect, long, short
from remote import agent_says, bulk_events, drop, fleet, links_at_master, mend, nft, reset, slow_batch

DETECT_S = 15  # DESIGN 6: a silent link; FIN or RST take less than one
SCAN_S = 2     # the scan's period, and what a busy machine adds


# Each on the host named: what passes no longer. The far side of loopback stays, so that probes go on.
def both_ways(w, name):
    nft(w, name, drop("input", "iifname to-proxy") + drop("output", "oifname to-proxy"))


def agent_is_not_heard(w, name):
    nft(w, name, drop("output", "oifname to-proxy"))


def agent_does_not_hear(w, name):
    nft(w, name, drop("input", "iifname to-proxy"))


def loses_a_tenth(w, name):
    nft(w, name, drop("input", "iifname to-proxy numgen random mod 100 < 10") + drop("output", "oifname to-proxy numgen random mod 100 < 10"))


@short
def test_links_cut_in_many_ways(w):
    """One agent for each way, healthy ones enough that it is no bulk loss of theirs alone; the wait is paid once."""
    silent = {"a1": both_ways, "a2": agent_is_not_heard, "a3": agent_does_not_hear, "direct": both_ways}
    names = [f"a{i}" for i in range(1, 15)] + ["direct"]
    with fleet(w, names, direct=("direct",)):
        batch = slow_batch(w, 2500)
        w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in names), 20, "all agents have tasks")
        links = links_at_master(w)
        equal(links, len(names), "links")
        loses_a_tenth(w, "a5")
        sessions = {n: w.api.agent(n)["session"] for n in names}
        began = time.monotonic()
        reset(w, "a4")
        w.wait_for(lambda: agent_says(w, "a4", "disconnected"), 1 + SCAN_S, "a reset link is noticed at once")
        for name, how in silent.items():
            how(w, name)
        began = time.monotonic()
        took = {}

        def noticed():
            for name in silent:
                a = w.api.agent(name)
                if f"{name} master" not in took and a["state"] in ("orphaned", "gone"):
                    took[f"{name} master"] = time.monotonic() - began
                if f"{name} agent" not in took and (agent_says(w, name, "closing code=4409") or agent_says(w, name, "disconnected")):
                    took[f"{name} agent"] = time.monotonic() - began
            return len(took) == 2 * len(silent)

        with contextlib.suppress(Failed):
            w.wait_for(noticed, DETECT_S + 2 * SCAN_S, "both ends of each link notice")
        print("    noticed after", ", ".join(f"{k} {v:.1f} s" for k, v in sorted(took.items())))
        for end in (f"{name} {who}" for name in silent for who in ("agent", "master")):
            with w.case(f"{end} noticed within {DETECT_S} s"):
                expect(end in took and took[end] <= (DETECT_S + SCAN_S) * w.slower, f"after {took.get(end)} s")
        w.wait_for(lambda: links_at_master(w) == links - len(silent), 5, "the descriptors are given back")
        w.wait_for(lambda: all(w.api.agent(n)["leases"] == 0 for n in silent), 10, "their tasks go to others")
        counts = w.wait_batch(batch, 60)
        equal(counts["ok"], 2500, "ok")
        w.one_result_each(batch, 2500)
        for name in names[4:-1]:
            with w.case(f"{name}: no death ({'a tenth is lost' if name == 'a5' else 'healthy'})"):
                equal(w.api.agent(name)["session"], sessions[name], "session")
        equal(bulk_events(w), [], "events of bulk loss: four of fifteen are none")
        w.master_proc.stop()
        w.check_store()


@short
def test_bulk_loss_of_a_group(w):
    """Three of six share a tag and are cut: that is told, and their tasks go to others."""
    names = [f"a{i}" for i in range(1, 7)]
    with fleet(w, names, {n: "isp=north" for n in names[:3]}):
        batch = slow_batch(w, 800)
        w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in names), 20, "all agents have tasks")
        for name in names[:3]:
            both_ways(w, name)
        w.wait_for(lambda: bulk_events(w), DETECT_S + 8, "the loss of a group is told")
        with w.case("a group is named with what its members share"):
            line = bulk_events(w)[-1]
            for word in ("network_group", "3 of 6 agents", "the tag isp=north"):
                expect(word in line, f"without {word!r}:", line)
        w.wait_for(lambda: all(w.api.agent(n)["leases"] == 0 for n in names[:3]), 15, "the group's tasks go to others")
        equal(w.wait_batch(batch, 60)["ok"], 800, "ok")
        w.one_result_each(batch, 800)
        equal(len(bulk_events(w)), 1, "events")


@long
def test_master_that_stood_for_20_s_blames_itself(w):
    w.fleet(agents=("a1", "a2", "a3"), agent_options=("--workers", "1", "--slots", "64"))
    batch = w.api.submit([f"http://s{i}.ok.test:{w.targets['http']}/slow/1000" for i in range(1500)], per_host=0)
    w.wait_for(lambda: w.api.counts(batch)["running"] > 100, 20, "tasks run")
    w.master_proc.signal(signal.SIGSTOP)
    time.sleep(20)  # the fault itself: longer than a death takes
    w.master_proc.signal(signal.SIGCONT)
    w.wait_for(lambda: "master_overload: its loop stood for" in w.master_proc.log(), 20, "the master says that it was itself")
    w.api.port = w.port["api"]
    for name in ("a1", "a2", "a3"):
        w.wait_agent(name)
    equal(metric(w, "agents_dead_total"), 0, "agents declared dead")
    expect(all("master_overload" in line for line in bulk_events(w)), "whom it blames:", bulk_events(w))
    equal(w.wait_batch(batch, 60)["ok"], 1500, "ok")
    equal({r["attempt"] for r in w.one_result_each(batch, 1500)}, {1}, "attempts: nothing went to another")


@long
def test_all_agents_cut_freezes_the_requeue(w):
    """Nothing is queued again, and the same processes take their tasks back when the path is mended."""
    names = ["a1", "a2", "a3"]
    with fleet(w, names):
        batch = w.api.submit([{"url": f"http://198.18.1.1/stay?{i}", "timeout_ms": 30000} for i in range(12)], per_host=0)
        w.wait_for(lambda: w.api.counts(batch)["running"] == 12, 20, "all run")
        for name in names:
            both_ways(w, name)
        w.wait_for(lambda: bulk_events(w), DETECT_S + 8, "the loss of all is told")
        expect("network_all: 3 of 3" in bulk_events(w)[-1], bulk_events(w))
        w.wait_for(lambda: links_at_master(w) == 0, DETECT_S, "the descriptors are given back")
        equal(metric(w, "tasks_requeued_total"), 0, "tasks queued again")
        for name in names:
            mend(w, name)
        w.cut.clear()
        w.wait_batch(batch, 40)
        equal({r["attempt"] for r in w.one_result_each(batch, 12)}, {1}, "attempts")
