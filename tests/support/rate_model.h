/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_RATE_MODEL_H
#define HF_TESTS_SUPPORT_RATE_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Plays what the bytes say on a rate limit of one to four tiers, and aborts where more is used than the bound: in any
 * time T at most burst + T / interval of every tier, over every pair of uses. */

/* Whole operations, through policy/ratelimit_words.c or as a key does them: takes with weights and waits, giving back, draining, by clocks that
 * are now and then behind; a refusal must name the first instant at which it would be granted. */
void rate_model_play(const void *data, size_t size);

/* Two tiers whose words are moved one at a time by four actors in any order, on the core's functions: they read words of
 * different ages, bring up what others have left, and die between any two words. In the end one alone must get through. */
void rate_model_interleave(const void *data, size_t size);

/* What was seen so far, so that a test can tell that it has tested something. */
struct rate_model_seen {
    uint64_t granted, refused, given_back, deaths;
};
extern struct rate_model_seen rate_model_seen;

#endif
