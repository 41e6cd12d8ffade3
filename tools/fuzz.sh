#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs fuzz targets for some seconds each, from the committed corpus and from what earlier runs found.
# An input that makes one fail is kept under build/fuzz/finds.
#   usage: fuzz.sh SECONDS TARGET...
set -u
seconds=$1
shift
failed=
mkdir -p build/fuzz/finds
for target in "$@"; do
    found=build/fuzz/corpus/$target
    log=build/fuzz/$target.log
    mkdir -p "$found"
    words= # that are worth trying
    [ ! -f "fuzz/$target.dict" ] || words="-dict=fuzz/$target.dict"
    if build/fuzz/fuzz/"$target" -max_total_time="$seconds" -max_len=512 -timeout=10 -print_final_stats=1 $words \
        -artifact_prefix=build/fuzz/finds/"$target"- "$found" fuzz/corpus/"$target" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
        echo "ok   fuzz/$target: $runs runs in $seconds s, $cover edges"
    else
        failed="$failed $target"
        echo "FAIL fuzz/$target"
        grep -v '^#[0-9]' "$log" | tail -40
    fi
done
[ -z "$failed" ] || { echo "failed:$failed (inputs in build/fuzz/finds)"; exit 1; }
