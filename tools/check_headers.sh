#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public header must compile alone, as C11 and as C++11, with warnings as errors.
set -eu
bad=0
for header in include/holdfast/*.h; do
    flags='-Wall -Wextra -Wconversion -Wundef -Wold-style-cast -Werror -fsyntax-only -Iinclude'
    name=$(basename "$header")
    printf '#include <holdfast/%s>\n' "$name" |
        ${CC:-gcc} -std=c11 -pedantic $(echo "$flags" | sed 's/-Wold-style-cast//') -x c - || bad=1
    printf '#include <holdfast/%s>\n#include <holdfast/%s>\n' "$name" "$name" |
        ${CXX:-g++} -std=c++11 -pedantic $flags -x c++ - || bad=1
done
[ $bad = 0 ] && echo "check-headers: $(ls include/holdfast/*.h | wc -l) headers stand alone as C11 and C++11"
exit $bad
