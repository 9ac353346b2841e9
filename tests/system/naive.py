# SPDX-License-Identifier: MIT
"""The agent of the story: one thread that reads the socket, probes what it has read, and beats in between.

It speaks the protocol and means no harm: it grants all the credit there is, for it knows no bound of its own; each probe blocks;
and what it was sent meanwhile waits in its receive buffer, in nginx and in the master.
"""
import array
import fcntl
import json
import socket
import termios
import threading
import time
import urllib.parse

import peers
from harness import Failed, expect

RECV_BUFFER = 8192  # of its socket: the kernel doubles it
ALL_THE_CREDIT = 1 << 20
PROBES_MAX = 1000


class NaiveAgent:
    def __init__(self, world, name, probe_s):
        self.world, self.name, self.probe_s = world, name, probe_s
        self.received = {"count": 0, "bytes": 0}
        self.seq = self.probes = self.sessions = 0
        self.ends = []  # how its connections ended
        self.token = world.token("agent", name)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(30 * self.world.slower)

    def _run(self):
        while not self.stopping.is_set():
            try:
                self._session()
            except (OSError, Failed) as e:
                self.ends.append(str(e))
            self.stopping.wait(1)

    def _session(self):
        link = peers.connect(self.world, self.token, self.world.port["nginx"], RECV_BUFFER)
        expect(isinstance(link, peers.End), "the upgrade was answered", link)
        with link:
            self.sessions += 1
            self.received = {"count": 0, "bytes": 0}
            link.say(peers.hello(self.name, run=f"run{self.sessions}"), {"type": "inflight_end"})
            link.wait("verdict_end")
            link.say(peers.grant(ALL_THE_CREDIT))
            while not self.stopping.is_set():
                self._read_and_work(link)

    def _read_and_work(self, link):
        """One message of the socket, and then all the work that is in it."""
        got = link.next_frame(2) if link.bytes or self._readable(link) else (0, b"")
        if got is None:
            raise Failed("the connection was ended by the other side")
        lines = got[1].decode().splitlines(keepends=True) if got[0] & 15 == peers.TEXT else []
        self._let_more_come(link, lines)
        self._beat(link)
        for line in lines:
            message = json.loads(line)
            if message["type"] != "task" or self.stopping.is_set():
                continue
            self._probe(message)
            self.received["count"] += 1
            self.received["bytes"] += len(line.encode())
            self._send(link, peers.result(message, "failed", "response_timeout"))
            self._beat(link)

    def _let_more_come(self, link, lines):
        """While it takes the message apart. So its heartbeat tells what the kernel holds for it, as far as there is more."""
        until = time.monotonic() + 1
        while any('"type":"task"' in line for line in lines) and not self._unread(link) and time.monotonic() < until:
            self.stopping.wait(0.005)

    @staticmethod
    def _unread(link):
        unread = array.array("i", [0])
        fcntl.ioctl(link.sock, termios.FIONREAD, unread)
        return unread[0]

    def _readable(self, link):
        link.sock.settimeout(self.probe_s)
        try:
            return link.sock.recv(1, socket.MSG_PEEK) is not None
        except TimeoutError:
            return False

    def _probe(self, task):
        """On this thread, as long as it takes."""
        url = urllib.parse.urlsplit(task["spec"]["url"])
        self.probes += 1
        expect(self.probes < PROBES_MAX, "the naive agent was not meant to get so far")
        with socket.create_connection(("127.0.0.1", url.port), 5) as s:
            s.settimeout(self.probe_s)
            s.sendall(f"GET / HTTP/1.1\r\nHost: {url.hostname}\r\n\r\n".encode())
            until = time.monotonic() + self.probe_s
            while not self.stopping.is_set() and time.monotonic() < until:
                try:
                    s.settimeout(max(0.01, until - time.monotonic()))
                    if not s.recv(4096):
                        return
                except TimeoutError:
                    return

    def _beat(self, link):
        self.seq += 1
        self._send(link, {"type": "heartbeat", "seq": self.seq, "received": self.received, "recvq_bytes": self._unread(link),
                          "credit": {"count": ALL_THE_CREDIT, "bytes": 1 << 30}})

    @staticmethod
    def _send(link, *messages):
        """As peers.End.say, but the end of the connection is one."""
        link.sock.settimeout(30)
        link.sock.sendall(peers.text(*messages))
