# SPDX-License-Identifier: MIT
# A master with agents that answer at once; sourced after lib.sh.
# shellcheck shell=bash

# Starts a master in $WORK; sets MASTER (its pid), API and AGENTS_PORT, and leaves both tokens there.
start_master() { # EXTRA...
    API=$(free_port) AGENTS_PORT=$(free_port)
    rm -rf "$WORK/data" && mkdir "$WORK/data"
    "$BUILD/bin/sonde-master" token add --data "$WORK/data" --scope agent >"$WORK/agent.token" ||
        die "no token for the agents"
    boot_master "$@"
}

# Starts it on the ports and the data that are there.
boot_master() { # EXTRA...
    start "$WORK/master.log" "$BUILD/bin/sonde-master" --data "$WORK/data" --listen "127.0.0.1:$API" \
        --agents-listen "127.0.0.1:$AGENTS_PORT" --log-level warn "$@"
    MASTER=$PID
    wait_until "the master did not become ready" "$MASTER" "$WORK/master.log" \
        curl -sf "http://127.0.0.1:$API/readyz"
}

# Starts N agents and waits until the master has welcomed all; sets AGENTS_PIDS. One process has at most 1,000: lws
# keeps the time-outs of connections that are being made in one sorted list.
start_agents() { # N EXTRA...
    local n=$1 first
    shift
    AGENTS_PIDS=()
    rm -f "$WORK"/agents.*.log
    for ((first = 0; first < n; first += 1000)); do
        start "$WORK/agents.$first.log" "$BUILD/tests/instant_agent" --master "$AGENTS_PORT" \
            --token-file "$WORK/agent.token" --agents $((n - first < 1000 ? n - first : 1000)) \
            --first $((first + 1)) "$@"
        AGENTS_PIDS+=("$PID")
    done
    wait_agents ready "the agents did not all connect"
}

# Until each process of agents has said a word.
wait_agents() { # WORD SENTENCE
    wait_until "$2" "${AGENTS_PIDS[0]}" "$WORK/agents.0.log" agents_said "$1"
}
agents_said() { [ "$(grep -l "^$1" "$WORK"/agents.*.log | wc -l)" -eq ${#AGENTS_PIDS[@]} ]; }

# The greatest, or the sum, of a figure that each process of agents said in the line that begins with WORD.
agents_max() { agents_figures "$1" "$2" | sort -g | tail -n 1; } # WORD KEY
agents_sum() { agents_figures "$1" "$2" | awk '{ s += $1 } END { printf "%.10g", s }'; }
agents_figures() {
    local f
    for f in "$WORK"/agents.*.log; do
        value "$2" "$(grep "^$1" "$f")"
    done
}

# Ends one process in order; its log is shown when it did not end well.
stop_one() { # NAME PID LOG
    local code=0
    kill "$2" 2>/dev/null
    wait_gone "$2" || kill -9 "$2" 2>/dev/null
    wait "$2" 2>/dev/null || code=$?
    [ $code -eq 0 ] || { tail -n 5 "$3" >&2 && die "$1 ended with $code"; }
}

stop_all() {
    local pid n=0
    kill "${AGENTS_PIDS[@]}" 2>/dev/null
    for pid in "${AGENTS_PIDS[@]}"; do
        stop_one "a process of agents" "$pid" "$WORK/agents.$((n++ * 1000)).log"
    done
    stop_one "the master" "$MASTER" "$WORK/master.log"
}

cpu_ticks() { # PID
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}
