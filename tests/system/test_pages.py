# SPDX-License-Identifier: MIT
"""What Prometheus and a watchdog ask: /metrics of both programs, and /healthz when a loop of theirs stands still."""
import socket

import promtext
from faults import Harm, need_strace
from harness import Api, equal, expect, free_port, short, takes

SILENT = 5  # seconds


def agent_with_page(w, name="a1", *more):
    port = free_port()
    return w.agent(name, "--workers", "1", "--slots", "4", "--metrics-listen", f"127.0.0.1:{port}", *more), Api(port, None)


@short
def test_metrics_of_both_programs(w):
    w.fleet(agents=())
    agent, page = agent_with_page(w)
    refused = f"http://127.0.0.1:{free_port()}/"
    with w.case("an agent's figures are there"):
        batch = w.api.submit([w.url("/ok"), w.url("/ok"), w.url("/status/500"), refused])
        w.wait_batch(batch, 20)

        def told():
            m = promtext.parse(page.must("GET", "/metrics").text)
            return m if m.get(("sonde_agent_probes_total", (("cause", ""), ("outcome", "ok")))) == 2 else None

        m = w.wait_for(told, 10, "the probes are counted")
        for cause in ("http_5xx", "connect_refused"):
            equal(m["sonde_agent_probes_total", (("cause", cause), ("outcome", "failed"))], 1, cause)
        equal(m["sonde_agent_session_state", (("state", "ready"),)], 1, "state")
        equal((m["sonde_agent_slots", ()], m["sonde_agent_connects_total", ()]), (4, 1), "slots and connects")
        w.wait_for(lambda: promtext.parse(page.must("GET", "/metrics").text)["sonde_agent_outbox_results", ()] == 0, 10, "the outbox is empty")
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
                     "process_start_time_seconds", "sonde_agent_spool_bytes", "sonde_agent_host_sockets_time_wait", "sonde_agent_credit_left"):
            expect((name, ()) in m, name, "is missing")
        for reason in ("rate", "write"):
            expect(("sonde_agent_log_dropped_total", (("reason", reason),)) in m, "no lines dropped for", reason)
        for loop in ("link", "worker"):
            expect(("sonde_agent_loop_lag_ms", (("loop", loop),)) in m, loop, "has no lag")
        w.wait_for(lambda: "sonde_agent_heartbeat_rtt_ms" in page.must("GET", "/metrics").text, 15, "a round trip is known")
    with w.case("the master's are well-formed too"):
        m = promtext.parse(w.api.must("GET", "/metrics").text)
        equal(m["sonde_results_stored_total", ()], 4, "results")
        expect(("sonde_log_dropped_total", (("reason", "rate"),)) in m, "no lost lines")
    with w.case("what an agent does not answer"):
        equal(page.get("/").status, 404, "/")
        equal(page.get("/metrics/").status, 404, "/metrics/")
        r = page.post("/metrics", "x" * 100000)
        equal((r.status, r.headers["Allow"]), (405, "GET, HEAD"), "POST")
        r = page.call("HEAD", "/metrics")
        equal((r.status, r.body), (200, b""), "HEAD")
    with w.case("idle clients do not keep others out for long"):
        idle = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(20)]
        w.wait_for(lambda: answers(page), 30, "it answers again")
        for s in idle:
            s.close()
    with w.case("it survives the loss of the master, and says so"):
        equal(page.must("GET", "/healthz").json["session"], "ready", "session")
        w.master_proc.stop()
        w.wait_for(lambda: page.must("GET", "/healthz").json["session"] == "offline", 20, "the session is lost")
        promtext.parse(page.must("GET", "/metrics").text)
    with w.case("a second agent on its port is told what to do"):
        argv = agent.argv.copy()
        argv[argv.index("--name") + 1] = "a2"
        argv[argv.index("--data") + 1] = w.path("a2")
        r = w.run(argv)
        equal(r.returncode, 2, "exit code")
        expect("is in use" in r.stderr and "--metrics-listen" in r.stderr, r.stderr)
    agent.stop()


def answers(page):
    try:
        return page.get("/healthz", timeout=2).status == 200
    except OSError:
        return False


@takes(15)
def test_healthz_fails_when_a_loop_stands_still(w):
    need_strace()
    w.fleet(agents=())
    agent, page = agent_with_page(w)
    master = Api(w.port["api"], None)
    for proc, api, thread, word in ((w.master_proc, master, "hub", "hub thread"), (agent, page, "link", "link thread"), (agent, page, "worker-0", "worker")):
        with w.case(f"the {thread} of the {proc.name}"):
            api.must("GET", "/healthz")
            harm = Harm(w, proc, thread, f"epoll_wait,epoll_pwait:delay_enter={(SILENT + 4) * 1000000}")
            r = w.wait_for(lambda: api.get("/healthz") if api.get("/healthz").status == 503 else None, 2 * SILENT + 10, "it is not healthy")
            expect(word in r.json["detail"], r)
            harm.end()
            w.wait_for(lambda: api.get("/healthz").status == 200, 30, "it is healthy again")
