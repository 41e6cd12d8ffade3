/* SPDX-License-Identifier: MIT */
/* The parser alone, without a server: what it makes of scenarios, and what it says about bad ones. */
#include "support/cmocka_all.h"

#include "../../tools/mockd/scenario.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static struct scenario scenario;

static void parse(const char *text) {
    char message[640] = "";
    if (!scenario_parse(&scenario, "x.ini", text, message, sizeof message)) fail_msg("%s", message);
}

static void phases_rules_and_routes_lie_on_one_another(void **state) {
    (void)state;
    parse("[route /a]\nhang = 10\nbody_bytes = 7\n[phase one]\nseconds = 1.5\n[phase two]\nseconds = 2\n"
          "[phase two /a]\nhang = 20\nbody_bytes = 8\n[rule r /a]\nwhen_header = X\nreset = 100\n");
    assert_int_equal(scenario_route(&scenario, "/a"), 0);
    assert_int_equal(scenario_route(&scenario, "/b"), -1);
    assert_int_equal(scenario_phase_at(&scenario, 1.4), 0);
    assert_int_equal(scenario_phase_at(&scenario, 1.5), 1);
    assert_int_equal(scenario_phase_at(&scenario, 3.5), 2);
    assert_string_equal(scenario_phase_name(&scenario, 2), "after");
    struct behaviour b = scenario_behaviour(&scenario, 1, 0, -1);
    assert_true(b.fault[FAULT_HANG] == 20 && b.fault[FAULT_RESET] == 0 && b.body_bytes == 8);
    b = scenario_behaviour(&scenario, 1, 0, 0);
    assert_true(b.fault[FAULT_HANG] == 0 && b.fault[FAULT_RESET] == 100 && b.body_bytes == 8);
    b = scenario_behaviour(&scenario, 2, 0, -1);
    assert_true(b.fault[FAULT_HANG] == 10 && b.body_bytes == 7);
}

static void a_rule_knows_its_values(void **state) {
    (void)state;
    parse("[route /a]\nhang = 0\n[rule any /a]\nhang = 1\n[rule has /a]\nwhen_header = X\n[rule one /a]\nwhen_header = "
          "X\n"
          "when_value = ab\n[rule begins /a]\nwhen_header = X\nwhen_value = ab*\nwhen_nth = 3-\n");
    static const struct {
        const char *value;
        bool any, has, one, begins;
    } rows[] = {{NULL, true, false, false, false},
                {"", true, true, false, false},
                {"ab", true, true, true, true},
                {"abc", true, true, false, true},
                {"xab", true, true, false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(rule_is_for(&scenario.rule[0], rows[i].value), rows[i].any);
        assert_int_equal(rule_is_for(&scenario.rule[1], rows[i].value), rows[i].has);
        assert_int_equal(rule_is_for(&scenario.rule[2], rows[i].value), rows[i].one);
        assert_int_equal(rule_is_for(&scenario.rule[3], rows[i].value), rows[i].begins);
    }
    assert_int_equal(scenario.rule[3].first, 3);
    assert_int_equal(scenario.rule[3].last, INT_MAX);
}

static void a_bad_change_leaves_every_byte_as_it_was(void **state) {
    (void)state;
    static struct scenario before;
    char message[640];
    struct control control;
    parse("[route /a]\nhang = 10\n");
    before = scenario;
    assert_false(scenario_change(&scenario, "[route /a]\nhang = 20\n[route /b]\nhang = 101\n", &control, message,
                                 sizeof message));
    assert_string_equal(message, "line 4: hang = 101: expected a percentage from 0 to 100");
    assert_memory_equal(&scenario, &before, sizeof scenario);
    assert_true(scenario_change(&scenario, "[route /a]\nhang = 20\n", &control, message, sizeof message));
    assert_int_equal(control.phase, -1);
    assert_true(scenario_behaviour(&scenario, 0, 0, -1).fault[FAULT_HANG] == 20);
}

/* All of a file that is part of the source. */
static const char *text_of(const char *file) {
    static char text[65536];
    FILE *in = fopen(file, "r");
    if (in == NULL) fail_msg("run it from the top of the tree: cannot read %s", file);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    return text;
}

static void every_key_is_in_the_reference_and_in_the_example(void **state) {
    (void)state;
    for (size_t i = 0; behaviour_key(i) != NULL; i++) {
        char in_reference[64], in_example[64];
        snprintf(in_reference, sizeof in_reference, "`%s`", behaviour_key(i));
        snprintf(in_example, sizeof in_example, "\n%s = ", behaviour_key(i));
        if (strstr(text_of("docs/mockd.md"), in_reference) == NULL)
            fail_msg("%s is not in docs/mockd.md", behaviour_key(i));
        if (strstr(text_of("tools/mockd/example.ini"), in_example) == NULL)
            fail_msg("%s is not in example.ini", behaviour_key(i));
    }
    parse(text_of("tools/mockd/example.ini"));
}

static void a_bad_scenario_is_refused_with_file_line_and_what_was_expected(void **state) {
    (void)state;
    static const struct {
        const char *scenario, *line, *says;
    } rows[] = {
        {"[route /x]\nstatus = banana\n", ":2:", "200 to 599"},
        {"[route /x]\nstatus = 200:-1\n", ":2:", "weights"},
        {"[route /x]\nstatus = 200:0\n", ":2:", "above 0"},
        {"[route /x]\n\nlatency = fixed\n", ":3:", "fixed MS"},
        {"[route /x]\nlatency = uniform 5 1\n", ":2:", "uniform"},
        {"[route /x]\nlatency = lognormal 0 1\n", ":2:", "lognormal"},
        {"[route /x]\nhang = 101\n", ":2:", "0 to 100"},
        {"[route /x]\nhang = 10%\n", ":2:", "0 to 100"},
        {"[route /x]\nhangs = 1\n", ":2:", "unknown key \"hangs\""},
        {"[route /x]\nhang = 1\nhang = 2\n", ":3:", "twice"},
        {"[route x]\nhang = 1\n", ":2:", "begins with /"},
        {"[rout /x]\nhang = 1\n", ":2:", "expected [route /PATH]"},
        {"[route /x]\nhang = 1\n[phase a /x]\nhang = 2\n", ":4:", "above"},
        {"[route /x]\nhang = 1\n[phase a]\nseconds = 1\n[phase a /y]\nhang = 2\n", ":6:", "[route /y] above"},
        {"[route /x]\nhang = 1\n[phase a]\nseconds = 0\n", ":4:", "seconds"},
        {"[route /x]\nhang = 1\n[phase a]\nminutes = 1\n", ":4:", "only seconds"},
        {"[route /x]\nretry_after = soon\n", ":2:", "seconds N"},
        {"[route /x]\nworkers = 1.5\n", ":2:", "whole number"},
        {"[route /x]\nledger = two words\n", ":2:", "header"},
        {"[route /x]\nidempotent = yes\n", ":2:", "on or off"},
        {"[route /x]\nthis is no key\n", ":2:", "key = value"},
        {"[route /x]\ndrip_ms = -1\n", ":2:", "whole number"},
        {"[route /x]\nstorm_1xx = all\n", ":2:", "percentage"},
        {"[route /x]\necho = yes\n", ":2:", "on or off"},
        {"[route /x]\nheader = no colon\n", ":2:", "Name: value"},
        {"[route /x]\nheader = A: 1 | two words: 2\n", ":2:", "Name: value"},
        {"[route /x]\nheader = A: 1 | B:\n", ":2:", "Name: value"},
        {"[route /_control/x]\nhang = 1\n", ":2:", "not /_control"},
        {"[route /x]\nhang = 1\n[phase after]\nseconds = 1\n", ":4:", "other than"},
        {"[rule r /x]\nhang = 1\n", ":2:", "[route /x] above"},
        {"[route /x]\nhang = 1\n[rule r /x]\nwhen_nth = 0\n", ":4:", "counted from 1"},
        {"[route /x]\nhang = 1\n[rule r /x]\nwhen_nth = 3-2\n", ":4:", "counted from 1"},
        {"[route /x]\nhang = 1\n[rule r /x]\nwhen_header = X-A: 1\n", ":4:", "name of a header"},
        {"[route /x]\nhang = 1\n[rule r /x]\nwhen_moon = full\n", ":4:", "keys of a rule"},
        {"[route /x]\nhang = 1\n[rule r /x]\nworkers = 1\n", ":4:", "in [route /x]"},
        {"[route /x]\nhang = 1\n[route /y]\nhang = 1\n[rule r /x]\nhang = 1\n[rule r /y]\nhang = 1\n",
         ":8:", "another name"},
        {"[route /x]\nhang = 1\n[rule r /x]\nhang = 60\nreset = 60\n", "", "rule r: the faults"},
        {"[route /x]\nhang = 1\n[control]\nphase = x\n", ":4:", "[phase NAME /PATH]"},
        {"[route /x]\nhang = 60\nreset = 60\n", "", "more than 100"},
        {"; nothing\n", "", "[route /PATH]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char said[640] = "";
        bool read = scenario_parse(&scenario, "x.ini", rows[i].scenario, said, sizeof said);
        if (read || strncmp(said, "x.ini:", 6) != 0 || strstr(said, rows[i].line) == NULL ||
            strstr(said, rows[i].says) == NULL) {
            fail_msg("row %zu: read %d, said: %s", i, read, said);
        }
    }
    parse("[route /x]\nstatus = 200\n[rule r /x]\nwhen_nth = 2-\nheader = A: b\n");
}

/* Found by fuzz/scenario: it was counted as two lines. */
static void a_line_that_is_too_long_has_its_own_number(void **state) {
    (void)state;
    char text[400], message[200];
    snprintf(text, sizeof text, "[route /a]\nhang = 1\n;%0200d\n", 0);
    assert_false(scenario_parse(&scenario, "x.ini", text, message, sizeof message));
    assert_non_null(strstr(message, "x.ini:3: expected"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_rules_and_routes_lie_on_one_another),
        cmocka_unit_test(a_rule_knows_its_values),
        cmocka_unit_test(a_bad_change_leaves_every_byte_as_it_was),
        cmocka_unit_test(every_key_is_in_the_reference_and_in_the_example),
        cmocka_unit_test(a_bad_scenario_is_refused_with_file_line_and_what_was_expected),
        cmocka_unit_test(a_line_that_is_too_long_has_its_own_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
