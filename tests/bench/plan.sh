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
take_numbers runs=RUNS checks=CHECKS -- "$@"
run_program bench_plan "$CHECKS"
