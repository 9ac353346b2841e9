# SPDX-License-Identifier: MIT
# What the benches share; sourced, with ME set. Everything lives in $WORK, which goes with the last process.
# shellcheck shell=bash
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

BUILD=${BUILD:-build}
RUNS=3
WORK=$(mktemp -d "${TMPDIR:-/tmp}/sonde-bench-XXXXXX")
PIDS=()

die() {
    printf '%s: %s\n' "$ME" "$*" >&2
    exit 1
}

# Ends what this bench started, in reverse order, and waits for it.
clean_up() {
    local i pid
    for ((i = ${#PIDS[@]} - 1; i >= 0; i--)); do
        pid=${PIDS[i]}
        kill "$pid" 2>/dev/null && { wait_gone "$pid" || kill -9 "$pid" 2>/dev/null; }
    done
    rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

wait_gone() { # PID
    local _
    for _ in $(seq 400); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

# Waits until a command says yes; gives up with a sentence after 30 s (or PATIENCE_S), or when the process has ended.
wait_until() { # SENTENCE PID LOG COMMAND...
    local sentence=$1 pid=$2 log=$3 _
    shift 3
    for _ in $(seq $((${PATIENCE_S:-30} * 20))); do
        ! "$@" >/dev/null 2>&1 || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    tail -n 5 "$log" >&2
    die "$sentence"
}

# Each program must be there: benches measure the release build, they do not make it.
need() { # PROGRAM...
    local p
    for p; do
        [ -x "$BUILD/$p" ] || die "$BUILD/$p is not built: cmake -S . -B $BUILD -G Ninja && ninja -C $BUILD"
    done
    ! grep -qE '^(ASAN|TSAN):BOOL=ON' "$BUILD/CMakeCache.txt" || die "$BUILD has sanitizers: figures from it mean nothing"
}

need_number() { # OPTION VALUE
    [[ $2 =~ ^[1-9][0-9]{0,8}$ ]] || die "$1 wants a number, not '$2'"
}

# Options that take a number each; anything else shows the usage, which is the fifth line of the script.
take_numbers() { # OPTION=VARIABLE... -- ARGUMENT...
    local -A into=()
    while [ "$1" != -- ]; do
        into[--${1%%=*}]=${1#*=}
        shift
    done
    shift
    while [ $# -gt 0 ]; do
        if [ $# -lt 2 ] || [ -z "${into[$1]:-}" ]; then
            sed -n '5s/^#     //p' "tests/bench/$ME" >&2
            exit 2
        fi
        need_number "$1" "$2"
        printf -v "${into[$1]}" %s "$2"
        shift 2
    done
}

free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() { # LOG COMMAND... ; sets PID
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null &
    PID=$!
    PIDS+=("$PID")
}

load() { cut -d ' ' -f 1 /proc/loadavg; }

value() { # KEY LINE: the number of key=number
    sed -nE "s/.*(^| )$1=([0-9.]+).*/\2/p" <<<"$2"
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b ? a / b : 0 }'; }

# After all runs: for each figure of the lines `NAME run=N key=number …` its least, median and greatest.
summary() {
    [ "$RUNS" -gt 1 ] || return 0
    awk '
        { for (i = 1; i <= NF; i++) {
            n = index($i, "=")
            if (!n) { if (i == 1) name = $i; continue }
            k = substr($i, 1, n - 1)
            if (k == "run") continue
            if (!(k in count)) keys[++nk] = k
            v[k, ++count[k]] = substr($i, n + 1) + 0
        } }
        END {
            for (j = 1; j <= nk; j++) {
                k = keys[j]; m = count[k]
                for (a = 1; a <= m; a++) for (b = a + 1; b <= m; b++)
                    if (v[k, b] < v[k, a]) { t = v[k, a]; v[k, a] = v[k, b]; v[k, b] = t }
                med = m % 2 ? v[k, (m + 1) / 2] : (v[k, m / 2] + v[k, m / 2 + 1]) / 2
                printf "%s of %d runs: %s min=%.10g median=%.10g max=%.10g\n", name, m, k, v[k, 1], med, v[k, m]
            }
        }' "$WORK/lines"
}

# One line of figures, shown and kept for the summary.
figures() { printf '%s\n' "$*" | tee -a "$WORK/lines"; }

# All of a bench that is one program, whose line begins with the name of the bench.
run_program() { # PROGRAM ARGUMENT...
    local program=tests/$1 name=${1#bench_} r line
    shift
    need "$program"
    for ((r = 1; r <= RUNS; r++)); do
        line=$("$BUILD/$program" "$@") || die "the run failed"
        figures "$name run=$r ${line#"$name "} load=$(load)"
    done
    summary
}
