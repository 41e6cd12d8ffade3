#!/bin/sh
# SPDX-License-Identifier: MIT
# Rebuilds the committed corpora from all inputs known: a smallest set that covers as many edges, and of those that
# cover how often they are taken the shortest, up to 150 files in all. Files named find-* (an input that once
# failed) always stay.
#   usage: fuzz_corpus.sh TARGET...
set -eu
most=150
for target in "$@"; do
    kept=fuzz/corpus/$target
    new=build/fuzz/merged/$target
    rm -rf "$new"
    mkdir -p "$new/edges" "$new/counts" "$new/kept" "$kept" build/fuzz/corpus/"$target"
    for set in edges counts; do
        build/fuzz/fuzz/"$target" -set_cover_merge=1 -use_counters=$([ $set = edges ] && echo 0 || echo 1) -max_len=512 \
            "$new/$set" "$kept" build/fuzz/corpus/"$target" >"$new/$set.log" 2>&1
    done
    cp "$new"/edges/* "$new/kept"
    find "$new/counts" -type f -printf '%s %p\n' | sort -n | head -n $((most - $(find "$new/edges" -type f | wc -l))) |
        while read -r _ input; do cp "$input" "$new/kept"; done
    find "$kept" -type f ! -name 'find-*' -delete
    for input in "$new"/kept/*; do cp "$input" "$kept/$(basename "$input" | cut -c1-12)"; done
    echo "$kept: $(find "$kept" -type f | wc -l) inputs, $(cat "$kept"/* | wc -c) bytes"
done
