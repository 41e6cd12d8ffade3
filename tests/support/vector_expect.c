/* SPDX-License-Identifier: MIT */
/* What a row may expect: facts of the breaker, the last call, the bulkhead, the budget, and back-offs. */
#include "support/vector_value.h"
#include "support/vector_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type { NUMBER, PPM, INSTANT, DURATION, STATUS, REASON, KIND, YESNO };

/* Words of the enumerations, in the order of their numbers. */
static const char *const statuses[] = {"ok", "failed", "rejected", "timeout", "cancelled", NULL}; /* 0, -1 ... -4 */
static const char *const reasons[] = {
    "none",     "open",     "probing",    "forced",    "full",         "timeout",   "deadline",    "cancelled",
    "attempts", "budget",   "no_time",    "hint",      "rate_limited", "throttled", "concurrency", "queue_timeout",
    "shed",     "injected", "recovering", "pool_full", "not_before",   NULL};
static const char *const kinds[] = {"success", "failure", "throttled", "neutral", "unreported", NULL};
static const char *const yesno[] = {"no", "yes", NULL};
#define UNREPORTED 4

static const char *const *words_of(enum type type) {
    switch (type) {
    case STATUS: return statuses;
    case REASON: return reasons;
    case KIND: return kinds;
    case YESNO: return yesno;
    case NUMBER:
    case PPM:
    case INSTANT:
    case DURATION: break;
    }
    return NULL;
}

static bool parse(enum type type, const char *text, int64_t *out) {
    switch (type) {
    case NUMBER: return vector_number(text, out);
    case PPM: return vector_ppm(text, out);
    case INSTANT:
    case DURATION: return vector_duration(text, out);
    case STATUS:
    case REASON:
    case KIND:
    case YESNO: return vector_word(text, words_of(type), out);
    }
    return false;
}

static void show(enum type type, int64_t value, char *out, size_t size) {
    const char *const *words = words_of(type);
    if (words != NULL) snprintf(out, size, "%s", words[value]);
    else if (type == INSTANT || type == DURATION) (void)vector_show_duration(value, out, size);
    else snprintf(out, size, "%" PRId64, value);
}

/* ---- facts: where they come from ---- */

static int64_t since_start(const struct vector_world *w, hf_time at) {
    return at == HF_NEVER ? HF_NEVER : at - w->start;
}

static int64_t share(uint32_t part, uint32_t total) { return total == 0 ? 0 : (int64_t)part * HF_PPM / total; }

#define FACT(key, kind, value)    \
    if (strcmp(name, key) == 0) { \
        *out_type = (kind);       \
        *out = (int64_t)(value);  \
        return true;              \
    }

static bool counts_fact(const hf_breaker_info *info, const char *name, enum type *out_type, int64_t *out) {
    FACT("total", NUMBER, info->total)
    FACT("failures", NUMBER, info->failures)
    FACT("slow", NUMBER, info->slow)
    FACT("consecutive", NUMBER, info->consecutive)
    FACT("flying", NUMBER, info->probes_flying)
    FACT("probes_ok", NUMBER, info->probes_ok)
    FACT("probes_failed", NUMBER, info->probes_failed)
    FACT("rejected", NUMBER, info->rejected)
    FACT("admit", PPM, info->admit_ppm)
    FACT("rules", NUMBER, info->rules)
    FACT("failure_rate", PPM, share(info->failures, info->total))
    FACT("slow_rate", PPM, share(info->slow, info->total))
    return false;
}

static bool breaker_fact(const struct vector_world *w, const char *name, enum type *out_type, int64_t *out) {
    hf_breaker_info info = {.struct_size = (uint32_t)sizeof info};
    if (w->breaker == NULL || hf_breaker_snapshot(w->breaker, &info, w->now) != 0) return false;
    FACT("event_rules", NUMBER, w->event_rules)
    if (strncmp(name, "event_", 6) == 0) return counts_fact(&w->event_info, name + 6, out_type, out);
    hf_breaker_explanation why = {.struct_size = (uint32_t)sizeof why};
    if (hf_breaker_explain(w->breaker, &why, w->now) != 0) return false;
    FACT("why", REASON, why.reason)
    FACT("why_in", DURATION, why.wait_ns)
    FACT("retry_at", INSTANT, since_start(w, info.retry_at))
    FACT("retry_in", DURATION, info.retry_at == HF_NEVER ? HF_NEVER : info.retry_at - w->now)
    return counts_fact(&info, name, out_type, out);
}

static bool result_fact(const struct vector_world *w, const char *name, enum type *out_type, int64_t *out) {
    hf_outcome outcome = {UNREPORTED, 0, 0, 0, 0};
    if (!w->has_result) return false;
    (void)hf_result_outcome(&w->result, &outcome);
    uint32_t flags = hf_result_flags(&w->result);
    hf_time retry_at = hf_result_retry_at(&w->result);
    FACT("status", STATUS, -hf_result_status(&w->result))
    FACT("reason", REASON, hf_result_reason(&w->result))
    FACT("attempts", NUMBER, hf_result_attempts(&w->result))
    FACT("result_retry_at", INSTANT, since_start(w, retry_at))
    FACT("kind", KIND, outcome.kind)
    FACT("code", NUMBER, outcome.code)
    FACT("late", YESNO, (flags & HF_RESULT_LATE) != 0)
    FACT("from_fallback", YESNO, (flags & HF_RESULT_FALLBACK) != 0)
    FACT("budget_denied", YESNO, (flags & HF_RESULT_BUDGET_DENIED) != 0)
    FACT("result_retry_in", DURATION, retry_at == HF_NEVER ? HF_NEVER : retry_at - w->ended_at)
    FACT("lasted", DURATION, w->ended_at - w->began_at)
    return false;
}

static bool call_fact(const struct vector_world *w, const char *name, enum type *out_type, int64_t *out) {
    FACT("deadline", INSTANT, since_start(w, w->deadline_at))
    FACT("cancels", NUMBER, w->cancels)
    FACT("wakes", NUMBER, w->wakes)
    FACT("warnings", NUMBER, hf_pipeline_check(w->pipeline, NULL, NULL))
    FACT("fallbacks_run", NUMBER, w->runs)
    FACT("now", INSTANT, w->now - w->start)
    FACT("own_token", YESNO, w->own_token)
    if (w->bulkhead != NULL) {
        FACT("in_flight", NUMBER, hf_bulkhead_in_flight(w->bulkhead))
        FACT("waiting", NUMBER, hf_bulkhead_waiting(w->bulkhead))
        FACT("turned_back", NUMBER, hf_bulkhead_rejected(w->bulkhead))
    }
    if (w->limit != NULL) {
        hf_concurrency_info info = {.struct_size = sizeof info};
        if (hf_concurrency_snapshot(w->limit, &info) != 0) return false;
        FACT("limit", NUMBER, info.limit)
        FACT("limited", NUMBER, info.in_flight)
        FACT("base", DURATION, info.base_ns)
    }
    if (w->hedge != NULL) {
        hf_hedge_info info = {.struct_size = sizeof info};
        if (hf_hedge_snapshot(w->hedge, &info) != 0) return false;
        FACT("hedges", NUMBER, info.hedges)
        FACT("hedges_won", NUMBER, info.won)
        FACT("hedges_denied", NUMBER, info.denied)
        FACT("second_at", DURATION, w->second_at == HF_NEVER ? HF_NEVER : w->second_at - w->began_at)
    }
    if (w->rate != NULL) {
        FACT("permits", NUMBER, hf_rate_limit_available(w->rate, NULL, w->now))
        FACT("take_in", DURATION, w->ticket.at == HF_NEVER ? HF_NEVER : w->ticket.at - w->now)
    }
    if (w->retry != NULL) {
        const hf_budget *budget = hf_retry_budget(w->retry);
        FACT("tokens", NUMBER, hf_budget_available(budget, w->now))
        FACT("denied", NUMBER, hf_budget_denied(budget))
    }
    return false;
}

/* ---- comparing ---- */

static bool equal_texts(struct vector_world *w, const char *found, const char *expected) {
    if (strcmp(found, expected) == 0) return true;
    return vector_fault(w, "expected %s, found %s", expected, found[0] == '\0' ? "-" : found);
}

static void attempt_kinds(const struct vector_world *w, char *out) {
    hf_attempt_record record;
    for (uint32_t i = 1; i <= hf_result_attempts(&w->result); i++) {
        bool known = hf_result_attempt(&w->result, i, &record);
        vector_append(out, known ? kinds[record.kind] : "-");
    }
}

/* Facts that are texts; `*out_known` says whether `name` is one. */
static bool text_fact(struct vector_world *w, const char *name, const char *value, bool *out_known) {
    char found[VECTOR_FACT_MAX] = "";
    const char *expected = strcmp(value, "-") == 0 || strcmp(value, "none") == 0 ? "" : value;
    *out_known = true;
    if (strcmp(name, "events") == 0) {
        memcpy(found, w->events, sizeof found);
        w->events[0] = '\0';
    } else if (strcmp(name, "waits") == 0) {
        memcpy(found, w->waits, sizeof found);
    } else if (strcmp(name, "by") == 0 && w->has_result) {
        snprintf(found, sizeof found, "%s", hf_result_policy(&w->result));
    } else if (strcmp(name, "kinds") == 0 && w->has_result) {
        attempt_kinds(w, found);
    } else {
        *out_known = false;
        return true;
    }
    return equal_texts(w, found, expected);
}

bool vector_expect(struct vector_world *w, const char *name, char relation, const char *value) {
    bool known;
    w->checks++;
    bool fine = text_fact(w, name, value, &known);
    if (known) return relation == '=' ? fine : vector_fault(w, "syntax: a text is equal or not");
    enum type type;
    int64_t found, expected;
    if (!breaker_fact(w, name, &type, &found) && !result_fact(w, name, &type, &found) &&
        !call_fact(w, name, &type, &found)) {
        return vector_fault(w, "syntax: there is no fact \"%s\" here", name);
    }
    if (!parse(type, value, &expected)) {
        return vector_fault(w, "syntax: \"%s\" is no value for %s", value, name);
    }
    if (relation == '=' ? found == expected : relation == '<' ? found < expected : found > expected) return true;
    char found_text[64], expected_text[64];
    show(type, found, found_text, sizeof found_text);
    show(type, expected, expected_text, sizeof expected_text);
    return vector_fault(w, "%s: expected %s%s, found %s", name,
                        relation == '='   ? ""
                        : relation == '<' ? "< "
                                          : "> ",
                        expected_text, found_text);
}

bool vector_is_state(const char *word, hf_breaker_state *out) {
    static const hf_breaker_state states[] = {
        HF_BREAKER_CLOSED,    HF_BREAKER_METRICS_ONLY, HF_BREAKER_DISABLED,    HF_BREAKER_RECOVERING,
        HF_BREAKER_HALF_OPEN, HF_BREAKER_OPEN,         HF_BREAKER_FORCED_OPEN,
    };
    static const char *const names[] = {"closed",    "metrics-only", "disabled",   "recovering",
                                        "half-open", "open",         "forced-open"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(word, names[i]) != 0) continue;
        *out = states[i];
        return true;
    }
    return false;
}

bool vector_expect_state(struct vector_world *w, hf_breaker_state state) {
    hf_breaker_info info = {.struct_size = (uint32_t)sizeof info};
    if (w->breaker == NULL || hf_breaker_snapshot(w->breaker, &info, w->now) != 0) {
        return vector_fault(w, "syntax: there is no breaker");
    }
    w->checks++;
    if (info.state == (int32_t)state) return true;
    return vector_fault(w, "expected %s, found %s (%u failed and %u slow of %u, %u in a row)",
                        hf_breaker_state_name((int32_t)state), hf_breaker_state_name(info.state), info.failures,
                        info.slow, info.total, info.consecutive);
}

/* ---- back-off ---- */

/* "N,r=SHARE,previous=DURATION=DELAY"; r and previous may be missing. A draw inside the range may fall to
 * either side of a nanosecond. */
bool vector_expect_delay(struct vector_world *w, const char *arguments) {
    char text[128], *save, shown[48];
    const char *equals = strrchr(arguments, '=');
    int64_t n, previous = 0, expected;
    uint64_t draw = 0;
    if (!w->has_backoff || equals == NULL || (size_t)(equals - arguments) >= sizeof text ||
        !vector_duration(equals + 1, &expected)) {
        return vector_fault(w, "syntax: expected delay:N[,r=SHARE][,previous=DURATION]=DURATION and a backoff");
    }
    memcpy(text, arguments, (size_t)(equals - arguments));
    text[equals - arguments] = '\0';
    char *item = strtok_r(text, ",", &save);
    if (item == NULL || !vector_number(item, &n)) return vector_fault(w, "syntax: which delay?");
    bool drawn = false;
    while ((item = strtok_r(NULL, ",", &save)) != NULL) {
        if (strncmp(item, "r=", 2) == 0 && vector_draw(item + 2, &draw)) drawn = true;
        else if (strncmp(item, "previous=", 9) != 0 || !vector_duration(item + 9, &previous)) {
            return vector_fault(w, "syntax: no argument \"%s\"", item);
        }
    }
    w->checks++;
    int64_t found = hf_backoff_delay(&w->backoff, (uint32_t)n, &previous, draw);
    int64_t off = found - expected;
    bool inside = drawn && draw != 0 && draw != UINT64_MAX;
    if (off == 0 || (inside && (off == 1 || off == -1))) return true;
    return vector_fault(w, "found %s", vector_show_duration(found, shown, sizeof shown));
}

/* A bound: a duration, or "plain": what the delay is without jitter. */
static bool bound(const struct vector_world *w, const char *text, uint32_t n, int64_t *out) {
    if (strcmp(text, "plain") != 0) return vector_duration(text, out);
    hf_backoff_config plain = w->backoff;
    plain.jitter = HF_JITTER_NONE;
    plain.floor_ms = 0;
    *out = hf_backoff_delay(&plain, n, 0, 0);
    return true;
}

/* "FROM..TOxDRAWS=LOW..HIGH": every delay FROM to TO, each drawn so often from a fixed stream, lies within
 * [LOW, HIGH], and not all draws are the same unless the bounds are. */
bool vector_expect_within(struct vector_world *w, const char *arguments) {
    unsigned from, to, draws;
    char low_text[32], high_text[32], shown[48];
    if (!w->has_backoff || sscanf(arguments, "%u..%ux%u=%31[^.]..%31s", &from, &to, &draws, low_text, high_text) != 5) {
        return vector_fault(w, "syntax: expected within:FROM..TOxDRAWS=LOW..HIGH and a backoff");
    }
    w->checks++;
    int64_t memory = 0, previous = 0;
    uint64_t random = 88172645463325252u; /* xorshift64, Marsaglia 2003 */
    for (unsigned n = from; n <= to; n++) {
        int64_t low, high, start = memory;
        if (!bound(w, low_text, n, &low) || !bound(w, high_text, n, &high)) {
            return vector_fault(w, "syntax: no such bound");
        }
        bool differ = false;
        for (unsigned i = 0; i < draws; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            memory = start; /* every draw is another call's, which came to this delay alike */
            int64_t found = hf_backoff_delay(&w->backoff, n, &memory, random);
            if (found < low || found > high) {
                return vector_fault(w, "delay %u: found %s", n, vector_show_duration(found, shown, sizeof shown));
            }
            differ = differ || (i > 0 && found != previous);
            previous = found;
        }
        if (draws > 1 && low < high && !differ && w->backoff.jitter != HF_JITTER_NONE) {
            return vector_fault(w, "delay %u: all draws are the same", n);
        }
    }
    return true;
}
