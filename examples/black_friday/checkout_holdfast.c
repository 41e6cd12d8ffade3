/* SPDX-License-Identifier: MIT */
/* The same checkout with holdfast. What to copy from here: one pipeline for each dependency, made once at the
 * start and shared by all threads, and hf_curl_perform where curl_easy_perform used to be. */
#include "requests.h"

#include <holdfast/curl.h>
#include <holdfast/holdfast.h>

#include <stdio.h>
#include <stdlib.h>

struct shop { /* one for all threads */
    const char *url;
    hf_curl *inventory, *payments, *recommendations;
    struct watched {
        struct journal *journal;
        enum breaker_id id;
    } watched[BREAKERS];
};

/* ---- set-up ---- */

/* A pipeline of `count` policies, outermost first, and the door through which requests go. The door keeps the
 * pipeline and the pipeline its policies, so nobody else has to. Without policies requests just pass. */
static bool make_door(hf_curl **door, const char *name, hf_policy *const *order, size_t count, hf_error *error) {
    hf_pipeline *pipeline = NULL;
    bool ok = hf_pipeline_new(&pipeline, name, order, count, error) == 0 && hf_curl_new(door, pipeline, error) == 0;
    hf_pipeline_free(pipeline);
    return ok;
}

/* Runs on the thread whose result changed the breaker, with no lock held: the place for a log line or a metric. */
static void note_change(void *arg, const hf_breaker_event *event) {
    const struct watched *watched = arg;
    journal_change(watched->journal, watched->id, event->to, event->at);
}

/* All three breakers: open after five failures in a row, or when half of the last 20 or more have failed; try
 * again after a second, then two, then four. Ten percent of jitter is enough for one process. */
static hf_breaker_config breaker_config(struct watched *watched) {
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    config.consecutive_failures = 5;
    config.open_ms = OPEN_WAIT_MS;
    config.open_max_ms = OPEN_WAIT_CAP_MS;
    config.open_jitter_ppm = 100000;
    config.probe_lease_ms = 2000; /* longer than any attempt */
    config.on_change = note_change;
    config.on_change_arg = watched;
    return config;
}

static int new_timeout(hf_timeout **timeout, const char *name, int64_t ms, hf_error *error) {
    hf_timeout_config config;
    hf_timeout_config_init(&config);
    config.timeout_ms = ms;
    return hf_timeout_new(timeout, name, &config, error);
}

/* More than this many at once would only queue there: work for customers who may have gone by then. */
static int new_bulkhead(hf_bulkhead **bulkhead, const char *name, uint32_t max_concurrent, hf_error *error) {
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = max_concurrent;
    return hf_bulkhead_new(bulkhead, name, &config, error);
}

/* Payments must succeed, must not charge twice, and is what gets overloaded. Its five workers are kept busy by
 * 20 requests, of which 15 wait; the rest is told so at once. Retries are few and late: an outage has opened the
 * breaker before the first of them is due, and the small budget holds even if it has not. */
static bool payments_door(struct shop *shop, bool policies, hf_error *error) {
    hf_budget_config sparing;
    hf_budget_config_init(&sparing);
    sparing.ratio_ppm = 50000;
    sparing.min_per_second = 1;
    sparing.burst = 3;
    hf_retry_config again;
    hf_retry_config_init(&again);
    again.backoff.base_ms = 400;
    hf_breaker_config opening = breaker_config(&shop->watched[PAYMENTS_BREAKER]);

    hf_timeout *total = NULL, *attempt = NULL;
    hf_budget *budget = NULL;
    hf_retry *retry = NULL;
    hf_bulkhead *bulkhead = NULL;
    hf_breaker *breaker = NULL;
    bool ok = new_timeout(&total, "payments.total", 2500, error) == 0 &&
              hf_budget_new(&budget, "payments.budget", &sparing, error) == 0 &&
              hf_retry_new(&retry, "payments.retry", &again, budget, error) == 0 &&
              new_bulkhead(&bulkhead, "payments.bulkhead", 20, error) == 0 &&
              hf_breaker_new(&breaker, "payments.breaker", &opening, error) == 0 &&
              new_timeout(&attempt, "payments.attempt", 1000, error) == 0;
    if (ok) {
        hf_policy *order[] = {hf_timeout_policy(total), hf_retry_policy(retry), hf_bulkhead_policy(bulkhead),
                              hf_breaker_policy(breaker), hf_timeout_policy(attempt)};
        ok = make_door(&shop->payments, "payments", order, policies ? 5 : 0, error);
    }
    hf_timeout_free(total);
    hf_budget_free(budget);
    hf_retry_free(retry);
    hf_bulkhead_free(bulkhead);
    hf_breaker_free(breaker);
    hf_timeout_free(attempt);
    return ok;
}

/* Inventory is a quick question that may be asked again: up to six times, in short steps. What retries can hide is no
 * reason to stop asking: its breaker has no rule for failures in a row, and two of five probes may fail. */
static bool inventory_door(struct shop *shop, bool policies, hf_error *error) {
    hf_retry_config again;
    hf_retry_config_init(&again);
    again.max_attempts = 6;
    again.backoff.base_ms = 10;
    again.backoff.cap_ms = 100;
    hf_breaker_config patient = breaker_config(&shop->watched[INVENTORY_BREAKER]);
    patient.consecutive_failures = HF_BREAKER_OFF;
    patient.probe_failures_allowed = 2;

    hf_timeout *total = NULL, *attempt = NULL;
    hf_retry *retry = NULL;
    hf_breaker *breaker = NULL;
    bool ok = new_timeout(&total, "inventory.total", 1500, error) == 0 &&
              hf_retry_new(&retry, "inventory.retry", &again, NULL, error) == 0 &&
              hf_breaker_new(&breaker, "inventory.breaker", &patient, error) == 0 &&
              new_timeout(&attempt, "inventory.attempt", 500, error) == 0;
    if (ok) {
        hf_policy *order[] = {hf_timeout_policy(total), hf_retry_policy(retry), hf_breaker_policy(breaker),
                              hf_timeout_policy(attempt)};
        ok = make_door(&shop->inventory, "inventory", order, policies ? 4 : 0, error);
    }
    hf_timeout_free(total);
    hf_retry_free(retry);
    hf_breaker_free(breaker);
    hf_timeout_free(attempt);
    return ok;
}

/* The fallback of recommendations: the page shows the bestsellers that the shop has anyway. */
static hf_outcome bestsellers(void *arg, const hf_result *failed) {
    (void)arg, (void)failed;
    return hf_success();
}

/* Recommendations are nice to have: a quarter of a second, a few threads, and something else instead. */
static bool recommendations_door(struct shop *shop, bool policies, hf_error *error) {
    hf_breaker_config opening = breaker_config(&shop->watched[RECOMMENDATIONS_BREAKER]);

    hf_fallback *fallback = NULL;
    hf_timeout *total = NULL;
    hf_bulkhead *bulkhead = NULL;
    hf_breaker *breaker = NULL;
    bool ok = hf_fallback_new(&fallback, "bestsellers", bestsellers, error) == 0 &&
              new_timeout(&total, "recommendations.total", 250, error) == 0 &&
              new_bulkhead(&bulkhead, "recommendations.bulkhead", 20, error) == 0 &&
              hf_breaker_new(&breaker, "recommendations.breaker", &opening, error) == 0;
    if (ok) {
        hf_policy *order[] = {hf_fallback_policy(fallback), hf_timeout_policy(total), hf_bulkhead_policy(bulkhead),
                              hf_breaker_policy(breaker)};
        ok = make_door(&shop->recommendations, "recommendations", order, policies ? 4 : 0, error);
    }
    hf_fallback_free(fallback);
    hf_timeout_free(total);
    hf_bulkhead_free(bulkhead);
    hf_breaker_free(breaker);
    return ok;
}

static void close_shop(void *context) {
    struct shop *shop = context;
    hf_curl_free(shop->inventory);
    hf_curl_free(shop->payments);
    hf_curl_free(shop->recommendations);
    free(shop);
}

static void *open_shop(const char *url, bool policies, struct journal *journal) {
    hf_error error;
    struct shop *shop = calloc(1, sizeof *shop);
    if (shop == NULL) return fprintf(stderr, "no memory\n"), NULL;
    shop->url = url;
    for (int i = 0; i < BREAKERS; i++) shop->watched[i] = (struct watched){journal, (enum breaker_id)i};
    if (inventory_door(shop, policies, &error) && payments_door(shop, policies, &error) &&
        recommendations_door(shop, policies, &error)) {
        return shop;
    }
    fprintf(stderr, "%s\n", hf_error_text(&error));
    close_shop(shop);
    return NULL;
}

/* ---- one order ---- */

struct session { /* one per thread */
    struct shop *shop;
    struct requests requests;
};

/* The deadline of the customer goes with every request. */
static hf_curl_options options_for(const struct order *order, hf_result *result) {
    hf_curl_options options;
    hf_curl_options_init(&options);
    options.deadline_at = order->due_at + CHECKOUT_DEADLINE_NS;
    options.out_result = result;
    return options;
}

static bool call(hf_curl *door, CURL *easy, const hf_curl_options *options, const hf_result *result) {
    long status = 0;
    if (hf_curl_perform(door, easy, options) != CURLE_OK) return false;
    if (hf_result_flags(result) & HF_RESULT_FALLBACK) return true;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status == 200;
}

static enum step run(void *arg, struct order *order, hf_time closing_at) {
    (void)closing_at; /* the deadline comes first */
    struct session *session = arg;
    const struct shop *shop = session->shop;
    struct requests *requests = &session->requests;
    hf_result result;
    hf_curl_options options = options_for(order, &result);
    if (!call(shop->inventory, requests->inventory, &options, &result)) return STEP_INVENTORY;

    /* A key and a body that can be sent again make a POST safe to repeat. The key is the same for every attempt
     * at this order, and for no other. */
    char key[24];
    snprintf(key, sizeof key, "%d", order->id);
    if (!requests_set_order(requests, order)) return STEP_PAYMENT;
    hf_curl_options charge = options_for(order, &result);
    charge.idempotency_key = key;
    charge.body = HF_CURL_BODY_MEMORY;
    charge.headers = requests->payment_headers;
    order->charging_at = hf_clock_now(NULL);
    bool paid = call(shop->payments, requests->payments, &charge, &result);
    order->attempts = hf_result_attempts(&result);
    if (!paid) return STEP_PAYMENT;
    order->paid_at = hf_clock_now(NULL);

    (void)call(shop->recommendations, requests->recommendations, &options, &result);
    order->fell_back = (hf_result_flags(&result) & HF_RESULT_FALLBACK) != 0;
    return STEP_NONE;
}

static void *session_new(void *context) {
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) return NULL;
    session->shop = context;
    if (requests_open(&session->requests, session->shop->url)) return session;
    free(session);
    return NULL;
}

static void session_free(void *session) {
    requests_close(&((struct session *)session)->requests);
    free(session);
}

const struct checkout checkout_holdfast = {
    .name = "holdfast",
    .what = "the same requests, a pipeline of policies for each dependency",
    .open = open_shop,
    .close = close_shop,
    .session_new = session_new,
    .session_free = session_free,
    .run = run,
};
