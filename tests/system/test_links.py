# SPDX-License-Identifier: MIT
"""Bad links that are no dead ones: slow, far, lossy and flapping paths, resets in mid-frame."""
import os
import re
import time

from faults import metric
from harness import Sampler, Skipped, ended, equal, expect, long, takes
from remote import fleet, mend, nft, reset, slow_batch
from test_kill import can_reset

HEARTBEAT_S = 5
BACKOFF_CAP_S = 30  # of an agent that holds nothing any more
DELAY_MAX_S = 5  # of a heartbeat on any path: DESIGN 4, "a slow link carries its heartbeat in time"
NETWORKS_FAULT = ("heartbeat_missed", "master_silent", "connection_closed", "connection_reset", "connection_timeout", "unreachable")


class Watch:
    """What the master says of these agents, five times a second: their states, and the worst that they had."""

    def __init__(self, w, *names):
        self.w, self.names = w, names
        self.states = {name: set() for name in names}
        self.sessions = {name: set() for name in names}
        self.age_ms = dict.fromkeys(names, 0)
        self.rtt_ms = dict.fromkeys(names, 0)
        self.sampler = Sampler(self._look, 0.2)

    def _look(self):
        for name in self.names:
            a = self.w.api.agent(name)
            self.states[name].add("slow" if a["slow"] else a["state"])
            self.sessions[name].add(a["session"])
            self.age_ms[name] = max(self.age_ms[name], a["heartbeat_age_ms"] or 0)
            self.rtt_ms[name] = max(self.rtt_ms[name], a["rtt_ms"] or 0)

    def __enter__(self):
        self.sampler.__enter__()
        return self

    def __exit__(self, *what):
        self.sampler.__exit__(*what)
        for name in self.names:
            print(f"    {name}: {', '.join(sorted(self.states[name]))}; heartbeats {self.age_ms[name] / 1000:.1f} s old at most, "
                  f"and there and back in {self.rtt_ms[name] / 1000:.1f} s")

    def never_in_doubt(self):
        for name in self.names:
            with self.w.case(f"{name}: alive all the time, in one session"):
                equal(self.states[name], {"alive"}, "states")
                equal(len(self.sessions[name]), 1, "sessions")


def by_agent(results, name):
    return sum(r["agent"] == name for r in results)


def finish(w, batch, total, timeout):
    equal(w.wait_batch(batch, timeout)["ok"], total, "ok")
    return w.one_result_each(batch, total)


# --- far: 300 ms ± 200 ms, packets that overtake each other, come twice or not at all


FAR = ("--delay-ms", "300", "--jitter-ms", "200", "--early", "3", "--double", "1")


def far_paths(w, total, seconds):
    wires = {"a1": FAR, "a2": FAR + ("--loss", "1")}
    with fleet(w, ("a1", "a2", "a3"), wires=wires):
        with Watch(w, "a1", "a2", "a3") as watch:
            began = time.monotonic()
            batch = slow_batch(w, total)
            results = finish(w, batch, total, seconds + 90)
            w.wait_for(lambda: time.monotonic() - began > seconds, seconds + 5, "three heartbeats and more have passed")
        watch.never_in_doubt()
        for name in wires:
            expect(by_agent(results, name) > total // 20, name, "did only", by_agent(results, name), "of", total)
            expect(watch.rtt_ms[name] >= 200, "its heartbeats take", watch.rtt_ms[name], "ms: the wire does nothing")
            w.agent_proc[name].stop()
            did = w.wire[name].end()
            print(f"    the wire of {name}: {did}")
            expect(did["overtaken"] > 50 and did["doubled"] > 0, "the wire did nothing:", did)
        w.master_proc.stop()
        w.check_store()


@takes(25)
def test_far_paths_kill_no_agent(w):
    far_paths(w, 1500, 18)


@long
def test_far_paths_for_three_minutes(w):
    far_paths(w, 18000, 180)


# --- narrow: 64 kbit/s


def narrow(w, name, queue):
    """Both ways. queue: what waits before the narrow place, as a limit in bytes or a latency."""
    for host, device in ((name, "to-proxy"), ("proxy", f"to-{name}")):
        w.net.run(host, "tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate", "64kbit", "burst", "8k", *queue)


def texts(w, count):
    """Each result is much larger than its task: the path to the master is what is full."""
    return w.api.submit([{"url": f"http://198.18.1.1/text?{i}", "keep_body": 2048} for i in range(count)], per_host=0)


@takes(25)
def test_a_narrow_path_carries_its_heartbeats_in_time(w):
    """More results than it carries, and a queue before it that would hold a minute of them, or drops what does not fit."""
    total = 120
    with fleet(w, ("a1", "a2"), options=("--slots", "64")):
        narrow(w, "a1", ("limit", "500k"))
        narrow(w, "a2", ("latency", "400ms"))
        began = time.monotonic()
        batch = texts(w, total)
        with Watch(w, "a1", "a2") as watch:
            results = finish(w, batch, total, 90)
        took = time.monotonic() - began
        for name in ("a1", "a2"):
            print(f"    {name}: {by_agent(results, name) / took:.1f} results a second")
            with w.case(f"{name}: a heartbeat is there and back within {DELAY_MAX_S} s"):
                expect(0 < watch.rtt_ms[name] < 1000 * DELAY_MAX_S * w.slower, watch.rtt_ms[name], "ms")
            with w.case(f"{name}: a heartbeat comes at most {DELAY_MAX_S} s late"):
                expect(watch.age_ms[name] < 1000 * (HEARTBEAT_S + DELAY_MAX_S) * w.slower, watch.age_ms[name], "ms")
            with w.case(f"{name}: the path is used"):
                expect(by_agent(results, name) > total // 5, by_agent(results, name), "of", total)
        expect(took > 2 * HEARTBEAT_S, "it was over after", took, "s: the path was not narrow")
        watch.never_in_doubt()
        w.master_proc.stop()
        w.check_store()


# --- lossy: three of ten packets, each way


def loses_a_third(w, name):
    rules = []
    for hook, way in (("input", "iifname"), ("output", "oifname")):
        rules += [f"add chain inet fault {hook} {{ type filter hook {hook} priority 0; }}",
                  f"add rule inet fault {hook} {way} to-proxy numgen random mod 100 < 30 counter drop"]
    nft(w, name, rules)


def lost(w, name):
    """Packets that were dropped, each way."""
    return [int(n) for n in re.findall(r"counter packets (\d+)", w.net.run(name, "nft", "list", "table", "inet", "fault"))]


def lossy_path(w, total, seconds):
    names = ("a1", "a2", "a3", "a4", "a5")
    with fleet(w, names):
        loses_a_third(w, "a1")
        with Watch(w, *names[1:]) as watch:
            began = time.monotonic()
            batch = slow_batch(w, total)
            w.wait_for(lambda: ended(w.api.counts(batch)) == total or time.monotonic() - began > seconds, seconds + 30, "it is worked off")
            results = finish(w, batch, total, 90)
            # How many it sends in that time is a matter of luck, for TCP steps back at each loss; it never falls silent.
            w.wait_for(lambda: min(lost(w, "a1")) > 5, 60, "some were lost each way")
        watch.never_in_doubt()
        others = sum(by_agent(results, n) for n in names[1:]) / (len(names) - 1)
        print(f"    a1 did {by_agent(results, 'a1')}, the others {others:.0f} each")
        expect(by_agent(results, "a1") < others, "the lossy path carries as much as the others")
        end = w.api.agent("a1")["last_disconnect"]
        print("    a1:", end and f"{end['cause']} ({end['detail']})")
        expect(not end or end["cause"] in NETWORKS_FAULT, "why its session ended:", end)
        mend(w, "a1")
        w.wait_agent("a1")
        w.cut.clear()
        w.master_proc.stop()
        w.check_store()


@takes(25)
def test_a_third_of_all_packets_lost(w):
    lossy_path(w, 5000, 20)


@long
def test_a_third_of_all_packets_lost_for_five_minutes(w):
    lossy_path(w, 75000, 300)


# --- flapping: 2 s up, 2 s down


def down(w, name, is_down):
    """a1's own end goes, a2's other end does, and a3's path refuses all that it knows of no more."""
    if name == "a1":
        w.net.run("a1", "ip", "link", "set", "to-proxy", "down" if is_down else "up")
    elif name == "a2":
        w.net.run("proxy", "ip", "link", "set", "to-a2", "down" if is_down else "up")
    elif is_down:
        w.net.run("proxy", "nft", "add table inet refuse; add chain inet refuse in { type filter hook input priority 0; }; "
                  "add rule inet refuse in iifname to-a3 meta l4proto tcp reject with tcp reset")
        reset(w, "a3")
    else:
        w.net.run("proxy", "nft", "delete table inet refuse")


def count_connects(w, names):
    """From now on, at nginx: each SYN, those that are sent again too."""
    w.net.run("proxy", "nft", "add table inet syn; add chain inet syn in { type filter hook input priority -10; }")
    for name in names:
        w.net.run("proxy", "nft", f"add rule inet syn in ip saddr {w.net_address[name]} tcp flags & (syn|ack) == syn counter")


def connects(w):
    return [int(n) for n in re.findall(r"counter packets (\d+)", w.net.run("proxy", "nft", "list", "table", "inet", "syn"))]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def flapping(w, total, seconds):
    if not can_reset():
        raise Skipped("ss -K does nothing here: it needs root and CONFIG_INET_DIAG_DESTROY")
    flappers = ("a1", "a2", "a3")
    with fleet(w, flappers + ("a4",)):
        procs = {"master": w.master_proc.pid, **{n: w.agent_proc[n].pid for n in flappers}}
        count_connects(w, flappers)
        before = {who: descriptors(pid) for who, pid in procs.items()}
        batch = slow_batch(w, total)
        w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in flappers), 20, "all agents have tasks")
        with Watch(w, "a4") as watch:
            began, is_down = time.monotonic(), False
            while time.monotonic() - began < seconds or is_down:
                is_down = not is_down
                for name in flappers:
                    down(w, name, is_down)
                time.sleep(2)  # the fault itself
            lasted = time.monotonic() - began
            for name in flappers:
                w.wait_for(lambda name=name: w.api.agent(name)["state"] == "alive", BACKOFF_CAP_S + 10, f"{name} is back")
            results = finish(w, batch, total, 60)
        watch.never_in_doubt()
        seen = dict(zip(flappers, connects(w)))
        print(f"    connects within {lasted:.0f} s: {seen}; done: { {n: by_agent(results, n) for n in flappers} }")
        expect(seen["a3"] > 1, "no path was ever cut")
        for name, n in seen.items():
            with w.case(f"{name}: no storm of connects"):
                expect(n <= lasted, n, "in", lasted, "s")
        for who, pid in procs.items():
            with w.case(f"{who}: its descriptors do not grow"):
                w.wait_for(lambda: descriptors(pid) <= before[who] + 2, 10, f"{who} has as many as before, {before[who]}")
        equal(metric(w, "results_rejected_total"), 0, "results refused")
        w.master_proc.stop()
        w.check_store()


@takes(25)
def test_flapping_links_lose_nothing(w):
    flapping(w, 2000, 24)


@long
def test_flapping_links_for_five_minutes(w):
    flapping(w, 20000, 300)


# --- resets in mid-frame


SEGMENT = 1448  # with more on its way than this it is no heartbeat, and part of it has yet to come


def sending(w, name):
    """Bytes of its link that its kernel has and nginx's has not."""
    out = w.net.run(name, "ss", "-Htn", "state", "established", f"dport = :{w.port['nginx']}").split()
    return int(out[1]) if out else 0


def resets(w, total, times):
    """The paths are narrow and more is to say than they carry: whenever a link is up, a frame is soon on its way."""
    if not can_reset():
        raise Skipped("ss -K does nothing here: it needs root and CONFIG_INET_DIAG_DESTROY")
    count = dict.fromkeys(("a1", "a2", "a3", "a4"), 0)
    with fleet(w, tuple(count), options=("--slots", "64")):
        for name in count:
            w.net.run(name, "tc", "qdisc", "replace", "dev", "to-proxy", "root", "tbf", "rate", "256kbit", "burst", "8k", "limit", "200k")
        batch = slow_batch(w, total)

        cut = set()  # sessions

        def ready(name):
            """It has beaten: HELLO is over. One that never gets so far loses its tasks to the grace, and rightly."""
            a = w.api.agent(name)
            return a["heartbeat"] and a["session"] not in cut

        def one_in_a_frame():
            """The one that was reset least, of those that can be."""
            return next((n for n in sorted(count, key=count.get) if sending(w, n) > SEGMENT and ready(n)), None)

        for _ in range(times):
            name = w.wait_for(one_in_a_frame, 20, "a frame is on its way")
            cut.add(w.api.agent(name)["session"])
            reset(w, name)
            count[name] += 1
        done = ended(w.api.counts(batch))
        print(f"    resets {count}, {done} of {total} tasks ended by then")
        expect(done < total, "the batch ended too soon to be disturbed")
        finish(w, batch, total, 120)
        for name, n in count.items():
            expect(n > 0 and w.api.agent(name)["reconnects"] >= 1, name, "was never reset")
        equal(metric(w, "messages_bad_total"), 0, "messages that were no whole ones")
        equal(metric(w, "results_rejected_total"), 0, "results refused")
        w.master_proc.stop()
        w.check_store()


@takes(20)
def test_resets_in_mid_frame(w):
    resets(w, 2000, 16)


@long
def test_hundred_resets_in_mid_frame(w):
    resets(w, 6000, 100)
