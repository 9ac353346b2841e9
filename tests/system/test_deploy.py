# SPDX-License-Identifier: MIT
"""What deploy/ hands to people: it is valid, it lets through what it should, and the quickstart runs to its end."""
import fcntl
import functools
import http.client
import http.server
import os
import pty
import re
import signal
import ssl
import subprocess
import threading
import time

from harness import TOP, Api, Failed, Proc, Skipped, equal, expect, free_port, listens

DEPLOY = os.path.join(TOP, "deploy")


def read(*parts):
    with open(os.path.join(DEPLOY, *parts), encoding="utf-8") as f:
        return f.read()


def make_certificate(w):
    r = w.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x",
               "-keyout", w.path("key"), "-out", w.path("crt")])
    equal(r.returncode, 0, "openssl")


def real_conf(w, api, agents, port):
    """deploy/nginx/sonde.conf with nothing changed but its ports and paths."""
    text = read("nginx", "sonde.conf")
    text = text.replace("/etc/nginx/sonde.crt", w.path("crt")).replace("/etc/nginx/sonde.key", w.path("key"))
    text = text.replace("127.0.0.1:8700", f"127.0.0.1:{api}").replace("127.0.0.1:8701", f"127.0.0.1:{agents}")
    text = re.sub(r"listen \[::\].*;", "", text)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    user = "user root;" if os.getuid() == 0 else ""
    temp = "".join(f"{n}_temp_path {w.path('t-' + n)};" for n in ("proxy", "client_body", "fastcgi", "uwsgi", "scgi"))
    with open(w.path("nginx.conf"), "w", encoding="utf-8") as f:
        f.write(f"{user} daemon off; pid {w.path('pid')}; events {{}} http {{ access_log off; {temp} {text} }}")
    return ["nginx", "-p", w.dir, "-c", w.path("nginx.conf"), "-e", w.path("nginx-error.log")]


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers and the length of the body that reached it."""

    protocol_version = "HTTP/1.1"

    def do_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        body = "".join(f"{k.lower()}: {v}\n" for k, v in self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_any

    def log_message(self, *args):
        pass


def test_nginx_configuration_for_real_installs(w):
    make_certificate(w)
    echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    port = free_port()
    argv = real_conf(w, echo.server_port, echo.server_port, port)
    with w.case("nginx -t"):
        r = w.run(argv + ["-t"])
        expect(r.returncode == 0, r.stderr, open(w.path("nginx-error.log"), encoding="utf-8").read())
    Proc(w, "nginx", argv)
    w.wait_for(lambda: listens(port), 10, "nginx listens")

    def call(method, path, headers, body=None):
        context = ssl._create_unverified_context()  # pylint: disable=protected-access
        c = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
        try:
            c.request(method, path, body, headers)
            r = c.getresponse()
            return r.status, r.read().decode()
        finally:
            c.close()

    more = {"X-Forwarded-For": "6.6.6.6", "X-Evil": "yes", "Authorization": "Bearer t"}
    with w.case("/ws: only the headers that are named, and no body"):
        status, got = call("GET", "/ws", {**more, "Upgrade": "websocket", "Cookie": "a=b"}, "hello")
        equal(status, 200, "status")
        expect("x-evil" not in got and "cookie" not in got and "content-length" not in got, got)
        expect("authorization: Bearer t" in got and "upgrade: websocket" in got, got)
        expect("x-forwarded-for: 127.0.0.1\n" in got, got)
    with w.case("/ws: without an upgrade nothing gets through"):
        equal(call("GET", "/ws", {})[0], 426, "status")
    with w.case("the API: X-Forwarded-For is overwritten"):
        _, got = call("POST", "/api/v1/batches", more, "x" * 100000)
        expect("x-forwarded-for: 127.0.0.1\n" in got and "6.6.6.6" not in got, got)
        expect("content-length: 100000" in got, got)
    echo.shutdown()


def check_nginx(w, file, text=None, *options):
    return w.run([w.program("sonde-master"), "check-nginx", file, *options], input=text)


def quickstart_conf(w):
    """As the quickstart fills it in, for a master on the ports that it has without flags."""
    text = read("nginx", "quickstart.conf.in")
    for key, value in (("@USER@", ""), ("@DIR@", w.dir), ("@PORT@", "8080"), ("@API@", "127.0.0.1:8700"), ("@AGENTS@", "127.0.0.1:8701")):
        text = text.replace(key, value)
    return text


BROKEN = (  # text, other text, what it is called, in which words
    ("proxy_read_timeout 60s", "proxy_read_timeout 2s", "bad read_timeout", "not even above one heartbeat (5 s)"),
    ("proxy_send_timeout 60s", "proxy_send_timeout 15s", "warn write_timeout", "not above three heartbeats (15 s)"),
    ("proxy_read_timeout 60s", "proxy_read_timeout 3600s", "warn read_timeout", "far above the 60 s that are wanted"),
    ("send_timeout           30s", "send_timeout 10s", "warn send_timeout", "not above three heartbeats (15 s)"),
    ("proxy_set_header Upgrade                $http_upgrade;", "", "bad upgrade", "Upgrade is not passed on"),
    ("proxy_http_version     1.1;", "", "bad http_version", "proxy_http_version is 1.0"),
    ("client_max_body_size   1g;", "", "warn body_size", "client_max_body_size is 1m"),
    ("proxy_request_buffering off;", "", "warn upload", "proxy_request_buffering is on"),
    ("keepalive 32;", "", "warn reuse", "the upstream has no keepalive"),
    ("worker_connections 8000;", "", "warn worker_connections", "a worker carries 256 agents at most"),
    ("proxy_socket_keepalive on;", "", "warn keepalive", "proxy_socket_keepalive is off"),
)


def test_check_nginx(w):
    """What is shipped is good; each thing that is not is named, with its line, why it matters and what to do."""
    for name, text in (("sonde.conf", read("nginx", "sonde.conf")), ("quickstart.conf.in", quickstart_conf(w))):
        with w.case(f"{name} is good"):
            r = check_nginx(w, "-", text)
            expect(r.returncode == 0 and "all is well" in r.stdout and "why" not in r.stdout, r.returncode, r.stdout, r.stderr)
    for old, new, called, words in BROKEN:
        with w.case(f"'{new or 'no ' + old.split()[0]}': {called}"):
            text = quickstart_conf(w)
            expect(old in text, "the configuration has no", old)
            r = check_nginx(w, "-", text.replace(old, new, 1))
            equal(r.returncode, 1, "exit code")
            lines = [x for x in r.stdout.splitlines() if called in x]
            expect(len(lines) == 1 and words in lines[0] and re.match(r"stdin:\d+: ", lines[0]), r.stdout)
            expect("    why " in r.stdout and "    do  " in r.stdout, r.stdout)
    with w.case("what a real nginx -T prints, with its includes"):
        make_certificate(w)
        argv = real_conf(w, 8700, 8701, free_port())
        inner = w.path("sonde-inner.conf")
        with open(w.path("nginx.conf"), encoding="utf-8") as f:
            main, _, rest = f.read().partition("upstream sonde_api")
        with open(inner, "w", encoding="utf-8") as f:
            f.write("upstream sonde_api" + rest.strip().rstrip("}").replace("proxy_read_timeout 60s", "proxy_read_timeout 3s"))
        with open(w.path("nginx.conf"), "w", encoding="utf-8") as f:
            f.write("worker_rlimit_nofile 65536; worker_shutdown_timeout 10s; "
                    + main.replace("events {}", "events { worker_connections 16384; }") + "\ninclude sonde-*.conf; }\n")
        dump = w.run(argv + ["-T"])
        equal(dump.returncode, 0, "nginx -T")
        r = check_nginx(w, "-", dump.stdout)
        found = [x for x in r.stdout.splitlines() if re.match(r"\S+:\d+: ", x)]
        expect(r.returncode == 1 and len(found) == 1 and found[0].startswith(inner + ":"), r.returncode, r.stdout, r.stderr)
        expect("bad read_timeout: proxy_read_timeout 3s" in found[0], found)
    with w.case("a master on other ports is found by its flags"):
        text = quickstart_conf(w).replace(":8701", ":9701")
        r = check_nginx(w, "-", text)
        expect(r.returncode == 1 and "nothing is passed on to the agents' port, 127.0.0.1:8701" in r.stdout, r.stdout)
        equal(check_nginx(w, "-", text, "--agents-listen", "127.0.0.1:9701").returncode, 0, "exit code")
    with w.case("what cannot be judged: 2, and one sentence"):
        for text, words in (("http {\n", "stdin:2: the block 'http' of line 1 is not closed"), ("a \0;", "is not text")):
            r = check_nginx(w, "-", text)
            expect(r.returncode == 2 and words in r.stderr and not r.stdout, r.returncode, r.stdout, r.stderr)
        for argv, words in (([w.path("none")], "cannot be read"), ([], "takes one argument"), (["a", "b"], "takes one argument")):
            r = w.run([w.program("sonde-master"), "check-nginx", *argv])
            expect(r.returncode == 2 and words in r.stderr, r.returncode, r.stderr)


def test_nginx_appends_to_no_header(w):
    for name in ("sonde.conf", "quickstart.conf.in"):
        with w.case(name):
            expect("$proxy_add_x_forwarded_for" not in read("nginx", name), "X-Forwarded-For is appended to")


def test_dependencies_that_are_there_cost_nothing(w):
    began = time.monotonic()
    r = w.run([os.path.join(DEPLOY, "install-deps.sh"), "--tests"], timeout=20)
    equal((r.returncode, r.stdout + r.stderr), (0, ""), "exit code and output")
    expect(time.monotonic() - began < 5, "it took", time.monotonic() - began, "s")


def mixed_file(w):
    with open(w.path("targets.txt"), "w", encoding="ascii") as f:
        f.write(f"{w.url('/ok')}\n{w.url('/status/404')}\n{w.url('/ok', port='https_expired')}\n")
    return w.path("targets.txt")


def needs_own_build(w):
    if w.build != os.path.join(TOP, "build"):
        raise Skipped("the quickstart builds into build/, and another build directory was asked for")


def left_running():
    """The processes of a quickstart of this clone."""
    r = subprocess.run(["pgrep", "-f", os.path.join(TOP, "build", "quickstart") + "/"], capture_output=True, text=True, check=False)
    return r.stdout.split()


def one_quickstart_at_a_time(test):
    """A clone has one quickstart; the runner beside this one may be testing it."""

    @functools.wraps(test)
    def alone(w):
        with open(os.path.join(DEPLOY, "quickstart.sh"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            test(w)
            for proc in w.procs:  # before the other one looks
                if proc.name == "quickstart":
                    proc.stop()

    return alone


@one_quickstart_at_a_time
def test_quickstart_once(w):
    needs_own_build(w)
    w.world()
    script = os.path.join(DEPLOY, "quickstart.sh")
    with w.case("with a file of targets"):
        r = w.run([script, mixed_file(w), "--once"], timeout=300)
        expect(r.returncode == 0, r.returncode, r.stdout[-3000:], r.stderr[-3000:])
        for word in ("http_4xx", "tls_untrusted", "404"):
            expect(word in r.stdout, f"{word} is not in what it shows:", r.stdout[-3000:])
    with w.case("with its own targets"):
        r = w.run([script, "--once"], timeout=300)
        expect(r.returncode == 0, r.returncode, r.stdout[-3000:], r.stderr[-3000:])
        for word in ("http_4xx", "http_5xx", "tls_", "connect_refused"):
            expect(word in r.stdout, f"{word} is not in what it shows:", r.stdout[-3000:])
    for case, path in (("a file that is not there", "/nonexistent"), ("a directory", "/tmp")):
        with w.case(case):
            r = w.run([script, path], timeout=60)
            expect(r.returncode == 1 and f"cannot read {path}: name a text file" in r.stderr, r.returncode, r.stderr)
    with w.case("a file without a target"):
        r = w.run([script, "/dev/null", "--once"], timeout=120)
        expect(r.returncode == 1 and "the batch is empty" in r.stderr, r.returncode, r.stderr)
    with w.case("nothing is left running"):
        equal(left_running(), [], "processes")


@one_quickstart_at_a_time
def test_quickstart_ends_cleanly_on_ctrl_c(w):
    needs_own_build(w)
    w.world()
    q = Proc(w, "quickstart", [os.path.join(DEPLOY, "quickstart.sh"), mixed_file(w)])
    w.wait_for(lambda: "SONDE_URL=" in q.log() or not q.alive(), 120, "the quickstart says how to go on")
    url = re.search(r"SONDE_URL=http://127.0.0.1:(\d+)", q.log())
    if not url:
        raise Failed(q.log()[-3000:])
    equal(Api(int(url.group(1)), None).get("/readyz").status, 200, "readyz")
    q.signal(signal.SIGINT)
    equal(q.wait(60), 0, "exit code")
    equal(left_running(), [], "processes")


@one_quickstart_at_a_time
def test_quickstart_whose_terminal_goes_away_leaves_nothing(w):
    """Closed without Ctrl-C: there is nobody left to say a word to, and all must be stopped all the same."""
    needs_own_build(w)
    w.world()
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup, and a shell cannot take that back
        os.execv(os.path.join(DEPLOY, "quickstart.sh"), ["quickstart.sh", mixed_file(w)])
    said = b""
    while b"SONDE_URL=" not in said:
        try:
            said += os.read(terminal, 65536)
        except OSError:
            raise Failed("it ended too soon: " + said.decode("utf-8", "replace")) from None
    expect(left_running(), "nothing runs")
    os.close(terminal)
    w.wait_for(lambda: not left_running(), 45, "all of it has ended")
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "exit code")
