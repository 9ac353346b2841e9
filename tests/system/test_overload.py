# SPDX-License-Identifier: MIT
"""A master with a twentieth of a CPU under load: it takes no new work before its agents suffer, and nothing is lost."""
import http.client
import threading
import time

from faults import Starved, all_batches, metric
from harness import Sampler, ended, equal, expect, heavy, long, takes
from ills import calm_log, peak_rss_mb

PART = 0.05
AGENTS = ("a1", "a2", "a3")
UPLOADERS, READERS, TARGETS = 4, 4, 300
CALL_S = 30      # a call may be slow then, but not for ever
RSS_MB = 200
CALM_S = 30      # until it takes work again


class Load:
    """Clients that upload and read without a pause while the block runs; what they were told."""

    def __init__(self, w):
        self.w, self.stop, self.lock = w, threading.Event(), threading.Lock()
        self.taken, self.shed, self.reads, self.cut, self.slowest, self.odd = [], 0, 0, 0, 0.0, []
        self.threads = [threading.Thread(target=self._run, args=(self._upload, i), daemon=True) for i in range(UPLOADERS)]
        self.threads += [threading.Thread(target=self._run, args=(self._read, i), daemon=True) for i in range(READERS)]

    def _run(self, call, who):
        turn = 0
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                call(who, turn)
            except (OSError, http.client.HTTPException) as e:
                with self.lock:
                    self.cut += 1
                    self.last_cut = e
            self.slowest = max(self.slowest, time.monotonic() - began)
            turn += 1

    def _upload(self, who, turn):
        lines = "".join(f"{self.w.url('/ok')}?{who}-{turn}-{i}\n" for i in range(TARGETS))
        r = self.w.api.post("batches?per_host=0", lines, type="text/plain", timeout=CALL_S)
        with self.lock:
            if r.status == 202:
                self.taken.append(r.json["id"])
            elif r.status == 429 and r.json["code"] in ("overloaded", "store_slow"):
                self.shed += r.json["code"] == "overloaded"
                expect(int(r.headers["Retry-After"]) >= 1, "no Retry-After:", r)
            else:
                self.odd.append(r)
        self.stop.wait(1 if r.status == 429 else 0.2)

    def _read(self, who, turn):
        path = ("agents", "batches?limit=20", "/metrics", "events?limit=100")[(who + turn) % 4]
        r = self.w.api.get(path, timeout=CALL_S)
        with self.lock:
            self.reads += r.status == 200
            if r.status != 200:
                self.odd.append(r)
        self.stop.wait(0.02)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()


def starved(w, seconds):
    w.world()
    w.master()
    for name in AGENTS:
        w.agent(name, "--workers", "1", "--slots", "32")
    sessions = {name: w.api.agent(name)["session"] for name in AGENTS}
    overloaded = []
    with Starved(w.master_proc, PART) as how, Load(w) as load:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            overloaded.append("master_overloaded" in w.master_proc.log())
            time.sleep(0.5)
    w.wait_for(lambda: metric(w, "overloaded") == 0, CALM_S, "it takes new work again")
    print(f"    {how.how}: {len(load.taken)} uploads taken, {load.shed} shed, {load.reads} reads, {load.cut} calls cut, the slowest "
          f"{load.slowest:.1f} s; shed for the first time within {overloaded.index(True) / 2 if any(overloaded) else -1} s; "
          f"peak {peak_rss_mb(w.master_proc.pid):.0f} MB")
    with w.case("it sheds, in words, and reads go on"):
        expect(not load.odd, "unforeseen answers:", load.odd[:3])
        expect(load.shed > 0 and metric(w, "api_shed_total") >= load.shed, load.shed, "were shed")
        expect(load.reads > seconds, load.reads, "reads")
        kinds = [e["kind"] for e in w.api.must("GET", "events?limit=1000").json["events"]]
        expect("master_overloaded" in kinds and "master_overload_over" in kinds, kinds)
    with w.case("its agents do not suffer"):
        equal(metric(w, "agents_dead_total"), 0, "agents declared dead")
        expect("agent_suspect" not in w.master_proc.log(), "an agent was suspected")
        equal({name: w.api.agent(name)["session"] for name in AGENTS}, sessions, "sessions")
    with w.case("all ends, with one result each"):
        w.wait_for(lambda: not all_batches(w, "limit=100&state=running"), 120, "all batches have ended")
        by_id = {b["id"]: b["counts"] for b in all_batches(w)}
        for batch in load.taken:
            equal((by_id[batch]["ok"], ended(by_id[batch])), (TARGETS, TARGETS), "ok, and ended")
            w.one_result_each(batch, TARGETS)
    with w.case("its memory and its log are bounded"):
        if w.kind == "release":
            expect(peak_rss_mb(w.master_proc.pid) < RSS_MB, peak_rss_mb(w.master_proc.pid), "MB")
        calm_log(w.master_proc)
    for proc in w.procs:
        if proc.name in AGENTS:
            proc.stop()
    w.master_proc.stop()
    w.check_store()


@heavy
@takes(20)
def test_with_a_twentieth_of_a_cpu(w):
    starved(w, 20)


@long
def test_with_a_twentieth_of_a_cpu_for_a_minute(w):
    starved(w, 60)
