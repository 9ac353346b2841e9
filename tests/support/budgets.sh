#!/bin/bash
# SPDX-License-Identifier: MIT
# Holds the budgets of the code: length of functions and files, banned functions, layout, the first lines of files.
#     budgets.sh [functions|files|banned|format|heads]     without a word: all of them
# Prints each breach as FILE:LINE and ends with 1 if there is one.
# shellcheck disable=SC2317,SC2086 # the budgets are called by name; the numbers are numbers
set -euo pipefail
cd "$(dirname "$0")/../.."

FUNCTION_MAX=100
FUNCTION_P90=55
FILE_MAX=600
# They write past a buffer, keep hidden state or hide an error; common/ has what to use instead.
BANNED='strcpy|strcat|sprintf|vsprintf|atoi|atol|strtok|localtime|gets'

mapfile -t SOURCES < <(find common proto agent master tests -name '*.[ch]' 2>/dev/null | sort)
[ ${#SOURCES[@]} -gt 0 ] || exit 0

functions() {
    ctags -x --languages=C --langmap=C:.c --c-kinds=f --fields=+e --_xformat='%F %n %{end} %N' "${SOURCES[@]}" |
        awk -v max=$FUNCTION_MAX '
            $3 == "" { next }
            { len = $3 - $2 + 1; print len > "/dev/fd/3" }
            len > max { print $1 ":" $2 ": " $4 " has " len " lines, at most " max " are allowed"; bad = 1 }
            END { exit bad }' 3>"$LENGTHS"
    local bad=$?
    sort -n "$LENGTHS" | awk -v p90=$FUNCTION_P90 '
        { a[NR] = $1 }
        END {
            if (!NR) exit 0
            ninety = a[int(NR * 0.9 + 0.5)]
            printf "%d functions, median %d lines, 90th percentile %d\n", NR, a[int((NR + 1) / 2)], ninety
            if (ninety > p90) { print "the 90th percentile may be at most " p90; exit 1 }
        }' && return $bad
}

files() {
    wc -l "${SOURCES[@]}" | awk -v max=$FILE_MAX '
        $2 != "total" && $1 > max { print $2 ": has " $1 " lines, at most " max " are allowed"; bad = 1 }
        END { exit bad }'
}

banned() {
    # Comments may name them.
    local hits
    hits=$(grep -nHE "(^|[^[:alnum:]_>.])($BANNED)[[:space:]]*\(" "${SOURCES[@]}" |
        grep -vE '^[^:]+:[0-9]+:[[:space:]]*(/?\*|//)' || true)
    [ -n "$hits" ] || return 0
    printf '%s\n' "$hits"
    return 1
}

format() { clang-format --dry-run -Werror "${SOURCES[@]}"; }

heads() {
    local file bad=0
    for file in "${SOURCES[@]}"; do
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' || { echo "$file:1: no SPDX line" && bad=1; }
        [[ $file != *.h ]] || grep -q '^#pragma once' "$file" || { echo "$file:1: no #pragma once" && bad=1; }
    done
    local left
    left=$(grep -nHE '\b(TODO|FIXME|XXX)\b' "${SOURCES[@]}" || true)
    [ -z "$left" ] || { printf '%s\n' "$left" && bad=1; }
    return $bad
}

LENGTHS=$(mktemp)
trap 'rm -f "$LENGTHS"' EXIT
bad=0
for what in "${@:-functions files banned format heads}"; do
    for one in $what; do
        case $one in
        functions | files | banned | format | heads) "$one" || bad=1 ;;
        *)
            echo "budgets.sh: unknown budget '$one'" >&2
            exit 2
            ;;
        esac
    done
done
exit $bad
