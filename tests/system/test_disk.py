# SPDX-License-Identifier: MIT
"""A master whose disk is full, slow, broken or has lost bytes: it says so, promises nothing that it cannot keep, and comes back."""
import glob
import http.client
import json
import os
import signal
import time

import told
from faults import Harm, SmallDisk, all_batches, metric, need_strace
from harness import Api, Sampler, ended, equal, expect, long, short

SMALL = ("--workers", "1", "--slots", "64")
WINDOW = 64 + 64 // 4


def fleet(w):
    w.world()
    w.master()
    return [w.agent(name, *SMALL) for name in ("a1", "a2")]


class SlowUpload:
    """A body that is sent piece by piece."""

    def __init__(self, w):
        self.w = w
        self.conn = http.client.HTTPConnection("127.0.0.1", w.port["api"], timeout=90)
        self.conn.putrequest("POST", "/api/v1/batches?per_host=0&name=upload")
        for name, value in {"Authorization": "Bearer " + w.api.token, "Content-Type": "text/plain", "Transfer-Encoding": "chunked"}.items():
            self.conn.putheader(name, value)
        self.conn.endheaders()

    def lines(self, first, count):
        piece = "".join(self.w.url(f"/ok?u{i}") + "\n" for i in range(first, first + count)).encode()
        self.conn.send(b"%x\r\n%s\r\n" % (len(piece), piece))

    def answer(self):
        self.conn.send(b"0\r\n\r\n")
        r = self.conn.getresponse()
        body = r.read()
        self.conn.close()
        return r.status, json.loads(body)


# --- full


def refused_for_space(r):
    equal((r.status, r.json["code"]), (507, "no_space"), "answer")
    expect("disk is full" in r.json["detail"] and "data directory" in r.json["detail"], r)


def test_the_masters_disk_is_full(w):
    with SmallDisk(w.path("data"), "8m") as disk:
        fleet(w)
        batch = w.slow_batch(400, 700)
        w.wait_for(lambda: ended(w.api.counts(batch)) > 50, 20, "the batch is in its middle")
        upload = SlowUpload(w)
        upload.lines(0, 500)
        disk.fill()
        w.wait_for(lambda: metric(w, "store_disk_full") == 1, 20, "the master has met the end of its disk")
        full(w, batch, upload)
        disk.free()
        w.wait_for(lambda: metric(w, "store_disk_full") == 0, 20, "it has seen that there is room")
        more = w.api.submit([w.url(f"/ok?{i}") for i in range(50)])
        equal(w.wait_batch(batch, 60)["ok"], 400, "ok")
        w.one_result_each(batch, 400)
        equal(w.wait_batch(more, 60)["ok"], 50, "ok")
        equal(w.requests(), 450, "requests that the targets saw")
        equal(len(all_batches(w)), 2, "batches")
        w.master_proc.stop()
        w.check_store()


def full(w, batch, upload):
    """While it is."""
    with w.case("an upload is refused with words, and so is one under way"):
        refused_for_space(w.api.post("batches", {"targets": [w.url("/ok")]}))
        upload.lines(500, 500)
        status, body = upload.answer()
        equal((status, body["code"]), (507, "no_space"), "answer to the upload under way")
    with w.case("a probe too"):
        refused_for_space(w.api.post("probes", {"url": w.url("/ok")}))
    with w.case("what reads goes on"):
        for path in (f"batches/{batch}", f"batches/{batch}/results", "batches", "agents", "/metrics", "/healthz"):
            w.api.must("GET", path, timeout=5)
    with w.case("it is alive, and not ready"):
        equal(Api(w.port["api"], None).get("/readyz").status, 503, "/readyz")
    with w.case("what ended waits at the agents, within their window"):
        def waiting():
            beats = [w.api.agent(n)["heartbeat"] for n in ("a1", "a2")]
            return all(b and b["outbox_results"] > 0 and b["running"] == 0 for b in beats) and beats

        for b in w.wait_for(waiting, 30, "all that ran has ended and waits"):
            expect(b["outbox_results"] <= 2 * WINDOW, b)
        expect(ended(w.api.counts(batch)) < 400, "the batch has ended on a full disk")
    with w.case("the log says it once"):
        equal(w.master_proc.log().count("disk_full"), 1, "lines")


@short
def test_a_start_on_a_full_disk(w):
    """It does not start, says why, and leaves what is there as it is."""
    with SmallDisk(w.path("data"), "8m") as disk:
        def refused(case):
            with w.case(case):
                r = w.run(w.master_proc.argv, timeout=20)
                equal(r.returncode, 1, f"exit code ({r.stderr})")
                said = [line for line in r.stderr.splitlines() if line.startswith("sonde-master:")]
                expect(len(said) == 1 and w.path("data") in said[0] and "make room" in said[0], r.stderr)

        w.master()
        batch = slow_batch_nobody_runs(w)
        w.master_proc.stop()  # in good order: no log is left that would make room as it goes into the file
        disk.fill()
        refused("the store is there")
        disk.free()
        w.check_store()
        w.master()
        equal(w.api.counts(batch)["queued"], 10, "queued")
        w.master_proc.stop()
        for path in glob.glob(w.path("data", "*")):
            os.unlink(path)
        disk.fill()
        refused("nothing is there yet")


def slow_batch_nobody_runs(w):
    return w.api.submit(["http://127.0.0.1/ok"] * 10)


# --- broken: what a disk that does not sync or write means


BROKEN = 3  # the exit code


def upload(w, name):
    """The answer, or None when there is none."""
    try:
        text = "".join(w.url(f"/ok?{name}-{i}") + "\n" for i in range(100))
        return w.api.post("batches?per_host=0", text, type="text/plain", headers={"Idempotency-Key": name}, timeout=20)
    except (OSError, http.client.HTTPException):
        return None


def broken_at(w, call, n, answers):
    """Nothing is acknowledged after the failure, and the master ends; the next one has all that was."""
    proc = w.master_proc
    proc.expected.add(BROKEN)
    Harm(w, proc, "store-writer", f"{call}:error=EIO:when={n}")
    asked = []
    while proc.alive():
        expect(len(asked) < 300, "the master lives on")
        asked.append(f"{call}-{n}-{len(asked)}")
        r = upload(w, asked[-1])
        if r and r.status == 202:
            answers[asked[-1]] = r.json["id"]
        expect(r is None or r.status in (202, 500, 503), r)
    equal(proc.wait(5), BROKEN, "exit code")
    expect("disk_failed" in proc.log() and "nothing further is acknowledged" in proc.log(), "the log does not say why")
    w.check_store()
    w.master()
    for name in asked:
        r = upload(w, name)
        equal((r.status, r.json["id"]), (202, answers.setdefault(name, r.json["id"])), f"the repeat of {name}")


def disk_that_breaks(w, points):
    need_strace()
    w.world()
    w.master()
    answers, agent = {}, w.agent("a1", *SMALL)
    for call, n in points:
        broken_at(w, call, n, answers)
        agent.kill9()  # one that lost its master so often would take its time to come back
        agent = w.agent("a1", *SMALL)
    for batch in answers.values():
        equal(w.wait_batch(batch, 60)["total"], 100, "tasks")
        w.one_result_each(batch, 100)
    equal({b["id"] for b in all_batches(w)}, set(answers.values()), "batches")
    agent.stop()


def test_a_disk_that_breaks(w):
    disk_that_breaks(w, [("fdatasync", 1), ("fdatasync", 2), ("fdatasync", 5), ("pwrite64", 1), ("pwrite64", 12)])
    with w.case("in the last checkpoint"):
        proc = w.master_proc
        proc.expected.add(BROKEN)
        Harm(w, proc, "sonde-master", "fdatasync:error=EIO:when=1")
        proc.signal(signal.SIGTERM)
        equal(proc.wait(20), BROKEN, "exit code")
    w.check_store()


@long
def test_a_disk_that_breaks_at_each_of_forty_syncs_and_writes(w):
    disk_that_breaks(w, [(call, n) for n in range(1, 41) for call in ("fdatasync", "pwrite64")])
    w.master_proc.stop()
    w.check_store()


# --- slow (test_stop.py runs it, beside others that mostly wait)


def slow_disk(w, delay_s, hold_s):
    """Each sync takes over a second: nobody is declared dead, nothing is refused that had begun, and it passes."""
    need_strace()
    fleet(w)
    batch = w.slow_batch(800, 300)
    w.wait_for(lambda: ended(w.api.counts(batch)) > 50, 20, "the batch is in its middle")
    upload = SlowUpload(w)
    upload.lines(0, 1000)
    harm = Harm(w, w.master_proc, "store-writer", f"fdatasync:delay_enter={int(delay_s * 1e6)}")
    began, waiting = time.monotonic(), []
    with Sampler(lambda: nobody_is_cut_off(w, waiting), 0.25):
        r = w.wait_for(lambda: refused_for_slowness(w), 30, "no further upload begins")
        expect("disk is slow" in r.json["detail"] and int(r.headers["Retry-After"]) > 0, r)
        for i in range(20):  # the upload goes on all the while
            upload.lines(1000 + 200 * i, 200)
            time.sleep(0.1)
        status, body = upload.answer()
        equal((status, body.get("accepted")), (202, 5000), f"answer to the upload that had begun ({body})")
        time.sleep(max(0, hold_s - (time.monotonic() - began)))
    harm.end()
    print(f"    {hold_s} s of commits of {delay_s} s: at most {max(waiting):.0f} results waited for one")
    expect(max(waiting) > 0, "no result ever waited: the disk was not slow")
    w.wait_for(lambda: not refused_for_slowness(w), 15, "uploads begin again")
    all_stored_once(w)
    equal(metric(w, "agents_dead_total"), 0, "agents declared dead")
    w.master_proc.stop()
    w.check_store()


SYNC_S, SYNCS = 20, 3
RESULTS_MAX = 4096  # of an agent beyond what is stored: CORE_RESULT_WINDOW


@long
def test_syncs_of_twenty_seconds_each(w):
    """Longer than a death takes. The windows of results fill, agents stop at their bound, and it passes: nothing is lost or twice."""
    need_strace()
    agents, total = fleet(w), 30000
    names = [a.name for a in agents]
    sessions = {n: w.api.agent(n)["session"] for n in names}
    batch = w.api.submit([w.url(f"/ok?{i}") for i in range(total)], per_host=0)
    w.wait_for(lambda: ended(w.api.counts(batch)) > 50, 20, "the batch is in its beginning")
    harm = Harm(w, w.master_proc, "store-writer", f"fdatasync:delay_enter={SYNC_S * 1000000}")
    began, waiting, before = time.monotonic(), [], ended(w.api.counts(batch))
    with Sampler(lambda: nobody_is_cut_off(w, waiting), 0.25):
        # One that had begun may take several syncs: it has its client's patience, and no more.
        w.wait_for(lambda: refused_for_slowness(w, timeout=2), SYNC_S, "no further upload begins")
        w.wait_for(lambda: all(w.api.agent(n)["heartbeat"]["outbox_results"] > 0 for n in names), SYNC_S, "results wait at the agents, too")
        w.wait_for(lambda: time.monotonic() - began > SYNCS * SYNC_S + 1, SYNCS * SYNC_S + 2, "some syncs have passed")
        done = ended(w.api.counts(batch)) - before
        kept = [w.api.agent(n)["heartbeat"]["outbox_results"] for n in names]
    harm.end()
    print(f"    {time.monotonic() - began:.0f} s of syncs of {SYNC_S} s each: {done} results stored, {max(waiting):.0f} at most waited for it, "
          f"{kept} at the agents, {w.requests()} of {total} targets asked")
    with w.case("the windows of results filled, and not beyond"):
        expect(RESULTS_MAX < max(waiting) <= len(names) * RESULTS_MAX, max(waiting), "waited")
    with w.case("nobody was in doubt"):
        equal((metric(w, "agents_dead_total"), told.events(w, "agent_suspect"), told.events(w, "bulk_loss")), (0, [], []), "dead, suspect, bulk losses")
        equal({n: w.api.agent(n)["session"] for n in names}, sessions, "sessions")
    all_stored_once(w)
    w.master_proc.stop()
    w.check_store()


def all_stored_once(w):
    """Each batch has ended well, and each target was asked once."""
    total = 0
    for b in all_batches(w):
        counts = w.wait_batch(b["id"], 60)
        equal(counts["ok"], counts["total"], "ok")
        w.one_result_each(b["id"], counts["total"])
        total += counts["total"]
    equal(w.requests(), total, "requests that the targets saw")


def refused_for_slowness(w, timeout=90):
    """The answer, if it is that one."""
    try:
        r = w.api.post("batches", {"targets": [w.url("/ok")]}, timeout=timeout)
    except TimeoutError:
        return None
    expect(r.status in (202, 429), r)
    return r if r.status == 429 and r.json["code"] == "store_slow" else None


def nobody_is_cut_off(w, waiting):
    asked = time.monotonic()
    agents = w.api.must("GET", "agents").json["agents"]
    expect(time.monotonic() - asked < w.slower, "GET /agents took", time.monotonic() - asked, "s")
    for a in agents:
        equal(a["state"], "alive", f"state of {a['name']}")
        expect(a["in_flight"] <= WINDOW, a)
    w.api.must("GET", "/healthz")
    waiting.append(metric(w, "results_waiting_store"))
