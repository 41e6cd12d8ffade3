/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_RETRY_H
#define HF_CORE_RETRY_H

/* When to run again, as a pure function: everything about a retry but the budget, which is shared state.
 * docs/design/retry.md has the reasons. */

#include <holdfast/result.h>
#include <holdfast/retry.h>

struct hf__retry_question {
    hf_outcome outcome;
    bool rejected;    /* no attempt was made: turned back by a policy inside */
    int32_t reason;   /* hf_reason: why, if rejected */
    hf_time retry_at; /* what that policy said, HF_NEVER if nothing */
    uint32_t made;    /* passes made so far, this one included */
    int64_t memory;   /* of the back-off, see hf_backoff_delay */
    hf_time now;
    hf_time deadline;
};

struct hf__retry_answer {
    bool again;
    hf_time at;     /* again: when */
    int64_t memory; /* again: of the back-off, for the next question */
    int32_t reason; /* not again: hf_reason, NONE when it is no case for a retry at all */
};

/* `rng` is advanced by two draws whatever the answer, so that a replay does not depend on it. */
struct hf__retry_answer hf__retry_decide(const hf_retry_config *config, const struct hf__retry_question *question,
                                         uint64_t *rng);

#endif
