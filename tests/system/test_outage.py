# SPDX-License-Identifier: MIT
"""The outage that Sonde was built for: targets that never answer fill every slot, and nobody is cut off by it."""
import math
import time

from harness import Sampler, equal, expect, long, receive_queue

RECV_QUEUE_MAX = 64 * 1024
HEARTBEAT_MS = 5000
SLOTS = 128  # of each of the two agents


def outage(w, tarpits, good, timeout_s):
    agents = w.fleet(agent_options=("--workers", "1", "--slots", str(SLOTS)))
    sessions = {n: w.api.agent(n)["session"] for n in ("a1", "a2")}
    pits = [{"url": f"http://t{i}.ok.test:{w.targets['tarpit']}/", "timeout_ms": timeout_s * 1000} for i in range(tarpits)]
    fine = [f"http://g{i}.ok.test:{w.targets['http']}/ok" for i in range(good)]
    worst = {"recv_q": 0}

    def look():
        for proc in agents:
            worst["recv_q"] = max(worst["recv_q"], receive_queue(proc.pid, w.port["nginx"]))
        expect(worst["recv_q"] < RECV_QUEUE_MAX, "Recv-Q of an agent:", worst["recv_q"])

    with Sampler(look, 0.3):
        began = time.monotonic()
        bad = w.api.submit(pits, per_host=0)
        w.wait_for(lambda: w.api.counts(bad)["running"] >= 2 * SLOTS - 32, 20, "the tarpits fill the slots")
        batch = w.api.submit(fine, per_host=0)
        with w.case("a one-shot does not wait behind them"):
            asked = time.monotonic()
            r = w.api.must("POST", "probes", {"url": w.url("/ok"), "timeout_ms": 5000}, timeout=60)
            expect(time.monotonic() - asked < 5 * w.slower, "it took", time.monotonic() - asked, "s")
            expect('"ok"' in r.text, r)
        # The tarpits need so long by themselves, all slots at work; one after the other it would be hours.
        rounds = math.ceil(tarpits / (2 * SLOTS)) * timeout_s
        counts = w.wait_batch(batch, rounds + 15 - (time.monotonic() - began))
        equal(counts["ok"], good, "good targets that are ok")
        counts = w.wait_batch(bad, rounds + 30)
        equal(counts["failed"], tarpits, "tarpits that failed")
    equal({r["cause"] for r in w.one_result_each(bad, tarpits)}, {"response_timeout"}, "causes of the tarpits")
    w.one_result_each(batch, good)
    for name in ("a1", "a2"):
        a = w.api.agent(name)
        with w.case(f"{name}: no disconnect"):
            equal(a["session"], sessions[name], "session")
        with w.case(f"{name}: no heartbeat late by more than half an interval"):
            expect(a["heartbeat_gap_max_ms"] <= HEARTBEAT_MS * 1.5, "the longest gap was", a["heartbeat_gap_max_ms"])


def test_500_tarpits_then_5000_good_targets(w):
    outage(w, 500, 5000, 10)


@long
def test_three_minutes_of_tarpits(w):
    outage(w, 4600, 5000, 10)
