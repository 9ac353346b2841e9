# SPDX-License-Identifier: MIT
"""drive - the client of master.sh: submits a batch, polls it to its end, and counts the master's CPU meanwhile.

    drive.py --port N --token-file F --pid PID --tasks N

One line: tasks a second from the first byte of the POST to the answer that shows the last result, CPU seconds of the
process PID per 100,000 tasks, the time of the POST, the slowest answer to a poll, and the greatest memory seen.
"""
import argparse
import http.client
import json
import os
import sys
import time

POLL_S = 0.02
PATIENCE_S = 120  # without a task more than before
TARGET_BYTES = 200
TICK = os.sysconf("SC_CLK_TCK")


def stop(words):
    sys.exit(f"drive.py: {words}")


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mib(pid, key):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def body(tasks):
    """A URI of 200 bytes a line, each of another host."""
    lines = []
    for i in range(tasks):
        head = f"http://host-{i}.bench.test/"
        lines.append(head + "x" * (TARGET_BYTES - len(head)))
    return ("\n".join(lines) + "\n").encode()


class Api:
    def __init__(self, port, token):
        self.conn = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.headers = {"Authorization": "Bearer " + token}

    def call(self, method, path, data=None, wanted=200):
        headers = dict(self.headers)
        if data is not None:
            headers["Content-Type"] = "text/plain"
        try:
            self.conn.request(method, "/api/v1/" + path, body=data, headers=headers)
            r = self.conn.getresponse()
            text = r.read()
        except (OSError, http.client.HTTPException) as e:
            stop(f"{method} {path}: {type(e).__name__} {e}; did the master end?")
        if r.status != wanted:
            stop(f"{method} {path}: status {r.status}: {text[:300]!r}")
        return json.loads(text)


def poll_to_end(api, batch, tasks):
    """The answers' times in ms, one each."""
    times, last, moved = [], -1, time.monotonic()
    while True:
        began = time.monotonic()
        c = api.call("GET", "batches/" + batch)["counts"]
        now = time.monotonic()
        times.append((now - began) * 1000)
        ended = sum(c[k] for k in ("ok", "failed", "undetermined", "refused", "expired", "cancelled"))
        if ended == tasks:
            if c["ok"] != tasks:
                stop(f"not every task is ok: {c}")
            return times
        if ended > last:
            last, moved = ended, now
        elif now - moved > PATIENCE_S:
            stop(f"nothing has ended for {PATIENCE_S} s: {c}")
        time.sleep(POLL_S)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--token-file", required=True)
    p.add_argument("--pid", type=int, required=True)
    p.add_argument("--tasks", type=int, required=True)
    o = p.parse_args()
    api = Api(o.port, open(o.token_file).read().strip())
    data = body(o.tasks)
    cpu, began = cpu_s(o.pid), time.monotonic()
    answer = api.call("POST", "batches", data, wanted=202)
    posted = time.monotonic()
    if answer["accepted"] != o.tasks:
        stop(f"not every target was accepted: {answer}")
    times = sorted(poll_to_end(api, answer["id"], o.tasks))
    ended = time.monotonic()
    cpu = cpu_s(o.pid) - cpu
    print(
        f"tasks={o.tasks} rate={o.tasks / (ended - began):.0f} cpu_s_per_100k={cpu * 100000 / o.tasks:.3f} "
        f"post_s={posted - began:.2f} work_s={ended - posted:.2f} "
        f"get_p99_ms={times[int(len(times) * 0.99)]:.1f} get_max_ms={times[-1]:.1f} "
        f"rss_mib={memory_mib(o.pid, 'VmHWM'):.1f}"
    )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
