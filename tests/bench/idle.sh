#!/bin/bash
# SPDX-License-Identifier: MIT
# What agents without work cost the master.
#
#     tests/bench/idle.sh [--runs N] [--agents N] [--seconds N]
#
# N agents (default 1,000) connect and beat every 5 s. One line a run: the time until all were welcomed, the master's
# memory per agent (RSS and PSS, over what it was before they came, in KiB), and its CPU in percent of a core over
# --seconds (default 20). BUILD=DIR takes another build than build/.
ME=idle.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/bench/master_lib.sh
. tests/bench/master_lib.sh

AGENTS=1000 SECONDS_EACH=20 SETTLE_S=6 # one heartbeat interval and a little
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || set -- --usage
    case $1 in
    --runs) need_number "$1" "$2" && RUNS=$2 ;;
    --agents) need_number "$1" "$2" && AGENTS=$2 ;;
    --seconds) need_number "$1" "$2" && SECONDS_EACH=$2 ;;
    *) sed -n '5s/^#     //p' "tests/bench/$ME" >&2 && exit 2 ;;
    esac
    shift 2
done
need bin/sonde-master tests/instant_agent
ulimit -n "$(ulimit -Hn)" || die "the limit of descriptors cannot be raised"
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge $((AGENTS + 2600)) ] ||
    die "$AGENTS agents need a limit of $((AGENTS + 2600)) descriptors, here it is $(ulimit -Hn) (ulimit -Hn)"

kib() { # KEY: of the master's memory
    awk -v k="$1:" '$1 == k { print $2 }' "/proc/$MASTER/smaps_rollup"
}

one_run() { # NUMBER
    local load rss pss before after
    load=$(load)
    start_master --max-agents $((AGENTS + 100))
    rss=$(kib Rss) pss=$(kib Pss)
    start_agents "$AGENTS"
    sleep "$SETTLE_S"
    before=$(cpu_ticks "$MASTER")
    sleep "$SECONDS_EACH"
    after=$(cpu_ticks "$MASTER")
    ! grep -q '^lost' "$WORK/agents.log" || die "agents were lost: $(grep -c '^lost' "$WORK/agents.log")"
    figures "idle run=$1 agents=$AGENTS welcome_s=$(value seconds "$(grep '^ready' "$WORK/agents.log")")" \
        "rss_kib_each=$(ratio $(($(kib Rss) - rss)) "$AGENTS") pss_kib_each=$(ratio $(($(kib Pss) - pss)) "$AGENTS")" \
        "master_rss_mib=$(ratio "$(kib Rss)" 1024)" \
        "cpu_percent=$(ratio $(((after - before) * 100)) $((SECONDS_EACH * $(getconf CLK_TCK)))) load=$load"
    stop_all
}

for ((r = 1; r <= RUNS; r++)); do
    one_run "$r"
done
summary
