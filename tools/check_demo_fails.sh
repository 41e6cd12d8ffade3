#!/bin/sh
# SPDX-License-Identifier: MIT
# The demo's bars must mean something: with the policies disabled (the same client, empty pipelines) it has to
# miss what the policies are there for, and say so by exit status 1: payments' capacity goes to customers who have
# gone, and orders wait for recommendations. Status 2 is a set-up problem and no proof.
#
# usage: check_demo_fails.sh BLACK_FRIDAY MOCKD
set -u
if [ $# -ne 2 ]; then
    echo "usage: check_demo_fails.sh BLACK_FRIDAY MOCKD" >&2
    exit 2
fi
out=$(mktemp -d) || exit 2
trap 'rm -rf "$out"' EXIT
trap 'exit 2' HUP INT TERM

"$1" --mockd "$2" --out "$out" --disable-policies --skip-naive >"$out/output"
status=$?
missed=$(grep -c '^  MISS  ' "$out/output")

# The report is one file that needs nothing from anywhere, and says which bars were missed.
for part in '<svg' 'prefers-color-scheme:dark' '&#10007; miss' 'policies disabled'; do
    if ! grep -q "$part" "$out/report.html"; then
        echo "report.html lacks \"$part\"" >&2
        exit 1
    fi
done
if grep -E '<script|<link|<img|@import|src=|href=|url\(' "$out/report.html" >&2; then
    echo "report.html needs something from elsewhere" >&2
    exit 1
fi

if [ "$status" -eq 1 ] && grep -q '^  MISS  brown-out: completed, of what capacity' "$out/output" &&
    grep -q '^  MISS  orders lost to recommendations' "$out/output"; then
    echo "without policies the demo misses $missed of its bars, as it should:"
    grep '^  MISS  ' "$out/output"
    exit 0
fi
cat "$out/output"
echo "without policies the demo must end with status 1 and miss the bars of overload and recommendations;" \
    "it ended with status $status and $missed missed" >&2
exit 1
