#!/bin/sh
# SPDX-License-Identifier: MIT
# Finds what the build, the tests and the later targets need and installs just what is missing.
# Needs no network when nothing is missing. Debian and its kin: elsewhere it says what to install.
set -eu

missing=
need_command() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need_module() { command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$1" || missing="$missing $2"; }
need_file() { # any file that matches the pattern
    for f in $1; do [ -e "$f" ] && return 0; done
    missing="$missing $2"
}

need_command gcc gcc
need_command g++ g++
need_command pkg-config pkg-config
need_file '/usr/include/stdio.h' libc6-dev
need_module 'libcurl >= 7.84' libcurl4-openssl-dev
need_module libmicrohttpd libmicrohttpd-dev
need_module inih libinih-dev
need_module gnutls libgnutls28-dev
need_module cmocka libcmocka-dev
need_module libuv libuv1-dev
need_module hiredis libhiredis-dev
need_command redis-server redis-server
need_command nginx nginx-light
need_command nghttpd nghttp2-server
need_command clang clang
need_file '/usr/lib/llvm-14/lib/clang/14*/lib/linux/libclang_rt.fuzzer-*.a' libclang-rt-14-dev
need_command clang-format clang-format
need_command clang-tidy clang-tidy
need_command cppcheck cppcheck
need_command gcovr gcovr
need_command valgrind valgrind
need_command setarch util-linux
need_command spin spin
need_command patch patch

if [ -z "$missing" ]; then
    echo "deps: nothing is missing"
    exit 0
fi
echo "deps: missing:$missing"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "deps: no apt-get here; install the equivalents of:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "deps: not root and no sudo; run as root: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "deps: apt-get update, then install$missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
# shellcheck disable=SC2086 # the list is words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
