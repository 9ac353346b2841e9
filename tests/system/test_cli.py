# SPDX-License-Identifier: MIT
"""The command line: what it prints and how it ends."""
import csv
import io
import json

from harness import equal, expect, free_port, short


def code(r, wanted):
    expect(r.returncode == wanted, f"exit code {r.returncode}, wanted {wanted}:", r.stdout[-600:], r.stderr[-600:])
    return r


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
    with w.case("2: unknown verb"):
        expect("nonsense" in code(w.cli("nonsense"), 2).stderr, "it does not name the verb")
    with w.case("2: no such file"):
        expect("/nonexistent" in code(w.cli("submit", "/nonexistent"), 2).stderr, "it does not name the file")
    with w.case("2: a file without a target"):
        code(w.cli("submit", "-", input="# nothing\n"), 2)
    with w.case("3: unreachable"):
        url = f"http://127.0.0.1:{free_port()}"
        expect(url[7:] in code(w.cli("agents", url=url), 3).stderr, "it does not name the address")
    with w.case("4: wrong token"):
        expect("token" in code(w.cli("agents", token="wrong"), 4).stderr.lower(), "it does not name the token")
    with w.case("4: no token"):
        expect("SONDE_TOKEN" in code(w.cli("agents", token=None), 4).stderr, "it does not say where a token goes")
    with w.case("5: the deadline passed first"):
        code(w.cli("submit", "-", "--watch", "--deadline-s", "1", input=f"http://127.0.0.1:{w.targets['tarpit']}/\n"), 5)


@short
def test_verbs_and_forms(w):
    w.fleet(agents=("a1",))
    lines = f"{w.url('/ok')}\n{w.url('/status/503')}\n"
    batch = w.cli("submit", "-", "-o", "json", input=lines)
    code(batch, 0)
    ident = json.loads(batch.stdout)["id"]
    w.wait_batch(ident, 20)
    with w.case("status"):
        r = code(w.cli("status", ident), 0)
        expect("1" in r.stdout and ident[:8] in r.stdout, r.stdout)
    with w.case("results as a table, with the cause"):
        expect("http_5xx" in code(w.cli("results", ident), 0).stdout, "no cause in it")
    with w.case("results as json"):
        json.loads(code(w.cli("results", ident, "-o", "json"), 0).stdout)
    with w.case("results as ndjson"):
        rows = [json.loads(x) for x in code(w.cli("results", ident, "-o", "ndjson"), 0).stdout.splitlines()]
        expect(sum("task" in r for r in rows) == 2, rows)
    with w.case("results as csv"):
        rows = list(csv.reader(io.StringIO(code(w.cli("results", ident, "-o", "csv"), 0).stdout)))
        expect("cause" in rows[0] and len(rows) >= 3, rows[:1])
    with w.case("agents"):
        expect("a1" in code(w.cli("agents"), 0).stdout, "no agent in it")
    with w.case("cancel"):
        pits = "\n".join(f"http://t{i}.ok.test:{w.targets['tarpit']}/" for i in range(20)) + "\n"
        other = json.loads(code(w.cli("submit", "-", "-o", "json", input=pits), 0).stdout)["id"]
        code(w.cli("cancel", other), 0)
        equal(w.wait_batch(other, 15)["cancelled"], 20, "cancelled")
    with w.case("bad lines are shown with their number"):
        r = w.cli("submit", "-", input=f"{w.url('/ok')}\nftp://x.test/\n")
        expect("2" in r.stdout + r.stderr and "ftp" in r.stdout + r.stderr, r.stdout, r.stderr)
