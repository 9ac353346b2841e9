#!/bin/bash
# SPDX-License-Identifier: MIT
# Rolled-up hours alone: their bytes, and the time to merge 90 days of one check and the last day of 10,000 checks.
#
#     tests/bench/rollup.sh [--runs N]
#
# No store: the bytes are in memory.
ME=rollup.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || set -- --usage
    case $1 in
    --runs) need_number "$1" "$2" && RUNS=$2 ;;
    *) sed -n '5s/^#     //p' "tests/bench/$ME" >&2 && exit 2 ;;
    esac
    shift 2
done
need tests/bench_rollup

for ((r = 1; r <= RUNS; r++)); do
    line=$("$BUILD/tests/bench_rollup") || die "the run failed"
    figures "rollup run=$r ${line#rollup } load=$(load)"
done
summary
