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
take_numbers runs=RUNS checks=CHECKS -- "$@"
run_program bench_scheduler "$CHECKS"
