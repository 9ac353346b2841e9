# SPDX-License-Identifier: MIT
"""The outage that Sonde was built for: targets that never answer fill every slot, and nobody is cut off by it."""
import math
import time

import told
from harness import LinkQueues, Sampler, Tap, equal, expect, heavy, long, short, takes
from naive import NaiveAgent

RECV_QUEUE_MAX = 64 * 1024
HEARTBEAT_S = 5
SLOTS = 64  # of each of the two agents
BULK = 2 * SLOTS * 15 // 16  # those that bulk may fill


class Watch:
    """What is sampled while the slots are full: the unread bytes of each agent's link, as the kernel and as the agent say."""

    def __init__(self, w, agents, taps):
        self.w, self.agents = w, agents
        self.queues = LinkQueues([(a.pid, t.port) for a, t in zip(agents, taps)])
        self.samples = 0
        self.kernel, self.told = [0, 0], {"a1": 0, "a2": 0}

    def kernel_looks(self):
        for i, (proc, queue) in enumerate(zip(self.agents, self.queues.look())):
            expect(queue is not None, f"the kernel knows no link of {proc.name}: it is cut, or the test looks at the wrong socket")
            self.kernel[i] = max(self.kernel[i], queue)
            expect(queue < RECV_QUEUE_MAX, f"Recv-Q of {proc.name}:", queue)
        self.samples += 1

    def agents_tell(self):
        for a in self.w.api.must("GET", "agents").json["agents"]:
            equal(a["state"], "alive", f"state of {a['name']}")
            told = (a["heartbeat"] or {}).get("recvq_bytes")
            if told is not None:
                self.told[a["name"]] = max(self.told[a["name"]], told)
                expect(told < RECV_QUEUE_MAX, f"recvq_bytes of {a['name']}:", told)


def ended_at(result):
    began = told.seconds(result["started_at"])
    return began + result["timings"]["total_ms"] / 1000


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p))]


def check_heartbeats(w, taps, began, ended):
    """Seen on the way, so that neither the master's clock nor its own view of the agents is asked."""
    for name, tap in zip(("a1", "a2"), taps):
        beats = [t for t in tap.events("heartbeat") if t <= ended]
        with w.case(f"{name}: no disconnect"):
            equal((len(tap.events("connect")), len(tap.events("end"))), (1, 0), "connections made and ended")
            equal(w.api.agent(name)["reconnects"], 0, "reconnects that the master counts")
        with w.case(f"{name}: no heartbeat late by more than half an interval, as seen on the way"):
            expect(len(beats) >= (ended - began) / HEARTBEAT_S - 1, f"only {len(beats)} in {ended - began:.0f} s")
            gap = max(b - a for a, b in zip(beats, beats[1:] + [ended]))
            expect(gap <= HEARTBEAT_S * 1.5, f"the longest gap was {gap:.2f} s")
        with w.case(f"{name}: and as the master saw it"):
            gap = w.api.agent(name)["heartbeat_gap_max_ms"]
            expect(0 < gap <= HEARTBEAT_S * 1500, "the longest gap was", gap)
        with w.case(f"{name}: its loop is not held up"):
            lag = w.api.agent(name)["heartbeat"]["lag_ms"]
            expect(lag < 250, "lag_ms", lag)  # a probe on this thread would be seconds


def check_good(w, batch, good, accepted, bound_s):
    results = w.one_result_each(batch, good)
    equal({r["outcome"] for r in results}, {"ok"}, "outcomes")
    waits = [ended_at(r) - accepted for r in results]
    print(f"    good: p50 {percentile(waits, 0.5):.1f} s, p99 {percentile(waits, 0.99):.1f} s, last {max(waits):.1f} s from acceptance to result")
    expect(percentile(waits, 0.99) <= bound_s, f"p99 of acceptance to result is {percentile(waits, 0.99):.1f} s")


def one_shot(w):
    with w.case("a one-shot does not wait behind them"):
        asked = time.monotonic()
        r = w.api.must("POST", "probes", {"url": w.url("/ok"), "timeout_ms": 5000}, timeout=60)
        expect(time.monotonic() - asked < 3 * w.slower, "it took", time.monotonic() - asked, "s")
        expect('"ok"' in r.text, r)


def outage(w, tarpits, good, timeout_s):
    w.world()
    w.master()
    w.nginx()
    taps = [Tap(w, name) for name in ("a1", "a2")]
    agents = [w.agent(t.proc.name[:-4], "--workers", "1", "--slots", str(SLOTS), port=t.port) for t in taps]
    pits = [{"url": f"http://t{i}.ok.test:{w.targets['tarpit']}/", "timeout_ms": timeout_s * 1000} for i in range(tarpits)]
    fine = [f"http://g{i}.ok.test:{w.targets['http']}/ok" for i in range(good)]
    # One batch after the other, the good ones would begin when the last tarpits have their slots. Taking turns, they
    # begin when the first of them give theirs back, after one timeout. Twice that is the bound of 99 of 100; the last
    # few may stand in an agent's queue behind tarpits, for one timeout more.
    serial_s = (math.ceil(tarpits / BULK) - 1) * timeout_s
    bound_s = 2 * timeout_s * w.slower
    expect(3 * timeout_s < serial_s, "the test would not tell turns from one after the other")
    watch = Watch(w, agents, taps)
    with Sampler(watch.kernel_looks, 0.05), Sampler(watch.agents_tell, 1):
        began = time.monotonic()
        bad = w.api.submit(pits, per_host=0)
        w.wait_for(lambda: w.api.counts(bad)["running"] >= BULK, 20, "the tarpits fill the slots")
        batch = w.api.submit(fine, per_host=0)
        accepted = time.time()
        one_shot(w)
        with w.case("the good ones are not starved"):
            counts = w.wait_batch(batch, 3 * timeout_s)
            equal(counts["ok"], good, "good targets that are ok")
            left = w.api.counts(bad)
            expect(left["running"] > 0 and left["queued"] > 0, "no tarpit was left when they had ended:", left)
            check_good(w, batch, good, accepted, bound_s)
        counts = w.wait_batch(bad, serial_s + 3 * timeout_s)
        equal(counts["failed"], tarpits, "tarpits that failed")
        ended = time.monotonic()
    print(f"    Recv-Q at most {watch.kernel} by the kernel in {watch.samples} looks, {watch.told} as told; {ended - began:.0f} s")
    expect(watch.samples >= (ended - began) / w.slower, "only", watch.samples, "looks at Recv-Q")
    equal({r["cause"] for r in w.one_result_each(bad, tarpits)}, {"response_timeout"}, "causes of the tarpits")
    w.one_result_each(batch, good)
    check_heartbeats(w, taps, began, ended)
    w.master_proc.stop()
    w.check_store()


@takes(40)
@heavy
def test_500_tarpits_then_5000_good_targets(w):
    outage(w, 500, 5000, 8)


@long
def test_three_minutes_of_tarpits(w):
    outage(w, 2300, 5000, 10)


# --- the story told again: the agent that it was about, and then ours, behind the same nginx

# The time-outs do not matter for whether it dies, only for when; short ones make a short test. nginx's buffer to the agents is
# small so that it stands full soon, as it did in the story after minutes.
STORY_NGINX = (("send_timeout           30s", "send_timeout           5s"), ("backlog=4096", "backlog=4096 sndbuf=16k"))
STORY_TARGETS = 6000


def diagnosed(w, name):
    """What the diagnosis says of that agent as a slow consumer, or None."""
    one = told.item(w, "slow_consumers", name)
    return one and one["evidence"]


def tarpits(w, count):
    return [f"http://t{i}.ok.test:{w.targets['tarpit']}/{'x' * 60}" for i in range(count)]


def ends_of(w, name):
    return told.events(w, "agent_disconnected", name)


@takes(20)
def test_the_story_with_its_own_agent(w):
    """Probes on the thread that reads: nginx cuts it off, and the diagnosis says why in that moment, with figures."""
    w.world()
    w.master()
    w.nginx(*STORY_NGINX)
    with NaiveAgent(w, "naive", probe_s=10) as naive, NaiveAgent(w, "drip", probe_s=2):
        for name in ("naive", "drip"):
            w.wait_agent(name)
        batch = w.api.submit(tarpits(w, STORY_TARGETS), per_host=0)
        end = w.wait_for(lambda: ends_of(w, "naive"), 30, "nginx has cut the naive agent off")[0]
        said = diagnosed(w, "naive")
        print("    event:", end["detail"], "\n    diagnosis:", said)
        with w.case("it dies as in the story: nginx could not write to it"):
            w.wait_for(lambda: naive.ends, 20, "the naive agent has seen its end")
            with open(w.path("nginx", "error.log"), encoding="utf-8") as f:
                log = f.read()
            expect("client timed out (110: Connection timed out) while proxying upgraded connection" in log, log[-2000:])
        with w.case("the event names the cause, and not what the socket said"):
            equal((end["cause"], end["who"]), ("slow_consumer", "agent"), "cause and whose")
            seen = end["evidence"]
            expect(seen["sent_tasks"] > 100 and seen["received_tasks"] < 10, seen)
        with w.case("the diagnosis names the agent, the side and the figures in that moment"):
            expect(said and "cut" in said and "slow_consumer: it does not read: " in said, said)
            expect(f" of {seen['sent_tasks']} tasks received" in said and "took nothing for" in said, said)
            r = w.cli("diagnose")
            words = " ".join(r.stdout.split())
            expect(r.returncode in (1, 2) and "slow_consumers" in words and "naive" in words, r.stdout, r.stderr)
        with w.case("the agent's own page tells it, with what to do"):
            last = w.api.agent("naive")["last_disconnect"]
            equal(last["cause"], "slow_consumer", "cause")
            expect("thread that reads" in last["fix"], last)
        with w.case("one that reads a little between its probes is named while it is connected"):
            said = w.wait_for(lambda: diagnosed(w, "drip"), 40, "the diagnosis names it")
            print("    drip:", said)
            expect("it does not read" in said, said)
            expect(w.api.agent("drip")["slow"], "the API does not say that it is slow")
        w.api.must("POST", f"batches/{batch}/cancel", status=202)
        w.wait_batch(batch, 60)
    w.one_result_each(batch, STORY_TARGETS)
    w.master_proc.stop()
    w.check_store()


@takes(25)
@short
def test_the_story_with_our_agent(w):
    """The same nginx, the same flood, more tarpits than slots for longer than any time-out: nothing happens."""
    w.world()
    w.master()
    w.nginx(*STORY_NGINX)
    options = ("--workers", "1", "--slots", "64")
    agents = [w.agent(name, *options) for name in ("a1", "a2")]
    bad = w.api.submit(tarpits(w, 300), defaults={"timeout_ms": 8000}, per_host=0)
    good = w.api.submit([f"http://g{i}.ok.test:{w.targets['http']}/ok" for i in range(3000)], per_host=0)
    w.wait_batch(bad, 90)
    w.wait_batch(good, 90)
    with w.case("every task has its one result"):
        equal({r["cause"] for r in w.one_result_each(bad, 300)}, {"response_timeout"}, "causes of the tarpits")
        equal({r["outcome"] for r in w.one_result_each(good, 3000)}, {"ok"}, "outcomes of the good ones")
    with w.case("nobody was cut off, and nobody was slow"):
        equal([ends_of(w, a.name) for a in agents], [[], []], "ends of sessions")
        equal(told.events(w, "agent_slow"), [], "slow agents")
        text = w.api.must("GET", "/metrics").text
        expect("sonde_results_duplicate_total 0\n" in text, [x for x in text.splitlines() if "duplicate" in x])
    w.master_proc.stop()
    w.check_store()
