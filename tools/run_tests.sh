#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs test programs one after the other and ends with a line that counts them.
#   usage: run_tests.sh BUILD_DIR AREA/NAME_test...
set -u
build=$1
shift
passed=0
failed=0
# The thread sanitizer of gcc 12 needs a fixed address space on kernels with 32 random bits.
prefix=
case $(basename "$build") in tsan) command -v setarch >/dev/null 2>&1 && prefix="setarch $(uname -m) -R" ;; esac
log=$(mktemp)
trap 'rm -f "$log"' EXIT INT TERM
for test in "$@"; do
    if timeout 300 $prefix "$build/tests/$test" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $test"
    else
        status=$?
        failed=$((failed + 1))
        echo "FAIL $test (exit status $status)"
        cat "$log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
