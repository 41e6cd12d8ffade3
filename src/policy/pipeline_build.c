/* SPDX-License-Identifier: MIT */
#include "engine/pipeline.h"

#include "policy/config_check.h"

#include <holdfast/breaker.h>
#include <holdfast/bulkhead.h>
#include <holdfast/not_before.h>
#include <holdfast/retry.h>
#include <holdfast/timeout.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(const char *name, hf_policy *const *policies, size_t count, hf_error *error) {
    int rc = hf__check_name("pipeline", name, error);
    if (rc < 0) return rc;
    if (count > HF_MAX_POLICIES) {
        return hf__error_set(error, HF_E_INVALID, "pipeline \"%s\": %zu policies, expected at most %d", name, count,
                             HF_MAX_POLICIES);
    }
    for (size_t i = 0; i < count; i++) {
        if (policies == NULL || policies[i] == NULL) {
            return hf__error_set(error, HF_E_INVALID, "pipeline \"%s\": policy %zu is NULL", name, i);
        }
        for (size_t j = 0; j < i; j++) {
            if (policies[j] != policies[i]) continue;
            return hf__error_set(error, HF_E_INVALID, "pipeline \"%s\": %s \"%s\" stands at place %zu and again at %zu",
                                 name, policies[i]->ops->kind, policies[i]->name, j, i);
        }
    }
    return 0;
}

/* A hedge runs what is inside it twice, and needs frames for that. */
static int check_forks(const char *name, hf_policy *const *policies, size_t count, hf_error *error) {
    const hf_policy *hedge = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!(policies[i]->traits & HF__FORKS)) continue;
        if (hedge != NULL) {
            return hf__error_set(error, HF_E_INVALID,
                                 "pipeline \"%s\": %s \"%s\" is a second hedge beside \"%s\", expected at most one",
                                 name, policies[i]->ops->kind, policies[i]->name, hedge->name);
        }
        hedge = policies[i];
        size_t inside = count - i - 1;
        if (count + inside <= HF__FRAMES) continue;
        return hf__error_set(error, HF_E_INVALID,
                             "pipeline \"%s\": %zu policies of which %zu are inside hedge \"%s\" make %zu, expected at "
                             "most %d: move the hedge inward",
                             name, count, inside, hedge->name, count + inside, HF__FRAMES);
    }
    return 0;
}

int hf_pipeline_new(hf_pipeline **out_pipeline, const char *name, hf_policy *const *policies, size_t count,
                    hf_error *error) {
    if (out_pipeline == NULL) {
        return hf__error_set(error, HF_E_INVALID, "pipeline: there is nowhere to put the handle (NULL)");
    }
    *out_pipeline = NULL;
    int rc = check(name, policies, count, error);
    if (rc == 0) rc = check_forks(name, policies, count, error);
    if (rc < 0) return rc;
    hf_pipeline *pipeline = aligned_alloc(_Alignof(hf_pipeline), sizeof *pipeline);
    if (pipeline == NULL) return hf__error_set(error, HF_E_NOMEM, "pipeline \"%s\": no memory", name);
    memset(pipeline, 0, sizeof *pipeline);
    atomic_init(&pipeline->references, 1);
    memcpy(pipeline->name, name, strlen(name) + 1);
    pipeline->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) pipeline->policies[i] = hf__policy_ref(policies[i]);
    hf__trunk_lay(pipeline);
    *out_pipeline = pipeline;
    return 0;
}

hf_pipeline *hf__pipeline_ref(hf_pipeline *pipeline) {
    atomic_fetch_add_explicit(&pipeline->references, 1, memory_order_relaxed);
    return pipeline;
}

void hf_pipeline_free(hf_pipeline *pipeline) {
    if (pipeline == NULL) return;
    /* Acquire and release: whoever frees it sees what every other holder did with it. */
    if (atomic_fetch_sub_explicit(&pipeline->references, 1, memory_order_acq_rel) != 1) return;
    for (uint32_t i = 0; i < pipeline->count; i++) hf__policy_unref(pipeline->policies[i]);
    free(pipeline);
}

uint32_t hf_pipeline_needs(const hf_pipeline *pipeline) { return pipeline->needs; }

const char *hf_pipeline_name(const hf_pipeline *pipeline) { return pipeline->name; }

/* ---- the standard pipeline ---- */

#define TOTAL_MS 30000
#define ATTEMPT_MS 9000  /* three of them and the back-offs between fit into the total */
#define LONGEST_SUFFIX 9 /* ".bulkhead" */

struct standard {
    hf_timeout *total;
    hf_retry *retry;
    hf_not_before *hold;
    hf_bulkhead *bulkhead;
    hf_breaker *breaker;
    hf_timeout *attempt;
};

struct member_name {
    char text[HF_NAME_MAX + 1];
};

static struct member_name member(const char *name, const char *suffix) {
    struct member_name full;
    snprintf(full.text, sizeof full.text, "%s.%s", name, suffix);
    return full;
}

static int build_members(struct standard *s, const char *name, hf_error *error) {
    hf_timeout_config total, attempt;
    hf_timeout_config_init(&total);
    hf_timeout_config_init(&attempt);
    total.timeout_ms = TOTAL_MS;
    attempt.timeout_ms = ATTEMPT_MS;
    int rc = hf_timeout_new(&s->total, member(name, "total").text, &total, error);
    if (rc == 0) rc = hf_retry_new(&s->retry, member(name, "retry").text, NULL, NULL, error);
    if (rc == 0) rc = hf_not_before_new(&s->hold, member(name, "hold").text, NULL, error);
    if (rc == 0) rc = hf_bulkhead_new(&s->bulkhead, member(name, "bulkhead").text, NULL, error);
    /* The default lease of a probe (15 s) is above the attempt timeout. */
    if (rc == 0) rc = hf_breaker_new(&s->breaker, member(name, "breaker").text, NULL, error);
    if (rc == 0) rc = hf_timeout_new(&s->attempt, member(name, "attempt").text, &attempt, error);
    return rc;
}

int hf_pipeline_standard(hf_pipeline **out_pipeline, const char *name, hf_error *error) {
    if (out_pipeline != NULL) *out_pipeline = NULL;
    int rc = hf__check_name("pipeline", name, error);
    if (rc == 0 && strlen(name) > HF_NAME_MAX - LONGEST_SUFFIX) {
        rc = hf__error_set(error, HF_E_INVALID,
                           "pipeline \"%s\": the name has %zu characters, expected at most %d for a standard pipeline",
                           name, strlen(name), HF_NAME_MAX - LONGEST_SUFFIX);
    }
    if (rc < 0) return rc;
    struct standard s = {0};
    rc = build_members(&s, name, error);
    if (rc == 0) {
        hf_policy *order[] = {hf_timeout_policy(s.total),   hf_retry_policy(s.retry),
                              hf_not_before_policy(s.hold), hf_bulkhead_policy(s.bulkhead),
                              hf_breaker_policy(s.breaker), hf_timeout_policy(s.attempt)};
        rc = hf_pipeline_new(out_pipeline, name, order, sizeof order / sizeof order[0], error);
    }
    hf_timeout_free(s.total);
    hf_retry_free(s.retry);
    hf_not_before_free(s.hold);
    hf_bulkhead_free(s.bulkhead);
    hf_breaker_free(s.breaker);
    hf_timeout_free(s.attempt);
    return rc;
}
