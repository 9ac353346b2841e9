# SPDX-License-Identifier: MIT
"""Probing on a schedule through the HTTP API: definitions, checks, their history and runs, incidents, restarts."""
import gzip
import json
import threading

from harness import equal, expect, free_port, short

FAST = {"every": "1s", "confirm": 0}


def start(w, *more):
    """A master and its fleet."""
    w.master(*more)
    w.world()
    for name in ("a1", "a2"):
        w.agent(name)


def put(w, name, definition, status=None, query="", **more):
    r = w.api.call("PUT", f"schedules/{name}{query}", definition, **more)
    expect(r.status == status if status else r.status in (200, 201), f"PUT {name}: {r!r}")
    return r.json


def checks(w, query=""):
    return {c["target"]: c for c in w.api.must("GET", "checks" + query).json["checks"]}


def in_state(w, target, state, timeout=30):
    def it_is():
        c = checks(w).get(target)
        return c if c and c["state"] == state else None

    return w.wait_for(it_is, timeout, f"{target} is {state}")


def pages(w, path, key):
    """All rows of a list, with its pages as small as they may be."""
    found, cursor = [], None
    while True:
        page = w.api.must("GET", f"{path}{'&' if '?' in path else '?'}limit=1" + (f"&cursor={cursor}" if cursor else "")).json
        found += page[key]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


@short
def test_a_schedule_from_its_first_run_to_its_end(w):
    start(w, "--check-metrics", "1")
    good, bad = w.url("/ok"), f"http://127.0.0.1:{free_port()}/"
    made = put(w, "shop", {**FAST, "targets": [good, bad], "goal": {"availability": 99.9}, "labels": {"team": "a"}}, 201)
    equal((made["version"], made["checks"], made["new"]), (1, 2, 2), "what the PUT says")
    with w.case("its checks have states"):
        up, down = in_state(w, good, "up"), in_state(w, bad, "down")
        equal((up["schedule"], up["cause"], down["cause"]), ("shop", None, "connect_refused"), "checks")
        expect(up["last"]["total_ms"] > 0, up)
        equal(set(checks(w, "?state=down")), {bad}, "checks that are down")
        equal(len(pages(w, "checks?schedule=shop", "checks")), 2, "checks by pages")
    with w.case("the list of schedules counts them"):
        s = w.wait_for(lambda: (s := w.api.must("GET", "schedules?label=team:a").json["schedules"][0])["runs"] > 4 and s, 20, "runs")
        equal((s["name"], s["checks"], s["states"]["up"], s["states"]["down"]), ("shop", 2, 1, 1), "the schedule")
        equal(w.api.must("GET", "schedules?label=team:b").json["schedules"], [], "schedules of another label")
    with w.case("a change of state is told, and an incident begins"):
        one = w.api.must("GET", f"checks/{down['id']}").json
        equal((one["transitions"][0]["to"], one["transitions"][0]["cause"]), ("down", "connect_refused"), "the newest change")
        i = w.wait_for(lambda: w.api.must("GET", "incidents?state=current").json["incidents"], 20, "an incident")[0]
        equal((i["host"], i["schedule"], i["causes"]), ("127.0.0.1", "shop", ["connect_refused"]), "the incident")
        equal(i["evidence"]["first"]["check"], down["id"], "its evidence")
        equal(w.api.must("POST", f"incidents/{i['id']}/ack", {"note": "on it"}).json["note"], "on it", "note")
        equal(w.api.post(f"incidents/{i['id']}/ack", {}).json["code"], "already_acked", "a second acknowledgement")
        acked = w.wait_for(lambda: w.api.must("GET", f"incidents/{i['id']}").json["acked"], 20, "it is stored")
        equal(acked["note"], "on it", "note")
    with w.case("runs are results like others, each once"):
        runs = w.wait_for(lambda: len(r := pages(w, f"checks/{up['id']}/runs", "results")) > 2 and r, 20, "runs")
        equal({r["outcome"] for r in runs}, {"ok"}, "outcomes")
        tasks = [int(r["task"]) for r in runs]
        equal(tasks, sorted(set(tasks), reverse=True), "tasks, newest first")
        equal(w.api.must("GET", f"tasks/{tasks[0]}").json["batch"], runs[0]["batch"], "batch")
        for verb in ("cancel", "pause", "resume", "retry-failed"):
            equal(w.api.post(f"batches/{runs[0]['batch']}/{verb}").json["code"], "lane", verb)
    with w.case("history and overview"):
        h = w.api.must("GET", f"checks/{up['id']}/history?by=hour").json
        expect(h["uptime"] is None or h["uptime"] == 1, h)
        equal((h["goal"]["availability"], len(h["goal"]["burn"])), (99.9, 3), "goal")
        o = w.api.must("GET", "overview?schedule=shop").json["checks"]
        equal({c["target"]: c["state"] for c in o}, {good: "up", bad: "down"}, "overview")
    with w.case("metrics"):
        text = w.api.must("GET", "/metrics").text
        expect('sonde_checks{state="up"} 1' in text and "sonde_checks_without_series 1" in text, text)
    with w.case("paused it is unknown, removed it is gone and its history stays"):
        equal(w.api.must("POST", "schedules/shop/pause").json["paused"], True, "paused")
        in_state(w, good, "unknown")
        w.api.must("POST", "schedules/shop/resume")
        in_state(w, good, "up")
        w.api.must("DELETE", "schedules/shop", status=204)
        equal(w.api.get("schedules/shop").json["code"], "no_such_schedule", "the schedule")
        equal(checks(w), {}, "checks")
        equal(w.api.get(f"checks/{up['id']}").status, 404, "the check")
    w.master_proc.stop()
    w.check_store()


@short
def test_what_is_changed_is_told_and_nothing_else_begins_anew(w):
    start(w)
    one, two, three = (w.url(f"/ok?{n}") for n in range(3))
    put(w, "shop", {"every": "1s", "targets": [one, two]}, 201)
    before = in_state(w, one, "up")
    with w.case("a dry run writes nothing"):
        new = {"every": "2s", "targets": [one, {"url": two, "timeout_ms": 5000, "headers": {"X-Key": "hush"}}, three]}
        told = put(w, "shop", new, 200, "?dry_run=1")
        equal({d["field"]: (d["from"], d["to"]) for d in told["diff"]["definition"]}, {"every": ("1s", "2s")}, "fields")
        equal({d["key"]: d["what"] for d in told["diff"]["targets"]}, {two: "changed", three: "new"}, "targets")
        equal(w.api.must("GET", "schedules/shop").json["version"], 1, "version")
    with w.case("a replaced one keeps the checks that stay"):
        told = put(w, "shop", new, 200, headers={"If-Match": '"1"'})
        equal((told["version"], told["new"], told["changed"], told["unchanged"]), (2, 1, 1, 1), "what changed")
        equal((in_state(w, one, "up")["id"], in_state(w, one, "up")["since"]), (before["id"], before["since"]), "the check")
        put(w, "shop", new, 412, headers={"If-Match": '"1"'})
        equal(put(w, "shop", new, 200)["version"], 2, "version after the same again")
    with w.case("secrets are not shown"):
        r = w.api.must("GET", "schedules/shop?targets=1")
        expect("hush" not in r.text and "(set)" in r.text, r)
        equal(len(r.json["definition"]["targets"]), 3, "targets")
    with w.case("what is wrong is named"):
        r = put(w, "shop", {"every": "1s", "targets": ["nonsense"]}, 422)
        equal((r["code"], r["field"][:10]), ("invalid_schedule", "targets[0]"), "the problem")
        equal(put(w, "shop", {**new, "alerts": ["nobody"]}, 422)["field"], "alerts[0]", "field")
    with w.case("kill -9 forgets nothing"):
        w.master_proc.kill9()
        w.master()
        equal(w.api.must("GET", "schedules/shop").json["version"], 2, "version")
        equal({c["id"] for c in checks(w).values()} >= {before["id"]}, True, "the check is there")
        in_state(w, three, "up")
    w.master_proc.stop()
    w.check_store()


@short
def test_many_large_definitions_at_once_are_taken_in_turn(w):
    """Each over 1 MiB, of which one is read at a time: who is refused comes again."""
    start(w)
    body = gzip.compress(json.dumps({"every": "1h", "paused": True, "targets": [f"http://h{n}.ok.test/{'x' * 200}" for n in range(6000)]}).encode())
    ended = []

    def one(name):
        while (r := w.api.call("PUT", f"schedules/{name}", body, "application/json", headers={"Content-Encoding": "gzip"})).status == 429:
            expect(int(r.headers["Retry-After"]) > 0, r)
        ended.append((name, r.status))

    threads = [threading.Thread(target=one, args=(f"s{n}",)) for n in range(4)]
    for t in threads:
        t.start()
    for _ in range(20):
        equal(w.api.get("/healthz").status, 200, "healthz meanwhile")
    for t in threads:
        t.join(60)
    equal(sorted(ended), [(f"s{n}", 201) for n in range(4)], "answers")
    equal(sum(s["checks"] for s in w.api.must("GET", "schedules").json["schedules"]), 24000, "checks")
    o, cursor, n = None, "", 0
    while o is None or cursor:
        o = w.api.must("GET", f"overview?limit=10000{cursor}").json
        n += len(o["checks"])
        cursor = f"&cursor={o['next_cursor']}" if o["next_cursor"] else ""
    equal(n, 24000, "checks in the overview")
