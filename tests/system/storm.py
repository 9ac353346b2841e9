#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Strangers by the thousand at one port, in a process of their own (the limit of descriptors is each process's).

storm.py ADDRESS PORT COUNT KIND…   the kinds take turns; connects as fast as it is let, says "up" when all have been tried, holds what
is open until stdin ends, and then says a line of JSON: how many came in, were answered, were closed by the other side.
  silent   says nothing
  head     the beginning of a request, and never its end
  stranger asks for an upgrade without a token
"""
import contextlib
import errno
import json
import resource
import select
import socket
import sys
import time

UPGRADE = (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: sonde.v1\r\n")
SAYS = {"silent": b"", "head": UPGRADE, "stranger": UPGRADE + b"\r\n"}


class Storm:
    def __init__(self, address, kinds):
        self.address, self.kinds = address, kinds
        self.poll = select.epoll()
        self.open = {}
        self.told = dict.fromkeys(("tried", "connected", "refused", "answered", "closed"), 0)

    def one(self):
        s = socket.socket()
        s.setblocking(False)
        self.told["tried"] += 1
        error = s.connect_ex(self.address)
        if error not in (0, errno.EINPROGRESS):
            self.told["refused"] += 1
            s.close()
            return
        self.open[s.fileno()] = [s, SAYS[self.kinds[self.told["tried"] % len(self.kinds)]], False]
        self.poll.register(s.fileno(), select.EPOLLOUT)

    def end(self, fd, how):
        self.told[how] += 1
        self.open.pop(fd)[0].close()

    def event(self, fd, mask):
        s, words, connected = self.open[fd]
        if not connected:
            if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.end(fd, "refused")
                return
            self.told["connected"] += 1
            self.open[fd][2] = True
            self.poll.modify(fd, select.EPOLLIN)
            with contextlib.suppress(OSError):
                s.send(words)
            return
        try:
            got = s.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        if got:
            self.told["answered"] += 1
        else:
            self.end(fd, "closed")

    def turn(self, timeout):
        """False: stdin has ended."""
        for fd, mask in self.poll.poll(timeout):
            if fd == sys.stdin.fileno():
                return False
            self.event(fd, mask)
        return True


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    storm = Storm((sys.argv[1], int(sys.argv[2])), sys.argv[4:])
    storm.poll.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)
    began, going = time.monotonic(), True
    for i in range(int(sys.argv[3])):
        storm.one()
        if i % 50 == 49 and going:
            going = storm.turn(0)
    print(f"up {time.monotonic() - began:.2f}", flush=True)
    while going:
        going = storm.turn(1)
    print(json.dumps(storm.told), flush=True)


main()
