/* SPDX-License-Identifier: MIT */
#ifndef HF_BASE_RNG_H
#define HF_BASE_RNG_H

/* Random numbers from a seed: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", 2014). One 64-bit word of state, any seed is good, and a call carries its own, so that
 * (configuration, seed, script) replays bit for bit. Not for secrets. */

#include <holdfast/types.h> /* HF_API */

/* The next 64 uniformly random bits. */
HF_API uint64_t hf__rng_next(uint64_t *state);

/* Uniform in [low, high], both included, low <= high; `random` is one draw. Unbiased to within
 * (high - low) / 2^64: the draw is scaled, not reduced by modulo. */
int64_t hf__rng_between(uint64_t random, int64_t low, int64_t high);

#endif
