#!/bin/sh
# SPDX-License-Identifier: MIT
# The exported functions are written down three times: HF_API in the headers, the version map, and what the linker made
# of both. A function that is in only one of the first two is silently not exported, so the three must be equal.
#   usage: check_abi.sh BUILD_DIR VERSION     (run from the top of the tree)
set -eu
export LC_ALL=C
build=$1
version=$2
minor=${version%.*}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
bad=0

# Names of the functions that headers mark as exported: what stands before the first parenthesis, up to the semicolon.
marked() {
    sed 's:/\*.*\*/::' "$@" | awk '/^HF_API/ { text = ""; on = 1 }
        on { text = text " " $0 }
        on && /[;{]/ { on = 0; if (match(text, /hf_[a-z0-9_]+ *\(/)) { name = substr(text, RSTART, RLENGTH - 1)
                       sub(/ +$/, "", name); print name } }' | sort -u
}
# Names in the nodes of a map whose name matches a pattern.
mapped() { awk -v node="$2" '/^[A-Z].*\{/ { on = $1 ~ node } on && /^ +[a-z_0-9]+;/ { sub(/;.*/, ""); print $1 }' "$1" | sort; }
newest() { awk -v node="$2" '/^[A-Z].*\{/ && $1 ~ node { last = $1 } END { print last }' "$1"; }
exported() { nm -D --defined-only "$1" | awk '$2 ~ /[A-Z]/ && $2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort; }

# same WHAT_A FILE_A WHAT_B FILE_B: both files hold the same names.
same() {
    missing=$(comm -23 "$2" "$4")
    extra=$(comm -13 "$2" "$4")
    if [ -n "$missing" ]; then echo "check-abi: in $1, but not in $3:" $missing >&2; bad=1; fi
    if [ -n "$extra" ]; then echo "check-abi: in $3, but not in $1:" $extra >&2; bad=1; fi
}

marked include/holdfast/*.h >"$work/headers"
marked $(find src -name '*.h') >"$work/inside"
mapped src/holdfast.map '^HOLDFAST_[0-9]' >"$work/map"
mapped src/holdfast-curl.map '^HOLDFAST_CURL_[0-9]' >"$work/map-curl"
mapped src/holdfast.map '^HOLDFAST_PRIVATE_' >"$work/map-private"
exported "$build/libholdfast.so" >"$work/all"
exported "$build/libholdfast-curl.so" >"$work/nm-curl"
grep -v '^hf__' "$work/all" >"$work/nm" || :
grep '^hf__' "$work/all" >"$work/nm-private" || :
nm -D --undefined-only "$build/libholdfast-curl.so" | awk '{ sub(/@.*/, "", $2); print $2 }' | grep '^hf__' | sort >"$work/needed"

sort "$work/map" "$work/map-curl" >"$work/maps"
[ -s "$work/headers" ] && [ -s "$work/map-private" ] || { echo "check-abi: found no functions: the lists are not read" >&2; bad=1; }
[ -z "$(uniq -d "$work/maps")" ] || { echo "check-abi: in both maps:" $(uniq -d "$work/maps") >&2; bad=1; }
same "the public headers (HF_API)" "$work/headers" "src/holdfast.map or src/holdfast-curl.map" "$work/maps"
same "src/holdfast.map" "$work/map" "libholdfast.so" "$work/nm"
same "src/holdfast-curl.map" "$work/map-curl" "libholdfast-curl.so" "$work/nm-curl"
same "the headers under src (HF_API)" "$work/inside" "HOLDFAST_PRIVATE of src/holdfast.map" "$work/map-private"
same "HOLDFAST_PRIVATE of src/holdfast.map" "$work/map-private" "libholdfast.so" "$work/nm-private"
same "HOLDFAST_PRIVATE of src/holdfast.map" "$work/map-private" "what libholdfast-curl.so needs of libholdfast.so" "$work/needed"

# named EXPECTED FOUND FILE
named() { [ "$1" = "$2" ] || { echo "check-abi: $3: the newest node is $2, expected $1 for version $version" >&2; bad=1; }; }
named "HOLDFAST_$minor" "$(newest src/holdfast.map '^HOLDFAST_[0-9]')" src/holdfast.map
named "HOLDFAST_CURL_$minor" "$(newest src/holdfast-curl.map '^HOLDFAST_CURL_[0-9]')" src/holdfast-curl.map
named "HOLDFAST_PRIVATE_$version" "$(newest src/holdfast.map '^HOLDFAST_PRIVATE_')" src/holdfast.map

[ $bad = 0 ] && echo "check-abi: $(wc -l <"$work/headers") functions and $(wc -l <"$work/map-private") private ones:" \
    "headers, maps and libraries agree"
exit $bad
