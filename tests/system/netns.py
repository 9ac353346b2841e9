# SPDX-License-Identifier: MIT
"""Hosts of the test's own on this one machine: network namespaces and the cables between them. No route leads out of them."""
import contextlib
import ctypes
import os
import subprocess

from harness import Failed, Skipped

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    r = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if r.returncode:
        raise Failed(f"ip {' '.join(words)}: {r.stderr.strip()}")


class Net:
    """The test runs in the namespace "home"; other hosts are made beside it."""

    def __init__(self):
        self.hosts = []

    def name(self, host):
        return f"sonde-{os.getpid()}-{host}"

    def within(self, host):
        """The words before a command that is to run there."""
        return ["ip", "netns", "exec", self.name(host)] if host else []

    def run(self, host, *argv):
        r = subprocess.run(self.within(host) + list(argv), capture_output=True, text=True, check=False)
        if r.returncode:
            raise Failed(f"{' '.join(argv)} in {host}: {r.stderr.strip()}")
        return r.stdout

    def add(self, host):
        ip("netns", "add", self.name(host))
        self.hosts.append(host)
        self.run(host, "ip", "link", "set", "lo", "up")

    def cable(self, one, one_address, other, other_address):
        """A veth pair; None is home. The ends are named to-HOST."""
        ends = [(one, f"to-{other or 'home'}", one_address), (other, f"to-{one or 'home'}", other_address)]
        (_, a, _), (_, b, _) = ends
        where = [["netns", self.name(h)] if h else [] for h in (one, other)]
        ip("link", "add", a, *where[0], "type", "veth", "peer", "name", b, *where[1])
        for host, link, address in ends:
            self.run(host, "ip", "address", "add", address, "dev", link)
            self.run(host, "ip", "link", "set", link, "up")

    def cut(self, host):
        """Half-open: nothing passes that host's network any more, nobody is told."""
        self.run(host, "nft", "add table inet cut; add chain inet cut in { type filter hook input priority 0; policy drop; }")

    def mend(self, host):
        self.run(host, "nft", "delete table inet cut")

    def close(self):
        for host in self.hosts:
            subprocess.run(["ip", "netns", "delete", self.name(host)], capture_output=True, check=False)


@contextlib.contextmanager
def hosts(*names):
    """Until the block ends, this thread and what it starts live in a namespace of their own, "home"."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET) != 0:
        os.close(before)
        raise Skipped(f"no network namespace to be had here: {os.strerror(ctypes.get_errno())}")
    net = Net()
    try:
        ip("link", "set", "lo", "up")
        for name in names:
            net.add(name)
        yield net
    finally:
        net.close()
        if libc.setns(before, CLONE_NEWNET) != 0:
            raise Failed("the way back to the first network namespace is lost")
        os.close(before)
