# SPDX-License-Identifier: MIT
"""Reads Prometheus' text format 0.0.4 as strictly as `promtool check metrics` does."""
import math
import re

from harness import expect

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
TYPES = ("counter", "gauge", "histogram")


def number(text):
    value = float({"+Inf": "inf", "-Inf": "-inf", "NaN": "nan"}.get(text, text))
    expect(text.lower() not in ("inf", "-inf", "infinity", "nan") or text in ("+Inf", "-Inf", "NaN"), "a number is written", text)
    return value


def labels(text):
    found = LABEL.findall(text)
    expect(",".join(f'{k}="{v}"' for k, v in found) == text, "labels are not well-formed:", text)
    expect(len({k for k, _ in found}) == len(found), "a label stands twice:", text)
    return tuple(sorted(found))


def family_of(name, kind):
    return re.sub(r"_(bucket|sum|count)$", "", name) if kind == "histogram" else name


def check_histogram(name, samples):
    buckets = [(number(dict(where)["le"]), value) for (n, where), value in samples.items() if n == name + "_bucket"]
    expect(buckets == sorted(buckets) and buckets[-1][0] == math.inf, name, "has buckets out of order, or none for +Inf")
    counts = [value for _, value in buckets]
    expect(counts == sorted(counts), name, "has buckets that are not cumulative")
    expect(samples.get((name + "_count", ())) == counts[-1] and (name + "_sum", ()) in samples, name, "lacks _sum, or _count differs")


def parse(text):
    """{(name, labels): value}, or a failure that names the line."""
    samples, seen, family, kind = {}, set(), None, None
    expect(text.endswith("\n"), "the last line is not ended")
    lines = iter(text[:-1].split("\n"))
    for line in lines:
        if line.startswith("# HELP "):
            head = re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line)
            expect(head, "no help:", line)
            if kind == "histogram":
                check_histogram(family, samples)
            family = head.group(1)
            expect(family not in seen, family, "stands twice")
            seen.add(family)
            head = re.fullmatch(rf"# TYPE ({NAME}) (\w+)", next(lines, ""))
            expect(head and head.group(1) == family and head.group(2) in TYPES, "no type behind", line)
            kind = head.group(2)
            expect((kind == "counter") == family.endswith("_total"), family, "is a", kind)
            continue
        sample = SAMPLE.fullmatch(line)
        expect(sample, "not a sample:", line)
        expect(family_of(sample.group(1), kind) == family, "not of the family above:", line)
        key = (sample.group(1), labels(sample.group(2) or ""))
        expect(key not in samples, "a series stands twice:", line)
        samples[key] = number(sample.group(3))
    if kind == "histogram":
        check_histogram(family, samples)
    return samples
