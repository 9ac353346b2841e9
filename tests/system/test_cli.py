# SPDX-License-Identifier: MIT
"""The command line: what it prints and how it ends."""
import csv
import io
import json

from harness import equal, expect, free_port, short, takes


def code(r, wanted):
    expect(r.returncode == wanted, f"exit code {r.returncode}, wanted {wanted}:", r.stdout[-600:], r.stderr[-600:])
    return r


@takes(20)
@short
def test_exit_codes(w):
    w.fleet(agents=("a1",))
    good, bad = w.url("/ok"), w.url("/status/404")
    with w.case("0: all ok"):
        code(w.cli("submit", "-", "--watch", input=f"{good}\n{good}\n"), 0)
    with w.case("1: some failed"):
        code(w.cli("submit", "-", "--watch", input=f"{good}\n{bad}\n"), 1)
    with w.case("1: a probe that failed"):
        r = code(w.cli("probe", bad), 1)
        expect("http_4xx" in r.stdout, r.stdout)
    with w.case("0: a probe that is ok"):
        code(w.cli("probe", good), 0)
    none = "01930000-0000-7000-8000-000000000000"
    bad_lines = f"{good}\nftp://x.test/\n"
    usage = [
        ("unknown verb", ["nonsense"], "", ("'nonsense'", "sonde help")),
        ("no verb", [], "", ("sonde",)),
        ("unknown flag", ["agents", "--colour"], "", ("--colour",)),
        ("unknown form of output", ["agents", "-o", "xml"], "", ("--output", "ndjson", "'xml'")),
        ("no such file", ["submit", "/nonexistent"], "", ("'/nonexistent'", "No such file")),
        ("no file named", ["submit"], "", ("FILE", "usage")),
        ("a file without a target", ["submit", "-"], "# nothing\n", ("empty", "one URI a line")),
        ("a value that is none", ["submit", "-", "--per-host", "x"], good, ("per_host", '"x"')),
        ("strict and a bad line", ["submit", "-", "--strict"], bad_lines, ("strict=1", "line 2", "'ftp'")),
        ("nothing but bad lines", ["submit", "-"], "ftp://x.test/\n", ("'ftp'", "http, https and dns")),
        ("invalid UTF-8", ["submit", w.path("latin1.txt")], "", ("UTF-8", "save the text")),
        ("a target that is none", ["probe", "nonsense"], "", ("'nonsense'", "https://nonsense/")),
        ("an unknown batch", ["status", none], "", (none,)),
        ("results of an unknown batch", ["results", none], "", (none,)),
        ("cancel of an unknown batch", ["cancel", none], "", (none,)),
        ("a batch id that is none", ["status", "hello"], "", ("'hello'", "sonde batches")),
        ("an unknown agent", ["agents", "nobody"], "", ("'nobody'",)),
    ]
    with open(w.path("latin1.txt"), "wb") as f:
        f.write(b"http://a.test/\xff\n")
    for case, argv, text, words in usage:
        with w.case("2: " + case):
            r = code(w.cli(*argv, input=text), 2)
            for word in words:
                expect(word in r.stderr, f"it does not name {word!r}:", r.stderr)
            equal(r.stdout, "", "standard output")
    with w.case("2: an address of the master that is none"):
        expect("'nonsense'" in code(w.cli("agents", url="nonsense"), 2).stderr, "it does not name the address")
    with w.case("3: unreachable"):
        url = f"http://127.0.0.1:{free_port()}"
        said = code(w.cli("agents", url=url), 3).stderr
        expect(url in said and "SONDE_URL" in said and "sonde-master" in said, said)
    with w.case("4: wrong token"):
        said = code(w.cli("agents", token="wrong"), 4).stderr
        expect("token" in said and "SONDE_TOKEN" in said and "token add" in said, said)
    with w.case("4: a token of too small a scope"):
        token = w.token("read")
        w.wait_for(lambda: w.api.get("batches", token=token).status == 200, 5, "the token is known")
        expect("'submit'" in code(w.cli("submit", "-", input=good, token=token), 4).stderr, "it does not name the scope")
    with w.case("4: no token"):
        said = code(w.cli("agents", token=None), 4).stderr
        expect("SONDE_TOKEN_FILE" in said and "admin.token" in said, said)
    with w.case("5: the deadline passed first"):
        code(w.cli("submit", "-", "--watch", "--deadline-s", "1", input=f"http://127.0.0.1:{w.targets['tarpit']}/\n"), 5)
    with w.case("5: --wait has passed first"):
        code(w.cli("submit", "-", "--watch", "--wait", "1s", input=f"http://127.0.0.1:{w.targets['tarpit']}/\n"), 5)
        ident = w.api.must("GET", "batches?limit=1").json["batches"][0]["id"]
        equal(w.wait_batch(ident, 20)["failed"], 1, "the batch goes on without its watcher; failed")


@short
def test_verbs_and_forms(w):
    w.fleet(agents=("a1",))
    lines = f"{w.url('/ok')}\n{w.url('/status/503')}\n"
    batch = w.cli("submit", "-", "-o", "json", input=lines)
    code(batch, 0)
    ident = json.loads(batch.stdout)["id"]
    w.wait_batch(ident, 20)
    each = {
        "batches": ["batches"],
        "status of a batch": ["status", ident],
        "status of all": ["status"],
        "results": ["results", ident],
        "agents": ["agents"],
        "one agent": ["agents", "a1"],
        "probe": ["probe", w.url("/ok")],
    }
    for case, argv in each.items():
        with w.case(case + " as a table"):
            said = code(w.cli(*argv), 0).stdout
            expect(said.strip() and not said.lstrip().startswith("{") and "\x1b" not in said, said[:300])
        with w.case(case + " as json"):
            json.loads(code(w.cli(*argv, "-o", "json"), 0).stdout)
        with w.case(case + " as ndjson"):
            rows = [json.loads(x) for x in code(w.cli(*argv, "-o", "ndjson"), 0).stdout.splitlines()]
            expect(rows and all(isinstance(r, dict) for r in rows), rows)
        with w.case(case + " as csv"):
            rows = list(csv.reader(io.StringIO(code(w.cli(*argv, "-o", "csv"), 0).stdout)))
            if case == "results":
                equal(rows.pop(), ["# end count=2"], "the last line")
            expect(len(rows) >= 2 and len({len(r) for r in rows}) == 1, "rows of different lengths:", rows[:3])
    with w.case("results hold the cause, in every form"):
        for form in ("table", "json", "ndjson", "csv"):
            expect("http_5xx" in code(w.cli("results", ident, "-o", form), 0).stdout, "not as", form)
    with w.case("results as ndjson: one line each"):
        rows = [json.loads(x) for x in w.cli("results", ident, "-o", "ndjson").stdout.splitlines()]
        equal(sum("task" in r for r in rows), 2, "results")
    with w.case("the first letters of an id are enough"):
        expect(ident in code(w.cli("status", ident[:18]), 0).stdout, "another batch")
    with w.case("cancel"):
        pits = "\n".join(f"http://t{i}.ok.test:{w.targets['tarpit']}/" for i in range(20)) + "\n"
        other = json.loads(code(w.cli("submit", "-", "-o", "json", input=pits), 0).stdout)["id"]
        code(w.cli("cancel", other), 0)
        equal(w.wait_batch(other, 15)["cancelled"], 20, "cancelled")
    with w.case("bad lines are shown with their number"):
        r = w.cli("submit", "-", input=f"{w.url('/ok')}\nftp://x.test/\n")
        expect("2" in r.stdout + r.stderr and "ftp" in r.stdout + r.stderr, r.stdout, r.stderr)
