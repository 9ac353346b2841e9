# SPDX-License-Identifier: MIT
"""One probe from the command line: the same flags, the same page in `sonde probe` and `sonde-agent probe`; and the agent's policy."""
import base64
import contextlib
import http.server
import json
import threading

from harness import equal, expect, short


@contextlib.contextmanager
def echo():
    """A server that keeps what it was asked: its port and the list of (method, headers, body)."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            seen.append((self.command, dict(self.headers), body))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"ok")

        do_GET = do_POST = do_PUT = do_HEAD = do_TRACE = handle_any

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def direct(w, *argv, env=None, policy=("--allow", "127.0.0.0/8", "--allow", "::1/128"), input=None):
    flags = [*policy, "--resolver", f"127.0.0.1:{w.targets['dns']}", "--ca-file", w.targets["ca"]]
    return w.run([w.program("sonde-agent"), "probe", *argv, *flags], env=env, input=input)


def check(r, code, *words):
    expect(r.returncode == code, f"exit code {r.returncode}, wanted {code}:", r.stdout[-1500:], r.stderr[-800:])
    for word in words:
        expect(word in (r.stderr if code == 2 else r.stdout), f"no {word!r} in", r.stdout, r.stderr)


@short
def test_both_programs_take_the_same_flags(w):
    w.fleet(agents=("a1",))
    t, page = w.targets, w.url("/ok", "host.ok.test")
    with open(w.path("user"), "w", encoding="ascii") as f:
        f.write("me:secret\n")
    with open(w.path("body"), "w", encoding="ascii") as f:
        f.write('{"a": "b"}\n')
    secure, expired, self_signed = (w.url("/ok", "host.ok.test", p) for p in ("https", "https_expired", "https_self_signed"))
    cases = [
        ("redirects, hop by hop", 0, [w.url("/redirect/2", "host.ok.test")],
         ("hop 1       302 from http://host", "hop 3       200 from http://host", "/redirect/0 (127.0.0.1", "total")),
        ("no redirect followed", 0, [w.url("/redirect/2"), "--no-follow"], ("302 over HTTP/1.1",)),
        ("too many redirects", 1, [w.url("/redirect/2"), "--max-redirects", "1"], ("failed: too_many_redirects",)),
        ("a good certificate", 0, [secure, "--tls-min-days", "10"], ("trusted     yes", "chain       20", "days left", "ocsp ")),
        ("a bad certificate", 1, [expired], ("failed: tls_expired", "trusted     no: certificate has expired", "days ago")),
        ("a bad certificate that may be", 0, [self_signed, "-k"], ("trusted     no", "200 over HTTP")),
        ("a certificate for another name", 1, [secure, "--sni", "other.example"], ("tls_name_mismatch",)),
        ("authorities of the target's own", 0, [secure, "--cacert", t["ca"]], ("trusted     yes",)),
        ("retries", 1, [w.url("/status/503"), "--retries", "1", "--expect-status", "2xx"],
         ("tries before this one", "try 1       status_mismatch", "over all tries")),
        ("expectations that fail", 1,
         [page, "--expect-body", "nothing like it", "--expect-header", "Content-Type: ^image/", "--expect-json", "$.a=1"],
         ("failed: ", "FAILED  body_regex", "FAILED  header: Content-Type", "FAILED  json: $.a")),
        ("expectations that hold", 0,
         [page, "--expect-status", "200,3xx", "--expect-not-body", "nothing like it", "--max-total-ms", "20000"],
         ("ok      status", "ok      body_not_regex", "ok      max_total_ms")),
        ("JSON as expected", 0, [w.url("/json"), "--expect-json", "$.n=3", "--expect-json", "$.status~^u", "--expect-json", "!$.x"],
         ("ok      json",)),
        ("a body that is kept", 0, [page, "--keep-body", "1000"], ("\n  body\n", "all is well")),
        ("a body over its limit", 1, [w.url("/big/100000"), "--body-limit", "1000"], ("body_too_large",)),
        ("a time-out", 1, [f"http://127.0.0.1:{t['tarpit']}/", "--timeout-ms", "300"], ("response_timeout",)),
        ("only over IPv4", 0, [w.url("/ok", "both.ok.test"), "-4"], ("127.0.0.1 port",)),
        ("a bare name", 0, ["host.ok.test", "-t", "MX", "--min-answers", "2", "--expect-answer", "10 mail.ok.test."],
         ("dns:host.ok.test?type=MX", "over udp", "10 mail.ok.test.")),
        ("DNS over TCP", 0, ["dns:host.ok.test", "--tcp", "--edns", "0"], ("over tcp",)),
        ("a DNS server of the target's", 0, ["dns:host.ok.test", "--dns-server", f"127.0.0.1:{t['dns']}"], (str(t["dns"]),)),
        ("another answer than expected", 1, ["dns:host.ok.test", "--expect-only-answer", "10.1.1.1"], ("answer_mismatch",)),
        ("another rcode than expected", 1, ["dns:host.ok.test", "--expect-rcode", "NXDOMAIN"], ("rcode_mismatch",)),
        ("an object with flags", 1,
         [json.dumps({"url": w.url("/ok"), "expect": {"status": [200]}}), "--expect-status", "404"], ("status_mismatch",)),
        ("usage: a value that is none", 2, [page, "--max-redirects", "9"], ("--max-redirects must be an integer from 0 to 5",)),
        ("usage: a flag of the other kind", 2, [page, "--expect-rcode", "NOERROR"], ("--expect-rcode is an option of dns",)),
        ("usage: a header that is none", 2, [page, "-H", "x"], ("--header must be 'NAME: VALUE'",)),
        ("usage: flags that contradict", 2, [page, "-4", "-6"], ("--ipv4 and --ipv6 contradict",)),
        ("usage: no such file", 2, [page, "--cacert", "/nonexistent"], ("--cacert: '/nonexistent' cannot be read",)),
        ("usage: half an object", 2, ['{"url":'], ("is not JSON",)),
    ]
    for name, code, argv, words in cases:
        with w.case("sonde-agent: " + name):
            check(direct(w, *argv), code, *words)
        with w.case("sonde: " + name):
            check(w.cli("probe", *argv), code, *words)
    with echo() as (port, seen):
        url = f"http://127.0.0.1:{port}/"
        for name, run in (("sonde-agent", lambda *a, **k: direct(w, *a, **k)), ("sonde", lambda *a, **k: w.cli("probe", *a, **k))):
            with w.case(name + ": the request is as the flags say"):
                seen.clear()
                check(run(url, "-X", "PUT", "-H", "X-A: b", "-H", "User-Agent: me/1", "-u", "@" + w.path("user"), "-d", "x=1"), 0)
                method, headers, body = seen[0]
                equal((method, body, headers["X-A"], headers["User-Agent"]), ("PUT", "x=1", "b", "me/1"), "the request")
                equal(headers["Authorization"], "Basic " + base64.b64encode(b"me:secret").decode(), "Authorization")
            with w.case(name + ": a body is posted, from a file and from standard input"):
                seen.clear()
                check(run(url, "-d", "@" + w.path("body"), "--bearer", "tok", "--no-compression"), 0)
                check(run(url, "-d", "@-", input="typed"), 0)
                equal([(m, b) for m, _, b in seen], [("POST", '{"a": "b"}\n'), ("POST", "typed")], "the requests")
                equal(seen[0][1]["Authorization"], "Bearer tok", "Authorization")
                expect("Accept-Encoding" not in seen[0][1] and "Accept-Encoding" in seen[1][1], seen)


@short
def test_json_holds_all_that_the_page_shows(w):
    w.world()
    with w.case("redirects with their phases"):
        r = direct(w, w.url("/redirect/1", "host.ok.test"), "--json")
        check(r, 0)
        found = json.loads(r.stdout)
        equal(found["target"], w.url("/redirect/1", "host.ok.test"), "target")
        hop = found["http"]["redirects"][0]
        expect(hop["timings"]["wait_ms"] is not None and hop["status"] == 302, hop)
        equal(found["http"]["url"], w.url("/redirect/0", "host.ok.test"), "the last URL")
    with w.case("a certificate with its chain"):
        r = direct(w, w.url("/ok", "host.ok.test", "https"), "--json")
        tls = json.loads(r.stdout)["http"]["tls"]
        expect(tls["verified"] and tls["chain"][0]["days_left"] == tls["days_left_min"] > 0, tls)
    with w.case("flags of the probe need the command"):
        r = w.run([w.program("sonde-agent"), "--expect-status", "200"])
        check(r, 2, "--expect-status belongs to a probe here and now", "sonde-agent probe TARGET")


@short
def test_policy_of_the_agent(w):
    w.world()
    t, allow = w.targets, ("--allow", "127.0.0.0/8", "--allow", "::1/128")
    http, dns = t["http"], t["dns"]
    named = ["dns:host.ok.test", "--dns-server", f"127.0.0.1:{dns}"]
    before = w.requests()
    refused = [
        ("a port that is denied", "policy_port", [w.url("/ok")], ["--deny-port", str(http)], f"--deny-port {http}"),
        ("a port in a range that is denied", "policy_port", [w.url("/ok")], ["--deny-port", f"1-{http}"], f"--deny-port 1-{http}"),
        ("a port that is not allowed", "policy_port", [w.url("/ok")], ["--allow-port", "443"], f"port {http} is none of --allow-port"),
        ("a method that is denied", "policy_method", [w.url("/ok"), "-X", "POST"], ["--deny-method", "POST"], "POST: --deny-method"),
        ("a method that is not allowed", "policy_method", [w.url("/ok")], ["--allow-method", "HEAD"], "GET: it is none of --allow-method"),
        ("TRACE", "policy_method", [w.url("/ok"), "-X", "TRACE"], [], "TRACE: only --allow-method allows it"),
        ("an address that is denied", "policy_address", [w.url("/ok")], ["--deny", "127.0.0.0/30"], f"127.0.0.1:{http}: --deny 127.0.0.0/30"),
        ("a name's address", "policy_address", [w.url("/ok", "private.ok.test")], [], "10.0.0.1:" + str(http) + ": it is in 10.0.0.0/8 (private)"),
        ("all resolvers, over UDP", "policy_resolver", named, ["--deny-resolver", "all"], f"127.0.0.1:{dns}: --deny-resolver 0.0.0.0/0"),
        ("all resolvers, over TCP", "policy_resolver", [*named, "--tcp"], ["--deny-resolver", "all"], "--deny-resolver 0.0.0.0/0"),
        ("a resolver that is not allowed", "policy_resolver", named, ["--allow-resolver", "9.9.9.0/24"], "none of --allow-resolver"),
        ("a resolver of an http target", "policy_resolver", [w.url("/ok", "host.ok.test"), "--dns-server", f"127.0.0.1:{dns}"],
         ["--deny-resolver", "127.0.0.0/8"], f"127.0.0.1:{dns}: --deny-resolver 127.0.0.0/8"),
    ]
    for name, cause, argv, rules, words in refused:
        with w.case("refused: " + name):
            check(direct(w, *argv, policy=[*allow, *rules]), 1, "refused: " + cause, words)
    equal(w.requests(), before, "requests that reached a target")
    with w.case("refused: a redirect to a port that is not allowed"):
        other = f"http://127.0.0.1:{t['plain']}/"
        r = direct(w, w.url(f"/redirect-to?url={other}"), policy=[*allow, "--allow-port", str(http)])
        check(r, 1, "refused: policy_port", "hop 1       302")
    allowed = [
        ("a port that is allowed", [w.url("/ok")], ["--allow-port", f"{http}-{http}", "--allow-port", "443"]),
        ("a method that is allowed", [w.url("/ok"), "-X", "HEAD"], ["--allow-method", "HEAD"]),
        ("a resolver that is allowed", named, ["--allow-resolver", "127.0.0.0/8"]),
        ("the agent's own resolver when no other is", ["dns:host.ok.test"], ["--deny-resolver", "all"]),
    ]
    for name, argv, rules in allowed:
        with w.case("allowed: " + name):
            check(direct(w, *argv, policy=[*allow, *rules]), 0)
    with w.case("allowed: TRACE by name"), echo() as (port, seen):
        check(direct(w, f"http://127.0.0.1:{port}/", "-X", "TRACE", policy=[*allow, "--allow-method", "TRACE"]), 0)
        equal(seen[0][0], "TRACE", "method")
    with w.case("of a name with two addresses the denied one is left out"):
        r = direct(w, w.url("/ok", "both.ok.test"), "--json", policy=["--allow", "127.0.0.0/8"])
        check(r, 0)
        equal(json.loads(r.stdout)["http"]["ip"], "127.0.0.1", "address")
    with w.case("wrong rules are named"):
        for flag, value in (("--allow-port", "90-80"), ("--deny-method", "G T"), ("--deny-resolver", "none"), ("--allow-method", "CONNECT")):
            check(direct(w, w.url("/ok"), flag, value), 2, flag, value)
