# SPDX-License-Identifier: MIT
"""Agents that speak and do not read: slow, not dead; closed in time, and what they have goes to others."""
import time

import peers
from harness import Sampler, equal, expect, takes

SLOW_S, STALLED_S, HEARTBEAT_S = 15, 45, 5
GRACE_S = 15        # of the leases of a lost session
NGINX_S = 60        # when it would have ended the link by itself
CREDIT = 40
RSS_GROWS_MAX = 32  # MiB, of a master for a few megabytes that it cannot send


class Seen:
    """When what the master says of an agent was first so, in seconds from the start."""

    def __init__(self, w, names):
        self.w, self.names, self.began, self.first = w, names, time.monotonic(), {n: {} for n in names}

    def look(self):
        for name in self.names:
            a = self.w.api.agent(name)
            for word in {a["state"], "slow" if a["slow"] else "not slow"}:
                self.first[name].setdefault(word, time.monotonic() - self.began)
            if a["slow"]:
                self.first[name].setdefault("numbers", (a["untaken_tasks"], a["heartbeat"]["received_tasks"]))


def rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024


def judge(w, name, seen):
    """What was seen of one that never read."""
    first = seen.first[name]
    with w.case(f"{name}: it is slow after {SLOW_S} s, with the numbers"):
        expect(SLOW_S - HEARTBEAT_S <= first["slow"] <= (SLOW_S + HEARTBEAT_S + 2) * w.slower, "after", first["slow"], "s")
        untaken, taken = first["numbers"]
        expect(0 < untaken <= CREDIT and taken == 0, "tasks that it did not take:", untaken, "and took:", taken)
    with w.case(f"{name}: it is in no doubt, and not dead"):
        expect("suspect" not in first, first)
    with w.case(f"{name}: it is closed after {STALLED_S} s, and before nginx would"):
        away = min(first.get("orphaned", NGINX_S * 9), first.get("gone", NGINX_S * 9))
        expect(STALLED_S - HEARTBEAT_S <= away <= (STALLED_S + HEARTBEAT_S + 3) * w.slower, "after", away, "s")
        expect(w.slower > 1 or away < NGINX_S, away)
    with w.case(f"{name}: the cause and its evidence"):
        end = w.api.agent(name)["last_disconnect"]
        equal(end["cause"], "write_stalled", "cause")
        expect(f"{untaken} tasks sent, 0 received" in end["detail"], end["detail"])
        events = w.api.must("GET", f"events?agent={name}&limit=100").json["events"]
        expect(any(e["kind"] == "agent_slow" and f"{untaken} tasks sent, 0 received" in e["detail"] for e in events), events)
        evidence = [e["evidence"] for e in events if e["kind"] == "agent_disconnected"]
        equal([(e["sent_tasks"], e["received_tasks"]) for e in evidence], [(untaken, 0)], "sent and received")


@takes(60)
def test_agents_that_never_read(w):
    """Straight to the master, and through nginx, which takes for it what it can hold. A good agent does the work in the end."""
    w.world()
    w.master()
    w.nginx()
    w.api.port = w.port["api"]
    targets = [{"url": w.url(f"/ok?{i}"), "method": "POST", "body": "x" * 16000} for i in range(400)]
    batch = w.api.must("POST", "batches", {"per_host": 0, "priority": "interactive", "targets": targets}, status=202).json["id"]
    before = rss_mb(w.master_proc.pid)
    mute = [peers.Mute(w, name, CREDIT, rcvbuf=8192, port=w.port[port]) for name, port in (("straight", "agents"), ("nginx", "nginx"))]
    for m in mute:
        m.beat_on()
    names = [m.name for m in mute]
    seen = Seen(w, names)
    w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in names), 10, "they have tasks")
    with Sampler(seen.look, 0.2):
        w.wait_for(lambda: all("slow" in seen.first[n] for n in names), SLOW_S + HEARTBEAT_S + 5, "both are slow")
        w.agent("good", "--slots", "64")
        theirs = sum(w.api.agent(n)["leases"] for n in names)
        w.wait_for(lambda: w.api.counts(batch)["ok"] == 400 - theirs, 40, "the good one has done what was left")
        w.wait_for(lambda: all(w.api.agent(n)["leases"] == 0 for n in names), STALLED_S + GRACE_S, "their tasks go to others")
    expect(rss_mb(w.master_proc.pid) - before < RSS_GROWS_MAX or w.slower > 1, "the master grew to", rss_mb(w.master_proc.pid), "MiB")
    for name in names:
        print(f"    {name}: " + ", ".join(f"{k} {v:.1f} s" for k, v in seen.first[name].items() if k != "numbers"))
        judge(w, name, seen)
    for m in mute:
        m.end.sock.close()
    equal(w.wait_batch(batch, 30)["ok"], 400, "ok")
    results = w.one_result_each(batch, 400)
    equal({r["agent"] for r in results}, {"good"}, "who did the work")
    w.master_proc.stop()
    w.check_store()
