# SPDX-License-Identifier: MIT
"""Alive or dead under real network faults: agents on hosts of their own, nginx between them and the master."""
import contextlib
import os
import re
import signal
import subprocess
import time

import netns
from harness import TOP, Failed, Proc, equal, expect, long

HOME = "10.77.0.1"
DETECT_S = 15  # DESIGN 6: a silent link; FIN or RST take less than one
SCAN_S = 2     # the scan's period, and what a busy machine adds


def put_nginx(w):
    """nginx on a host of its own, with the API's way to the master left direct."""
    prefix = w.path("nginx")
    os.makedirs(prefix, exist_ok=True)
    with open(os.path.join(TOP, "deploy", "nginx", "quickstart.conf.in"), encoding="utf-8") as f:
        text = f.read()
    for key, value in {
        "@USER@": "user root;", "@DIR@": prefix, "@PORT@": w.port["nginx"],
        "@API@": f"{HOME}:{w.port['api']}", "@AGENTS@": f"{HOME}:{w.port['agents']}",
    }.items():
        text = text.replace(key, str(value))
    text = re.sub(r"listen +127\.0\.0\.1:", "listen ", text)
    conf = os.path.join(prefix, "nginx.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(text)
    return Proc(w, "nginx", ["ip", "netns", "exec", w.net.name("proxy"), "nginx", "-p", prefix, "-c", conf,
                             "-e", os.path.join(prefix, "error.log")])


@contextlib.contextmanager
def fleet(w, names, tags={}):  # pylint: disable=dangerous-default-value
    """master (home) ── proxy ── agents, each on a host of its own with served targets on its own loopback."""
    with netns.hosts("proxy", *names) as net:
        w.net, w.agents_host, w.agent_proc = net, HOME, {}
        net.run(None, "ip", "address", "add", f"{HOME}/32", "dev", "lo")
        net.cable("proxy", "10.79.0.2/24", None, "10.79.0.1/24")
        net.run("proxy", "ip", "route", "add", f"{HOME}/32", "via", "10.79.0.1")
        for i, name in enumerate(names, 1):
            net.cable(name, f"10.78.{i}.2/24", "proxy", f"10.78.{i}.1/24")
            net.run(name, "ip", "address", "add", "198.18.1.1/32", "dev", "lo")
        w.master()
        put_nginx(w)
        for i, name in enumerate(names, 1):
            Proc(w, name + "-far", net.within(name) + ["/usr/bin/python3", os.path.join(TOP, "tests/system/far.py"),
                 mode_file(w), "198.18.1.1"], stdout=subprocess.DEVNULL).expected.add(-15)
            w.agent_proc[name] = start_agent(w, name, i, *(["--tag", tags[name]] if name in tags else []))
        for name in names:
            w.wait_agent(name)
        w.cut = []
        try:
            yield net
        finally:
            for name in set(w.cut):  # they could not take their leave
                w.agent_proc[name].kill9()


def mode_file(w):
    path = w.path("dns.mode")
    with open(path, "w", encoding="ascii") as f:
        f.write("ok")
    return path


def start_agent(w, name, i, *more):
    """Its way to the master is the proxy's end of its own cable."""
    home = w.path(name)
    os.makedirs(home, exist_ok=True)
    with open(os.open(os.path.join(home, "token"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write(w.token("agent", name) + "\n")
    return Proc(w, name, w.net.within(name) + [
        w.program("sonde-agent"), "--master", f"ws://10.78.{i}.1:{w.port['nginx']}/ws", "--name", name, "--token-file",
        os.path.join(home, "token"), "--data", home, "--workers", "1", "--slots", "16", "--allow", "198.18.0.0/15",
        "--resolver", "198.18.1.1", *more])


def nft(w, host, rules):
    w.cut.append(host)
    w.net.run(host, "nft", "add table inet fault; " + "; ".join(rules))


def drop(hook, match):
    return [f"add chain inet fault {hook} {{ type filter hook {hook} priority 0; }}", f"add rule inet fault {hook} {match} drop"]


# Each on the host named: what passes no longer. The far side of loopback stays, so that probes go on.
def both_ways(w, name):
    nft(w, name, drop("input", "iifname to-proxy") + drop("output", "oifname to-proxy"))


def agent_is_not_heard(w, name):
    nft(w, name, drop("output", "oifname to-proxy"))


def agent_does_not_hear(w, name):
    nft(w, name, drop("input", "iifname to-proxy"))


def loses_a_tenth(w, name):
    nft(w, name, drop("input", "iifname to-proxy numgen random mod 100 < 10") + drop("output", "oifname to-proxy numgen random mod 100 < 10"))


def mend(w, name):
    """All faults of that host."""
    w.net.run(name, "nft", "delete table inet fault")


def reset(w, name):
    """Both ends of its link at nginx end with a RST; ss of the proxy knows the agent by its address."""
    w.net.run("proxy", "ss", "-K", "dst", w.net_address[name])


def agent_says(w, name, words):
    with open(w.path(name + ".log"), encoding="utf-8", errors="replace") as f:
        return sum(words in line for line in f)


def bulk_events(w):
    return [line for line in w.master_proc.log().splitlines() if "bulk_loss" in line and "bulk_loss_over" not in line]


def links_at_master(w):
    """Established connections on the master's port of agents."""
    out = w.net.run(None, "ss", "-Htn", "state", "established", f"sport = :{w.port['agents']}")
    return len(out.splitlines())


def slow_batch(w, count):
    """A third of a second each."""
    return w.api.submit([{"url": f"http://198.18.1.1/slow/{i}", "timeout_ms": 5000} for i in range(count)], per_host=0)


def metric(w, name):
    for line in w.api.must("GET", "/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return None


def check_options(w):
    """Keepalive, TCP_USER_TIMEOUT and TCP_NOTSENT_LOWAT on both ends, as the kernel has them."""
    ends = {"master": (w.net.run(None, "ss", "-Htno", "state", "established", f"sport = :{w.port['agents']}"), "keepalive")}
    ends["agent"] = (w.net.run("a1", "ss", "-Htno", "state", "established", f"dport = :{w.port['nginx']}"), "keepalive")
    for who, (text, wanted) in ends.items():
        with w.case(f"{who}: its link has the keepalive timer"):
            expect(text.strip() and all(wanted in line or "(on," in line for line in text.splitlines()), text)


def test_links_cut_in_many_ways(w):
    """One agent for each way, healthy ones enough that it is no bulk loss of theirs alone; the wait is paid once."""
    silent = {"a1": both_ways, "a2": agent_is_not_heard, "a3": agent_does_not_hear}
    names = [f"a{i}" for i in range(1, 13)]
    with fleet(w, names):
        w.net_address = {name: f"10.78.{i}.2" for i, name in enumerate(names, 1)}
        check_options(w)
        batch = slow_batch(w, 2500)
        w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in names), 20, "all agents have tasks")
        links = links_at_master(w)
        equal(links, len(names), "links")
        loses_a_tenth(w, "a5")
        sessions = {n: w.api.agent(n)["session"] for n in names}
        began = time.monotonic()
        reset(w, "a4")
        w.wait_for(lambda: agent_says(w, "a4", "disconnected"), 1 + SCAN_S, "a reset link is noticed at once")
        for name, how in silent.items():
            how(w, name)
        began = time.monotonic()
        took = {}

        def noticed():
            for name in silent:
                a = w.api.agent(name)
                if f"{name} master" not in took and a["state"] in ("orphaned", "gone"):
                    took[f"{name} master"] = time.monotonic() - began
                if f"{name} agent" not in took and (agent_says(w, name, "closing code=4409") or agent_says(w, name, "disconnected")):
                    took[f"{name} agent"] = time.monotonic() - began
            return len(took) == 2 * len(silent)

        with contextlib.suppress(Failed):
            w.wait_for(noticed, DETECT_S + 2 * SCAN_S, "both ends of each link notice")
        print("    noticed after", ", ".join(f"{k} {v:.1f} s" for k, v in sorted(took.items())))
        for end in (f"{name} {who}" for name in silent for who in ("agent", "master")):
            with w.case(f"{end} noticed within {DETECT_S} s"):
                expect(end in took and took[end] <= (DETECT_S + SCAN_S) * w.slower, f"after {took.get(end)} s")
        w.wait_for(lambda: links_at_master(w) == links - len(silent), 5, "the descriptors are given back")
        w.wait_for(lambda: all(w.api.agent(n)["leases"] == 0 for n in silent), 10, "their tasks go to others")
        counts = w.wait_batch(batch, 60)
        equal(counts["ok"], 2500, "ok")
        w.one_result_each(batch, 2500)
        for name in names[4:]:
            with w.case(f"{name}: no death ({'a tenth is lost' if name == 'a5' else 'healthy'})"):
                equal(w.api.agent(name)["session"], sessions[name], "session")
        equal(bulk_events(w), [], "events of bulk loss: three of twelve are none")
        w.master_proc.stop()
        w.check_store()


def test_bulk_loss_of_a_group(w):
    """Three of six share a tag and are cut: that is told, and their tasks go to others."""
    names = [f"a{i}" for i in range(1, 7)]
    with fleet(w, names, {n: "isp=north" for n in names[:3]}):
        batch = slow_batch(w, 800)
        w.wait_for(lambda: all(w.api.agent(n)["leases"] > 0 for n in names), 20, "all agents have tasks")
        for name in names[:3]:
            both_ways(w, name)
        w.wait_for(lambda: bulk_events(w), DETECT_S + 8, "the loss of a group is told")
        with w.case("a group is named with what its members share"):
            line = bulk_events(w)[-1]
            for word in ("network_group", "3 of 6 agents", "the tag isp=north"):
                expect(word in line, f"without {word!r}:", line)
        w.wait_for(lambda: all(w.api.agent(n)["leases"] == 0 for n in names[:3]), 15, "the group's tasks go to others")
        equal(w.wait_batch(batch, 60)["ok"], 800, "ok")
        w.one_result_each(batch, 800)
        equal(len(bulk_events(w)), 1, "events")


@long
def test_master_that_stood_for_20_s_blames_itself(w):
    w.fleet(agents=("a1", "a2", "a3"), agent_options=("--workers", "1", "--slots", "64"))
    batch = w.api.submit([f"http://s{i}.ok.test:{w.targets['http']}/slow/1000" for i in range(1500)], per_host=0)
    w.wait_for(lambda: w.api.counts(batch)["running"] > 100, 20, "tasks run")
    w.master_proc.signal(signal.SIGSTOP)
    time.sleep(20)  # the fault itself: longer than a death takes
    w.master_proc.signal(signal.SIGCONT)
    w.wait_for(lambda: "master_overload: its loop stood for" in w.master_proc.log(), 20, "the master says that it was itself")
    w.api.port = w.port["api"]
    for name in ("a1", "a2", "a3"):
        w.wait_agent(name)
    equal(metric(w, "sonde_agents_dead_total"), 0, "agents declared dead")
    expect(all("master_overload" in line for line in bulk_events(w)), "whom it blames:", bulk_events(w))
    equal(w.wait_batch(batch, 60)["ok"], 1500, "ok")
    equal({r["attempt"] for r in w.one_result_each(batch, 1500)}, {1}, "attempts: nothing went to another")


@long
def test_all_agents_cut_freezes_the_requeue(w):
    """Nothing is queued again, and the same processes take their tasks back when the path is mended."""
    names = ["a1", "a2", "a3"]
    with fleet(w, names):
        batch = w.api.submit([{"url": f"http://198.18.1.1/stay?{i}", "timeout_ms": 30000} for i in range(12)], per_host=0)
        w.wait_for(lambda: w.api.counts(batch)["running"] == 12, 20, "all run")
        for name in names:
            both_ways(w, name)
        w.wait_for(lambda: bulk_events(w), DETECT_S + 8, "the loss of all is told")
        expect("network_all: 3 of 3" in bulk_events(w)[-1], bulk_events(w))
        w.wait_for(lambda: links_at_master(w) == 0, DETECT_S, "the descriptors are given back")
        equal(metric(w, "sonde_tasks_requeued_total"), 0, "tasks queued again")
        for name in names:
            mend(w, name)
        w.cut.clear()
        w.wait_batch(batch, 40)
        equal({r["attempt"] for r in w.one_result_each(batch, 12)}, {1}, "attempts")
