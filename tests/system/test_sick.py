# SPDX-License-Identifier: MIT
"""An agent that is ill itself reports no dead site: its network, its resolver, its ports or its descriptors are gone."""
import contextlib
import os
import resource
import signal
import subprocess

import netns
from harness import Proc, Skipped, TOP, ended, equal, expect, short, takes

HOSTS = 40
DNS = "198.18.1.53"
CANARY = ("--canary", "http://198.18.1.1/")


@contextlib.contextmanager
def fleet(w, agents, *options):
    """The master at home, agents on a host each, and a far side that all agents reach by cables of their own."""
    with netns.hosts("far", *agents) as net:
        w.net = net
        w.agents_host = "10.77.0.1"
        net.run(None, "ip", "address", "add", "10.77.0.1/32", "dev", "lo")
        for i in range(1, HOSTS + 1):
            net.run("far", "ip", "address", "add", f"198.18.1.{i}/32", "dev", "lo")
        net.run("far", "ip", "address", "add", f"{DNS}/32", "dev", "lo")
        for i, name in enumerate(agents, 1):
            net.cable(name, f"10.78.{i}.2/24", None, f"10.78.{i}.1/24")
            net.cable(name, f"198.18.{100 + i}.2/24", "far", f"198.18.{100 + i}.1/24")
            net.run(name, "ip", "route", "add", "10.77.0.1/32", "via", f"10.78.{i}.1")
            net.run(name, "ip", "route", "add", "default", "via", f"198.18.{100 + i}.1")
        w.dns_mode = w.path("dns.mode")
        dns_is(w, "ok")
        far = Proc(w, "far", net.within("far") + ["/usr/bin/python3", os.path.join(TOP, "tests/system/far.py"), w.dns_mode, DNS],
                   stdout=subprocess.PIPE)
        far.expected.add(-15)
        expect(far.popen.stdout.readline() == b"ready\n", "far.py did not start:", far.log())
        w.master()
        w.procs_of = {name: agent(w, name, *options) for name in agents}
        yield net


def agent(w, name, *options):
    return w.agent(name, "--workers", "1", "--slots", "32", "--allow", "198.18.0.0/15", "--resolver", DNS, *options,
                   within=w.net.within(name))


def dns_is(w, mode):
    with open(w.dns_mode + ".new", "w", encoding="ascii") as f:
        f.write(mode)
    os.rename(w.dns_mode + ".new", w.dns_mode)


def targets(count, literal=True):
    hosts = [f"198.18.1.{1 + i % HOSTS}" if literal else f"h{1 + i % HOSTS}.test" for i in range(count)]
    return [{"url": f"http://{host}/{i}", "timeout_ms": 1500} for i, host in enumerate(hosts)]


def all_ok(w, batch, total, timeout=60):
    counts = w.wait_batch(batch, timeout)
    equal((counts["ok"], counts["failed"]), (total, 0), "ok and failed")
    w.one_result_each(batch, total)


def trouble(w, name):
    return (w.api.agent(name) or {}).get("trouble") or ""


def wait_trouble(w, name, words, timeout=30):
    w.wait_for(lambda: words in trouble(w, name), timeout, f"{name} says '{words}'")


def wait_well(w, name, timeout=30):
    w.wait_for(lambda: w.api.agent(name) and trouble(w, name) == "", timeout, f"{name} is well again")


@short
def test_network_of_one_agent_is_cut(w):
    with fleet(w, ("sick", "well"), *CANARY) as net:
        batch = w.api.submit(targets(400), per_host=0)
        w.wait_for(lambda: ended(w.api.counts(batch)) > 20, 30, "the batch is in its middle")
        cut(net)
        batch2 = w.api.submit(targets(400), per_host=0)
        all_ok(w, batch, 400)
        all_ok(w, batch2, 400)
        with w.case("what the sick one says of itself"):
            silent = w.api.submit(targets(40), per_host=0, agents={"names": ["sick"]})
            wait_trouble(w, "sick", "the IPv4 network is down")
            equal(w.api.counts(silent)["failed"], 0, "dead sites")
        with w.case("it goes on when the network is back"):
            mend(net)
            all_ok(w, silent, 40)
            wait_well(w, "sick")


def cut(net):
    net.run("sick", "nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; }; "
                           "add rule inet cut in iifname to-far drop")


def mend(net):
    net.run("sick", "nft", "delete table inet cut")


@short
def test_a_dead_site_is_dead_when_the_canary_lives(w):
    with fleet(w, ("only",), *CANARY) as net:
        net.run("far", "nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; }; "
                              "add rule inet cut in ip daddr { 198.18.1.2, 198.18.1.3 } drop")
        batch = w.api.submit(targets(3))
        w.wait_batch(batch, 30)
        causes = sorted(str(r["cause"]) for r in w.api.results(batch))
        equal(causes, ["None", "connect_timeout", "connect_timeout"], "causes")
        equal(trouble(w, "only"), "", "trouble")


def resolver_case(w, mode, words):
    with fleet(w, ("sick", "well")) as net:
        del net
        batch = w.api.submit(targets(20, literal=False), per_host=0)
        all_ok(w, batch, 20)
        dns_is(w, mode)
        batch = w.api.submit(targets(30, literal=False), per_host=0)
        wait_trouble(w, "sick", words)
        wait_trouble(w, "well", words)
        counts = w.api.counts(batch)
        equal((counts["failed"], counts["ok"]), (0, 0), "ended while no resolver was there")
        dns_is(w, "ok")
        all_ok(w, batch, 30, 90)
        wait_well(w, "sick")


def test_resolvers_that_know_nothing_any_more(w):
    resolver_case(w, "servfail", "the agent's own resolver is down")


def test_resolvers_that_are_silent(w):
    resolver_case(w, "silent", "resolver")


@short
def test_ports_run_out(w):
    with fleet(w, ("small", "well")) as net:
        net.run("small", "sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40007")
        batch = w.api.submit([{"url": f"http://198.18.1.1/slow/{i}"} for i in range(300)], per_host=0)
        all_ok(w, batch, 300)
        expect("agent_ports_exhausted" in w.procs_of["small"].log(), "it never ran out of ports: nothing was shown")


def time_waits(net, host):
    return len(net.run(host, "ss", "-Htan", "state", "time-wait").splitlines())


def test_ports_in_time_wait_stay_below_a_share_of_the_range(w):
    with fleet(w, ("small",)) as net:
        ports = 14000
        net.run("small", "sysctl", "-qw", f"net.ipv4.ip_local_port_range=40000 {40000 + ports - 1}")
        batch = w.api.submit([{"url": f"http://198.18.1.{1 + i % HOSTS}/stay"} for i in range(9000)], per_host=0)
        wait_trouble(w, "small", "local ports are in TIME_WAIT")
        w.wait_for(lambda: time_waits(net, "small") >= ports // 4, 20, "a good share of the ports is used")
        expect(time_waits(net, "small") <= ports // 2, "in TIME_WAIT:", time_waits(net, "small"))
        counts = w.api.counts(batch)
        equal((counts["failed"], counts["undetermined"]), (0, 0), "failed and undetermined")
        w.api.must("POST", f"/api/v1/batches/{batch}/cancel", status=202)
        w.wait_batch(batch, 30)


@takes(15)
@short
def test_descriptors_run_out(w):
    with fleet(w, ("small",)) as net:
        del net
        pid = w.procs_of["small"].pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 1, before[1]))
        batch = w.api.submit(targets(200), per_host=0)
        wait_trouble(w, "small", "agent_fd_exhausted")
        equal(w.api.counts(batch)["failed"], 0, "dead sites")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        all_ok(w, batch, 200, 90)
        wait_well(w, "small")


@contextlib.contextmanager
def memory_limit(w, proc, more):
    """So many bytes more than it has now: beyond that the kernel kills it."""
    group = f"/sys/fs/cgroup/memory/sonde-{os.getpid()}"
    try:
        os.makedirs(group)
    except OSError as e:
        raise Skipped(f"no cgroup for memory to be had here: {e}") from None
    for name, value in [("memory.limit_in_bytes", more), ("tasks", proc.pid)]:  # what it has stays another group's
        with open(f"{group}/{name}", "w", encoding="ascii") as f:
            f.write(str(value))
    try:
        yield
    finally:
        w.wait_for(lambda: not proc.alive(), 30, "the process of the group has ended")
        os.rmdir(group)


def test_memory_runs_out(w):
    """An agent that the kernel kills for want of memory, and that is started again as by a supervisor: nothing is lost."""
    with fleet(w, ("small",)) as net:
        del net
        small = w.procs_of["small"]
        small.expected.add(-signal.SIGKILL)
        with memory_limit(w, small, 8 << 20):
            batch = w.api.submit([{"url": f"http://198.18.1.{1 + i % HOSTS}/big", "body_limit": 4 << 20,
                                   "expect": {"body_regex": "end$"}} for i in range(100)], per_host=0)
            w.wait_for(lambda: not small.alive(), 30, "the kernel has killed it")
        equal(w.api.counts(batch)["failed"], 0, "dead sites")
        agent(w, "small")
        all_ok(w, batch, 100, 90)
