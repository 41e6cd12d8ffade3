/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_RANDOM_SEED_H
#define HF_OS_RANDOM_SEED_H

#include <stdint.h>

/* 64 bits that differ between processes and machines; not for secrets. */
uint64_t hf__random_seed(void);

#endif
