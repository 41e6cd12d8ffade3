/* SPDX-License-Identifier: MIT */
#include "policy/breaker_inside.h"

#include "shm/region.h"

#include <holdfast/region_view.h>

#include <string.h>

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

#define NAME_FIELD(field) #field,
static const char *const shared_fields[] = {SHARED_FIELDS(NAME_FIELD)};
_Static_assert(sizeof shared_fields / sizeof shared_fields[0] == HF__BREAKER_SHARED_FIELDS, "the count in the header");

void hf__breaker_shared_rules(const hf_breaker_config *config, struct hf__region_rule *out) {
#define KEEP_FIELD(name) (uint64_t)(config->name),
    const uint64_t values[] = {SHARED_FIELDS(KEEP_FIELD)};
    for (uint32_t i = 0; i < HF__BREAKER_SHARED_FIELDS; i++)
        out[i] = (struct hf__region_rule){.field = shared_fields[i], .value = values[i]};
}

void hf__breaker_config_of(hf_breaker_config *config, const uint64_t *rules) {
#define TAKE_FIELD(name) config->name = (__typeof__(config->name))*rules++;
    SHARED_FIELDS(TAKE_FIELD)
}

int hf_region_view_breaker(hf_region_view *view, uint32_t index, hf_breaker_config *out_config,
                           hf_breaker_info *out_info, hf_time now) {
    if (out_config != NULL && out_config->struct_size < sizeof *out_config) return HF_E_INVALID;
    struct hf__region_seen seen;
    int rc = hf__region_view_find(view, index, HF_REGION_BREAKER, &seen);
    if (rc < 0) return rc;
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    if (seen.rule_count != HF__BREAKER_SHARED_FIELDS) return HF_E_STATE;
    hf__breaker_config_of(&config, seen.rules);
    if (hf__breaker_config_check(seen.name, &config, NULL) < 0) return HF_E_STATE;
    /* A breaker that stands on the state for as long as it is asked. */
    hf_breaker breaker = {.state = seen.state};
    hf__breaker_fit(&breaker, &config);
    if (hf__breaker_state_bytes(&breaker.shape) != seen.bytes) return HF_E_STATE;
    rc = hf_breaker_snapshot(&breaker, out_info, now);
    if (rc == 0 && out_config != NULL) {
        config.struct_size = out_config->struct_size;
        *out_config = config;
    }
    return rc;
}
