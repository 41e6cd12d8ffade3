/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_BULKHEAD_MODEL_H
#define HF_TESTS_SUPPORT_BULKHEAD_MODEL_H

/* A bulkhead against an obvious one: `data` is read as what a few calls do (begin, step, report, cancel, give up),
 * as time that passes, and as new limits. Each is done to the library, through the engine, and to a model that is
 * no more than a list of who waits, which is searched for whose turn it is, and a count of who holds a slot; after
 * each the two must agree on everything that can be seen. Aborts on a difference, so that it serves under cmocka and under a fuzzer alike. */

#include <stddef.h>
#include <stdint.h>

void bulkhead_model_play(const uint8_t *data, size_t size);

#endif
