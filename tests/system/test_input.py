# SPDX-License-Identifier: MIT
"""Bad input: one clear sentence that names the thing and the fix, the right status, and nothing lost of what was accepted."""
import json
import re
import socket

from harness import Api, equal, expect, short


def problem(r, status, code=None, *words):
    """An answer of RFC 9457 with that status and code, whose sentence holds those words."""
    statuses = status if isinstance(status, tuple) else (status,)
    expect(r.status in statuses, f"{r!r}, wanted {status}")
    expect(r.headers.get("Content-Type", "").startswith("application/problem+json"), "the type is", r.headers.get("Content-Type"))
    p = r.json
    equal(p["status"], r.status, "status in the body")
    expect(re.fullmatch(r"[a-z][a-z0-9_]*", p["code"]), "the code is", p["code"])
    if code:
        equal(p["code"], code, "code")
    sentence = p.get("detail") or p.get("title") or ""
    sentence += " ".join(e.get("detail", "") for e in p.get("errors", []))
    expect(sentence, "no sentence")
    for word in words:
        expect(word in sentence, f"the sentence does not name {word!r}: {sentence}")


def bad_bodies(url):
    """(case, type, body, words that the answer must hold)"""
    long_url = "http://a.test/" + "x" * 9000
    return [
        ("empty batch in JSON", "application/json", {"targets": []}, ()),
        ("no targets at all", "application/json", {"name": "x"}, ("targets",)),
        ("empty text", "text/plain", "\n# nothing\n", ()),
        ("no body", "application/json", "", ()),
        ("not JSON", "application/json", "{targets:", ()),
        ("JSON that ends too soon", "application/json", '{"targets":["' + url + '"', ()),
        ("an array instead of an object", "application/json", [url], ()),
        ("unknown field", "application/json", {"targets": [url], "colour": "red"}, ("colour",)),
        ("wrong type of a field", "application/json", {"targets": [url], "deadline_s": "soon"}, ("deadline_s",)),
        ("targets of the wrong type", "application/json", {"targets": url}, ("targets",)),
        ("unknown priority", "application/json", {"targets": [url], "priority": "urgent"}, ("priority",)),
        ("deadline out of range", "application/json", {"targets": [url], "deadline_s": 999999999}, ("deadline_s",)),
        ("unknown default", "application/json", {"targets": [url], "defaults": {"timeout": 3}}, ("timeout",)),
        ("invalid UTF-8", "application/json", b'{"targets":["http://a.test/\xff\xfe"]}', ("UTF-8",)),
        ("text of which no line is good", "text/plain", "ftp://a.test/\n", ("ftp",)),
        ("a bare host name", "text/plain", "example.com\n", ("http", "dns:")),
        ("an URL that is too long", "text/plain", long_url + "\n", ()),
        ("a line that is too long", "text/plain", "http://a.test/" + "x" * 300000 + "\n", ()),
        ("invalid UTF-8 in text", "text/plain", b"http://a.test/\xff\xfe\n", ("UTF-8",)),
    ]


def check_bad_bodies(w, url):
    for case, kind, body, words in bad_bodies(url):
        with w.case(case):
            problem(w.api.post("batches", body, type=kind), (400, 413, 422), None, *words)


def bad_targets(w, url):
    """Each beside a good target in a JSON batch: reported with its place, and the good one runs."""
    table = [
        ("unknown scheme", "ftp://a.test/", ("ftp",)),
        ("malformed URI", "http://[::1/", ()),
        ("port out of range", "http://a.test:70000/", ()),
        ("userinfo", "http://user:secret@a.test/", ()),
        ("control character", "http://a.test/\x01", ()),
        ("unknown field", {"url": url, "colour": "red"}, ("colour",)),
        ("wrong type", {"url": url, "timeout_ms": "fast"}, ("timeout_ms",)),
        ("out of range", {"url": url, "timeout_ms": 99999999}, ("timeout_ms",)),
        ("both url and dns", {"url": url, "dns": "dns:a.test"}, ()),
        ("neither url nor dns", {"timeout_ms": 100}, ()),
        ("unknown record type", {"dns": "dns:a.test?type=NONSENSE"}, ("NONSENSE",)),
        ("bad regular expression", {"url": url, "expect": {"body_regex": "("}}, ("body_regex",)),
        ("a number", 17, ()),
    ]
    for case, target, words in table:
        with w.case("a bad target beside a good one: " + case):
            r = w.api.must("POST", "batches", {"targets": [url, target, url]}, 202).json
            equal((r["accepted"], r["rejected"]), (2, 1), "accepted, rejected")
            equal(len(r["errors"]), 1, "errors")
            expect(r["errors"][0]["line"] in (2, "2"), "the place is", r["errors"][0])
            for word in words:
                expect(word in r["errors"][0]["detail"], f"it does not name {word!r}:", r["errors"][0])


@short
def test_bad_bodies_and_targets(w):
    w.fleet(agents=())
    url = w.url("/ok")
    first = w.api.submit([url])
    check_bad_bodies(w, url)
    bad_targets(w, url)
    equal(w.api.counts(first)["total"], 1, "the batch that was accepted before")


@short
def test_bad_requests(w):
    w.fleet(agents=())
    none = "01930000-0000-7000-8000-000000000000"
    batch = w.api.submit([w.url("/ok")])
    table = [
        ("unknown batch", "GET", f"batches/{none}", None, 404),
        ("results of an unknown batch", "GET", f"batches/{none}/results", None, 404),
        ("cancel of an unknown batch", "POST", f"batches/{none}/cancel", None, 404),
        ("a batch id that is none", "GET", "batches/hello", None, (400, 404)),
        ("unknown task", "GET", "tasks/999999999999", None, 404),
        ("a task id that is none", "GET", "tasks/x", None, (400, 404)),
        ("unknown agent", "GET", "agents/nobody", None, 404),
        ("unknown path", "GET", "nonsense", None, 404),
        ("wrong method", "DELETE", "batches", None, 405),
        ("wrong method of a batch", "PUT", f"batches/{batch}", "x", 405),
        ("unknown query parameter", "GET", f"batches/{batch}/results?colour=red", None, 400),
        ("limit that is no number", "GET", f"batches/{batch}/results?limit=many", None, 400),
        ("cursor that is none", "GET", f"batches/{batch}/results?cursor=abc", None, 400),
        ("outcome that is none", "GET", f"batches/{batch}/results?outcome=nice", None, 400),
        ("a probe of nonsense", "POST", "probes", {"url": "nonsense"}, (400, 422)),
        ("a probe with an unknown field", "POST", "probes", {"url": "http://a.test/", "colour": 1}, (400, 422)),
    ]
    for case, method, path, body, status in table:
        with w.case(case):
            problem(w.api.call(method, path, body), status)
    with w.case("wrong method says which are right"):
        expect("POST" in w.api.call("DELETE", "batches").headers.get("Allow", ""), "no Allow header")
    with w.case("unknown type of a body"):
        problem(w.api.post("batches", "<x/>", type="application/xml"), 415, None, "application/xml")


@short
def test_body_larger_than_the_limit(w):
    w.world()
    w.master("--body-max", "1048576")
    w.nginx()
    batch = w.api.submit([w.url("/ok")])
    with w.case("declared"):
        r = w.api.post("batches", "http://127.0.0.1/ok\n" * 100000, type="text/plain")
        problem(r, 413)
    with w.case("chunked"):
        chunks = (b"http://127.0.0.1/ok\n" * 1000 for _ in range(100))
        r = w.api.call("POST", "batches", chunks, type="text/plain")
        problem(r, 413)
    equal([b["id"] for b in w.api.must("GET", "batches").json["batches"]], [batch], "batches")


def raw(port, data, timeout=10):
    """What comes back for these bytes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(data)
        got = b""
        while True:
            try:
                part = s.recv(65536)
            except ConnectionResetError:
                return got
            if not part:
                return got
            got += part


@short
def test_agents_port_takes_nothing_but_agents(w):
    w.fleet(agents=("a1",))
    port = w.port["agents"]
    session = w.api.agent("a1")["session"]
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    upgrade = "GET {} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + key + "{}\r\n"
    post = "POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world"
    table = [
        ("a request with a body", post, (400, 404, 405, 426)),
        ("three of them at once", post * 3, (400, 404, 405, 426)),
        ("a plain GET", "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", (400, 404, 426)),
        ("the API's path", "GET /api/v1/batches HTTP/1.1\r\nHost: x\r\n\r\n", (400, 404, 426)),
        ("an upgrade without a token", upgrade.format("/ws", "Sec-WebSocket-Protocol: sonde.v1\r\n"), (401,)),
        ("an upgrade with a wrong token", upgrade.format("/ws", "Sec-WebSocket-Protocol: sonde.v1\r\nAuthorization: Bearer wrong\r\n"), (401,)),
        ("an upgrade of another path", upgrade.format("/other", "Sec-WebSocket-Protocol: sonde.v1\r\n"), (404,)),
        ("an upgrade without the subprotocol", upgrade.format("/ws", "Authorization: Bearer x\r\n"), (400, 401)),
    ]
    for case, data, statuses in table:
        with w.case(case):
            first = raw(port, data.encode())[:200].decode("latin-1").split("\r\n")[0]
            status = int(first.split()[1]) if first.startswith("HTTP/1.") else None
            expect(status in statuses, f"got {first!r}, wanted {statuses}")
    with w.case("bytes that are no HTTP"):
        raw(port, b"\x16\x03\x01\x00\xa5 nonsense\r\n\r\n")
    equal(w.api.agent("a1")["session"], session, "the agent's session")
    equal(w.wait_batch(w.api.submit([w.url("/ok")] * 5), 20)["ok"], 5, "ok")


@short
def test_tokens(w):
    w.fleet(agents=("a1",))
    url, batch = w.url("/ok"), w.api.submit([w.url("/ok")])
    tokens = {scope: w.token(scope, "t-" + scope if scope == "agent" else None) for scope in ("read", "submit", "admin", "agent")}
    read, submit = ("GET", "batches", None), ("POST", "batches", {"targets": [url]})
    cancel = ("POST", f"batches/{batch}/cancel", None)
    table = [
        ("none", None, read, 401),
        ("a wrong one", "sonde_wrong", read, 401),
        ("a wrong one that is long", "x" * 5000, read, (401, 400, 431)),
        ("read may read", tokens["read"], read, 200),
        ("read may not submit", tokens["read"], submit, 403),
        ("read may not cancel", tokens["read"], cancel, 403),
        ("submit may read", tokens["submit"], read, 200),
        ("submit may submit", tokens["submit"], submit, 202),
        ("admin may submit", tokens["admin"], submit, 202),
        ("agent may not read", tokens["agent"], read, 403),
        ("agent may not submit", tokens["agent"], submit, 403),
    ]
    for case, token, (method, path, body), status in table:
        with w.case(case):
            def answer():
                return w.api.call(method, path, body, token=token)

            # A new token is known within a second.
            if isinstance(status, int) and status in (200, 202, 403):
                w.wait_for(lambda: answer().status != 401, 5, "the token is known")
            r = answer()
            if isinstance(status, int) and status < 300:
                equal(r.status, status, "status")
            else:
                problem(r, status)
    with w.case("401 says how to authenticate"):
        expect("Bearer" in w.api.get("batches", token=None).headers.get("WWW-Authenticate", ""), "no WWW-Authenticate")
    with w.case("health needs none"):
        for path in ("/healthz", "/readyz"):
            equal(w.api.get(path, token=None).status, 200, path)
    with w.case("a revoked one is refused within 2 s"):
        revoke(w, tokens["submit"], "submit")
        w.wait_for(lambda: w.api.get("batches", token=tokens["submit"]).status == 401, 4, "it is refused")
    with w.case("a revoked agent loses its session within 2 s"):
        revoke(w, None, "a1")
        w.wait_for(lambda: w.api.agent("a1")["state"] != "alive", 5, "it is cut")
    with w.case("no token stands in a log"):
        secrets = list(tokens.values()) + [w.api.token]
        texts = [p.log() for p in w.procs] + [open(w.path("nginx", "access.log"), encoding="utf-8").read()]
        expect(not any(s in t for s in secrets for t in texts), "a token was found in a log")


def revoke(w, token, about):
    """Revokes the token whose line of `token list` names that scope or agent."""
    program = w.program("sonde-master")
    listed = w.run([program, "token", "list", "--data", w.path("data")])
    expect(listed.returncode == 0, listed.stderr)
    expect(not token or token not in listed.stdout, "the list shows a token itself")
    line = [x for x in listed.stdout.splitlines() if re.search(rf"\b{about}\b", x)][0]
    r = w.run([program, "token", "revoke", line.split()[0], "--data", w.path("data")])
    expect(r.returncode == 0, "token revoke:", r.stderr)


def test_slow_client_does_not_stop_the_others(w):
    w.fleet(agents=("a1",))
    with socket.create_connection(("127.0.0.1", w.port["api"])) as s:
        s.sendall(b"POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n")
        direct = Api(w.port["api"], w.api.token)
        equal(direct.get("/healthz").status, 200, "healthz")
        equal(w.wait_batch(w.api.submit([w.url("/ok")]), 20)["ok"], 1, "ok")
