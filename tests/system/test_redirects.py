# SPDX-License-Identifier: MIT
"""Where redirects may not lead, what does not go along, and a canary on the denied addresses that hears nothing.

In a network of the test's own: its loopback has a public address with a web server, and all the denied ones, where nft counts
every packet that leaves for them.
"""
import re
import socket
import urllib.parse

from harness import equal, expect, short
from ills import judge, probe

PUBLIC = "192.175.48.1"  # of AS112, a sink: nobody's even if it were to be reached
GONE = "192.175.48.9"  # routers say unreachable
DENIED = ("10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "172.16.0.1")
DENIED_6 = ("fd00::1", "fe80::1234")
RESET_PORT, HTTP_PORT = 7777, 8099

NETWORK = [
    *(f"ip addr add {a}/32 dev lo" for a in (PUBLIC, *DENIED)),
    *(f"ip addr add {a}/128 dev lo nodad" for a in DENIED_6),
    f"ip route add unreachable {GONE}/32",
    "ip route add 198.41.0.4/32 dev lo",  # a way out, so that what is unreachable is so by itself
    "nft add table inet wall",
    "nft 'add chain inet wall out { type filter hook output priority 0 ; }'",
    "nft 'add chain inet wall in { type filter hook input priority 0 ; }'",
    f"nft 'add rule inet wall out ip daddr {{ {', '.join(DENIED)} }} counter comment \"canary\"'",
    f"nft 'add rule inet wall out ip6 daddr {{ {', '.join(DENIED_6)} }} counter comment \"canary\"'",
    f"nft 'add rule inet wall out ip daddr 127.0.0.0/8 tcp dport {HTTP_PORT} counter comment \"loopback\"'",
    f"nft 'add rule inet wall out ip6 daddr ::1 tcp dport {HTTP_PORT} counter comment \"loopback\"'",
    # The last packet of the handshake is answered with a reset.
    f"nft 'add rule inet wall in tcp dport {RESET_PORT} tcp flags & (syn|ack) == ack reject with tcp reset'",
]


def canary(w, name="canary"):
    """Packets that have left for denied addresses, or for the web server at loopback."""
    r = w.run(["nft", "list", "table", "inet", "wall"])
    counts = re.findall(r'counter packets (\d+) bytes \d+ comment "%s"' % name, r.stdout)
    equal(len(counts), 2, "counters of the canary")
    return sum(map(int, counts))


def url_of(w, host, path="/"):
    return f"http://{host}:{w.targets['http']}{path}"


def to(w, location, **more):
    """A redirect to it, byte by byte, from the public server."""
    path = "/redirect-to?url=" + urllib.parse.quote(location.replace("@PORT@", str(w.targets["http"])), safe="")
    return {"url": url_of(w, PUBLIC, path), "timeout_ms": 3000, **more}


# Every way to write an address that is denied.
INSIDE = [
    "169.254.169.254/latest/meta-data/", "10.0.0.1:@PORT@/", "192.168.1.1/", "100.64.0.1/", "172.16.0.1/", "127.0.0.1:@PORT@/ok",
    "[::1]:@PORT@/ok", "[::ffff:7f00:1]:@PORT@/ok", "[::ffff:127.0.0.1]:@PORT@/ok", "[::ffff:169.254.169.254]/",
    "[::127.0.0.1]:@PORT@/ok", "[64:ff9b::a9fe:a9fe]/", "[2002:7f00:1::]/", "[fd00::1]/", "[fe80::1234]/", "[::]:@PORT@/ok",
    "2130706433:@PORT@/ok", "0x7f.1:@PORT@/ok", "0x7f000001:@PORT@/ok", "127.1:@PORT@/ok", "0177.0.0.1:@PORT@/ok",
    "017700000001:@PORT@/ok", "0:@PORT@/ok", "2852039166/latest/meta-data/", "0xa9fea9fe/", "10.1:@PORT@/",
    "localhost:@PORT@/ok", "private.ok.test:@PORT@/", "meta.ok.test/", "mixed.lie.test:@PORT@/ok",
]

# What is no http URL, or not one that two parsers read alike.
NOWHERE = [
    ("a file", "file:///etc/passwd"), ("gopher", "gopher://10.0.0.1:70/_x"), ("ftp", "ftp://10.0.0.1/x"),
    ("dict", "dict://10.0.0.1:11211/stat"), ("a script", "javascript:alert(1)"), ("data", "data:text/html,x"),
    ("a backslash before the at sign", "http://good.ok.test\\@10.0.0.1/"), ("backslashes", "http:\\\\10.0.0.1\\"),
    ("a control character in the host", "http://10.0.0.1\x01.ok.test/"), ("a tab before the at sign", "http://good.ok.test\t@10.0.0.1/"),
    ("a DEL in the path", "/ok\x7f"), ("no host", "http:///"), ("nothing but a scheme", "http://"),
    ("a port beyond all ports", f"http://{PUBLIC}:99999/"), ("a zone", "http://[fe80::1234%25lo]/"),
    ("userinfo", f"http://user:secret@{PUBLIC}:@PORT@/ok"), ("userinfo that looks like a host", f"http://{PUBLIC}@10.0.0.1/"),
]

# What leads on within the public server.
WELL = [
    ("an absolute path", "/ok"), ("a relative path", "ok"), ("dots", "../../ok"), ("of the same scheme", f"//{PUBLIC}:@PORT@/ok"),
    ("a scheme in capitals", f"HTTP://{PUBLIC}:@PORT@/ok"), ("with a fragment", "/ok#part"), ("a space in the path", "/ok thing"),
    ("a name", "http://public.lie.test:@PORT@/ok"), ("a second Location behind a line break", "/ok\r\nLocation: http://10.0.0.1/"),
]


def table_of_redirects(w):
    return (
        [("policy_address", f"a redirect to {x}", to(w, "http://" + x)) for x in INSIDE]
        + [("policy_address", "a redirect to //10.0.0.1/", to(w, "//10.0.0.1/"))]
        + [("policy_address", "the second redirect", {"url": to(w, to(w, "http://10.0.0.1/")["url"])["url"]})]
        + [("policy_address", "a redirect to a path that leads inside", to(w, "/redirect-to?url=http%3A%2F%2F10.0.0.1%2F"))]
        + [("protocol_error", f"a redirect to {what}", to(w, x)) for what, x in NOWHERE]
        + [(None, f"a redirect, {what}", to(w, x)) for what, x in WELL]
        + [("too_many_redirects", "a redirect to itself", {"url": url_of(w, PUBLIC, "/loop")})]
    )


def table_of_targets(w):
    """The same addresses without a redirect, and all that a target can name."""
    return [("policy_address", f"a target {x}", {"url": "http://" + x.replace("@PORT@", str(w.targets["http"]))}) for x in INSIDE] + [
        ("policy_resolver", "a denied resolver of a name", {"dns": "dns://10.0.0.1/a.test?type=A"}),
        ("policy_resolver", "a denied resolver over TCP", {"dns": "dns://169.254.169.254/a.test?type=A", "transport": "tcp"}),
        ("policy_resolver", "a denied resolver of a host", {"url": url_of(w, PUBLIC, "/ok"), "resolver": "10.0.0.1"}),
        ("policy_port", "a denied port", {"url": f"http://{PUBLIC}:7070/"}),
        ("policy_port", "a redirect to a denied port", to(w, f"http://{PUBLIC}:7070/")),
        ("policy_method", "a method that echoes", {"url": url_of(w, PUBLIC, "/ok"), "method": "TRACE"}),
        ("unreachable", "a host that routers do not know", {"url": f"http://{GONE}/"}),
        ("connect_reset", "a reset within the handshake", {"url": f"http://{PUBLIC}:{RESET_PORT}/"}),
    ]


@short
def test_canary(w):
    with w.own_network(*NETWORK):
        w.world("--also", PUBLIC, "--http", str(HTTP_PORT))
        w.master()
        w.nginx()
        w.agent("a1", "--deny-port", "7070", loopback=False)
        with socket.create_server((PUBLIC, RESET_PORT)):
            judge(w, table_of_redirects(w) + table_of_targets(w), 60)
        with w.case("I10: the canary has seen no packet"):
            equal(canary(w), 0, "packets to denied addresses")
            equal(canary(w, "loopback"), 0, "packets to loopback")
        with w.case("the canary would have heard one"):
            w.agent("a2", "--allow", "10.0.0.0/8", "--tag", "wall=open", loopback=False)
            open_wall = {"agents": {"tags": {"wall": "open"}}}
            w.wait_batch(w.api.submit([f"http://10.0.0.1:{w.targets['refused']}/"], **open_wall), 20)
            w.requests()
            expect(canary(w) > 0 and canary(w, "loopback") > 0, "no packet was counted")


@short
def test_bound_again(w):
    """Names that are allowed when they are asked for first, and private the next time; as an agent sees them that may go to loopback."""
    with w.own_network(*NETWORK):
        w.world()
        w.master()
        w.nginx()
        w.agent("a1")
        http = w.targets["http"]
        cases = [("policy_address", f"two hops, {i}", {
            "url": f"http://rebind{i}.lie.test:{http}/redirect-to?url=http%3A%2F%2Frebind{i}.lie.test%3A{http}%2Fok"}) for i in range(8)]
        cases += [("policy_address", f"two tries, {i}", {
            "url": f"http://rebindt{i}.lie.test:{http}/status/500", "retries": 3, "timeout_ms": 8000}) for i in range(4)]
        cases += [(None, f"private among allowed, {i}", {"url": f"http://mixed.lie.test:{http}/ok"}) for i in range(4)]
        judge(w, cases)
        with w.case("I10: the canary has seen no packet"):
            equal(canary(w), 0, "packets to denied addresses")


def own_identity(w):
    cert, key = w.path("client.pem"), w.path("client.key")
    made = w.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                  "-subj", "/CN=client", "-out", cert, "-keyout", key])
    expect(made.returncode == 0, made.stderr)
    with open(cert, encoding="ascii") as c, open(key, encoding="ascii") as k:
        return {"cert": c.read(), "key": k.read()}


@short
def test_credentials_stay_at_home(w):
    w.fleet(agents=("a1",))
    t, secret = w.targets, "pa55-word"
    home, away = f"http://c.ok.test:{t['http']}", f"http://d.ok.test:{t['http']}"
    secure = f"https://c.ok.test:{t['https']}"
    carried = {
        "basic": {"auth": {"basic": {"user": "ann", "password": secret}}},
        "bearer": {"auth": {"bearer": secret}},
        "headers": {"headers": {"Authorization": secret, "Cookie": "id=" + secret, "Proxy-Authorization": secret}},
    }
    ways = {  # to /echo: does the secret arrive?
        "at home": (home + "/echo", True),
        "redirected at home": (home + "/redirect-to?url=%2Fecho", True),
        "to another host": (f"{home}/redirect-to?url={urllib.parse.quote(away + '/echo', safe='')}", False),
        "to another port": (f"{secure}/redirect-to?url={urllib.parse.quote('https://c.ok.test:%d/echo' % t['tls_12'], safe='')}", False),
        "from https to http": (f"{secure}/redirect-to?url={urllib.parse.quote(home + '/echo', safe='')}", False),
        "from http to https": (f"{home}/redirect-to?url={urllib.parse.quote(secure + '/echo', safe='')}", False),
        "abroad and home again": (f"{home}/redirect-to?url=" + urllib.parse.quote(
            f"{away}/redirect-to?url={urllib.parse.quote(home + '/echo', safe='')}", safe=""), False),
    }
    table = [(None, f"{what} {how}", {"url": url, "keep_body": 4000, **options})
             for how, (url, _) in ways.items() for what, options in carried.items()]
    results = judge(w, table)
    for how, (_, arrives) in ways.items():
        with w.case(f"what arrives {how}"):
            for what in carried:
                body = results[f"{what} {how}"]["http"]["body"]
                expect("GET /echo" in body, what, body)
                shown = secret in body or "Basic " in body
                equal(shown, arrives, f"{what}: the secret arrives")
    with w.case("a client certificate"):
        target = f"https://d.ok.test:{t['tls_asks_for_client']}/ok"
        both = [("tls_handshake", "shown", {"url": target, "client_cert": own_identity(w)}),
                ("tls_handshake", "not shown", {"url": f"{secure}/redirect-to?url={urllib.parse.quote(target, safe='')}",
                                                "client_cert": own_identity(w)})]
        seen = probe(w, both)
        expect("certificate required" not in seen["shown"]["message"], seen["shown"]["message"])
        expect("certificate required" in seen["not shown"]["message"], seen["not shown"]["message"])
