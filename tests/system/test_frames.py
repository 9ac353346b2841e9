# SPDX-License-Identifier: MIT
"""Bytes that no good agent sends, on the agents' port: the right close, memory and descriptors given back, nobody else touched."""
import os
import time

import peers
from harness import equal, expect, long, short
from peers import BINARY, CLOSE, FIN, PING, PONG, TEXT, frame, text

T = FIN | TEXT
GOOD = b'{"type":"nothing_known"}\n'
OPEN = "stays open"
# RFC 6455, 7.1.7: who fails a connection may leave the close frame out, and lws does so where it cannot read on.
PROTOCOL, GONE, POLICY, TOO_BIG = (1002,), (1002, None), (1008,), (1009,)
LIMIT = 1 << 20  # LINE_MAX_BYTES


def closing(code, reason=b"bye"):
    return frame(FIN | CLOSE, code.to_bytes(2, "big") + reason)


def says(member):
    """A line with that member, raw."""
    return frame(T, b'{"type":"nothing_known",' + member + b"}\n")


# (case, bytes, how it ends): a close code of ours, or None for an end without a close frame.
FRAMES = [
    *((f"opcode {o}", frame(FIN | o, b"x"), PROTOCOL) for o in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    *((f"reserved bits {r:#x}", frame(T | r, GOOD), PROTOCOL) for r in (0x40, 0x20, 0x10, 0x70)),
    ("reserved bits in a fragment", frame(TEXT, b"{") + frame(FIN | 0x40, b"}"), PROTOCOL),
    ("a continuation of nothing", frame(FIN, b"x"), PROTOCOL),
    ("a continuation of nothing that goes on", frame(0, b"x"), PROTOCOL),
    ("a continuation of what has ended", frame(T, GOOD) + frame(FIN, b"x"), PROTOCOL),
    ("a text within fragments", frame(TEXT, b"{") + frame(T, b"}"), PROTOCOL),
    ("a binary within fragments", frame(TEXT, b"{") + frame(FIN | BINARY, b"}"), PROTOCOL),
    ("a ping in fragments", frame(PING, b"x"), PROTOCOL),
    ("a pong in fragments", frame(PONG, b"x"), PROTOCOL),
    ("a close in fragments", frame(CLOSE, b"\x03\xe8"), PROTOCOL),
    ("a ping of 126 bytes", frame(FIN | PING, b"x" * 126), GONE),
    ("a short ping with a long length", frame(FIN | PING, b"x" * 5, form=8), GONE),
    ("a pong of 64 KiB", frame(FIN | PONG, b"x" * 65536), GONE),
    ("a close of 126 bytes", closing(1000, b"x" * 124), GONE),
    ("a length of 2^64-1", frame(T, b"x", length=2**64 - 1), GONE),
    ("a length of 2^63", frame(T, b"x", length=2**63), GONE),
    ("a length of 2^63-1", frame(T, b"x", length=2**63 - 1), TOO_BIG),
    ("a length of 4 GiB", frame(T, b"x", length=2**32), TOO_BIG),
    ("a length of one byte too much", frame(T, b"x", length=LIMIT + 1), TOO_BIG),
    ("a length of one byte too much, in fragments", frame(TEXT, b"x" * 100) + frame(0, b"x", length=LIMIT - 99), TOO_BIG),
    ("a binary frame", frame(FIN | BINARY, GOOD), POLICY),
    ("an empty binary frame", frame(FIN | BINARY), POLICY),
    ("bad UTF-8", says(b'"x":"\xff\xfe"'), POLICY),
    ("a surrogate in UTF-8", says(b'"x":"\xed\xa0\x80"'), POLICY),
    ("an overlong form in UTF-8", says(b'"x":"\xc0\xaf"'), POLICY),
    ("half a character in UTF-8", says(b'"x":"\xe2\x82"'), POLICY),
    ("beyond Unicode in UTF-8", says(b'"x":"\xf4\x90\x80\x80"'), POLICY),
    ("bad UTF-8 outside of a string", frame(T, b"\xff\n"), POLICY),
    ("bad UTF-8 in the reason of a close", closing(1000, b"\xff\xfe"), (1000,)),
    ("a close without a code", frame(FIN | CLOSE), (0,)),
    ("a close with half a code", frame(FIN | CLOSE, b"\x03"), (3, 1002, None)),
    *((f"close code {c}", closing(c), PROTOCOL) for c in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999)),
    *((f"close code {c}", closing(c), (c, 1002)) for c in (1000, 1001, 3000, 4999, 5000, 65535)),
    ("what is no WebSocket", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PROTOCOL),
    ("the greeting of TLS", b"\x16\x03\x01\x00\xa5" + b"x" * 160, PROTOCOL),
    ("zeros", b"\0" * 64, PROTOCOL),
    ("ones", b"\xff" * 64, PROTOCOL),
    # What may look odd and is right.
    ("an empty frame", frame(T), (OPEN,)),
    ("an empty message in fragments", frame(TEXT) + frame(0) + frame(FIN), (OPEN,)),
    ("a character in two fragments", frame(TEXT, b'{"type":"nothing_known","x":"\xe2') + frame(FIN, b'\x82\xac"}\n'), (OPEN,)),
    ("a byte a fragment", frame(TEXT) + b"".join(frame(0, GOOD[i:i + 1]) for i in range(len(GOOD))) + frame(FIN), (OPEN,)),
    ("a ping within fragments", frame(TEXT, GOOD[:9]) + frame(FIN | PING, b"x") + frame(FIN, GOOD[9:]), (OPEN,)),
    ("a pong that nobody asked for", frame(FIN | PONG, b"x" * 125), (OPEN,)),
    ("two hundred pings", frame(FIN | PING, b"x" * 125) * 200, (OPEN,)),
    ("a length in more bytes than it needs", frame(T, GOOD, form=8), (OPEN,)),
    # Masks guard proxies of browsers; lws takes frames without, and so do we.
    ("no mask", frame(T, GOOD, mask=False), (OPEN,)),
]

# (case, line, how it ends); an error names the thing.
HELLO = '{"type":"hello","proto_min":1,"proto_max":1,"agent":"odd","instance":"i","run_id":"r","version":"0","slots":8%s}\n'
LINES = [
    ("10,000 levels deep", '{"type":"x","x":' + "[" * 10000 + "]" * 10000 + "}\n", POLICY, "too deep"),
    ("10,000 levels that never end", "[" * 10000 + "\n", POLICY, "too deep"),
    ("1e400 as a count", HELLO % ',"queue":1e400', POLICY, "number"),
    ("1e400 in an unknown field", '{"type":"x","x":1e400}\n', POLICY, "number"),
    ("-1e400", '{"type":"x","x":-1e400}\n', POLICY, "number"),
    ("a name twice", HELLO % ',"agent":"other"', POLICY, "agent"),
    ("a name twice, once escaped", HELLO % ',"\\u0061gent":"other"', POLICY, "agent"),
    ("a name twice within", HELLO % ',"tags":{"a":"1","a":"2"}', POLICY, "a"),
    ("a NUL in a string", HELLO % ',"tags":{"a":"\\u0000"}', POLICY, "u0000"),
    ("a raw NUL", '{"type":"x\0"}\n', POLICY, "NUL"),
    ("a string of 1 MB", HELLO % (',"version2":"' + "x" * 1000000 + '"'), (OPEN,), ""),
    ("a string of 1 MB where a word belongs", '{"type":"hello","agent":"' + "x" * 1000000 + '"}\n', POLICY, "hello"),
    ("a type of 1 MB", '{"type":"' + "x" * 1000000 + '"}\n', (OPEN, *POLICY), ""),
    ("wrong type", HELLO % ',"workers":"many"', POLICY, "workers"),
    ("a fraction", HELLO % ',"workers":1.5', POLICY, "workers"),
    ("negative", HELLO % ',"workers":-1', POLICY, "workers"),
    ("a list as a line", "[1,2]\n", POLICY, "object"),
    ("unknown fields of every type", HELLO % ',"x":null,"y":[{}],"z":{"a":1.5},"w":true', (OPEN,), ""),
    ("null as absent", HELLO % ',"workers":null,"tags":null', (OPEN,), ""),
]


def memory(proc, field="VmRSS"):
    with open(f"/proc/{proc.pid}/status", encoding="ascii") as f:
        return int([x for x in f if x.startswith(field)][0].split()[1]) * 1024


def descriptors(proc):
    return len(os.listdir(f"/proc/{proc.pid}/fd"))


def is_open(end):
    """It answers a ping: behind what was sent before."""
    end.send(frame(FIN | PING, b"still there?"))
    while True:
        heard = end.hear()
        if heard is None or heard == (PONG, b"still there?"):
            return heard is not None


def outcome(end, wanted):
    if OPEN in wanted and is_open(end):
        return OPEN
    return end.wait_close()


def half_sent(w, token):
    """Connections that stop in the middle of a frame, before and after HELLO: (case, end)."""
    halves = [
        ("nothing", b""), ("one byte", b"\x81"), ("a head without its mask", b"\x81\x85\x01\x02"),
        ("half a frame", frame(T, GOOD)[:-9]), ("half of 1 MB", frame(T, b"x" * 1000000)[:500000]),
        ("half a message", frame(TEXT, GOOD)), ("half a line after HELLO", text(peers.hello("half")) + frame(TEXT, GOOD[:9])),
        ("half a ping", frame(FIN | PING, b"hello")[:-2]),
    ]
    found = []
    for case, data in halves:
        end = peers.connect(w, token)
        end.send(data)
        found.append((case, end))
    return found


def check_half_sent(w, opened_at, halves):
    for case, end in halves:
        with w.case("stops at " + case):
            equal(end.wait_end(15), 4410, "close code")
            took = time.monotonic() - opened_at
            expect(9.5 < took < 13.5 * w.slower, f"ended after {took:.1f} s")
            equal(end.closed[1], "no HELLO within 10 s", "reason")


def check_oversize(w, token):
    """What is too large is closed when its head says so, or at the bound; it is never kept."""
    proc = w.master_proc
    before = memory(proc)
    for _ in range(3):
        with peers.connect(w, token) as end:
            end.send(frame(T, b"x" * (10 << 20)))
            expect(end.wait_end() in (1009, None), "10 MB in a frame:", end.closed)
        with peers.connect(w, token) as end:
            for i in range(40):  # 10 MB in all; what came after the close is refused by the kernel
                end.send(frame(TEXT if i == 0 else 0, b"x" * 1024) + frame(0, b"x" * 1024) * 255)
            expect(end.wait_end() in (1009, None), "endless fragments:", end.closed)
    with peers.connect(w, token) as end:  # only as far as the bound, so that nothing unread hides the close
        end.send(frame(TEXT, b"x" * 1024) + frame(0, b"x" * 1024) * 1024)
        equal(end.wait_end(), 1009, "a byte over the bound in fragments")
    if w.kind == "release":
        grown = memory(proc) - before
        expect(grown < 4 << 20, f"it grew by {grown >> 10} KiB")


def check_without_manners(w, token):
    """Who stops in the middle of a frame can neither read our close frame nor answer it: cut, though nobody else speaks."""
    began = time.monotonic()
    with peers.connect(w, token) as end:
        end.send(text("nonsense") + frame(T, GOOD)[:-9])
        equal(end.wait_end(), 1008, "close code")
    expect(time.monotonic() - began < 3.5 * w.slower, f"it took {time.monotonic() - began:.1f} s")


@short
def test_frames_that_no_good_agent_sends(w):
    w.master()
    token = w.token("agent")
    good = peers.join(w, "good", token)
    before = descriptors(w.master_proc)
    ends = []
    for _, data, _ in FRAMES:
        ends.append(peers.connect(w, token))
        ends[-1].send(data)
    for (case, _, wanted), end in zip(FRAMES, ends):
        with w.case(case):
            got = outcome(end, wanted)
            expect(got in wanted, f"it ended with {got}, wanted one of {wanted}")
    with w.case("10 MB and more"):
        check_oversize(w, token)
    for case, line, wanted, word in LINES:
        with w.case(case), peers.connect(w, token) as end:
            end.send(frame(T, line.encode()))
            got = outcome(end, wanted)
            expect(got in wanted, f"it ended with {got}, wanted one of {wanted}")
            expect(got == OPEN or word in end.closed[1], f"the reason does not name {word!r}: {end.closed}")
    check_reason_in_pages(w, token)
    with w.case("half a frame behind a bad line"):
        check_without_manners(w, token)
    with w.case("their descriptors are free"):
        for (_, _, wanted), end in zip(FRAMES, ends):
            if OPEN in wanted:
                end.sock.close()
        # Behind reserved bits lws reads no answer to its close frame, and gives it 5 s.
        waiting = sum(case.startswith("reserved bits") for case, _, _ in FRAMES)
        w.wait_for(lambda: descriptors(w.master_proc) <= before + waiting, 10, "those of the others are closed")
    with w.case("the good agent was not touched"):
        good.say({"type": "heartbeat", "seq": 1, "received": {"count": 0, "bytes": 0}, "credit": {"count": 0, "bytes": 0}})
        equal(good.wait("heartbeat_ack")["seq"], 1, "the answer to its heartbeat")
        expect(is_open(good), "its session has ended")
        equal(w.api.agent("good")["reconnects"], 0, "reconnects")
    w.check_store()


@long
def test_half_a_frame_and_silence(w):
    w.master()
    began = time.monotonic()
    before, token = descriptors(w.master_proc), w.token("agent")
    reserved = peers.connect(w, token)
    reserved.send(frame(T | 0x40, GOOD))
    check_half_sent(w, began, half_sent(w, token))
    equal(reserved.wait_end(), 1002, "reserved bits: close code")
    w.wait_for(lambda: descriptors(w.master_proc) <= before, 10, "their descriptors are free")
    w.check_store()


def check_reason_in_pages(w, token):
    """What an agent says of itself is shown as text, whatever its bytes."""
    with w.case("texts of an agent are cut and cleaned"):
        with peers.join(w, "odd-words", token) as end:
            end.say({"type": "heartbeat", "seq": 1, "received": {"count": 0, "bytes": 0}, "credit": {"count": 0, "bytes": 0},
                     "trouble": "x" + "\u00e9" * 500})
            end.wait("heartbeat_ack")
            shown = w.api.agent("odd-words")["trouble"]
            expect(shown.startswith("x\u00e9\u00e9") and len(shown.encode()) < 160 and "\ufffd" not in shown, "trouble:", shown)
            end.send(closing(4321, b"\xff\xfe\x00\x1b[31m"))
            end.wait_end()
        w.wait_for(lambda: w.api.agent("odd-words")["state"] == "gone", 5, "it is gone")
        shown = w.api.agent("odd-words")["last_disconnect"]["detail"]
        expect(shown.startswith("closed by the agent: 4321 \ufffd") and "\x1b" not in shown, "last_disconnect:", shown)
