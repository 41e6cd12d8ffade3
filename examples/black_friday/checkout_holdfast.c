/* SPDX-License-Identifier: MIT */
/* The same checkout with holdfast. What to copy from here: one pipeline and one client for each dependency, made once at
 * the start and shared by all threads. (A program that wants to keep its curl handles takes the door instead, see
 * examples/protect_curl.c: the pipelines are the same.) */
#include "demo.h"

#include <holdfast/client.h>
#include <holdfast/holdfast.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shop { /* one for all threads */
    const char *url;
    hf_client *inventory, *payments, *recommendations;
    struct watched {
        struct journal *journal;
        enum breaker_id id;
    } watched[BREAKERS];
};

/* ---- set-up ---- */

/* A pipeline of `count` policies, outermost first, and the client whose requests run under it. The client keeps the
 * pipeline and the pipeline its policies, so nobody else has to. Without policies requests just pass. */
static bool make_client(struct shop *shop, hf_client **client, const char *name, hf_policy *const *order, size_t count,
                        hf_error *error) {
    hf_client_config config;
    hf_client_config_init(&config);
    config.base_url = shop->url;
    config.threads = 1;
    hf_pipeline *pipeline = NULL;
    bool ok = hf_pipeline_new(&pipeline, name, order, count, error) == 0 &&
              hf_client_new(client, name, pipeline, &config, error) == 0;
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
static bool payments_client(struct shop *shop, bool policies, hf_error *error) {
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
        ok = make_client(shop, &shop->payments, "payments", order, policies ? 5 : 0, error);
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
static bool inventory_client(struct shop *shop, bool policies, hf_error *error) {
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
        ok = make_client(shop, &shop->inventory, "inventory", order, policies ? 4 : 0, error);
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
static bool recommendations_client(struct shop *shop, bool policies, hf_error *error) {
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
        ok = make_client(shop, &shop->recommendations, "recommendations", order, policies ? 4 : 0, error);
    }
    hf_fallback_free(fallback);
    hf_timeout_free(total);
    hf_bulkhead_free(bulkhead);
    hf_breaker_free(breaker);
    return ok;
}

static void close_shop(void *context) {
    struct shop *shop = context;
    hf_client_free(shop->inventory);
    hf_client_free(shop->payments);
    hf_client_free(shop->recommendations);
    free(shop);
}

static void *open_shop(const char *url, bool policies, struct journal *journal) {
    hf_error error;
    struct shop *shop = calloc(1, sizeof *shop);
    if (shop == NULL) return fprintf(stderr, "no memory\n"), NULL;
    shop->url = url;
    for (int i = 0; i < BREAKERS; i++) shop->watched[i] = (struct watched){journal, (enum breaker_id)i};
    if (inventory_client(shop, policies, &error) && payments_client(shop, policies, &error) &&
        recommendations_client(shop, policies, &error)) {
        return shop;
    }
    fprintf(stderr, "%s\n", hf_error_text(&error));
    close_shop(shop);
    return NULL;
}

/* ---- one order ---- */

/* The deadline of the customer goes with every request. */
static hf_request request_for(const struct order *order, const char *path) {
    hf_request request;
    hf_request_init(&request);
    request.url = path;
    request.deadline_at = order->due_at + CHECKOUT_DEADLINE_NS;
    return request;
}

/* True when the shop got what it asked for, or something in its place. */
static bool call(hf_client *client, const hf_request *request, hf_result *result) {
    hf_response *response;
    int rc = hf_client_request(client, request, &response, NULL);
    if (response == NULL) return false;
    *result = *hf_response_result(response);
    bool replaced = (hf_result_flags(result) & HF_RESULT_FALLBACK) != 0;
    bool ok = rc == HF_OK && (replaced || hf_response_status(response) == 200);
    hf_response_free(response);
    return ok;
}

static enum step run(void *session, struct order *order, hf_time closing_at) {
    (void)closing_at; /* the deadline comes first */
    const struct shop *shop = session;
    hf_result result = {0};
    hf_request ask = request_for(order, "/inventory");
    if (!call(shop->inventory, &ask, &result)) return STEP_INVENTORY;

    /* A key makes a POST safe to repeat. It is the same for every attempt at this order, and for no other. */
    static const char body[] = "amount=4999&currency=EUR";
    char key[24];
    const hf_header number = {"X-Order", key}; /* under which payments books the charge */
    snprintf(key, sizeof key, "%d", order->id);
    hf_request charge = request_for(order, "/payments");
    charge.method = "POST";
    charge.body = body;
    charge.body_bytes = strlen(body);
    charge.content_type = "application/x-www-form-urlencoded";
    charge.headers = &number;
    charge.header_count = 1;
    charge.idempotency_key = key;
    order->charging_at = hf_clock_now(NULL);
    bool paid = call(shop->payments, &charge, &result);
    order->attempts = hf_result_attempts(&result);
    if (!paid) return STEP_PAYMENT;
    order->paid_at = hf_clock_now(NULL);

    hf_request more = request_for(order, "/recommendations");
    (void)call(shop->recommendations, &more, &result);
    order->fell_back = (hf_result_flags(&result) & HF_RESULT_FALLBACK) != 0;
    return STEP_NONE;
}

/* A client is for all threads, so a thread needs nothing of its own. */
static void *session_new(void *shop) { return shop; }
static void session_free(void *shop) { (void)shop; }

const struct checkout checkout_holdfast = {
    .name = "holdfast",
    .what = "the same requests, a pipeline of policies for each dependency",
    .open = open_shop,
    .close = close_shop,
    .session_new = session_new,
    .session_free = session_free,
    .run = run,
};
