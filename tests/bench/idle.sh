#!/bin/bash
# SPDX-License-Identifier: MIT
# What agents without work cost the master.
#
#     tests/bench/idle.sh [--runs N] [--agents N] [--seconds N] [--restart] [--floor]
#
# N agents (default 1,000) connect and beat every 5 s. One line a run: the time until all were welcomed, the master's
# memory per agent (RSS and PSS, over what it was before they came, in KiB), and its CPU in percent of a core over
# --seconds (default 20). With --restart the master is then killed with SIGKILL and started anew on its data, and all
# agents come back at once, each for itself, with the agent's backoff. Then the line also tells the time from the kill
# until the master was ready (ready_s), and from the first lost connection until the last agent was welcome again
# (back_s), how often they knocked (tries), and the CPU seconds of the new master until then (back_cpu_s) with its
# memory. With --floor the same agents then beat at a server that answers them from lws's callback with a fixed text
# (floor_link), and the line tells its CPU (floor_percent) and the master's by it. BUILD=DIR takes another build than
# build/.
ME=idle.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/bench/master_lib.sh
. tests/bench/master_lib.sh

AGENTS=1000 SECONDS_EACH=20 SETTLE_S=6 # one heartbeat interval and a little
RESTART='' FLOOR=''
while [ $# -gt 0 ]; do
    case $1 in
    --restart) RESTART=yes && shift && continue ;;
    --floor) FLOOR=yes && shift && continue ;;
    esac
    [ $# -ge 2 ] || set -- --usage
    case $1 in
    --runs) need_number "$1" "$2" && RUNS=$2 ;;
    --agents) need_number "$1" "$2" && AGENTS=$2 ;;
    --seconds) need_number "$1" "$2" && SECONDS_EACH=$2 ;;
    *) sed -n '5s/^#     //p' "tests/bench/$ME" >&2 && exit 2 ;;
    esac
    shift 2
done
need bin/sonde-master tests/instant_agent tests/floor_link
ulimit -n "$(ulimit -Hn)" || die "the limit of descriptors cannot be raised"
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge $((AGENTS + 2600)) ] ||
    die "$AGENTS agents need a limit of $((AGENTS + 2600)) descriptors, here it is $(ulimit -Hn) (ulimit -Hn)"

kib() { # KEY: of the master's memory
    awk -v k="$1:" '$1 == k { print $2 }' "/proc/$MASTER/smaps_rollup"
}

restart() { # adds to LINE
    local began
    began=$(date +%s%N)
    kill -9 "$MASTER"
    wait "$MASTER" 2>/dev/null
    boot_master --max-agents $((AGENTS + 100))
    LINE+=" ready_s=$(awk -v ns=$(($(date +%s%N) - began)) 'BEGIN { printf "%.2f", ns / 1e9 }')"
    PATIENCE_S=180 wait_agents back "the agents did not all come back"
    LINE+=" back_cpu_s=$(ratio "$(cpu_ticks "$MASTER")" "$(getconf CLK_TCK)") back_s=$(agents_max back seconds)"
    LINE+=" tries=$(agents_sum back tries) back_rss_mib=$(ratio "$(kib Rss)" 1024)"
}

# Sets PERCENT: of a core, of the process that the agents beat at.
take_cpu() {
    local before after
    sleep "$SETTLE_S"
    before=$(cpu_ticks "$MASTER")
    sleep "$SECONDS_EACH"
    after=$(cpu_ticks "$MASTER")
    ! grep -q '^lost' "$WORK"/agents.*.log || die "agents were lost: $(cat "$WORK"/agents.*.log | grep -c '^lost')"
    PERCENT=$(ratio $(((after - before) * 100)) $((SECONDS_EACH * $(getconf CLK_TCK))))
}

floor() { # MASTER_PERCENT; adds to LINE
    stop_all
    AGENTS_PORT=$(free_port)
    start "$WORK/master.log" "$BUILD/tests/floor_link" "$AGENTS_PORT"
    MASTER=$PID
    start_agents "$AGENTS"
    take_cpu
    LINE+=" floor_percent=$PERCENT by_floor=$(ratio "$1" "$PERCENT")"
}

one_run() { # NUMBER
    local load rss pss
    load=$(load)
    start_master --max-agents $((AGENTS + 100))
    rss=$(kib Rss) pss=$(kib Pss)
    start_agents "$AGENTS" ${RESTART:+--reconnect}
    take_cpu
    LINE="idle run=$1 agents=$AGENTS welcome_s=$(agents_max ready seconds)"
    LINE+=" rss_kib_each=$(ratio $(($(kib Rss) - rss)) "$AGENTS") pss_kib_each=$(ratio $(($(kib Pss) - pss)) "$AGENTS")"
    LINE+=" master_rss_mib=$(ratio "$(kib Rss)" 1024)"
    LINE+=" cpu_percent=$PERCENT"
    [ -z "$RESTART" ] || restart
    [ -z "$FLOOR" ] || floor "$PERCENT"
    figures "$LINE load=$load"
    stop_all
}

for ((r = 1; r <= RUNS; r++)); do
    one_run "$r"
done
summary
