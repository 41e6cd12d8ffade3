/* SPDX-License-Identifier: MIT */
#include "engine/result.h"

#include "engine/call_state.h"

#include <string.h>

static const struct hf__result *inside(const hf_result *result) {
    return (const struct hf__result *)(const void *)result;
}

void hf__result_init(hf_result *result, int status) {
    memset(result, 0, sizeof *result);
    struct hf__result *r = (struct hf__result *)(void *)result;
    r->status = status;
    r->retry_at = HF_NEVER;
}

void hf__result_of_success(hf_result *result, hf_outcome outcome, int64_t took_ns) {
    hf__result_init(result, HF_OK);
    struct hf__result *r = (struct hf__result *)(void *)result;
    r->attempts = r->reported = 1;
    r->outcome = outcome;
    r->record[1] = (hf_attempt_record){1, HF_SUCCESS, outcome.code, hf__record_us(took_ns)};
}

int hf_result_status(const hf_result *result) { return inside(result)->status; }

hf_reason hf_result_reason(const hf_result *result) { return (hf_reason)inside(result)->reason; }

const char *hf_result_policy(const hf_result *result) { return inside(result)->policy; }

uint32_t hf_result_flags(const hf_result *result) { return inside(result)->flags; }

uint32_t hf_result_attempts(const hf_result *result) { return inside(result)->attempts; }

hf_time hf_result_retry_at(const hf_result *result) { return inside(result)->retry_at; }

bool hf_result_outcome(const hf_result *result, hf_outcome *out_outcome) {
    if (inside(result)->reported == 0) return false;
    *out_outcome = inside(result)->outcome;
    return true;
}

bool hf_result_attempt(const hf_result *result, uint32_t number, hf_attempt_record *out_record) {
    const hf_attempt_record *record = &inside(result)->record[number % HF_RESULT_ATTEMPTS_MAX];
    if (number == 0 || record->number != number) return false;
    *out_record = *record;
    return true;
}

const char *hf_reason_text(hf_reason reason) {
    switch (reason) {
    case HF_REASON_NONE: return "the operation's own outcome";
    case HF_REASON_OPEN: return "circuit breaker open";
    case HF_REASON_PROBING: return "circuit breaker half-open and all probes in flight";
    case HF_REASON_FORCED_OPEN: return "forced open by hand";
    case HF_REASON_FULL: return "bulkhead full";
    case HF_REASON_TIMEOUT: return "timed out";
    case HF_REASON_DEADLINE: return "the caller's deadline passed";
    case HF_REASON_CANCELLED: return "cancelled by the caller";
    case HF_REASON_ATTEMPTS: return "attempts used up";
    case HF_REASON_BUDGET: return "retry budget empty";
    case HF_REASON_NO_TIME: return "no time for another attempt";
    case HF_REASON_RATE_LIMITED: return "rate limit reached";
    case HF_REASON_THROTTLED_BY_CLIENT: return "turned back by the client's own throttle";
    case HF_REASON_CONCURRENCY: return "adaptive concurrency limit reached";
    case HF_REASON_INJECTED: return "a fault injected on purpose";
    case HF_REASON_QUEUE_TIMEOUT: return "waited too long for a free slot";
    case HF_REASON_NOT_BEFORE: return "the dependency asked not to be called yet";
    case HF_REASON_SHED: return "shed for a more important call";
    case HF_REASON_POOL_FULL: return "no thread free and the queue full";
    case HF_REASON_RECOVERING: return "circuit breaker recovering, the share of calls it admits is taken";
    case HF_REASON_HINT_TOO_LONG: return "the dependency asked to wait longer than allowed";
    }
    return "unknown reason";
}

/* The branch that a result speaks of: with two, the one whose fallback runs. */
static const struct hf__branch *speaker_of(const struct hf__call *c) {
    const struct hf__branch *second = &c->branch[1];
    return c->branches == 2 && second->phase == HF__RUNNING && second->in_fallback ? second : &c->branch[0];
}

int hf__call_status(const struct hf__call *c) {
    const struct hf__branch *b = speaker_of(c);
    if (b->phase == HF__DONE && b->outcome.kind == HF_SUCCESS) return HF_OK;
    switch ((hf_reason)b->reason) {
    case HF_REASON_CANCELLED: return HF_E_CANCELLED;
    case HF_REASON_TIMEOUT:
    case HF_REASON_DEADLINE: return HF_E_TIMEOUT;
    case HF_REASON_OPEN:
    case HF_REASON_PROBING:
    case HF_REASON_FORCED_OPEN:
    case HF_REASON_RECOVERING:
    case HF_REASON_FULL:
    case HF_REASON_RATE_LIMITED:
    case HF_REASON_THROTTLED_BY_CLIENT:
    case HF_REASON_CONCURRENCY:
    case HF_REASON_QUEUE_TIMEOUT:
    case HF_REASON_NOT_BEFORE:
    case HF_REASON_POOL_FULL:
    case HF_REASON_SHED: return HF_E_REJECTED;
    case HF_REASON_NONE:
    case HF_REASON_INJECTED:
    case HF_REASON_ATTEMPTS:
    case HF_REASON_BUDGET:
    case HF_REASON_NO_TIME:
    case HF_REASON_HINT_TOO_LONG: break;
    }
    return HF_E_FAILED;
}

void hf_call_result(const hf_call *call, hf_result *out_result) {
    const struct hf__call *c = (const struct hf__call *)(const void *)call;
    const struct hf__branch *b = speaker_of(c);
    hf__result_init(out_result, hf__call_status(c));
    struct hf__result *r = (struct hf__result *)(void *)out_result;
    r->reason = b->reason;
    r->flags = c->flags;
    r->attempts = c->attempts;
    r->retry_at = b->retry_at;
    r->outcome = c->last;
    r->reported = c->reported;
    for (uint32_t i = 0; i < c->attempts && i < HF_RESULT_ATTEMPTS_MAX; i++) { /* others were never written */
        uint32_t number = c->attempts - i, place = number % HF_RESULT_ATTEMPTS_MAX;
        if (c->records.kind[place] == HF__NOT_REPORTED) continue;
        r->record[place] =
            (hf_attempt_record){number, c->records.kind[place], c->records.code[place], c->records.duration_us[place]};
    }
    if (b->reason_level != HF__NO_LEVEL) {
        memcpy(r->policy, c->pipeline->policies[b->reason_level]->name, sizeof r->policy);
    }
}
