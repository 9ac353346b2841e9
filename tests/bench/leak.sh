#!/bin/bash
# SPDX-License-Identifier: MIT
# 100,000 probes of every good and bad kind, and then as many descriptors and threads as before.
#
#     tests/bench/leak.sh [--count N]
#
# Each kind of answer of target_server in turn, 200 in flight: good, broken, refused, reset, tarpits (the time-out is
# 300 ms), redirects, bombs, every kind of certificate, DNS. Prints descriptors, threads and memory after 5,000 probes
# and after all, and ends with 1 when there are more of the first two. BUILD=DIR takes another build than build/.
ME=leak.sh
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"

COUNT=100000
if [ "${1:-}" = --count ] && [ $# -eq 2 ]; then
    need_number "$1" "$2"
    COUNT=$2
elif [ $# -gt 0 ]; then
    sed -n '5s/^#     //p' "tests/bench/$ME" >&2
    exit 2
fi
need tests/target_server tests/bench_engine

start "$WORK/world.log" "$BUILD/tests/target_server" --dir "$WORK"
wait_until "target_server did not start" "$PID" "$WORK/world.log" grep -q '"pid"' "$WORK/world.log"
port() { sed -nE "s/.*\"$1\":([0-9]+).*/\1/p" "$WORK/world.log"; }

TARGETS=()
for path in ok json status/404 status/500 redirect/3 loop cut cut-reset reset empty garbage headers/5000 gzip/100000 \
    big/3000000 slow/50 tarpit; do
    TARGETS+=("http://127.0.0.1:$(port http)/$path" "http://n${#TARGETS[@]}.ok.test:$(port http)/$path")
done
for name in https https_expired https_future https_wrong_name https_self_signed plain tls_alert tarpit; do
    TARGETS+=("https://ok.test:$(port $name)/ok")
done
for name in refused reset full; do
    TARGETS+=("http://127.0.0.1:$(port $name)/")
done
for type in A AAAA MX TXT; do
    TARGETS+=("dns://127.0.0.1:$(port dns)/ok.test?type=$type" "dns://127.0.0.1:$(port dns)/none.invalid?type=$type")
done

OUT=$("$BUILD/tests/bench_engine" --workers 2 --slots 100 --window 200 --warm-up 5000 --count "$COUNT" \
    --defaults '{"timeout_ms":300}' --resolver "127.0.0.1:$(port dns)" --ca-file "$WORK/ca.pem" "${TARGETS[@]}" \
    2>"$WORK/engine.log") || die "the engine failed: $(tail -n 3 "$WORK/engine.log")"
printf '%s\n' "$OUT"
for what in fds threads; do
    before=$(value $what "$OUT") after=$(value ${what}_after "$OUT")
    if [ -z "$before" ] || [ "$after" -gt "$before" ]; then
        die "$what: $before before, $after after $COUNT probes"
    fi
done
