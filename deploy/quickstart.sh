#!/bin/bash
# SPDX-License-Identifier: MIT
# From a clone to a first batch: builds Sonde, starts nginx, a master and two agents behind it, probes the targets of
# FILE, and shows the results. Ctrl-C stops it all. It touches nothing outside of build/.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(dirname "$HERE")
BIN=$TOP/build/bin
DIR=$TOP/build/quickstart
NGINX=$DIR/nginx
START_S=20 # how long anything here may take to come up
STOP_S=40  # how long a drain may take before it is cut short
export PATH=$PATH:/usr/sbin:/sbin # nginx is there, and a plain user of Debian does not look there

usage() {
    cat <<'TEXT'
usage: deploy/quickstart.sh [FILE] [--once]

  FILE     targets, one a line: http(s) URLs and DNS questions such as dns:example.com?type=MX
           (default: deploy/examples/targets.txt and some that the quickstart serves itself)
  --once   stop everything when the batch has ended, and exit 0
TEXT
}

if [ -t 1 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' OFF=$'\e[0m'
else
    BOLD='' DIM='' OFF=''
fi
step() { printf '%s==>%s %s\n' "$BOLD" "$OFF" "$*"; }
note() { printf '    %s%s%s\n' "$DIM" "$*" "$OFF"; }
die() {
    printf 'quickstart: %s\n' "$*" >&2
    exit 1
}

FILE='' ONCE=''
for arg in "$@"; do
    case $arg in
    --once) ONCE=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) usage >&2 && exit 2 ;;
    *)
        [ -z "$FILE" ] || { usage >&2 && exit 2; }
        FILE=$arg
        ;;
    esac
done
[ -z "$FILE" ] || { [ -r "$FILE" ] && [ ! -d "$FILE" ]; } || die "cannot read $FILE: name a text file with one target a line"

# --- processes: each in its own group, so that a Ctrl-C reaches this script alone and it stops them in order

PIDS=() NAMES=()
start() { # NAME COMMAND...
    local name=$1
    shift
    set -m
    "$@" >"$DIR/$name.log" 2>&1 &
    set +m
    PIDS+=($!)
    echo $! >>"$LOCK"
    NAMES+=("$name")
}

stop_all() {
    # Neither a second Ctrl-C nor a terminal that is gone and takes no words shall leave anything behind.
    set +e
    trap - EXIT
    trap "" INT TERM HUP PIPE
    local i n=0
    [ ${#PIDS[@]} -eq 0 ] || step "stopping"
    for ((i = ${#PIDS[@]} - 1; i >= 0; i--)); do # agents, master, nginx: last started, first stopped
        kill -TERM "${PIDS[i]}" 2>/dev/null || continue
        while kill -0 "${PIDS[i]}" 2>/dev/null && [ $((n++)) -lt $((STOP_S * 10)) ]; do sleep 0.1; done
        if kill -KILL "${PIDS[i]}" 2>/dev/null; then note "${NAMES[i]} had to be killed"; fi
    done
    wait 2>/dev/null || true
}

on_exit() {
    local code=$?
    stop_all
    exit "$code"
}
on_signal() { # CODE
    set +e
    trap "" PIPE
    printf '\n'
    stop_all
    [ -z "$RUNS" ] || exit 0 # Ctrl-C is how it is meant to end; before that it is an end too soon
    exit "$1"
}
RUNS=''
trap on_exit EXIT
trap 'on_signal 130' INT
trap 'on_signal 143' TERM
trap 'on_signal 129' HUP
trap 'on_signal 141' PIPE

last_words() { # NAME
    printf 'quickstart: the last lines of %s:\n' "$DIR/$1.log" >&2
    tail -n 8 "$DIR/$1.log" | sed 's/^/    /' >&2
}

wait_until() { # NAME WHAT COMMAND...
    local name=$1 what=$2 i
    shift 2
    for ((i = 0; i < START_S * 10; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        kill -0 "${PIDS[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    last_words "$name"
    die "$what"
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

USED=" "
free_port() { # VARIABLE FIRST
    local port=$2
    while [[ $USED == *" $port "* ]] || taken "$port"; do port=$((port + 1)); done
    USED="$USED$port "
    printf -v "$1" '%s' "$port"
}

# --- the steps

build() {
    step "dependencies and build ${DIM}(the first time takes a minute)${OFF}"
    "$HERE/install-deps.sh" || die "the dependencies could not be installed; see above"
    local log=$TOP/build/quickstart-build.log
    mkdir -p "$TOP/build"
    if ! { cmake -S "$TOP" -B "$TOP/build" -G Ninja && ninja -C "$TOP/build" sonde-master sonde-agent sonde; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "the build failed; all of it is in $log"
    fi
}

prepare() {
    mkdir -p "$DIR"
    # What it starts holds the lock too: whoever killed this script with -9 is told what is left of it.
    LOCK=$TOP/build/quickstart.lock
    exec 9>>"$LOCK"
    flock -n 9 || die "another quickstart runs from this clone: stop it with Ctrl-C there, or with: kill $(tr '\n' ' ' <"$LOCK")"
    echo $$ >"$LOCK"
    rm -rf "$DIR"
    mkdir -p "$NGINX/site" "$DIR/data"
    chmod 700 "$DIR/data"
    free_port PORT 8780
    free_port SITE 8781
    free_port SITE_TLS 8782
    free_port API 8700
    free_port AGENTS 8701
    free_port DEAD 8799
}

write_site() {
    printf '<!doctype html><title>A fine page</title><p>All is well here.\n' >"$NGINX/site/index.html"
    { printf '<!doctype html><title>A slow page</title>\n' && head -c 2500 /dev/zero | tr '\0' '.'; } >"$NGINX/site/slow.html"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=quickstart.invalid \
        -keyout "$NGINX/site.key" -out "$NGINX/site.crt" 2>/dev/null || die "openssl could not make a certificate for the bad-TLS target"
}

fill_in() { # TEMPLATE TO
    local user='# user: whoever starts it'
    [ "$(id -u)" -ne 0 ] || user='user root;'
    sed -e "s|@USER@|$user|; s|@DIR@|$NGINX|g; s|@PORT@|$PORT|; s|@API@|127.0.0.1:$API|; s|@AGENTS@|127.0.0.1:$AGENTS|" \
        -e "s|@SITE@|$SITE|; s|@SITE_TLS@|$SITE_TLS|" "$1" >"$2"
}

start_nginx() {
    write_site
    fill_in "$HERE/nginx/quickstart.conf.in" "$NGINX/nginx.conf"
    fill_in "$HERE/nginx/quickstart-sites.conf.in" "$NGINX/sites.conf"
    start nginx nginx -p "$NGINX" -c "$NGINX/nginx.conf" -e "$NGINX/error.log"
    wait_until nginx "nginx did not start on port $PORT" taken "$PORT"
}

start_master() {
    start master "$BIN/sonde-master" serve --listen "127.0.0.1:$API" --agents-listen "127.0.0.1:$AGENTS" --data "$DIR/data"
    wait_until master "the master did not start" curl -fsS -o /dev/null "http://127.0.0.1:$PORT/readyz"
    export SONDE_URL=http://127.0.0.1:$PORT SONDE_TOKEN_FILE=$DIR/data/admin.token
}

agent_is_there() { "$BIN/sonde" agents -o json | grep -q "\"$1\""; }

start_agent() { # NAME
    mkdir -p "$DIR/$1"
    (umask 077 && "$BIN/sonde-master" token add --data "$DIR/data" --scope agent --name "$1" >"$DIR/$1/token") ||
        die "no token could be made for the agent $1"
    local metrics
    free_port metrics 8702
    # --allow: the quickstart's own targets are on loopback, which an agent refuses to probe by default.
    start "$1" "$BIN/sonde-agent" --master "ws://127.0.0.1:$PORT/ws" --name "$1" --token-file "$DIR/$1/token" \
        --data "$DIR/$1" --tag net=quickstart --allow 127.0.0.0/8 --metrics-listen "127.0.0.1:$metrics"
    METRICS=${METRICS:-http://127.0.0.1:$metrics/metrics}
    wait_until "$1" "the agent $1 did not reach the master through nginx" agent_is_there "$1"
}

write_targets() {
    TARGETS=$DIR/targets.txt
    if [ -n "$FILE" ]; then
        cp "$FILE" "$TARGETS"
        return
    fi
    {
        cat "$HERE/examples/targets.txt"
        printf '# and what the quickstart serves itself\n'
        printf 'http://127.0.0.1:%s%s\n' "$SITE" / "$SITE" /missing "$SITE" /broken "$SITE" /moved "$SITE" /slow
        printf 'https://127.0.0.1:%s/\n' "$SITE_TLS"
        printf 'http://127.0.0.1:%s/\n' "$DEAD"
    } >"$TARGETS"
}

run_batch() {
    local code=0
    # Short waits: on a machine without internet the public targets shall fail soon, with their cause.
    "$BIN/sonde" submit "$TARGETS" --watch --results 1000 --timeout-ms 8000 --deadline 2m || code=$?
    case $code in
    0 | 1 | 5) ;; # all ok, some failed, some too late: all of it is an answer
    *) die "the batch could not be run (sonde submit ended with $code)" ;;
    esac
}

go_on() {
    cat <<TEXT

${BOLD}Sonde runs${OFF} until Ctrl-C: nginx, a master and two agents.
To go on, in another terminal, from $TOP:

    export SONDE_URL=$SONDE_URL
    export SONDE_TOKEN_FILE=$SONDE_TOKEN_FILE
    build/bin/sonde agents
    build/bin/sonde probe https://example.com/
    build/bin/sonde submit deploy/examples/targets.txt --watch
    curl -H "Authorization: Bearer \$(cat \$SONDE_TOKEN_FILE)" \\
        \$SONDE_URL/api/v1/batches
    curl $METRICS

TEXT
    note "logs and data, made anew by each quickstart:"
    note "$DIR"
}

watch_over() {
    while :; do
        sleep 1 &
        wait $! || true
        local i
        for i in "${!PIDS[@]}"; do
            kill -0 "${PIDS[i]}" 2>/dev/null && continue
            last_words "${NAMES[i]}"
            die "${NAMES[i]} has ended by itself"
        done
    done
}

prepare
build
step "nginx on http://127.0.0.1:$PORT, in front of a master and two agents"
start_nginx
start_master
start_agent berlin-1
start_agent tokyo-1
note "everything lies in $DIR"
write_targets
step "a batch of $(grep -cv '^[[:space:]]*\(#\|$\)' "$TARGETS") targets"
run_batch
[ -z "$ONCE" ] || exit 0
RUNS=yes
go_on
watch_over
