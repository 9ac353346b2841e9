# SPDX-License-Identifier: MIT
"""Probes through proxies, good and bad: every cause of theirs, the wall, and that nobody sees their credentials."""
import csv
import io

from harness import equal, expect, short
from ills import patient

OUTCOMES = {None: "ok", "proxy_failed": "failed", "http_5xx": "failed", "response_timeout": "failed", "dns_nxdomain": "failed",
            "policy_address": "refused"}


def each_kind(t, scheme):
    """What both kinds of proxy do alike, and its cause: (cause or None, case, target)"""
    def by(port, path="/ok", user="", **more):
        return {"url": f"http://c.ok.test:{t['http']}{path}", "proxy": f"{scheme}://{user}127.0.0.1:{t[port]}",
                "timeout_ms": 2000, **more}

    return [
        (None, "http", by("proxy")),
        (None, "https", by("proxy", url=f"https://c.ok.test:{t['https']}/ok")),
        (None, "redirects", by("proxy", "/redirect/2")),
        (None, "a large body", by("proxy", "/big/900000")),
        (None, "a reply that drips", by("proxy_drips")),
        (None, "a user and a password", by("proxy_user", user="ann:pa55@")),
        ("proxy_refused", "it wants to know who asks", by("proxy_user")),
        ("proxy_refused", "it wants another password", by("proxy_user", user="ann:wr0ng@")),
        ("proxy_refused", "it does not allow that", by("proxy_refuses")),
        ("proxy_failed", "it reaches nobody", by("proxy_fails")),
        ("proxy_failed", "nobody listens at the target", by("proxy", url=f"http://c.ok.test:{t['refused']}/")),
        ("proxy_timeout", "it is silent", by("proxy_silent")),
        ("proxy_timeout", "its accept queue is full", by("full")),
        ("proxy_timeout", "the target's accept queue is full", by("proxy", url=f"http://c.ok.test:{t['full']}/")),
        ("proxy_protocol", "it speaks another protocol", by("proxy_garbage")),
        ("proxy_unreachable", "nobody listens where it should be", by("refused")),
        ("http_5xx", "an error of the target's", by("proxy", "/status/503")),
        ("response_timeout", "a tarpit", by("proxy", "/tarpit")),
    ]


def causes(t):
    """(cause or None, case, target)"""
    def via(proxy, path="/ok", host="c.ok.test"):
        return {"url": f"http://{host}:{t['http']}{path}", "proxy": proxy, "timeout_ms": 2000}

    good = f"http://127.0.0.1:{t['proxy']}"
    return [
        (cause, f"{scheme}: {case}", target) for scheme in ("http", "socks5") for cause, case, target in each_kind(t, scheme)
    ] + [
        ("proxy_refused", "a web server is no proxy", via(f"http://127.0.0.1:{t['http']}")),
        ("proxy_unreachable", "its name does not exist", via(f"http://nx.ok.test:{t['proxy']}")),
        ("proxy_timeout", "nobody knows its name", via("http://silent.ok.test")),
        (None, "by its name", via(f"http://c.ok.test:{t['proxy']}")),
        ("dns_nxdomain", "the target's name does not exist", via(good, host="nx.ok.test")),
        ("policy_address", "a proxy in a private network", via("http://10.0.0.1:3128")),
        ("policy_address", "a proxy by a name with a private address", via("socks5://private.ok.test")),
        ("policy_address", "a target in a private network", via(good, host="10.0.0.1")),
        ("policy_address", "a target by a name with the metadata address", via(good, host="meta.ok.test")),
        ("policy_address", "a redirect to the metadata address", via(good, "/redirect-to?url=http%3A%2F%2F169.254.169.254%2F")),
    ]


@short
def test_every_cause(w):
    w.fleet(agents=("a1",))
    table = causes(w.targets)
    batch = w.api.submit([{**patient(cause, target), "user_id": str(i)} for i, (cause, _, target) in enumerate(table)], per_host=0)
    w.wait_batch(batch, 60)
    results = {r["user_id"]: r for r in w.one_result_each(batch, len(table))}
    for i, (cause, case, target) in enumerate(table):
        r = results[str(i)]
        with w.case(f"{cause or 'ok'}: {case}"):
            equal(r["cause"], cause, f"cause ({r['message']})")
            equal(r["outcome"], OUTCOMES.get(cause, "undetermined"), "outcome")
            equal(r["attempt"], 1, "attempt")
            proxy = target["proxy"].split("/")[2].split("@")[-1]
            if cause and cause.startswith("proxy_"):
                expect(proxy.split(":")[0] in r["message"], r["message"])
            if r["http"] and r["http"]["ip"]:
                equal(r["http"]["proxy"], proxy, "http.proxy")
            spent = [ms for phase, ms in r["timings"].items() if phase != "total_ms" and ms is not None]
            if r["outcome"] != "refused" and not (r["http"] and r["http"]["redirects"]):
                expect(abs(sum(spent) - r["timings"]["total_ms"]) < 1, "phases add up", r["timings"])


@short
def test_what_a_result_holds(w):
    w.fleet(agents=("a1",))
    t = w.targets
    target = {"url": f"https://c.ok.test:{t['https']}/ok", "proxy": f"http://127.0.0.1:{t['proxy']}"}
    plain = {"url": target["url"], "proxy": ""}
    batch = w.api.submit([target["url"], plain], defaults={"proxy": target["proxy"]})
    w.wait_batch(batch, 30)
    results = {bool(r["http"].get("proxy")): r for r in w.api.results(batch)}
    with w.case("a proxy from the defaults: every phase, and whose address"):
        r = results[True]
        expect(all(ms is not None for ms in r["timings"].values()), r["timings"])
        equal((r["http"]["ip"], r["http"]["port"]), ("127.0.0.1", t["https"]), "the target's address")
        equal(r["http"]["proxy"], f"127.0.0.1:{t['proxy']}", "proxy")
        equal(r["http"]["tls"]["verified"], True, "verified")
    with w.case("none where a target wants none"):
        equal(results[False]["timings"]["proxy_ms"], None, "proxy_ms")
    with w.case("the phase has a column"):
        rows = list(csv.DictReader(io.StringIO(w.api.must("GET", f"/api/v1/batches/{batch}/results.csv").text)))
        expect(any(float(row["proxy_ms"] or 0) > 0 for row in rows), rows)
    with w.case("a tunnel that fails is retried"):
        bad = {**target, "proxy": f"http://127.0.0.1:{t['proxy_refuses']}", "retries": 2}
        batch = w.api.submit([bad])
        w.wait_batch(batch, 30)
        r = w.api.results(batch)[0]
        equal([x["cause"] for x in r["tries"]], ["proxy_refused", "proxy_refused"], "causes of the tries")


@short
def test_credentials_of_proxies_are_never_shown(w):
    w.fleet(agents=("a1",))
    t, secret = w.targets, "pa55-word-7e2a"
    url = f"http://c.ok.test:{t['http']}/ok"

    def by(port, scheme="http"):
        return {"url": url, "proxy": f"{scheme}://ann:{secret}@127.0.0.1:{t[port]}", "timeout_ms": 1500}

    targets = [by(port, scheme) for scheme in ("http", "socks5")
               for port in ("proxy", "proxy_user", "proxy_refuses", "proxy_fails", "proxy_garbage", "proxy_silent", "refused")]
    batch = w.api.submit(targets + [url], defaults={"proxy": by("proxy")["proxy"]})
    w.wait_batch(batch, 30)
    with w.case("reads and exports"):
        results = w.api.results(batch)
        equal(len(results), len(targets) + 1, "results")
        paths = ["/batches", f"/batches/{batch}"] + [f"/batches/{batch}/results{end}" for end in ("", ".csv", ".ndjson")]
        for path in paths + [f"/tasks/{r['task']}" for r in results]:
            expect(secret not in w.api.must("GET", "/api/v1" + path).text, path)
    with w.case("refusals of bad ones"):
        for bad in (f"https://ann:{secret}@p.test", f"http://ann:{secret}/@p.test", f"http://ann:{secret}@p.test:x", f"ann:{secret}@p.test"):
            answer = w.api.post("/api/v1/batches?strict=1", {"targets": [{"url": url, "proxy": bad}]})
            expect("'proxy'" in answer.text and secret not in answer.text, answer.text)
    with w.case("logs"):
        for proc in w.procs:
            expect(secret not in proc.log(), proc.name)
