/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_FAULT_H
#define HF_CORE_FAULT_H

/* What befalls an attempt, as a pure function of one random number and one word that holds the three shares:
 *
 *     0 4 | error 20 | latency 20 | hang 20      each in ppm */

#include <holdfast/fault.h>

enum hf__fate { HF__SPARED = 0, HF__ERROR, HF__LATE, HF__HANGS };

/* Shares that together are at most HF_PPM. */
uint64_t hf__fault_shares(uint32_t error_ppm, uint32_t latency_ppm, uint32_t hang_ppm);

enum hf__fate hf__fault_fate(uint64_t shares, uint64_t random);

#endif
