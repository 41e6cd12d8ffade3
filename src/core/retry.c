/* SPDX-License-Identifier: MIT */
#include "core/retry.h"

#include "base/num.h"
#include "base/rng.h"
#include "core/backoff.h"

static struct hf__retry_answer give_up(int32_t reason) {
    return (struct hf__retry_answer){.at = HF_NEVER, .reason = reason};
}

/* Rejections are retried only on request, and not when waiting cannot help. */
static bool is_a_case(const hf_retry_config *config, const struct hf__retry_question *q) {
    if (q->rejected) return config->retry_rejected && q->reason != HF_REASON_FORCED_OPEN && q->reason != HF_REASON_NONE;
    return q->outcome.flags & HF_RETRYABLE;
}

/* The earliest instant that a rejecting policy or the dependency allows. A hint is never obeyed early:
 * jitter only adds to it, so that a fleet that was told the same does not return as one. */
static hf_time not_before(const hf_retry_config *config, const struct hf__retry_question *q, uint64_t random) {
    if (q->rejected) {
        hf_time at = q->retry_at == HF_NEVER ? q->now : q->retry_at;
        return hf__max(at, hf__add(q->now, 1)); /* at `now` it would be turned back again, for ever */
    }
    int64_t hint = q->outcome.retry_after_ns;
    if (hint == 0) return q->now;
    return hf__add(q->now, hf__add(hint, hf__rng_between(random, 0, hf__ppm(hint, config->hint_jitter_ppm))));
}

struct hf__retry_answer hf__retry_decide(const hf_retry_config *config, const struct hf__retry_question *q,
                                         uint64_t *rng) {
    uint64_t for_backoff = hf__rng_next(rng), for_hint = hf__rng_next(rng);
    if (!is_a_case(config, q)) return give_up(HF_REASON_NONE);
    if (config->max_attempts != HF_RETRY_UNLIMITED && q->made >= config->max_attempts) {
        return give_up(HF_REASON_ATTEMPTS);
    }
    if (!q->rejected && q->outcome.retry_after_ns > hf__ms_to_ns(config->retry_after_cap_ms)) {
        return give_up(HF_REASON_HINT_TOO_LONG);
    }
    int64_t memory = q->memory;
    int64_t delay = hf_backoff_delay(&config->backoff, q->made, &memory, for_backoff);
    hf_time at = hf__max(hf__add(q->now, delay), not_before(config, q, for_hint));
    if (at >= q->deadline) return give_up(HF_REASON_NO_TIME);
    return (struct hf__retry_answer){.again = true, .at = at, .memory = memory};
}
