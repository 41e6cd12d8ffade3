#!/bin/sh
# SPDX-License-Identifier: MIT
# Proves the include table of docs/design/layers.md, and that base, core and engine are pure: the
# objects of these layers need no symbol of the system but mem* and what the compiler itself adds.
#   usage: check_layers.sh BUILD_DIR     (run from the top of the tree)
set -eu
build=$1

# from | to: what a layer may include. "layer/" is everything in it, "layer/file" that file only.
allowed() {
    case $1 in
    base)   echo 'base/' ;;
    core)   echo 'base/ own' ;;
    engine) echo 'base/ engine/' ;;
    policy) echo 'base/ core/ engine/policy.h engine/pipeline.h policy/ os/ shm/region.h' ;;
    shm)    echo 'base/ os/ shm/' ;;
    os)     echo 'base/ os/' ;;
    obs)    echo 'base/ obs/' ;;
    drive)  echo 'base/ engine/result.h engine/trunk.h policy/config_check.h os/ drive/' ;;
    http)   echo 'base/ engine/result.h engine/pipeline.h os/ drive/ http/' ;;
    esac
}

# A core knows no other core: its own files are those that begin with its name. retry, breaker and
# their like may use backoff.
core_family() { basename "$1" | sed 's/[._].*//'; }

bad=0
complain() { echo "check-layers: $*" >&2; bad=1; }

for file in $(find src -name '*.[ch]' | sort); do
    layer=$(echo "$file" | cut -d/ -f2)
    rules=$(allowed "$layer")
    [ -n "$rules" ] || { complain "$file: layer '$layer' is not in the table"; continue; }
    for header in $(sed -n 's/^#include "\(.*\)".*/\1/p' "$file"); do
        ok=no
        for rule in $rules; do
            case $rule in
            own)
                [ "$(dirname "$header")" = core ] || continue
                case $(core_family "$header") in "$(core_family "$file")" | backoff) ok=yes ;; esac ;;
            */) case $header in "$rule"*) ok=yes ;; esac ;;
            *) [ "$header" = "$rule" ] && ok=yes ;;
            esac
        done
        [ $ok = yes ] || complain "$file includes \"$header\": layer $layer may include: $rules"
    done
    if [ "$layer" != http ] && grep -q '^#include <curl/' "$file"; then
        complain "$file includes libcurl: only http may"
    fi
    case $layer in
    base | core | engine)
        for header in $(sed -n 's/^#include <\(.*\)>.*/\1/p' "$file"); do
            case $header in
            holdfast/* | assert.h | stdatomic.h | stdbool.h | stddef.h | stdint.h | string.h | limits.h) ;;
            *) complain "$file includes <$header>: $layer is freestanding" ;;
            esac
        done ;;
    esac
done

for header in $(grep -l '<curl/' include/holdfast/*.h); do
    [ "$(basename "$header")" = curl.h ] || complain "$header includes libcurl: only curl.h may"
done

# Purity. Sanitizers add calls of their own, so the proof is made on variants without them.
case $(basename "$build") in
release | debug)
    objects=$(find "$build/src/base" "$build/src/core" "$build/src/engine" -name '*.o')
    [ -n "$objects" ] || complain "no objects of base, core and engine under $build"
    # shellcheck disable=SC2086
    impure=$(nm -u $objects | awk '/:$/ { file = $1; next }
        NF == 2 && $1 == "U" && $2 !~ /^(hf_|mem(cpy|set|move|cmp)$|__assert_fail$|__stack_chk_fail$|_GLOBAL_OFFSET_TABLE_$)/ {
            print file " " $2 }')
    [ -z "$impure" ] || complain "not pure: $impure" ;;
esac
[ $bad = 0 ] && echo "check-layers: $(find src -name '*.[ch]' | wc -l) files keep to the table; base, core and engine are pure"
exit $bad
