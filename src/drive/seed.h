/* SPDX-License-Identifier: MIT */
#ifndef HF_DRIVE_SEED_H
#define HF_DRIVE_SEED_H

#include <stdint.h>

/* The next seed for a call: distinct in every call, thread and process, also after fork. */
uint64_t hf__seed_next(void);

/* For tests: seeds follow from `seed` in the order in which they are asked for... */
void hf__seed_fix(uint64_t seed);

/* ... until this. */
void hf__seed_unfix(void);

#endif
