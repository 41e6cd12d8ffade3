/* SPDX-License-Identifier: MIT */
#ifndef HF_BASE_GIVEN_H
#define HF_BASE_GIVEN_H

/* Structures that callers hand in and that may grow: their first member is a uint32_t struct_size. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Copies a caller's structure over the defaults in `into`, which has `size` bytes: as many bytes as the caller knew of, so
 * that an older caller's fields count and newer ones keep their default. False, and nothing copied, for a struct_size that
 * is none of ours. `given` NULL changes nothing. */
static inline bool hf__given_copy(void *into, size_t size, const void *given) {
    uint32_t given_size;
    if (given == NULL) return true;
    memcpy(&given_size, given, sizeof given_size);
    if (given_size < sizeof given_size || given_size > size) return false;
    memcpy(into, given, given_size);
    return true;
}

#endif
