#!/bin/bash
# SPDX-License-Identifier: MIT
# The master from submit to the last stored result, beside Redis streams that do the same work.
#
#     tests/bench/master.sh [--runs N] [--tasks N] [--agents N] [--no-redis]
#
# One POST of 200-byte URIs on distinct hosts; the agents answer each task at once with a record of 400 bytes; every
# commit is durable. Redis (appendfsync always, no rewrites): the same tasks in pipelines of 1,000, four workers with
# windows of 64, a result and an XACK for each task; those of a whole window in one pipeline (redis_), which is the
# cheapest that Redis can be used, and those of each task alone (redis_each_). One line a run: tasks a second and CPU
# seconds (user and system, of the master or of redis-server) per 100,000 tasks, and the ratios to the pipelined
# Redis. BUILD=DIR takes another build than build/.
ME=master.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/bench/master_lib.sh
. tests/bench/master_lib.sh

TASKS=100000 AGENTS=4 REDIS=yes
while [ $# -gt 0 ]; do
    case $1 in
    --no-redis) REDIS='' ;;
    --runs | --tasks | --agents)
        [ $# -ge 2 ] || die "$1 wants a number"
        need_number "$1" "$2"
        name=${1#--}
        declare "${name^^}=$2"
        shift
        ;;
    *) sed -n '5s/^#     //p' "tests/bench/$ME" >&2 && exit 2 ;;
    esac
    shift
done
need bin/sonde-master tests/instant_agent tests/redis_peer
[ -z "$REDIS" ] || command -v redis-server >/dev/null || die "redis-server is not installed (or say --no-redis)"

ours() { # sets LINE
    start_master
    start_agents "$AGENTS"
    LINE=$(/usr/bin/python3 tests/bench/drive.py --port "$API" --token-file "$WORK/data/admin.token" \
        --pid "$MASTER" --tasks "$TASKS") || { tail -n 5 "$WORK/master.log" >&2 && die "the run failed"; }
    stop_all
    LINE+=" agents_cpu_s=$(agents_sum answered= cpu_s)"
}

redis() { # [each]; sets LINE
    local port
    port=$(free_port)
    rm -rf "$WORK/redis" && mkdir "$WORK/redis"
    start "$WORK/redis.log" redis-server --port "$port" --bind 127.0.0.1 --dir "$WORK/redis" --save '' \
        --appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0 --daemonize no
    local server=$PID before after
    wait_until "redis-server did not start" "$server" "$WORK/redis.log" redis-cli -p "$port" ping
    before=$(cpu_ticks "$server")
    LINE=$("$BUILD/tests/redis_peer" "$port" "$TASKS" "$@") || die "the work with Redis failed"
    after=$(cpu_ticks "$server")
    LINE+=" cpu_s_per_100k=$(awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n="$TASKS" \
        'BEGIN { printf "%.3f", t / hz * 100000 / n }')"
    stop_one "redis-server" "$server" "$WORK/redis.log"
}

one_run() { # NUMBER
    local line load
    load=$(load)
    ours
    line="master run=$1 tasks_s=$(value rate "$LINE") cpu_s_per_100k=$(value cpu_s_per_100k "$LINE")"
    line+=" post_s=$(value post_s "$LINE") get_p99_ms=$(value get_p99_ms "$LINE") rss_mib=$(value rss_mib "$LINE")"
    line+=" agents_cpu_s=$(value agents_cpu_s "$LINE")"
    local rate cpu
    rate=$(value rate "$LINE") cpu=$(value cpu_s_per_100k "$LINE")
    if [ -n "$REDIS" ]; then
        redis
        line+=" redis_tasks_s=$(value rate "$LINE") redis_cpu_s_per_100k=$(value cpu_s_per_100k "$LINE")"
        line+=" rate_ratio=$(ratio "$rate" "$(value rate "$LINE")")"
        line+=" cpu_ratio=$(ratio "$cpu" "$(value cpu_s_per_100k "$LINE")")"
        redis each
        line+=" redis_each_tasks_s=$(value rate "$LINE") redis_each_cpu_s_per_100k=$(value cpu_s_per_100k "$LINE")"
    fi
    figures "$line load=$load"
}

for ((r = 1; r <= RUNS; r++)); do
    one_run "$r"
done
summary
