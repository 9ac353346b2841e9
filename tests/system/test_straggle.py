# SPDX-License-Identifier: MIT
"""An agent that hangs does not hold up the end of a batch."""
import re
import signal

from faults import metric
from harness import ended, equal, expect, short


def second_leases(w):
    text = w.api.must("GET", "/metrics").text
    return int(float(re.search(r"^\S*stragglers_total (\S+)", text, re.M).group(1)))


@short
def test_a_stopped_agent_does_not_hold_up_the_end(w):
    w.fleet(agents=())
    a1 = w.agent("a1", "--workers", "1", "--slots", "16")
    w.agent("a2")
    batch = w.api.submit([w.url(f"/slow/300?{i}") for i in range(800)], per_host=0)
    w.wait_for(lambda: ended(w.api.counts(batch)) > 20, 10, "some have ended")
    a1.signal(signal.SIGSTOP)
    try:
        counts = w.wait_batch(batch, 14)
    finally:
        a1.signal(signal.SIGCONT)
    equal(counts["ok"], 800, "ok")
    w.one_result_each(batch, 800)
    # A machine too busy to reach the end before a1 is given up has queued its tasks again, and there was none left to lease twice.
    expect(second_leases(w) > 0 or metric(w, "agents_dead_total") > 0, "no second lease")
    w.check_store()
