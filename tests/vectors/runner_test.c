/* SPDX-License-Identifier: MIT */
/* The runner of the vector tables finds what it is there to find: planted errors, one at a time. */
#include "support/cmocka_all.h"
#include "support/vector_table.h"
#include "support/vector_value.h"

#include <holdfast/types.h>

#include <string.h>

static const char good_ids[] = "# list\nAA1 2.1 adopt\nAA2 2.1 reject\nAA3 2.2 free\n";
static const char good_rows[] = "AA1 adopt | breaker consecutive=2 | F closed\n"
                                "    F => open   # goes on\n"
                                "# a comment\n"
                                "AA2 n/a \"we have none\"\n"
                                "AA3 adapt | bulkhead max=0 | reject:full\n"
                                "OURS-1 ours | | S => status=ok\n";

static struct vector_totals run(const char *ids_text, const char *rows, char *fault, size_t size) {
    struct vector_source ids = {"ids", ids_text}, table = {"rows", rows};
    fault[0] = '\0';
    return vector_run(&ids, &table, 1, NULL, fault, size);
}

/* Exactly one fault, and its text has both `place` and `what` in it. */
static void expect_fault(const char *ids_text, const char *rows, const char *place, const char *what) {
    char fault[1024];
    struct vector_totals totals = run(ids_text, rows, fault, sizeof fault);
    if (totals.faults != 1 || strstr(fault, place) == NULL || strstr(fault, what) == NULL) {
        fail_msg("%u faults, expected one with \"%s\" and \"%s\" for:\n%s\nfound: %s", totals.faults, place, what, rows,
                 fault);
    }
}

static void rows_without_error_run(void **state) {
    (void)state;
    char fault[1024];
    struct vector_totals totals = run(good_ids, good_rows, fault, sizeof fault);
    assert_string_equal(fault, "");
    assert_int_equal(totals.ran, 3);
    assert_int_equal(totals.not_applicable, 1);
    assert_int_equal(totals.faults, 0);
}

static void the_lines_say_what_ran(void **state) {
    (void)state;
    struct vector_source ids = {"ids", good_ids}, table = {"rows", good_rows};
    FILE *out = tmpfile();
    assert_non_null(out);
    (void)vector_run(&ids, &table, 1, out, NULL, 0);
    char text[1024] = "";
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    fclose(out);
    assert_string_equal(text, "AA1 ran\nAA2 not applicable (we have none)\nAA3 ran\nOURS-1 ran\n"
                              "3 ran, 1 not applicable, 0 faults, of 3 published and 1 of our own\n");
}

static void wrong_ids_are_found(void **state) {
    (void)state;
    const char *one = "AA1 2.1 adopt\n";
    const char *row = "AA1 adopt | | S => status=ok\n";
    char rows[256];
    expect_fault(one, "", "ids:1: AA1", "no table has a row");
    snprintf(rows, sizeof rows, "%s%s", row, "ZZ9 adopt | | S => status=ok\n");
    expect_fault(one, rows, "rows:2: ZZ9", "not in the list");
    snprintf(rows, sizeof rows, "%s%s", row, row);
    expect_fault(one, rows, "rows:2: AA1", "such a row already");
    snprintf(rows, sizeof rows, "%s%s", row, "OURS-1 ours | | S status=ok\nOURS-1 ours | | S status=ok\n");
    expect_fault(one, rows, "rows:3: OURS-1", "such a row already");
    snprintf(rows, sizeof rows, "%s%s", row, "OURS-1 adopt | | S status=ok\n");
    expect_fault(one, rows, "rows:2: OURS-1", "expected the verdict \"ours\"");
    expect_fault(one, "AA1 reject | | S status=ok\n", "rows:1: AA1", "expected the verdict \"adopt\"");
    expect_fault("AA1 2.1 adopt\nAA1 2.1 adopt\n", row, "ids:2", "listed twice");
    expect_fault("AA1 2.1 adopt\nAA2 2.1\n", row, "ids:2", "syntax: expected ID, section, verdict");
}

/* One row AA1 with this set-up and script. */
static void expect_script_fault(const char *setup, const char *script, const char *what) {
    char rows[512];
    snprintf(rows, sizeof rows, "# comment\nAA1 adopt | %s | %s\n", setup, script);
    expect_fault("AA1 2.1 adopt\n", rows, "rows:2: AA1", what);
}

static void unmet_expectations_are_found(void **state) {
    (void)state;
    expect_script_fault("breaker consecutive=2", "F => open", "at \"open\": expected open, found closed");
    expect_script_fault("breaker", "F => failures=2", "failures: expected 2, found 1");
    expect_script_fault("breaker", "S => retry_in>0", "retry_in: expected > 0, found 0");
    expect_script_fault("breaker", "reject:open", "and it was admitted");
    expect_script_fault("breaker", "set:forced-open S", "expected a further attempt");
    expect_script_fault("breaker", "set:open reject:open@1s", "result_retry_at: expected 1s, found 5s");
    expect_script_fault("breaker", "set:half-open", "expected HF_E_OK, found HF_E_STATE");
    expect_script_fault("breaker", "events=closed>open", "expected closed>open, found -");
    expect_script_fault("retry kind=none", "call[F F]", "expected no further attempt");
    expect_script_fault("retry kind=none", "call[F!:3 S]", "expected a further attempt, and the call is over");
    expect_script_fault("retry kind=none", "run[F F]", "expected no further attempt");
    expect_script_fault("retry kind=none", "run[F!:3 S]", "expected a further attempt, and the call is over");
    expect_script_fault("retry kind=none", "a=start a:ends:F", "expected that it would end the call");
    expect_script_fault("timeout after=1s", "a=start a:stop", "expected step 3, found step 4");
    expect_script_fault("retry", "backoff[kind=constant jitter=none base=1s] delay:1=2s", "found 1s");
    expect_script_fault("retry", "backoff[kind=constant jitter=none base=1s] within:1..1x1=0..999ms", "found 1s");
    expect_script_fault("retry", "backoff[jitter=full base=0] within:1..1x9=0..1s", "all draws are the same");
    expect_script_fault("retry", "invalid[breaker open=1s]", "expected HF_E_INVALID, found HF_E_OK");
    expect_script_fault("retry", "invalid[breaker window=0 probes=1]", "expected the error to name probes");
    expect_script_fault("retry", "valid[breaker window=0]", "expected to be accepted");
}

static void syntax_errors_are_found(void **state) {
    (void)state;
    expect_script_fault("breakers", "S", "syntax: there is no object \"breakers\"");
    expect_script_fault("breaker windows=1", "S", "syntax: breaker has no key \"windows\"");
    expect_script_fault("breaker window=one", "S", "syntax: breaker window: \"one\" is no value");
    expect_script_fault("breaker open=1.5ms", "S", "syntax: breaker open");
    expect_script_fault("breaker window", "S", "is no key=value");
    expect_script_fault("breaker window=0", "S", "cannot be made here");
    expect_script_fault("fallback nothing", "S", "syntax: a fallback is");
    expect_script_fault("breaker", "S opened", "at \"opened\": syntax: expected a call");
    expect_script_fault("breaker", "S total=many", "syntax: \"many\" is no value for total");
    expect_script_fault("breaker", "S totals=1", "syntax: there is no fact \"totals\"");
    expect_script_fault("breaker", "S in_flight=1", "syntax: there is no fact \"in_flight\"");
    expect_script_fault("breaker", "+5 closed", "syntax: expected a duration");
    expect_script_fault("breaker", "S@5 closed", "\"@5\" is no modifier");
    expect_script_fault("breaker", "call[Q] closed", "\"Q\" is no attempt");
    expect_script_fault("breaker", "S*0 closed", "expected a number from 1");
    expect_script_fault("breaker", "s=start closed", "syntax: no call can be named s");
    expect_script_fault("breaker", "a:S closed", "syntax: no call a runs");
    expect_script_fault("breaker", "(S closed", "syntax: brackets do not match");
    expect_script_fault("breaker", "set:broken closed", "syntax: expected a state");
    expect_script_fault("breaker", "S F S", "the row expects nothing");
    expect_fault("", "AA1 adopt | breaker\n", "rows:1", "syntax: expected ID");
    expect_fault("", "AA1 n/a\n", "rows:1", "syntax: expected ID");
    expect_fault("", "AA1 n/a no quotes\n", "rows:1", "syntax: expected ID");
    expect_fault("", "AA1 n/a \"\"\n", "rows:1", "syntax: expected ID");
    expect_fault("", "AA1 maybe | | S closed\n", "rows:1", "syntax: expected ID");
    expect_fault("", "AA1 adopt | | S status=ok | S\n", "rows:1", "syntax: expected ID");
    expect_fault("", "  S closed\n", "rows:1", "syntax: a line that continues no row");
}

static void values_are_read_exactly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"0", 0},
                {"1ns", 1},
                {"1.5s", 1500 * HF_MILLISECOND},
                {"-2us", -2000},
                {"0.5min", 30 * HF_SECOND},
                {"never", HF_NEVER},
                {"max-1s", HF_NEVER - HF_SECOND},
                {"2h", 7200 * HF_SECOND}};
    static const char *const bad[] = {"", "s", "5", "1.5ns", "5 s", "200000000000s", "1..5s", "5sec", "max-"};
    char shown[32];
    int64_t value;
    uint64_t draw;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(vector_duration(good[i].text, &value));
        assert_true(value == good[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(vector_duration(bad[i], &value));
    assert_string_equal(vector_show_duration(90 * HF_SECOND, shown, sizeof shown), "90s");
    assert_true(vector_ppm("33.3333%", &value) && value == 333333);
    assert_false(vector_ppm("33.33333%", &value));
    assert_true(vector_number("off", &value) && value == UINT32_MAX);
    assert_true(vector_draw("0.5", &draw) && draw == UINT64_C(1) << 63);
    assert_true(vector_draw("1", &draw) && draw == UINT64_MAX);
    assert_false(vector_draw("1.1", &draw));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_without_error_run),  cmocka_unit_test(the_lines_say_what_ran),
        cmocka_unit_test(wrong_ids_are_found),     cmocka_unit_test(unmet_expectations_are_found),
        cmocka_unit_test(syntax_errors_are_found), cmocka_unit_test(values_are_read_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
