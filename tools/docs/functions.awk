# SPDX-License-Identifier: MIT
# Every exported function has a comment right above it that starts with its name and says what a caller must know.
# Prints what is missing, one line each; the last line counts. The tail words are fixed (docs/conventions.md).
#   usage: awk -f functions.awk HEADER...

function complain(name, text) {
    printf "%s:%d: %s: %s\n", FILENAME, line, name, text
    bad++
}

# The tail line of a word ("Threads") up to the next tail line, or "".
function tail(word,    at, rest) {
    at = match(comment, "(^|\n)" word ":")
    if (!at) return ""
    rest = substr(comment, at + length(word) + 1)
    sub(/\n(Errors|Time|Threads|Memory|Blocks|Since|Returns):?.*/, "", rest)
    return rest
}

function check_tails(name,    rest, word) {
    rest = comment
    while (match(rest, /\n[A-Z][a-z]+:/)) {
        word = substr(rest, RSTART + 1, RLENGTH - 2)
        if (word !~ /^(Errors|Time|Threads|Memory|Blocks|Since)$/) complain(name, "unknown tail word \"" word ":\"")
        rest = substr(rest, RSTART + RLENGTH)
    }
    if (tail("Threads") !~ /[a-z]/) complain(name, "no line Threads: (who may call it, at the same time as whom)")
    rest = comment
    gsub(/never blocks|not block|Blocks:|blocking/, "", rest)
    if (rest ~ /blocks?[ ,.;]/ && tail("Blocks") == "") complain(name, "it may block, but has no line Blocks:")
}

# Durations say their unit in their name, instants that they are one.
function check_units(name, parameters,    list, count, i, parameter) {
    count = split(parameters, list, ",")
    for (i = 1; i <= count; i++) {
        parameter = list[i]
        sub(/ +$/, "", parameter)
        if (parameter ~ /int64_t [a-z_0-9]+$/ && parameter !~ /uint64_t/ && parameter !~ /(_|^|\*| )(ns|us|ms|seconds)$/)
            complain(name, "the unit of a duration is not in its name:" parameter)
        if (parameter ~ /hf_time [a-z_0-9]+$/ && parameter !~ /(now|until|_at)$/)
            complain(name, "an instant is called now, until or something_at:" parameter)
    }
}

function check(text,    name, returns, parameters) {
    match(text, /hf_[a-z0-9_]+ *\(/)
    name = substr(text, RSTART, RLENGTH - 1)
    sub(/ +$/, "", name)
    returns = substr(text, 1, RSTART - 1)
    parameters = substr(text, RSTART + RLENGTH)
    sub(/\).*/, "", parameters)
    functions++
    if (comment == "") { complain(name, "no comment right above it"); return }
    if (comment !~ "(^|[^a-z0-9_])" name "([^a-z0-9_]|$)") { complain(name, "its comment does not name it"); return }
    if (comment !~ /^hf_[a-z0-9_]+,? /) complain(name, "its comment does not start with its name")
    check_tails(name)
    check_units(name, parameters)
    if (returns ~ /(^| )int $/ && comment !~ /Errors:|[Rr]eturns| (is|are) (0|a descriptor)/)
        complain(name, "returns int, but neither Errors: nor what it returns is said")
    if (parameters ~ /(^|,) *hf_error \*/ && tail("Errors") == "") complain(name, "takes an hf_error, but has no line Errors:")
    if (name ~ /_new$/ && tail("Memory") == "") complain(name, "makes an object, but has no line Memory:")
    if (returns ~ /\*/ && comment !~ /[Oo]wned by|[Vv]alid (as long|until)|Memory:|never NULL|[Ss]tatic/)
        complain(name, "returns a pointer, but not whose memory it is")
}

FNR == 1 { comment = ""; in_comment = 0; text = "" }

/^\/\*/ { comment = ""; in_comment = 1 }
in_comment {
    piece = $0
    sub(/^\/\* ?/, "", piece)
    sub(/^ \* ?/, "", piece)
    sub(/ *\*\/.*/, "", piece)
    comment = comment (comment == "" ? "" : "\n") piece
    if ($0 ~ /\*\//) in_comment = 0
    next
}
/^(HF_API|static inline) / && text == "" { text = $0; line = FNR }
text != "" && text != $0 { text = text " " $0 }
text != "" && /[;{]/ { check(text); text = "" }
# A comment holds for the declarations that follow it without an empty line.
text == "" && /^$/ { comment = "" }

END {
    if (functions == 0) { print "no exported function found in these headers"; bad++ }
    printf "%d functions, %d faults\n", functions, bad
    exit bad > 0
}
