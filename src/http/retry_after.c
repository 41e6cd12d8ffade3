/* SPDX-License-Identifier: MIT */
#include "http/retry_after.h"

#include "base/num.h"

#include <curl/curl.h>

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Digits and blanks around them, nothing else. */
static bool parse_seconds(const char *text, int64_t *out_ns) {
    while (is_blank(*text)) text++;
    if (!is_digit(*text)) return false;
    int64_t seconds = 0;
    for (; is_digit(*text); text++) seconds = hf__add(hf__mul(seconds, 10), *text - '0');
    while (is_blank(*text)) text++;
    if (*text != '\0') return false;
    *out_ns = hf__mul(seconds, HF_SECOND);
    return true;
}

/* The dates themselves libcurl reads well, but it reads much else as well: all three forms begin with the
 * name of a day and have a time. */
static bool parse_date(const char *text, int64_t *out_s) {
    static const char days[] = "MonTueWedThuFriSatSun";
    while (is_blank(*text)) text++;
    if (strlen(text) < 24 || strchr(text, ':') == NULL) return false; /* the shortest, asctime's, has 24 bytes */
    bool named = false;
    for (size_t i = 0; i < sizeof days - 1; i += 3) named = named || strncmp(text, days + i, 3) == 0;
    if (!named) return false;
    int64_t seconds = (int64_t)curl_getdate(text, NULL);
    if (seconds == -1) return false;
    *out_s = seconds;
    return true;
}

bool hf__retry_after_parse(const char *value, const char *date, int64_t wall_s, int64_t *out_ns) {
    if (parse_seconds(value, out_ns)) return true;
    int64_t until_s, from_s = wall_s;
    if (!parse_date(value, &until_s)) return false;
    if (date != NULL) (void)parse_date(date, &from_s);
    *out_ns = until_s <= from_s ? 0 : hf__mul(until_s - from_s, HF_SECOND);
    return true;
}
