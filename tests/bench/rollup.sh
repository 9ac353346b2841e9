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

take_numbers runs=RUNS -- "$@"
run_program bench_rollup
