# SPDX-License-Identifier: MIT
"""Both ends of sonde.v1 by hand, on bare sockets: agents and masters that do what no good one would."""
import array
import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import socket
import termios
import threading
import time

from harness import Failed, expect

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN = 0x80
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PATIENCE = 20  # seconds for any answer


def frame(first, payload=b"", mask=True, length=None, form=None):
    """A frame with this first byte (FIN, RSV and opcode). length: what its head says; form: in 0, 2 or 8 bytes more."""
    n = len(payload) if length is None else length
    form = form if form is not None else 0 if n < 126 else 2 if n < 65536 else 8
    small = n if form == 0 else 126 if form == 2 else 127
    head = bytes([first, (0x80 if mask else 0) | small]) + (n.to_bytes(form, "big") if form else b"")
    if not mask:
        return head + payload
    key = os.urandom(4)
    pad = int.from_bytes((key * (len(payload) // 4 + 1))[:len(payload)], "big")
    return head + key + (int.from_bytes(payload, "big") ^ pad).to_bytes(len(payload), "big")


def text(*messages, first=FIN | TEXT, mask=True):
    """A frame of these lines: dicts, or text as it stands."""
    lines = [m if isinstance(m, str) else json.dumps(m) for m in messages]
    return frame(first, "".join(x + "\n" for x in lines).encode(), mask)


class End:
    """One end of an upgraded connection."""

    def __init__(self, world, sock, masks):
        self.world, self.sock, self.masks = world, sock, masks
        self.bytes, self.lines, self.closed, self.ended = b"", [], None, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """Bytes as they stand. What the other side does not take any more shows in how it ended."""
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def say(self, *messages):
        self.send(text(*messages, mask=self.masks))

    def fill(self, deadline):
        """More bytes; False: the other side has ended the connection."""
        left = deadline - time.monotonic()
        expect(left > 0, "the other side neither speaks nor hangs up")
        self.sock.settimeout(left)
        try:
            part = self.sock.recv(1 << 18)
        except TimeoutError:
            part = None
        except OSError:
            part = b""
        expect(part is not None, "the other side neither speaks nor hangs up")
        self.bytes += part
        self.ended = not part
        return bool(part)

    def next_frame(self, timeout):
        """(first byte, payload), without any answer to it; None: the connection has ended."""
        deadline = time.monotonic() + timeout * self.world.slower
        while True:
            b = self.bytes
            size, at = (b[1] & 127, 2) if len(b) >= 2 else (0, 2)
            if size >= 126:
                at += 2 if size == 126 else 8
                size = int.from_bytes(b[2:at], "big")
            masked = len(b) >= 2 and b[1] & 0x80
            at += 4 if masked else 0
            if len(b) >= 2 and len(b) >= at + size:
                break
            if self.ended or not self.fill(deadline):
                return None
        payload, self.bytes = b[at:at + size], b[at + size:]
        if masked:
            key = (b[at - 4:at] * (size // 4 + 1))[:size]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
        return b[0], payload

    def hear(self, timeout=PATIENCE):
        """The next frame, (opcode, payload); None: the connection has ended. A close frame is answered."""
        got = self.next_frame(timeout)
        if got is None:
            return None
        opcode, payload = got[0] & 15, got[1]
        if opcode == TEXT:
            self.lines += [json.loads(x) for x in payload.decode().splitlines() if x]
        if opcode == CLOSE and self.closed is None:
            self.closed = int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")
            self.send(frame(FIN | CLOSE, payload[:2], self.masks))
        return opcode, payload

    def wait(self, kind, timeout=PATIENCE):
        """The next message of that type; those before it are passed over."""
        while True:
            while self.lines:
                m = self.lines.pop(0)
                if m["type"] == kind:
                    return m
            if self.hear(timeout) is None:
                raise Failed(f"the connection ended ({self.closed}) before a '{kind}' came")

    def wait_close(self, timeout=PATIENCE):
        """Until a close frame came, or the end without one; its code."""
        while self.closed is None and self.hear(timeout) is not None:
            pass
        return self.closed and self.closed[0]

    def wait_end(self, timeout=PATIENCE):
        """Until the other side has hung up; the code of its close frame, or None if there was none."""
        while self.hear(timeout) is not None:
            pass
        return self.closed and self.closed[0]


def connect(world, token, port=None, rcvbuf=None):
    """An upgraded connection to the agents' port that has said nothing yet; the status if it was refused.

    rcvbuf: how much its kernel takes for it; it must be known before the first SYN.
    """
    s = socket.socket()
    s.settimeout(PATIENCE * world.slower)
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.connect(("127.0.0.1", port or world.port["agents"]))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    s.sendall(
        f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sonde.v1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        part = s.recv(4096)
        if not part:
            break
        head += part
    status = int(head.split()[1]) if head else 0
    if status != 101:
        s.close()
        return status
    end = End(world, s, masks=True)
    end.bytes = head.partition(b"\r\n\r\n")[2]
    return end


class Doubler:
    """A relay to the agents' port that says lines of these types twice, and holds every third of them back, until the next frame
    of its direction or for a tenth of a second: late, and out of order."""

    def __init__(self, world, *kinds):
        self.world, self.doubled, self.held_back = world, 0, 0
        self.kinds = re.compile(rb'"type":"(%s)"' % "|".join(kinds).encode())
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.world.port["agents"]))
            near, far = End(self.world, near, masks=False), End(self.world, far, masks=True)
            for source, to in ((near, far), (far, near)):
                threading.Thread(target=self._relay, args=(source, to), daemon=True).start()

    def _relay(self, source, to):
        try:
            self._head(source, to)
            late = []
            while True:
                try:
                    got = source.next_frame(0.1 if late else PATIENCE)
                except Failed:
                    if not late:
                        raise
                    got = FIN | TEXT, b""  # late enough
                if got is None:
                    break
                first, payload = got
                if first & 15 == TEXT:
                    payload, late = self._twice(payload, late)
                to.send(frame(first, payload, to.masks))
        except Failed:
            pass  # silence: the end of the test
        with contextlib.suppress(OSError):
            to.sock.shutdown(socket.SHUT_WR)

    @staticmethod
    def _head(source, to):
        while b"\r\n\r\n" not in source.bytes and source.fill(time.monotonic() + PATIENCE):
            pass
        head, _, source.bytes = source.bytes.partition(b"\r\n\r\n")
        to.send(head + b"\r\n\r\n")

    def _twice(self, payload, late):
        lines, next_late = [], []
        for line in payload.split(b"\n")[:-1]:
            if not self.kinds.search(line):
                lines.append(line)
                continue
            self.doubled += 1
            if self.doubled % 3 == 0:
                next_late.append(line)
                self.held_back += 1
            else:
                lines += [line, line]
        return b"".join(line + b"\n" for line in lines + late), next_late


def hello(name, run="r1", **more):
    return {"type": "hello", "proto_min": 1, "proto_max": 1, "agent": name, "instance": "i1", "run_id": run,
            "version": "0", "capabilities": ["http", "dns"], "slots": 64, **more}


def join(world, name, token, run="r1", credit=None, held=(), port=None, rcvbuf=None, **more):
    """An agent that has said HELLO and was welcomed. held: INFLIGHT lines; more: of HELLO."""
    end = connect(world, token, port, rcvbuf)
    expect(isinstance(end, End), "the upgrade was answered", end)
    end.say(hello(name, run, **more), *held, {"type": "inflight_end"})
    end.welcome = end.wait("welcome")
    end.wait("verdict_end")
    if credit is not None:
        end.say(grant(credit))
    return end


class Mute:
    """An agent that says HELLO, takes credit and beats, and reads nothing more: what it was sent stays where there is room for it."""

    HEARTBEAT_S = 5
    BEATS_MAX = 100  # more than any test lasts

    def __init__(self, world, name, credit, **more):
        """more: of join()."""
        self.name, self.credit, self.seq = name, credit, 0
        self.end = join(world, name, world.token("agent", name), **more)

    def unread(self):
        n = array.array("i", [0])
        fcntl.ioctl(self.end.sock, termios.FIONREAD, n)
        return n[0]

    def beat(self):
        self.seq += 1
        self.end.say({"type": "heartbeat", "seq": self.seq, "received": {"count": 0, "bytes": 0}, "running": 0,
                      "credit": {"count": self.credit, "bytes": 1 << 30}, "recvq_bytes": self.unread()})

    def beat_on(self):
        """On a thread of its own, until its socket is closed; what it does not say any more shows at the master."""
        def run():
            with contextlib.suppress(OSError, ValueError):
                for _ in range(self.BEATS_MAX):
                    self.beat()
                    time.sleep(self.HEARTBEAT_S)

        threading.Thread(target=run, daemon=True).start()


def grant(tasks, size=1 << 30):
    return {"type": "credit", "tasks": tasks, "bytes": size}


def result(task, outcome="ok", cause=None, **more):
    """A RESULT line for a TASK line."""
    record = {"outcome": outcome, "cause": cause, "started_at": "2026-01-01T00:00:00.000000Z"}
    return {"type": "result", "task": task["task"], "ticket": task["ticket"], "record": record, **more}


class Master:
    """A master by hand: listens, and upgrades whoever comes."""

    def __init__(self, world):
        self.world = world
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self, timeout=PATIENCE):
        self.listener.settimeout(timeout * self.world.slower)
        try:
            s, _ = self.listener.accept()
        except TimeoutError:
            raise Failed("no agent came") from None
        s.settimeout(timeout * self.world.slower)
        head = b""
        while b"\r\n\r\n" not in head:
            part = s.recv(4096)
            expect(part, "the agent hung up before its request was whole")
            head += part
        fields = dict(x.split(": ", 1) for x in head.decode().split("\r\n")[1:] if ": " in x)
        key = {k.lower(): v for k, v in fields.items()}["sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        s.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: sonde.v1\r\n\r\n".encode()
        )
        return End(self.world, s, masks=False)

    def welcome(self, end, **more):
        """Answers the HELLO of an agent; its HELLO."""
        h = end.wait("hello")
        end.wait("inflight_end")
        end.say({"type": "welcome", "proto": 1, "session": "s1", "store_id": "store1", "heartbeat_ms": 5000, "timeout_ms": 15000,
                 "results": {"count": 4096, "bytes": 8388608}, "time": "2026-01-01T00:00:00.000000Z", **more},
                {"type": "verdict_end"})
        return h
