#!/bin/sh
# SPDX-License-Identifier: MIT
# The tables of docs/http.md come from the code: they stand between two marks, and what `http_table` prints must be there.
#   usage: http_docs.sh check|write HTTP_TABLE     (run from the top of the tree)
set -eu
page=docs/http.md
new=$(mktemp)
trap 'rm -f "$new"' EXIT
{
    sed '/^<!-- tables: begin/q' $page
    "$2"
    sed -n '/^<!-- tables: end/,$p' $page
} >"$new"
case $1 in
write) cat "$new" >$page ;;
check)
    diff -u $page "$new" >&2 || {
        echo "http-docs: $page is not what the code says; make http-docs writes it anew" >&2
        exit 1
    }
    echo "http-docs: the tables of $page are those of the code" ;;
*) exit 2 ;;
esac
