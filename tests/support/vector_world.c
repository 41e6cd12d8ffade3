/* SPDX-License-Identifier: MIT */
#include "support/vector_world.h"

#include "support/vector_config.h"
#include "support/vector_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far from zero, so that nothing depends on where a clock begins. */
#define START (100000 * HF_SECOND)

bool vector_fault(struct vector_world *w, const char *format, ...) {
    int length =
        snprintf(w->fault, sizeof w->fault, "%s:%d: %s: %s%s%s", w->file, w->line, w->id,
                 w->token == NULL ? "" : "at \"", w->token == NULL ? "" : w->token, w->token == NULL ? "" : "\": ");
    if (length < 0 || (size_t)length >= sizeof w->fault) return false;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(w->fault + length, sizeof w->fault - (size_t)length, format, arguments);
    va_end(arguments);
    return false;
}

void vector_append(char *list, const char *item) {
    size_t used = strlen(list);
    snprintf(list + used, VECTOR_FACT_MAX - used, "%s%s", used == 0 ? "" : ",", item);
}

/* ---- objects ---- */

static void on_change(void *arg, const hf_breaker_event *event) {
    struct vector_world *w = arg;
    char text[64];
    snprintf(text, sizeof text, "%s>%s", hf_breaker_state_name(event->from), hf_breaker_state_name(event->to));
    for (char *space; (space = strchr(text, ' ')) != NULL;) *space = '-'; /* "forced open" is one token */
    vector_append(w->events, text);
    w->event_info = *event->info;
    w->event_rules = event->rules;
}

static hf_outcome fallback_value(void *arg, const hf_result *failed) {
    (void)failed;
    ((struct vector_world *)arg)->runs++;
    return hf_success();
}

static hf_outcome fallback_fails(void *arg, const hf_result *failed) {
    (void)failed;
    ((struct vector_world *)arg)->runs++;
    return hf_failure(99);
}

static void join(struct vector_world *w, hf_policy *policy) {
    if (policy != NULL && w->count < HF_MAX_POLICIES) w->order[w->count++] = policy;
}

/* Makes the object and puts it into the pipeline. Returns the code of its _new. */
static int make(struct vector_world *w, const char *object, const char *name, const union vector_config *config,
                hf_error *error) {
    int rc = HF_E_INVALID;
    if (strcmp(object, "breaker") == 0 && w->breaker == NULL) {
        hf_breaker_config watched = config->breaker;
        watched.initial_at = w->now;
        watched.on_change = on_change;
        watched.on_change_arg = w;
        rc = hf_breaker_new(&w->breaker, name, &watched, error);
        join(w, hf_breaker_policy(w->breaker));
    } else if (strcmp(object, "retry") == 0 && w->retry == NULL) {
        rc = hf_retry_new(&w->retry, name, &config->retry, w->budget, error);
        join(w, hf_retry_policy(w->retry));
    } else if (strcmp(object, "budget") == 0 && w->budget == NULL && w->retry == NULL) {
        rc = hf_budget_new(&w->budget, name, &config->budget, error);
    } else if (strcmp(object, "bulkhead") == 0 && w->bulkhead == NULL) {
        rc = hf_bulkhead_new(&w->bulkhead, name, &config->bulkhead, error);
        join(w, hf_bulkhead_policy(w->bulkhead));
    } else if (strcmp(object, "limit") == 0 && w->limit == NULL) {
        rc = hf_concurrency_new(&w->limit, name, &config->limit, error);
        join(w, hf_concurrency_policy(w->limit));
    } else if (strcmp(object, "rate") == 0 && w->rate == NULL) {
        rc = hf_rate_limit_new(&w->rate, name, &config->rate, error);
        join(w, hf_rate_limit_policy(w->rate));
    } else if (strcmp(object, "hedge") == 0 && w->hedge == NULL) {
        rc = hf_hedge_new(&w->hedge, name, &config->hedge, w->budget, error);
        join(w, hf_hedge_policy(w->hedge));
    } else if (strcmp(object, "timeout") == 0) {
        hf_timeout **out = &w->timeouts[w->timeout_count++];
        rc = hf_timeout_new(out, name, &config->timeout, error);
        join(w, hf_timeout_policy(*out));
    }
    return rc;
}

static bool make_fallback(struct vector_world *w, const char *name, const char *kind) {
    hf_fallback_function *function = NULL;
    if (kind != NULL && strcmp(kind, "value") == 0) function = fallback_value;
    if (kind != NULL && strcmp(kind, "fails") == 0) function = fallback_fails;
    if (function == NULL) return vector_fault(w, "syntax: a fallback is \"value\" or \"fails\"");
    hf_fallback **out = &w->fallbacks[w->fallback_count++];
    if (hf_fallback_new(out, name, function, NULL) < 0) return vector_fault(w, "fallback: not made");
    join(w, hf_fallback_policy(*out));
    return true;
}

static bool set_clock(struct vector_world *w, const char *item) {
    if (item == NULL || strncmp(item, "start=", 6) != 0 || !vector_duration(item + 6, &w->start)) {
        return vector_fault(w, "syntax: a clock has start=DURATION");
    }
    w->now = w->start;
    return true;
}

static bool set_call(struct vector_world *w, const char *item) {
    if (item == NULL || strncmp(item, "deadline=", 9) != 0 || !vector_duration(item + 9, &w->call_deadline)) {
        return vector_fault(w, "syntax: a call has deadline=DURATION");
    }
    return true;
}

/* One object: "kind:name key=value ...". */
static bool build(struct vector_world *w, char *text) {
    char *save, *object = strtok_r(text, " ", &save);
    if (object == NULL) return true;
    char *name = strchr(object, ':');
    if (name != NULL) *name++ = '\0';
    else name = object;
    if (w->count == HF_MAX_POLICIES) return vector_fault(w, "syntax: too many policies");
    if (strcmp(object, "clock") == 0) return set_clock(w, strtok_r(NULL, " ", &save));
    if (strcmp(object, "call") == 0) return set_call(w, strtok_r(NULL, " ", &save));
    if (strcmp(object, "fallback") == 0) return make_fallback(w, name, strtok_r(NULL, " ", &save));
    union vector_config config;
    const char *field = NULL;
    if (!vector_config_init(w, object, &config)) return false;
    if (!vector_config_apply(w, object, strtok_r(NULL, "", &save), &config, &field)) return false;
    hf_error error;
    memset(&error, 0, sizeof error);
    if (make(w, object, name, &config, &error) < 0) {
        return vector_fault(w, "syntax: %s cannot be made here: %s", object, hf_error_text(&error));
    }
    return true;
}

bool vector_world_init(struct vector_world *w, const char *setup) {
    w->start = w->now = START;
    w->call_deadline = w->deadline_at = HF_NEVER;
    w->seed = 1;
    w->priority = HF_PRIORITY_NORMAL;
    char text[2048];
    if (strlen(setup) >= sizeof text) return vector_fault(w, "syntax: the set-up is too long");
    memcpy(text, setup, strlen(setup) + 1);
    char *save;
    for (char *item = strtok_r(text, ";", &save); item != NULL; item = strtok_r(NULL, ";", &save)) {
        if (!build(w, item)) return false;
    }
    hf_error error;
    if (hf_pipeline_new(&w->pipeline, "row", w->order, w->count, &error) < 0) {
        return vector_fault(w, "%s", hf_error_text(&error));
    }
    return true;
}

bool vector_world_fini(struct vector_world *w) {
    bool fine = true;
    for (size_t i = 0; i < 26; i++) {
        struct vector_group *group = &w->groups[i];
        for (uint32_t j = 0; j < group->count; j++) (void)hf_call_end(&group->calls[j].call, NULL);
        free(group->calls);
    }
    /* Whatever the row did, every slot has come back. */
    if (w->fault[0] == '\0' && w->bulkhead != NULL && hf_bulkhead_in_flight(w->bulkhead) != 0) {
        w->token = NULL;
        fine = vector_fault(w, "%u slots of the bulkhead are lost", hf_bulkhead_in_flight(w->bulkhead));
    }
    hf_pipeline_free(w->pipeline);
    hf_breaker_free(w->breaker);
    hf_retry_free(w->retry);
    hf_budget_free(w->budget);
    hf_bulkhead_free(w->bulkhead);
    hf_rate_limit_free(w->rate);
    hf_hedge_free(w->hedge);
    hf_concurrency_free(w->limit);
    for (size_t i = 0; i < w->timeout_count; i++) hf_timeout_free(w->timeouts[i]);
    for (size_t i = 0; i < w->fallback_count; i++) hf_fallback_free(w->fallbacks[i]);
    return fine;
}

bool vector_world_renew(struct vector_world *w, const char *setup) {
    if (!vector_world_fini(w)) return false;
    struct vector_world fresh = {.file = w->file, .line = w->line, .id = w->id, .token = w->token, .checks = w->checks};
    fresh.saved = w->saved; /* a restart */
    fresh.has_saved = w->has_saved;
    *w = fresh;
    return vector_world_init(w, setup);
}

bool vector_set_backoff(struct vector_world *w, const char *keys) {
    char text[512];
    union vector_config config;
    const char *field = NULL;
    if (strlen(keys) >= sizeof text) return vector_fault(w, "syntax: too long");
    memcpy(text, keys, strlen(keys) + 1);
    if (!vector_config_init(w, "backoff", &config)) return false;
    if (!vector_config_apply(w, "backoff", text, &config, &field)) return false;
    w->backoff = config.backoff;
    w->has_backoff = true;
    return true;
}

/* Is the refusal what a row expects? */
static bool refused(struct vector_world *w, int rc, hf_error *error, const char *field) {
    if (rc != HF_E_INVALID) return vector_fault(w, "expected HF_E_INVALID, found %s", hf_errname(rc));
    if (field == NULL || strstr(hf_error_text(error), field) != NULL) return true;
    return vector_fault(w, "expected the error to name %s, found: %s", field, hf_error_text(error));
}

bool vector_check_config(struct vector_world *w, const char *object_text, bool valid) {
    struct vector_world *other = calloc(1, sizeof *other);
    char text[512], *save;
    union vector_config config;
    const char *field = NULL;
    hf_error error;
    memset(&error, 0, sizeof error);
    bool fine = other != NULL && strlen(object_text) < sizeof text;
    snprintf(text, sizeof text, "%s", object_text);
    char *object = fine ? strtok_r(text, " ", &save) : NULL;
    if (object == NULL) fine = vector_fault(w, "syntax: expected an object and its keys in the brackets");
    fine = fine && object != NULL && vector_config_init(w, object, &config) &&
           vector_config_apply(w, object, strtok_r(NULL, "", &save), &config, &field);
    if (fine) {
        int rc = make(other, object, object, &config, &error);
        w->checks++;
        if (!valid) fine = refused(w, rc, &error, field);
        else if (rc != 0) fine = vector_fault(w, "expected to be accepted, found: %s", hf_error_text(&error));
    }
    if (other != NULL) (void)vector_world_fini(other);
    free(other);
    return fine;
}
