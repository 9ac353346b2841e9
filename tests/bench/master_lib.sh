# SPDX-License-Identifier: MIT
# A master with agents that answer at once; sourced after lib.sh.
# shellcheck shell=bash

# Starts a master in $WORK; sets MASTER (its pid), API and AGENTS_PORT, and leaves both tokens there.
start_master() { # EXTRA...
    API=$(free_port) AGENTS_PORT=$(free_port)
    rm -rf "$WORK/data" && mkdir "$WORK/data"
    "$BUILD/bin/sonde-master" token add --data "$WORK/data" --scope agent >"$WORK/agent.token" ||
        die "no token for the agents"
    start "$WORK/master.log" "$BUILD/bin/sonde-master" --data "$WORK/data" --listen "127.0.0.1:$API" \
        --agents-listen "127.0.0.1:$AGENTS_PORT" --log-level warn "$@"
    MASTER=$PID
    wait_until "the master did not become ready" "$MASTER" "$WORK/master.log" \
        curl -sf "http://127.0.0.1:$API/readyz"
}

# Starts N agents in one process and waits until the master has welcomed all; sets AGENTS_PID.
start_agents() { # N
    start "$WORK/agents.log" "$BUILD/tests/instant_agent" --master "$AGENTS_PORT" \
        --token-file "$WORK/agent.token" --agents "$1"
    AGENTS_PID=$PID
    wait_until "the agents did not all connect" "$AGENTS_PID" "$WORK/agents.log" grep -q '^ready' "$WORK/agents.log"
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
    stop_one "the agents' process" "$AGENTS_PID" "$WORK/agents.log"
    stop_one "the master" "$MASTER" "$WORK/master.log"
}

cpu_ticks() { # PID
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}
