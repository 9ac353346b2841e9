#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the system tests of this folder: run.py --build DIR [--kind release|asan|tsan] [--short] [--long] [--only TEXT] [--list]
                                            [--slice K/N]

One line for each test: PASS, FAIL or SKIP, kind, name, seconds. What a failure needs to be understood follows it, indented.
"""
import argparse
import glob
import importlib
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import harness  # noqa: E402


def indented(text):
    return "\n".join("    " + line for line in text.rstrip().splitlines())


class Runner:
    def __init__(self, options):
        self.options, self.failed = options, 0

    def report(self, verdict, name, seconds, words):
        print(f"{verdict} {self.options.kind} {name} ({seconds:.1f} s)", flush=True)
        if words:
            print(indented(words), flush=True)
        self.failed += verdict == "FAIL"

    def run(self, name, function):
        began, words, verdict = time.monotonic(), None, "PASS"
        w = harness.World(
            self.options.build, self.options.kind, lambda v, case, s, t: self.report(v, f"{name}: {case}", s, t)
        )
        try:
            function(w)
        except (KeyboardInterrupt, SystemExit):
            w.close()
            w.remove()
            raise
        except harness.Skipped as e:
            verdict, words = "SKIP", str(e)
        except Exception as e:  # pylint: disable=broad-except
            verdict, words = "FAIL", harness.describe(e)
        wrong = w.close()
        if wrong:
            verdict, words = "FAIL", "\n".join(([words] if words else []) + wrong)
        if verdict == "FAIL":
            words += "\n" + w.logs()
        elif w.cases_failed:
            verdict, words = "FAIL", f"{w.cases_failed} of its {w.cases} cases failed\n" + w.logs()
        w.remove()
        self.report(verdict, name, time.monotonic() - began, words)


def discover():
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, function in list(vars(module).items()):
            if name.startswith("test_") and callable(function):
                yield f"{module.__name__[5:]}.{name[5:]}", function


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default=os.path.join(harness.TOP, "build"))
    p.add_argument("--kind", default="release", choices=sorted(harness.SLOWER))
    p.add_argument("--short", action="store_true", help="only the tests that are marked @short")
    p.add_argument("--long", action="store_true", help="the tests that are marked @long too")
    p.add_argument("--only", help="only the tests whose name holds this text")
    p.add_argument("--list", action="store_true")
    p.add_argument("--slice", default="1/1", help="the K-th of N runners side by side")
    options = p.parse_args()
    # A shell that starts us beside others has SIGINT ignored, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Who ends the runner shall not leave its programs behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    runner = Runner(options)
    index, count = (int(n) for n in options.slice.split("/"))
    harness.share_ports(index - 1, count)
    wanted = []
    for name, function in discover():
        if options.short and not getattr(function, "short", False):
            continue
        if getattr(function, "long", False) and not options.long:
            continue
        if options.only and options.only.split(":")[0] not in name:
            continue
        wanted.append((name, function))
    for name, function in wanted[index - 1 :: count]:
        if options.list:
            print(name)
        else:
            runner.run(name, function)
    return 1 if runner.failed else 0


sys.exit(main())
