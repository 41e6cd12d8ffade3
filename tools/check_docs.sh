#!/bin/sh
# SPDX-License-Identifier: MIT
# What the documents say is checked as far as a program can: every exported function says who owns what, what can go
# wrong, who may call it; the examples in headers and documents compile; files that are mentioned exist; the version
# stands in one place and the changelog follows it; every public header is in holdfast.h, of libholdfast-curl, or for tests.
# The defaults in comments have a test of their own, tests/docs/defaults_test.c.
#   usage: check_docs.sh     (run from the top of the tree)
set -eu
: "${CC:=gcc}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
bad=0
complain() { echo "check-docs: $*" >&2; bad=1; }

headers=$(ls include/holdfast/*.h include/holdfast/adapters/*.h)
documents=$(ls ./*.md docs/*.md docs/*/*.md)

# ---- comments of exported functions ----
# shellcheck disable=SC2086 # lists are words
awk -f tools/docs/functions.awk include/holdfast/*.h >"$work/functions" || { sed '$d' "$work/functions" >&2; bad=1; }

# ---- examples ----
flags="-std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Itests $(pkg-config --cflags libcurl libuv) -include tests/docs/prelude.h
       -Wall -Wextra -Werror -Wno-unused -Wno-unused-parameter -Wno-uninitialized -fsyntax-only -x c"
examples=0
for file in $headers $documents; do
    case $file in include/*) printf "#include <%s>\n" "${file#include/}" >"$work/examples.c" ;; *) : >"$work/examples.c" ;; esac
    awk -f tools/docs/examples.awk "$file" >>"$work/examples.c"
    found=$(sed -n 's:^/\* examples\: \([0-9]*\) \*/$:\1:p' "$work/examples.c")
    [ "$found" = 0 ] || $CC $flags "$work/examples.c" || complain "$file: an example does not compile"
    examples=$((examples + found))
done
[ $examples -gt 5 ] || complain "only $examples examples were found: the documents are not read"

# ---- files that are mentioned ----
for file in $headers $documents $(find src tools examples fuzz bench -name '*.[ch]'); do
    for mentioned in $(grep -oE '(docs|tests|tools|examples|src|fuzz|bench|include)/[A-Za-z0-9_./-]*[a-z0-9]\.(md|c|h|sh|awk|map|ini|vec|txt)' "$file" | grep -v NAME | sort -u); do
        [ -e "$mentioned" ] || complain "$file mentions $mentioned, which does not exist"
    done
done

# ---- version ----
number() { sed -n "s/^#define HF_VERSION_$1 //p" include/holdfast/version.h; }
version=$(sed -n 's/^#define HF_VERSION "\(.*\)"/\1/p' include/holdfast/version.h)
[ "$version" = "$(number MAJOR).$(number MINOR).$(number PATCH)" ] ||
    complain "version.h: HF_VERSION is $version, but its numbers say otherwise"
sections=$(sed -n 's/^## \[*\([^] ]*\).*/\1/p' CHANGELOG.md)
set -- $sections
[ "${1:-}" = Unreleased ] || complain "CHANGELOG.md: the first section is not Unreleased"
[ "${2:-$version}" = "$version" ] || complain "CHANGELOG.md: the newest release is $2, version.h says $version"

# ---- every header has its place: in holdfast.h, in the library for curl, or for tests ----
sed -n 's/^    \(hf_[a-z0-9_]*\);/\1(/p' src/holdfast-curl.map >"$work/of-curl"
for header in $headers; do
    name=${header#include/}
    case $name in holdfast/holdfast.h | holdfast/testing.h | holdfast/adapters/*) continue ;; esac
    grep -q "#include <$name>" include/holdfast/holdfast.h || grep -qFf "$work/of-curl" "$header" ||
        complain "$name is not included by holdfast.h, and declares nothing of libholdfast-curl"
done

[ $bad = 0 ] && echo "check-docs: $(tail -1 "$work/functions"), $examples examples compile, version $version"
exit $bad
