/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_ALLOC_FAULT_H
#define HF_TESTS_SUPPORT_ALLOC_FAULT_H

/* Makes allocations fail, one at a time. A program that uses this has its own malloc, calloc, realloc, free and
 * their kin in front of the C library's, so that what libcurl and others allocate can fail as well. Blocks are
 * counted always and everywhere. */

#include <stdbool.h>
#include <stdint.h>

/* From now on the `nth` allocation of this thread fails (1: the next one), and with `and_after` all after it. */
void alloc_fault_arm(uint64_t nth, bool and_after);

/* No more of that; true when at least one has failed. */
bool alloc_fault_disarm(void);

/* From now on every `k`-th allocation that the code of the program itself asks for (the libraries of this tree
 * included, shared ones not) fails, on any thread; 0: none any more. */
void alloc_fault_every(uint32_t k);

/* Blocks that are allocated and not freed, by any thread. */
int64_t alloc_fault_live(void);

#endif
