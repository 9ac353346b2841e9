#!/bin/bash
# SPDX-License-Identifier: MIT
# The agent's probe engine with probes that are never answered: how late their time-outs are, and what each costs.
#
#     tests/bench/hang.sh [--runs N] [--names] [--tls]
#
# tarpits: 2,000 in flight with a time-out of 1,000 ms, 6,000 in all. crowd: 10,000 in flight, started at once, with a
# time-out of 10 s. One line a run of each: percentiles of the probes' total, of the lag of the workers' loops, and
# memory each. --names probes 500 names instead of 127.0.0.1; --tls waits in the TLS handshake instead of for the
# answer. Under `chrt -f 5` other work on the machine does not count. BUILD=DIR takes another build than build/.
ME=hang.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
    sed -n '5s/^#     //p' "tests/bench/$ME" >&2
    exit 2
}
NAMES='' TLS=''
while [ $# -gt 0 ]; do
    case $1 in
    --names) NAMES=yes ;;
    --tls) TLS=yes ;;
    --runs)
        [ $# -ge 2 ] || usage
        need_number "$1" "$2"
        RUNS=$2
        shift
        ;;
    *) usage ;;
    esac
    shift
done
need tests/target_server tests/bench_engine
LIMIT=$(ulimit -Hn)
[ "$LIMIT" = unlimited ] || [ "$LIMIT" -ge 10100 ] || die "10,000 probes need as many descriptors: ulimit -Hn is $LIMIT"

# A world of its own for each run: what the last one left in TIME_WAIT is then nobody's hindrance.
run_engine() { # SLOTS WINDOW COUNT TIMEOUT_MS MORE...
    local slots=$1 window=$2 count=$3 timeout=$4 port=http scheme=http path=/tarpit targets=() i
    shift 4
    [ -z "$TLS" ] || port=tarpit scheme=https
    rm -f "$WORK/world.log"
    start "$WORK/world.log" "$BUILD/tests/target_server" --dir "$WORK"
    wait_until "target_server did not start" "$PID" "$WORK/world.log" grep -q '"pid"' "$WORK/world.log"
    port_of() { sed -nE "s/.*\"$1\":([0-9]+).*/\1/p" "$WORK/world.log"; }
    targets=("$scheme://127.0.0.1:$(port_of $port)$path")
    if [ -n "$NAMES" ]; then
        targets=()
        for ((i = 0; i < 500; i++)); do
            targets+=("$scheme://n$i.ok.test:$(port_of $port)$path")
        done
    fi
    "$BUILD/tests/bench_engine" --workers 2 --slots "$slots" --window "$window" --count "$count" \
        --resolver "127.0.0.1:$(port_of dns)" --defaults "{\"timeout_ms\":$timeout}" "$@" "${targets[@]}" \
        2>"$WORK/engine.log" >"$WORK/engine.out" || die "the engine failed: $(tail -n 3 "$WORK/engine.log")"
    kill "$PID" && wait_gone "$PID"
}

one_run() { # KIND NUMBER LOAD
    local out cause=response_timeout name=$1
    [ -z "$TLS" ] || cause=tls_timeout name=$name-tls
    [ -z "$NAMES" ] || name=$name-names
    out=$(<"$WORK/engine.out")
    [ "$(value "$cause" "$out")" = "$(value probes "$out")" ] || die "not every probe ended as $cause: $out"
    figures "$name run=$2 p50_ms=$(value p50_ms "$out") p99_ms=$(value p99_ms "$out") max_ms=$(value max_ms "$out")" \
        "lag_p99_ms=$(value lag_p99_ms "$out") lag_max_ms=$(value lag_max_ms "$out") kib_each=$(value kib_each "$out")" \
        "cpu_s_per_1000=$(value cpu_s_per_1000 "$out") load=$3"
}

for kind in tarpits crowd; do
    : >"$WORK/lines"
    for ((r = 1; r <= RUNS; r++)); do
        LOAD=$(load)
        case $kind in
        tarpits) run_engine 1000 2000 6000 1000 --warm-up 500 ;;
        crowd) run_engine 5000 10000 10000 10000 ;;
        esac
        one_run $kind "$r" "$LOAD"
    done
    summary
done
