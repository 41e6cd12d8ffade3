/* SPDX-License-Identifier: MIT */
#include "support/vector_config.h"

#include "support/vector_value.h"
#include "support/vector_world.h"

#include <string.h>

enum type { U32, PPM, MS, KIND, JITTER, WINDOW, DISCIPLINE, STATE, TABLE };

static const struct key {
    const char *object, *key;
    enum type type;
    size_t offset;
    const char *field; /* as errors call it */
} known[] = {
#define BREAKER(key, type, field) \
    { "breaker", key, type, offsetof(hf_breaker_config, field), #field }
    BREAKER("window", U32, window),
    BREAKER("min_calls", U32, min_calls),
    BREAKER("failure_rate", PPM, failure_rate_ppm),
    BREAKER("slow_rate", PPM, slow_rate_ppm),
    BREAKER("consecutive", U32, consecutive_failures),
    BREAKER("slow_call", MS, slow_call_ms),
    BREAKER("open", MS, open_ms),
    BREAKER("open_max", MS, open_max_ms),
    BREAKER("jitter", PPM, open_jitter_ppm),
    BREAKER("probes", U32, probes),
    BREAKER("allowed", U32, probe_failures_allowed),
    BREAKER("lease", MS, probe_lease_ms),
    BREAKER("by", WINDOW, window_kind),
    BREAKER("span", MS, window_ms),
    BREAKER("buckets", U32, buckets),
    BREAKER("recovery", MS, recovery_ms),
    BREAKER("warm_up", MS, warm_up_ms),
    BREAKER("initial", STATE, initial_state),
#define RETRY(key, type, field) \
    { "retry", key, type, offsetof(hf_retry_config, field), #field }
    RETRY("max", U32, max_attempts),
    RETRY("hint_cap", MS, retry_after_cap_ms),
    RETRY("hint_jitter", PPM, hint_jitter_ppm),
    RETRY("rejected", U32, retry_rejected),
#define BACKOFF(key, type, field)                                                        \
    {"retry", key, type, offsetof(hf_retry_config, backoff.field), "backoff." #field}, { \
        "backoff", key, type, offsetof(hf_backoff_config, field), "backoff." #field      \
    }
    BACKOFF("kind", KIND, kind),
    BACKOFF("jitter", JITTER, jitter),
    BACKOFF("share", PPM, jitter_ppm),
    BACKOFF("factor", PPM, factor_ppm),
    BACKOFF("base", MS, base_ms),
    BACKOFF("cap", MS, cap_ms),
    BACKOFF("floor", MS, floor_ms),
    BACKOFF("table", TABLE, table_ms),
    {"budget", "ratio", PPM, offsetof(hf_budget_config, ratio_ppm), "ratio_ppm"},
    {"budget", "per_second", U32, offsetof(hf_budget_config, min_per_second), "min_per_second"},
    {"budget", "burst", U32, offsetof(hf_budget_config, burst), "burst"},
#define LIMIT(key, type, field) \
    { "limit", key, type, offsetof(hf_concurrency_config, field), #field }
    LIMIT("algorithm", U32, algorithm),
    LIMIT("initial", U32, initial),
    LIMIT("min", U32, min_limit),
    LIMIT("max", U32, max_limit),
    LIMIT("calls", U32, min_calls),
    LIMIT("window", MS, window_ms),
    LIMIT("tolerance", PPM, tolerance_ppm),
    LIMIT("smoothing", PPM, smoothing_ppm),
    LIMIT("backoff", PPM, backoff_ppm),
    {"rate", "permits", U32, offsetof(hf_rate_limit_config, tier[0].permits), "permits"},
    {"rate", "burst", U32, offsetof(hf_rate_limit_config, tier[0].burst), "burst"},
    {"rate", "period", MS, offsetof(hf_rate_limit_config, tier[0].period_ms), "period_ms"},
    {"rate", "wait", MS, offsetof(hf_rate_limit_config, max_wait_ms), "max_wait_ms"},
    {"rate", "drain", U32, offsetof(hf_rate_limit_config, drain_on_throttled), "drain_on_throttled"},
    {"rate", "phase", PPM, offsetof(hf_rate_limit_config, phase_ppm), "phase_ppm"},
    {"rate", "keys", U32, offsetof(hf_rate_limit_config, max_keys), "max_keys"},
    {"bulkhead", "max", U32, offsetof(hf_bulkhead_config, max_concurrent), "max_concurrent"},
    {"bulkhead", "waiting", U32, offsetof(hf_bulkhead_config, max_waiting), "max_waiting"},
#define SHARE(priority) \
    { "bulkhead", "share" #priority, U32, offsetof(hf_bulkhead_config, guaranteed[priority]), "guaranteed" }
    SHARE(1),
    SHARE(3),
    SHARE(5),
    {"bulkhead", "discipline", DISCIPLINE, offsetof(hf_bulkhead_config, discipline), "discipline"},
    {"bulkhead", "overload_after", MS, offsetof(hf_bulkhead_config, overload_after_ms), "overload_after_ms"},
    {"bulkhead", "overload_wait", MS, offsetof(hf_bulkhead_config, overload_wait_ms), "overload_wait_ms"},
    {"bulkhead", "max_wait", MS, offsetof(hf_bulkhead_config, max_wait_ms), "max_wait_ms"},
    {"hedge", "delay", MS, offsetof(hf_hedge_config, delay_ms), "delay_ms"},
    {"hedge", "share", PPM, offsetof(hf_hedge_config, share_ppm), "share_ppm"},
    {"hedge", "samples", U32, offsetof(hf_hedge_config, min_samples), "min_samples"},
    {"hedge", "at_failure", U32, offsetof(hf_hedge_config, at_failure), "at_failure"},
    {"timeout", "after", MS, offsetof(hf_timeout_config, timeout_ms), "timeout_ms"},
};

static const struct key *find_key(const char *object, const char *name) {
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].object, object) == 0 && strcmp(known[i].key, name) == 0) return &known[i];
    }
    return NULL;
}

static bool parse_value(const struct key *key, const char *text, int64_t *out) {
    static const char *const kinds[] = {"none", "constant", "linear", "exponential", "table", NULL};
    static const char *const jitters[] = {"none", "full", "equal", "proportional", "decorrelated", "polly-v2", NULL};
    static const char *const windows[] = {"calls", "time", NULL};
    static const char *const disciplines[] = {"fifo", "adaptive", NULL};
    hf_breaker_state state;
    switch (key->type) {
    case TABLE: break; /* see apply_table */
    case DISCIPLINE: return vector_word(text, disciplines, out);
    case WINDOW: return vector_word(text, windows, out);
    case STATE:
        if (!vector_is_state(text, &state)) return false;
        *out = (int64_t)state;
        return true;
    case U32: return vector_number(text, out);
    case PPM: return vector_ppm(text, out);
    case KIND: return vector_word(text, kinds, out);
    case JITTER: return vector_word(text, jitters, out);
    case MS:
        if (!vector_duration(text, out)) return false;
        if (*out == HF_NEVER) return true;
        if (*out % HF_MILLISECOND != 0) return false;
        *out /= HF_MILLISECOND;
        return true;
    }
    return false;
}

/* "10ms/20ms/20ms" */
static bool apply_table(char *text, char *member) {
    int64_t table[HF_BACKOFF_TABLE_MAX] = {0};
    uint32_t count = 0;
    char *save;
    for (char *item = strtok_r(text, "/", &save); item != NULL; item = strtok_r(NULL, "/", &save)) {
        if (count == HF_BACKOFF_TABLE_MAX || !vector_duration(item, &table[count])) return false;
        table[count++] /= HF_MILLISECOND;
    }
    memcpy(member, table, sizeof table);
    char *config = member - offsetof(hf_backoff_config, table_ms);
    memcpy(config + offsetof(hf_backoff_config, table_count), &count, sizeof count);
    return true;
}

/* Writes "key=value" into a configuration. */
static bool apply(struct vector_world *w, const char *object, char *item, union vector_config *config,
                  const char **out_field) {
    char *equals = strchr(item, '=');
    if (equals == NULL) return vector_fault(w, "syntax: %s: \"%s\" is no key=value", object, item);
    *equals = '\0';
    const struct key *key = find_key(object, item);
    if (key == NULL) return vector_fault(w, "syntax: %s has no key \"%s\"", object, item);
    int64_t value;
    *out_field = key->field;
    if (key->type == TABLE && apply_table(equals + 1, (char *)config + key->offset)) return true;
    if (!parse_value(key, equals + 1, &value)) {
        return vector_fault(w, "syntax: %s %s: \"%s\" is no value for it", object, item, equals + 1);
    }
    char *member = (char *)config + key->offset;
    if (key->type == MS) {
        memcpy(member, &value, sizeof value);
    } else {
        uint32_t narrow = (uint32_t)value; /* -1 and the like are for values that must be refused */
        memcpy(member, &narrow, sizeof narrow);
    }
    return true;
}

bool vector_config_apply(struct vector_world *w, const char *object, char *keys, union vector_config *config,
                         const char **out_field) {
    char *save = NULL;
    if (keys == NULL) return true;
    for (char *item = strtok_r(keys, " ", &save); item != NULL; item = strtok_r(NULL, " ", &save)) {
        if (!apply(w, object, item, config, out_field)) return false;
    }
    return true;
}

bool vector_config_init(struct vector_world *w, const char *object, union vector_config *out) {
    memset(out, 0, sizeof *out);
    if (strcmp(object, "breaker") == 0) hf_breaker_config_init(&out->breaker);
    else if (strcmp(object, "retry") == 0) hf_retry_config_init(&out->retry);
    else if (strcmp(object, "budget") == 0) hf_budget_config_init(&out->budget);
    else if (strcmp(object, "bulkhead") == 0) hf_bulkhead_config_init(&out->bulkhead);
    else if (strcmp(object, "limit") == 0) hf_concurrency_config_init(&out->limit);
    else if (strcmp(object, "rate") == 0) hf_rate_limit_config_init(&out->rate);
    else if (strcmp(object, "hedge") == 0) hf_hedge_config_init(&out->hedge);
    else if (strcmp(object, "timeout") == 0) hf_timeout_config_init(&out->timeout);
    else if (strcmp(object, "backoff") == 0) hf_backoff_config_init(&out->backoff);
    else return vector_fault(w, "syntax: there is no object \"%s\"", object);
    return true;
}
