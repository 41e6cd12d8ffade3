/* SPDX-License-Identifier: MIT */
/* The headers say of the numbers of a configuration which range they have; here every constructor is handed one value below
 * and one above, and must refuse with a sentence that names the field. So must it what no constructor can use: no place
 * for the handle, no name or a bad one, a struct_size that cannot be. The values are made from the headers while building
 * (tools/docs/ranges.awk). */
#include "support/cmocka_all.h"

#include <holdfast/client.h>
#include <holdfast/holdfast.h>

#include <stdio.h>
#include <string.h>

static int faults;

/* Where the defaults alone are no configuration. */
static void prepare(const char *stem, void *config) {
    if (strcmp(stem, "hf_rate_limit") == 0) ((hf_rate_limit_config *)config)->tier[0].permits = 10;
}

static void refused(int64_t value, const char *type, const char *field, int rc, const hf_error *error) {
    if (rc == HF_E_INVALID && strstr(hf_error_text(error), field) != NULL) return;
    print_error("%s.%s = %lld: returned %d, \"%s\"\n", type, field, (long long)value, rc,
                rc < 0 ? hf_error_text(error) : "");
    faults++;
}

static void misused(const char *stem, const char *what, int rc, const void *made) {
    if (rc == HF_E_INVALID && made == NULL) return;
    print_error("%s_new with %s: returned %d\n", stem, what, rc);
    faults++;
}

#define LONG_NAME "a-name-of-thirty-two-characters-"
_Static_assert(sizeof LONG_NAME - 1 == HF_NAME_MAX + 1, "one too many");

/* For each constructor; NEW(out, name, config) calls it. */
#define MISUSE(stem)                                                    \
    stem##_config_init(&c);                                             \
    prepare(#stem, &c);                                                 \
    misused(#stem, "nowhere to put it", NEW(NULL, "x", &c), NULL);      \
    c.struct_size = 0;                                                  \
    MISUSE_ONE(stem, "struct_size 0", "x", &c)                          \
    c.struct_size = sizeof c + 8;                                       \
    MISUSE_ONE(stem, "a struct_size of a later version", "x", &c)       \
    c.struct_size = 4; /* a program that knew no field: all defaults */ \
    made = NULL;                                                        \
    rc = NEW(&made, "x", &c);                                           \
    if (rc == 0) stem##_free(made);                                     \
    made = NULL;                                                        \
    rc = NEW(&made, "x", NULL);                                         \
    if (rc == 0) stem##_free(made);

/* For those that take a name. */
#define MISUSE_NAME(stem)                                               \
    stem##_config_init(&c);                                             \
    prepare(#stem, &c);                                                 \
    MISUSE_ONE(stem, "no name", NULL, &c)                               \
    MISUSE_ONE(stem, "an empty name", "", &c)                           \
    MISUSE_ONE(stem, "a tab in its name", "a\tb", &c)                   \
    MISUSE_ONE(stem, "a byte above ASCII in its name", "a\xc3\xa4", &c) \
    MISUSE_ONE(stem, "a long name", LONG_NAME, &c)

#define MISUSE_ONE(stem, what, name, config)  \
    made = (void *)&c; /* must become NULL */ \
    rc = NEW(&made, name, config);            \
    misused(#stem, what, rc, made);

static void constructors_refuse_what_the_headers_say(void **state) {
    (void)state;
    hf_pipeline *pipeline;
    assert_int_equal(hf_pipeline_new(&pipeline, "empty", NULL, 0, NULL), 0);
#include "docs/ranges.inc"
    hf_pipeline_free(pipeline);
    assert_int_equal(faults, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(constructors_refuse_what_the_headers_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
