#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds everything and runs every test. The last line is `N passed, N failed`; it ends with 1 if any failed.
#
#     tests/run.sh                the whole: release, ASAN+UBSAN and TSAN builds, unit and system tests, layers, budgets
#     tests/run.sh --quick        layers, budgets and the unit tests of the release build
#     tests/run.sh --long         also a minute of each fuzzer, 20,000 seeds of each simulation, and the long system tests
#     tests/run.sh --only TEXT    only the tests whose name holds TEXT (builds are made all the same)
#     tests/run.sh --build-dir D  builds into D, D-asan, D-tsan instead of build, build-asan, build-tsan
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export PATH=$PATH:/usr/sbin:/sbin # nginx is there, and a plain user of Debian does not look there

LONG='' QUICK='' ONLY='' BUILD=build
usage() {
    sed -n '5,9s/^#     //p' "$0" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    --long) LONG=yes ;;
    --quick) QUICK=yes ;;
    --only | --build-dir)
        [ $# -ge 2 ] || usage
        if [ "$1" = --only ]; then ONLY=$2; else BUILD=$2; fi
        shift
        ;;
    *) usage ;;
    esac
    shift
done

JOBS=$(nproc)
PASSED=0 FAILED=0 SKIPPED=0
FAILURES=()
WORK=$(mktemp -d)
AHEAD='' # the process group of the builds that run ahead
trap '[ -z "$AHEAD" ] || kill -- "-$AHEAD" 2>/dev/null; rm -rf "$WORK"' EXIT
export CK_VERBOSITY=normal CK_FORK=yes
# A finding of a sanitizer is a failure of the test that met it, never a line that scrolls by.
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# Of itself TSAN waits a second at each end of a program with threads; a unit test is a process of its own.
export TSAN_OPTIONS=second_deadlock_stack=1:exitcode=99:atexit_sleep_ms=100

count() { # PASS|FAIL|SKIP NAME
    case $1 in
    PASS) PASSED=$((PASSED + 1)) ;;
    FAIL)
        FAILED=$((FAILED + 1))
        FAILURES+=("$2")
        ;;
    SKIP) SKIPPED=$((SKIPPED + 1)) ;;
    esac
}

wanted() { [[ -z $ONLY || $1 == *"$ONLY"* ]]; }

# Runs a command as one test; its output is shown when it fails.
check() { # NAME COMMAND...
    local name=$1 began=$SECONDS verdict=PASS
    shift
    wanted "$name" || return 0
    "$@" >"$WORK/out" 2>&1 || verdict=FAIL
    printf '%s %s (%d s)\n' "$verdict" "$name" $((SECONDS - began))
    [ "$verdict" = PASS ] || sed 's/^/    /' "$WORK/out"
    count "$verdict" "$name"
    [ "$verdict" = PASS ]
}

# A build always runs, whatever --only says, and is a test like any other.
build() { # KIND COMMAND...
    local kind=$1 only=$ONLY result=0
    shift
    ONLY=
    check "build $kind" "$@" || result=1
    ONLY=$only
    return $result
}

make_build() { # DIR CMAKE_OPTION...
    local dir=$1
    shift
    cmake -S . -B "$dir" -G Ninja "$@" && ninja -j "$JOBS" -C "$dir"
}

# The other builds, one after the other, in what the tests of the first leave of the processors: those mostly wait, and what is
# idle by its scheduling class takes nothing from them.
build_ahead() {
    set -m # a group of its own, so that it can be ended with all that it runs
    (
        make_build_ahead asan "$BUILD-asan" -DASAN=ON
        make_build_ahead tsan "$BUILD-tsan" -DTSAN=ON
    ) >/dev/null 2>&1 &
    AHEAD=$!
    set +m
}

make_build_ahead() { # KIND DIR CMAKE_OPTION...
    local kind=$1 code=0
    shift
    (
        chrt --idle --pid 0 $BASHPID || renice -n 19 $BASHPID
        make_build "$@"
    ) >"$WORK/ahead.$kind" 2>&1 || code=$?
    echo $code >"$WORK/built.new" && mv "$WORK/built.new" "$WORK/built.$kind"
}

# These processes and all that they run get their share of the processors again; the parents first, for children inherit it.
step_forward() { # PID...
    local pid children
    for pid; do
        chrt --other --pid 0 "$pid" 2>/dev/null
        mapfile -t children < <(pgrep -P "$pid")
        step_forward "${children[@]}"
    done
}

# Waits until that build has ended: its output and its exit code. Who waits for it does not want it idle: on a machine with other
# work it would never end.
built_ahead() { # KIND
    local kind=$1
    [ -e "$WORK/built.$kind" ] || step_forward "$AHEAD"
    until [ -e "$WORK/built.$kind" ]; do
        kill -0 "$AHEAD" 2>/dev/null || [ -e "$WORK/built.$kind" ] || return 1
        sleep 0.2
    done
    cat "$WORK/ahead.$kind"
    return "$(cat "$WORK/built.$kind")"
}

# Unit tests and the replay of the fuzz corpora, as ctest knows them.
unit() { # KIND DIR PREFIX...
    local kind=$1 dir=$2 log=$WORK/ctest.log
    shift 2
    local filter=()
    [ -z "$ONLY" ] || filter=(-R "$(printf '%s' "${ONLY#"$kind" }" | sed 's/[][\.*^$+?(){}|]/\\&/g')")
    "$@" ctest --test-dir "$dir" -j $((JOBS * 2)) --output-on-failure --timeout 300 "${filter[@]}" >"$log" 2>&1
    local code=$? before=$FAILED
    while read -r verdict name took; do
        printf '%s %s %s (%s s)\n' "$verdict" "$kind" "$name" "$took"
        count "$verdict" "$kind $name"
    done < <(sed -nE -e 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) \.* *Passed +([0-9.]+) sec.*/PASS \1 \2/p' \
        -e 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) \.* *\*\*\*Skipped +([0-9.]+) sec.*/SKIP \1 \2/p' \
        -e 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) \.*\**(Failed|Timeout|Not Run|Exception: [A-Za-z]+).* ([0-9.]+) sec.*/FAIL \1 \3/p' "$log")
    [ $code -ne 0 ] || return 0
    sed 's/^/    /' "$log"
    [ "$FAILED" -gt "$before" ] || [ -n "$ONLY" ] || count FAIL "$kind unit tests (ctest ended with $code)"
}

# The system tests print their own PASS, FAIL and SKIP lines, and what a failure needs below. They mostly wait, so that there are
# more at once than cores; beyond some the machine's own bounds would be what is tested.
system() { # KIND DIR OPTION...
    local kind=$1 dir=$2 log=$WORK/system.log
    shift 2
    local options=("$@")
    [ -z "$ONLY" ] || options+=(--only "${ONLY#"$kind" }")
    [ -z "$LONG" ] || options+=(--long)
    local launch=()
    [ "$kind" != tsan ] || launch=("${NO_ASLR[@]}")
    "${launch[@]}" /usr/bin/python3 tests/system/run.py --build "$dir" --kind "$kind" --jobs $((JOBS * 3 < 16 ? JOBS * 3 : 16)) \
        "${options[@]}" 2>&1 | tee "$log"
    local code=${PIPESTATUS[0]} before=$FAILED
    while read -r verdict name; do
        count "$verdict" "$name"
    done < <(sed -nE 's/^(PASS|FAIL|SKIP) (.*) \([^()]*\)$/\1 \2/p' "$log")
    [ "$code" -eq 0 ] || [ "$FAILED" -gt "$before" ] || count FAIL "$kind system tests (the harness ended with $code)"
}

fuzz() {
    check "build fuzz" env CC=clang cmake -S . -B "$BUILD-fuzz" -G Ninja -DFUZZ=ON -DASAN=ON || return
    local source name
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        check "build $name" ninja -j "$JOBS" -C "$BUILD-fuzz" "$name" &&
            mkdir -p "$WORK/$name" &&
            check "fuzz $name 60 s" "$BUILD-fuzz/fuzz/$name" -max_total_time=60 -print_final_stats=1 \
                "$WORK/$name" "tests/fuzz/corpus/${name#fuzz_}"
    done
}

# Both at the same time; what they met, by kind, is shown in any case.
storms() {
    local storm pids=() code=0
    for storm in core session; do
        SONDE_SIM_SEEDS=20000 "$BUILD/tests/sim_test_${storm}_storm" >"$WORK/$storm.storm" 2>&1 &
        pids+=($!)
    done
    for storm in "${pids[@]}"; do
        wait "$storm" || code=1
    done
    cat "$WORK"/{core,session}.storm
    return $code
}

long_storms() {
    wanted "sim 20,000 seeds" || return 0
    check "sim 20,000 seeds" storms || return 0
    sed 's/^/    /' "$WORK/out"
}

# ThreadSanitizer of Debian 12 cannot live with the address randomness of newer kernels.
NO_ASLR=()
! setarch "$(uname -m)" -R true 2>/dev/null || NO_ASLR=(setarch "$(uname -m)" -R)

main() {
    deploy/install-deps.sh --tests || exit 1
    check "layers" tests/support/layers.sh
    local budget
    for budget in functions files banned format heads; do
        check "budget $budget" tests/support/budgets.sh $budget
    done

    local built=0
    build release make_build "$BUILD" || built=1
    [ -n "$QUICK" ] || build_ahead
    if [ $built = 0 ]; then
        unit release "$BUILD"
        [ -n "$QUICK" ] || system release "$BUILD"
        [ -z "$LONG" ] || long_storms
    fi
    [ -z "$QUICK" ] || return 0
    if build asan built_ahead asan; then
        unit asan "$BUILD-asan"
        system asan "$BUILD-asan" --short
    fi
    if build tsan built_ahead tsan; then
        unit tsan "$BUILD-tsan" "${NO_ASLR[@]}"
        system tsan "$BUILD-tsan" --short
    fi
    [ -z "$LONG" ] || fuzz
}

main
if [ ${#FAILURES[@]} -gt 0 ]; then
    printf '\nfailed:\n'
    printf '    %s\n' "${FAILURES[@]}"
fi
printf '\n%d passed, %d failed' $PASSED $FAILED
[ $SKIPPED -eq 0 ] || printf ', %d skipped' $SKIPPED
printf '\n'
[ $FAILED -eq 0 ]
