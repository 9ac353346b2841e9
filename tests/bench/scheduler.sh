#!/bin/bash
# SPDX-License-Identifier: MIT
# The machine of schedules: a start with 100,000 checks every minute, and what a slot and a result cost.
#
#     tests/bench/scheduler.sh [--runs N] [--checks N]
#
# No clock and no disk: it is arithmetic over ten virtual minutes.
ME=scheduler.sh
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
need tests/bench_scheduler

for ((r = 1; r <= RUNS; r++)); do
    line=$("$BUILD/tests/bench_scheduler" "$CHECKS") || die "the run failed"
    figures "scheduler run=$r ${line#scheduler } load=$(load)"
done
summary
