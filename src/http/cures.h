/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CURES_H
#define HF_HTTP_CURES_H

/* libcurl's pitfalls have numbers (tests/http/pitfalls.md), and the line that cures one says so: HF__CURED(8) is 1. Only the
 * programs of tests/http/pitfall_*.c are linked with objects compiled otherwise, in which a test can switch one cure off to
 * prove that it sees the pitfall. */
#ifdef HF_TEST_CURES
#include <stdatomic.h>
#include <stdint.h>
extern _Atomic uint32_t hf__cures_off; /* bit n: without the cure of pitfall n */
#define HF__CURED(n) (!(atomic_load(&hf__cures_off) >> (n)&1u))
#else
#define HF__CURED(n) 1
#endif

#endif
