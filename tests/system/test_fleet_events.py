# SPDX-License-Identifier: MIT
"""The event log: every session ends with one cause, an operator can read it, and it is followed over a restart."""
import http.client
import json

from harness import equal, expect, short

SMALL = ("--workers", "1", "--slots", "16")


def events(w, query=""):
    return w.api.must("GET", "events" + query).json


def causes(w, agent):
    return [e["cause"] for e in events(w, f"?agent={agent}&kind=agent_disconnected&limit=1000")["events"]]


def cut_by_proxy(w):
    """nginx dies at once: its kernel closes both sides of the sessions that it carried."""
    w.kill_nginx()
    w.nginx()
    w.wait_agent("a1")


@short
def test_each_end_has_its_cause_and_can_be_followed(w):
    proc, = w.fleet(agents=("a1",), agent_options=SMALL)
    first = events(w, "?limit=1000")
    expect(not first["lost"], first)
    with w.case("a wrong token is an event"):
        stranger = w.agent("stranger", token="wrong", wait=False)

        def refused():
            return [e for e in events(w, "?kind=upgrade_refused")["events"] if e["evidence"]["status"] == 401]

        w.wait_for(refused, 10, "the refusal is an event")
        stranger.stop()
    with w.case("a proxy's death, a kill -9 and an orderly end are told apart"):
        cut_by_proxy(w)
        w.wait_for(lambda: len(causes(w, "a1")) == 1, 10, "the cut is an event")
        proc.stop()
        w.wait_for(lambda: len(causes(w, "a1")) == 2, 10, "the end is an event")
        expect(causes(w, "a1")[0] in ("connection_closed", "connection_reset"), causes(w, "a1"))
        equal(causes(w, "a1")[1], "bye", "cause of an orderly end")
        again = w.agent("a1", *SMALL)
        again.kill9()
        w.wait_for(lambda: len(causes(w, "a1")) == 3, 10, "the death is an event")
        expect(causes(w, "a1")[2] in ("connection_closed", "connection_reset"), causes(w, "a1"))
    with w.case("the metrics count them by cause"):
        text = w.api.must("GET", "/metrics").text
        expect('sonde_session_ends_total{cause="bye"} 1\n' in text, text)
    with w.case("the agent's own page tells the last one"):
        one = w.api.agent("a1")
        equal((one["reconnects_24h"], one["link"]), (2, None), "reconnects, link of one that is away")
        equal(one["last_disconnect"]["cause"], causes(w, "a1")[2], "cause")
        expect(one["last_disconnect"]["fix"] and one["last_disconnect"]["session_age_ms"] >= 0, one["last_disconnect"])
        page = w.cli("agents", "a1")
        expect("last cut" in page.stdout and "what to do" in page.stdout, page.stdout, page.stderr)
        expect(max(map(len, page.stdout.splitlines())) <= 80, "wider than 80 columns:", page.stdout)
    with w.case("the CLI shows it"):
        said = w.cli("events", "--agent", "a1")
        expect(said.returncode == 0 and "bye" in said.stdout and "agent_connected" in said.stdout, said.stdout, said.stderr)
        rows = [json.loads(x) for x in w.cli("events", "-o", "ndjson", "--kind", "agent_disconnected").stdout.splitlines()]
        equal([r["cause"] for r in rows], causes(w, "a1"), "causes")
        equal(w.cli("events", "-f", "-o", "csv").returncode, 2, "csv has an end")
    with w.case("a stream goes on where it was, and over a restart says what it has missed"):
        w.agent("a1", *SMALL)
        conn = stream(w, first["next_cursor"])
        kind, event = next_event(conn)
        equal(kind, "upgrade_refused", "the next one")
        while kind != "agent_disconnected":
            kind, event = next_event(conn)
        equal(event["cause"], causes(w, "a1")[0], "cause")
        last = event["id"]
        conn.close()
        w.master_proc.kill9()
        w.master()
        w.wait_agent("a1")
        conn = stream(w, last)
        equal(next_event(conn)[0], "lost", "the first of another start")
        equal(next_event(conn)[1]["kind"], "agent_connected", "then what is there")
        conn.close()
        page = events(w, f"?cursor={last}")
        expect(page["lost"] and page["next_cursor"] != last, page)
    with w.case("what is asked wrongly is named"):
        for query, word in (("?cursor=x", "cursor"), ("?kind=A", "kind"), ("?agent=%20", "agent"), ("?limit=0", "limit")):
            r = w.api.get("events" + query)
            expect(r.status == 400 and word in r.text, query, r)


def stream(w, last_id):
    conn = http.client.HTTPConnection("127.0.0.1", w.api.port, timeout=30 * w.slower)
    conn.request("GET", "/api/v1/events", headers={"Authorization": "Bearer " + w.api.token,
                                                   "Accept": "text/event-stream", "Last-Event-ID": last_id})
    conn.reply = conn.getresponse()
    equal(conn.reply.status, 200, "status of the stream")
    return conn


def next_event(conn):
    event = None
    while True:
        name, _, value = conn.reply.readline().decode().rstrip("\n").partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            return event, json.loads(value)
