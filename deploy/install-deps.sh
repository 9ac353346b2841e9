#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what Sonde needs on Debian 12: to build and run it and, with --tests, to test it too.
# It looks first and asks apt only for what is missing, so that it costs nothing to run it again.
set -eu

BUILD="build-essential cmake ninja-build pkg-config ca-certificates curl
libwebsockets-dev libwebsockets-evlib-uv libuv1-dev libmicrohttpd-dev libcurl4-openssl-dev
libc-ares-dev libcjson-dev libsqlite3-dev libyaml-dev libpcre2-dev libidn2-dev uthash-dev libssl-dev
zlib1g-dev libglib2.0-dev tzdata check nginx openssl"
TESTS="clang clang-format libclang-rt-14-dev universal-ctags strace nftables iproute2 procps python3
python3-jsonschema python3-aiosmtpd jq sqlite3 wrk redis-server prometheus-blackbox-exporter faketime"

say() { printf 'install-deps: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

installed() { printf '%s\n' "$have" | grep -qx "$1"; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

wanted=$BUILD
case ${1-} in
"") ;;
--tests) wanted="$BUILD $TESTS" ;;
-h | --help)
    echo "usage: deploy/install-deps.sh [--tests]"
    exit 0
    ;;
*) die "unknown option '$1': it takes --tests or nothing" ;;
esac

command -v dpkg-query >/dev/null 2>&1 || die "this is not Debian (no dpkg): install by hand what the lists at the top of $0 name"

# shellcheck disable=SC2016 # the fields are dpkg-query's
have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
missing=
for package in $wanted; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
    die "these packages are missing and only root can install them; run as root: apt-get install$missing"
fi
say "installing$missing"
# A server that came with this script shall not start by itself and take ports.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    made_policy=yes
fi
cleanup() {
    [ -z "$made_policy" ] || as_root rm -f $policy
}
trap cleanup EXIT

as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || say "apt-get update failed; trying with the lists that are there"
# shellcheck disable=SC2086 # a list of words
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
    die "apt-get could not install:$missing (its own words are above; is the network up?)"
# The exporter is a peer for tests and benches, which start their own: it shall not come up with the next boot either.
case $missing in
*prometheus-blackbox-exporter*)
    ! command -v systemctl >/dev/null 2>&1 || as_root systemctl --quiet disable prometheus-blackbox-exporter >/dev/null 2>&1 ||
        say "prometheus-blackbox-exporter could not be disabled: it starts with the next boot"
    ;;
esac
say "done"
