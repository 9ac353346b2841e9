#!/bin/bash
# SPDX-License-Identifier: MIT
# What the store does for schedules: a definition of all checks, a start, an hour rolled up, history and overview read.
#
#     tests/bench/history.sh [--runs N] [--checks N]
#
# 100,000 checks need 8 GB of disk and some minutes, most of them for writing the hour that is rolled up.
ME=history.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

CHECKS=10000
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || set -- --usage
    case $1 in
    --runs) need_number "$1" "$2" && RUNS=$2 ;;
    --checks) need_number "$1" "$2" && CHECKS=$2 ;;
    *) sed -n '5s/^#     //p' "tests/bench/$ME" >&2 && exit 2 ;;
    esac
    shift 2
done
need tests/bench_history

for ((r = 1; r <= RUNS; r++)); do
    mkdir "$WORK/$r"
    line=$("$BUILD/tests/bench_history" "$CHECKS" "$WORK/$r") || die "the run failed"
    rm -r "${WORK:?}/$r"
    figures "history run=$r ${line#history } load=$(load)"
done
summary
