# SPDX-License-Identifier: MIT
"""Schedules from the command line: files applied, lists and pages; against a script, and against a master that has them."""
import fcntl
import json
import os
import pty
import select
import subprocess
import termios

from harness import equal, expect, short
from schedule_script import Script

FILE = """
owner: team-a
alerts:
  ops: {kind: webhook, url: https://hook.test/, secret: s3cret}
schedules:
  - name: web
    every: 30s
    alerts: [ops]
    targets:
      - https://a.test/
      - {url: https://b.test/, timeout_ms: 2000}
  - name: dns
    cron: "0 3 * * *"
    targets: [dns:a.test]
"""
CHECK = {"id": "7", "schedule": "web", "target": "https://a.test/", "host": "a.test", "state": "down",
         "since": "2026-11-28T09:00:00.000000Z", "cause": "connect_timeout", "flapping": False, "confirmed": True,
         "advice": "down from bj-1 only", "next_at": "2026-11-28T10:00:00.000000Z", "running": True, "incident": "3",
         "last": {"total_ms": 12.5, "task": "4"}, "certificate": {"not_after": "2026-12-28T00:00:00.000000Z", "days_left": 30}}


def code(r, wanted):
    expect(r.returncode == wanted, f"exit code {r.returncode}, wanted {wanted}:", r.stdout[-800:], r.stderr[-800:])
    return r


def on_terminal(w, url, answer, *args):
    """sonde with a terminal of its own to ask on: its exit code, and what it asked. What it says else is not read."""
    ours, theirs = pty.openpty()

    def take():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    env = {**os.environ, "SONDE_URL": url, "SONDE_TOKEN": "t"}
    argv = [w.program("sonde"), *args]
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          preexec_fn=take) as p:
        expect(select.select([ours], [], [], 30)[0], "it asks nothing")
        asked = os.read(ours, 1000).decode()
        os.write(ours, answer.encode() + b"\n")
        ended = p.wait(timeout=30)
    os.close(theirs)
    os.close(ours)
    return ended, asked


class Cli:
    """sonde, and files for it."""

    def __init__(self, w, url):
        self.w, self.url = w, url

    def __call__(self, *args, wanted=0, **more):
        return code(self.w.cli(*args, url=self.url, token="t", **more), wanted)

    def file(self, text, name="schedules.yaml"):
        with open(self.w.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.w.path(name)


def scripted(test):
    def run(w):
        script = Script()
        try:
            test(w, script, Cli(w, script.url))
        finally:
            script.close()

    run.__name__ = test.__name__
    return short(run)


@scripted
def test_apply(w, script, sonde):
    path = sonde.file(FILE)
    with w.case("a dry run shows all, writes nothing, ends with 1"):
        said = sonde("schedule", "apply", path, "--dry-run", wanted=1).stdout
        for word in ("+ alert ops", "+ schedule web (every 30s, 2 targets)", "+ schedule dns (cron 0 3 * * *, 1 target)",
                     "would be: 3 new"):
            expect(word in said, f"no {word!r}:", said)
        equal(script.writes(), [], "writes")
    with w.case("channels first, then schedules, with their owner"):
        expect("applied: 3 new" in sonde("schedule", "apply", path).stdout, "other words")
        equal(script.writes(), ["PUT alerts/ops", "PUT schedules/web", "PUT schedules/dns"], "writes")
        equal(script.schedules["web"]["owner"], "team-a", "owner")
        equal(script.schedules["web"]["alerts"], ["ops"], "alerts")
    with w.case("nothing to do: no schedule is written, a secret is written anew"):
        script.calls.clear()
        said = sonde("schedule", "apply", path).stdout
        expect("nothing to do: 3 as they are" in said, said)
        equal(script.writes(), ["PUT alerts/ops"], "writes")
        sonde("schedule", "apply", path, "-n")
    with w.case("what changes is told field by field and target by target"):
        other = FILE.replace("30s", "1m").replace("2000", "3000").replace("[dns:a.test]", "[dns:b.test]")
        said = sonde("schedule", "apply", sonde.file(other), "-n", wanted=1).stdout
        for word in ('~ every: "30s" → "1m"', "~ target https://b.test/", "+ target dns:b.test", "- target dns:a.test"):
            expect(word in said, f"no {word!r}:", said)
    with w.case("a new channel of a schedule that is there"):
        other = FILE.replace("  ops:", "  more: {kind: slack, url: https://s.test/}\n  ops:").replace("[ops]", "[ops, more]")
        said = sonde("schedule", "apply", sonde.file(other), "-n", wanted=1).stdout
        expect('~ alerts: ["ops"] → ["ops","more"]' in said and "+ alert more" in said, said)
        script.calls.clear()
        sonde("schedule", "apply", sonde.file(other))
        equal(script.writes()[:2], ["PUT alerts/more", "PUT alerts/ops"], "the first writes")
        equal(script.schedules["web"]["alerts"], ["ops", "more"], "alerts")
    with w.case("a busy master is asked again"):
        script.busy = 1
        sonde("schedule", "apply", sonde.file(FILE.replace("30s", "45s")))
        equal(script.schedules["web"]["every"], "45s", "every")
    with w.case("JSON, from standard input"):
        whole = {"owner": "team-b", "schedules": [{"name": "j", "every": "5s", "targets": ["https://j.test/\U0001f600"]}]}
        sonde("schedule", "apply", "-", input=json.dumps(whole))
        equal(script.schedules["j"]["targets"], ["https://j.test/\U0001f600"], "targets")
    with w.case("for programs"):
        plan = json.loads(sonde("schedule", "apply", path, "-n", "-o", "json", wanted=0).stdout)
        equal([i["what"] for i in plan["items"]], ["same"] * 3, "items")
        rows = sonde("schedule", "apply", path, "-n", "-o", "ndjson").stdout.splitlines()
        equal([json.loads(r)["name"] for r in rows], ["ops", "web", "dns"], "rows")


@scripted
def test_apply_prunes(w, script, sonde):
    for name in ("a", "b", "c", "d", "e"):
        script.schedules[name] = {"every": "30s", "owner": "team-a", "targets": ["https://a.test/"]}
    script.schedules["foreign"] = {"every": "30s", "owner": "team-b", "targets": ["https://a.test/"]}
    path = sonde.file("owner: team-a\nschedules:\n  - {name: a, every: 30s, targets: ['https://a.test/']}\n")
    with w.case("without --prune it is told and stays"):
        said = sonde("schedule", "apply", path).stdout
        expect("schedule b" in said and "--prune" in said and "4 not in the file" in said, said)
        equal(script.writes(), [], "writes")
        sonde("schedule", "apply", path, "-n")
    with w.case("a dry run of --prune"):
        said = sonde("schedule", "apply", path, "-n", "--prune", wanted=1).stdout
        expect("- schedule e (1 target)" in said and "would be: 4 removed, 1 as they are" in said, said)
    with w.case("without a terminal it wants --yes"):
        said = sonde("schedule", "apply", path, "--prune", wanted=2).stderr
        expect("--yes" in said and "4 schedules of owner 'team-a'" in said, said)
        equal(script.writes(), [], "writes")
    with w.case("on a terminal it asks, and takes no for an answer"):
        ended, asked = on_terminal(w, script.url, "n", "schedule", "apply", path, "--prune")
        equal(ended, 1, "exit code")
        expect("Remove 4 schedules of owner 'team-a' with their checks? [y/N]" in asked, asked)
        equal(script.writes(), [], "writes")
        script.schedules["f"] = {"every": "30s", "owner": "other", "targets": ["https://a.test/"]}
        equal(on_terminal(w, script.url, "y", "schedule", "remove", "f")[0], 0, "exit code")
        expect("f" not in script.schedules, "it is still there")
    with w.case("--yes removes them, and no other owner's"):
        sonde("schedule", "apply", path, "--prune", "--yes")
        equal(sorted(script.schedules), ["a", "foreign"], "schedules")
    with w.case("an empty list is all of them"):
        sonde("schedule", "apply", sonde.file("owner: team-a\nschedules: []\n"), "--prune", "-y")
        equal(sorted(script.schedules), ["foreign"], "schedules")
    with w.case("one of them"):
        sonde("schedule", "remove", "foreign", wanted=2)
        sonde("schedule", "remove", "foreign", "--yes")
        sonde("schedule", "remove", "foreign", "--yes", wanted=2)


BAD_FILES = [
    ("owner: x\nschedules:\n  - name: a\n   every: 1s\n", ":4:", "did not find"),
    ("owner: x\nschedule: []\n", ":2:11:", "did you mean 'schedules'?"),
    ("schedules:\n  - {name: a}\n", ":1:1:", "'owner' is missing"),
    ("owner: x\nschedules:\n  - {every: 1s}\n", ":3:5:", "no 'name'"),
    ("owner: x\nschedules:\n  - {name: a}\n  - {name: a}\n", ":4:5:", "'a' is there twice"),
    ("owner: x\nschedules:\n  - name: a/b\n", ":3:11:", "'a/b'"),
    ("owner: x\nschedules:\n  - {name: a, owner: y}\n", ":3:22:", "another owner"),
    ("owner: x\nschedules:\n  - &a {name: a}\n", ":3:5:", "anchors and aliases"),
    ("owner: x\nschedules: []\n---\nowner: y\n", ":3:1:", "a second document"),
    ("alerts: {a: b}\n", ":1:13:", "must be an object"),
    ("owner: x\n", ":1:1:", "neither"),
    ("- a\n", ":1:1:", "an array"),
    ("", ":1:1:", "nothing"),
]


@scripted
def test_apply_says_where(w, script, sonde):
    for text, where, says in BAD_FILES:
        with w.case(f"{says} {where}"):
            path = sonde.file(text)
            said = sonde("schedule", "apply", path, wanted=2).stderr
            expect(path + where in said and says in said, said)
    with w.case("what the master refuses, too: all of it, and nothing is changed"):
        bad = FILE.replace("2000", "soon").replace("[dns:a.test]", "\n      - {dns: a.test, timeout_ms: x}")
        path = sonde.file(bad)
        said = sonde("schedule", "apply", path, wanted=2).stderr
        for word in (f"{path}:11:44: schedule 'web': 'timeout_ms'", f"{path}:15:35: schedule 'dns'", "2 of 2 schedules"):
            expect(word in said, f"no {word!r}:", said)
        equal(script.writes(), [], "writes")
    with w.case("and in JSON"):
        whole = {"owner": "x", "schedules": [{"name": "j", "every": "5s", "targets": [{"url": "https://a/", "timeout_ms": "x"}]}]}
        said = sonde("schedule", "apply", sonde.file(json.dumps(whole, indent=1), "s.json"), wanted=2).stderr
        expect("s.json:10:20: schedule 'j'" in said, said)
    with w.case("and of a channel, before any schedule is written"):
        path = sonde.file(FILE.replace("kind: webhook, ", ""))
        said = sonde("schedule", "apply", path, wanted=2).stderr
        expect("'kind' is missing" in said and f"at alert channel 'ops', {path}:4:8" in said, said)
        equal(script.schedules, {}, "schedules")
    with w.case("a file that is none"):
        expect("No such file" in sonde("schedule", "apply", "/nonexistent", wanted=2).stderr, "other words")
    with w.case("--prune without an owner"):
        path = sonde.file("alerts: {a: {kind: slack}}\n")
        expect("'owner'" in sonde("schedule", "apply", path, "--prune", wanted=2).stderr, "other words")


@scripted
def test_lists_and_pages(w, script, sonde):
    sonde("schedule", "apply", sonde.file(FILE))
    script.schedules["third"] = {"every": "5m", "owner": "other", "targets": ["https://c.test/"]}
    with w.case("schedule list goes over all pages"):
        said = sonde("schedule", "list").stdout
        for word in ("every 30s", "0 3 * * *", "third", "missed: 12 overloaded, 3 no_agent"):
            expect(word in said, f"no {word!r}:", said)
        rows = sonde("schedule", "list", "-o", "csv").stdout.splitlines()
        equal(len(rows), 4, "rows of CSV")
        expect("dns" in sonde("schedule", "list", "--owner", "team-a").stdout, "not its owner's")
        expect("third" not in sonde("schedule", "list", "--owner", "team-a").stdout, "another owner's")
        sonde("schedule", "list", "--label", "team", wanted=2)
        sonde("schedule", "list", "--label", "team=a:b")
        equal(script.calls[-1][2]["label"], "team:a:b", "the label asked for")
    with w.case("schedule show is a file again"):
        said = sonde("schedule", "show", "web", "--targets").stdout
        part = said[said.index("schedules:") :]
        script.calls.clear()
        sonde("schedule", "apply", sonde.file("owner: team-a\n" + part, "again.yaml"))
        equal(script.writes(), [], "writes")
    with w.case("pause, resume"):
        sonde("schedule", "pause", "web")
        expect(script.schedules["web"]["paused"], "not paused")
        expect("paused" in sonde("schedule", "list").stdout, "not shown")
        sonde("schedule", "resume", "web")
        expect(not script.schedules["web"]["paused"], "paused")
        expect("'nobody'" in sonde("schedule", "pause", "nobody", wanted=2).stderr, "not named")
        sonde("schedule", "show", "a/b", wanted=2)
    with w.case("checks over several pages, with their filters"):
        up = {**CHECK, "id": "8", "state": "up", "cause": None, "advice": None, "incident": None}
        script.answers["GET/checks"] = [{"checks": [CHECK], "next_cursor": "1"}, {"checks": [up], "next_cursor": None}]
        said = sonde("checks", "--schedule", "web", "--state", "down", "--host", "a.test").stdout
        expect("connect_timeout" in said and "down from bj-1 only" in said and "12.5" in said, said)
        equal(script.calls[-1][2]["host"], "a.test", "the host asked for")
        equal(len(sonde("checks", "-o", "ndjson").stdout.splitlines()), 2, "rows")
    with w.case("incidents, one of them, ack"):
        incident(script)
        expect("connect_timeout, reset" in sonde("incidents", "--state", "current").stdout, "no causes")
        said = sonde("incident", "3").stdout
        for word in ("host        a.test", "by bj-1", "delivered", "confirmed 1", "by alice"):
            expect(word in said, f"no {word!r}:", said)
        sonde("ack", "3", "on it")
        equal(script.calls[-1][3], {"note": "on it"}, "the body of ack")
        sonde("ack", "3")
        equal(script.calls[-1][3], {}, "the body of ack without a note")
        sonde("ack", "x", wanted=2)
        sonde("incident", "4", wanted=2)
    with w.case("alert channels"):
        script.answers["GET/alerts"] = {"alerts": [{"name": "ops", "definition": {"kind": "webhook"}}]}
        expect("webhook" in sonde("alert", "list").stdout, "no kind")
        expect("(set)" in sonde("alert", "show", "ops").stdout, "the secret does not show as set")
        expect("the service says no" in sonde("alert", "test", "ops", wanted=1).stdout, "no error")
        sonde("alert", "set", "new", sonde.file("kind: slack\nurl: https://s.test/\n", "channel.yaml"))
        equal(script.alerts["new"], {"kind": "slack", "url": "https://s.test/"}, "the channel")
        sonde("alert", "set", "new", sonde.file("- a\n", "channel.yaml"), wanted=2)
        sonde("alert", "remove", "new", "-y")
        expect("new" not in script.alerts, "it is still there")
    with w.case("deliveries"):
        script.answers["GET/deliveries"] = {"deliveries": [DELIVERY], "next_cursor": None}
        expect("confirmed 1" in sonde("deliveries", "--channel", "ops", "--state", "delivered").stdout, "not shown")


DELIVERY = {"id": "1", "channel": "ops", "state": "delivered", "about": "confirmed 1", "attempts": 2, "status": 200,
            "error": None, "created_at": "2026-11-28T09:00:30.000000Z", "next_at": None}


def incident(script):
    one = {"id": "3", "kind": "target", "state": "confirmed", "schedule": "web", "host": "a.test",
           "causes": ["connect_timeout", "reset_after_connect"], "since": "2026-11-28T09:00:00.000000Z",
           "confirmed_at": "2026-11-28T09:00:30.000000Z", "ended_at": None, "checks": 2, "not_up": 1, "relapses": 1,
           "agent": None, "muted": False, "acked": {"at": "2026-11-28T09:01:00.000000Z", "by": "alice", "note": "mine"},
           "withdrawn_for": None, "deliveries": [DELIVERY],
           "evidence": {"first": {"check": "7", "task": "4", "agent": "bj-1", "cause": "connect_timeout",
                                  "at": "2026-11-28T09:00:00.000000Z"}, "last": None}}
    script.answers["GET/incidents"] = {"incidents": [one], "next_cursor": None}
    script.answers["GET/incidents/3"] = one
    script.answers["POST/incidents/3/ack"] = one


@scripted
def test_check_page_and_overview(w, script, sonde):
    def day(up, degraded=0, down=0):
        return {"up_ms": up, "degraded_ms": degraded, "down_ms": down, "unknown_ms": 86400000 - up - degraded - down}

    script.answers["GET/checks/7"] = {
        **CHECK, "recent": ["4"],
        "transitions": [{"at": "2026-11-28T09:00:00.000000Z", "from": "up", "to": "down", "cause": "connect_timeout"}],
        "missed": [{"reason": "overloaded", "meaning": "all agents were full", "count": 3,
                    "first_at": "2026-11-28T08:00:00.000000Z", "last_at": "2026-11-28T08:01:00.000000Z"}]}
    script.answers["GET/checks/7/history"] = {
        "from": "2026-11-21T00:00:00.000000Z", "to": "2026-11-28T00:00:00.000000Z", "uptime": 0.99712, "availability": 0.99712,
        "goal": {"availability": 99.95, "availability_of_period": 0.99712, "budget_left": -0.25,
                 "burn": [{"long": "1h", "rate": 15.0, "burns": True}, {"rate": 2.0, "burns": False}]},
        "runs": {"ok": 20000, "failed": 58}, "missed": {"overloaded": 3},
        "latency_ms": {"total": {"p50": 11.0, "p90": 20.0, "p95": 31.0, "p99": 90.0, "min": 9.0, "max": 120.0, "mean": 13.0}},
        "series": [day(0), day(86400000), day(86000000, 0, 400000), day(40000000, 0, 46400000)]}
    script.answers["GET/checks/7/runs"] = {"results": [
        {"task": "4", "target": "https://a.test/", "agent": "bj-1", "outcome": "failed", "cause": "connect_timeout",
         "message": "no answer"}], "next_cursor": None}
    with w.case("a check with its days, what was missed and why, and its runs"):
        said = sonde("check", "7", "--days", "4").stdout
        for word in ("down since 2026-11-28 09:00:00: connect_timeout", "99.712 % since 2026-11-21", "·█▇▁", "goal        99.95 %, is 99.712 %", "overdrawn by 25.0 %",
                     "15.0 times", "all agents were full", "down from bj-1 only", "ends in 30 days", "31.0", "no answer"):
            expect(word in said, f"no {word!r}:", said)
        json.loads(sonde("check", "7", "-o", "json").stdout)
        sonde("check", "seven", wanted=2)
        sonde("check", "8", wanted=2)
    with w.case("the overview has the worst first, over all pages"):
        def row(i, uptime):
            return {"id": str(i), "schedule": "web", "target": f"https://{i}.test/", "state": "up", "uptime": uptime,
                    "availability": uptime, "down_ms": 0, "runs": 100, "missed": 1}

        script.answers["GET/overview"] = [
            {"checks": [row(1, 1), row(2, 0.99), row(3, None)], "next_cursor": "1"},
            {"checks": [row(4, 0.5), row(5, 1)], "next_cursor": None}]
        said = sonde("overview", "--days", "1", "--limit", "2").stdout
        lines = [x for x in said.splitlines() if "https://" in x]
        equal([x.split()[2] for x in lines], ["https://4.test/", "https://2.test/"], "rows")
        expect("5 checks, 2 of them never down, of 1 nothing is known; 87.250 % up on average" in said, said)
        equal(len(sonde("overview", "-o", "ndjson").stdout.splitlines()), 5, "rows")


@short
def test_with_a_master(w):
    w.fleet(agents=("a1",))
    sonde = Cli(w, None)

    def real(*args, wanted=0, **more):
        return code(w.cli(*args, **more), wanted)

    text = f"owner: test\nschedules:\n  - name: web\n    every: 1s\n    targets: ['{w.url('/ok')}']\n"
    path = sonde.file(text)
    with w.case("a file is applied, and once more changes nothing"):
        expect("+ schedule web" in real("schedule", "apply", path, "-n", wanted=1).stdout, "no diff")
        real("schedule", "apply", path)
        expect("nothing to do" in real("schedule", "apply", path).stdout, "not the same")
    with w.case("the check comes up"):
        w.wait_for(lambda: " up " in real("checks").stdout, 20, "the check is up")
        ident = json.loads(real("checks", "-o", "ndjson").stdout.splitlines()[0])["id"]
        expect("uptime" in real("check", ident).stdout, "no uptime")
        real("overview")
        real("incidents")
        real("deliveries")
        real("alert", "list")
    with w.case("a bad definition is told by its place"):
        bad = sonde.file(text.replace("1s", "never"))
        said = real("schedule", "apply", bad, wanted=2).stderr
        expect(f"{bad}:4:12: schedule 'web'" in said, said)
    with w.case("what show prints can be applied"):
        shown = real("schedule", "show", "web", "--targets").stdout
        again = sonde.file("owner: test\n" + shown[shown.index("schedules:") :], "again.yaml")
        expect("nothing to do" in real("schedule", "apply", again).stdout, "not the same")
    with w.case("pruned"):
        real("schedule", "pause", "web")
        real("schedule", "resume", "web")
        real("schedule", "apply", sonde.file("owner: test\nschedules: []\n"), "--prune", "--yes")
        expect("there is no schedule" in real("schedule", "list").stderr, "it is still there")
