# SPDX-License-Identifier: MIT
"""What harms a program from outside: strace on one of its threads, a disk that is small. And clients that live through it."""
import contextlib
import http.client
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

from harness import Failed, Proc, Skipped, Sampler, World, check_sum, describe, ended, equal, expect


# --- strace


def need_strace():
    try:
        r = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "true"], capture_output=True, check=False)
    except FileNotFoundError:
        raise Skipped("strace is not installed: deploy/install-deps.sh --tests") from None
    if r.returncode != 0:
        raise Skipped("strace cannot trace here")


def under_strace(*inject):
    """The words before a command that is harmed so in all of its threads; each thread counts its own calls."""
    words = ["strace", "-f", "-qq", "-o", "/dev/null"]
    for rule in inject:
        words += ["-e", f"inject={rule}"]
    return words


class Harm:
    """One thread of a running program is harmed so from now on; its calls are counted from now on."""

    def __init__(self, w, proc, thread, *inject):
        tid = self._thread(proc, thread)
        argv = under_strace(*inject)
        argv.remove("-f")  # that thread alone, and no other pays for it
        self.proc = Proc(w, f"strace-{thread}", argv + ["-p", tid])
        self.proc.expected |= {-signal.SIGTERM, -signal.SIGKILL, 128 + signal.SIGTERM, 1}
        status = f"/proc/{proc.pid}/task/{tid}/status"

        def attached():
            """Or it was so, and the harm is done already."""
            tracing = self.proc.alive()
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(status, encoding="ascii") as f:
                if f"TracerPid:\t{self.proc.pid}\n" in f.read():
                    return True
                expect(tracing, "strace has ended:", self.proc.log())
            return not proc.alive()

        w.wait_for(attached, 10, "strace is attached")

    @staticmethod
    def _thread(proc, name):
        for tid in os.listdir(f"/proc/{proc.pid}/task"):
            with open(f"/proc/{proc.pid}/task/{tid}/comm", encoding="ascii") as f:
                if f.read().strip() == name:
                    return tid
        raise Failed(f"{proc.name} has no thread {name}")

    def end(self):
        self.proc.stop()


# --- programs that stand


class Still:
    """These programs stand still until the block ends."""

    def __init__(self, *procs):
        self.procs = procs

    def __enter__(self):
        for proc in self.procs:
            proc.signal(signal.SIGSTOP)

    def __exit__(self, *_):
        for proc in self.procs:
            proc.signal(signal.SIGCONT)


# --- what the master counts


def metric(w, name):
    return float(re.search(rf"^sonde_{name} (\S+)$", w.api.must("GET", "/metrics").text, re.MULTILINE).group(1))


# --- a small disk


class SmallDisk:
    """A tmpfs of that size at that place, until the block ends."""

    def __init__(self, path, size):
        self.path = path
        os.makedirs(self.path, exist_ok=True)
        r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "sonde-test", self.path], capture_output=True, check=False)
        if r.returncode != 0:
            raise Skipped("a tmpfs cannot be mounted here: it needs root")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)

    def fill(self):
        fd = os.open(os.path.join(self.path, "ballast"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with contextlib.suppress(OSError):
            while True:
                os.write(fd, b"x" * 4096)
        os.close(fd)

    def free(self):
        os.unlink(os.path.join(self.path, "ballast"))


# --- little CPU


class Starved:
    """The program gets that part of one CPU until the block ends: by a cgroup of either version, else by SIGSTOP in turns."""

    PERIOD_US = 100000
    TURN_S = 0.5

    def __init__(self, proc, part):
        self.proc, self.part = proc, part
        self.group = self.turns = None
        self.stopping = threading.Event()

    def _write(self, file, text):
        with open(os.path.join(self.group, file), "w", encoding="ascii") as f:
            f.write(text)

    def _cgroup(self, top, quota):
        """False: it is not to be had there."""
        self.group = os.path.join(top, f"sonde-test-{self.proc.pid}")
        try:
            os.mkdir(self.group)
            for file, text in quota:
                self._write(file, text)
            self._write("cgroup.procs", str(self.proc.pid))
            return True
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(self.group)
            self.group = None
            return False

    def _turns(self):
        while not self.stopping.is_set():
            self.proc.signal(signal.SIGCONT)
            time.sleep(self.TURN_S * self.part)
            self.proc.signal(signal.SIGSTOP)
            self.stopping.wait(self.TURN_S * (1 - self.part))
        self.proc.signal(signal.SIGCONT)

    def __enter__(self):
        us = int(self.PERIOD_US * self.part)
        v1 = [("cpu.cfs_period_us", str(self.PERIOD_US)), ("cpu.cfs_quota_us", str(us))]
        if self._cgroup("/sys/fs/cgroup/cpu", v1):
            self.how = "cgroup v1"
        elif self._cgroup("/sys/fs/cgroup", [("cpu.max", f"{us} {self.PERIOD_US}")]):
            self.how = "cgroup v2"
        else:
            self.how = "SIGSTOP in turns"
            self.turns = threading.Thread(target=self._turns, daemon=True)
            self.turns.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        if self.turns:
            self.turns.join()
        if self.group:
            with open(os.path.join(os.path.dirname(self.group), "cgroup.procs"), "w", encoding="ascii") as f:
                f.write(str(self.proc.pid))
            os.rmdir(self.group)


# --- tests that mostly wait


def side_by_side(w, *tests):
    """Each in a world of its own, at the same time; each is a case of this test."""
    def one(test):
        name = test.__name__.replace("_", " ")
        own = World(w.build, w.kind, w.report)
        words = []
        try:
            test(own)
        except Skipped as e:
            outcomes[name] = e
            return
        except Exception as e:  # pylint: disable=broad-except
            words.append(describe(e))
        finally:
            words += own.close()
            if words:
                outcomes[name] = Failed("\n".join(words + [own.logs()]))
            own.remove()

    outcomes = {}
    threads = [threading.Thread(target=one, args=(test,), name=test.__name__) for test in tests]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for test in tests:
        name = test.__name__.replace("_", " ")
        with w.case(name):
            if name in outcomes:
                raise outcomes[name]


# --- clients that keep the master at its word


def all_batches(w, query="limit=100"):
    found, cursor = [], None
    while True:
        page = w.api.must("GET", f"batches?{query}" + (f"&cursor={cursor}" if cursor else ""), timeout=10).json
        found += page["batches"]
        cursor = page["next_cursor"]
        if not cursor:
            return found


LINES_A_PIECE = 250


class Upload:
    """One body, and all that was said of it."""

    def __init__(self, name, size, url):
        self.name, self.size, self.answer = name, size, None
        self.body = "".join(f"{url}?{name}-{i}\n" for i in range(size))
        self.tries = self.sent = 0

    def pieces(self, hold_s):
        lines = self.body.splitlines(keepends=True)
        for i in range(0, len(lines), LINES_A_PIECE):
            yield "".join(lines[i : i + LINES_A_PIECE]).encode()
            time.sleep(hold_s)


class Clients:
    """Threads that submit while the block runs, and repeat with the same Idempotency-Key what got no answer, or give it up.

    At its end verify() holds the master to what it said: each 202 is one batch, and an upload without one is wholly there or not
    at all.
    """

    KEEP_OPEN = 1500  # tasks; more only lengthen the test, so uploads are small ones then

    def __init__(self, w, seed, threads=2):
        self.w, self.url = w, w.url("/slow/100")  # so that there is always something under way
        self.lock = threading.Lock()
        self.uploads, self.sending, self.asking = [], 0, 0
        self.open, self.ended, self.running = 0, 0, 0  # of the batches that have not ended
        self.errors = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(random.Random(f"{seed}-{i}"),), daemon=True) for i in range(threads)]
        self.watch = Sampler(self._look, 0.05)

    def __enter__(self):
        self.watch.__enter__()
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *what):
        self.stop.set()
        for t in self.threads:
            t.join()
        self.watch.__exit__(*what)

    # what the batches say, while there is a master

    def _look(self):
        try:
            found = [b["counts"] for b in all_batches(self.w, "limit=100&state=running")]
        except (OSError, http.client.HTTPException):
            return
        for counts in found:
            check_sum(counts)
        self.ended = sum(ended(c) for c in found)
        self.running = sum(c["running"] for c in found)
        self.open = sum(c["total"] for c in found) - self.ended

    # one thread

    def _run(self, dice):
        try:
            self._submit(dice)
        except Exception as e:  # pylint: disable=broad-except
            self.errors.append(e)

    def _submit(self, dice):
        while not self.stop.is_set():
            sizes = (1, 40) if self.open > self.KEEP_OPEN else (1, 40, 300, 1000)
            with self.lock:
                upload = Upload(f"storm-{len(self.uploads)}", dice.choice(sizes), self.url)
                self.uploads.append(upload)
            gives_up = dice.random() < 0.3
            while not self._send(upload, dice.choice((0, 0, 0.02))) and not gives_up and not self.stop.is_set():
                self.stop.wait(0.02)
            self.stop.wait(0.1)

    @contextlib.contextmanager
    def _counted(self, name):
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)
        try:
            yield
        finally:
            with self.lock:
                setattr(self, name, getattr(self, name) - 1)

    def _send(self, upload, hold_s):
        """Whether it has its answer."""
        upload.tries += 1
        conn = http.client.HTTPConnection("127.0.0.1", self.w.port["api"], timeout=20)
        head = {"Authorization": "Bearer " + self.w.api.token, "Content-Type": "text/plain", "Idempotency-Key": upload.name}
        try:
            with self._counted("sending"):
                conn.request("POST", f"/api/v1/batches?per_host=0&name={upload.name}", upload.pieces(hold_s), head, encode_chunked=True)
            with self._counted("asking"):
                r = conn.getresponse()
                text = r.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            conn.close()
        if r.status != 202:
            expect(r.status in (409, 503), f"{upload.name}: {r.status} {text[:300]!r}")
            return False
        upload.answer = json.loads(text)["id"]
        return True

    # afterwards

    def verify(self, timeout):
        """All has ended, and every word was kept. The batches that are there."""
        for e in self.errors:
            raise e
        expect(any(u.answer for u in self.uploads), "no upload got an answer")
        self.w.wait_for(lambda: not all_batches(self.w, "limit=100&state=running"), timeout, "all batches have ended")
        found, by_name = all_batches(self.w), {}
        for b in found:
            by_name.setdefault(b["name"], []).append(b)
        for u in self.uploads:
            there = by_name.get(u.name, [])
            expect(len(there) <= 1, f"{u.name} is there {len(there)} times after {u.tries} tries")
            if u.answer:
                equal([b["id"] for b in there], [u.answer], f"the batch of {u.name}, which got a 202")
            for b in there:
                equal(b["counts"]["total"], u.size, f"tasks of {u.name} ({u.tries} tries, answer {u.answer})")
                equal(ended(b["counts"]), u.size, f"ended of {u.name}")
        return found
