/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_RETRY_AFTER_H
#define HF_HTTP_RETRY_AFTER_H

#include <stdbool.h>
#include <stdint.h>

/* Reads the value of a Retry-After header (RFC 9110, 10.2.3): digits are seconds, of any length; else it is
 * an HTTP-date in one of its three forms, counted from `date`, the response's own Date header, so that the
 * two clocks need not agree; when that is NULL or unreadable from `wall_s`, seconds since 1970. A past
 * date is 0, what is too long HF_NEVER. False, and nothing written, when it is neither.
 *
 * CURLINFO_RETRY_AFTER is of no use: it goes negative, reads "1.5" as 1, wraps, and keeps the value of an
 * earlier 103 or redirect. */
bool hf__retry_after_parse(const char *value, const char *date, int64_t wall_s, int64_t *out_ns);

#endif
