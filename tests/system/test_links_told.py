# SPDX-License-Identifier: MIT
"""What the diagnosis says of the links: where the bytes wait that a slow reader does not take, why sessions are cut, what leaks."""
import contextlib
import os
import signal
import time

import peers
import told
from harness import equal, expect, takes

PAGE = "x" * 30000  # of a request's body: a task of 30 KB
SLOW_S = 15  # unmoved for so long: then it is told as slow


def mute(w, name, tasks, **more):
    """One that reads nothing, and a batch of so many large tasks for it."""
    peer = peers.Mute(w, name, tasks, slots=16, **more)
    targets = [{"url": w.url("/ok"), "method": "POST", "body": PAGE} for _ in range(tasks)]
    peer.batch = w.api.submit(targets, agents={"names": [name]}, per_host=0)
    return peer


@takes(20)
def test_what_a_slow_reader_does_not_take_is_found_where_it_waits(w):
    w.world()
    w.master()
    w.nginx()
    busy = w.agent("busy", "--workers", "1", "--slots", "2")
    w.api.submit([w.url(f"/tarpit?{i}") for i in range(30)], agents={"names": ["busy"]}, per_host=0)
    with contextlib.ExitStack() as stack:
        deaf = [
            mute(w, "in-sendq", 60, rcvbuf=4096),
            mute(w, "in-proxy", 200, rcvbuf=4096, port=w.port["nginx"]),
            mute(w, "in-recvq", 6, rcvbuf=1 << 20),
        ]
        for d in deaf:
            stack.enter_context(d.end)
        beaten = [0.0]

        def all_slow():
            if time.monotonic() - beaten[0] > 1:
                for d in deaf:
                    d.beat()
                beaten[0] = time.monotonic()
            f = told.finding(w, "slow_consumers")
            return f if f["figures"]["slow"] == 3 else None

        # Not much later: a peer whose window stays closed for 20 s is given up by the kernel.
        found = w.wait_for(all_slow, SLOW_S + 4, "all three are told as slow")
        views = {d.name: w.api.agent(d.name) for d in deaf}
        said = {i["name"]: i["evidence"] for i in found["items"]}
        for name, side in (("in-sendq", "in the master's Send-Q: "), ("in-proxy", "on the way: "), ("in-recvq", "in its Recv-Q: ")):
            with w.case(f"{name}: the side is named"):
                expect(said[name].startswith(side), said[name])
                equal(found["state"], "warn", "state")
        with w.case("the figures are those of the sockets"):
            figures = found["figures"]
            sendq = sum(v["link"]["sendq_bytes"] for v in views.values())
            expect(all(v["slow"] for v in views.values()), "an agent's page does not say it", views)
            expect(figures["recvq_bytes"] >= 6 * len(PAGE) / 2 and figures["way_bytes"] > 0, figures)
            expect(abs(figures["sendq_bytes"] - sendq) < 200000, figures, "the sockets hold", sendq)
        with w.case("a full pool is named too, and is no fault"):
            full = next((i for i in found["items"] if i["name"] == "busy"), None)
            expect(full and full["state"] == "ok" and "in its pool: " in full["evidence"], found)
        with w.case("the command line says it"):
            shown = " ".join(w.cli("diagnose").stdout.split())
            expect("on the way: " in shown and "In the master's Send-Q: the next hop" in shown, shown)
        for d in deaf:
            w.api.must("POST", f"batches/{d.batch}/cancel", status=202)
    busy.stop()


def test_sockets_that_are_not_closed_are_told_by_the_agent(w):
    w.world()
    w.master()
    w.agent("a1", "--workers", "1")
    w.wait_for(lambda: (w.api.agent("a1")["heartbeat"] or {}).get("close_wait") is not None, 15, "it counts them")
    equal(w.api.agent("a1")["heartbeat"]["close_wait"], 0, "sockets of a1 in CLOSE_WAIT")
    with w.case("an agent that leaks them is named"):
        with peers.join(w, "leaks", w.token("agent", "leaks")) as end:
            end.say({"type": "heartbeat", "seq": 1, "received": {"count": 0, "bytes": 0}, "credit": {"count": 0, "bytes": 0},
                     "running": 3, "close_wait": 60})
            w.wait_for(lambda: told.item(w, "agent_close_wait", "leaks"), 10, "it is named")
            equal(told.finding(w, "agent_close_wait")["state"], "warn", "state")
    with w.case("it counts what it has: a target that hangs up first, while its process stands still"):
        batch = w.api.submit([w.url(f"/slow/1500?{i}") for i in range(20)], per_host=0)
        proc = next(p for p in w.procs if p.name == "a1")
        w.wait_for(lambda: w.api.counts(batch)["running"] == 20, 10, "all run")
        proc.signal(signal.SIGSTOP)
        w.wait_for(lambda: in_close_wait(proc.pid) >= 20, 10, "the kernel counts them so")
        proc.signal(signal.SIGCONT)
        w.wait_batch(batch, 30)
        w.wait_for(lambda: in_close_wait(proc.pid) == 0, 10, "all are closed")


def in_close_wait(pid):
    """Sockets of that process in CLOSE_WAIT, as /proc shows them."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        inodes = {row.split()[9] for row in f.readlines()[1:] if row.split()[3] == "08"}
    mine = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            mine += os.readlink(f"/proc/{pid}/fd/{fd}")[8:-1] in inodes
    return mine
