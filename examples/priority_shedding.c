/* SPDX-License-Identifier: MIT */
/* Priority shedding in an event loop: a shop whose backend serves one request at a time is hit by a burst of nine.
 * Payments go first, page views next; prefetching is dropped as soon as there is no room, but one place is
 * guaranteed to it, so it is never shut out for good. The loop is made of hf_call_begin, step and report, and its
 * clock is a counter, so it prints the same every time.
 *
 *     build/release/examples/priority_shedding
 */
#include <holdfast/holdfast.h>

#include <stdio.h>

#define REQUESTS 9

struct request {
    const char *what;
    uint32_t priority;
    hf_call call;
    bool waits;
    bool woken;      /* by another request's end: look at it again */
    hf_time done_at; /* while it is served, the time at which its answer comes; else HF_NEVER */
    uint32_t attempt;
};

static struct request requests[REQUESTS] = {
    {.what = "page view 1", .priority = HF_PRIORITY_NORMAL},
    {.what = "prefetch 1", .priority = HF_PRIORITY_SHEDDABLE},
    {.what = "prefetch 2", .priority = HF_PRIORITY_SHEDDABLE},
    {.what = "page view 2", .priority = HF_PRIORITY_NORMAL},
    {.what = "payment 1", .priority = HF_PRIORITY_CRITICAL},
    {.what = "page view 3", .priority = HF_PRIORITY_NORMAL},
    {.what = "payment 2", .priority = HF_PRIORITY_CRITICAL},
    {.what = "prefetch 3", .priority = HF_PRIORITY_SHEDDABLE},
    {.what = "payment 3", .priority = HF_PRIORITY_CRITICAL},
};

/* A real loop would write to an eventfd here, if other threads may end calls. */
static void wake(void *arg) { ((struct request *)arg)->woken = true; }

static void look_at(struct request *r, hf_time now) {
    hf_step step;
    hf_result result;
    r->woken = false;
    switch (hf_call_step(&r->call, &step, now)) {
    case HF_STEP_START: /* this is where a request would be sent */
        printf("%3lld ms  %s is served\n", (long long)(now / HF_MILLISECOND), r->what);
        r->waits = false;
        r->attempt = step.attempt;
        r->done_at = now + 10 * HF_MILLISECOND;
        break;
    case HF_STEP_WAIT: r->waits = true; break; /* in line; a full loop also looks again at step.at */
    case HF_STEP_DONE:
        r->waits = false;
        if (hf_call_end(&r->call, &result) == 0) break;
        printf("%3lld ms  %s is turned away: %s\n", (long long)(now / HF_MILLISECOND), r->what,
               hf_reason_text(hf_result_reason(&result)));
    }
}

static void begin(struct request *r, hf_pipeline *pipeline, hf_time now) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.priority = r->priority;
    options.wake = wake;
    options.wake_arg = r;
    r->done_at = HF_NEVER;
    if (hf_call_begin(&r->call, pipeline, &options, now) == 0) look_at(r, now);
}

static void finish(struct request *r, hf_time now) {
    r->done_at = HF_NEVER;
    hf_call_report(&r->call, r->attempt, hf_success(), now);
    look_at(r, now); /* gives the slot to whose turn it is, and wakes it */
}

int main(void) {
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = 1;
    config.max_waiting = 4;
    config.max_wait_ms = 1000;
    config.guaranteed[HF_PRIORITY_SHEDDABLE] = 1;
    hf_bulkhead *backend;
    hf_pipeline *shop;
    hf_error error;
    if (hf_bulkhead_new(&backend, "backend", &config, &error) < 0 ||
        hf_pipeline_new(&shop, "shop", &(hf_policy *){hf_bulkhead_policy(backend)}, 1, &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        return 1;
    }

    for (int i = 0; i < REQUESTS; i++) {
        begin(&requests[i], shop, i); /* the burst: a nanosecond apart */
        for (int j = 0; j < i; j++) {
            if (requests[j].woken) look_at(&requests[j], i); /* pushed out */
        }
    }
    for (hf_time now = 10 * HF_MILLISECOND; hf_bulkhead_in_flight(backend) > 0; now += HF_MILLISECOND) {
        for (int i = 0; i < REQUESTS; i++) {
            if (requests[i].done_at <= now) finish(&requests[i], now);
        }
        for (int i = 0; i < REQUESTS; i++) {
            if (requests[i].woken) look_at(&requests[i], now);
        }
    }
    hf_pipeline_free(shop);
    hf_bulkhead_free(backend);
    return 0;
}
