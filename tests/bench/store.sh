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
take_numbers runs=RUNS tasks=TASKS -- "$@"
run_program bench_store "$TASKS" "$WORK"
