#!/bin/sh
# SPDX-License-Identifier: MIT
# Has spin walk every order of all steps of the models of shared state (docs/design/sharing.md), and each model with one
# rule left out, in which it must find the fault: a model that finds nothing there would show nothing.
#   usage: check_model.sh BUILD_DIR
set -eu
command -v spin >/dev/null 2>&1 || { echo "check-model: spin is not installed (make deps)" >&2; exit 1; }
models=$(cd tests/model && pwd)
mkdir -p "$1/model"
cd "$1/model"

# walk MODEL DEFINES...: prints spin's count of errors; dies when the search was not complete.
walk() {
    model=$1
    shift
    spin -a "$@" "$models/$model.pml" >spin.log 2>&1 || { cat spin.log >&2; exit 1; }
    ${CC:-gcc} -w -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c
    timeout 300 ./pan -m400000 -w25 >pan.log 2>&1 || { cat pan.log >&2; exit 1; }
    if grep -q 'max search depth too small\|out of memory\|Search not completed' pan.log && ! grep -q 'errors: [1-9]' pan.log; then
        cat pan.log >&2
        exit 1
    fi
    sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log
}
states() { sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log; }

bad=0
holds() {
    errors=$(walk "$@")
    if [ "$errors" = 0 ]; then
        echo "check-model: $*: holds in $(states) states"
    else
        bad=1
        echo "check-model: $*: FAILS: $(grep -m 1 '^pan:' pan.log)" >&2
    fi
}
finds() {
    errors=$(walk "$@")
    if [ "${errors:-0}" != 0 ]; then
        echo "check-model: $*: found"
    else
        bad=1
        echo "check-model: $*: this fault was not found" >&2
    fi
}

holds breaker -DCALLS=1 -DKILLS=1 -DTICKS=3
holds breaker -DCALLS=2 -DKILLS=0 -DTICKS=2
holds bulkhead -DCALLS=1 -DTICKS=1
holds bulkhead -DWORKERS=2 -DCALLS=2 -DKILLS=2
for bug in 1 2 3 4 5; do finds breaker -DBUG_$bug; done
for bug in 1 2; do finds bulkhead -DBUG_$bug; done
exit $bad
