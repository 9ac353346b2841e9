# SPDX-License-Identifier: MIT
"""The event log: every session ends with one cause, an operator can read it, and it is followed over a restart."""
import contextlib
import http.client
import json
import sqlite3

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
    with w.case("a stream goes on where it was, and over a kill -9 of the master loses nothing"):
        w.agent("a1", *SMALL)
        conn = stream(w, first["next_cursor"])
        kind, event = next_event(conn)
        equal(kind, "upgrade_refused", "the next one")
        while kind != "agent_disconnected":
            kind, event = next_event(conn)
        equal(event["cause"], causes(w, "a1")[0], "cause")
        last = event["id"]
        conn.close()
        w.wait_for(lambda: stored(w) == len(events(w, "?limit=1000")["events"]), 10, "all are on disk")
        before = events(w, "?limit=1000")["events"]
        w.master_proc.kill9()
        w.master()
        w.wait_agent("a1")
        conn = stream(w, last)
        behind = [e["id"] for e in before[1 + [e["id"] for e in before].index(last):]]
        equal([next_event(conn)[1]["id"] for _ in behind], behind, "what was behind it before the kill")
        equal([next_event(conn)[0] for _ in range(2)], ["master_unclean_stop", "master_started"], "then what came next")
        conn.close()
        page = events(w, f"?cursor={last}")
        expect(not page["lost"], page)
        equal([e["id"] for e in page["events"]][:len(behind)], behind, "the same as pages")
    with w.case("what was before is in the newest too, and its cause"):
        newest = events(w, "?limit=1000")["events"]
        equal(newest[:len(before)], before, "events of before the kill")
        equal(causes(w, "a1")[:3], [e["cause"] for e in before if e["kind"] == "agent_disconnected"][:3], "causes")
    with w.case("an orderly stop says so, and no unclean one follows"):
        cursor = events(w, "?limit=1")["next_cursor"]
        w.master_proc.stop()
        w.master()
        w.wait_agent("a1")
        kinds = [e["kind"] for e in events(w, f"?cursor={cursor}&limit=1000")["events"]]
        expect("master_stopped" in kinds and "master_unclean_stop" not in kinds, kinds)
        expect(kinds.index("master_stopped") + 1 == kinds.index("master_started"), kinds)
    with w.case("a cursor of which nothing is kept any more says so"):
        page = events(w, "?cursor=1-1")
        expect(not page["lost"], "all of the first start is there", page)
        w.master_proc.stop()
        forget(w, 1, 2)
        w.master()
        page = events(w, "?cursor=1-1")
        expect(page["lost"] and page["events"], page)
    with w.case("what is asked wrongly is named"):
        for query, word in (("?cursor=x", "cursor"), ("?kind=A", "kind"), ("?agent=%20", "agent"), ("?limit=0", "limit")):
            r = w.api.get("events" + query)
            expect(r.status == 400 and word in r.text, query, r)


def stored(w):
    with contextlib.closing(sqlite3.connect(w.path("data", "sonde.db"))) as db:
        return db.execute("SELECT count(*) FROM events").fetchone()[0]


def forget(w, epoch, number):
    with contextlib.closing(sqlite3.connect(w.path("data", "sonde.db"))) as db:
        db.execute("DELETE FROM events WHERE epoch = ? AND number <= ?", (epoch, number))
        db.commit()


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


def test_what_memory_has_forgotten_is_read_from_the_store(w):
    """12,000 events, of which the hub holds 10,000: pages and a stream go through all that is kept, each once."""
    w.master()
    agent = w.agent("a1", *SMALL)
    w.wait_for(lambda: stored(w) >= 2, 10, "the first are on disk")
    agent.stop()
    w.master_proc.stop()
    with contextlib.closing(sqlite3.connect(w.path("data", "sonde.db"))) as db:
        number = db.execute("SELECT max(number) FROM events WHERE epoch = 1").fetchone()[0]
        db.executemany("INSERT INTO events(epoch, number, at, kind, agent) VALUES(1, ?, 1000, 'agent_alive', ?)",
                       [(number + i, f"b{i % 7}") for i in range(1, 12001)])
        db.commit()
    w.master()
    total = stored(w)
    with w.case("by pages"):
        seen, cursor = ["1-1"], "1-1"
        while True:
            page = events(w, f"?cursor={cursor}&limit=1000")
            expect(not page["lost"], cursor, "says lost")
            if not page["events"]:
                break
            seen += [e["id"] for e in page["events"]]
            cursor = page["next_cursor"]
        expect(len(seen) >= total and len(set(seen)) == len(seen), len(seen), total)
        numbers = [int(x.split("-")[1]) for x in seen if x.startswith("1-")]
        equal(numbers, list(range(1, number + 12001)), "numbers of the first start")
    with w.case("by a filter"):
        page = events(w, "?cursor=1-1&limit=1000&agent=b3")
        equal(len(page["events"]), 1000, "events")
        expect({e["agent"] for e in page["events"]} == {"b3"}, page["events"][:3])
    with w.case("by a stream"):
        conn = stream(w, "1-1")
        got = [next_event(conn)[1]["id"] for _ in range(total - 1)]
        equal(got, seen[1:total], "ids")
        conn.close()
    with w.case("what the store could not keep is lost, and the reader goes on with what memory has"):
        with contextlib.closing(sqlite3.connect(w.path("data", "sonde.db"))) as db:
            db.execute("DELETE FROM events")
            db.commit()
        page = events(w, "?cursor=1-1&limit=1000")
        first = page["events"][0]["id"]
        behind = seen[seen.index(first):]
        expect(page["lost"] and len(behind) > 9000, page["lost"], first, len(behind))
        got = []
        while page["events"]:
            got += [e["id"] for e in page["events"]]
            page = events(w, f"?cursor={page['next_cursor']}&limit=1000")
            expect(not page["lost"], "says lost again behind", got[-1])
        equal(got[:len(behind)], behind, "ids")
        conn = stream(w, "1-1")
        equal(next_event(conn)[0], "lost", "the first word of a stream")
        equal([next_event(conn)[1]["id"] for _ in behind], behind, "ids of the stream")
        conn.close()
