#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public header must compile alone, as C11 and as C++11, with warnings as errors. The adapters have code in them, so
# they are C first, and need what their loops need: POSIX.
set -eu
bad=0
strict='-Wall -Wextra -Wconversion -Wundef -Werror -fsyntax-only -Iinclude'
for header in include/holdfast/*.h include/holdfast/adapters/*.h; do
    cxx_only=-Wold-style-cast
    posix=
    case $header in
    */uv.h) pkg-config --exists libuv || continue ;;
    esac
    case $header in
    */adapters/*) posix=-D_POSIX_C_SOURCE=200809L cxx_only= ;;
    esac
    name=${header#include/holdfast/}
    printf '#include <holdfast/%s>\n' "$name" | ${CC:-gcc} -std=c11 -pedantic $strict $posix -x c - || bad=1
    printf '#include <holdfast/%s>\n#include <holdfast/%s>\n' "$name" "$name" |
        ${CXX:-g++} -std=c++11 -pedantic $strict $cxx_only $posix -x c++ - || bad=1
done
[ $bad = 0 ] && echo "check-headers: $(ls include/holdfast/*.h include/holdfast/adapters/*.h | wc -l) headers stand alone as C11 and C++11"
exit $bad
