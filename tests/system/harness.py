# SPDX-License-Identifier: MIT
"""The world of a system test: real programs, a real nginx, served targets; all stopped and checked at its end.

A test is a function test_*(w) that gets a World. It fails by raising; `w.case(name)` gives a part of it a verdict of its own.
Nothing here sleeps for luck: wait_for() polls a condition until its deadline, and deadlines stretch under sanitizers.
"""
import contextlib
import ctypes
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ["PATH"] += ":/usr/sbin:/sbin"  # a plain user of Debian does not look there for nginx
SANITIZER = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error: |requirement failed: "
)
CLONE_NEWNET = 0x40000000
SLOWER = {"release": 1, "asan": 3, "tsan": 5}


class Failed(Exception):
    """The test's own finding; what it holds is shown."""


class Skipped(Exception):
    """This machine cannot show it; the reason is shown."""


def expect(condition, *words):
    if not condition:
        raise Failed(" ".join(str(w) for w in words) or "an expectation did not hold")


def equal(got, wanted, what):
    expect(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def short(function):
    """Runs under the sanitizers too."""
    function.short = True
    return function


def long(function):
    """Runs with --long only."""
    function.long = True
    return function


def heavy(function):
    """Wants a processor for itself, or measures what another such test would disturb: at most one of them runs at a time."""
    function.heavy = True
    return function


def takes(seconds):
    """About how long it runs on a quiet machine, where that is much: the longest begin first, so that none ends alone."""
    def mark(function):
        function.takes = seconds
        return function

    return mark


def free_port():
    """A port that nobody listens on now. Taken below the ephemeral range, so that no outgoing connection can take it."""
    first, end = free_port.range
    for _ in range(200):
        with free_port.lock:  # tests may run side by side
            port = free_port.last = first + (free_port.last - first + 1) % (end - first)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failed("no free port found")


free_port.lock = threading.Lock()


def share_ports(index, count):
    """Runners side by side take their ports from ranges of their own."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        low, high = 12000, int(f.read().split()[0]) - 100
    width = (high - low) // count
    free_port.range = (low + index * width, low + (index + 1) * width)
    free_port.last = free_port.range[0] + os.getpid() * 37 % width


share_ports(0, 1)


class Proc:
    """A program under test with its log file."""

    def __init__(self, world, name, argv, env=None, stdin=None, stdout=None):
        self.world, self.name, self.argv = world, name, argv
        self.log_path = os.path.join(world.dir, name + ".log")
        self.expected = {0}
        self.stopped = False
        log = open(self.log_path, "ab")
        self.popen = subprocess.Popen(
            argv,
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or log,
            stderr=log,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        log.close()
        world.procs.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def alive(self):
        return self.popen.poll() is None

    def signal(self, sig):
        self.popen.send_signal(sig)

    def kill9(self):
        """An end that the test wants; it is no finding."""
        self.expected.add(-signal.SIGKILL)
        self.popen.kill()
        self.popen.wait()

    def wait(self, timeout):
        """The exit code, or a failure after that time."""
        try:
            return self.popen.wait(timeout * self.world.slower)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} has not ended within {timeout} s") from None

    def stop(self, timeout=45):
        if self.alive():
            self.popen.terminate()
            try:
                self.popen.wait(timeout * self.world.slower)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
                self.stopped = True
                raise Failed(f"{self.name} did not end within {timeout} s of SIGTERM") from None
        self.stopped = True

    def verdict(self):
        """A sentence when it ended as it should not, or a sanitizer or an assertion spoke; else None."""
        found = SANITIZER.search(self.log())
        if found:
            return f"{self.name}: its log says '{found.group(0)}'"
        code = self.popen.poll()
        if code is not None and code not in self.expected:
            return f"{self.name} ended with {code}"
        return None


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failed(f"status {self.status}, and the body is no JSON: {self.text[:300]!r}") from None

    def __repr__(self):
        return f"{self.status} {self.text[:300]!r}"


class Api:
    """The HTTP API as a client sees it, one connection a call."""

    def __init__(self, port, token):
        self.port, self.token = port, token

    def call(self, method, path, body=None, type=None, token=True, headers=None, timeout=90):
        all_headers = dict(headers or {})
        if token is True:
            token = self.token
        if token:
            all_headers["Authorization"] = "Bearer " + token
        if isinstance(body, (dict, list)):
            body, type = json.dumps(body), type or "application/json"
        if isinstance(body, str):
            body = body.encode()
        if type:
            all_headers["Content-Type"] = type
        if not path.startswith("/"):
            path = "/api/v1/" + path
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            conn.request(method, path, body=body, headers=all_headers)
            r = conn.getresponse()
            return Reply(r.status, r.headers, r.read())
        finally:
            conn.close()

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def must(self, method, path, body=None, status=200, **more):
        r = self.call(method, path, body, **more)
        expect(r.status == status, f"{method} {path}: {r!r}, wanted {status}")
        return r

    def submit(self, targets, **options):
        """A batch from a list of targets; its id."""
        body = {**options, "targets": targets}  # last, as a body over 1 MiB must have them
        return self.must("POST", "batches", body, status=202).json["id"]

    def submit_text(self, lines, query=""):
        return self.must("POST", "batches" + query, "\n".join(lines) + "\n", 202, type="text/plain").json

    def batch(self, batch):
        return self.must("GET", f"batches/{batch}").json

    def counts(self, batch):
        return self.batch(batch)["counts"]

    def results(self, batch):
        """Every result, read by pages."""
        found, cursor = [], None
        while True:
            query = f"?limit=1000&cursor={cursor}" if cursor is not None else "?limit=1000"
            page = self.must("GET", f"batches/{batch}/results{query}").json
            found += page["results"]
            cursor = page.get("next_cursor")
            if not page["results"] or cursor is None:
                return found

    def agent(self, name):
        r = self.get(f"agents/{name}")
        return r.json if r.status == 200 else None


ENDS = ("ok", "failed", "undetermined", "refused", "expired", "cancelled")


def check_sum(counts):
    """Promise 1: submitted = queued + running + every kind of end, at every moment."""
    total = counts["queued"] + counts["running"] + sum(counts[e] for e in ENDS)
    expect(total == counts["total"], "the counts do not add up:", counts)


def ended(counts):
    return sum(counts[e] for e in ENDS)


class World:
    def __init__(self, build, kind, report):
        self.build = os.path.abspath(build)
        self.kind, self.report = kind, report
        self.slower = SLOWER.get(kind, 1)
        self.dir = tempfile.mkdtemp(prefix="sonde-test-")
        self.procs, self.cases_failed, self.cases = [], 0, 0
        self.api = self.targets = None
        self.port = self.nginx_proc = self.master_proc = None
        self.nginx_changes = ()
        self.agents_host = "127.0.0.1"  # where the master awaits agents that come without nginx

    # --- the programs

    def program(self, name):
        return os.path.join(self.build, "bin", name)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def run(self, argv, timeout=60, env=None, input=None):
        """A program that ends by itself: CompletedProcess with text."""
        try:
            return subprocess.run(
                argv, input=input, capture_output=True, text=True, errors="replace",
                timeout=timeout * self.slower, env={**os.environ, **(env or {})},
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(argv)} has not ended within {timeout} s") from None

    def world(self, *more):
        """The served targets; their ports by name in self.targets."""
        os.makedirs(self.path("world"), exist_ok=True)
        proc = Proc(
            self, "target_server",
            [os.path.join(self.build, "tests", "target_server"), "--dir", self.path("world"), "--stdin", *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        line = proc.popen.stdout.readline()
        if not line.endswith(b"\n"):
            code = proc.wait(10)  # its output has ended, so it ends
            raise Failed(f"target_server has ended with {code} before all was served; its log:\n{proc.log() or '(empty)'}")
        self.targets = json.loads(line)
        return self.targets

    def url(self, path, host="127.0.0.1", port="http"):
        scheme = "https" if port.startswith("https") else "http"
        return f"{scheme}://{host}:{self.targets[port]}{path}"

    def master(self, *more, wait=True, env=None):
        """Starts the master, or starts it again on the same ports and data."""
        if not self.port:
            self.port = {"api": free_port(), "agents": free_port(), "nginx": free_port()}
            os.makedirs(self.path("data"), mode=0o700, exist_ok=True)  # a test may have mounted something there
        self.master_proc = Proc(
            self, "master",
            [self.program("sonde-master"), "serve", "--listen", f"127.0.0.1:{self.port['api']}",
             "--agents-listen", f"{self.agents_host}:{self.port['agents']}", "--data", self.path("data"), *more],
            env=env,
        )
        if wait:
            self.wait_ready()
        return self.master_proc

    def wait_ready(self):
        def ready():
            expect(self.master_proc.alive(), "the master has ended:", self.master_proc.log()[-2000:])
            try:
                return Api(self.port["api"], None).get("/readyz").status == 200
            except OSError:
                return False

        self.wait_for(ready, 20, "the master is ready")
        if not self.api:
            with open(self.path("data", "admin.token"), encoding="ascii") as f:
                self.api = Api(self.port["api"], f.read().strip())

    def nginx(self, *changes):
        """nginx in front of both ports; from then on the API is called through it. changes: (text, other text) of its
        configuration, which stay for its next starts."""
        self.nginx_changes = changes or self.nginx_changes
        prefix = self.path("nginx")
        os.makedirs(prefix, exist_ok=True)
        with open(os.path.join(TOP, "deploy", "nginx", "quickstart.conf.in"), encoding="utf-8") as f:
            text = f.read()
        for key, value in {
            "@USER@": "user root;" if os.getuid() == 0 else "",
            "@DIR@": prefix,
            "@PORT@": self.port["nginx"],
            "@API@": f"127.0.0.1:{self.port['api']}",
            "@AGENTS@": f"127.0.0.1:{self.port['agents']}",
        }.items():
            text = text.replace(key, str(value))
        for old, new in self.nginx_changes:
            expect(old in text, "the configuration of nginx does not say:", old)
            text = text.replace(old, new)
        conf = os.path.join(prefix, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(text)
        self.nginx_proc = Proc(
            self, "nginx", ["nginx", "-p", prefix, "-c", conf, "-e", os.path.join(prefix, "error.log")]
        )
        # It listens before it can take signals: a SIGHUP in between ends it, or waits for the next signal.
        self.wait_for(lambda: listens(self.port["nginx"]) and self.nginx_workers(), 10, "nginx has a worker")
        if self.api:
            self.api.port = self.port["nginx"]
        return self.nginx_proc

    def reload_nginx(self):
        """kill -HUP; returns when its new worker accepts. The old one has gone its way, or goes within worker_shutdown_timeout."""
        before = set(self.nginx_workers())
        self.nginx_proc.signal(signal.SIGHUP)
        self.wait_for(lambda: set(self.nginx_workers()) - before, 10, "nginx has a new worker")

    def nginx_workers(self):
        pid = self.nginx_proc.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(child) for child in f.read().split()]

    def kill_nginx(self):
        """kill -9 of the whole of nginx: the master process leads a session of its own.

        Its worker ends a moment after it and holds the listening socket until then: who connects in that moment is reset.
        """
        self.nginx_proc.expected.add(-signal.SIGKILL)
        os.killpg(self.nginx_proc.pid, signal.SIGKILL)
        self.nginx_proc.popen.wait()
        self.wait_for(lambda: not listens(self.port["nginx"]), 10, "the killed nginx listens no more")

    def token(self, scope, name=None):
        argv = [self.program("sonde-master"), "token", "add", "--data", self.path("data"), "--scope", scope]
        r = self.run(argv + (["--name", name] if name else []))
        expect(r.returncode == 0, "token add failed:", r.stderr)
        return r.stdout.strip()

    def agent(self, name, *more, wait=True, token=None, port=None, within=(), env=None, loopback=True, program=None):
        """An agent of that name; started again it keeps its directory and token. It connects to that port, or nginx's.

        within: the words that run a command on another host (netns.py). Loopback is where the served targets are; an agent that
        may not go there is one as it is deployed.
        """
        home = self.path(name)
        os.makedirs(home, exist_ok=True)
        token_file = os.path.join(home, "token")
        if token or not os.path.exists(token_file):
            text = token or self.token("agent", name)
            with open(os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
                f.write(text + "\n")
        port = port or (self.port["nginx"] if self.nginx_proc else self.port["agents"])
        host = "127.0.0.1" if self.nginx_proc else self.agents_host
        argv = [*within, program or self.program("sonde-agent"), "--master", f"ws://{host}:{port}/ws", "--name", name,
                "--token-file", token_file, "--data", home]
        if loopback:
            argv += ["--allow", "127.0.0.0/8", "--allow", "::1/128"]
        if self.targets:
            argv += ["--resolver", f"127.0.0.1:{self.targets['dns']}", "--ca-file", self.targets["ca"]]
        proc = Proc(self, name, argv + list(more), env=env)
        if wait:
            self.wait_agent(name)
        return proc

    def wait_agent(self, name):
        """One that failed to connect a few times draws a delay of up to 30 s before it tries again."""
        def there():
            a = self.api.agent(name)
            return a and a["state"] == "alive"

        self.wait_for(there, 40, f"the agent {name} is connected")

    def fleet(self, agents=("a1", "a2"), agent_options=()):
        """All that most tests need: targets, a master, nginx, agents behind it."""
        self.world()
        self.master()
        self.nginx()
        return [self.agent(name, *agent_options) for name in agents]

    def slow_batch(self, count, ms, **options):
        """So many targets that take so long each, as many at a time as there are slots; its id."""
        return self.api.submit([self.url(f"/slow/{ms}?{i}") for i in range(count)], **{"per_host": 0, **options})

    def requests(self):
        """How many HTTP requests the served targets have seen; asking is not counted."""
        return Api(self.targets["http"], None).get("/counts").json["requests"]

    def cli(self, *args, token=True, input=None, url=None, timeout=60):
        env = {"SONDE_URL": url or f"http://127.0.0.1:{self.api.port}"}
        if token:
            env["SONDE_TOKEN"] = self.api.token if token is True else token
        return self.run([self.program("sonde"), *args], env=env, input=input, timeout=timeout)

    def check_store(self):
        """The master's own proof from its store."""
        r = self.run([self.program("sonde-master"), "check", "--data", self.path("data")], timeout=120)
        expect(r.returncode == 0, "sonde-master check:", r.stdout, r.stderr)

    # --- waiting

    def no_crash(self):
        """Fails at once when a program has ended as it should not: nothing more is worth waiting for."""
        for proc in self.procs:
            code = proc.popen.poll()
            expect(code is None or code in proc.expected, f"{proc.name} ended with {code}")

    def wait_for(self, condition, timeout, what):
        deadline = time.monotonic() + timeout * self.slower
        while True:
            got = condition()
            if got:
                return got
            self.no_crash()
            if time.monotonic() > deadline:
                raise Failed(f"waited {timeout * self.slower} s in vain until {what}")
            time.sleep(0.05)

    def wait_batch(self, batch, timeout, every=0.1, at_poll=None):
        """Until the batch has ended; at every poll the counts add up. Its counts."""
        deadline = time.monotonic() + timeout * self.slower
        while True:
            self.no_crash()
            counts = self.api.counts(batch)
            check_sum(counts)
            if at_poll:
                at_poll(counts)
            if ended(counts) == counts["total"]:
                return counts
            if time.monotonic() > deadline:
                raise Failed(f"the batch has not ended within {timeout * self.slower} s: {counts}")
            time.sleep(every)

    def one_result_each(self, batch, total):
        """Every task has exactly one result, and the batch says so too."""
        results = self.api.results(batch)
        equal(len(results), total, "results")
        equal(len({r["task"] for r in results}), total, "tasks with a result")
        counts = self.api.counts(batch)
        for outcome in ENDS:
            equal(sum(r["outcome"] == outcome for r in results), counts[outcome], f"results that are {outcome}")
        return results

    # --- a network of its own

    @contextlib.contextmanager
    def own_network(self, *commands):
        """For the block, this thread and all that it starts are in a network of their own: a loopback, and what the commands of
        ip(8) and nft(8) make of it. What was started there stays there."""
        if os.geteuid() != 0:
            raise Skipped("a network of its own needs root")
        libc = ctypes.CDLL(None, use_errno=True)
        back = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        if libc.unshare(CLONE_NEWNET) != 0:
            os.close(back)
            raise Skipped(f"no network namespace is to be had here: {os.strerror(ctypes.get_errno())}")
        try:
            for command in ("ip link set lo up", *commands):
                r = self.run(shlex.split(command))
                if r.returncode != 0:
                    raise Skipped(f"'{command}' does not work here: {r.stderr.strip()}")
            yield
        finally:
            if libc.setns(back, CLONE_NEWNET) != 0:
                os.abort()  # nothing that comes next would be what it says
            os.close(back)

    # --- verdicts

    @contextlib.contextmanager
    def case(self, name):
        """A part of the test with a line of its own; its failure does not end the others."""
        began = time.monotonic()
        self.cases += 1
        try:
            yield
            self.report("PASS", name, time.monotonic() - began, None)
        except Skipped as e:
            self.report("SKIP", name, time.monotonic() - began, str(e))
        except Exception as e:  # pylint: disable=broad-except
            self.cases_failed += 1
            self.report("FAIL", name, time.monotonic() - began, describe(e))

    def close(self):
        """Stops everything, agents first; what it finds wrong on the way."""
        wrong = []
        for proc in reversed(self.procs):
            try:
                if proc.popen.stdin:
                    proc.popen.stdin.close()
                proc.stop()
            except Failed as e:
                wrong.append(str(e))
        wrong += [v for v in (p.verdict() for p in self.procs) if v]
        return wrong

    def logs(self, lines=40):
        out = []
        for path in sorted({p.log_path for p in self.procs}):
            with open(path, encoding="utf-8", errors="replace") as f:
                out.append(f"--- {os.path.basename(path)}\n" + "".join(f.readlines()[-lines:]))
        return "\n".join(out)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def describe(e):
    if isinstance(e, Failed):
        return str(e)
    import traceback

    return "".join(traceback.format_exception(type(e), e, e.__traceback__))


def listens(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Sampler:
    """Calls a function again and again on a thread of its own until the block ends; a raise there fails the block."""

    def __init__(self, function, every):
        self.function, self.every = function, every
        self.stopping, self.error = threading.Event(), None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.stopping.is_set():
            try:
                self.function()
            except Exception as e:  # pylint: disable=broad-except
                self.error = e
                return
            self.stopping.wait(self.every)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stopping.set()
        self.thread.join()
        if self.error and not value:
            raise self.error


class LinkQueues:
    """Bytes that wait unread in processes' connections to a port each: what ss shows as Recv-Q, asked where ss asks.

    Each connection is looked for once, in /proc/net/tcp; that has a line for every socket of the machine, and reading it ten times
    a second would be the load itself. From then on the kernel is asked for that one socket.
    """

    NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, REQUEST = 4, 20, 1

    def __init__(self, ends):
        """ends: (pid, port) of each."""
        self.ends, self.known = ends, [None] * len(ends)
        self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, self.NETLINK_SOCK_DIAG)

    def look(self):
        """The Recv-Q of each; None: it has no such connection."""
        return [self._look(i) for i in range(len(self.ends))]

    def _look(self, i):
        queue = self._ask(*self.known[i]) if self.known[i] else None
        if queue is None:
            self.known[i] = self._find(*self.ends[i])
            queue = self._ask(*self.known[i]) if self.known[i] else None
        return queue

    def _ask(self, address, inode):
        """Of the socket with these ends, if it is still the same one (inet_diag_req_v2 and inet_diag_msg of the kernel)."""
        request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 1 << 1) + address  # 1: established
        request += bytes(4) + b"\xff" * 8  # on any device, with any cookie
        self.netlink.send(struct.pack("=IHHII", 16 + len(request), self.SOCK_DIAG_BY_FAMILY, self.REQUEST, 0, 0) + request)
        reply = self.netlink.recv(4096)
        if struct.unpack_from("=H", reply, 4)[0] != self.SOCK_DIAG_BY_FAMILY:
            return None
        recv_queue, _, _, its_inode = struct.unpack_from("=IIII", reply, 16 + 4 + 48 + 4)
        return recv_queue if its_inode == inode else None

    @classmethod
    def _find(cls, pid, port):
        """(address as the kernel wants it, inode) of that process's connection to that port, or None."""
        with open("/proc/net/tcp", encoding="ascii") as f:
            table = f.read()
        # local remote state(01: established) tx:rx timer retransmits uid timeout inode
        rows = re.findall(r" ([0-9A-F]{8}):([0-9A-F]{4}) ([0-9A-F]{8}):(%04X) 01 \S+ \S+ \S+ +\d+ +\d+ (\d+) " % port, table)
        rows = [row for row in rows if cls._owns(pid, row[4])]
        if len(rows) != 1:
            return None
        here, here_port, there, there_port, inode = rows[0]
        ports = struct.pack("!HH", int(here_port, 16), int(there_port, 16))
        return ports + struct.pack("=I12xI12x", int(here, 16), int(there, 16)), int(inode)

    @staticmethod
    def _owns(pid, inode):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                    return True
            except FileNotFoundError:  # closed since it was listed
                continue
        return False


class Tap:
    """A relay before nginx for one agent's link (tap.py): it knows when heartbeats passed without asking the master."""

    def __init__(self, world, name):
        self.port, self.path = free_port(), world.path(name + ".tap")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tap.py")
        self.proc = Proc(
            world, name + "-tap",
            ["/usr/bin/python3", script, str(self.port), str(world.port["nginx"]), self.path], stdout=subprocess.PIPE,
        )
        expect(self.proc.popen.stdout.readline().strip() == b"ready", "tap.py did not start:", self.proc.log())

    def events(self, what):
        """The times of that event, in seconds of time.monotonic()."""
        with open(self.path, encoding="ascii") as f:
            return [float(line.split()[0]) for line in f if line.split()[1] == what]
