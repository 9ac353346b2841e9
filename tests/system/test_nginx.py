# SPDX-License-Identifier: MIT
"""The proxy between: reloaded, stopped, killed under a thousand agents, or with a time-out below the heartbeat."""
import collections
import http.client
import os
import re
import resource
import time

import told
from faults import metric
from harness import Api, Proc, Skipped, equal, expect, takes
from test_kill import SMALL, finish, in_the_middle, slow_mix

BACKOFF_BASE_S = 1  # the first delay of an agent is random in it (agent/link/link.c)
GRACE_S = 15
FAST_RELOAD = (("worker_shutdown_timeout 3s", "worker_shutdown_timeout 1s"),)


def events_after(w, cursor, kind):
    """Those of that kind that came after a cursor."""
    api, found = Api(w.port["api"], w.api.token), []
    while True:
        page = api.must("GET", f"events?kind={kind}&cursor={cursor}&limit=1000").json
        expect(not page["lost"], "the log has forgotten some of them")
        found += page["events"]
        cursor = page["next_cursor"]
        if not page["events"]:
            return found


def newest_cursor(w):
    """Where the log of events is now."""
    return Api(w.port["api"], w.api.token).must("GET", "events?limit=1").json["next_cursor"]


def seconds_of(found):
    return sorted(told.at(e) for e in found)


def largest_share(times, window_s):
    """Of all, how many fall into the busiest window of that length."""
    most, first = 0, 0
    for last, t in enumerate(times):
        while t - times[first] > window_s:
            first += 1
        most = max(most, last - first + 1)
    return most / len(times)


def direct(w):
    """The API without nginx."""
    w.api.port = w.port["api"]


# --- reloads

# Faster than agents take a link for lasting (5 s), so that their backoff grows: with tasks in hand to 5 s at most.
RELOAD_EVERY_S = 3
# Of the delays that are drawn at most this share may be one and the same; a tenth of the first ones are its floor.
ONE_DELAY_SHARE = 0.25


@takes(75)
def test_twenty_reloads_under_load(w):
    """Each reload ends the old worker and with it all links: nothing is lost or done twice."""
    w.world()
    w.master()
    w.nginx(*FAST_RELOAD)
    names = ("a1", "a2", "a3")
    agents = [w.agent(name, *SMALL) for name in names]
    direct(w)  # the test's own questions shall not be what is cut
    cursor = newest_cursor(w)
    batch, causes = slow_mix(w, 26000)
    w.wait_for(lambda: w.api.counts(batch)["ok"] > 500, 30, "the load runs")
    for _ in range(20):
        began = time.monotonic()
        w.reload_nginx()
        w.wait_for(lambda: time.monotonic() >= began + RELOAD_EVERY_S, RELOAD_EVERY_S + 1, "the next reload is due")
    with w.case("the load lasted"):
        counts = w.api.counts(batch)
        expect(counts["running"] + counts["queued"] > 0, "the batch had ended before the last reload:", counts)
    results = finish(w, batch, causes, 120, stop=False)
    with w.case("no reload cost a lease: all went on where they were"):
        tried = sorted(r["attempt"] for r in results)
        equal(tried[-1], 1, "most attempts of a task")
    with w.case("nobody was taken for dead, and each cut is told as one"):
        ends = events_after(w, cursor, "agent_disconnected")
        equal({e["cause"] for e in ends} - {"connection_closed", "connection_reset"}, set(), "other causes of ends")
        expect(len(ends) >= 20, "only", len(ends), "ends in 20 reloads")
        equal(events_after(w, cursor, "agent_suspect"), [], "suspects")
    with w.case("they come back each in its own time, over more than the jitter window of the first delay"):
        cut, back = seconds_of(ends), seconds_of(events_after(w, cursor, "agent_connected"))
        waits = [b - max(c for c in cut if c <= b) for b in back]
        print(f"    {len(cut)} cuts; back {min(waits):.2f} to {max(waits):.2f} s after the last one before")
        expect(max(waits) - min(waits) >= BACKOFF_BASE_S, "all of them wait alike:", waits)
    with w.case("no two of them draw the same delay, also while they hold tasks"):
        drawn = [d for a in agents for d in re.findall(r"retry_in_ms=(\d+)", a.log())]
        often = collections.Counter(drawn).most_common(1)[0]
        print(f"    {len(drawn)} delays drawn, of which {often[1]} were {often[0]} ms")
        expect(len(drawn) >= 20 and often[1] <= len(drawn) * ONE_DELAY_SHARE, often, "of", len(drawn))
    w.master_proc.stop()
    w.check_store()


# --- stopped


@takes(70)
def test_nginx_stopped_for_a_minute(w):
    """Agents keep what they find on disk, the API's own port goes on, and then all of it is there once."""
    w.fleet(agents=("a1", "a2"), agent_options=SMALL)
    batch, causes = slow_mix(w, 3000)
    in_the_middle(w, batch, 3000)
    w.nginx_proc.stop()
    stopped = time.monotonic()
    with w.case("through nginx there is no API, beside it there is"):
        try:
            w.api.get("/readyz", timeout=5)
            expect(False, "something answers at nginx's port")
        except (OSError, http.client.HTTPException):
            pass
        direct(w)
        equal(w.api.get("/readyz").status, 200, "readyz at the API's own port")
        more = w.api.submit([w.url(f"/ok?{i}") for i in range(200)])
    with w.case("the agents' ends are told, and the batch waits"):
        w.wait_for(lambda: metric(w, "agents_alive") == 0, 10, "no agent is connected")
        w.wait_for(lambda: w.api.counts(batch)["running"] == 0, GRACE_S + 90, "the grace is over for all of their tasks")
        done = w.api.counts(batch)
        expect(done["queued"] > 0, "nothing was left:", done)
    with w.case("what they had under way they keep on disk"):
        for name in ("a1", "a2"):
            kept = sum(os.path.getsize(os.path.join(at, f)) for at, _, files in os.walk(w.path(name)) for f in files)
            expect(kept > 4096, f"{name} keeps {kept} bytes")
    left = 60 - (time.monotonic() - stopped)
    print(f"    {60 - left:.0f} s until the tasks were queued again")
    until = time.monotonic() + left
    w.wait_for(lambda: time.monotonic() >= until, 61, "a minute has passed")
    w.nginx()
    for name in ("a1", "a2"):
        w.wait_agent(name)
    w.wait_batch(more, 60)
    w.one_result_each(more, 200)
    finish(w, batch, causes, 90, stop=False)
    print("    duplicates that were dropped:", metric(w, "results_duplicate_total"))
    w.master_proc.stop()
    w.check_store()


# --- a storm

STORM = 1000
STORM_BACK_S = 60
# nginx is away for some seconds, so the agents have come to different delays of their backoff. At most this share of them may come
# back within any one second: they are spread over several.
STORM_SECOND_SHARE = 0.5
# And where it was away for a moment only, within any tenth of the jitter window of the first delay: a fifth comes at its floor.
RELOAD_TENTH_SHARE = 0.35


# As deploy/nginx/sonde.conf bounds the joins of one address, with numbers for a short test.
JOINS_RATE, JOINS_BURST = 100, 100
JOINS_LATE_S = 2  # a busy master may see the joins of so long at once; without the bound it would be all of them
JOINS_LIMITED = (
    ("    map $http_upgrade", f"    limit_req_zone $binary_remote_addr zone=joins:1m rate={JOINS_RATE}r/s;\n    map $http_upgrade"),
    ("        location = /ws {", f"        location = /ws {{\n limit_req zone=joins burst={JOINS_BURST} nodelay; limit_req_status 429;"),
)


class Many:
    """A thousand agents in one process, each with a session and a backoff of its own (tests/bench/instant_agent.c)."""

    def __init__(self, w, count):
        self.w, self.count = w, count
        token = w.path("many.token")
        with open(os.open(token, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(w.token("agent") + "\n")
        self.proc = Proc(w, "many", [os.path.join(w.build, "tests", "instant_agent"), "--master", str(w.port["nginx"]),
                                     "--token-file", token, "--agents", str(count), "--reconnect"])
        w.wait_for(lambda: "ready agents=" in self.proc.log(), 60, "all are welcome")

    def back(self, times, timeout):
        """What they say when all are back: its figures by name."""
        self.w.wait_for(lambda: self.proc.log().count("back agents=") >= times, timeout, "all are welcome again")
        said = [x for x in self.proc.log().splitlines() if x.startswith("back ")][-1]
        print("    the agents say:", said)
        return dict(re.findall(r"(\w+)=(\d+)", said))

    def spread(self, said, window, most):
        """No window of that length took more than that share of them, by the moments for which they meant to come: what the
        machine makes late is not theirs."""
        share = int(said["busiest_" + window]) / self.count
        expect(share <= most, f"{share:.0%} came back in one {window}, more than {most:.0%}")


def came_back(w, cursor):
    """All came back, none twice; when, as the master saw it."""
    back = events_after(w, cursor, "agent_connected")
    equal(len({e["agent"] for e in back}), STORM + 1, "agents that came back")
    equal(len(back), STORM + 1, "times that they did")
    times = seconds_of(back)
    print(f"    {len(times)} came back over {times[-1] - times[0]:.1f} s")
    return times


def nobody_is_dead(w, cursor):
    """For two time-outs of silence nobody is suspected, or cut off for it."""
    until = time.monotonic() + 2 * GRACE_S
    w.wait_for(lambda: time.monotonic() >= until, 2 * GRACE_S + 1, "two time-outs have passed")
    equal([e["agent"] for e in events_after(w, cursor, "agent_suspect")], [], "suspects")
    equal(events_after(w, cursor, "agent_disconnected"), [], "ends of sessions")
    equal(metric(w, "agents_alive"), STORM + 1, "agents that are alive")


@takes(90)
def test_a_thousand_agents_lose_nginx_at_once(w):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 2 * STORM + 2600:
        raise Skipped(f"{STORM} agents need more than {hard} descriptors")
    w.world()
    w.master()
    w.nginx()
    many = Many(w, STORM)
    w.agent("real", "--workers", "1", "--slots", "64", "--tag", "kind=real")
    direct(w)
    requests = w.requests()
    with w.case("killed for some seconds: they come back spread over several"):
        batch = w.api.submit([f"http://s{i}.ok.test:{w.targets['http']}/slow/20000" for i in range(40)],
                             defaults={"timeout_ms": 30000}, agents={"tags": {"kind": "real"}})
        w.wait_for(lambda: w.requests() - requests >= 40, 20, "the real agent runs its tasks")
        cursor = newest_cursor(w)
        w.kill_nginx()
        killed = time.monotonic()
        w.wait_for(lambda: time.monotonic() - killed > 4, 5, "nginx is away for some seconds")
        w.nginx()
        direct(w)
        said = many.back(1, STORM_BACK_S)
        w.wait_agent("real")
        came_back(w, cursor)
        many.spread(said, "second", STORM_SECOND_SHARE)
    with w.case("they knocked no more than their backoff lets them"):
        refused = w.api.must("GET", "events?kind=upgrade_refused&limit=10").json["events"]
        equal(refused, [], "upgrades that were refused")
    with w.case("the real one among them went on with what it had"):
        w.wait_batch(batch, 40)
        results = w.one_result_each(batch, 40)
        equal(({r["outcome"] for r in results}, {r["attempt"] for r in results}), ({"ok"}, {1}), "outcomes and attempts")
        equal(w.requests() - requests, 40, "requests that the target saw")
    with w.case("nobody is taken for dead afterwards"):
        nobody_is_dead(w, newest_cursor(w))
    with w.case("cut for a moment by a reload, they come back over the jitter window"):
        cursor = newest_cursor(w)
        w.reload_nginx()
        said = many.back(2, STORM_BACK_S)
        w.wait_for(lambda: len(events_after(w, cursor, "agent_connected")) > STORM, 20, "the real one is back, too")
        times = came_back(w, cursor)
        many.spread(said, "tenth", RELOAD_TENTH_SHARE)
        expect(times[-1] - times[0] >= BACKOFF_BASE_S * 0.8, "they came back within", times[-1] - times[0], "s")
    with w.case("where nginx bounds the joins they come no faster, and all of them come"):
        cursor = newest_cursor(w)
        w.kill_nginx()
        w.nginx(*JOINS_LIMITED)
        direct(w)
        many.back(3, STORM_BACK_S)
        w.wait_for(lambda: len(events_after(w, cursor, "agent_connected")) > STORM, 40, "the real one is back, too")
        times = came_back(w, cursor)
        share, most = largest_share(times, 1), (JOINS_BURST + (1 + JOINS_LATE_S) * JOINS_RATE) / STORM
        expect(share <= most, f"{share:.0%} came back in one second, more than {most:.0%}")
        expect(times[-1] - times[0] >= (STORM - JOINS_BURST) / JOINS_RATE * 0.9, "faster than nginx lets them")
    w.master_proc.stop()


# --- a time-out below the heartbeat

SHORT_S = 4  # the heartbeat comes after 5


@takes(35)
def test_a_proxy_read_timeout_below_the_heartbeat_is_named(w):
    w.world()
    w.master()
    w.nginx(("proxy_read_timeout 60s", f"proxy_read_timeout {SHORT_S}s"))
    for name in ("a1", "a2", "a3"):
        w.agent(name, *SMALL, wait=False)
    direct(w)
    event = w.wait_for(lambda: told.events(w, "proxy_timeout"), 60, "the time-out is an event")[0]
    print("    event:", event["detail"])
    with w.case("with how many sessions, of how many, at which age, and what to look at"):
        seen = event["evidence"]
        expect(seen["sessions"] >= 5 and seen["of"] >= seen["sessions"], seen)
        expect(abs(seen["age_ms"] - SHORT_S * 1000) <= 1000, seen)
        expect(f"{seen['sessions']} of {seen['of']} sessions ended at {SHORT_S} ± 1 s: check proxy_read_timeout" in event["detail"], event)
    with w.case("the command line shows it"):
        r = w.cli("events", "--kind", "proxy_timeout")
        expect(r.returncode == 0 and "check proxy_read_timeout" in " ".join(r.stdout.split()), r.stdout, r.stderr)
    with w.case("once, and not with every session that ends"):
        ends = metric(w, "disconnects_total")
        w.wait_for(lambda: metric(w, "disconnects_total") >= ends + 3, 30, "three more have ended so")
        equal(len(told.events(w, "proxy_timeout")), 1, "events")
    with w.case("the diagnosis holds the age against the heartbeat"):
        ages = told.finding(w, "session_ages")
        equal(ages["state"], "bad", "state")
        expect(abs(ages["figures"]["age_s"] - SHORT_S) <= 1, ages["figures"])
        expect("less than three heartbeats" in ages["evidence"] and "proxy_read_timeout" in ages["fix"], ages)
    with w.case("and names who is cut again and again, with the causes"):
        one = w.wait_for(lambda: told.item(w, "reconnects", "a1"), 60, "a1 is named")
        expect("in the last hour" in one["evidence"] and ": connection_" in one["evidence"], one)
        agent = w.api.agent("a1")
        expect(agent["cuts"]["hour"] >= 3 and agent["cuts"]["causes"], agent["cuts"])
    with w.case("with a time-out above three heartbeats nobody is cut any more"):
        w.kill_nginx()
        w.nginx(("proxy_read_timeout 60s", "proxy_read_timeout 16s"))
        direct(w)
        for name in ("a1", "a2", "a3"):
            w.wait_agent(name)
        cursor = newest_cursor(w)
        until = time.monotonic() + 12
        w.wait_for(lambda: time.monotonic() >= until, 13, "two heartbeats have passed")
        equal(events_after(w, cursor, "agent_disconnected"), [], "ends of sessions")
