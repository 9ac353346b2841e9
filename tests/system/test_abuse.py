# SPDX-License-Identifier: MIT
"""Peers that cheat, lie, or are not who they say: nothing becomes final that is not proved, and who keeps the rules is served."""
import re
import signal
import statistics
import time

import peers
from harness import Proc, equal, expect, short
from peers import grant, result


def count(w, name):
    """The value of a metric of the master."""
    text = w.api.must("GET", "/metrics").text
    return int(float(re.search(rf"^sonde_{name} (\S+)$", text, re.M)[1]))


def heartbeat(end, seq=1, credit=None):
    """Sends one and waits for its answer: all that was sent before has been read then."""
    end.say({"type": "heartbeat", "seq": seq, "received": {"count": 0, "bytes": 0},
             "credit": {"count": credit or 0, "bytes": (credit or 0) << 12}})
    return end.wait("heartbeat_ack")


def tasks(end, n):
    return [end.wait("task") for _ in range(n)]


def submit(w, n, *names, **more):
    """A batch for these agents, of a class that may have every place."""
    return w.api.submit([f"http://h{i}.test/" for i in range(n)], agents={"names": list(names)}, per_host=0,
                        priority="interactive", **more)


def verdicts(end, n):
    """What became of n results: {task: stored, duplicate or rejected}."""
    found = {}
    while len(found) < n:
        ack = end.wait("results_ack")
        for verdict in ("stored", "duplicate", "rejected"):
            found.update(dict.fromkeys(ack.get(verdict, []), verdict))
    return found


# --- credit that an agent lies about


@short
def test_credit_that_is_a_lie(w):
    w.master()
    token = w.token("agent")
    with w.case("no credit, no task"), peers.join(w, "none", token) as none, peers.join(w, "some", token, credit=100) as some:
        submit(w, 20, "none", "some")
        for t in tasks(some, 20):
            some.say(result(t))
        equal(set(verdicts(some, 20).values()), {"stored"}, "verdicts")
        heartbeat(none)
        equal(none.lines, [], "lines to the agent without credit")
        equal(w.api.agent("none")["sent_tasks"], 0, "tasks sent to it")
    for case, tasks_, bytes_ in (("2^64", 2**64, 1), ("2^53", 2**53, 1), ("negative", -1, 1), ("a fraction", 1.5, 1),
                                 ("text", "9", 1), ("bytes of 2^64", 1, 2**64)):
        with w.case("a credit of " + case), peers.join(w, "liar", token) as end:
            end.say(grant(tasks_, bytes_))
            equal(end.wait_close(), 1008, "close code")
            expect("credit" in end.closed[1] and ("bytes" if case.startswith("bytes") else "tasks") in end.closed[1], end.closed)
    with w.case("the largest that can be said is clamped"), peers.join(w, "greedy", token) as end:
        end.say(grant(2**53 - 1, 2**53 - 1))
        heartbeat(end)
        equal(w.api.agent("greedy")["credit_left"], 65536, "what counts of it")
    with w.case("one that falls is ignored and counted"), peers.join(w, "falling", token, credit=5) as end:
        before = count(w, "messages_bad_total")
        end.say(grant(3), grant(0), grant(5))
        batch = submit(w, 9, "falling")
        held = tasks(end, 5)
        heartbeat(end, credit=1)
        equal([x for x in end.lines if x["type"] == "task"], [], "tasks beyond the largest")
        equal(count(w, "messages_bad_total") - before, 3, "counted")
        end.say(*(result(t) for t in held), grant(9))
        for t in tasks(end, 4):
            end.say(result(t))
        w.wait_batch(batch, 10)
        w.one_result_each(batch, 9)
    w.check_store()


# --- results that nobody asked for


def forged(t):
    return {**t, "ticket": t["ticket"][:-1] + ("0" if t["ticket"][-1] != "0" else "1")}


@short
def test_results_that_prove_nothing(w):
    w.master()
    token = w.token("agent")
    with peers.join(w, "a", token, credit=100) as a, peers.join(w, "b", token, credit=0) as b:
        batch = submit(w, 6, "a", "b")
        held = tasks(a, 6)
        number = int(held[0]["task"])
        table = [
            ("a forged ticket", a, result(forged(held[0])), "rejected"),
            ("another agent's ticket", b, result(held[0]), "rejected"),
            ("another task's ticket", a, result({**held[0], "ticket": held[1]["ticket"]}), "rejected"),
            ("a task that the batch has not", a, result({**held[0], "task": str(number + 1000)}), "rejected"),
            ("no ticket at all", a, result({**held[0], "ticket": "x"}), "rejected"),
            ("a batch that is not there", a, result({**held[0], "task": str(number + (7 << 32))}), "duplicate"),
            ("an outcome that is the master's to say", a, result(held[1], "expired", "deadline"), "rejected"),
            ("an outcome that is none", a, result(held[2], "splendid"), "rejected"),
        ]
        rejected, late = count(w, "results_rejected_total"), count(w, "results_late_total")
        for case, end, line, wanted in table:
            with w.case(case):
                end.say(line)
                equal(verdicts(end, 1), {line["task"]: wanted}, "the verdict")
                equal(w.api.results(batch), [], "results")
        with w.case("they are counted and said"):
            equal(count(w, "results_rejected_total") - rejected, 7, "rejected")
            equal(count(w, "results_late_total") - late, 1, "late")
            expect("result_rejected agent=b detail=\"task %s: its ticket" % held[0]["task"] in w.master_proc.log(), "no line names it")
        # The two whose outcome was nonsense went back to the queue: the agent could not do them.
        a.say(*(result(t) for t in [held[0], *held[3:]]))
        equal(set(verdicts(a, 4).values()), {"stored"}, "what is proved")
        with w.case("a result again, and another for the same task"):
            before = count(w, "results_duplicate_total")
            a.say(result(held[0]), result(held[0], "failed", "connect_refused"))
            equal(verdicts(a, 1), {held[0]["task"]: "duplicate"}, "the verdict")
            w.wait_for(lambda: count(w, "results_duplicate_total") - before == 2, 5, "both are counted")
        check_late(w, a, b, batch, held)
        w.wait_batch(batch, 10)
        equal({r["outcome"] for r in w.one_result_each(batch, 6)}, {"ok"}, "outcomes")
    w.check_store()


def check_late(w, a, b, batch, held):
    """The lease has ended and another agent has the task: the first result wins, whoever brings it, and the second is late."""
    b.say(grant(2))
    again = {t["task"]: t for t in tasks(b, 2)}
    equal(set(again), {held[1]["task"], held[2]["task"]}, "what is queued again")
    with w.case("the first result of an ended lease"):
        a.say(result(held[1]))
        equal(verdicts(a, 1), {held[1]["task"]: "stored"}, "the verdict")
        equal(b.wait("cancel")["tasks"], [held[1]["task"]], "the other is told")
        b.say(result(again[held[1]["task"]], "failed", "connect_refused"))
        equal(verdicts(b, 1), {held[1]["task"]: "duplicate"}, "the other's")
    with w.case("a late second result"):
        b.say(result(again[held[2]["task"]]))
        equal(verdicts(b, 1), {held[2]["task"]: "stored"}, "the verdict")
        a.say(result(held[2], "failed", "connect_refused"))
        equal(verdicts(a, 1), {held[2]["task"]: "duplicate"}, "the first agent's")


# --- who comes with which token


def revoke(w, before):
    """Revokes the token that was not there before; when it was done."""
    program, data = w.program("sonde-master"), w.path("data")
    listed = {x.split()[0] for x in w.run([program, "token", "list", "--data", data]).stdout.splitlines()}
    new = listed - before
    expect(len(new) == 1 or not before, "which token is it:", new)
    if before:
        r = w.run([program, "token", "revoke", new.pop(), "--data", data])
        equal(r.returncode, 0, r.stderr)
    return listed if not before else time.monotonic()


def changed(token, at):
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]


def test_tokens_that_are_none(w):
    w.master()
    good = w.token("agent")
    listed = revoke(w, set())
    gone = w.token("agent")
    revoke(w, listed)
    bad = {"truncated": good[:-1], "its last letter changed": changed(good, len(good) - 1), "its first letter changed": changed(good, 6),
           "revoked": gone, "made up": "sonde_" + "x" * 43, "too long": good + "x"}
    took = {case: [] for case in bad}
    for _ in range(20):
        for case, token in bad.items():
            began = time.monotonic()
            equal(peers.connect(w, token), 401, "the answer to one " + case)
            took[case].append(time.monotonic() - began)
    medians = {case: statistics.median(t) for case, t in took.items()}
    with w.case("401 in the same time"):
        expect(max(medians.values()) < 2 * min(medians.values()) + 0.002, medians)
    with w.case("it is said, and the token is not"):
        expect("gate refused" in w.master_proc.log() and "status=401" in w.master_proc.log(), "no line")
        expect(not any(t in w.master_proc.log() for t in [good, *bad.values()]), "a token stands in the log")
    with w.case("of another scope"):
        equal(peers.connect(w, w.api.token), 403, "the answer")
    with w.case("another agent's"), peers.connect(w, w.token("agent", "mine")) as end:
        end.say(peers.hello("yours"), {"type": "inflight_end"})
        equal(end.wait_close(), 1008, "close code")
        expect("bound to another agent name" in end.closed[1] and "token add --name" in end.closed[1], end.closed)
        equal(w.api.agent("yours"), None, "the agent")
    check_revoked(w, good)
    w.check_store()


def check_revoked(w, good):
    """A live session ends within two seconds of `token revoke`, and its agent comes back with what is in its file by then."""
    listed = revoke(w, set())
    agent = w.agent("a1", token=w.token("agent", "a1"))
    with w.case("a live session"):
        at = revoke(w, listed)
        w.wait_for(lambda: "code=4403" in agent.log(), 5, "it is closed")
        expect(time.monotonic() - at < 2 * w.slower, f"it took {time.monotonic() - at:.2f} s")
        expect("put a new token into the agent's token file" in agent.log(), "the agent does not say what to do")
    with w.case("a new token in its file"):
        with open(w.path("a1", "token"), "w", encoding="ascii") as f:
            f.write(good + "\n")
        w.wait_agent("a1")


# --- messages that come twice


def test_messages_twice_and_out_of_order(w):
    """All that may be repeated is, in both directions: each task has one result, and neither side hangs up."""
    w.world()
    w.master()
    relay = peers.Doubler(w, "credit", "heartbeat", "heartbeat_ack", "result", "results_ack", "release", "nack", "cancel")
    agent = w.agent("a1", "--workers", "1", "--slots", "32", port=relay.port)
    batch = w.api.submit([f"http://t{i}.ok.test:{w.targets['http']}/slow/{10 + i % 50}" for i in range(400)], per_host=0)
    slow = w.api.submit([{"url": f"http://127.0.0.1:{w.targets['tarpit']}/", "timeout_ms": 30000}] * 8, per_host=0)
    equal(w.wait_batch(batch, 30)["ok"], 400, "ok")
    w.one_result_each(batch, 400)
    w.api.must("POST", f"batches/{slow}/cancel", status=202)
    equal(w.wait_batch(slow, 10)["cancelled"], 8, "cancelled")
    expect(relay.doubled > 30 and relay.held_back > 10, "nothing was shown:", relay.doubled, relay.held_back)
    expect(count(w, "results_duplicate_total") > 100, "no result came twice")
    equal((w.api.agent("a1")["reconnects"], count(w, "agents_dead_total")), (0, 0), "reconnects, deaths")
    equal(w.requests(), 400, "probes")
    expect(agent.alive(), "the agent has ended")
    w.check_store()


# --- two agents of one name


def test_two_hosts_with_one_name(w):
    """A clone: both are refused, the log says what to do, the others do the work. A restart is no clone."""
    w.world()
    w.master()
    w.agent("a2")
    first = w.agent("a1", "--workers", "1", "--slots", "16")
    batch = w.api.submit([f"http://c{i}.ok.test:{w.targets['http']}/slow/300" for i in range(60)])
    with w.case("a restart takes the place at once"):
        first.kill9()
        began = time.monotonic()
        first = w.agent("a1", "--workers", "1", "--slots", "16", wait=False)
        w.wait_for(lambda: first.log().count("session welcome") == 2, 5, "it is welcome")
        expect(time.monotonic() - began < 3 * w.slower, "it took longer than 3 s")
        expect("4412" not in first.log(), "it was taken for a clone")
    with w.case("of two that live none is let in"):
        second = clone(w, "a1")
        for agent in (first, second):
            w.wait_for(lambda a=agent: "code=4412" in a.log(), 15, "it is refused")
        equal(w.api.agent("a1")["state"], "quarantined", "state")
        expect("--name" in w.api.agent("a1")["last_disconnect"]["fix"], "the page does not say what to do")
        line = [x for x in w.master_proc.log().splitlines() if "agent_cloned" in x]
        equal(len(line), 1, "lines of the master")
        for word in ("agent=a1", "two processes use this name", "127.0.0.1", "60 s", "--name of its own", "stop one",
                     *(re.search(r" instance=(\w+)", agent.log())[1] for agent in (first, second))):
            expect(word in line[0], f"it does not name {word!r}: {line[0]}")
        for agent in (first, second):
            expect("give each agent a --name of its own" in agent.log(), "the agent does not say what to do")
        equal(count(w, "agents_cloned_total"), 1, "counted")
    with w.case("the batch ends without them"):
        equal(w.wait_batch(batch, 40)["ok"], 60, "ok")
        w.one_result_each(batch, 60)
    w.check_store()


def clone(w, name):
    """The same name and token on another host: a data directory of its own."""
    return Proc(w, name + "-clone", [
        w.program("sonde-agent"), "--master", f"ws://127.0.0.1:{w.port['agents']}/ws", "--name", name, "--token-file",
        w.path(name, "token"), "--data", w.path(name + "-clone"), "--allow", "127.0.0.0/8", "--workers", "1", "--slots", "16",
        "--resolver", f"127.0.0.1:{w.targets['dns']}"])


# --- versions that differ


@short
def test_versions_that_differ(w):
    w.master()
    token = w.token("agent")
    for case, low, high in (("an agent that is too new", 2, 3), ("an agent of the far future", 999, 1000)):
        with w.case(case), peers.connect(w, token) as end:
            end.say(peers.hello("new", proto_min=low, proto_max=high), {"type": "inflight_end"})
            equal(end.wait_close(), 4411, "close code")
            expect("update the agent or the master" in end.closed[1], end.closed)
    with w.case("a newer agent that speaks the old version too"):
        with peers.join(w, "newer", token, proto_max=7, sonar={"depth": [1, 2]}, capabilities=["http", "icmp"]) as end:
            equal(end.welcome["proto"], 1, "the version")
            before = count(w, "messages_unknown_total")
            end.say({"type": "sonar", "ping": 1}, {"type": "x" * 60}, grant(1) | {"sonar": None})
            heartbeat(end, credit=1)
            equal(count(w, "messages_unknown_total") - before, 2, "unknown messages counted")
            batch = submit(w, 1, "newer")
            end.say(result(*tasks(end, 1)) | {"sonar": 1})
            equal(list(verdicts(end, 1).values()), ["stored"], "the verdict")
            equal(w.wait_batch(batch, 10)["ok"], 1, "ok")
    with w.case("an old agent that says the least"), peers.connect(w, token) as end:
        old = peers.hello("old")
        del old["capabilities"]
        end.say(old, {"type": "inflight_end"})
        end.wait("verdict_end")
        batch = submit(w, 2, "old")
        heartbeat(end, credit=2)
        end.say(*(result(t) for t in tasks(end, 2)))
        equal(w.wait_batch(batch, 10)["ok"], 2, "ok")
    w.check_store()


# --- masters that break the rules


def agents_of(w, cases):
    """An agent for each case with a master of its own: (master, end, agent), connected and greeted by HELLO."""
    found = []
    for case in cases:
        m = peers.Master(w)
        agent = w.agent(case, "--workers", "1", "--slots", "4", port=m.port, token="sonde_" + "x" * 43, wait=False)
        found.append((m, agent))
    return [(m, m.accept(), agent) for m, agent in found]


def task(number, url, **more):
    return {"type": "task", "task": str(number), "ticket": f"1.1.{number}." + "0" * 32, "class": "bulk", "deadline_in_ms": 60000,
            "spec": {"url": url, **more}}


@short
def test_masters_that_break_the_rules(w):
    w.world()
    names = ("many", "bytes", "version", "order", "masked", "huge", "doubled")
    many, size, version, order, masked, huge, doubled = agents_of(w, names)
    with w.case("everything twice, and out of order"):  # first: it counts what the target sees
        check_doubled(w, *doubled)
    with w.case("more tasks than the credit"):
        check_over_credit(w, *many)
    with w.case("more bytes than the credit"):
        m, end, agent = size
        m.welcome(end)
        room = end.wait("heartbeat")["credit"]["bytes"]
        # The last line may pass the window's end; what follows at once may not.
        end.say(task(1, w.url("/ok"), method="POST", body="x" * (room + 10000)), task(2, w.url("/ok")))
        equal(end.wait_close(), 4408, "close code")
        expect("bytes of" in end.closed[1], end.closed)
    with w.case("a version that was not offered"):
        m, end, agent = version
        m.welcome(end, proto=2)
        equal(end.wait_close(), 4411, "close code")
        w.wait_for(lambda: "update the older side" in agent.log(), 5, "the agent says what to do")
    with w.case("a task before the verdicts"):
        m, end, agent = order
        end.wait("inflight_end")
        end.say(task(1, w.url("/ok")))
        equal(end.wait_close(), 1008, "close code")
        expect("task is not expected" in end.closed[1], end.closed)
    with w.case("frames that a server may not send"):
        m, end, agent = masked
        m.welcome(end)
        end.send(peers.frame(peers.FIN | 3, b"x", mask=False))
        expect(end.wait_close() in (1002, None), end.closed)
    with w.case("10 MB without an end"):
        m, end, agent = huge
        m.welcome(end)
        end.send(peers.frame(peers.TEXT, b"x" * (10 << 20), mask=False))
        expect(end.wait_close() in (1009, None), end.closed)
    for m, end, agent in (many, size, version, order, masked, huge, doubled):
        expect(agent.alive(), agent.name, "has ended")
        agent.expected |= {1, -signal.SIGKILL}
        agent.kill9()  # with no master that takes its leave it would look for one until its drain is over
        m.listener.close()


def check_over_credit(w, m, end, agent):
    """It closes, says so and comes back with what it was rightly given; that is done and no more."""
    m.welcome(end)
    granted = end.wait("heartbeat")["credit"]["count"]
    end.say(*(task(i, w.url("/slow/1000")) for i in range(1, granted + 2)))
    equal(end.wait_close(), 4408, "close code")
    expect(f"{granted + 1} tasks of {granted}" in end.closed[1], end.closed)
    w.wait_for(lambda: "code=4408" in agent.log(), 5, "the agent says so")
    end = m.accept()
    end.wait("hello")
    held = []
    while True:
        while not end.lines:
            end.hear()
        line = end.lines.pop(0)
        if line["type"] == "inflight_end":
            break
        held.append(line["task"])
    equal(sorted(held, key=int), [str(i) for i in range(1, granted + 1)], "what it holds")


def check_doubled(w, m, end, agent):
    """Each line of the master twice, and acks before and after their time: one probe, one result a session."""
    m.welcome(end)
    end.wait("heartbeat")
    first, newer = task(7, w.url("/slow/300")), task(7, w.url("/slow/300")) | {"ticket": "1.2.9." + "1" * 32}
    ack = {"type": "results_ack", "stored": ["7", "7", "8"], "results": {"count": 100, "bytes": 1 << 20}}
    before = w.requests()
    end.say(ack, {"type": "cancel", "tasks": ["99", "99"]}, {"type": "heartbeat_ack", "seq": 12345, "results": {"count": 1, "bytes": 1}})
    end.say(first, first, newer)
    got = end.wait("result")
    equal((got["task"], got["ticket"]), ("7", newer["ticket"]), "the result, with the newest ticket")
    end.say(newer, ack, ack, ack | {"results": {"count": 3, "bytes": 1}}, {"type": "sonar"})
    end.say(task(8, w.url("/ok")))
    equal(end.wait("result")["task"], "8", "the next result")
    equal(w.requests() - before, 2, "probes")
