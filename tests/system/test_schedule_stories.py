# SPDX-License-Identifier: MIT
"""Probing on a schedule, as people live through it: real agents, a real webhook and a real mail server."""
import contextlib
import mailbox
import os
import signal
import time

from harness import Proc, Skipped, equal, expect, free_port, listens, long, short
from receiver import Receiver


@contextlib.contextmanager
def receiver():
    r = Receiver()
    try:
        yield r
    finally:
        r.close()


def put(w, name, targets, status=201, **more):
    body = {"every": "1s", "targets": targets, **more}
    return w.api.must("PUT", f"schedules/{name}", body, status=status).json


def checks(w, name):
    return w.api.must("GET", f"checks?schedule={name}&limit=1000").json["checks"]


def check(w, name):
    (only,) = checks(w, name)
    return only


def whole(w, check_id):
    return w.api.must("GET", f"checks/{check_id}").json


def wait_state(w, name, state, timeout=20):
    return w.wait_for(lambda: all(c["state"] == state for c in checks(w, name)), timeout, f"{name} is {state}")


def incidents(w, state="current"):
    return w.api.must("GET", f"incidents?state={state}").json["incidents"]


def schedule(w, name):
    return w.api.must("GET", f"schedules/{name}").json


@short
def test_a_dead_site_is_told_of_once_and_its_return_too(w):
    w.fleet()
    with receiver() as r:
        r.answers = [500, 500]
        w.api.must("PUT", "alerts/ops", {"kind": "webhook", "url": r.url("/hook"), "secret": "k3y"}, status=201)
        put(w, "shop", [r.url(f"/site?{i}") for i in range(20)], alerts=["ops"], every="2s", agents={"count": 2})
        wait_state(w, "shop", "up")
        r.site = 503
        wait_state(w, "shop", "down")
        w.wait_for(lambda: r.told("confirmed"), 60, "the webhook has taken the message")
        with w.case("one incident for twenty addresses of one host"):
            (one,) = incidents(w)
            equal((one["state"], one["host"], one["checks"]), ("confirmed", "127.0.0.1", 20), "the incident")
            equal(one["causes"], ["http_5xx"], "its causes")
        with w.case("one message, signed, after two tries that failed"):
            equal([p["status"] for p in r.posts], [500, 500, 200], "what the webhook answered")
            expect(all(r.signed_by("k3y", p) for p in r.posts), "a signature is wrong")
            equal(r.told()[0]["incident"]["id"], one["id"], "the incident it names")
            log = w.api.must("GET", "deliveries?channel=ops").json["deliveries"]
            equal([(d["state"], d["attempts"]) for d in log], [("delivered", 3)], "the delivery log")
        with w.case("secrets are in no answer and no log"):
            text = w.api.must("GET", "alerts").text + w.api.must("GET", "deliveries").text + w.master_proc.log()
            expect("k3y" not in text, "the secret is shown")
        with w.case("a person has it"):
            w.api.must("POST", f"incidents/{one['id']}/ack", {"note": "on it"})
            equal(incidents(w)[0]["acked"]["note"], "on it", "the note")
            w.api.must("POST", f"incidents/{one['id']}/ack", {"note": "me too"}, status=409)
        r.site = 200
        wait_state(w, "shop", "up", 30)
        expect(not r.told("resolved"), "its end was told before it was calm")
    w.api.must("DELETE", "schedules/shop", status=204)


@long
def test_calm_for_three_minutes_ends_an_incident(w):
    w.fleet()
    with receiver() as r:
        w.api.must("PUT", "alerts/ops", {"kind": "webhook", "url": r.url("/hook")}, status=201)
        put(w, "shop", [r.url()], alerts=["ops"])
        wait_state(w, "shop", "up")
        r.site = 503
        w.wait_for(lambda: r.told("confirmed"), 60, "it is told")
        r.site = 200
        w.wait_for(lambda: r.told("resolved"), 240, "its end is told")
        equal([m["event"] for m in r.told()], ["confirmed", "resolved"], "what was told")
        equal(incidents(w), [], "incidents")


@short
def test_a_mail_goes_out(w):
    w.fleet(agents=("a1",))
    port = free_port()
    box = w.path("mail")
    if w.run(["/usr/bin/python3", "-c", "import aiosmtpd"]).returncode:
        raise Skipped("python3-aiosmtpd is not installed")
    Proc(w, "smtp", ["/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", "-c",
                     "aiosmtpd.handlers.Mailbox", box]).expected.update({-signal.SIGTERM, 143})
    w.wait_for(lambda: listens(port), 20, "the mail server listens")
    w.api.must("PUT", "alerts/post", {"kind": "email", "smtp": f"smtp://127.0.0.1:{port}", "from": "sonde@a.example",
                                      "to": ["x@b.example", "y@c.example"]}, status=201)
    got = w.api.must("POST", "alerts/post/test").json
    equal((got["delivered"], got["status"]), (True, 250), "the test's answer")
    (mail,) = w.wait_for(lambda: os.path.isdir(os.path.join(box, "new")) and list(mailbox.Maildir(box)), 10, "it is there")
    equal(mail["To"].split(), ["x@b.example,", "y@c.example"], "to whom")
    expect("this channel works" in str(mail.get_payload(decode=True), "utf-8"), mail)


@short
def test_one_of_two_probers_is_no_quorum(w):
    w.world()
    w.master()
    w.nginx()
    w.agent("good")
    w.agent("odd", "--ca-file", "/etc/ssl/certs/ca-certificates.crt")  # it trusts other authorities
    put(w, "two", [w.url("/ok", host="a.ok.test", port="https")], agents={"count": 2})
    w.wait_for(lambda: (check(w, "two")["advice"] or "").find("odd") >= 0, 20, "the advice names the prober")
    until = time.monotonic() + 8
    while time.monotonic() < until:
        c = check(w, "two")
        expect(c["state"] in ("up", "degraded"), "a minority made it", c)
        time.sleep(0.5)
    equal(incidents(w, "confirmed"), [], "incidents")


@short
def test_the_night_of_the_sick_prober(w):
    w.world()
    w.master()
    w.nginx()
    w.agent("well")
    w.agent("sick", "--ca-file", "/etc/ssl/certs/ca-certificates.crt")
    with receiver() as r:
        w.api.must("PUT", "alerts/ops", {"kind": "webhook", "url": r.url("/hook")}, status=201)
        targets = [w.url("/ok", host=f"h{i}.ok.test", port="https") for i in range(8)]
        put(w, "night", targets, agents={"names": ["sick"]}, alerts=["ops"])
        put(w, "day", [w.url("/ok", host=f"g{i}.ok.test", port="https") for i in range(8)], agents={"names": ["well"]})
        wait_state(w, "night", "down", 30)
        wait_state(w, "day", "up", 30)
        told = w.wait_for(lambda: r.told(), 60, "somebody is told")
        equal(len(told), 1, f"messages: {told}")
        (told,) = told
        equal((told["event"], told["incident"]["kind"], told["incident"]["agent"]), ("system_event", "agent", "sick"),
              "the one message")
        expect(all(i["kind"] == "agent" for i in incidents(w)), "a target has an incident", incidents(w))
        expect(all(c["state"] == "up" for c in checks(w, "day")), "the other prober's checks", checks(w, "day"))


@short
def test_no_data_is_unknown_and_never_up(w):
    (a1,) = w.fleet(agents=("a1",))
    put(w, "quiet", [w.url("/ok")])
    wait_state(w, "quiet", "up")
    a1.stop()
    wait_state(w, "quiet", "unknown", 20)
    c = w.wait_for(lambda: whole(w, check(w, "quiet")["id"])["missed"] and whole(w, check(w, "quiet")["id"]), 20,
                   "what was missed is told")
    equal(c["missed"][0]["reason"], "no_agent", "why")
    w.agent("a1")
    wait_state(w, "quiet", "up")
    states = [t["to"] for t in whole(w, c["id"])["transitions"]]
    equal(states, ["up", "unknown", "up"], "the states, newest first")


@short
def test_the_master_is_down_and_nothing_comes_in_a_burst(w):
    w.fleet(agents=("a1",))
    with receiver() as r:
        put(w, "steady", [r.url(f"/site?{i}") for i in range(10)])
        wait_state(w, "steady", "up")
        w.master_proc.kill9()
        time.sleep(12)  # the story: so long it was down
        before, began = r.seen, time.monotonic()
        w.master()
        w.wait_agent("a1")
        w.wait_for(lambda: all(c["running"] or c["state"] == "up" for c in checks(w, "steady")), 20, "all run again")
        time.sleep(3)
        most = 10 * (time.monotonic() - began + 2)  # ten a second, and what stood at the edges
        expect(r.seen - before <= most, "a burst:", r.seen - before, most)
        for c in checks(w, "steady"):
            down = [m for m in whole(w, c["id"])["missed"] if m["reason"] == "master_down"]
            equal(len(down), 1, "records of what was missed")
            expect(9 <= down[0]["count"] <= 12 + 10 * w.slower, "slots that were missed", down)
    w.check_store()


@short
def test_a_great_batch_delays_no_schedule(w):
    w.fleet(agents=("a1",), agent_options=("--workers", "1", "--slots", "16"))
    batch = w.slow_batch(400, 1000)
    put(w, "prompt", [w.url("/status/204")], per_host=0)
    wait_state(w, "prompt", "up", 20)
    time.sleep(10)
    s = schedule(w, "prompt")
    expect(s["runs"] >= 8 - w.slower, "runs within ten seconds and more", s)
    expect(sum(s["missed"].values()) <= w.slower - 1, "missed", s["missed"])
    w.api.must("POST", f"batches/{batch}/cancel", status=202)


@short
def test_a_schedule_changes_pauses_and_goes_while_it_runs(w):
    w.fleet(agents=("a1",))
    put(w, "s", [w.url("/slow/700"), w.url("/status/200")])
    wait_state(w, "s", "up")
    ids = {c["target"]: c["id"] for c in checks(w, "s")}
    with w.case("what stays keeps its history; what is new is new"):
        got = put(w, "s", [w.url("/status/200"), w.url("/status/201")], status=200)
        equal((got["new"], got["removed"], got["unchanged"]), (1, 1, 1), "the change")
        wait_state(w, "s", "up")
        equal(next(c["id"] for c in checks(w, "s") if c["target"].endswith("/200")), ids[w.url("/status/200")], "its id")
    with w.case("paused: nothing runs, all is unknown"):
        w.api.must("POST", "schedules/s/pause")
        wait_state(w, "s", "unknown")
        time.sleep(1.5)
        seen = w.requests()
        time.sleep(2)
        equal(w.requests(), seen, "requests")
        w.api.must("POST", "schedules/s/resume")
        wait_state(w, "s", "up")
    with w.case("deleted"):
        w.api.must("DELETE", "schedules/s", status=204)
        equal(w.api.get("schedules/s").status, 404, "it is gone")
        equal(checks(w, "s"), [], "its checks")
        time.sleep(1.5)
        seen = w.requests()
        time.sleep(2)
        equal(w.requests(), seen, "requests")
    w.check_store()
