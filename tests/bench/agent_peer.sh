# SPDX-License-Identifier: MIT
# blackbox_exporter as a peer of the agent's engine; sourced by agent.sh after lib.sh.
# shellcheck shell=bash

EXPORTER=prometheus-blackbox-exporter

# Starts the exporter with a module of each kind and sees that a probe of it works; without it or wrk PEER becomes empty.
peer_start() {
    if ! command -v $EXPORTER >/dev/null || ! command -v wrk >/dev/null; then
        printf '%s: no peer: %s and wrk are not both installed (deploy/install-deps.sh --tests)\n' "$ME" $EXPORTER >&2
        PEER=''
        return
    fi
    local port target
    port=$(free_port)
    case $KIND in
    http) target=http://127.0.0.1:$HTTP/ok ;;
    https) target=https://127.0.0.1:$HTTPS/ok ;;
    dns) target=127.0.0.1:$DNS ;;
    esac
    PEER_URL="http://127.0.0.1:$port/probe?module=$KIND&target=$target"
    peer_config >"$WORK/peer.yml"
    peer_script >"$WORK/peer.lua"
    start "$WORK/peer.log" $EXPORTER --config.file="$WORK/peer.yml" --web.listen-address="127.0.0.1:$port"
    PEER_PID=$PID
    wait_until "$EXPORTER cannot probe $target" "$PEER_PID" "$WORK/peer.log" peer_probe_is_ok
}

peer_probe_is_ok() { curl -sf "$PEER_URL" | grep -qx 'probe_success 1'; }

peer_config() {
    cat <<EOF
modules:
  http: {prober: http, timeout: 10s, http: {preferred_ip_protocol: ip4}}
  https: {prober: http, timeout: 10s, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: "$WORK/ca.pem"}}}
  dns: {prober: dns, timeout: 10s, dns: {preferred_ip_protocol: ip4, query_name: n1.ok.test, query_type: A}}
EOF
}

# wrk looks into each answer: a probe that failed would be cheap.
peer_script() {
    cat <<'EOF'
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() good, bad = 0, 0 end
function response(status, headers, body)
    if body:find("\nprobe_success 1\n", 1, true) then good = good + 1 else bad = bad + 1 end
end
function done(summary)
    local g, b = 0, 0
    for _, t in ipairs(threads) do g, b = g + t:get("good"), b + t:get("bad") end
    local e = summary.errors
    print(string.format("good=%d bad=%d errors=%d seconds=%.3f", g, b,
                        e.connect + e.read + e.write + e.timeout, summary.duration / 1e6))
end
EOF
}

peer_cpu_s() {
    awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / hz }' "/proc/$PEER_PID/stat"
}

# Drives it with as many probes in flight as the engine has; sets PEER_RATE and PEER_CPU.
peer_run() {
    local before after line
    before=$(peer_cpu_s)
    line=$(wrk -t 1 -c "$WINDOW" -d "${PEER_SECONDS}s" --timeout 10s -s "$WORK/peer.lua" "$PEER_URL" | grep '^good=') ||
        die "wrk said nothing of $PEER_URL"
    after=$(peer_cpu_s)
    [[ $line == *" bad=0 errors=0 "* && $line != "good=0 "* ]] || die "not every probe of $EXPORTER was ok: $line"
    PEER_RATE=$(awk -v n="$(value good "$line")" -v s="$(value seconds "$line")" 'BEGIN { printf "%.0f", n / s }')
    PEER_CPU=$(awk -v n="$(value good "$line")" -v a="$after" -v b="$before" 'BEGIN { printf "%.4f", 1000 * (a - b) / n }')
}
