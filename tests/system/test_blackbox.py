# SPDX-License-Identifier: MIT
"""The same targets seen by our agent and by Debian's prometheus-blackbox-exporter: they must tell the same.

The exporter is one of our own, with its own configuration on a free port. Where the two differ by design the case says why, and
fails when they no longer do. Phases agree within TOLERANCE_MS; to keep the machine's load out of it the least of TRIES counts.
"""
import calendar
import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from harness import Api, Proc, Skipped, equal, expect, free_port, heavy, listens

PROGRAM = "prometheus-blackbox-exporter"
TIMEOUT_MS = 2000
TOLERANCE_MS, TRIES = 25, 5
# Our phases and the exporter's, summed over all hops by both; it counts sending as part of processing.
PHASES = {"resolve": ("dns_ms",), "connect": ("connect_ms",), "tls": ("tls_ms",), "processing": ("send_ms", "wait_ms"),
          "transfer": ("download_ms",)}
RCODES = {"nx": "NXDOMAIN", "servfail": "SERVFAIL", "refused": "REFUSED"}
QUESTIONS = [("a", t, "udp") for t in ("A", "MX", "NS", "TXT", "SOA", "PTR", "SRV", "CAA")] + [
    ("both", "AAAA", "udp"), ("alias", "CNAME", "udp"), ("alias", "A", "udp"), ("many", "A", "tcp"), ("trunc", "A", "tcp"),
    ("nodata", "MX", "udp"), ("nx", "A", "udp"), ("servfail", "A", "udp"), ("refused", "A", "udp"), ("silent", "A", "udp"),
    ("malformed", "A", "udp"), ("wrongid", "A", "udp")]


class Answer:
    """What the exporter says of one target: its metrics, and with debug=true its log."""

    def __init__(self, text):
        self.log, _, rest = text.partition("Metrics that would have been returned:")
        self.metrics = {}
        for line in (rest.partition("Module configuration:")[0]).splitlines():
            found = re.fullmatch(r"([a-z0-9_]+)(?:\{(.*)\})? (\S+)", line)
            if found:
                name, labels, value = found.groups()
                pairs = dict(re.findall(r'(\w+)="([^"]*)"', labels or ""))
                self.metrics[name, pairs.get("phase")] = float(value)
                self.metrics.setdefault((name, "labels"), pairs)

    def get(self, name, phase=None):
        return self.metrics.get(("probe_" + name, phase))

    def labels(self, name):
        return self.metrics.get(("probe_" + name, "labels"), {})

    def ok(self):
        return self.get("success") == 1

    def reply(self):
        """The DNS reply as its library prints it, or None."""
        found = re.search(r'msg="Got response" response=("(?:[^"\\]|\\.)*")', self.log)
        return json.loads(found.group(1)) if found else None


class Exporter:
    def __init__(self, w):
        if not shutil.which(PROGRAM):
            raise Skipped(f"{PROGRAM} is not installed; deploy/install-deps.sh --tests installs it")
        self.port = free_port()
        config = w.path("blackbox.json")  # JSON is YAML
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"modules": modules(w.targets)}, f)
        argv = [PROGRAM, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{self.port}"]
        self.proc = Proc(w, "blackbox_exporter", argv)
        w.wait_for(lambda: listens(self.port), 20, "the exporter listens")

    def probe(self, module, target):
        path = f"/probe?debug=true&module={module}&target={quote(target, safe='')}"
        reply = Api(self.port, None).get(path)
        equal(reply.status, 200, f"the exporter's own status ({reply.text[:200]})")
        return Answer(reply.text)

    def probe_all(self, asked):
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda one: self.probe(*one), asked))


def modules(t):
    def web(tls=None, **more):
        tls = {"ca_file": t["ca"], **(tls or {})}
        return {"prober": "http", "timeout": f"{TIMEOUT_MS}ms",
                "http": {"preferred_ip_protocol": "ip4", "tls_config": tls, **more}}

    def dns(name, kind, transport):
        return {"prober": "dns", "timeout": f"{TIMEOUT_MS}ms",
                "dns": {"preferred_ip_protocol": "ip4", "query_name": name + ".ok.test", "query_type": kind,
                        "transport_protocol": transport}}

    return {
        "web": web(),
        "unverified": web({"insecure_skip_verify": True}),
        "stay_302": web(follow_redirects=False, valid_status_codes=[302]),
        "want_404": web(valid_status_codes=[404]),
        "want_text": web(fail_if_body_not_matches_regexp=["all is well"]),
        "want_no_text": web(fail_if_body_matches_regexp=["all is well"]),
        "post": web(method="POST", body="x=1"),
        **{f"dns_{n}_{k}": dns(n, k, p) for n, k, p in QUESTIONS},
    }


def web_cases(t):
    """(case, URL, the exporter's module, options of ours, why they differ or None)"""
    def http(path, host="127.0.0.1", port="http", scheme="http"):
        return f"{scheme}://{host}:{t[port]}{path}"

    def tls(port, path="/ok"):
        return http(path, port=port, scheme="https")

    none, limit = {}, {"body_limit": 1000000}
    cases = [(f"status {s}", http(f"/status/{s}"), "web", none, None) for s in (200, 204, 400, 404, 500, 503)]
    cases += [(f"{n} redirects", http(f"/redirect/{n}"), "web", none, None) for n in (1, 3, 5)]
    cases += [(f"a certificate: {k}", tls(f"https_{k}"), "web", none, None)
              for k in ("expired", "future", "wrong_name", "self_signed")]
    cases += [(f"not verified: {k}", tls(f"https_{k}"), "unverified", {"verify_tls": False}, None)
              for k in ("expired", "future", "wrong_name", "self_signed")]
    cases += [(f"{p[1:]} at a route", http(p), "web", none, None)
              for p in ("/loop", "/tarpit", "/stall", "/drip", "/reset", "/cut", "/cut-reset", "/empty", "/garbage", "/none")]
    cases += [(f"the port {p}", http("/ok", port=p), "web", none, None) for p in ("refused", "full", "tarpit", "reset")]
    cases += [(f"TLS with the port {p}", tls(p), "web", none, None) for p in ("refused", "tarpit", "tls_alert", "plain")]
    cases += [
        ("a page", http("/ok"), "web", none, None),
        ("a page over TLS", tls("https"), "web", none, None),
        ("404 over TLS", tls("https", "/status/404"), "web", none, None),
        ("redirects over TLS", tls("https", "/redirect/2"), "web", none, None),
        ("from http to https", http("/redirect-to?url=" + quote(tls("https"), safe="")), "web", none, None),
        ("a redirect into 404", http("/redirect-to?url=%2Fnone"), "web", none, None),
        ("a redirect that is wanted as such", http("/redirect/1"), "stay_302",
         {"follow_redirects": False, "expect": {"status": [302]}}, None),
        ("404 that is wanted", http("/status/404"), "want_404", {"expect": {"status": [404]}}, None),
        ("200 where 404 is wanted", http("/ok"), "want_404", {"expect": {"status": [404]}}, None),
        ("a text that is there", http("/ok"), "want_text", {"expect": {"body_regex": "all is well"}}, None),
        ("a text that is not there", http("/json"), "want_text", {"expect": {"body_regex": "all is well"}}, None),
        ("a text that should not be there", http("/ok"), "want_no_text", {"expect": {"body_not_regex": "all is well"}}, None),
        ("POST", http("/ok"), "post", {"method": "POST", "body": "x=1"}, None),
        ("a large body", http("/big/800000"), "web", limit, None),
        ("a slow page", http("/slow/300"), "web", none, None),
        ("six redirects", http("/redirect/6"), "web", none, "we follow five, it follows ten"),
        ("endless headers", http("/headers/5000"), "web", none, "we stop at 300 KB of headers, it at 10 MB"),
        ("a body over our limit", http("/big/1000001"), "web", limit, "it has no limit unless told"),
    ]
    if t["v6"]:
        cases.append(("IPv6", http("/ok", host="[::1]"), "web", none, None))
    return cases


def seconds_of(stamp):
    return calendar.timegm(time.strptime(stamp.partition(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S"))


def same_certificate(ours, theirs):
    equal(ours["version"].replace("TLSv", "TLS "), theirs.labels("tls_version_info")["version"], "TLS version")
    earliest = min(seconds_of(c["not_after"]) for c in ours["chain"])
    equal(earliest, int(theirs.get("ssl_earliest_cert_expiry")), "earliest end of a certificate")
    leaf = theirs.labels("ssl_last_chain_info")
    equal(ours["fingerprint_sha256"], leaf["fingerprint_sha256"], "fingerprint")
    equal((ours["subject"], ours["issuer"]), (leaf["subject"], leaf["issuer"]), "subject and issuer")
    names = [n for n in ours["alt_names"] if not re.fullmatch(r"[0-9.]+|.*:.*", n)]  # it knows no addresses there
    equal(names, leaf["subjectalternative"].split(","), "names")


def same_page(ours, theirs):
    """What both know of an exchange that came to its end."""
    http = ours["http"]
    equal(http["size"], int(theirs.get("http_uncompressed_body_length")), "bytes of the body")
    equal(float(http["version"]), theirs.get("http_version"), "version of HTTP")
    equal(6 if ":" in http["ip"] else 4, int(theirs.get("ip_protocol")), "IP version")
    equal(http["tls"] is not None, theirs.get("http_ssl") == 1, "TLS at the end")
    equal(http["tls"] is not None, bool(theirs.get("ssl_earliest_cert_expiry")), "a certificate at the end")


def compare_web(ours, theirs, differs):
    words = f"(ours: {ours['cause']}: {ours['message']}; theirs: {failure(theirs)})"
    if differs:
        equal((ours["outcome"], theirs.ok()), ("failed", True), f"they are said to differ, for {differs} {words}")
        return
    equal(ours["outcome"] == "ok", theirs.ok(), f"success {words}")
    http = ours["http"] or {}
    if ours["cause"] != "too_many_redirects":  # it forgets then what it saw
        equal(http.get("status") or 0, int(theirs.get("http_status_code") or 0), f"status {words}")
    if http.get("status") != 302:  # it counts one that it was told not to follow, and a loop's are ten
        equal(len(http.get("redirects") or []), int(theirs.get("http_redirects") or 0), f"redirects {words}")
    if theirs.ok():
        same_page(ours, theirs)
    if theirs.get("ssl_earliest_cert_expiry"):
        same_certificate(http["tls"], theirs)


def failure(theirs):
    found = re.findall(r"level=error (.*)", theirs.log)
    return found[0] if found else "no error"


def ours_of(w, targets):
    batch = w.api.submit([{"timeout_ms": TIMEOUT_MS, **t, "user_id": str(i)} for i, t in enumerate(targets)], per_host=0)
    w.wait_batch(batch, 60)
    results = {r["user_id"]: r for r in w.one_result_each(batch, len(targets))}
    return [results[str(i)] for i in range(len(targets))]


def both_worlds(w):
    if not shutil.which(PROGRAM):
        raise Skipped(f"{PROGRAM} is not installed; deploy/install-deps.sh --tests installs it")
    w.fleet(agents=("a1",))
    return Exporter(w)


def test_http_and_tls_as_blackbox_exporter(w):
    exporter = both_worlds(w)
    cases = web_cases(w.targets)
    theirs = exporter.probe_all([(module, url) for _, url, module, _, _ in cases])
    ours = ours_of(w, [{"url": url, **options} for _, url, _, options, _ in cases])
    for (case, _, _, _, differs), o, t in zip(cases, ours, theirs):
        with w.case(case + (f" (differs: {differs})" if differs else "")):
            compare_web(o, t, differs)


def sections(reply):
    """Sorted (name, ttl, type, data) of each section of a printed reply."""
    found, section = {"ANSWER": [], "AUTHORITY": [], "ADDITIONAL": []}, None
    for line in reply.splitlines():
        title = re.match(r";; (\w+) SECTION:", line)
        if title:
            section = found.get(title.group(1))
        elif section is not None and line and not line.startswith(";"):
            name, ttl, _, kind, data = line.split("\t", 4)
            section.append((name, int(ttl), kind, " ".join(data.split())))
    return {k: sorted(v) for k, v in found.items()}


def our_section(records):
    return sorted((r["name"], r["ttl"], r["type"], r["data"]) for r in records if r["type"] != "OPT")


def compare_dns(name, ours, theirs):
    words = f"(ours: {ours['cause']}: {ours['message']}; theirs: {failure(theirs)})"
    if name == "nodata":
        equal((ours["cause"], theirs.ok()), ("dns_nodata", True), f"no such record fails here and is fine there {words}")
    else:
        equal(ours["outcome"] == "ok", theirs.ok(), f"success {words}")
    reply = theirs.reply()
    equal(reply is not None, bool(ours["dns"] and ours["dns"]["rcode"]), f"a reply was understood {words}")
    if not reply:
        return
    dns = ours["dns"]
    equal(dns["rcode"], re.search(r"status: (\w+)", reply).group(1), "rcode")
    equal(dns["rcode"], RCODES.get(name, "NOERROR"), "rcode of the world")
    wanted = sections(reply)
    for section, key in (("ANSWER", "answer"), ("AUTHORITY", "authority"), ("ADDITIONAL", "additional")):
        equal(our_section(dns.get(key) or []), wanted[section], key)
        equal(len(wanted[section]), int(theirs.get(f"dns_{section.lower()}_rrs")), f"the exporter's count of {key}")


def test_dns_as_blackbox_exporter(w):
    exporter = both_worlds(w)
    server = f"127.0.0.1:{w.targets['dns']}"
    theirs = exporter.probe_all([(f"dns_{name}_{kind}", server) for name, kind, _ in QUESTIONS])
    ours = ours_of(w, [{"dns": f"dns://{server}/{name}.ok.test?type={kind}"} for name, kind, _ in QUESTIONS])
    for (name, kind, transport), o, t in zip(QUESTIONS, ours, theirs):
        with w.case(f"{kind} of {name} over {transport}"):
            compare_dns(name, o, t)


def our_phases(result):
    """Milliseconds of each of the exporter's phases over all hops."""
    hops = [h["timings"] for h in result["http"]["redirects"]] + [result["timings"]]
    return {phase: sum(hop.get(key) or 0 for hop in hops for key in keys) for phase, keys in PHASES.items()}


def their_phases(answer):
    return {phase: 1000 * (answer.get("http_duration_seconds", phase) or 0) for phase in PHASES}


def least(rows):
    return {phase: min(row[phase] for row in rows) for phase in rows[0]}


@heavy
def test_phases_as_blackbox_exporter(w):
    exporter = both_worlds(w)
    t = w.targets
    after = quote("/slow/250", safe="")
    urls = {
        "a page": w.url("/ok"),
        "a page that takes 400 ms": w.url("/slow/400"),
        "a page that takes 400 ms, over TLS": f"https://127.0.0.1:{t['https']}/slow/400",
        "a redirect to a page that takes 250 ms": w.url(f"/redirect-to?url={after}"),
        "a body of 800 kB": w.url("/big/800000"),
    }
    for case, url in urls.items():
        with w.case(f"{case}: phases within {TOLERANCE_MS} ms"):
            ours = least([our_phases(r) for r in ours_of(w, [{"url": url}] * TRIES)])
            theirs = least([their_phases(exporter.probe("web", url)) for _ in range(TRIES)])
            for phase, ms in ours.items():
                difference = abs(ms - theirs[phase])
                expect(difference <= TOLERANCE_MS * w.slower, f"{phase}: ours {ms:.1f} ms, theirs {theirs[phase]:.1f} ms")
