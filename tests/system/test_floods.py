# SPDX-License-Identifier: MIT
"""Strangers at the agents' port and a master without descriptors: it neither spins nor floods its log, and agents are untouched."""
import contextlib
import os
import resource
import socket
import time

from harness import equal, expect, short
from ills import LINES_A_SECOND, calm_log, cpu_s


JOIN_S = 5  # FAULTS 30


def strangers(port, n):
    """Connections that say nothing."""
    found = []
    for _ in range(n):
        s = socket.socket()
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            s.connect(("127.0.0.1", port))
        found.append(s)
    return found


def upgrade(w, token):
    """An agent's connection that never says HELLO."""
    s = socket.create_connection(("127.0.0.1", w.port["agents"]))
    s.sendall((f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: sonde.v1\r\n"
               f"Authorization: Bearer {token}\r\n\r\n").encode())
    expect(b" 101 " in s.recv(200), "the upgrade was refused")
    return s


def closed_by_peer(s, seconds):
    s.settimeout(seconds)
    try:
        while s.recv(4096):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


@short
def test_who_says_nothing_keeps_no_place(w):
    """With places for three: those without HELLO are cut after 10 s, and the agent that comes meanwhile does not wait for it."""
    w.world()
    w.master("--max-agents", "3")
    token = w.token("agent")
    began = time.monotonic()
    idle = [upgrade(w, token) for _ in range(3)]
    silent = strangers(w.port["agents"], 200)
    a = w.agent("a1", token=token)
    joined = time.monotonic() - began
    print(f"    the agent joined after {joined:.1f} s")
    expect(joined < JOIN_S * w.slower, f"the agent joined after {joined:.1f} s")
    for s in idle + silent:
        expect(closed_by_peer(s, 15 * w.slower), "a connection without a word is still open")
    expect(time.monotonic() - began < 25 * w.slower, "they were cut after", time.monotonic() - began, "s")
    equal(w.api.agent("a1")["reconnects"], 0, "reconnects of the agent")
    calm_log(w.master_proc)
    a.stop()


@short
def test_master_without_descriptors(w):
    """Its limit falls live to what it has open: no spin, few lines, its agent stays, and it heals."""
    w.fleet(agents=("a1",))
    session = w.api.agent("a1")["session"]
    pid = w.master_proc.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 3, before[1]))
    seconds, cpu, lines = 4, cpu_s(pid), len(w.master_proc.log().splitlines())
    waiting = strangers(w.port["agents"], 100) + strangers(w.port["api"], 100)
    time.sleep(seconds)  # the measure: what it does while it has none
    cpu, lines = cpu_s(pid) - cpu, len(w.master_proc.log().splitlines()) - lines
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    print(f"    {cpu:.2f} s CPU and {lines} log lines in {seconds} s")
    with w.case("it does not spin"):
        expect(cpu < seconds * 0.3 * w.slower, f"{cpu:.2f} s CPU in {seconds} s")
    with w.case("its log is not flooded"):
        expect(lines <= 3 * LINES_A_SECOND * seconds, lines, "lines")
        calm_log(w.master_proc)
    for s in waiting:
        s.close()
    w.wait_for(lambda: w.api.get("agents").status == 200, 10, "it answers again")
    equal(w.api.agent("a1")["session"], session, "session of the agent")
    equal(w.wait_batch(w.api.submit([w.url("/ok")] * 10), 30)["ok"], 10, "ok")


def drip(sockets, until):
    """One byte of a header each half a second; those that were cut meanwhile, with the time it took."""
    began, cut = time.monotonic(), {}
    while len(cut) < len(sockets) and time.monotonic() < until:
        for s in sockets:
            if s in cut:
                continue
            try:
                s.send(b"x")
                s.setblocking(False)
                if s.recv(100) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                cut[s] = time.monotonic() - began
        time.sleep(0.5)  # the drip
    return cut


def test_dripped_requests_are_cut(w):
    w.fleet(agents=("a1",))
    session = w.api.agent("a1")["session"]
    slow = {socket.create_connection(("127.0.0.1", w.port[name])): name for name in ("agents", "nginx") for _ in range(30)}
    for s in slow:
        s.sendall(b"GET /api/v1/agents HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    cut = drip(slow, time.monotonic() + 14 * w.slower)
    for name in ("agents", "nginx"):
        with w.case(f"at the port of {name}: within 10 s"):
            took = [seconds for s, seconds in cut.items() if slow[s] == name]
            equal(len(took), 30, "connections that were cut")
            expect(max(took) < 12 * w.slower, f"after {max(took):.1f} s")
    for s in slow:
        s.close()
    equal(w.api.agent("a1")["session"], session, "session of the agent")
