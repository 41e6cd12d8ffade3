/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_VECTOR_VALUE_H
#define HF_TESTS_SUPPORT_VECTOR_VALUE_H

/* The values of a vector table: how they are written and read. docs/design/vectors.md describes them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "500ms", "1.5s", "30min", "2h", "1d", "7us", "1ns", "0", "never", "max-10s" (that long before never); a
 * leading minus is allowed. Nanoseconds. */
bool vector_duration(const char *text, int64_t *out);

/* A whole number, perhaps negative; "off" and "unlimited" are UINT32_MAX. */
bool vector_number(const char *text, int64_t *out);

/* "50%", "33.3333%", or as vector_number: parts per million. */
bool vector_ppm(const char *text, int64_t *out);

/* "0" to "1" with decimals, as 64 random bits: the draw that stands at this share of the range. */
bool vector_draw(const char *text, uint64_t *out);

/* A word of `names` (ended by NULL): its position; or a whole number. */
bool vector_word(const char *text, const char *const *names, int64_t *out);

/* A duration as vector_duration reads it, in the largest unit that is exact. Returns `out`. */
const char *vector_show_duration(int64_t ns, char *out, size_t size);

#endif
