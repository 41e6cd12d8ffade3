# SPDX-License-Identifier: MIT
# From the ranges in the comments of configurations ("1 to 1024", "open_ms to 86400000", "0 or 1") writes C that hands
# every constructor one value below and one above and expects to be refused with a sentence that names the field;
# tests/docs/ranges_test.c includes it.
#   usage: awk -f structs.awk -f ranges.awk HEADER... > ranges.inc

# How to call the constructor of a type, from its declaration.
function read_new(text,    stem, parameters, list, count, i, call) {
    match(text, /hf_[a-z_]+_new *\(/)
    stem = substr(text, RSTART, RLENGTH - 5)
    parameters = substr(text, RSTART + RLENGTH)
    sub(/\).*/, "", parameters)
    if (parameters !~ "const " stem "_config ") return
    count = split(parameters, list, ",")
    for (i = 1; i <= count; i++) {
        call = call (i > 1 ? ", " : "")
        if (list[i] ~ /\*\*/) call = call "out"
        else if (list[i] ~ /char \*name/) call = call "name"
        else if (list[i] ~ /_config \*/) call = call "c"
        else if (list[i] ~ /hf_error/) call = call "&error"
        else if (list[i] ~ /hf_pipeline \*/) call = call "pipeline"
        else call = call "NULL"
    }
    calls[stem] = call
}
/^HF_API int hf_[a-z_]+_new\(/ { declaration = $0; open = 1 }
open { if ($0 != declaration) declaration = declaration " " $0; if (/;/) { read_new(declaration); open = 0 } }

function begin_struct() { rows = "" }

# A bound is a number, a field of the same struct, or one of these minus 1.
function bound(text, prefix) {
    if (text ~ /^[0-9]+$/) return "INT64_C(" text ")"
    if (text ~ /^[a-z][a-z_0-9]*( - 1)?$/ && index(bodies[owner], " " substr(text, 1, length(text) - (text ~ / - 1$/ ? 4 : 0)) ";"))
        return "(int64_t)" prefix text
    return ""
}

# One value beside the range of `place`.
function refuse(place, kind, value,    stem) {
    stem = type
    sub(/_config$/, "", stem)
    rows = rows stem "_config_init(&c);\nprepare(\"" stem "\", &c);\n" place " = (" kind ")(" value ");\nrc = NEW(&made, \"x\", &c);\n"
    rows = rows "if (rc == 0) " stem "_free(made);\n"
    rows = rows "refused(" value ", \"" type "\", \"" field "\", rc, &error);\n"
    count++
}

function check_field(declaration, comment, prefix,    inner, low, high, was) {
    field = name_of(declaration)
    inner = type_of(declaration)
    if (declaration !~ /\*/ && bodies[inner] ~ /Default /) {
        was = owner
        owner = inner
        check_fields(bodies[inner], prefix field (declaration ~ /\[/ ? "[0]." : "."))
        owner = was
        return
    }
    if (owner == "") owner = type
    if (bodies[owner] !~ /./ || declaration ~ /\*|\[|hf_time / || field ~ /reserved|struct_size/) { owner = was; return }
    gsub(/ \([^)]*\)/, "", comment)
    if (comment ~ / 0 or 1[.,]/) comment = " 0 to 1."
    if (!match(comment, /[.:] ?[A-Za-z0-9_]+( - 1)? to [A-Za-z0-9_]+( - 1)?[ .,]/) && !match(comment, / 0 to 1[.]/)) return
    comment = substr(comment, RSTART, RLENGTH - 1)
    sub(/^[.:]? ?/, "", comment)
    low = comment
    sub(/ to .*/, "", low)
    high = comment
    sub(/.* to /, "", high)
    low = bound(low, prefix)
    high = bound(high, prefix)
    if (low == "" || high == "") return
    if (low != "INT64_C(0)" || declaration !~ /uint/) refuse(prefix field, inner, low " - 1")
    refuse(prefix field, inner, high " + 1")
}

function end_struct(    stem) {
    owner = ""
    stem = type
    sub(/_config$/, "", stem)
    pending[stem] = rows
}

END {
    for (stem in pending) if (stem in calls) {
        print "#define NEW(out, name, c) " stem "_new(" calls[stem] ")"
        print "{ /* " stem " */"
        print stem " *made;"
        print stem "_config c;"
        print "hf_error error;"
        print "int rc;"
        print "(void)pipeline;"
        print "MISUSE(" stem ")"
        if (calls[stem] ~ /name/) print "MISUSE_NAME(" stem ")"
        print pending[stem] "}"
        print "#undef NEW"
        constructors++
    }
    print "print_message(\"%d values beside a range, %d constructors\\n\", " count ", " constructors ");"
    if (count < 40 || constructors < 5) { print "ranges.awk: found too little" > "/dev/stderr"; exit 1 }
}
