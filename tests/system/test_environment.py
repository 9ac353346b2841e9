# SPDX-License-Identifier: MIT
"""What stands in the agent's environment and in its home decides nothing about probes: no proxy, no credentials, no key log."""
import os
import socket
import threading

from harness import equal, expect, short
from ills import judge


class Listener:
    """A proxy that would be: it counts who comes and hangs up."""

    def __init__(self):
        self.socket, self.visits = socket.create_server(("127.0.0.1", 0)), 0
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            self.visits += 1
            conn.close()


def write(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write(text)
    return path


def environment(w, port):
    home = w.path("home")
    os.makedirs(home)
    proxy = f"http://127.0.0.1:{port}"
    write(os.path.join(home, ".netrc"), "machine c.ok.test login ann password pa55-word\ndefault login ann password pa55-word\n")
    write(os.path.join(home, ".curlrc"), f'proxy = "{proxy}"\nuser = "ann:pa55-word"\n')
    return {
        **{name: proxy for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "ws_proxy", "HTTP_PROXY")},
        "no_proxy": "nothing.test", "HOME": home, "CURL_HOME": home, "NETRC": os.path.join(home, ".netrc"),
        "SSLKEYLOGFILE": w.path("keys.log"), "CURL_CA_BUNDLE": "/nonexistent", "CURL_SSL_BACKEND": "none",
        "SSL_CERT_FILE": "/nonexistent", "SSL_CERT_DIR": "/nonexistent",
        "RES_OPTIONS": "ndots:15 rotate retrans:10 retry:1", "LOCALDOMAIN": "ok.test lie.test",
        "HOSTALIASES": write(w.path("aliases"), "alias private.ok.test\n"),
    }


@short
def test_nothing_of_it_is_used(w):
    proxy = Listener()
    w.world()
    w.master()
    w.nginx()
    w.agent("a1", env=environment(w, proxy.port))
    t = w.targets
    # One label: with a search list, or an alias, these would lead to private addresses.
    table = [
        (None, "http", {"url": f"http://c.ok.test:{t['http']}/echo", "keep_body": 4000}),
        (None, "https, by the agent's authorities", {"url": f"https://c.ok.test:{t['https']}/echo", "keep_body": 4000}),
        (None, "a name that a search list would change", {"url": f"http://private:{t['http']}/ok"}),
        (None, "a name that an alias would change", {"url": f"http://alias:{t['http']}/ok"}),
        (None, "a dns target that a search list would change", {"dns": "dns:private?type=A", "expect": {"answers": {"equals": ["127.0.0.1"]}}}),
        ("policy_address", "a private address, as ever", {"url": "http://10.0.0.1/"}),
    ]
    results = judge(w, table)
    with w.case("no connection to the proxy"):
        equal(proxy.visits, 0, "connections")
    with w.case("no credentials from .netrc or .curlrc"):
        for case in ("http", "https, by the agent's authorities"):
            body = results[case]["http"]["body"]
            expect("GET /echo" in body and "uthorization" not in body, body)
    with w.case("no key log"):
        expect(not os.path.exists(w.path("keys.log")), "SSLKEYLOGFILE was written")
    proxy.socket.close()
