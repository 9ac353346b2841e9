# SPDX-License-Identifier: MIT
"""What the kernel is told of the links between agents and master, read from the live sockets of both."""
import ctypes
import os
import re
import socket

from harness import Skipped, equal, expect, short

SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438  # the same on every architecture
TCP_NOTSENT_LOWAT = 25                      # not in Debian's Python
WANTED = {  # DESIGN 6; a dead peer is noticed after 20 + 3 · 5 s, one with data on the way after 20 s
    "SO_KEEPALIVE": (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    "TCP_KEEPIDLE": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
    "TCP_KEEPINTVL": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3),
    "TCP_KEEPCNT": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5),
    "TCP_USER_TIMEOUT": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20000),
    "TCP_NOTSENT_LOWAT": (socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384),
    "TCP_NODELAY": (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
}
libc = ctypes.CDLL(None, use_errno=True)


def inodes(local=None, remote=None):
    """Of established connections over loopback with that port at that end."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    port = lambda end: int(end.split(":")[1], 16)  # noqa: E731
    return {r[9] for r in rows if r[3] == "01" and (local is None or port(r[1]) == local) and (remote is None or port(r[2]) == remote)}


def sockets_of(pid, wanted):
    """Copies of those sockets that the process has."""
    pidfd, found = libc.syscall(SYS_PIDFD_OPEN, pid, 0), []
    expect(pidfd >= 0, "pidfd_open:", os.strerror(ctypes.get_errno()))
    for fd in os.listdir(f"/proc/{pid}/fd"):
        link = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
        if not link or link.group(1) not in wanted:
            continue
        copy = libc.syscall(SYS_PIDFD_GETFD, pidfd, int(fd), 0)
        if copy < 0:
            raise Skipped(f"another process's socket cannot be had here: {os.strerror(ctypes.get_errno())}")
        found.append(socket.socket(fileno=copy))
    os.close(pidfd)
    return found


@short
def test_links_are_tuned_at_both_ends(w):
    w.world()
    w.master()
    agent = w.agent("a1")
    ends = {
        "master": sockets_of(w.master_proc.pid, inodes(local=w.port["agents"])),
        "agent": sockets_of(agent.pid, inodes(remote=w.port["agents"])),
    }
    for who, sockets in ends.items():
        equal(len(sockets), 1, f"links of the {who}")
        with sockets[0] as s:
            for name, (level, number, value) in WANTED.items():
                with w.case(f"{who}: {name} is {value}"):
                    equal(s.getsockopt(level, number), value, name)
