#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts a table that sim_main has printed into a page, between "<!-- sim NAME -->" and "<!-- end -->".
#   usage: embed.sh TABLES PAGE
set -eu
awk -v tables="$1" '
    function put(name,    line, inside) {
        while ((getline line <tables) > 0) {
            if (line ~ /^# /) inside = line == "# " name
            else if (inside) print line
        }
        close(tables)
    }
    /^<!-- sim / { print; put($3); skipping = 1; found++; next }
    /^<!-- end -->/ { skipping = 0 }
    !skipping { print }
    END { exit found < 2 }' "$2" >"$2.new"
mv "$2.new" "$2"
