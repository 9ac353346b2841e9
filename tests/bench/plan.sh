#!/bin/bash
# SPDX-License-Identifier: MIT
# The plan of schedules alone: how long a start takes with 100,000 checks, and how many slots a second it gives out.
#
#     tests/bench/plan.sh [--runs N] [--checks N]
#
# No clock and no disk: it is arithmetic over a virtual hour without a master and five minutes with one.
ME=plan.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

CHECKS=100000
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || set -- --usage
    case $1 in
    --runs) need_number "$1" "$2" && RUNS=$2 ;;
    --checks) need_number "$1" "$2" && CHECKS=$2 ;;
    *) sed -n '5s/^#     //p' "tests/bench/$ME" >&2 && exit 2 ;;
    esac
    shift 2
done
need tests/bench_plan

for ((r = 1; r <= RUNS; r++)); do
    line=$("$BUILD/tests/bench_plan" "$CHECKS") || die "the run failed"
    figures "plan run=$r ${line#plan } load=$(load)"
done
summary
