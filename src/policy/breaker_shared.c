/* SPDX-License-Identifier: MIT */
#include "policy/breaker_inside.h"

#include "shm/region.h"

/* The fields in the order in which a region keeps them. Not among them: callbacks, which are each process's own,
 * and what only matters when the breaker is made. */
#define SHARED_FIELDS(X)      \
    X(window_kind)            \
    X(window)                 \
    X(buckets)                \
    X(window_ms)              \
    X(min_calls)              \
    X(failure_rate_ppm)       \
    X(slow_rate_ppm)          \
    X(consecutive_failures)   \
    X(slow_call_ms)           \
    X(open_ms)                \
    X(open_max_ms)            \
    X(open_jitter_ppm)        \
    X(probes)                 \
    X(probe_failures_allowed) \
    X(probe_lease_ms)         \
    X(recovery_ms)            \
    X(warm_up_ms)

#define COUNT_FIELD(field) +1 // NOLINT(bugprone-macro-parentheses): a term of a sum
_Static_assert(0 SHARED_FIELDS(COUNT_FIELD) == HF__BREAKER_SHARED_FIELDS, "the count in the header");

void hf__breaker_shared_rules(const hf_breaker_config *config, struct hf__region_rule *out) {
#define KEEP_FIELD(name) *out++ = (struct hf__region_rule){.field = #name, .value = (uint64_t)config->name};
    SHARED_FIELDS(KEEP_FIELD)
}

void hf__breaker_config_of(hf_breaker_config *config, const uint64_t *rules) {
#define TAKE_FIELD(name) config->name = (__typeof__(config->name))*rules++;
    SHARED_FIELDS(TAKE_FIELD)
}
