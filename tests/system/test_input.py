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
    """(case, type, body, status, words that the sentence must hold: the thing, and what would be right)"""
    long_url = "http://a.test/" + "x" * 9000
    return [
        ("empty batch in JSON", "application/json", {"targets": []}, 422, ("empty", "'targets'")),
        ("no targets at all", "application/json", {"name": "x"}, 422, ("no 'targets'", "array of URIs")),
        ("empty text", "text/plain", "\n# nothing\n", 422, ("empty", "one URI a line")),
        ("no body", "application/json", "", 400, ("empty", '{"targets"')),
        ("not JSON", "application/json", "{targets:", 400, ("not good JSON", "byte 1")),
        ("JSON that ends too soon", "application/json", '{"targets":["' + url + '"', 400, ("not good JSON", "too soon")),
        ("an array instead of an object", "application/json", [url], 400, ("object with 'targets'",)),
        ("unknown field", "application/json", {"targets": [url], "colour": "red"}, 422, ("'colour'",)),
        ("wrong type of a field", "application/json", {"targets": [url], "deadline_s": "soon"}, 422,
         ("'deadline_s'", "integer from 1 to", '"soon"')),
        ("targets of the wrong type", "application/json", {"targets": url}, 400, ("'targets'", "array")),
        ("unknown priority", "application/json", {"targets": [url], "priority": "urgent"}, 422, ("'priority'", '"bulk"', '"urgent"')),
        ("deadline out of range", "application/json", {"targets": [url], "deadline_s": 999999999}, 422, ("'deadline_s'", "2592000")),
        ("unknown default", "application/json", {"targets": [url], "defaults": {"timeout": 3}}, 422, ("'timeout'",)),
        ("invalid UTF-8", "application/json", b'{"targets":["http://a.test/\xff\xfe"]}', 422, ("UTF-8",)),
        ("text of which no line is good", "text/plain", "ftp://a.test/\n", 422, ("'ftp'", "http, https and dns")),
        ("a bare host name", "text/plain", "example.com\n", 422, ("https://example.com/", "dns:example.com")),
        ("an URL that is too long", "text/plain", long_url + "\n", 422, ("9014 bytes", "8192")),
        ("a line that is too long", "text/plain", "http://a.test/" + "x" * 300000 + "\n", 422, ("line", "64 KiB", "shorten")),
        ("invalid UTF-8 in text", "text/plain", b"http://a.test/\xff\xfe\n", 422, ("UTF-8", "save the text")),
        ("CSV without a column of targets", "text/csv", "name,timeout_ms\na,5\n", 422, ("'name'", "'url'", "'target'")),
        ("CSV with a quote that is never closed", "text/csv", "url\n\"" + url + "\n", 422, ("line 2", "never closed")),
        ("CSV without records", "text/csv", "url\n", 422, ("empty",)),
        ("10,000 levels deep", "application/json", '{"targets":["' + url + '"],"labels":' + "[" * 10000, 400, ("too deep", "byte")),
        ("a target 10,000 levels deep", "application/json", '{"targets":[' + "[" * 10000 + "]" * 10000 + "]}", 400, ("too deep",)),
        ("a number beyond every range", "application/json", '{"targets":["' + url + '"],"deadline_s":1e400}', 400, ("number",)),
        ("a number beyond every range in a target", "application/json", '{"targets":[{"url":"' + url + '","timeout_ms":-1e400}]}', 422,
         ("number",)),
        ("an option twice", "application/json", '{"targets":["' + url + '"],"name":"a","name":"b"}', 400, ("duplicate", "name")),
        ("targets twice", "application/json", '{"targets":["' + url + '"],"targets":[]}', 400, ("'targets'", "twice")),
        ("a field of a target twice", "application/json", '{"targets":[{"url":"' + url + '","url":"x"}]}', 422, ("duplicate", "url")),
        ("a NUL", "application/json", '{"targets":["' + url + '\\u0000"]}', 422, ("u0000",)),
        ("a raw NUL", "application/json", '{"targets":["' + url + '\0"]}', 422, ("NUL",)),
        ("a name of 1 MB", "application/json", '{"targets":["' + url + '"],"name":"' + "x" * 1000000 + '"}', 422, ("'name'", "256")),
        ("a field name of 1 MB", "application/json", '{"targets":["' + url + '"],"' + "x" * 1000000 + '":1}', 400, ("name is too long",)),
        ("a target of 1 MB", "application/json", '{"targets":["' + "x" * 1000000 + '"]}', 422, ("64 KiB", "shorten")),
        ("text behind the end", "application/json", '{"targets":["' + url + '"]} {}', 400, ("behind the end",)),
        ("unknown type of a body", "application/xml", "<x/>", 415, ("application/xml", "application/json", "text/plain")),
        ("strict=1 and one bad line of two", "text/plain", url + "\nftp://a.test/\n", 422, ("strict=1", "'ftp'")),
    ]


def check_bad_bodies(w, url):
    for case, kind, body, status, words in bad_bodies(url):
        with w.case(case):
            query = "?strict=1" if case.startswith("strict=1") else ""
            problem(w.api.post("batches" + query, body, type=kind), status, None, *words)


def bad_targets(w, url):
    """Each beside a good target in a JSON batch: reported with its place, and the good one runs."""
    table = [
        ("unknown scheme", "ftp://a.test/", ("'ftp'", "http, https and dns")),
        ("malformed URI", "http://[::1/", ("'['", "']'")),
        ("no host", "http:///x", ("no host", "http://HOST/")),
        ("no name", "dns:?type=A", ("no name", "dns:NAME")),
        ("port out of range", "http://a.test:70000/", ("70000", "65535")),
        ("userinfo", "http://user:secret@a.test/", ("user", "password", "Authorization")),
        ("control character", "http://a.test/\x01", ("control character", "remove")),
        ("over-long URL", "http://a.test/" + "x" * 9000, ("9014", "8192")),
        ("unknown field", {"url": url, "colour": "red"}, ("'colour'",)),
        ("wrong type", {"url": url, "timeout_ms": "fast"}, ("'timeout_ms'", "integer", '"fast"')),
        ("out of range", {"url": url, "timeout_ms": 99999999}, ("'timeout_ms'", "30000")),
        ("both url and dns", {"url": url, "dns": "dns:a.test"}, ("'url'", "'dns'", "both")),
        ("neither url nor dns", {"timeout_ms": 100}, ("'url'", "'dns'", "none")),
        ("unknown record type", {"dns": "dns:a.test?type=NONSENSE"}, ("'NONSENSE'", "AAAA", "TYPE65")),
        ("bad regular expression", {"url": url, "expect": {"body_regex": "("}}, ("'body_regex'", "parenthesis")),
        ("a number", 17, ("URI", "object", "number")),
    ]
    for case, target, words in table:
        with w.case("a bad target beside a good one: " + case):
            r = w.api.must("POST", "batches", {"targets": [url, target, url]}, 202).json
            equal((r["accepted"], r["rejected"]), (2, 1), "accepted, rejected")
            equal(len(r["errors"]), 1, "errors")
            equal(r["errors"][0]["line"], 2, "the place")
            for word in words:
                expect(word in r["errors"][0]["detail"], f"it does not name {word!r}:", r["errors"][0])


@short
def test_bad_bodies_and_targets(w):
    w.fleet(agents=())
    url = w.url("/ok")
    first = w.api.submit([url])
    check_bad_bodies(w, url)
    bad_targets(w, url)
    with w.case("what was accepted before is all still there, and runs"):
        listed = w.api.must("GET", "batches?limit=500").json["batches"]
        # One of one target, and of each bad target a batch with the two good ones beside it.
        equal(sorted(b["counts"]["total"] for b in listed), [1] + [2] * (len(listed) - 1), "targets of the batches")
        w.agent("a1")
        for b in listed:
            equal(w.wait_batch(b["id"], 20)["ok"], b["counts"]["total"], "ok")
        expect(first in [b["id"] for b in listed], "the first batch is gone")


@short
def test_bad_requests(w):
    w.fleet(agents=())
    none = "01930000-0000-7000-8000-000000000000"
    batch = w.api.submit([w.url("/ok")])
    table = [
        ("unknown batch", "GET", f"batches/{none}", None, 404, (none, "GET /api/v1/batches")),
        ("results of an unknown batch", "GET", f"batches/{none}/results", None, 404, (none,)),
        ("cancel of an unknown batch", "POST", f"batches/{none}/cancel", None, 404, (none,)),
        ("a batch id that is none", "GET", "batches/hello", None, 404, ("'hello'", "GET /api/v1/batches")),
        ("unknown task", "GET", "tasks/999999999999", None, 404, ("999999999999",)),
        ("a task id that is none", "GET", "tasks/x", None, 404, ("'x'",)),
        ("unknown agent", "GET", "agents/nobody", None, 404, ("'nobody'", "GET /api/v1/agents")),
        ("unknown path", "GET", "nonsense", None, 404, ("/api/v1/nonsense",)),
        ("wrong method", "DELETE", "batches", None, 405, ("DELETE", "POST")),
        ("wrong method of a batch", "PUT", f"batches/{batch}", "x", 405, ("PUT", "GET")),
        ("unknown query parameter", "GET", f"batches/{batch}/results?colour=red", None, 400, ("'colour'",)),
        ("limit that is no number", "GET", f"batches/{batch}/results?limit=many", None, 400, ("'limit'", '"many"')),
        ("cursor that is none", "GET", f"batches/{batch}/results?cursor=abc", None, 400, ("'cursor'", '"abc"')),
        ("outcome that is none", "GET", f"batches/{batch}/results?outcome=nice", None, 400, ("'outcome'", "undetermined", '"nice"')),
        ("a probe of nonsense", "POST", "probes", {"url": "nonsense"}, 422, ("'nonsense'", "https://nonsense/")),
        ("a probe with an unknown field", "POST", "probes", {"url": "http://a.test/", "colour": 1}, 422, ("'colour'",)),
    ]
    for case, method, path, body, status, words in table:
        with w.case(case):
            problem(w.api.call(method, path, body), status, None, *words)
    with w.case("wrong method says which are right"):
        expect("POST" in w.api.call("DELETE", "batches").headers.get("Allow", ""), "no Allow header")
    equal(w.api.counts(batch)["total"], 1, "the batch that was accepted before")


@short
def test_body_larger_than_the_limit(w):
    w.world()
    w.master("--body-max", "1048576")
    w.nginx()
    batch = w.api.submit([w.url("/ok")])
    with w.case("declared"):
        r = w.api.post("batches", "http://127.0.0.1/ok\n" * 100000, type="text/plain")
        problem(r, 413, None, "1048576 bytes", "split the batch")
    with w.case("chunked"):
        chunks = (b"http://127.0.0.1/ok\n" * 1000 for _ in range(100))
        r = w.api.call("POST", "batches", chunks, type="text/plain")
        problem(r, 413, None, "1048576 bytes", "split the batch")
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
        ("a request with a body", post, 426, "agent"),
        ("three of them at once", post * 3, 426, "agent"),
        ("a plain GET", "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426, "agent"),
        ("the API's path", "GET /api/v1/batches HTTP/1.1\r\nHost: x\r\n\r\n", 404, "/ws"),
        ("an upgrade without a token", upgrade.format("/ws", "Sec-WebSocket-Protocol: sonde.v1\r\n"), 401, "scope agent"),
        ("an upgrade with a wrong token", upgrade.format("/ws", "Sec-WebSocket-Protocol: sonde.v1\r\nAuthorization: Bearer wrong\r\n"), 401, "oken"),
        ("an upgrade of another path", upgrade.format("/other", "Sec-WebSocket-Protocol: sonde.v1\r\n"), 404, "/ws"),
        ("an upgrade without the subprotocol", upgrade.format("/ws", f"Authorization: Bearer {w.token('agent')}\r\n"), 400, "sonde.v1"),
    ]
    for case, data, status, word in table:
        with w.case(case):
            head, _, body = raw(port, data.encode()).decode("latin-1").partition("\r\n\r\n")
            expect(head.startswith(f"HTTP/1.1 {status} "), f"got {head[:200]!r}, wanted {status}")
            expect(word in body and body.endswith(".\n"), f"the sentence does not name {word!r}: {body!r}")
            expect(body.count("HTTP/1.1") == 0, "more than one answer")
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
    unknown = ("token", "sonde-master token add")
    table = [
        ("none", None, read, 401, ("no token", "Authorization: Bearer", "admin.token")),
        ("a wrong one", "sonde_wrong", read, 401, unknown),
        ("a wrong one that is long", "x" * 5000, read, 401, unknown),
        ("read may read", tokens["read"], read, 200, ()),
        ("read may not submit", tokens["read"], submit, 403, ("'submit'", "'read'")),
        ("read may not cancel", tokens["read"], cancel, 403, ("'submit'", "'read'")),
        ("submit may read", tokens["submit"], read, 200, ()),
        ("submit may submit", tokens["submit"], submit, 202, ()),
        ("admin may submit", tokens["admin"], submit, 202, ()),
        ("agent may not read", tokens["agent"], read, 403, ("'read'", "'agent'")),
        ("agent may not submit", tokens["agent"], submit, 403, ("'submit'", "'agent'")),
    ]
    for case, token, (method, path, body), status, words in table:
        with w.case(case):
            def answer():
                return w.api.call(method, path, body, token=token)

            # A new token is known within a second.
            if status != 401:
                w.wait_for(lambda: answer().status != 401, 5, "the token is known")
            r = answer()
            if status < 300:
                equal(r.status, status, "status")
            else:
                problem(r, status, None, *words)
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
