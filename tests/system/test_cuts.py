# SPDX-License-Identifier: MIT
"""Alive or dead under real network faults: agents on hosts of their own, nginx between them and the master."""
import contextlib
import time

import told
from harness import Failed, equal, expect, short, takes
from remote import agent_says, both_ways, drop, fleet, links_at_master, nft, reset, slow_batch

DETECT_S = 15  # DESIGN 6: a silent link; FIN or RST take less than one
SCAN_S = 2     # the scan's period, and what a busy machine adds


# Each on the host named: what passes no longer.
def agent_is_not_heard(w, name):
    nft(w, name, drop("output", "oifname to-proxy"))


def agent_does_not_hear(w, name):
    nft(w, name, drop("input", "iifname to-proxy"))


def loses_a_tenth(w, name):
    nft(w, name, drop("input", "iifname to-proxy numgen random mod 100 < 10") + drop("output", "oifname to-proxy numgen random mod 100 < 10"))


@takes(20)
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
        equal(told.events(w, "bulk_loss"), [], "events of bulk loss: four of fifteen are none")
        w.master_proc.stop()
        w.check_store()


CONNECT_S, RETRY_S = 10, 5  # an agent's patience with one try, and its pause before the next few


def test_connects_that_nobody_answers_are_given_up_in_time(w):
    """Each of them, and not the first alone; so it is there soon after somebody answers again."""
    with w.own_network():
        w.master()
        drop_all = f"add table inet fault; add chain inet fault input {{ type filter hook input priority 0; }}; " \
                   f"add rule inet fault input tcp dport {w.port['agents']} drop"
        expect(w.run(["nft", drop_all]).returncode == 0, "nft did not take the rule")
        agent = w.agent("a1", wait=False)

        def given_up(times):
            return agent.log().count(f"no connection and upgrade within {CONNECT_S} s") >= times

        for times in (1, 2):
            w.wait_for(lambda times=times: given_up(times), CONNECT_S + RETRY_S, f"try {times} is given up")
        w.run(["nft", "delete table inet fault"])
        w.wait_for(lambda: (w.api.agent("a1") or {}).get("state") == "alive", CONNECT_S + RETRY_S, "it is there")
