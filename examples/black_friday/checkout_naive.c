/* SPDX-License-Identifier: MIT */
/* The checkout as it is often written: every request has a timeout of a second, and whatever fails is tried
 * again at once, three times. Nothing is wrong with it until payments is slower than the timeout. */
#include "requests.h"

#include <stdlib.h>

#define ATTEMPTS 4
#define TIMEOUT_MS 1000

struct naive {
    const char *url;
    struct requests requests;
};

/* `attempts` (may be NULL) counts. When the shop closes the demo is over: no attempt outlasts that. */
static bool call(CURL *easy, hf_time closing_at, uint32_t *attempts) {
    for (int i = 0; i < ATTEMPTS; i++) {
        int64_t left_ms = (closing_at - hf_clock_now(NULL)) / HF_MILLISECOND;
        if (left_ms < 1) return false;
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms < TIMEOUT_MS ? (long)left_ms : TIMEOUT_MS);
        if (attempts != NULL) ++*attempts;
        long status = 0;
        if (curl_easy_perform(easy) != CURLE_OK) continue;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (status == 200) return true;
    }
    return false;
}

static enum step run(void *session, struct order *order, hf_time closing_at) {
    struct requests *requests = &((struct naive *)session)->requests;
    if (!call(requests->inventory, closing_at, NULL)) return STEP_INVENTORY;

    if (!requests_set_order(requests, order)) return STEP_PAYMENT;
    order->charging_at = hf_clock_now(NULL);
    if (!call(requests->payments, closing_at, &order->attempts)) return STEP_PAYMENT;
    order->paid_at = hf_clock_now(NULL);

    (void)call(requests->recommendations, closing_at, NULL); /* a page without them is still a page */
    return STEP_NONE;
}

static void *open_naive(const char *url, bool policies, struct journal *journal) {
    (void)policies, (void)journal;
    struct naive *naive = calloc(1, sizeof *naive);
    if (naive != NULL) naive->url = url;
    return naive;
}

static void *session_new(void *context) {
    struct naive *naive = calloc(1, sizeof *naive);
    if (naive == NULL) return NULL;
    if (requests_open(&naive->requests, ((struct naive *)context)->url)) return naive;
    free(naive);
    return NULL;
}

static void session_free(void *session) {
    requests_close(&((struct naive *)session)->requests);
    free(session);
}

const struct checkout checkout_naive = {
    .name = "naive",
    .what = "plain libcurl, 1 s timeout, three immediate retries",
    .open = open_naive,
    .close = free,
    .session_new = session_new,
    .session_free = session_free,
    .run = run,
};
