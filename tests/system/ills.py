# SPDX-License-Identifier: MIT
"""Tables of ill targets: (cause or None, case, target), all in one batch, a verdict each."""
import os

from harness import equal, expect


def outcome_of(cause):
    if not cause:
        return "ok"
    return "refused" if cause.startswith("policy") else "undetermined" if cause.startswith("agent") else "failed"


PATIENCE, TIMEOUT_MS_MAX = 4, 30000


def patient(cause, target):
    """With time enough, unless waiting is what it is about (a lie of a name server's is waited out, too): a busy machine may be
    late, and nothing waits for a time-out that does not come."""
    waits = cause and (cause.endswith("_timeout") or cause.startswith("dns_"))
    if waits or "timeout_ms" not in target:
        return target
    return {**target, "timeout_ms": min(PATIENCE * target["timeout_ms"], TIMEOUT_MS_MAX)}


def probe(w, table, timeout=30):
    """One batch of them; the results by case."""
    body = {"targets": [{**patient(cause, target), "user_id": case} for cause, case, target in table], "per_host": 0}
    accepted = w.api.must("POST", "batches", body, status=202).json
    expect(not accepted["errors"], "refused by the master:", accepted["errors"])
    batch = accepted["id"]
    w.wait_batch(batch, timeout)
    return {r["user_id"]: r for r in w.one_result_each(batch, len(table))}


def judge(w, table, timeout=30):
    """Each case is a verdict: its cause, the outcome that goes with it, and a message unless all is well."""
    results = probe(w, table, timeout)
    for cause, case, _ in table:
        with w.case(f"{cause or 'ok'}: {case}"):
            r = results[case]
            equal(r["cause"], cause, f"cause ({r['message']})")
            equal(r["outcome"], outcome_of(cause), "outcome")
            expect(bool(r["message"]) == bool(cause), "message", r["message"])
    return results


def cpu_s(pid):
    """Processor seconds of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) / 1024


LINES_A_SECOND = 10  # of one place in the code: DESIGN's bound of the log


def calm_log(proc):
    """No place in the code wrote more than it may. Its seconds are the machine's, not the clock's: they share two of the log's."""
    lines = {}
    for line in proc.log().splitlines():
        words = line.split()
        if len(words) >= 4 and words[0].endswith("Z"):
            lines.setdefault((words[1], words[2], words[3], words[0][:19]), []).append(line)
    for place, found in lines.items():
        expect(len(found) <= 2 * LINES_A_SECOND, proc.name, "wrote", len(found), "lines within a second:", *place, found[-1])
