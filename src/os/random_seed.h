/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_RANDOM_SEED_H
#define HF_OS_RANDOM_SEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills `out` from the system's source of random bytes; false when it has none. */
bool hf__random_bytes(void *out, size_t size);

/* 64 bits that differ between processes and machines; not for secrets. */
uint64_t hf__random_seed(void);

#endif
