# SPDX-License-Identifier: MIT
# Reads the structs of the public headers, field by field with the comment that stands beside or below it. Loaded before
# a program that defines begin_struct(), check_field(declaration, comment, prefix) and end_struct().
# `type` and `field` say where it is; `bodies` keeps every struct that was read.

function complain(text) { print FILENAME ": " type "." field ": " text > "/dev/stderr"; bad++ }

# The name that a declaration declares.
function name_of(declaration,    name) {
    name = declaration
    if (match(name, /\(\*[a-z_0-9]+\)/)) return substr(name, RSTART + 2, RLENGTH - 3)
    sub(/\[.*/, "", name)
    sub(/.*[ *]/, "", name)
    return name
}

function check_fields(body, prefix,    declaration, comment) {
    while (match(body, /^[^;\/]*(\/\*[^*]*\*+([^\/*][^*]*\*+)*\/[^;\/]*)?;/)) {
        declaration = substr(body, RSTART, RLENGTH - 1)
        body = substr(body, RSTART + RLENGTH)
        gsub(/\/\*[^*]*\*+([^\/*][^*]*\*+)*\//, "", declaration) # a heading inside the struct
        comment = ""
        if (match(body, /^[ \n]*\/\*[^*]*\*+([^\/*][^*]*\*+)*\//)) {
            comment = substr(body, RSTART, RLENGTH)
            body = substr(body, RSTART + RLENGTH)
            gsub(/[ \n]+/, " ", comment)
        }
        gsub(/[ \n]+/, " ", declaration)
        check_field(declaration, comment, prefix)
    }
}

function read_struct(body) {
    sub(/^[^{]*\{/, "", body)
    sub(/\}[^}]*$/, "", body)
    bodies[type] = body
    if (body !~ /set by hf_[a-z_]+_init/) return # not one that a program fills in
    begin_struct()
    check_fields(body, "c.")
    end_struct()
    structs++
}

function type_of(declaration,    inner) {
    inner = declaration
    sub(/^ */, "", inner)
    sub(/ .*/, "", inner)
    return inner
}

/^typedef struct hf_[a-z_0-9]+ \{/ { text = ""; inside = 1 }
inside { text = text $0 "\n" }
inside && /^\} hf_[a-z_0-9]+;/ {
    type = $2
    sub(/;.*/, "", type)
    read_struct(text)
    inside = 0
}
