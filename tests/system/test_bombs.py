# SPDX-License-Identifier: MIT
"""Answers that are meant to hurt: bombs, floods, drips and lies about lengths. The cause is exact, the time-out kept, the cost small."""
from harness import equal, expect, short
from ills import cpu_s, judge, peak_rss_mb, probe

DEADLINE_MS = 1000
CPU_OF_ONE_S = 0.5  # a GiB decoded would take several seconds


def ill(t, name, **more):
    return {"url": f"http://c.ok.test:{t['http']}/ill/{name}", "timeout_ms": 8000, **more}


def floods(t):
    return [
        ("header_too_large", "endless headers", ill(t, "flood-headers")),
        ("header_too_large", "an endless header line", ill(t, "endless-line")),
        ("header_too_large", "100 Continue without end", ill(t, "flood-100")),
        ("header_too_large", "103 Early Hints without end", ill(t, "flood-103")),
        ("header_too_large", "endless trailers", ill(t, "flood-trailers")),
        ("header_too_large", "a Location of 100 KiB", ill(t, "location-100k")),
        ("protocol_error", "a Location of 20 KiB", ill(t, "location-20k")),
        ("body_too_large", "more of chunk extensions than of chunks", ill(t, "flood-extensions")),
        ("body_too_large", "an endless chunk extension", ill(t, "endless-extension")),
    ]


def bombs(t):
    return [
        ("body_too_large", "a GiB in gzip", ill(t, "bomb-gzip")),
        ("body_too_large", "a GiB in x-gzip", ill(t, "bomb-x-gzip")),
        ("body_too_large", "a GiB in deflate", ill(t, "bomb-deflate")),
        ("body_too_large", "a GiB in brotli", ill(t, "bomb-br")),
        ("body_too_large", "a GiB in zstd", ill(t, "bomb-zstd")),
        ("body_too_large", "blocks without a byte in them", ill(t, "bomb-empty")),
        ("protocol_error", "a GiB in gzip in gzip", ill(t, "bomb-gzip-gzip")),
        ("protocol_error", "blocks without a byte in them, in gzip", ill(t, "bomb-gzip-empty")),
        ("protocol_error", "eight layers", ill(t, "gzip-many")),
    ]


def lies(t):
    return [
        ("protocol_error", "no gzip", ill(t, "gzip-none")),
        (None, "no gzip, and it is not to be undone", ill(t, "gzip-none", compression=False)),
        (None, "eight layers that are not to be undone", ill(t, "gzip-many", compression=False)),
        ("protocol_error", "a chunk without a number", ill(t, "chunk-no-number")),
        ("protocol_error", "a chunk of more bytes than there are", ill(t, "chunk-too-big")),
        ("protocol_error", "a chunk of less than nothing", ill(t, "chunk-negative")),
        ("protocol_error", "no last chunk", ill(t, "chunk-without-end")),
        (None, "a length that is too short", ill(t, "length-too-short", keep_body=100)),
        ("protocol_error", "a length that is too long", ill(t, "length-too-long")),
        ("protocol_error", "a negative length", ill(t, "length-negative")),
        ("protocol_error", "a length that is a word", ill(t, "length-no-number")),
        ("protocol_error", "a length beyond all numbers", ill(t, "length-overflow")),
        ("protocol_error", "two lengths", ill(t, "length-two")),
        ("protocol_error", "two lengths in one line", ill(t, "length-list")),
        (None, "the same length twice", ill(t, "length-same")),
        ("protocol_error", "a status of five digits", ill(t, "status-99999")),
        ("protocol_error", "a status of two digits", ill(t, "status-20")),
        ("protocol_error", "HTTP 7.5", ill(t, "version-7.5")),
        ("protocol_error", "HTTP 0.9", ill(t, "http-0.9")),
        ("protocol_error", "a NUL in a header", ill(t, "nul-in-header")),
    ]


def http2(t, port, **more):
    return {"url": f"https://c.ok.test:{t[port]}/", "timeout_ms": 8000, **more}


def ill_http2(t):
    def at(port, **more):
        return http2(t, port, **more)

    return [
        (None, "HTTP/2 as it should be", at("h2_well")),
        ("response_timeout", "HTTP/2 without an answer", at("h2_silent", timeout_ms=DEADLINE_MS)),
        ("body_timeout", "HTTP/2 that stalls", at("h2_stall", timeout_ms=DEADLINE_MS)),
        ("protocol_error", "a stream that is reset", at("h2_reset")),
        ("protocol_error", "GOAWAY", at("h2_goaway")),
        ("empty_reply", "data without headers", at("h2_data_first")),
        ("empty_reply", "no SETTINGS", at("h2_no_settings")),
        ("empty_reply", "HTTP/1.1 where HTTP/2 was agreed on", at("h2_http_1")),
        ("protocol_error", "a frame that is cut", at("h2_cut")),
        ("protocol_error", "48 MB of headers in 16 KB", at("h2_bomb")),
        ("protocol_error", "CONTINUATION without end", at("h2_flood_continuation")),
    ]


def floods_of_http2(t):
    """Frames that say nothing, so that only the bound of the wire can end them."""
    def at(port):
        return http2(t, port, timeout_ms=20000)

    return [
        ("protocol_error", "PINGs without end", at("h2_flood_ping")),
        ("protocol_error", "SETTINGS without end", at("h2_flood_settings")),
        ("protocol_error", "priorities without end", at("h2_flood_priority")),
        ("protocol_error", "windows without end", at("h2_flood_window")),
        ("protocol_error", "frames of no known type without end", at("h2_flood_unknown")),
        ("body_too_large", "empty DATA without end", at("h2_flood_empty")),
    ]


def drops(t):
    """Ends without TLS's own goodbye: a length tells whether all has come."""
    def at(name):
        return {"url": f"https://c.ok.test:{t['https']}/ill/{name}", "timeout_ms": 8000}

    return [
        ("body_too_large", "a body without length or end", at("bomb-none")),
        ("body_too_large", "a body without length or end, and a wire_limit", {**at("bomb-none"), "wire_limit": 100000}),
        (None, "no goodbye, and no length", at("drop")),
        (None, "no goodbye, but the whole length", at("drop-with-length")),
        ("protocol_error", "no goodbye, and less than the length", at("drop-too-early")),
        ("reset_after_connect", "a reset within the body", {"url": f"http://c.ok.test:{t['http']}/cut-reset"}),
    ]


def drips(t):
    def slow(name, **more):
        return ill(t, name, **{"timeout_ms": DEADLINE_MS, **more})

    return [
        ("response_timeout", "headers that drip", slow("header-drip")),
        ("response_timeout", "silence within the headers", slow("stall-in-headers")),
        ("body_timeout", "silence after the headers", slow("stall-after-headers")),
        ("body_timeout", "a body that drips", {**slow(""), "url": f"http://c.ok.test:{t['http']}/drip"}),
        ("body_timeout", "a body that stalls", {**slow(""), "url": f"http://c.ok.test:{t['http']}/stall"}),
        ("response_timeout", "headers that drip, at two tries of one time-out", slow("header-drip", retries=1, timeout_ms=2000)),
    ]


@short
def test_every_ill_answer(w):
    """All at once, so that each is beside the others on the same worker: none makes another late."""
    w.fleet(agents=("a1",))
    t, pid = w.targets, w.procs[-1].pid
    probe(w, [(None, "warm", {"url": f"http://c.ok.test:{t['http']}/ok"})])
    before, cpu = peak_rss_mb(pid), cpu_s(pid)
    table = drips(t) + floods(t) + bombs(t) + lies(t) + drops(t)
    results = judge(w, table)
    with w.case("time-outs are kept"):
        for _, case, target in drips(t):
            total = results[case]["timings"]["total_ms"]
            expect(target["timeout_ms"] - 1 <= total <= target["timeout_ms"] + 300 * w.slower, case, total)
    with w.case("a short length is held to"):
        equal(results["a length that is too short"]["http"]["body"], "hello", "body")
    with w.case("what came off the wire is told"):
        expect("came off the wire" in results["an endless chunk extension"]["message"], results["an endless chunk extension"])
    with w.case("processor and memory are bounded"):
        took, grew = cpu_s(pid) - cpu, peak_rss_mb(pid) - before
        expect(took < 2 * w.slower, f"{len(table)} ill answers took {took:.2f} s of processor time")
        if w.kind == "release":  # a sanitizer keeps what was freed
            expect(grew < 64, f"memory grew by {grew:.0f} MB")


@short
def test_http2(w):
    """Beside a probe that would be late if one of them kept the only worker to itself."""
    w.fleet(agents=())
    pid = w.agent("a1", "--workers", "1").pid
    t = w.targets
    probe(w, [(None, "warm", {"url": f"http://c.ok.test:{t['http']}/ok"})])
    cpu = cpu_s(pid)
    results = judge(w, ill_http2(t))
    with w.case("time-outs are kept"):
        for case in ("HTTP/2 without an answer", "HTTP/2 that stalls"):
            total = results[case]["timings"]["total_ms"]
            expect(DEADLINE_MS - 1 <= total <= DEADLINE_MS + 300 * w.slower, case, total)
    table = floods_of_http2(t) + [("response_timeout", "a bystander", {"url": f"http://c.ok.test:{t['http']}/tarpit", "timeout_ms": DEADLINE_MS})]
    results = judge(w, table)
    with w.case("the time-out of a bystander is kept"):
        total = results["a bystander"]["timings"]["total_ms"]
        # Six floods, one after another, a moment each; without a bound it was half a minute.
        expect(DEADLINE_MS - 1 <= total <= DEADLINE_MS + 2000 * w.slower, total)
    with w.case("processor time is bounded"):
        took = cpu_s(pid) - cpu
        expect(took < 2 * w.slower, f"{took:.2f} s of processor time")


def test_cost_of_each_bomb(w):
    w.fleet(agents=("a1",))
    t, pid = w.targets, w.procs[-1].pid
    for cause, case, target in bombs(t) + floods(t)[:2]:
        with w.case(case):
            before = cpu_s(pid)
            r = probe(w, [(cause, case, target)])[case]
            took = cpu_s(pid) - before
            equal(r["cause"], cause, "cause")
            expect(took < CPU_OF_ONE_S * w.slower, f"{took:.2f} s of processor time")
