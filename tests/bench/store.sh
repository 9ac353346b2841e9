#!/bin/bash
# SPDX-License-Identifier: MIT
# The store alone: rows a second and CPU seconds per 100,000 rows, for tasks and for results.
#
#     tests/bench/store.sh [--runs N] [--tasks N]
#
# Durable commits; requests always waiting. What of the master's cost per task is the store's own.
ME=store.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

TASKS=200000
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || set -- --usage
    case $1 in
    --runs) need_number "$1" "$2" && RUNS=$2 ;;
    --tasks) need_number "$1" "$2" && TASKS=$2 ;;
    *) sed -n '5s/^#     //p' "tests/bench/$ME" >&2 && exit 2 ;;
    esac
    shift 2
done
need tests/bench_store

for ((r = 1; r <= RUNS; r++)); do
    line=$("$BUILD/tests/bench_store" "$TASKS" "$WORK") || die "the run failed"
    figures "store run=$r ${line#store } load=$(load)"
done
summary
