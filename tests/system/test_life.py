# SPDX-License-Identifier: MIT
"""Starting and stopping: what can go wrong gets one sentence and the right exit code; SIGTERM loses nothing."""
import http.client
import os
import resource
import signal
import time

import peers
from harness import Api, Skipped, ended, equal, expect, free_port, short


def one_sentence(r, *words, code=1):
    """It ended with that code, and said why in one line of words for people that name the thing and the fix."""
    equal(r.returncode, code, f"exit code ({r.stderr[-500:]})")
    lines = [line for line in r.stderr.splitlines() if line.startswith("sonde")]
    equal(len(lines), 1, f"lines for people in {r.stderr[-500:]!r}")
    said = lines[0]
    for word in words:
        expect(str(word) in said, f"it does not name {word!r}: {said[-500:]}")


def serve(w, *more, data=None):
    return [w.program("sonde-master"), "serve", "--listen", f"127.0.0.1:{free_port()}",
            "--agents-listen", f"127.0.0.1:{free_port()}", "--data", data or w.path("other"), *more]


@short
def test_master_that_cannot_start(w):
    w.fleet(agents=())
    os.makedirs(w.path("other"), exist_ok=True)
    with w.case("the API's port is in use"):
        r = w.run([w.program("sonde-master"), "serve", "--listen", f"127.0.0.1:{w.port['api']}",
                   "--agents-listen", f"127.0.0.1:{free_port()}", "--data", w.path("other")], timeout=20)
        one_sentence(r, f"127.0.0.1:{w.port['api']}", "in use", "stop it", "--listen")
    with w.case("the agents' port is in use"):
        r = w.run([w.program("sonde-master"), "serve", "--listen", f"127.0.0.1:{free_port()}",
                   "--agents-listen", f"127.0.0.1:{w.port['agents']}", "--data", w.path("other")], timeout=20)
        one_sentence(r, f"127.0.0.1:{w.port['agents']}", "in use", "stop it", "--agents-listen")
    with w.case("a second master on the same data directory"):
        one_sentence(w.run(serve(w, data=w.path("data")), timeout=20), w.path("data"), "in use", f"pid {w.master_proc.pid}", "--data")
    with w.case("a data directory that cannot be made"):
        open(w.path("file"), "w").close()
        one_sentence(w.run(serve(w, data=w.path("file", "data")), timeout=20), w.path("file", "data"), "--data")
    with w.case("a data directory that is a file"):
        one_sentence(w.run(serve(w, data=w.path("file")), timeout=20), w.path("file"), "--data")
    with w.case("a data directory that is read-only"):
        one_sentence(w.run(serve(w, data="/proc/sonde"), timeout=20), "/proc/sonde", "--data")
    with w.case("the tokens of a data directory that is not there"):
        one_sentence(w.run([w.program("sonde-master"), "token", "list", "--data", "/nonexistent"]), "/nonexistent", "--data")
    with w.case("a token that is not there"):
        r = w.run([w.program("sonde-master"), "token", "revoke", "nope", "--data", w.path("data")])
        one_sentence(r, "'nope'", "sonde-master token list")
    with w.case("a flag that does not exist"):
        r = w.run([w.program("sonde-master"), "serve", "--lisen", "x"])
        one_sentence(r, "--lisen", "--listen", code=2)
    with w.case("an unknown key in the configuration"):
        with open(w.path("bad.yaml"), "w", encoding="ascii") as f:
            f.write("listen: 127.0.0.1:1\ncolour: red\n")
        r = w.run([w.program("sonde-master"), "--check-config", "--config", w.path("bad.yaml")])
        one_sentence(r, "colour", "bad.yaml:2:1", code=2)
    with w.case("the examples of deploy/conf are good"):
        from harness import TOP

        for name in ("master", "agent"):
            conf = os.path.join(TOP, "deploy", "conf", name + ".yaml")
            r = w.run([w.program("sonde-" + name), "--print-config", "--config", conf])
            expect(r.returncode == 0, name, r.stderr)


@short
def test_data_directory_not_writable(w):
    if os.getuid() != 0:
        raise Skipped("needs root to become another user")
    os.makedirs(w.path("locked"), mode=0o555)
    os.chmod(w.dir, 0o755)
    r = w.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *serve(w, data=w.path("locked"))], timeout=20)
    if "execute" in r.stderr and "Permission" in r.stderr:
        raise Skipped("the build is not readable to other users")
    one_sentence(r, w.path("locked"), "ermission denied", "--data")


@short
def test_agent_that_cannot_join(w):
    w.fleet(agents=())
    with w.case("a wrong token: it says so, and the master counts no agent"):
        a = w.agent("bad", wait=False, token="sonde_" + "x" * 43)
        w.wait_for(lambda: "(401)" in a.log(), 20, "the agent says what the master answered")
        expect("refused the token" in a.log() and "sonde-master token add --scope agent" in a.log(), a.log())
        expect(a.alive(), "it does not try again")
        equal(w.api.agent("bad"), None, "the agent in the fleet")
        a.stop()
    with w.case("a token bound to another name"):
        a = w.agent("other", wait=False, token=w.token("agent", "somebody"))
        w.wait_for(lambda: "this token is bound to another agent name: make one with" in a.log(), 20, "the agent names the trouble")
        equal(w.api.agent("other"), None, "the agent in the fleet")
        a.stop()
    with w.case("no token file"):
        r = w.run([w.program("sonde-agent"), "--master", "ws://127.0.0.1:1/ws", "--name", "x", "--token-file", "/nonexistent"], timeout=20)
        one_sentence(r, "/nonexistent", "token", code=2)
    with w.case("a name that is none"):
        r = w.run([w.program("sonde-agent"), "--master", "ws://127.0.0.1:1/ws", "--name", "a b", "--token-file", "/dev/null"], timeout=20)
        one_sentence(r, "--name", "'a b'", "letters", code=2)
    with w.case("an address that is none"):
        r = w.run([w.program("sonde-agent"), "--master", "http://x", "--name", "x", "--token-file", "/dev/null"], timeout=20)
        one_sentence(r, "'http://x'", "ws://", "wss://", code=2)
    with w.case("a spool that holds nothing"):
        argv = ["--master", "ws://127.0.0.1:1/ws", "--name", "x", "--token-file", w.path("other", "token"), "--spool-bytes", "4096"]
        one_sentence(w.run([w.program("sonde-agent"), *argv], timeout=20), "--spool-bytes", "1048576", "4096", code=2)


@short
def test_agent_waits_for_a_master_that_is_down(w):
    w.world()
    w.master()
    w.token("agent", "a1")
    w.master_proc.stop()
    a = w.agent("a1", wait=False, token=w.token("agent", "a1"))
    w.wait_for(lambda: "connect_failed" in a.log(), 15, "the agent says that it cannot connect")
    line = [x for x in a.log().splitlines() if "connect_failed" in x][0]
    for word in (f"127.0.0.1:{w.port['agents']}", "problem=", "fix=", "retry_in_ms="):
        expect(word in line, f"it does not name {word!r}: {line}")
    w.master()
    w.wait_agent("a1")
    expect(a.alive(), "the agent has ended")


@short
def test_agent_probes_without_a_master(w):
    w.world()
    base = [w.program("sonde-agent"), "probe"]
    flags = ["--allow", "127.0.0.0/8", "--resolver", f"127.0.0.1:{w.targets['dns']}", "--ca-file", w.targets["ca"]]
    with w.case("a good one ends with 0"):
        r = w.run(base + [w.url("/ok", "h.ok.test")] + flags)
        equal(r.returncode, 0, f"exit code ({r.stderr})")
    with w.case("a bad one ends with 1 and names the cause"):
        r = w.run(base + [w.url("/status/404")] + flags)
        equal(r.returncode, 1, "exit code")
        expect("http_4xx" in r.stdout, r.stdout)
    with w.case("loopback is denied unless it is allowed"):
        r = w.run(base + [w.url("/ok")])
        expect(r.returncode == 1 and "policy_address" in r.stdout, r.returncode, r.stdout)
    with w.case("nonsense ends with 2"):
        one_sentence(w.run(base + ["nonsense"]), "'nonsense'", "https://nonsense/", code=2)
    with w.case("proxies of the environment are ignored"):
        r = w.run(base + [w.url("/ok")] + flags, env={"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
        equal(r.returncode, 0, "exit code")


def running_batch(w, count=60):
    """Tasks that take 2 s each, more than there are slots."""
    batch = w.api.submit([f"http://d{i}.ok.test:{w.targets['http']}/slow/2000" for i in range(count)])
    w.wait_for(lambda: w.api.counts(batch)["running"] >= 16, 20, "tasks run")
    return batch


SLOTS = ("--workers", "1", "--slots", "16")


@short
def test_agent_drains_on_sigterm(w):
    agents = w.fleet(agent_options=SLOTS)
    batch = running_batch(w)
    w.wait_for(lambda: w.requests() > 16, 20, "more run than one agent has places: both probe")
    agents[0].signal(signal.SIGTERM)
    equal(agents[0].wait(40), 0, "exit code")
    equal(w.wait_batch(batch, 60)["ok"], 60, "ok")
    results = w.one_result_each(batch, 60)
    expect(any(r["agent"] == "a1" for r in results), "the drained agent finished nothing")
    # What ran was finished and what had not started went back: no probe was made twice.
    equal(w.requests(), 60, "requests that the target saw")


@short
def test_master_drains_on_sigterm_and_goes_on_after(w):
    w.fleet(agent_options=SLOTS)
    batch = running_batch(w)
    w.master_proc.signal(signal.SIGTERM)
    equal(w.master_proc.wait(45), 0, "exit code")
    w.check_store()
    w.master()
    equal(w.wait_batch(batch, 90)["ok"], 60, "ok")
    w.one_result_each(batch, 60)


@short
def test_second_sigterm_ends_at_once(w):
    agents = w.fleet(agents=("a1",), agent_options=SLOTS)
    batch = w.api.submit([{"url": f"http://127.0.0.1:{w.targets['tarpit']}/", "timeout_ms": 20000}] * 8)
    w.wait_for(lambda: w.api.counts(batch)["running"] >= 8, 20, "tasks run")
    agents[0].expected |= {1, 143, -signal.SIGTERM}
    agents[0].signal(signal.SIGTERM)
    time.sleep(0.5)  # so that they are two signals and not one
    expect(agents[0].alive(), "the first SIGTERM did not drain")
    agents[0].signal(signal.SIGTERM)
    agents[0].wait(3)


def test_second_sigterm_ends_the_master_at_once(w):
    """In the middle of its drain, with results on their way: what was accepted is all there for the next one."""
    w.world()
    w.master()
    token = w.token("agent")
    w.agent("a1", *SLOTS)
    mute = peers.join(w, "mute", token, credit=8)
    batch = w.api.submit([f"http://d{i}.ok.test:{w.targets['http']}/slow/300" for i in range(40)], priority="interactive")
    mute.wait("task")
    w.master_proc.expected.add(-signal.SIGTERM)
    w.master_proc.signal(signal.SIGTERM)
    w.wait_for(lambda: "to=parting" in w.master_proc.log(), 10, "it takes leave of its agents, of whom one does not answer")
    w.master_proc.signal(signal.SIGTERM)
    began = time.monotonic()
    equal(w.master_proc.wait(3), -signal.SIGTERM, "exit code")
    expect(time.monotonic() - began < 1 * w.slower, "the second SIGTERM was no end")
    w.check_store()
    w.master()
    with peers.join(w, "mute", token):  # it says that it holds nothing
        equal(w.wait_batch(batch, 40)["ok"], 40, "ok")
    w.one_result_each(batch, 40)
    w.check_store()


def test_memory_of_the_master_runs_out(w):
    """It has no clean way on when an allocation fails: it ends at once, is started again, and nothing that it accepted is lost."""
    w.world()
    w.master()
    w.agent("a1", *SLOTS)
    batch = w.api.submit([f"http://m{i}.ok.test:{w.targets['http']}/slow/500" for i in range(60)])
    w.wait_for(lambda: w.api.counts(batch)["running"] >= 16, 20, "tasks run")
    first = w.master_proc
    first.expected.add(-signal.SIGABRT)
    with open(f"/proc/{first.pid}/status", encoding="ascii") as f:
        data = int([x for x in f if x.startswith("VmData:")][0].split()[1]) * 1024
    resource.prlimit(first.pid, resource.RLIMIT_DATA, (data, resource.RLIM_INFINITY))
    refused = "\n".join(f"http://z{i}.test/{'x' * 400}" for i in range(60000))
    try:
        status = w.api.post("batches", refused, type="text/plain").status
        expect(status >= 500, "a batch for which there was no memory: status", status)
    except (OSError, http.client.HTTPException):
        pass  # the master has ended
    w.wait_for(lambda: not first.alive(), 20, "it has ended")
    expect("requirement failed" in first.log(), "it does not say where")
    os.rename(first.log_path, first.log_path + ".first")  # its last words are no finding here
    w.master()
    equal(w.wait_batch(batch, 60)["ok"], 60, "ok")
    w.one_result_each(batch, 60)
    equal(len(w.api.must("GET", "batches").json["batches"]), 1, "batches")
    w.check_store()


@short
def test_probes_answer_at_once(w):
    w.fleet()
    with w.case("a good one"):
        r = w.api.must("POST", "probes", {"url": w.url("/ok")}).json
        results = r.get("results", [r])
        equal(results[0]["outcome"], "ok", "outcome")
    with w.case("a bad one is an answer too"):
        r = w.api.must("POST", "probes", {"url": w.url("/status/503")}).json
        equal(r.get("results", [r])[0]["cause"], "http_5xx", "cause")
    with w.case("dns"):
        r = w.api.must("POST", "probes", {"dns": "dns:a.ok.test?type=MX"}).json
        equal(r.get("results", [r])[0]["outcome"], "ok", "outcome")


@short
def test_without_an_agent_a_batch_waits_and_says_so(w):
    w.fleet(agents=())
    batch = w.api.submit([w.url("/ok")] * 3, deadline_s=2)
    counts = w.wait_batch(batch, 20)
    equal(counts["expired"], 3, "expired")
    equal({r["cause"] for r in w.one_result_each(batch, 3)}, {"no_agent"}, "causes")


@short
def test_metrics_and_health(w):
    w.fleet(agents=("a1",))
    equal(w.wait_batch(w.api.submit([w.url("/ok")] * 10), 20)["ok"], 10, "ok")
    with w.case("metrics are Prometheus text"):
        r = w.api.must("GET", "/metrics")
        expect("# TYPE sonde_" in r.text, r)
    with w.case("healthz and readyz"):
        for path in ("/healthz", "/readyz"):
            equal(Api(w.port["nginx"], None).get(path).status, 200, path)
    with w.case("the fleet"):
        a = w.api.must("GET", "agents").json["agents"]
        equal([x["name"] for x in a], ["a1"], "names")
    equal(ended(w.api.counts(w.api.must("GET", "batches").json["batches"][0]["id"])), 10, "ended")
