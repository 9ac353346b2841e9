# SPDX-License-Identifier: MIT
"""Agents on hosts of their own, nginx on one between them and the master; and what can be wrong with the cables."""
import contextlib
import json
import os
import re
import subprocess

import netns
from harness import TOP, Proc, expect

HOME = "10.77.0.1"


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


class BadWire:
    """A cable that is not what it should be (tests/support/bad_wire.c), laid like Net.cable()."""

    def __init__(self, w, one, one_address, other, other_address, *flags):
        ends = [(one, f"to-{other or 'home'}", one_address), (other, f"to-{one or 'home'}", other_address)]
        argv = [os.path.join(w.build, "tests", "bad_wire"), *flags]
        argv += [f"{w.net.name(host) if host else ''}:{device}" for host, device, _ in ends]
        self.proc = Proc(w, f"{one}-wire", argv, stdout=subprocess.PIPE)
        expect(self.proc.popen.stdout.readline() == b"ready\n", "bad_wire did not start:", self.proc.log())
        for host, device, address in ends:
            w.net.run(host, "ip", "address", "add", address, "dev", device)
            w.net.run(host, "ip", "link", "set", device, "up")

    def end(self):
        """What it did to packets, by name. Nothing passes any more."""
        self.proc.stop()
        return json.loads(self.proc.popen.stdout.read())


@contextlib.contextmanager
def fleet(w, names, tags={}, wires={}, options=("--slots", "16"), direct=()):  # pylint: disable=dangerous-default-value
    """master (home) ── proxy ── agents, each on a host of its own with served targets on its own loopback.

    wires: the flags of bad_wire for the cables of those agents; they are in w.wire. direct: agents whose connections are the
    master's own: for them the proxy's host is a router.
    """
    with netns.hosts("proxy", *names) as net:
        w.net, w.agents_host, w.agent_proc, w.wire = net, HOME, {}, {}
        w.net_address = {name: f"10.78.{i}.2" for i, name in enumerate(names, 1)}
        net.run(None, "ip", "address", "add", f"{HOME}/32", "dev", "lo")
        net.cable("proxy", "10.79.0.2/24", None, "10.79.0.1/24")
        net.run("proxy", "ip", "route", "add", f"{HOME}/32", "via", "10.79.0.1")
        for i, name in enumerate(names, 1):
            ends = (name, f"10.78.{i}.2/24", "proxy", f"10.78.{i}.1/24")
            if name in wires:
                w.wire[name] = BadWire(w, *ends, *wires[name])
            else:
                net.cable(*ends)
            net.run(name, "ip", "address", "add", "198.18.1.1/32", "dev", "lo")
        if direct:
            net.run("proxy", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for name in direct:
            net.run(None, "ip", "route", "add", f"{w.net_address[name]}/32", "via", "10.79.0.2")
            net.run(name, "ip", "route", "add", f"{HOME}/32", "via", w.net_address[name][:-1] + "1")
        w.master()
        put_nginx(w)
        for i, name in enumerate(names, 1):
            Proc(w, name + "-far", net.within(name) + ["/usr/bin/python3", os.path.join(TOP, "tests/system/far.py"),
                 mode_file(w), "198.18.1.1"], stdout=subprocess.DEVNULL).expected.add(-15)
            master = f"{HOME}:{w.port['agents']}" if name in direct else f"10.78.{i}.1:{w.port['nginx']}"
            w.agent_proc[name] = start_agent(w, name, master, *options, *(["--tag", tags[name]] if name in tags else []))
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


def start_agent(w, name, master, *more):
    home = w.path(name)
    os.makedirs(home, exist_ok=True)
    with open(os.open(os.path.join(home, "token"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write(w.token("agent", name) + "\n")
    return Proc(w, name, w.net.within(name) + [
        w.program("sonde-agent"), "--master", f"ws://{master}/ws", "--name", name, "--token-file",
        os.path.join(home, "token"), "--data", home, "--workers", "1", "--allow", "198.18.0.0/15",
        "--resolver", "198.18.1.1", *more])


def nft(w, host, rules):
    w.cut.append(host)
    w.net.run(host, "nft", "add table inet fault; " + "; ".join(rules))


def drop(hook, match):
    return [f"add chain inet fault {hook} {{ type filter hook {hook} priority 0; }}", f"add rule inet fault {hook} {match} drop"]


def both_ways(w, name):
    """Half-open: nobody is told, and the far side on its own loopback stays, so that its probes go on."""
    nft(w, name, drop("input", "iifname to-proxy") + drop("output", "oifname to-proxy"))


def mend(w, name):
    """All faults of that host."""
    w.net.run(name, "nft", "delete table inet fault")


def reset(w, name):
    """Both ends of its link at nginx end with a RST; ss of the proxy knows the agent by its address."""
    w.net.run("proxy", "ss", "-K", "dst", w.net_address[name])


def agent_says(w, name, words):
    with open(w.path(name + ".log"), encoding="utf-8", errors="replace") as f:
        return sum(words in line for line in f)


def links_at_master(w):
    """Established connections on the master's port of agents."""
    out = w.net.run(None, "ss", "-Htn", "state", "established", f"sport = :{w.port['agents']}")
    return len(out.splitlines())


def slow_batch(w, count):
    """A third of a second each."""
    return w.api.submit([{"url": f"http://198.18.1.1/slow/{i}", "timeout_ms": 5000} for i in range(count)], per_host=0)
