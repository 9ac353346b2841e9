#!/bin/bash
# SPDX-License-Identifier: MIT
# The agent's probe engine beside a bare client that does the same to the same server, in turn on this machine.
#
#     tests/bench/agent.sh http|https|dns [--runs N] [--count N] [--window N] [--workers N] [--literal] [--distinct N] [--slots N] [--peer-seconds N] [--no-peer]
#
# http and https probe 2,000 distinct names, A and AAAA asked each time, a fresh connection each; --literal probes
# 127.0.0.1 instead. dns asks for 2,000 distinct names. One line a run: probes a second and CPU seconds (user and
# system) per 1,000 probes of both, and the ratio of the CPU. BUILD=DIR takes another build than build/.
#
# --distinct N runs the engine once more with N distinct names (20,000, say): distinct_ratio is the CPU of that by the
# CPU with 2,000. --slots N runs it once more with N in flight: slots_ratio is the rate of that by the rate with --window,
# slots_cpu_ratio the CPU.
#
# When Debian's prometheus-blackbox-exporter and wrk are installed, one of our own is driven on /probe for --peer-seconds (5)
# in each run: peer_ratio is the engine's CPU by its. It has the system's resolver only, so it always probes 127.0.0.1.
ME=agent.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/bench/agent_peer.sh
. tests/bench/agent_peer.sh

NAMES=2000 COUNT='' WINDOW=64 WORKERS=2 LITERAL='' DISTINCT='' SLOTS='' PEER=yes PEER_SECONDS=5
usage() {
    sed -n '5s/^#     //p' "tests/bench/$ME" >&2
    exit 2
}

KIND=${1:-}
case $KIND in
http) FLOOR_COUNT=40000 ;;
https) FLOOR_COUNT=6000 ;;
dns) FLOOR_COUNT=200000 ;;
*) usage ;;
esac
shift
while [ $# -gt 0 ]; do
    case $1 in
    --literal) LITERAL=yes ;;
    --no-peer) PEER='' ;;
    --runs | --count | --window | --workers | --distinct | --slots | --peer-seconds)
        [ $# -ge 2 ] || usage
        need_number "$1" "$2"
        name=${1#--} name=${name//-/_}
        declare "${name^^}=$2"
        shift
        ;;
    *) usage ;;
    esac
    shift
done
COUNT=${COUNT:-$FLOOR_COUNT}
need tests/target_server tests/bench_engine tests/floor_http tests/floor_dns

start "$WORK/world.log" "$BUILD/tests/target_server" --dir "$WORK"
wait_until "target_server did not start" "$PID" "$WORK/world.log" grep -q '"pid"' "$WORK/world.log"
port() { sed -nE "s/.*\"$1\":([0-9]+).*/\1/p" "$WORK/world.log"; }
HTTP=$(port http) HTTPS=$(port https) DNS=$(port dns)

TARGETS=()
name_targets() { # HOW_MANY
    local i
    TARGETS=()
    for ((i = 0; i < $1; i++)); do
        case $KIND in
        http) TARGETS+=("http://n$i.ok.test:$HTTP/ok") ;;
        https) TARGETS+=("https://n$i.ok.test:$HTTPS/ok") ;;
        dns) TARGETS+=("dns://127.0.0.1:$DNS/n$i.ok.test?type=A") ;;
        esac
    done
}
name_targets "$NAMES"
NAME=$KIND
if [ -n "$LITERAL" ]; then
    [ "$KIND" != dns ] || die "--literal is for http and https"
    [ -z "$DISTINCT" ] || die "--distinct wants names, --literal has none"
    NAME=$KIND-literal
    TARGETS=("http://127.0.0.1:$HTTP/ok")
    [ "$KIND" = http ] || TARGETS=("https://127.0.0.1:$HTTPS/ok")
fi

floor() {
    case $KIND in
    http) "$BUILD/tests/floor_http" --port "$HTTP" --count "$COUNT" --window "$WINDOW" ;;
    https) "$BUILD/tests/floor_http" --port "$HTTPS" --ca-file "$WORK/ca.pem" --count "$COUNT" --window "$WINDOW" ;;
    dns) "$BUILD/tests/floor_dns" "$DNS" "$COUNT" "$WINDOW" ;;
    esac
}
engine() { # MORE...
    "$BUILD/tests/bench_engine" --workers "$WORKERS" --window "$WINDOW" --count "$COUNT" \
        --resolver "127.0.0.1:$DNS" --ca-file "$WORK/ca.pem" "$@" "${TARGETS[@]}"
}
all_ok() { # LINE
    [ "$(value ok "$1")" = "$COUNT" ] || die "not every probe was ok: $1"
}

# Figures of --distinct and --slots, beside those of the usual run.
more_names() { # LINE
    local out
    name_targets "$DISTINCT"
    out=$(engine) || die "the engine failed: $out"
    name_targets "$NAMES"
    all_ok "$out"
    printf ' distinct_cpu_s_per_1000=%s distinct_ratio=%s' "$(value cpu_s_per_1000 "$out")" \
        "$(ratio "$(value cpu_s_per_1000 "$out")" "$(value cpu_s_per_1000 "$1")")"
}
more_slots() { # LINE
    local out
    out=$(WINDOW=$SLOTS engine --slots $(((SLOTS + WORKERS - 1) / WORKERS)) --warm-up "$SLOTS") || die "the engine failed: $out"
    all_ok "$out"
    printf ' slots_probes_s=%s slots_ratio=%s slots_cpu_ratio=%s' "$(value rate "$out")" \
        "$(ratio "$(value rate "$out")" "$(value rate "$1")")" \
        "$(ratio "$(value cpu_s_per_1000 "$out")" "$(value cpu_s_per_1000 "$1")")"
}

one_run() { # NUMBER
    local bare ours load peer='' more=''
    load=$(load)
    bare=$(floor) || die "the bare client failed: $bare"
    ours=$(engine) || die "the engine failed: $ours"
    all_ok "$ours"
    [ -z "$DISTINCT" ] || more+=$(more_names "$ours") || exit 1
    [ -z "$SLOTS" ] || more+=$(more_slots "$ours") || exit 1
    [ -z "$PEER" ] || peer_run
    local cpu floor
    cpu=$(value cpu_s_per_1000 "$ours") floor=$(value cpu_s_per_1000 "$bare")
    [ -z "$PEER" ] || peer=" peer_probes_s=$PEER_RATE peer_cpu_s_per_1000=$PEER_CPU peer_ratio=$(ratio "$cpu" "$PEER_CPU")"
    figures "$NAME run=$1 probes_s=$(value rate "$ours") cpu_s_per_1000=$cpu floor_probes_s=$(value rate "$bare")" \
        "floor_cpu_s_per_1000=$floor ratio=$(ratio "$cpu" "$floor") rss_mib=$(value peak_rss_mib "$ours") load=$load$more$peer"
}

engine_warm_up=$(COUNT=500 engine) || die "the engine failed: $engine_warm_up"
[ -z "$PEER" ] || peer_start
for ((r = 1; r <= RUNS; r++)); do
    one_run "$r"
done
summary
