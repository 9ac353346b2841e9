# SPDX-License-Identifier: MIT
"""SYNs from nowhere at the agents' port, with the kernel's own defence: agents and API are untouched, and a new agent joins."""
import os
import re
import subprocess
import time

import netns
from faults import metric
from harness import Proc, Sampler, equal, expect, heavy
from ills import calm_log

COUNT, A_SECOND = 20000, 4000
HOME, ATTACKER, NOWHERE = "10.77.0.1", "10.78.9.2", "198.19"
JOIN_S = 5


def tcp_counter(name):
    """One of the namespace's own, as nstat shows them."""
    with open("/proc/net/netstat", encoding="ascii") as f:
        names, values = [line.split()[1:] for line in f if line.startswith("TcpExt:")]
    return int(dict(zip(names, values))[name])


def agent_of(w, host, i):
    """An agent on a host of its own, with nothing to probe: its link is what counts."""
    home = w.path(host)
    os.makedirs(home, exist_ok=True)
    with open(os.open(os.path.join(home, "token"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write(w.token("agent", host) + "\n")
    return Proc(w, host, w.net.within(host) + [
        w.program("sonde-agent"), "--master", f"ws://10.78.{i}.1:{w.port['agents']}/ws", "--name", host, "--token-file",
        os.path.join(home, "token"), "--data", home, "--workers", "1", "--slots", "16", "--resolver", "127.0.0.1"])


@heavy
def test_syn_flood(w):
    with netns.hosts("a1", "a2", "attacker") as net:
        w.net, w.agents_host = net, "0.0.0.0"
        for i, host in enumerate(("a1", "a2"), 1):
            net.cable(host, f"10.78.{i}.2/24", None, f"10.78.{i}.1/24")
        net.cable("attacker", f"{ATTACKER}/24", None, "10.78.9.1/24")
        net.run(None, "ip", "route", "add", f"{NOWHERE}.0.0/16", "via", ATTACKER)
        w.master()
        agent_of(w, "a1", 1)
        w.wait_agent("a1")
        session, waits = w.api.agent("a1")["session"], []

        def honest():
            began = time.monotonic()
            w.api.must("GET", "agents")
            waits.append(time.monotonic() - began)

        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "syn_flood.py")
        flood = Proc(w, "flood", net.within("attacker") + ["/usr/bin/python3", script, NOWHERE, "10.78.9.1", str(w.port["agents"]),
                                                           str(COUNT), str(A_SECOND)], stdout=subprocess.PIPE)
        cookies = tcp_counter("SyncookiesSent")
        with Sampler(honest, 0.1):
            w.wait_for(lambda: tcp_counter("SyncookiesSent") + tcp_counter("TCPReqQFullDrop") > cookies, 10, "the kernel's queue is full")
            began = time.monotonic()
            agent_of(w, "a2", 2)
            w.wait_agent("a2")
            joined = time.monotonic() - began
            flood.wait(60)
        said = flood.popen.stdout.read().decode().strip()
        print(f"    {said}; {tcp_counter('SyncookiesSent') - cookies} cookies; a2 joined after {joined:.1f} s; an honest call took "
              f"{max(waits):.2f} s at most")
        expect(re.match(rf"{COUNT} SYNs", said), "the flood:", said, flood.log())
        expect(joined < JOIN_S * w.slower, f"a2 joined after {joined:.1f} s")
        expect(max(waits) < 2 * w.slower, f"an honest call took {max(waits):.1f} s")
        equal([w.api.agent("a1")["session"], metric(w, "agents_dead_total")], [session, 0], "session of a1, agents declared dead")
        calm_log(w.master_proc)
