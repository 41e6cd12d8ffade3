#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs into temporary places and uses what is there as a stranger would: the files are those of the list and
# uninstall takes all of them away; C11 and C++11 programs build with pkg-config, shared and static, with every compiler
# that is here, and print what they should.
#   usage: check_install.sh VERSION ABI     (run from the top of the tree, by make check-install)
set -eu
version=$1
abi=$2
: "${MAKE:=make}"
work=$(mktemp -d)
mockd=
cleanup() {
    [ -z "$mockd" ] || kill "$mockd" 2>/dev/null || :
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
passed=0
failed=0
pass() { passed=$((passed + 1)); echo "ok   $1"; }
fail() { failed=$((failed + 1)); echo "FAIL $1"; [ ! -s "$work/log" ] || cat "$work/log"; }
check() { # check WHAT COMMAND...
    what=$1
    shift
    : >"$work/log"
    if "$@" >"$work/log" 2>&1; then pass "$what"; else fail "$what"; fi
}
in_make() { $MAKE --no-print-directory "$@"; }

# ---- the list, in a DESTDIR ----
files() { (cd "$1" && find . ! -type d | sed 's/^\.//' | LC_ALL=C sort); }
in_make install DESTDIR="$work/root dir" PREFIX=/usr >/dev/null
in_make -s list-installed PREFIX=/usr | LC_ALL=C sort >"$work/listed"
files "$work/root dir" >"$work/found"
check "install puts exactly what is on the list there" cmp "$work/listed" "$work/found"
check "the list is not empty" test -s "$work/listed"
check "nothing installed mentions the build directory" sh -c '! grep -rlI "$1" "$2"' - "$PWD" "$work/root dir/usr/lib/pkgconfig"
touch "$work/root dir/usr/lib/not-ours"
in_make uninstall DESTDIR="$work/root dir" PREFIX=/usr >/dev/null
check "uninstall takes exactly that away" test "$(files "$work/root dir")" = /usr/lib/not-ours
check "uninstall leaves no directory of ours" test ! -e "$work/root dir/usr/include/holdfast"

# ---- two installations: one with everything, one with the archives alone ----
shared=$work/shared
static=$work/static
in_make install PREFIX="$shared" >/dev/null
in_make install PREFIX="$static" >/dev/null
rm "$static"/lib/*.so*
pc() { PKG_CONFIG_PATH="$1/lib/pkgconfig" pkg-config $2 "$3"; }

check "holdfast.pc says $version" test "$(pc "$shared" --modversion holdfast)" = "$version"
check "holdfast-curl.pc says $version" test "$(pc "$shared" --modversion holdfast-curl)" = "$version"
for name in libholdfast libholdfast-curl; do
    check "$name.so: soname $name.so.$abi" sh -c 'readelf -d "$1" | grep -q "SONAME.*\[$2\]"' - \
        "$shared/lib/$name.so.$version" "$name.so.$abi"
done
check "libholdfast needs libc alone" test "$(readelf -d "$shared/lib/libholdfast.so.$version" | sed -n 's/.*NEEDED.*\[\(.*\)\].*/\1/p')" = libc.so.6
check "holdfast-top runs from there" test "$("$shared/bin/holdfast-top" --version)" = "holdfast-top $version"
check "mockd runs from there" test "$("$shared/bin/mockd" --version)" = "mockd of holdfast $version"

printf '[route /]\nbody_bytes = 40\nstatus = 200\n' >"$work/scenario.ini"
"$shared/bin/mockd" "$work/scenario.ini" >"$work/listening" &
mockd=$!
i=0
while [ ! -s "$work/listening" ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
url=$(sed -n 's:.*listening on \([0-9.]*\:[0-9]*\).*:http\://\1/:p; s:.*\(http\://[^ ]*\).*:\1:p' "$work/listening" | head -1)

# program NAME COMPILER STANDARD SOURCE MODULE HOW EXPECTED ARGUMENTS...
program() {
    name="$1: $2 $3, $6"
    case $6 in
    shared) flags="$(pc "$shared" '--cflags --libs' "$5") -Wl,-rpath,$shared/lib" ;;
    archive) flags=$(pc "$static" '--cflags --libs' "$5") ;; # our archives, the system's shared libraries
    static) flags="-static $(pc "$static" '--static --cflags --libs' "$5")" ;;
    esac
    # shellcheck disable=SC2086 # flags are words
    if ! "$2" "-std=$3" -pedantic -Wall -Wextra -Werror "$4" -o "$work/program" $flags >"$work/log" 2>&1; then
        fail "$name: does not build"
        return
    fi
    case $6 in
    shared) wanted="libholdfast.so.$abi" ;;
    *) wanted= ;;
    esac
    found=$(readelf -d "$work/program" | sed -n 's/.*NEEDED.*\[\(libholdfast\.so[^]]*\)\].*/\1/p')
    expected=$7
    shift 7
    printed=$("$work/program" "$@" 2>&1) || :
    : >"$work/log"
    if [ "$found" != "$wanted" ]; then
        fail "$name: linked with '$found', expected '$wanted'"
    elif [ "$printed" != "$expected" ]; then
        fail "$name: printed '$printed', expected '$expected'"
    else
        pass "$name"
    fi
    rm -f "$work/program"
}
opens="version $version, asked 4 times, then circuit breaker open"
obeys="version $version, 3 attempts, paid, hints obeyed"
answers="version $version, 1 attempts, code 0, 40 bytes"
cc=
cxx=
for compiler in gcc clang; do command -v $compiler >/dev/null && cc="$cc $compiler"; done
for compiler in g++ clang++; do command -v $compiler >/dev/null && cxx="$cxx $compiler"; done
for how in shared archive static; do
    for compiler in $cc; do
        program use_core $compiler c11 tests/install/use_core.c holdfast $how "$opens"
    done
    for compiler in $cxx; do
        program use_core $compiler c++11 tests/install/use_core.cpp holdfast $how "$obeys"
    done
    # libcurl's own archive needs libraries that few machines have as archives; that is not ours to ask for.
    [ $how != static ] || continue
    for compiler in $cc; do
        program use_curl $compiler c11 tests/install/use_curl.c holdfast-curl $how "$answers" "$url"
    done
    for compiler in $cxx; do
        cp tests/install/use_curl.c "$work/use_curl.cpp"
        program use_curl $compiler c++11 "$work/use_curl.cpp" holdfast-curl $how "$answers" "$url"
    done
done

echo "check-install: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
