#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the system tests of this folder: run.py --build DIR [--kind release|asan|tsan] [--short] [--long] [--only TEXT] [--list]
                                            [--jobs N]

One line for each test: PASS, FAIL or SKIP, kind, name, seconds. What a failure needs to be understood follows it, indented.
"""
import argparse
import glob
import importlib
import multiprocessing
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
    def __init__(self, options, lock):
        self.options, self.lock, self.failed = options, lock, 0

    def report(self, verdict, name, seconds, words):
        with self.lock:
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


def wanted(options):
    for name, function in discover():
        if options.short and not getattr(function, "short", False):
            continue
        if getattr(function, "long", False) and not options.long:
            continue
        if options.only and options.only.split(":")[0] not in name:
            continue
        yield name, function


class Turns:
    """Which tests have begun, for all runners: the longest first, and one heavy test at a time."""

    def __init__(self, fork, tests):
        self.tests = sorted(tests, key=lambda test: -getattr(test[1], "takes", 0))
        self.begun = fork.Array("b", len(tests))  # its lock guards both
        self.heavy_ones = fork.Value("b", 0, lock=False)

    def take(self):
        """The next test, or None. Where only heavy ones are left the runner that has one takes the others after it."""
        with self.begun.get_lock():
            for i, test in enumerate(self.tests):
                heavy = getattr(test[1], "heavy", False)
                if self.begun[i] or heavy and self.heavy_ones.value:
                    continue
                self.begun[i] = True
                self.heavy_ones.value += heavy
                return test
        return None

    def give_back(self, test):
        with self.begun.get_lock():
            self.heavy_ones.value -= getattr(test[1], "heavy", False)


def worker(options, index, turns, lock):
    """Takes the next test that nobody has taken, until there is none."""
    harness.share_ports(index, options.jobs)
    runner = Runner(options, lock)
    while test := turns.take():
        runner.run(*test)
        turns.give_back(test)
    sys.exit(1 if runner.failed else 0)


def run_all(options, tests):
    """The tests mostly wait: several at once, each runner with ports of its own."""
    fork = multiprocessing.get_context("fork")
    turns, lock = Turns(fork, tests), fork.Lock()
    workers = [fork.Process(target=worker, args=(options, i, turns, lock)) for i in range(options.jobs)]
    for w in workers:
        w.start()
    try:
        for w in workers:
            w.join()
    except (KeyboardInterrupt, SystemExit):
        for w in workers:
            w.terminate()
        for w in workers:
            w.join()
        raise
    return 1 if any(w.exitcode for w in workers) else 0


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default=os.path.join(harness.TOP, "build"))
    p.add_argument("--kind", default="release", choices=sorted(harness.SLOWER))
    p.add_argument("--short", action="store_true", help="only the tests that are marked @short")
    p.add_argument("--long", action="store_true", help="the tests that are marked @long too")
    p.add_argument("--only", help="only the tests whose name holds this text")
    p.add_argument("--list", action="store_true")
    p.add_argument("--jobs", type=int, default=1, help="so many tests at once")
    options = p.parse_args()
    # A shell that starts us beside others has SIGINT ignored, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Who ends the runner shall not leave its programs behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tests = list(wanted(options))
    if options.list:
        print("\n".join(name for name, _ in tests))
        return 0
    return run_all(options, tests)


sys.exit(main())
