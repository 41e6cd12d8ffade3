/* SPDX-License-Identifier: MIT */
/* What mockd says about bad scenarios. */
#include "support/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs mockd with a scenario in a file; what it says on stderr. */
static int complaint(const char *scenario, char *out, size_t size) {
    char name[] = "/tmp/mockd_scenario_XXXXXX", command[512];
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, scenario, strlen(scenario)), (ssize_t)strlen(scenario));
    close(fd);
    snprintf(command, sizeof command, "%s --check %s 2>&1", HF_MOCKD_PATH, name);
    FILE *pipe = popen(command, "r");
    size_t got = fread(out, 1, size - 1, pipe);
    out[got] = '\0';
    int status = pclose(pipe);
    unlink(name);
    return WEXITSTATUS(status);
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
        char said[1024];
        int status = complaint(rows[i].scenario, said, sizeof said);
        if (status != 2 || strstr(said, rows[i].line) == NULL || strstr(said, rows[i].says) == NULL) {
            fail_msg("row %zu: status %d, said: %s", i, status, said);
        }
    }
    char said[1024];
    assert_int_equal(
        complaint("[route /x]\nstatus = 200\n[rule r /x]\nwhen_nth = 2-\nheader = A: b\n", said, sizeof said), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_scenario_is_refused_with_file_line_and_what_was_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
