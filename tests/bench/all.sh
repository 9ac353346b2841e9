#!/bin/bash
# SPDX-License-Identifier: MIT
# Every bench, then one table of least, median and greatest.
#
#     tests/bench/all.sh [--runs N] [--quick]
#
# --quick takes small numbers, to see that all of it works. BUILD=DIR takes another build than build/.
ME=all.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

QUICK=''
while [ $# -gt 0 ]; do
    case $1 in
    --quick) QUICK=yes ;;
    --runs)
        [ $# -ge 2 ] || die "--runs wants a number"
        need_number "$1" "$2" && RUNS=$2
        shift
        ;;
    *) sed -n '5s/^#     //p' "tests/bench/$ME" >&2 && exit 2 ;;
    esac
    shift
done
export BUILD
[ "$RUNS" -gt 1 ] || RUNS=2

# Runs one bench; its lines are shown, its summary is kept for the table.
bench() { # SCRIPT ARGUMENT...
    local script=$1
    shift
    "tests/bench/$script" "$@" --runs "$RUNS" >"$WORK/out" || die "$script $* failed"
    grep -v ' runs: ' "$WORK/out"
    grep ' runs: ' "$WORK/out" >>"$WORK/table"
}

machine() {
    printf 'machine: %s cores, %s, kernel %s, %s\n' "$(nproc)" \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(uname -r)" \
        "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
    printf 'commit %s, load %s\n' "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" "$(cut -d ' ' -f 1-3 /proc/loadavg)"
}

# The figures that the README speaks of.
table() {
    printf '\n%-16s %-28s %12s %12s %12s\n' bench figure min median max
    sed -E 's/^([^ ]+) of [0-9]+ runs: ([^ ]+) min=([^ ]+) median=([^ ]+) max=(.*)$/\1 \2 \3 \4 \5/' "$WORK/table" |
        awk '$2 != "agents" && $2 != "tasks" { printf "%-16s %-28s %12s %12s %12s\n", $1, $2, $3, $4, $5 }'
}

machine
if [ -n "$QUICK" ]; then
    bench agent.sh http --count 2000 --peer-seconds 1
    bench agent.sh http --literal --count 2000 --peer-seconds 1
    bench agent.sh https --count 500 --peer-seconds 1
    bench agent.sh dns --count 5000 --peer-seconds 1
    bench store.sh --tasks 20000
    bench plan.sh --checks 10000
    bench scheduler.sh --checks 10000
    bench rollup.sh
    bench history.sh --checks 1000
    bench schedule.sh --checks 1000 --every 5 --seconds 5
    bench master.sh --tasks 10000
    bench idle.sh --agents 200 --seconds 3
else
    bench agent.sh http --distinct 20000
    bench agent.sh http --literal --slots 5000
    bench agent.sh https
    bench agent.sh dns --distinct 20000
    bench store.sh
    bench plan.sh
    bench scheduler.sh
    bench rollup.sh
    bench history.sh
    bench schedule.sh
    bench master.sh --tasks 100000
    bench idle.sh --agents 1000
fi
table
