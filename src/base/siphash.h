/* SPDX-License-Identifier: MIT */
#ifndef HF_BASE_SIPHASH_H
#define HF_BASE_SIPHASH_H

/* SipHash-2-4 (Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012): a hash under a secret of 128 bits, so that
 * whoever chooses the keys of a table cannot make them collide. Written here because libholdfast needs libc alone. */

#include <stddef.h>
#include <stdint.h>

uint64_t hf__siphash(const uint64_t secret[2], const void *data, size_t size);

#endif
