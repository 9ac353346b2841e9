# SPDX-License-Identifier: MIT
"""A busy host has its budget and no more, and holds up nobody."""
import told
from harness import check_sum, equal, expect, short

BUSY = 20000  # tasks of one host at the head of a batch: more than the master keeps of it in memory
SLOW_MS = 400


def ended_hosts(w, batch, host):
    return [r for r in w.api.results(batch) if f"//{host}" in r["target"]]


@short
def test_hosts_behind_a_busy_one_are_reached(w):
    w.fleet()
    port = w.targets["http"]
    lines = [f"http://busy.ok.test:{port}/slow/{SLOW_MS}"] * BUSY
    lines += [f"http://h{i}.ok.test:{port}/ok" for i in range(200)]
    batch = w.api.submit_text(lines, "?per_host=2")["id"]
    w.wait_for(lambda: len(ended_hosts(w, batch, "h")) == 200, 30, "the hosts behind have ended")
    counts = w.api.counts(batch)
    check_sum(counts)
    expect(counts["queued"] > BUSY / 2 and counts["running"] <= 2, counts)
    w.api.must("POST", f"batches/{batch}/cancel", status=202)
    counts = w.wait_batch(batch, 30)
    equal(counts["ok"] + counts["cancelled"], BUSY + 200, "ok and cancelled")
    w.master_proc.stop()
    w.check_store()


@short
def test_what_was_passed_over_is_read_again(w):
    """A list sorted by host, and a master that dies in the middle of it."""
    w.fleet()
    port = w.targets["http"]
    lines = [f"http://h{i // 3000}.ok.test:{port}/ok" for i in range(9000)]
    batch = w.api.submit_text(lines, "?per_host=20")["id"]
    w.wait_for(lambda: w.api.counts(batch)["ok"] > 2000, 60, "some have ended")
    w.master_proc.kill9()
    w.master()
    equal(w.wait_batch(batch, 120)["ok"], 9000, "ok")
    w.one_result_each(batch, 9000)
    w.master_proc.stop()
    w.check_store()


@short
def test_so_many_starts_a_second(w):
    """On one host five a second, by two agents together; another host does not wait for it."""
    w.fleet()
    port = w.targets["http"]
    lines = [f"http://rated.ok.test:{port}/ok"] * 25 + [f"http://h{i}.ok.test:{port}/ok" for i in range(100)]
    r = w.cli("submit", "-", "--per-host-rate", "5", "-o", "json", input="\n".join(lines) + "\n")
    equal(r.returncode, 0, f"exit code ({r.stderr})")
    batch = w.api.must("GET", "batches").json["batches"][0]
    equal(batch["per_host_rate"], 5, "per_host_rate")
    batch = batch["id"]
    equal(w.wait_batch(batch, 30)["ok"], 125, "ok")
    results = w.api.results(batch)
    rated = sorted(leased_s(w, r) for r in results if "//rated" in r["target"])
    for i in range(len(rated)):
        for k in range(i):
            most = 2.5 + 5 * (rated[i] - rated[k])  # a bucket of half a second
            expect(i - k + 1 <= most + 1, f"{i - k + 1} leases within {rated[i] - rated[k]:.3f} s")
    expect(rated[-1] - rated[0] > 3.5, rated)
    others = sorted(started_s(r) for r in results if "//h" in r["target"])
    expect(others[-1] < rated[-1], "other hosts waited")


@short
def test_too_many_open_tasks_refuse_the_next_upload(w):
    w.world()
    w.master("--max-open-tasks", "1000")
    batch = w.api.submit([w.url("/ok")] * 1001)
    r = w.api.post("batches", {"targets": [w.url("/ok")]})
    equal((r.status, r.json["code"]), (429, "too_many_open_tasks"), "the answer")
    expect(int(r.headers["Retry-After"]) > 0, "no Retry-After")
    w.api.must("POST", f"batches/{batch}/cancel", status=202)
    w.wait_batch(batch, 20)
    w.api.submit([w.url("/ok")])


def started_s(result):
    return told.seconds(result["started_at"])


def leased_s(w, result):
    """When the master gave it away: an agent that a busy machine makes late is not what is measured."""
    task = w.api.must("GET", f"tasks/{result['task']}").json
    return told.seconds(next(s["at"] for s in task["timeline"] if s["step"] == "leased"))
