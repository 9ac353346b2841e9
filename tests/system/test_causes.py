# SPDX-License-Identifier: MIT
"""Every cause that targets, their DNS and the agent's policy can produce, each from a target that is ill in just that way."""
import glob
import os
import re

from harness import TOP, equal, expect, short
from ills import patient


def causes(t):
    """(cause or None, case, target)"""
    http, dns = t["http"], t["dns"]

    def web(path, **more):
        return {"url": f"http://c.ok.test:{http}{path}", "timeout_ms": 2000, **more}

    def at(port, path="/ok", scheme="http", host="c.ok.test", **more):
        return {"url": f"{scheme}://{host}:{t[port]}{path}", "timeout_ms": 2000, **more}

    def tls(kind, **more):
        return at(kind, "/ok", "https", **more)

    def name(uri, **more):
        return {"dns": uri, "timeout_ms": 2000, **more}

    return [
        ("dns_nxdomain", "an http host that does not exist", {"url": f"http://nx.ok.test:{http}/"}),
        ("dns_nodata", "an http host without addresses", {"url": f"http://nodata.ok.test:{http}/"}),
        ("dns_servfail", "an http host whose DNS says SERVFAIL", {"url": f"http://servfail.ok.test:{http}/"}),
        ("dns_refused", "an http host whose DNS says REFUSED", {"url": f"http://refused.ok.test:{http}/"}),
        ("dns_timeout", "an http host whose DNS is silent", {"url": f"http://silent.ok.test:{http}/", "timeout_ms": 2000}),
        ("dns_malformed", "an http host whose DNS answers rubbish", {"url": f"http://malformed.ok.test:{http}/", "timeout_ms": 3000}),
        ("dns_nxdomain", "a dns target that does not exist", name("dns:nx.ok.test?type=A")),
        ("dns_nodata", "a dns target without such a record", name("dns:nodata.ok.test?type=MX")),
        ("answer_mismatch", "fewer answers than asked for", name("dns:a.ok.test?type=MX", expect={"min_answers": 3})),
        ("dns_servfail", "a dns target with SERVFAIL", name("dns:servfail.ok.test?type=A")),
        ("dns_refused", "a dns target with REFUSED", name("dns:refused.ok.test?type=A")),
        ("dns_timeout", "a dns target without an answer", name(f"dns://127.0.0.1:{dns}/silent.ok.test?type=A")),
        ("dns_malformed", "a dns target with rubbish", name("dns:malformed.ok.test?type=A")),
        ("dns_timeout", "a dns answer with another id is no answer", name(f"dns://127.0.0.1:{dns}/wrongid.ok.test?type=A")),
        ("rcode_mismatch", "a dns answer with another rcode than asked for", name("dns:nx.ok.test?type=A", expect={"rcode": "SERVFAIL"})),
        ("connect_refused", "nobody listens", at("refused")),
        ("connect_timeout", "the accept queue is full", at("full")),
        ("response_timeout", "accepted and never answered", at("tarpit")),
        ("response_timeout", "asked and never answered", web("/tarpit")),
        ("tls_timeout", "a TLS handshake that is never answered", at("tarpit", "/", "https")),
        ("tls_handshake", "a TLS alert", at("tls_alert", "/", "https")),
        ("tls_handshake", "plain HTTP where TLS should be", at("plain", "/ok", "https")),
        ("tls_expired", "an expired certificate", tls("https_expired")),
        ("tls_not_yet_valid", "a certificate of the future", tls("https_future")),
        ("tls_name_mismatch", "a certificate for another name", tls("https_wrong_name")),
        ("tls_self_signed", "a certificate that signed itself", tls("https_self_signed")),
        (None, "a bad certificate with verify_tls off", tls("https_expired", verify_tls=False)),
        ("cert_expires_soon", "a good certificate, but not for a year", tls("https", expect={"tls_min_days": 365})),
        (None, "a good certificate", tls("https", expect={"tls_min_days": 30})),
        ("body_timeout", "a body that stalls", web("/stall")),
        ("body_timeout", "a body that drips for ever", web("/drip")),
        ("reset_after_connect", "reset after the request", web("/reset")),
        ("reset_after_connect", "reset at the first byte", at("reset")),
        ("empty_reply", "closed without a reply", web("/empty")),
        ("protocol_error", "a reply that is no HTTP", web("/garbage")),
        ("too_many_redirects", "a redirect to itself", web("/loop")),
        ("too_many_redirects", "six redirects", web("/redirect/6")),
        (None, "five redirects", web("/redirect/5")),
        ("http_4xx", "a redirect that is not followed into 404", web("/redirect-to?url=%2Fnone")),
        (None, "a redirect that is not to be followed", web("/redirect/1", follow_redirects=False)),
        ("body_too_large", "a body over body_limit", web("/big/2000000")),
        ("body_too_large", "a gzip bomb", web("/gzip/20000000", timeout_ms=10000)),
        ("header_too_large", "endless headers", web("/headers/5000")),
        ("http_4xx", "404", web("/status/404")),
        ("http_5xx", "503", web("/status/503")),
        ("status_mismatch", "204 where 200 was expected", web("/status/404", expect={"status": [200, "5xx"]})),
        (None, "404 where 404 was expected", web("/status/404", expect={"status": [404]})),
        ("body_mismatch", "a body without what was expected", web("/ok", expect={"body_regex": "no such text"})),
        ("body_mismatch", "a body with what was not expected", web("/ok", expect={"body_not_regex": "all is well"})),
        ("header_mismatch", "a header without what was expected", web("/json", expect={"header": {"X-World": "^real$"}})),
        ("header_mismatch", "a header that is absent", web("/json", expect={"header": {"X-Other": ""}})),
        (None, "a header as expected", web("/json", expect={"header": {"x-world": "^test$"}})),
        ("json_mismatch", "another value in the JSON", web("/json", expect={"json": [{"path": "$.status", "equals": "down"}]})),
        ("json_mismatch", "a page where JSON was expected", web("/ok", expect={"json": [{"path": "$"}]})),
        (None, "JSON as expected", web("/json", expect={"json": [{"path": "$.n", "equals": 3}, {"path": "$['status']", "regex": "^u"}]})),
        ("body_too_large", "more on the wire than wire_limit", web("/big/500000", wire_limit=100000)),
        ("policy_resolver", "a private resolver for an http host", web("/ok", resolver="10.0.0.1")),
        (None, "an http host asked of the resolver that is named", web("/ok", resolver=f"127.0.0.1:{dns}")),
        ("too_slow", "slower than max_total_ms", web("/slow/400", expect={"max_total_ms": 100})),
        ("policy_address", "a private address", {"url": "http://10.0.0.1/"}),
        ("policy_address", "a name with a private address", {"url": f"http://private.ok.test:{http}/"}),
        ("policy_address", "a name with the metadata address", {"url": f"http://meta.ok.test:{http}/"}),
        ("policy_address", "the metadata address in IPv6", {"url": "http://[::ffff:169.254.169.254]/"}),
        ("policy_address", "a redirect to the metadata address", web("/redirect-to?url=http%3A%2F%2F169.254.169.254%2F")),
        ("policy_resolver", "a resolver of the private kind", name("dns://10.0.0.1/a.test?type=A")),
        (None, "IPv6", {"url": f"http://v6.ok.test:{http}/ok"} if t["v6"] else {"url": f"http://c.ok.test:{http}/ok"}),
        (None, "both families", {"url": f"http://both.ok.test:{http}/ok"}),
        (None, "a name with an alias", {"url": f"http://alias.ok.test:{http}/ok"}),
    ] + [
        (None, f"dns {kind}", name(f"dns:{label}.ok.test?type={kind}"))
        for label, kind in [("a", "A"), ("both", "AAAA"), ("alias", "CNAME"), ("a", "MX"), ("a", "NS"), ("a", "TXT"),
                            ("a", "SOA"), ("a", "PTR"), ("a", "SRV"), ("a", "CAA"), ("a", "TYPE65400"), ("trunc", "A"),
                            ("many", "A")]
    ]


def run_all(w):
    """All of them as one batch: the target's result by its user_id."""
    table = causes(w.targets)
    targets = [{**patient(cause, target), "user_id": str(i)} for i, (cause, _, target) in enumerate(table)]
    batch = w.api.submit(targets, per_host=0)
    w.wait_batch(batch, 60)
    results = {r["user_id"]: r for r in w.one_result_each(batch, len(targets))}
    return table, results


@short
def test_every_cause(w):
    w.fleet(agents=("a1",))
    table, results = run_all(w)
    for i, (cause, case, _) in enumerate(table):
        r = results[str(i)]
        with w.case(f"{cause or 'ok'}: {case}"):
            equal(r["cause"], cause, f"cause ({r['message']})")
            wanted = "ok" if not cause else "refused" if cause.startswith("policy") else "failed"
            equal(r["outcome"], wanted, "outcome")
            expect(bool(r["message"]) == bool(cause), "message", r["message"])


@short
def test_no_cause_is_left_out(w):
    """What a target, its resolver, the policy or the user can be told of, some test in this folder expects by its word."""
    with open(os.path.join(TOP, "proto", "causes.def"), encoding="utf-8") as f:
        words = re.findall(r"^CAUSE\((\w+), (?:TARGET|RESOLVER|POLICY|USER),", f.read(), re.M)
    expect(len(words) > 40, words)
    texts = []
    for path in glob.glob(os.path.join(TOP, "tests", "system", "test_*.py")):
        with open(path, encoding="utf-8") as f:
            texts.append(f.read())
    left = [word for word in words if not any(f'"{word}"' in text for text in texts)]
    expect(not left, "no test expects", ", ".join(left))


def one(w, target):
    batch = w.api.submit([target])
    w.wait_batch(batch, 30)
    return w.api.results(batch)[0]


@short
def test_what_a_result_holds(w):
    w.fleet(agents=("a1",))
    t = w.targets
    with w.case("phases of https; none is missing"):
        r = one(w, f"https://c.ok.test:{t['https']}/ok")
        expect(all(ms is not None for phase, ms in r["timings"].items() if phase != "proxy_ms"), r["timings"])
        equal(r["http"]["status"], 200, "status")
        equal(r["http"]["title"], "A fine page", "title")
        equal(r["http"]["tls"]["verified"], True, "verified")
        expect(88 <= r["http"]["tls"]["days_left"] <= 90, "days left", r["http"]["tls"]["days_left"])
        equal(r["agent"], "a1", "agent")
    with w.case("the certificate, its key and its chain"):
        tls = one(w, f"https://c.ok.test:{t['https']}/ok")["http"]["tls"]
        equal((tls["key_type"], tls["key_bits"], tls["signature"]), ("EC", 256, "ecdsa-with-SHA256"), "key")
        equal((tls["ocsp_stapled"], tls["chain_length"]), (False, 1), "stapled, length of the chain")
        equal(tls["chain"][0]["subject"], tls["subject"], "the chain begins with the leaf")
        equal(tls["days_left_min"], tls["days_left"], "days left")
    with w.case("a page in GBK is UTF-8 in the result, and to patterns"):
        r = one(w, {"url": f"http://c.ok.test:{t['http']}/gbk", "keep_body": 1000, "expect": {"body_regex": "你好"}})
        equal((r["outcome"], r["http"]["title"]), ("ok", "中国"), "outcome, title")
        equal(r["http"]["body"], "<title>中国</title>你好", "body")
    with w.case("a phase that never happened is null"):
        r = one(w, f"http://c.ok.test:{t['refused']}/")
        equal((r["timings"]["tls_ms"], r["timings"]["wait_ms"]), (None, None), "tls_ms, wait_ms")
        expect(r["timings"]["dns_ms"] is not None, "dns_ms")
    with w.case("facts of a certificate that failed"):
        r = one(w, f"https://c.ok.test:{t['https_expired']}/ok")
        equal(r["http"]["tls"]["verified"], False, "verified")
        expect(r["http"]["tls"]["days_left"] < 0, "days left", r["http"]["tls"]["days_left"])
    with w.case("each hop of a redirect"):
        r = one(w, f"http://c.ok.test:{t['http']}/redirect/3")
        equal([h["status"] for h in r["http"]["redirects"]], [302, 302, 302], "statuses of the hops")
    with w.case("DNS sections and header"):
        r = one(w, f"dns://127.0.0.1:{t['dns']}/a.ok.test?type=MX")
        answers = r["dns"]["answers"] if "answers" in r["dns"] else r["dns"]["answer"]
        equal(len(answers), 2, "answers")
        expect("10 mail.ok.test" in answers[0]["data"], answers)
    with w.case("truncated over UDP, so asked over TCP"):
        r = one(w, "dns:trunc.ok.test?type=A")
        equal((r["dns"]["transport"], r["dns"]["truncated"]), ("tcp", True), "transport, truncated")
    with w.case("every try that failed before the last"):
        r = one(w, {"url": f"http://c.ok.test:{t['http']}/status/503", "retries": 2, "timeout_ms": 9000})
        equal([x["cause"] for x in r["tries"]], ["http_5xx", "http_5xx"], "causes of the tries")
        equal(r["cause"], "http_5xx", "cause of the last")
    with w.case("what a target claims is sanitised and bounded"):
        r = one(w, {"url": f"http://c.ok.test:{t['http']}/ok", "keep_body": 1000})
        expect("all is well" in r["http"]["body"], r["http"]["body"])


def own_identity(w):
    """A certificate that signed itself and its key, and the words of the key that nobody may see"""
    cert, key = w.path("client.pem"), w.path("client.key")
    made = w.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                  "-subj", "/CN=client", "-out", cert, "-keyout", key])
    expect(made.returncode == 0, made.stderr)
    with open(cert) as c, open(key) as k:
        identity = {"cert": c.read(), "key": k.read()}
    return identity, identity["key"].splitlines()[2]


@short
def test_names_and_authorities_of_a_target(w):
    w.fleet(agents=("a1",))
    t = w.targets
    with open(t["ca"]) as f:
        ours = f.read()
    identity, _ = own_identity(w)
    good, wrong = f"https://c.ok.test:{t['https']}/ok", f"https://c.ok.test:{t['https_wrong_name']}/ok"
    unreadable = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    cases = [
        (None, "sni is the name that is verified", {"url": wrong, "sni": "other.invalid"}),
        ("tls_name_mismatch", "a wrong sni", {"url": good, "sni": "other.invalid"}),
        (None, "the authority is named", {"url": good, "ca": ours}),
        ("tls_untrusted", "another authority is named", {"url": good, "ca": identity["cert"]}),
        ("bad_tls_option", "an authority that is none", {"url": good, "ca": unreadable}),
        (None, "a client certificate", {"url": good, "client_cert": identity}),
        ("bad_tls_option", "a key of another", {"url": good, "client_cert": {"cert": ours, "key": identity["key"]}}),
    ]
    batch = w.api.submit([{**target, "user_id": case} for _, case, target in cases])
    w.wait_batch(batch, 30)
    results = {r["user_id"]: r for r in w.api.results(batch)}
    for cause, case, _ in cases:
        with w.case(case):
            equal(results[case].get("cause"), cause, "cause")


@short
def test_credentials_are_never_shown(w):
    w.fleet(agents=("a1",))
    t, secret = w.targets, "pa55-word-9c1f"
    identity, key_words = own_identity(w)
    base = f"http://c.ok.test:{t['http']}"
    targets = [
        {"url": f"{base}/ok", "auth": {"basic": {"user": "ann", "password": secret}}},
        {"url": f"{base}/status/500", "auth": {"bearer": secret}},
        {"url": f"{base}/reset", "headers": {"Authorization": secret, "Cookie": secret}},
        {"url": f"https://c.ok.test:{t['https']}/ok", "client_cert": identity},
        {"url": f"https://c.ok.test:{t['https_expired']}/ok", "client_cert": {**identity, "cert": identity["cert"] * 2}},
    ]
    batch = w.api.submit(targets)
    w.wait_batch(batch, 30)
    with w.case("reads and exports"):
        results = w.api.results(batch)
        paths = [f"/batches/{batch}", f"/batches/{batch}/results", f"/batches/{batch}/results.csv", f"/batches/{batch}/results.ndjson"]
        for path in paths + [f"/tasks/{r['task']}" for r in results]:
            text = w.api.must("GET", "/api/v1" + path).text
            expect(secret not in text and key_words not in text, path)
    with w.case("a refusal of a bad one"):
        bad = {"targets": [{"url": f"{base}/ok", "auth": {"bearer": secret + " x"}}]}
        answer = w.api.post("/api/v1/batches?strict=1", bad)
        expect("'bearer'" in answer.text, answer)
        expect(secret not in answer.text, answer)
    with w.case("a refusal of a bad key"):
        bad = {"targets": [{"url": f"{base}/ok", "client_cert": {**identity, "key": identity["key"] * 2}}]}
        answer = w.api.post("/api/v1/batches?strict=1", bad)
        expect("'key' in 'client_cert'" in answer.text, answer)
        expect(key_words not in answer.text, answer)
    with w.case("logs"):
        for proc in w.procs:
            expect(secret not in proc.log() and key_words not in proc.log(), proc.name)
