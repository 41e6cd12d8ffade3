/* SPDX-License-Identifier: MIT */
/* Any bytes as the values of Retry-After and Date. Whatever is read is a duration that is not negative; what
 * consists of digits and blanks is read, and means what a second, slow reader makes of it; blanks around a
 * value change nothing. */
#include "http/retry_after.h"
#include "support/bytes.h"
#include "fuzz.h"

#include <holdfast/types.h>

#include <string.h>

#define UNTOUCHED INT64_C(-77)

/* Seconds by the letter of RFC 9110: blanks, digits, blanks. -1 for anything else. */
static double slow_seconds(const char *text) {
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits + strspn(text + digits, blanks)] != '\0') return -1;
    double seconds = 0;
    for (size_t i = 0; i < digits; i++) seconds = seconds * 10 + (text[i] - '0');
    return seconds;
}

static void check_seconds(const char *value, bool read, int64_t ns) {
    double expected = slow_seconds(value);
    if (expected < 0) return;
    FUZZ_MUST(read);
    if (expected < 9e9) FUZZ_MUST(ns == (int64_t)expected * HF_SECOND);
    if (expected > 9.3e9) FUZZ_MUST(ns == HF_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = bytes_of(data, size);
    static const int64_t walls[] = {784111777, 0, 1, INT64_C(4102444800), -1};
    int64_t wall_s = BYTES_PICK(&in, walls);
    char value[128] = "", date[128] = "", padded[140];
    size_t value_size = bytes_below(&in, sizeof value), date_size = bytes_below(&in, sizeof date);
    for (size_t i = 0; i < value_size && in.left > 0; i++) value[i] = (char)bytes_u8(&in);
    for (size_t i = 0; i < date_size && in.left > 0; i++) date[i] = (char)bytes_u8(&in);

    int64_t ns = UNTOUCHED, again = UNTOUCHED, without = UNTOUCHED;
    bool read = hf__retry_after_parse(value, date, wall_s, &ns);
    FUZZ_MUST(read ? ns >= 0 : ns == UNTOUCHED);
    check_seconds(value, read, ns);

    snprintf(padded, sizeof padded, " \t%s \r", value);
    bool read_padded = hf__retry_after_parse(padded, date, wall_s, &again);
    if (slow_seconds(value) >= 0) FUZZ_MUST(read_padded && again == ns);

    /* The Date header moves the origin, never whether the value can be read. */
    FUZZ_MUST(hf__retry_after_parse(value, NULL, wall_s, &without) == read);
    return 0;
}
