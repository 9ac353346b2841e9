# SPDX-License-Identifier: MIT
"""What failed is probed once more, in a batch of its own; the old one keeps its truth."""
import threading

from harness import equal, expect, heavy, short

MANY = 100_000


def retry(w, batch, query="", status=202):
    return w.api.must("POST", f"batches/{batch}/retry-failed{query}", status=status).json


def mixed(w, good, bad):
    """Of each some, with ids of the user's own."""
    targets = [{"url": w.url("/ok"), "user_id": f"good-{i}"} for i in range(good)]
    targets += [{"url": w.url("/status/503"), "user_id": f"bad-{i}", "timeout_ms": 3000} for i in range(bad)]
    return w.api.submit(targets, name="mixed", labels={"team": "net"}, deadline_s=60)


def user_ids(results):
    return sorted(r["user_id"] for r in results)


@short
def test_what_failed_is_probed_again(w):
    w.fleet()
    old = mixed(w, 40, 30)
    w.wait_batch(old, 30)
    before = w.api.batch(old)
    answer = retry(w, old)
    equal(answer["accepted"], 30, "accepted")
    new = answer["id"]
    equal(w.wait_batch(new, 30)["failed"], 30, "failed")
    equal(user_ids(w.one_result_each(new, 30)), sorted(f"bad-{i}" for i in range(30)), "ids of the user")
    shown = w.api.batch(new)
    equal((shown["name"], shown["labels"], shown["deadline_s"]), ("mixed", {"team": "net"}, 60), "what it asks for")
    equal(shown["retry_of"], old, "retry_of")
    with w.case("the old one keeps its truth"):
        now = w.api.batch(old)
        equal(now["retried_by"], [new], "retried_by")
        equal({**now, "retried_by": []}, before, "the old batch")
        w.one_result_each(old, 70)
    with w.case("by host"):
        by = w.api.must("GET", f"batches/{old}?by=host").json
        causes = by["causes"]
        wanted = [{"host": "127.0.0.1", "failed": 30, "causes": causes}]
        equal(by["failures_by_host"], wanted, "failures_by_host")
        r = w.cli("status", old)
        expect("HOST" in r.stdout and f"30 {next(iter(causes))}" in r.stdout, r.stdout)
    with w.case("others by outcome, and a retry of a retry"):
        again = retry(w, old, "?outcomes=ok,failed")
        equal(again["accepted"], 70, "accepted")
        w.wait_batch(again["id"], 30)
        equal(w.api.batch(old)["retried_by"], [again["id"], new], "retried_by")
        equal(w.wait_batch(retry(w, new)["id"], 30)["failed"], 30, "failed")
    with w.case("nothing to retry"):
        r = w.api.post(f"batches/{old}/retry-failed?outcomes=expired")
        equal((r.status, r.json["code"]), (422, "nothing_to_retry"), "the answer")
    with w.case("too soon"):
        slow = w.api.submit([f"http://127.0.0.1:{w.targets['http']}/slow/2000"])
        r = w.api.post(f"batches/{slow}/retry-failed")
        equal((r.status, r.json["code"]), (409, "batch_not_ended"), "the answer")
        w.wait_batch(slow, 20)
    w.master_proc.stop()
    w.check_store()


@short
def test_retry_of_the_command_line(w):
    w.fleet(agents=("a1",))
    old = mixed(w, 3, 5)
    w.wait_batch(old, 30)
    r = w.cli("retry", old, "--watch")
    equal(r.returncode, 1, f"exit code ({r.stderr})")
    expect("5 targets: 5 failed" in r.stdout and "http_5xx" in r.stdout, r.stdout)
    r = w.cli("retry", old, "--outcomes", "ok", "--wait", "30s", "-o", "json")
    equal(r.returncode, 0, f"exit code ({r.stderr})")
    r = w.cli("status", "latest")
    expect(f"retry of   {old}" in r.stdout, r.stdout)
    r = w.cli("retry", "latest")
    equal(r.returncode, 2, "exit code")
    expect("no task of batch" in r.stderr, r.stderr)


@heavy
def test_master_killed_in_mid_retry(w):
    """All of the new batch is there or nothing."""
    w.master()
    old = w.api.submit_text(f"http://h{i % 500}.ok.test/{i}" for i in range(MANY))["id"]
    w.api.must("POST", f"batches/{old}/cancel", status=202)
    w.wait_batch(old, 60)

    def ask():
        try:
            w.api.post(f"batches/{old}/retry-failed?outcomes=cancelled")
        except OSError:
            pass

    asking = threading.Thread(target=ask)
    rows = stored_rows(w)
    asking.start()
    w.wait_for(lambda: stored_rows(w) > rows + 5000, 30, "tasks are copied")
    w.master_proc.kill9()
    asking.join()
    w.master()
    equal(w.api.batch(old)["retried_by"], [], "retried_by")
    w.wait_for(lambda: w.run([w.program("sonde-master"), "check", "--data", w.path("data")]).returncode == 0, 60, "check is green")
    with w.case("a second one is whole"):
        answer = retry(w, old, "?outcomes=cancelled")
        equal(answer["accepted"], MANY, "accepted")
        equal(w.api.counts(answer["id"])["total"], MANY, "total")
    w.master_proc.stop()
    w.check_store()


def stored_rows(w):
    """Tasks written, as the metrics say."""
    for line in w.api.must("GET", "/metrics").text.splitlines():
        if line.startswith("sonde_store_rows_total "):
            return float(line.split()[1])
    return 0
