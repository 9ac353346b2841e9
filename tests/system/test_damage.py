# SPDX-License-Identifier: MIT
"""A store that lost bytes: check says what is wrong, the master refuses it in words or says what it cannot read; neither crashes."""
import http.client
import os
import random
import shutil

from harness import Failed, describe, expect, long

DB = "sonde.db"
PAGE = 4096
BROKEN = 3  # the exit code of a master whose store cannot be trusted any more


def store_of_many_kinds(w):
    """Batches in each state, closed in good order; a copy of it is damaged each time."""
    w.world()
    w.master()
    agent = w.agent("a1", "--workers", "1", "--slots", "64")
    t = w.targets
    mixed = [w.url("/ok"), w.url("/status/404"), "dns:h.ok.test?type=A", f"http://nx.h.test:{t['http']}/", w.url("/redirect/2")] * 30
    done = w.api.submit(mixed, name="done", labels={"k": "v"}, agents={"count": 1})
    w.wait_batch(done, 30)
    w.api.must("POST", f"batches/{done}/retry-failed", status=202)
    w.wait_batch(w.api.must("GET", "batches").json["batches"][0]["id"], 30)
    nobody = {"agents": {"names": ["nobody"]}}
    cancelled = w.api.submit(mixed, name="cancelled", **nobody)
    w.api.must("POST", f"batches/{cancelled}/cancel", status=202)
    w.wait_batch(cancelled, 30)
    w.api.submit(mixed, name="open", **nobody)
    # Of one host eight at a time: it lasts for seconds unless it is paused.
    paused = w.api.submit(mixed + [w.url(f"/slow/300?{i}") for i in range(100)], name="paused")
    w.api.must("POST", f"batches/{paused}/pause", status=202)
    agent.stop()
    w.master_proc.stop()
    w.check_store()
    os.rename(w.path("data"), w.path("good"))


# --- ways to lose bytes: each takes the file, and gives whether the check must see it


def flip(f, size, dice):
    at = dice.randrange(size)
    f.seek(at)
    byte = f.read(1)[0]
    f.seek(at)
    f.write(bytes([byte ^ 1 << dice.randrange(8)]))
    return False


def zeroes(f, size, dice):
    """A page of the disk that was never written."""
    f.seek(dice.randrange(size // PAGE) * PAGE)
    f.write(bytes(PAGE))
    return False


def garbage(f, size, dice):
    f.seek(dice.randrange(size // 512) * 512)
    f.write(dice.randbytes(512))
    return False


def cut(f, size, dice):
    f.truncate(dice.randrange(1, size))
    return True


HARMS = [flip, zeroes, garbage, cut]


# --- what it must bear


def said(stderr):
    return [line for line in stderr.splitlines() if line.startswith("sonde-master:")]


def check_says(w, must):
    """Whether the check found something; it never ends but by itself, with words for what it found."""
    r = w.run([w.program("sonde-master"), "check", "--data", w.path("data")])
    expect(r.returncode in (0, 1), f"check ended with {r.returncode}:", r.stdout[-500:], r.stderr[-2000:])
    expect(r.stdout.strip(), "check said nothing")
    expect(r.returncode == 1 or not must, "check is green:", r.stdout)
    return r.returncode == 1


def answers(w):
    """Everything that reads the store is asked; what cannot be read is an answer in words."""
    def get(path, **more):
        r = w.api.get(path, timeout=20, **more)
        expect(r.status in (200, 404, 410, 500), f"GET {path}: {r!r}")
        if r.status == 500:
            expect(len(r.json["detail"]) > 20, r)
        return r

    r = get("batches")
    batches = r.json["batches"] if r.status == 200 else []
    for b in batches:
        get(f"batches/{b['id']}")
        get(f"batches/{b['id']}?by=host")
        try:
            get(f"batches/{b['id']}/results.ndjson")
        except http.client.IncompleteRead:
            pass  # an export that cannot go on is cut, so that nobody takes it for whole
        page = get(f"batches/{b['id']}/results?limit=200")
        if page.status == 200:
            for row in page.json["results"][:3]:
                get(f"tasks/{row['task']}")


def serves_or_refuses(w, orderly=True):
    """One of: refused, served, stopped (it found on the way that the store cannot be trusted)."""
    proc = w.master(wait=False)
    proc.expected |= {1, BROKEN}
    try:
        w.wait_ready()
        answers(w)
        w.api.post("batches", {"targets": [w.url("/ok")]}, timeout=20)
    except (Failed, OSError, http.client.HTTPException) as e:
        code = proc.wait(10) if not proc.alive() or "Connection" in str(e) or "Remote" in str(e) else None
        if code == 1:
            expect(len(said(proc.log())) == 1, "it did not say why it does not start:", proc.log()[-2000:])
            return "refused"
        if code == BROKEN:
            expect("disk_failed" in proc.log(), proc.log()[-2000:])
            return "stopped"
        raise
    if orderly:
        proc.stop()
    else:
        proc.kill9()  # which is faster
    return "served"


def damaged(w, harm, seed, orderly):
    """What came of it."""
    dice = random.Random(seed)
    shutil.rmtree(w.path("data"), ignore_errors=True)
    shutil.copytree(w.path("good"), w.path("data"))
    path = w.path("data", DB)
    with open(path, "r+b") as f:
        must = harm(f, os.path.getsize(path), dice)
    if os.path.exists(w.path("master.log")):
        os.unlink(w.path("master.log"))
    found = check_says(w, must)
    return ("found, " if found else "unseen, ") + serves_or_refuses(w, orderly)


def each_damaged(w, count, seed):
    store_of_many_kinds(w)
    outcomes = {}
    for i in range(count):
        harm = HARMS[i % len(HARMS)]
        try:
            came = damaged(w, harm, seed + i, i % 3 == 0)
        except Exception as e:
            raise Failed(f"{harm.__name__}, seed {seed + i}: {describe(e)}") from None
        key = f"{harm.__name__}: {came}"
        outcomes[key] = outcomes.get(key, 0) + 1
    print("    " + "; ".join(f"{n} {key}" for key, n in sorted(outcomes.items())))


def test_sixteen_damages(w):
    each_damaged(w, 16, 1)


@long
def test_four_hundred_damages(w):
    seed = int(os.environ.get("SONDE_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"    SONDE_TEST_SEED={seed}", flush=True)
    each_damaged(w, 400, seed)
