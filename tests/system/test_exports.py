# SPDX-License-Identifier: MIT
"""Exports of many rows: a reader that stops in the middle holds one buffer, and nobody else up."""
import json
import os
import socket
import threading
import time

from harness import Proc, equal, expect, heavy, takes

ROWS = 200_000
STALL_S = 5
WAL_BYTES_MAX = 64 << 20  # four times what the master lets it grow before it is moved into the file
GROWN_KIB_MAX = 64 << 10
FREED_KIB_MAX = 512 << 10  # what a sanitizer keeps of freed memory, to see who still uses it
SLOW_ANSWER_S = 1.0


def instant_agents(w):
    """Agents that answer at once: rows enough in seconds."""
    token_file = w.path("instant.token")
    with open(os.open(token_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write(w.token("agent") + "\n")
    return Proc(
        w, "instant_agent",
        [os.path.join(w.build, "tests", "instant_agent"), "--master", str(w.port["agents"]),
         "--token-file", token_file, "--agents", "2"],
    )


def submit_many(w, n, tag):
    return w.api.submit_text([f"http://{tag}{i % 5000}.test/{i}" for i in range(n)], "?per_host=0")["id"]


def grown_max(w):
    return GROWN_KIB_MAX + (0 if w.kind == "release" else FREED_KIB_MAX)


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


class Export:
    """A reader with a small window that reads when it likes."""

    def __init__(self, w, path):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.sock.settimeout(60 * w.slower)
        self.sock.connect(("127.0.0.1", w.api.port))
        # HTTP/1.0: no chunks, the body ends with the connection
        self.sock.sendall(
            f"GET /api/v1/{path} HTTP/1.0\r\nAuthorization: Bearer {w.api.token}\r\n\r\n".encode()
        )
        self.rows, self.rest, self.head, self.last = 0, b"", True, None

    def read(self, most=None):
        """At most so many bytes; False at the end. Lines are counted, the last one is kept."""
        got = 0
        while most is None or got < most:
            part = self.sock.recv(262144)
            if not part:
                return False
            got += len(part)
            *lines, self.rest = (self.rest + part).split(b"\n")
            if self.head and lines:
                at = lines.index(b"\r") if b"\r" in lines else len(lines) - 1
                self.head, lines = b"\r" not in lines, lines[at + 1:]
            if lines:
                self.rows += len(lines)
                self.last = lines[-1]
        return True


class Upload(threading.Thread):
    """Batch after batch, until it is told to stop."""

    def __init__(self, w):
        super().__init__()
        self.w, self.stop, self.batches, self.failed = w, False, [], None

    def run(self):
        try:
            while not self.stop:
                self.batches.append(submit_many(self.w, 20_000, f"u{len(self.batches)}-"))
        except Exception as e:  # pylint: disable=broad-except
            self.failed = e


@heavy
@takes(20)
def test_a_reader_that_stalls_holds_nobody_up(w):
    w.master()
    agents = instant_agents(w)
    batch = submit_many(w, ROWS, "h")
    w.wait_batch(batch, 120)
    pid = w.master_proc.pid
    with w.case("all rows, and their count in the last line"):
        for form, last in (("ndjson", None), ("csv", f"# end count={ROWS}\r".encode())):
            before, export = rss_kib(pid), Export(w, f"batches/{batch}/results.{form}")
            while export.read(64 << 20):
                expect(rss_kib(pid) - before < grown_max(w), "the memory grows with the export")
            equal(export.rows, ROWS + (1 if form == "ndjson" else 2), f"lines of {form}")
            equal(json.loads(export.last) if last is None else export.last,
                  {"end": True, "count": ROWS} if last is None else last, "the last line")
    paths = [f"batches/{batch}/results.{form}" for form in ("ndjson", "csv", "ndjson", "csv")]
    with w.case("stalled while uploads go on"):
        stalled = [Export(w, path) for path in paths]
        for e in stalled:
            e.read(1 << 20)
        before = rss_kib(pid)
        others_are_served(w, batch)
        expect(rss_kib(pid) - before < grown_max(w), "the memory has grown")
        for e in stalled:
            while e.read():
                pass
            expect(str(ROWS).encode() in e.last and e.rows >= ROWS, e.last, e.rows)
    with w.case("read at full speed while uploads go on"):
        readers = [threading.Thread(target=read_again, args=(w, path), daemon=True) for path in paths[:2]]
        for r in readers:
            r.stop = False
            r.start()
        others_are_served(w, batch)
        for r in readers:
            r.stop = True
            r.join(60 * w.slower)
    agents.stop()
    w.master_proc.stop()
    w.check_store()


def read_again(w, path):
    while not threading.current_thread().stop:
        export = Export(w, path)
        while not threading.current_thread().stop and export.read(1 << 20):
            pass
        export.sock.close()


def others_are_served(w, batch):
    """For a while uploads go on and pages are read: the WAL stays bounded, and answers are quick."""
    wal, upload, took, wal_most = w.path("data", "sonde.db-wal"), Upload(w), [], 0
    upload.start()
    until = time.monotonic() + STALL_S * w.slower
    while time.monotonic() < until:
        for path in ("batches?limit=5", f"batches/{batch}", f"batches/{batch}/results?limit=10"):
            began = time.monotonic()
            w.api.must("GET", path)
            took.append(time.monotonic() - began)
        wal_most = max(wal_most, os.path.getsize(wal))
        time.sleep(0.02)
    upload.stop = True
    upload.join(60 * w.slower)
    expect(upload.failed is None and len(upload.batches) >= 2, upload.failed, upload.batches)
    p99 = sorted(took)[len(took) * 99 // 100]
    print(f"    WAL {wal_most >> 20} MiB at most, p99 of {len(took)} answers {p99 * 1000:.1f} ms")
    expect(wal_most < WAL_BYTES_MAX, f"the WAL has grown to {wal_most} bytes")
    expect(p99 < SLOW_ANSWER_S * w.slower, f"p99 of other requests: {p99} s")
