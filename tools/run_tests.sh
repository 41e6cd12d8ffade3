#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs programs, two at a time, prints what the failed ones said, and ends with a line that counts them.
#   usage: run_tests.sh BUILD_DIR PROGRAM...
# A program is a path under BUILD_DIR; a fuzz target replays its corpus. Those that measure how prompt something is (*_time_test)
# run alone, at the end. JOBS=n changes how many run at a time, UNDER="valgrind ..." runs each under a command.
set -u
: "${JOBS:=2}" "${UNDER:=}" "${LIMIT_S:=300}"

if [ "$1" = --one ]; then
    work=$2
    build=$3
    program=$4
    log=$work/$(echo "$program" | tr / _)
    arguments=
    case $program in fuzz/*) arguments=fuzz/corpus/${program#fuzz/} ;; esac
    # The thread sanitizer of gcc 12 needs a fixed address space on kernels with 32 random bits.
    fixed=
    case $(basename "$build") in tsan) command -v setarch >/dev/null 2>&1 && fixed="setarch $(uname -m) -R" ;; esac
    # shellcheck disable=SC2086 # commands are words
    timeout "$LIMIT_S" $fixed $UNDER "$build/$program" $arguments >"$log" 2>&1
    status=$?
    if [ $status = 0 ]; then
        echo "ok   $program"
    else
        { echo "FAIL $program (exit status $status)"; cat "$log"; } >"$log.failed"
        cat "$log.failed"
    fi
    touch "$log.ended"
    exit 0
fi

build=$1
shift
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
together=
alone=
for program in "$@"; do
    case $program in *_time_test) alone="$alone $program" ;; *) together="$together $program" ;; esac
done
# shellcheck disable=SC2086 # lists are words
{
    printf '%s\n' $together | xargs -P "$JOBS" -I '{}' sh "$0" --one "$work" "$build" '{}'
    for program in $alone; do sh "$0" --one "$work" "$build" "$program"; done
}
failed=$(find "$work" -name '*.failed' | wc -l)
passed=$(($(find "$work" -name '*.ended' | wc -l) - failed))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" = $# ]
