# SPDX-License-Identifier: MIT
"""The events of a batch as a stream: progress, each result once, the end; over cuts of the line and of the master."""
import http.client
import json
import time

from harness import check_sum, ended, equal, expect, short

SMALL = ("--workers", "1", "--slots", "16")
SLOW_MS = 200
TICK_S = 0.5


class Stream:
    """A client of server-sent events: next() is (event, id, data), None at the end of the stream."""

    def __init__(self, w, batch, query="", last_id=None):
        self.conn = http.client.HTTPConnection("127.0.0.1", w.api.port, timeout=30 * w.slower)
        headers = {"Authorization": "Bearer " + w.api.token, "Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        self.conn.request("GET", f"/api/v1/batches/{batch}/events{query}", headers=headers)
        self.reply = self.conn.getresponse()
        equal(self.reply.status, 200, "status of the stream")
        expect(self.reply.headers["Content-Type"].startswith("text/event-stream"), dict(self.reply.headers))

    def next(self):
        event, last_id, data = "message", None, []
        while True:
            line = self.reply.readline().decode()
            if not line:
                return None
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "event":
                event = value
            elif name == "id":
                last_id = int(value)
            elif name == "data":
                data.append(value)
            elif line == "\n" and data:
                return event, last_id, json.loads("\n".join(data))

    def __iter__(self):
        while True:
            try:
                got = self.next()
            except (http.client.HTTPException, OSError):
                return  # cut
            if got is None:
                return
            yield got

    def close(self):
        self.conn.close()


@short
def test_a_batch_is_followed_to_its_end(w):
    w.fleet(agent_options=SMALL)  # through nginx: nothing waits in its buffers
    batch = w.slow_batch(400, SLOW_MS)
    began, tasks, ids, at, last = time.monotonic(), set(), [], [], None
    for event, last_id, data in Stream(w, batch, "?results=1"):
        w.no_crash()
        if event == "result":
            expect(data["task"] not in tasks, "twice:", data["task"])
            tasks.add(data["task"])
            ids.append(last_id)
        elif event == "progress":
            check_sum(data["counts"])
            at.append((time.monotonic() - began, ended(data["counts"]), len(tasks)))
        last = event, data
    equal((last[0], last[1]["state"], last[1]["counts"]["ok"]), ("end", "ended", 400), "the last event")
    equal((len(tasks), ids), (400, sorted(set(ids))), "results")
    spent = time.monotonic() - began
    expect(2 <= len(at) <= spent / TICK_S + 3, f"{len(at)} times progress within {spent} s", at)
    expect(any(0 < results < 400 for _, _, results in at), "results came at the end only:", at)
    expect(max(abs(counted - results) for _, counted, results in at[:-1]) < 200, "results lag behind", at)


@short
def test_a_stream_goes_on_after_kill_9(w):
    """Cut in the middle by the death of the master, by nginx and by the client: each result comes once."""
    w.fleet(agent_options=SMALL)
    batch = w.slow_batch(600, SLOW_MS)
    tasks, last_id, cuts, done = [], None, 0, None
    while not done:
        stream = Stream(w, batch, "?results=1", last_id)
        for event, got, data in stream:
            done = data if event == "end" else None
            if event != "result":
                continue
            tasks.append(data["task"])
            last_id = got
            if len(tasks) >= 150 * (cuts + 1) and cuts < 3:
                break
        stream.close()
        if not done:
            cuts += 1
            if cuts == 1:
                w.master_proc.kill9()
                w.master()
            elif cuts == 2:
                w.kill_nginx()
                w.nginx()
        expect(cuts < 20, "cut again and again")
    equal((len(tasks), len(set(tasks))), (600, 600), "results, and tasks with one")
    equal(done["counts"]["ok"], 600, "ok")
    expect(cuts >= 3, "nothing was cut")
    equal(sorted(tasks), sorted(r["task"] for r in w.api.results(batch)), "tasks with a result")
    w.master_proc.stop()
    w.check_store()


@short
def test_streams_see_pause_and_cancel_and_a_stopping_master(w):
    w.fleet(agents=("a1",), agent_options=SMALL)
    batch = w.slow_batch(300, SLOW_MS)
    states = []

    def until(stream, state):
        for event, _, data in stream:
            if event == "progress" and (not states or states[-1] != data["state"]):
                states.append(data["state"])
            if data.get("state") == state:
                return
        expect(False, f"the stream has ended without '{state}'")

    stream = Stream(w, batch)
    until(stream, "running")
    w.api.must("POST", f"batches/{batch}/pause", status=202)
    until(stream, "paused")
    w.api.must("POST", f"batches/{batch}/resume", status=202)
    until(stream, "running")
    w.api.must("POST", f"batches/{batch}/cancel", status=202)
    until(stream, "ended")
    expect(states[:3] == ["running", "paused", "running"] and states[-1] == "ended", states)
    stream.close()
    with w.case("a stopping master ends streams without an end"):
        batch = w.slow_batch(200, SLOW_MS)
        stream = Stream(w, batch)
        equal(stream.next()[0], "progress", "the first event")
        w.master_proc.signal(15)
        expect(all(event == "progress" for event, _, _ in stream), "not only progress")
        w.master_proc.wait(45)
        w.check_store()
        w.master()
        equal(w.wait_batch(batch, 60)["ok"], 200, "ok after the restart")
