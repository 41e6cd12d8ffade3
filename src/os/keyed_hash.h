/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_KEYED_HASH_H
#define HF_OS_KEYED_HASH_H

/* A hash under a random secret (base/siphash.h), so that whoever chooses the keys of a table cannot make them collide. */

#include <stdbool.h>
#include <stdint.h>

struct hf__hash_secret {
    uint64_t words[2];
};

/* A fresh random secret; false when the system has none to give. */
bool hf__hash_secret_make(struct hf__hash_secret *out);

uint64_t hf__keyed_hash(const struct hf__hash_secret *secret, const char *text);

#endif
