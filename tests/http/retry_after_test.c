/* SPDX-License-Identifier: MIT */
/* Retry-After in its two forms, and what is neither. */
#include "support/cmocka_all.h"

#include "http/retry_after.h"

#include <holdfast/types.h>

#include <stdio.h>

#define NOW 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, 5.6.7 */
#define UNREADABLE (-1)

static const struct {
    const char *value, *date;
    int64_t expected_ns; /* UNREADABLE: not to be read */
} rows[] = {
    {"0", NULL, 0},
    {"1", NULL, HF_SECOND},
    {"120", NULL, 120 * HF_SECOND},
    {" 7 ", NULL, 7 * HF_SECOND},
    {"007", NULL, 7 * HF_SECOND},
    {"9223372036", NULL, INT64_C(9223372036) * HF_SECOND},
    {"9223372037", NULL, HF_NEVER},           /* no longer fits in nanoseconds */
    {"99999999999999999999", NULL, HF_NEVER}, /* nor in any integer */
    {"", NULL, UNREADABLE},
    {"   ", NULL, UNREADABLE},
    {"-1", NULL, UNREADABLE},
    {"+1", NULL, UNREADABLE},
    {"1.5", NULL, UNREADABLE},
    {"1s", NULL, UNREADABLE},
    {"0x10", NULL, UNREADABLE},
    {"1, 2", NULL, UNREADABLE},
    {"soon", NULL, UNREADABLE},
    {"20231104", NULL, 20231104 * HF_SECOND}, /* digits are seconds, even if they look like a date */
    /* the three forms of a date */
    {"Sun, 06 Nov 1994 08:49:47 GMT", NULL, 10 * HF_SECOND},
    {"Sunday, 06-Nov-94 08:49:47 GMT", NULL, 10 * HF_SECOND},
    {"Sun Nov  6 08:49:47 1994", NULL, 10 * HF_SECOND},
    {"Sun, 06 Nov 1994 08:49:37 GMT", NULL, 0},
    {"Sun, 06 Nov 1994 08:49:27 GMT", NULL, 0}, /* past */
    {"Thu, 01 Jan 1970 00:00:00 GMT", NULL, 0},
    {"Mon, 07 Nov 1994 08:49:37 GMT", NULL, 86400 * HF_SECOND},
    {"Sun, 06 Nov 1994", NULL, UNREADABLE},
    {"Sun, 32 Foo 1994 08:49:37 GMT", NULL, UNREADABLE},
    {"06 Nov 1994 08:49:47", NULL, UNREADABLE}, /* libcurl would read it; HTTP does not know it */
    /* counted from the server's own clock, whatever ours says */
    {"Tue, 15 Nov 2022 12:00:30 GMT", "Tue, 15 Nov 2022 12:00:00 GMT", 30 * HF_SECOND},
    {"Tue, 15 Nov 2022 12:00:00 GMT", "Tue, 15 Nov 2022 12:00:30 GMT", 0},
    {"Sun, 06 Nov 1994 08:49:47 GMT", "yesterday", 10 * HF_SECOND},
    {"5", "Tue, 15 Nov 2022 12:00:00 GMT", 5 * HF_SECOND},
};

static void every_row(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = UNREADABLE;
        bool read = hf__retry_after_parse(rows[i].value, rows[i].date, NOW, &ns);
        if (read != (rows[i].expected_ns != UNREADABLE) || ns != rows[i].expected_ns) {
            fail_msg("\"%s\" (Date: %s): read %d, %lld ns, expected %lld", rows[i].value,
                     rows[i].date == NULL ? "none" : rows[i].date, read, (long long)ns, (long long)rows[i].expected_ns);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
