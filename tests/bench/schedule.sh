#!/bin/bash
# SPDX-License-Identifier: MIT
# 100,000 checks every 60 s: how late runs start, what is missed, what the master uses, and how soon it is back.
#
#     tests/bench/schedule.sh [--runs N] [--checks N] [--every SECONDS] [--seconds N] [--agents N]
#
# Schedules of 10,000 targets each on distinct hosts; agents that answer at once. After one interval the figures of the
# next --seconds are taken: start lag (from the slot to the commit of its rows, the histogram's upper bound), slots that
# were missed, runs, CPU of the master (of a core), its memory, bytes of the store for each run. Then kill -9, and the
# time until it is ready again with all checks. BUILD=DIR takes another build than build/.
ME=schedule.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/bench/master_lib.sh
. tests/bench/master_lib.sh

RUNS=1 CHECKS=100000 EVERY=60 SECONDS_MEASURED=120 AGENTS=8
take_numbers runs=RUNS checks=CHECKS every=EVERY seconds=SECONDS_MEASURED agents=AGENTS -- "$@"
need bin/sonde-master tests/instant_agent

one_run() { # NUMBER
    local load line
    load=$(load)
    start_master
    start_agents "$AGENTS"
    line=$(/usr/bin/python3 tests/bench/schedule_drive.py --port "$API" --token-file "$WORK/data/admin.token" \
        --pid "$MASTER" --checks "$CHECKS" --every "$EVERY" --seconds "$SECONDS_MEASURED" --data "$WORK/data") ||
        { tail -n 5 "$WORK/master.log" >&2 && die "the run failed"; }
    kill -9 "$MASTER"
    wait "$MASTER" 2>/dev/null
    local before after
    before=$(date +%s%N)
    boot_master
    after=$(date +%s%N)
    line+=" restart_s=$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%.2f", (b - a) / 1e9 }')"
    kill "${AGENTS_PIDS[@]}" 2>/dev/null
    stop_one "the master" "$MASTER" "$WORK/master.log"
    figures "schedule run=$1 $line load=$load"
}

for ((r = 1; r <= RUNS; r++)); do
    one_run "$r"
done
summary
