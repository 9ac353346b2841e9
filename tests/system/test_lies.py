# SPDX-License-Identifier: MIT
"""Name servers that lie, for http hosts (resolved by the agent) and for dns targets: recorded, in time, and no way past the policy."""
from harness import equal, expect, short
from ills import judge


def hosts(t):
    """http targets whose host's DNS is ill."""
    http, named, alone = t["http"], f"127.0.0.1:{t['dns']}", f"127.0.0.1:{t['dns_no_tcp']}"

    def web(label, path="/ok", **more):
        return {"url": f"http://{label}.lie.test:{http}{path}", "timeout_ms": 1500, **more}

    def hop(label, path="/ok"):
        return f"/redirect-to?url=http%3A%2F%2F{label}.lie.test%3A{http}{path}"

    return [
        (None, "host: a private address among allowed ones", web("mixed")),
        ("policy_address", "host: bound again between two hops", web("rebind1", hop("rebind1"))),
        ("policy_address", "host: bound again between two tries", web("rebind2", "/status/503", retries=2, timeout_ms=8000)),
        ("dns_nodata", "host: a circle of aliases", web("circle")),
        (None, "host: an alias sixty names long", web("chain")),
        ("dns_nodata", "host: the address of another name", web("ofanother")),
        ("dns_timeout", "host: a datagram without a byte", web("empty")),
        ("dns_timeout", "host: five bytes", web("fivebytes")),
        ("dns_timeout", "host: garbage", web("garbage")),
        ("dns_malformed", "host: a name that points to itself", web("pointer")),
        ("dns_timeout", "host: an answer to another question", web("wrongquestion")),
        ("dns_timeout", "host: an answer from another port", web("otherport")),
        (None, "host: a flood of NXDOMAINs with guessed ids", web("flood")),
        ("dns_timeout", "host: truncated, and TCP is silent", web("tcpsilent")),
        ("dns_timeout", "host: truncated, and TCP answers garbage", web("tcpgarbage", resolver=named)),
        ("dns_timeout", "host: truncated, and TCP answers other questions without end", web("tcpflood", resolver=named)),
        ("dns_timeout", "host: truncated, and TCP closes", web("tcpclose", resolver=named)),
        ("dns_timeout", "host: truncated, and TCP is refused", web("tcpsilent", resolver=alone)),
        ("dns_malformed", "host: truncated over TCP too", web("tcptruncated")),
        (None, "host: 4,096 records", web("records", timeout_ms=5000)),
    ]


def names(t):
    """dns targets, asked of a named server, so that its silence is its own."""
    def name(label, server=t["dns"], **more):
        return {"dns": f"dns://127.0.0.1:{server}/{label}.lie.test?type=A", "timeout_ms": 1000, **more}

    return [
        (None, "name: a private address is an answer like any other", name("mixed")),
        ("dns_nodata", "name: a circle of aliases", name("circle")),
        (None, "name: an alias sixty names long", name("chain")),
        ("dns_timeout", "name: a datagram without a byte", name("empty")),
        ("dns_timeout", "name: five bytes", name("fivebytes")),
        ("dns_timeout", "name: garbage", name("garbage")),
        ("dns_malformed", "name: a name that points to itself", name("pointer")),
        ("dns_timeout", "name: an answer to another question", name("wrongquestion")),
        ("dns_timeout", "name: an answer from another port", name("otherport")),
        (None, "name: a flood of NXDOMAINs with guessed ids", name("flood")),
        ("dns_timeout", "name: truncated, and TCP is silent", name("tcpsilent")),
        ("dns_timeout", "name: truncated, and TCP answers garbage", name("tcpgarbage")),
        ("dns_malformed", "name: truncated, and TCP answers other questions without end", name("tcpflood")),
        ("empty_reply", "name: truncated, and TCP closes", name("tcpclose")),
        ("connect_refused", "name: truncated, and TCP is refused", name("tcpsilent", t["dns_no_tcp"])),
        ("dns_malformed", "name: truncated over TCP too", name("tcptruncated")),
        (None, "name: 4,096 records", name("records", timeout_ms=5000)),
    ]


@short
def test_every_lie(w):
    w.fleet(agents=("a1",))
    table = hosts(w.targets) + names(w.targets)
    results = judge(w, table)
    limits = {case: target["timeout_ms"] for _, case, target in table}
    with w.case("no lie outlasts its time-out"):
        for case, r in results.items():
            expect(r["timings"]["total_ms"] <= limits[case] + 300 * w.slower, case, r["timings"]["total_ms"])
    with w.case("only the allowed address is connected to"):
        equal(results["host: a private address among allowed ones"]["http"]["ip"], "127.0.0.1", "ip")
    with w.case("the hop before the second answer is there"):
        hops = results["host: bound again between two hops"]["http"]["redirects"]
        equal([(h["status"], h["ip"]) for h in hops], [(302, "127.0.0.1")], "hops")
    with w.case("the try before the second answer is there"):
        equal([x["cause"] for x in results["host: bound again between two tries"]["tries"]], ["http_5xx"], "tries")
    with w.case("foreign replies are told"):
        message = results["name: an answer to another question"]["message"]
        expect("wrong id or question ignored" in message, message)
    with w.case("records beyond the bound are cut"):
        dns = results["name: 4,096 records"]["dns"]
        equal((dns["transport"], len(dns["answer"])), ("tcp", 256), "transport, records kept")


@short
def test_nxdomain_flood(w):
    """Names that do not exist, each another one, as an attack on resolvers asks: the agent's is no bottleneck for the rest."""
    w.fleet(agents=("a1",))
    t = w.targets
    many = [f"http://nx.h{i}.lie.test:{t['http']}/" for i in range(400)]
    good = [f"http://h{i}.ok.test:{t['http']}/ok" for i in range(20)]
    batch = w.api.submit(many + good, per_host=0)
    counts = w.wait_batch(batch, 20)
    equal((counts["failed"], counts["ok"]), (400, 20), "failed, ok")
    equal({r["cause"] for r in w.api.results(batch)}, {"dns_nxdomain", None}, "causes")
