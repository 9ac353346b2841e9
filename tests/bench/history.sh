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
take_numbers runs=RUNS checks=CHECKS -- "$@"
need tests/bench_history

for ((r = 1; r <= RUNS; r++)); do
    mkdir "$WORK/$r"
    line=$("$BUILD/tests/bench_history" "$CHECKS" "$WORK/$r") || die "the run failed"
    rm -r "${WORK:?}/$r"
    figures "history run=$r ${line#history } load=$(load)"
done
summary
