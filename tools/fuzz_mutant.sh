#!/bin/sh
# SPDX-License-Identifier: MIT
# Plants one bug and has a fuzz target find it, starting from the committed corpus. Only the patched files are
# compiled anew; linked before the library, they take the place of its own. `make fuzz-mutants` calls it.
#   usage: fuzz_mutant.sh tools/mutants/NAME.patch
#   environment: MUTANT_SECONDS how long it may take (60), MUTANT_CC compiler and flags, MUTANT_LD the same for linking, MUTANT_LIBS what to link with
set -u
patch=$1
name=$(basename "$patch" .patch)
target=$(sed -n 's/^Found by: //p' "$patch")
seconds=${MUTANT_SECONDS:-60}
dir=build/fuzz/mutants/$name
rm -rf "$dir"
mkdir -p "$dir/corpus"
fail() { echo "FAIL mutant $name: $1"; exit 1; }

objects=
for file in $(sed -n 's|^+++ b/||p' "$patch"); do
    mkdir -p "$dir/$(dirname "$file")"
    cp "$file" "$dir/$file" || fail "it changes $file, which is not there"
    objects="$objects $dir/${file%.c}.o"
done
patch -s -p1 --no-backup-if-mismatch -d "$dir" <"$patch" || fail "$patch does not apply any more: plant the same bug in the code of today"
for object in $objects; do
    $MUTANT_CC -c -o "$object" "${object%.o}.c" || fail "it does not compile"
done
# shellcheck disable=SC2086 # lists of words
$MUTANT_LD -o "$dir/$target" "build/fuzz/fuzz/$target.o" $objects $MUTANT_LIBS || fail "it does not link"

start=$(date +%s)
if "$dir/$target" -max_total_time=$seconds -max_len=512 -timeout=10 -artifact_prefix="$dir/" \
    "$dir/corpus" "fuzz/corpus/$target" >"$dir/log" 2>&1; then
    fail "$target did not find it within $seconds s"
fi
took=$(($(date +%s) - start))
found=$(sed -n 's/^[^ ]*: \(.* does not hold\)$/\1/p; s/.*\(Assertion.*\)/\1/p; s/.*\(ERROR: AddressSanitizer.*\)/\1/p; s/.*\(libFuzzer: timeout\).*/\1/p' "$dir/log" | head -1)
[ -n "$found" ] || fail "$target failed, but not by finding it: see $dir/log"
echo "ok   mutant $name: found by $target in $took s: $found"
