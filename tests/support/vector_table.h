/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_VECTOR_TABLE_H
#define HF_TESTS_SUPPORT_VECTOR_TABLE_H

/* Runs vector tables: reads rows, checks their IDs against the published list, runs each, and tells of
 * every row whether it ran. docs/design/vectors.md describes the format. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct vector_source {
    const char *name; /* for messages */
    const char *text;
};

struct vector_totals {
    uint32_t ran; /* expectations met */
    uint32_t not_applicable;
    uint32_t faults; /* unmet expectations, bad rows, missing IDs */
};

/* Runs all rows of `tables` against the list of IDs; rows of our own, OURS-..., are not in it. Lines go to
 * `out` (NULL: none), the text of the first fault to `first_fault` (may be NULL). */
struct vector_totals vector_run(const struct vector_source *ids, const struct vector_source *tables, size_t count,
                                FILE *out, char *first_fault, size_t size);

#endif
