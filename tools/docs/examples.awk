# SPDX-License-Identifier: MIT
# Turns the examples of headers (indented code in comments) and of Markdown files (blocks marked ```c) into one C file,
# to be compiled with tests/docs/prelude.h, which declares the names that examples take for granted. A function at the
# left edge stays outside, everything else goes into a function of its own; #line leads a complaint back to its text.
#   usage: awk -f examples.awk FILE... > examples.c

function flush(    i, depth, is_code, text, outside, body) {
    for (i = 1; i <= lines; i++) if (block[i] ~ /[;{] *(\/[\/*].*)?$/) is_code = 1
    if (lines > 0 && (is_code || fenced)) {
        for (i = 1; i <= lines; i++) {
            if (depth == 0 && block[i] ~ /^(static|struct [a-z_]+ \{|#include|typedef)/) {
                text = block[i]
                sub(/^static /, "", text) # the prelude has declared it
                outside = outside "#line " (first + i - 1) " \"" file "\"\n" text "\n"
                depth = block[i] ~ /\{ *$/
            } else if (depth) {
                outside = outside block[i] "\n"
                if (block[i] ~ /^\}/) depth = 0
            } else {
                body = body "#line " (first + i - 1) " \"" file "\"\n" block[i] "\n"
            }
        }
        count++
        print outside
        if (body != "") print "int example_" count "(void) {\n" body "return 0;\n}"
    }
    lines = 0
}

FNR == 1 { flush(); fenced = in_comment = 0; file = FILENAME; markdown = file ~ /\.md$/ }

markdown && /^```/ { if (fenced) { flush(); fenced = 0 } else if ($0 == "```c") { fenced = 1; first = FNR + 1; next } }
markdown && fenced { block[++lines] = $0; next }
markdown { next }

/^\/\*/ { in_comment = 1 }
in_comment && /^ \*     / {
    if (lines == 0) first = FNR
    block[++lines] = substr($0, 8)
    next
}
in_comment && lines > 0 && /^ \*$/ { block[++lines] = ""; next } # an empty line within a block
{ flush() }
/\*\// { in_comment = 0 }

END {
    flush()
    print "/* examples: " count + 0 " */"
}
