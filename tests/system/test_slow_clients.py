# SPDX-License-Identifier: MIT
"""Slow clients at the API's own port: heads, bodies and readers that drip are cut, an upload that gets on is not, and nobody else waits."""
import contextlib
import os
import socket
import time

from faults import metric
from harness import Sampler, equal, expect, short, takes
from ills import calm_log

HEAD_S = 10    # FAULTS 32
BODY_S = 35    # less than 1 KiB in 30 s, as it is seen once a second
HONEST_S = 2
CROWD = 600    # more than wait for their heads at the same time


class Slow:
    """A connection that sends some bytes every so often, from an address of its own: the API bounds those of one address."""

    def __init__(self, w, kind, first, drip=b"", every=0.5, source="127.0.0.2"):
        self.kind, self.drip, self.every = kind, drip, every
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.bind((source, 0))
        self.sock.connect(("127.0.0.1", w.port["api"]))
        self.sock.setblocking(False)
        self.began = self.next = time.monotonic()
        self.cut_s, self.heard = None, b""
        self.put(first)

    def put(self, words):
        with contextlib.suppress(BlockingIOError):
            self.sock.send(words)

    def turn(self, now, reads):
        if self.cut_s is not None or now < self.next:
            return
        self.next += self.every
        try:
            self.put(self.drip)
            while reads:
                got = self.sock.recv(65536)
                if not got:
                    raise ConnectionResetError
                self.heard += got
        except BlockingIOError:
            pass
        except OSError:
            self.cut_s = now - self.began


def head(w, length):
    return (f"POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {w.api.token}\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def slow_ones(w):
    half = b"GET /api/v1/agents HTTP/1.1\r\nHost: x\r\nX-Slow: "
    first = f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {w.api.token}\r\n\r\n".encode()
    found = [Slow(w, "head", half, b"x", source="127.0.0.3") for _ in range(30)]
    found += [Slow(w, "silent head", b"", source="127.0.0.4") for _ in range(30)]
    found += [Slow(w, "second head", first + half, b"x", source="127.0.0.5") for _ in range(30)]
    found += [Slow(w, "body", head(w, 100000), b"x", source="127.0.0.6") for _ in range(30)]
    found += [Slow(w, "never reads", first * 500, source="127.0.0.7") for _ in range(5)]
    return found


@takes(40)
@short
def test_slow_clients_are_cut_and_nobody_waits(w):
    w.world()
    w.master()
    w.agent("a1")
    session, before = w.api.agent("a1")["session"], len(os.listdir(f"/proc/{w.master_proc.pid}/fd"))
    waits = []

    def honest():
        began = time.monotonic()
        w.api.must("GET", "agents")
        waits.append(time.monotonic() - began)

    lines = "".join(f"{w.url('/ok')}?{i}\n" for i in range(200)).encode()
    upload = Slow(w, "upload", head(w, len(lines)))
    rate = len(lines) // 40  # a second: it lasts longer than a body that does not get on may
    with Sampler(honest, 0.2):
        slow = slow_ones(w)
        end = time.monotonic() + (BODY_S + 5) * w.slower
        at, upload.every = 0, 1
        while time.monotonic() < end and (at < len(lines) or any(s.cut_s is None for s in slow)):
            now = time.monotonic()
            for s in slow:
                s.turn(now, s.kind != "never reads")
            if now >= upload.next:
                upload.drip, at = lines[at:at + rate], at + rate
                upload.turn(now, True)
            time.sleep(0.05)  # the drip
    for kind, most in (("head", HEAD_S), ("silent head", HEAD_S), ("second head", HEAD_S + 1), ("body", BODY_S)):
        with w.case(f"{kind}: cut within {most} s"):
            took = [s.cut_s for s in slow if s.kind == kind]
            expect(None not in took, "some are open still")
            print(f"    {kind}: cut after {min(took):.1f} to {max(took):.1f} s")
            expect(max(took) < (most + 1) * w.slower, f"cut after {max(took):.1f} s")
    with w.case("an upload that gets on is not cut"):
        w.wait_for(lambda: upload.turn(time.monotonic(), True) or b"\r\n\r\n" in upload.heard, 10, "its answer")
        expect(upload.heard.startswith(b"HTTP/1.1 202"), upload.heard, upload.cut_s)
    for s in slow + [upload]:
        if s.kind != "never reads":
            s.sock.close()
    with w.case("who never reads is cut, and all descriptors come back"):
        w.wait_for(lambda: len(os.listdir(f"/proc/{w.master_proc.pid}/fd")) <= before + 5, 15, "the descriptors come back")
    with w.case("nobody else waits"):
        print(f"    {len(waits)} honest calls, at most {max(waits):.2f} s")
        expect(max(waits) < HONEST_S * w.slower, f"an honest call took {max(waits):.1f} s")
        equal(w.api.agent("a1")["session"], session, "session of the agent")
    calm_log(w.master_proc)


def test_a_crowd_without_a_request_leaves_places(w):
    """More than may wait, again and again: the longest waiting goes, and an honest call comes through at once."""
    w.world()
    w.master()
    w.agent("a1")
    crowd = [Slow(w, "crowd", b"GET / HT", source=f"127.0.1.{1 + i // 200}") for i in range(CROWD)]
    began = time.monotonic()
    equal(w.wait_batch(w.api.submit([w.url("/ok")] * 5), 10)["ok"], 5, "ok")
    took = time.monotonic() - began
    print(f"    a batch took {took:.2f} s; {metric(w, 'api_cut_pushed_out_total'):.0f} were pushed out")
    expect(took < HONEST_S * w.slower, f"a batch took {took:.1f} s")
    expect(metric(w, "api_cut_pushed_out_total") > 0, "nobody was pushed out")
    for s in crowd:
        s.sock.close()
    calm_log(w.master_proc)
