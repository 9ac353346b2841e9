# SPDX-License-Identifier: MIT
"""Batches through nginx: every task ends once, with its cause, and the counts add up at every moment."""
import csv
import io
import json
import socket

import mix
from harness import check_sum, ended, equal, expect, heavy, short


def run_mix(w, count, timeout):
    w.fleet()
    targets, causes = mix.targets(w.targets, count)
    answer = w.api.must("POST", "batches", {"targets": targets}, 202).json
    equal((answer["accepted"], answer["rejected"]), (count, 0), "accepted, rejected")
    polls = []
    w.wait_batch(answer["id"], timeout, at_poll=polls.append)
    expect(all(a["ok"] <= b["ok"] for a, b in zip(polls, polls[1:])), "a count went backwards")
    results = w.one_result_each(answer["id"], count)
    wrong = mix.wrong_causes(results, causes)
    expect(not wrong, f"{len(wrong)} results have another cause than their target gives:", wrong[:5])
    expect(len({r["agent"] for r in results}) == 2, "only one of the two agents worked")
    w.master_proc.stop()
    w.check_store()


@short
def test_1000_mixed_targets_end_once_with_their_cause(w):
    run_mix(w, 1000, 60)


@heavy
def test_20000_mixed_targets_through_nginx_with_two_agents(w):
    run_mix(w, 20000, 240)


@short
def test_results_as_pages_ndjson_and_csv_are_the_same(w):
    w.fleet(agents=("a1",))
    targets, _ = mix.targets(w.targets, 250)
    batch = w.api.submit(targets)
    w.wait_batch(batch, 60)
    pages = sorted(r["task"] for r in w.api.results(batch))
    with w.case("NDJSON by its ending, closed by a line with the count"):
        lines = w.api.must("GET", f"batches/{batch}/results.ndjson").text.splitlines()
        equal(sorted(json.loads(line)["task"] for line in lines[:-1]), pages, "tasks")
        expect("250" in lines[-1] and "task" not in json.loads(lines[-1]), "the last line is", lines[-1])
    with w.case("NDJSON by Accept"):
        r = w.api.must("GET", f"batches/{batch}/results", headers={"Accept": "application/x-ndjson"})
        equal(len(r.text.splitlines()), 251, "lines")
    with w.case("CSV with a head row"):
        rows = list(csv.reader(io.StringIO(w.api.must("GET", f"batches/{batch}/results.csv").text)))
        expect("task" in rows[0] and "cause" in rows[0], "the head is", rows[0])
        column = rows[0].index("task")
        equal(sorted(r[column] for r in rows[1:251]), pages, "tasks")
    with w.case("filtered by outcome and cause"):
        r = w.api.must("GET", f"batches/{batch}/results?outcome=failed&cause=http_4xx&limit=1000").json["results"]
        expect(r and all(x["cause"] == "http_4xx" for x in r), "the filter let through", r[:2])
    with w.case("filtered by host"):
        host = next(h for h in (r["target"].split("/")[2].rsplit(":", 1)[0] for r in w.api.results(batch) if r["http"]) if h)
        wanted = {r["task"] for r in w.api.results(batch) if f"//{host}:" in r["target"] or f"//{host}/" in r["target"]}
        r = w.api.must("GET", f"batches/{batch}/results?host={host}&limit=1000").json["results"]
        equal({x["task"] for x in r}, wanted, "tasks of " + host)
        shown = w.cli("results", batch, "--host", host, "-o", "ndjson").stdout.splitlines()
        equal(json.loads(shown[-1])["count"], len(wanted), "count of sonde results --host")
    with w.case("one task with its result"):
        task = w.api.must("GET", f"tasks/{pages[0]}").json
        equal(task["task"] if "task" in task else task["id"], pages[0], "the task")


@short
def test_text_batch_names_bad_lines_and_keeps_the_good(w):
    w.fleet(agents=("a1",))
    good = w.url("/ok")
    lines = ["# a comment", good, "not a target", "", "ftp://x.test/", good, "http://", "dns:a.ok.test?type=A"]
    with w.case("bad lines are reported by number and do not spoil the others"):
        answer = w.api.submit_text(lines)
        equal((answer["accepted"], answer["rejected"]), (3, 3), "accepted, rejected")
        equal([e["line"] for e in answer["errors"]], [3, 5, 7], "lines")
        expect(all(e["code"] and e["detail"] for e in answer["errors"]), answer["errors"])
        equal(answer["duplicates"], 1, "duplicates")
        counts = w.wait_batch(answer["id"], 30)
        equal(counts["ok"], 3, "ok")
    with w.case("strict=1 refuses all of it"):
        r = w.api.post("batches?strict=1", "\n".join(lines), type="text/plain")
        expect(r.status == 400 or r.status == 422, r)
        equal([e["line"] for e in r.json["errors"]], [3, 5, 7], "lines")


CSV = """\ufeffurl,timeout_ms,method,user_id,type\r
{ok},2000,HEAD,"row, ""1""\r
of two lines",\r
ftp://x.test/,,,bad-scheme,\r
{missing},,,,\r
a.ok.test,,,row-4,A\r
{ok},soon,,bad-number,\r
{ok},2000\r
{ok},2000,HEAD,row-7,\r
"""


@short
def test_csv_batch_from_the_api_and_from_the_command_line(w):
    w.fleet(agents=("a1",))
    text = CSV.format(ok=w.url("/ok"), missing=w.url("/status/404"))
    with w.case("bad records are reported by the line on which they begin"):
        answer = w.api.must("POST", "batches?name=table", text.encode(), 202, type="text/csv").json
        equal((answer["accepted"], answer["rejected"]), (4, 3), "accepted, rejected")
        equal([e["line"] for e in answer["errors"]], [4, 7, 8], "lines")
        equal(answer["duplicates"], 1, "duplicates")
    with w.case("options and user_id are those of the record"):
        counts = w.wait_batch(answer["id"], 30)
        equal((counts["ok"], counts["failed"]), (3, 1), "ok, failed")
        found = {r["user_id"]: r for r in w.api.results(answer["id"])}
        equal(set(found), {'row, "1"\r\nof two lines', "row-4", "row-7", None}, "user_ids")
        expect(found["row-4"]["dns"] and found[None]["cause"] == "http_4xx", found)
    with w.case("an unknown column is named, and nothing is accepted"):
        r = w.api.post("batches", text.replace("method", "colour").encode(), type="text/csv")
        expect(r.status == 422 and r.json["code"] == "unknown_column" and "'colour'" in r.json["detail"], r)
    with w.case("sonde submit x.csv"):
        with open(w.path("x.csv"), "w", encoding="utf-8", newline="") as f:
            f.write(text)
        r = w.cli("submit", w.path("x.csv"))
        expect(r.returncode == 1 and "4 targets accepted" in r.stderr and "line 7" in r.stderr, r.stdout, r.stderr)
        equal(w.wait_batch(r.stdout.strip(), 30)["ok"], 3, "ok")


@short
def test_an_idempotency_key_survives_the_master(w):
    """A client that lost its answer repeats its upload and has the same batch, also from a master that was killed."""
    w.fleet(agents=("a1",))
    body, key = (w.url("/ok") + "\n") * 500, {"Idempotency-Key": "import-7"}
    first = w.api.must("POST", "batches", body, 202, type="text/plain", headers=key)
    w.master_proc.kill9()
    w.master()
    with w.case("the same upload has the first answer again"):
        again = w.api.must("POST", "batches", body, 202, type="text/plain", headers=key)
        equal((again.json, again.headers["Location"]), (first.json, first.headers["Location"]), "answer")
    with w.case("another body is refused"):
        r = w.api.post("batches", body + body, type="text/plain", headers=key)
        expect(r.status == 422 and r.json["code"] == "idempotency_mismatch" and first.json["id"] in r.json["detail"], r)
    with w.case("sonde submit --idempotency-key"):
        runs = [w.cli("submit", "-", "--idempotency-key", "cli-1", input=body) for _ in range(2)]
        expect(all(r.returncode == 0 for r in runs), [r.stderr for r in runs])
        equal(runs[0].stdout, runs[1].stdout, "the batch")
        bad = w.cli("submit", "-", "--idempotency-key", "two words", input=body)
        expect(bad.returncode == 2 and "'two words'" in bad.stderr, bad.stderr)
    with w.case("each ran once"):
        batches = w.api.must("GET", "batches").json["batches"]
        equal(len(batches), 2, "batches")
        for b in batches:
            equal(w.wait_batch(b["id"], 30)["ok"], 500, "ok")
            w.one_result_each(b["id"], 500)
    w.master_proc.stop()
    w.check_store()


def test_an_idempotency_key_in_parallel(w):
    """While the first upload of a key runs another is told to wait; then it has the first one's answer, and another body has none."""
    w.world()
    w.master()
    url, key = w.url("/ok") + "\n", {"Idempotency-Key": "import-8"}
    with socket.create_connection(("127.0.0.1", w.port["api"]), 20) as s:
        s.sendall(f"POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {w.api.token}\r\nContent-Type: text/plain\r\n"
                  f"Idempotency-Key: import-8\r\nContent-Length: {3 * len(url)}\r\n\r\n{url}".encode())

        def refused():
            return w.api.post("batches", url * 3, type="text/plain", headers=key).status == 409

        w.wait_for(refused, 5, "a second upload is refused while the first runs")
        s.sendall(url.encode() * 2)
        head = s.recv(65536).decode()
        expect(head.startswith("HTTP/1.1 202 "), head[:200])
    first = w.api.must("GET", "batches").json["batches"]
    equal(len(first), 1, "batches")
    again = [w.api.must("POST", "batches", url * 3, 202, type="text/plain", headers=key).json["id"] for _ in range(2)]
    equal(set(again), {first[0]["id"]}, "the batch of each repeat")
    equal(w.api.post("batches", url * 4, type="text/plain", headers=key).status, 422, "another body")
    equal(w.api.counts(first[0]["id"])["total"], 3, "tasks")
    w.check_store()


@short
def test_cancel_reaches_what_runs(w):
    w.fleet()
    hosts = [{"url": f"http://c{i}.ok.test:{w.targets['tarpit']}/", "timeout_ms": 30000} for i in range(400)]
    batch = w.api.submit(hosts, per_host=0)
    w.wait_for(lambda: w.api.counts(batch)["running"] > 100, 20, "the tarpits run")
    w.api.must("POST", f"batches/{batch}/cancel", status=202)
    # 30 s would be the probes' own end: the cancel must come long before.
    counts = w.wait_batch(batch, 10)
    equal(counts["cancelled"], 400, "cancelled")
    results = w.one_result_each(batch, 400)
    equal({r["cause"] for r in results}, {"cancelled_by_user"}, "causes")
    good = w.api.submit([w.url("/ok")] * 20)
    equal(w.wait_batch(good, 10)["ok"], 20, "ok: the slots must be free again")


@short
def test_upload_cut_off_leaves_nothing(w):
    """A body that ends too soon opens no batch."""
    import socket

    w.fleet(agents=())
    before = len(w.api.must("GET", "batches").json["batches"])
    with socket.create_connection(("127.0.0.1", w.port["api"])) as s:
        head = f"POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {w.api.token}\r\n"
        s.sendall((head + "Content-Type: text/plain\r\nContent-Length: 100000\r\n\r\n").encode())
        s.sendall(b"http://127.0.0.1/ok\n" * 500)
    after = w.api.must("GET", "batches").json["batches"]
    equal(len(after), before, "batches")
    batch = w.api.submit_text(["http://127.0.0.1/ok"])["id"]
    check_sum(w.api.counts(batch))
    equal(ended(w.api.counts(batch)), 0, "ended without an agent")
