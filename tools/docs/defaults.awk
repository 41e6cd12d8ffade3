# SPDX-License-Identifier: MIT
# Reads the structs of the headers that a program fills in (those that begin with "struct_size; set by NAME_init") and
# writes C that compares every `Default X.` of a field's comment with what NAME_init writes; tests/docs/defaults_test.c
# includes it. A field without a default, or a number in a configuration without its range, ends the run with status 1.
#   usage: awk -f structs.awk -f defaults.awk HEADER... > defaults.inc

# A field of a struct that says its defaults itself: a configuration with an _init of its own, or a part of this one,
# once or as an array.
function check_nested(declaration, inner, prefix,    array) {
    if (bodies[inner] ~ /set by hf_[a-z_]+_init/) {
        print "{ " inner " d; " inner "_init(&d);"
        print "  if (memcmp(&" prefix field ", &d, sizeof d) != 0) differs(\"" type "\", \"" field "\", \"its own\"); }"
        return
    }
    array = declaration ~ /\[/
    if (array) print "for (size_t i = 0; i < sizeof " prefix field " / sizeof " prefix field "[0]; i++) {"
    check_fields(bodies[inner], prefix field (array ? "[i]." : "."))
    if (array) print "}"
}

function check_field(declaration, comment, prefix,    expected, inner, equal, array) {
    field = name_of(declaration)
    if (field == "struct_size") return
    if (field == "reserved") {
        print "if (" prefix "reserved != 0) differs(\"" type "\", \"reserved\", \"0\");"
        return
    }
    inner = type_of(declaration)
    if (declaration !~ /\*/ && bodies[inner] ~ /Default /) { check_nested(declaration, inner, prefix); return }
    if (!match(comment, /Default ([A-Za-z0-9_]+|"[^"]*")/)) { complain("its comment has no `Default X.`"); return }
    expected = substr(comment, RSTART + 8, RLENGTH - 8)
    array = declaration ~ /\[/
    if (array) print "for (size_t i = 0; i < sizeof " prefix field " / sizeof " prefix field "[0]; i++)"
    equal = prefix field (array ? "[i]" : "") " == (" expected ")"
    if (expected ~ /"/) equal = "strcmp(" prefix field ", " expected ") == 0"
    gsub(/"/, "\\\"", expected)
    if (type ~ /_config$/ && declaration !~ /\*|hf_time / && comment !~ / to |0 or 1|hf_[a-z_]+[. ]/)
        complain("its comment has no range")
    print "if (!(" equal ")) differs(\"" type "\", \"" field "\", \"" expected "\");"
    print "fields++;"
    count++
}

function begin_struct() {
    print "{"
    print type " c;"
    print "memset(&c, 0x5a, sizeof c);"
    print type "_init(&c);"
    print "if (c.struct_size != sizeof c) differs(\"" type "\", \"struct_size\", \"sizeof\");"
}
function end_struct() { print "}" }

END {
    print "print_message(\"%d structs, %d defaults\\n\", " structs ", " count ");"
    print "assert_true(fields >= " count ");"
    if (count == 0) { print "no defaults found" > "/dev/stderr"; bad++ }
    exit bad > 0
}
