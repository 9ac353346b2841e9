# SPDX-License-Identifier: MIT
"""schedule_drive - the client of schedule.sh: puts the schedules, waits for an interval, and measures.

    schedule_drive.py --port N --token-file F --pid PID --checks N --every S --seconds N --data DIR
"""
import argparse
import json
import os
import re
import sys
import time

from drive import Api, cpu_s, memory_mib

EACH = 10000  # targets of one schedule


def store_bytes(directory):
    return sum(os.path.getsize(os.path.join(directory, f)) for f in os.listdir(directory) if f.startswith("sonde.db"))


class Metrics:
    def __init__(self, text):
        self.text = text

    def sum(self, name):
        return sum(float(v) for v in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", self.text, re.M))

    def buckets(self, name):
        found = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\S+)$', self.text, re.M)
        return {float("inf") if le == "+Inf" else float(le): float(n) for le, n in found}


def quantile(before, after, q):
    """The upper bound of the bucket in which it lies, of what came between the two."""
    counts = {le: after[le] - before.get(le, 0) for le in after}
    total = counts[float("inf")]
    return next((le for le in sorted(counts) if counts[le] >= q * total), 0) if total else 0


def main():
    p = argparse.ArgumentParser()
    for name in ("port", "pid", "checks", "every", "seconds"):
        p.add_argument("--" + name, type=int, required=True)
    p.add_argument("--token-file", required=True)
    p.add_argument("--data", required=True)
    o = p.parse_args()
    with open(o.token_file, encoding="ascii") as f:
        token = f.read().strip()

    def call(method, path, body=None):
        api = Api(o.port, token)  # an idle connection is closed in the minutes between
        api.conn.request(method, path, body=body, headers={**api.headers, "Content-Type": "application/json"})
        r = api.conn.getresponse()
        data = r.read()
        if r.status >= 300:
            sys.exit(f"schedule_drive.py: {method} {path}: {r.status} {data[:300]!r}")
        return data

    def metrics():
        return Metrics(call("GET", "/metrics").decode())

    began = time.monotonic()
    for first in range(0, o.checks, EACH):
        targets = [f"http://host-{i}.bench.test/health?of={i}" for i in range(first, min(first + EACH, o.checks))]
        call("PUT", f"/api/v1/schedules/s{first}", json.dumps({"every": f"{o.every}s", "targets": targets}))
    put_s = time.monotonic() - began
    time.sleep(o.every)
    m, cpu, size, at = metrics(), cpu_s(o.pid), store_bytes(o.data), time.monotonic()
    time.sleep(o.seconds)
    n, used, grown, took = metrics(), cpu_s(o.pid) - cpu, store_bytes(o.data) - size, time.monotonic() - at
    runs = n.sum("sonde_schedule_runs_total") - m.sum("sonde_schedule_runs_total")
    missed = n.sum("sonde_schedule_missed_total") - m.sum("sonde_schedule_missed_total")
    lag = "sonde_schedule_start_lag_ms"
    before, after = m.buckets(lag), n.buckets(lag)
    print(f"put_s={put_s:.2f} runs_s={runs / took:.0f} missed={missed:.0f} "
          f"lag_p50_ms={quantile(before, after, 0.5):g} lag_p99_ms={quantile(before, after, 0.99):g} "
          f"cpu_of_a_core={used / took:.3f} rss_mib={memory_mib(o.pid, 'VmRSS'):.0f} "
          f"bytes_a_run={grown / runs if runs else 0:.0f}")


main()
