#!/bin/sh
# SPDX-License-Identifier: MIT
# Rebuilds the committed corpora: of all inputs known, the smallest set that covers as much. Files named
# find-* (an input that once failed) always stay.
#   usage: fuzz_corpus.sh TARGET...
set -eu
for target in "$@"; do
    kept=fuzz/corpus/$target
    merged=build/fuzz/merged/$target
    rm -rf "$merged"
    mkdir -p "$merged" "$kept" build/fuzz/corpus/"$target"
    build/fuzz/fuzz/"$target" -set_cover_merge=1 -use_counters=0 -max_len=512 "$merged" "$kept" build/fuzz/corpus/"$target" \
        >build/fuzz/"$target".merge.log 2>&1
    find "$kept" -type f ! -name 'find-*' -delete
    for input in "$merged"/*; do cp "$input" "$kept/$(basename "$input" | cut -c1-12)"; done
    echo "$kept: $(find "$kept" -type f | wc -l) inputs, $(cat "$kept"/* | wc -c) bytes"
done
