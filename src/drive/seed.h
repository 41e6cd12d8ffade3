/* SPDX-License-Identifier: MIT */
#ifndef HF_DRIVE_SEED_H
#define HF_DRIVE_SEED_H

#include <holdfast/types.h> /* HF_API */

/* The next seed for a call: distinct in every call, thread and process, also after fork. */
HF_API uint64_t hf__seed_next(void);

/* 64 random bits more, straight from the system, for what must never come twice among many processes. A
 * fixed seed fixes them too. */
HF_API uint64_t hf__seed_next_wide(void);

/* For tests: seeds follow from `seed` in the order in which they are asked for... */
void hf__seed_fix(uint64_t seed);

/* ... until this. */
void hf__seed_unfix(void);

#endif
