/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_BYTES_H
#define HF_TESTS_SUPPORT_BYTES_H

/* A string of bytes read as decisions: a fuzzer's input, or the output of a random generator in a model
 * test, so that one program serves both. Reading past the end gives zeros, so every input is a valid one
 * and cutting its tail off leaves the decisions before it as they were. Put the harmless choice first. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *at;
    size_t left;
};

struct bytes bytes_of(const void *data, size_t size);

uint8_t bytes_u8(struct bytes *in);
uint32_t bytes_u32(struct bytes *in);
uint64_t bytes_u64(struct bytes *in);

/* Uniform enough for a test: 0 to n - 1, from one byte for n up to 256, else from four. n > 0. */
uint32_t bytes_below(struct bytes *in, uint32_t n);

/* low to high, both included, high - low < 2^32 - 1. */
int64_t bytes_between(struct bytes *in, int64_t low, int64_t high);

/* True for one byte value in `n`; never from the zeros past the end. */
bool bytes_one_in(struct bytes *in, uint32_t n);

/* One of a table's values. */
#define BYTES_PICK(in, table) ((table)[bytes_below((in), (uint32_t)(sizeof(table) / sizeof((table)[0])))])

#endif
