/* SPDX-License-Identifier: MIT */
/* The headers say of every field of a configuration `Default X.`; here what they say is compared with what the _init
 * functions write. The comparisons are made from the headers while building (tools/docs/defaults.awk). */
#include "support/cmocka_all.h"

#include <holdfast/client.h>
#include <holdfast/curl.h>
#include <holdfast/holdfast.h>

#include <stdio.h>
#include <string.h>

static int fields, faults;

static void differs(const char *type, const char *field, const char *said) {
    print_error("%s.%s: the header says Default %s, %s_init writes something else\n", type, field, said, type);
    faults++;
}

static void every_default_in_a_comment_is_the_default_in_the_code(void **state) {
    (void)state;
#include "docs/defaults.inc"
    assert_int_equal(faults, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_default_in_a_comment_is_the_default_in_the_code)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
