# SPDX-License-Identifier: MIT
"""What has been kept long enough goes; its counts stay, and what has not ended is never touched."""
from harness import Sampler, check_sum, ended, equal, expect, heavy, short

SMALL = ("--workers", "1", "--slots", "16")
TINY = ("--retention-bytes", "1", "--retention-grace-s", "0")


def ended_batch(w, count):
    batch = w.api.submit([w.url("/ok")] * count + [w.url("/status/404")])
    w.wait_batch(batch, 30)
    return batch


def is_purged(w, batch):
    return w.api.batch(batch)["purged_at"] is not None


@short
def test_tiny_bound_purges_what_has_ended_and_nothing_else(w):
    w.world()
    w.master(*TINY)
    w.nginx()
    w.agent("a1", *SMALL)
    slow = w.api.submit([f"http://s{i}.ok.test:{w.targets['http']}/slow/300" for i in range(300)])
    with Sampler(lambda: check_sum(w.api.counts(slow)), 0.1):
        first = ended_batch(w, 30)
        w.wait_for(lambda: is_purged(w, first), 20, "the first batch is purged")
    with w.case("counts and causes stay"):
        b = w.api.batch(first)
        equal((b["state"], b["counts"]["ok"], b["counts"]["failed"], b["causes"]), ("ended", 30, 1, {"http_4xx": 1}), "what it says")
    with w.case("its results are gone, in words"):
        for call in ("results", "results.ndjson", "results.csv"):
            r = w.api.get(f"batches/{first}/{call}")
            equal((r.status, r.json["code"]), (410, "purged"), call)
        r = w.api.post(f"batches/{first}/retry-failed")
        equal((r.status, r.json["code"]), (410, "purged"), "retry-failed")
        r = w.cli("results", first)
        equal(r.returncode, 2, "exit code")
        expect("were purged" in r.stderr and "its counts are kept" in r.stderr, r.stderr)
        expect("purged  " in w.cli("status", first).stdout, "status does not say so")
    with w.case("the log and the metrics tell"):
        expect("batches_purged" in w.master_proc.log() and f"last={first}" in w.master_proc.log(), "no event")
        expect("sonde_store_batches_purged_total 1" in w.api.must("GET", "/metrics").text, "no metric")
    with w.case("what runs goes on, over a kill -9 too"):
        expect(ended(w.api.counts(slow)) < 300, "it ended too soon to be disturbed")
        w.master_proc.kill9()
        w.master(*TINY)
        second = ended_batch(w, 10)
        w.wait_for(lambda: is_purged(w, second), 20, "the second batch is purged")
        equal(w.wait_batch(slow, 60)["ok"], 300, "ok")
        w.wait_for(lambda: is_purged(w, slow), 20, "it is purged once it has ended")
    w.master_proc.stop()
    w.check_store()


@short
def test_probes_are_answered_over_any_bound(w):
    w.world()
    w.master("--retention-bytes", "1")
    w.agent("a1")
    for _ in range(20):
        r = w.api.must("POST", "probes", {"url": w.url("/ok")}).json
        equal(r.get("results", [r])[0]["outcome"], "ok", "outcome")
    r = w.cli("submit", "-", "--watch", input=(w.url("/ok") + "\n") * 30)
    expect(r.returncode == 0 and "30 targets: 30 ok" in r.stdout, r.stdout, r.stderr)


@short
def test_thirty_days_keep_what_is_young(w):
    w.fleet(agents=("a1",))
    batch = ended_batch(w, 10)
    w.master_proc.stop()
    w.master()
    w.one_result_each(batch, 11)
    with w.case("the default is told"):
        r = w.run([w.program("sonde-master"), "--print-config"])
        expect("schedule-retention: 168" in r.stdout, r.stdout)
        expect("retention-days: 30" in r.stdout and "retention-bytes: 0" in r.stdout, r.stdout)
    with w.case("a bound that is none"):
        r = w.run([w.program("sonde-master"), "--check-config", "--retention-days", "-1"])
        equal(r.returncode, 2, "exit code")
        expect("--retention-days" in r.stderr, r.stderr)


@heavy
def test_kill_9_in_mid_purge(w):
    """A large batch, killed in the middle of its purge: check is green there, and the purge goes on."""
    w.master()
    batch = w.api.submit_text(f"http://h{i % 500}.ok.test/{i}" for i in range(150_000))["id"]
    w.api.must("POST", f"batches/{batch}/cancel", status=202)
    w.wait_batch(batch, 60)
    w.master_proc.stop()
    w.master(*TINY)
    w.wait_for(lambda: is_purged(w, batch), 20, "the purge has begun")
    w.master_proc.kill9()
    w.check_store()
    w.master()  # without a bound: what was begun is ended all the same
    w.wait_for(lambda: "sonde_store_batches_purged_total 1" in w.api.must("GET", "/metrics").text, 60, "the purge has ended")
    equal(w.api.counts(batch)["cancelled"], 150_000, "cancelled")
    w.master_proc.stop()
    w.check_store()
