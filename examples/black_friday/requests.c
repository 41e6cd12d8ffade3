/* SPDX-License-Identifier: MIT */
#include "requests.h"

#include <stdio.h>

static size_t ignore(char *data, size_t size, size_t count, void *arg) {
    (void)data, (void)arg;
    return size * count;
}

static CURL *request_new(const char *url, const char *path) {
    char full[128];
    snprintf(full, sizeof full, "%s%s", url, path);
    CURL *easy = curl_easy_init();
    if (easy == NULL) return NULL;
    curl_easy_setopt(easy, CURLOPT_URL, full);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    return easy;
}

bool requests_open(struct requests *requests, const char *url) {
    *requests = (struct requests){.inventory = request_new(url, "/inventory"),
                                  .payments = request_new(url, "/payments"),
                                  .recommendations = request_new(url, "/recommendations")};
    if (requests->inventory == NULL || requests->payments == NULL || requests->recommendations == NULL) {
        requests_close(requests);
        return false;
    }
    curl_easy_setopt(requests->payments, CURLOPT_COPYPOSTFIELDS, "amount=4999&currency=EUR");
    return true;
}

void requests_close(struct requests *requests) {
    curl_easy_cleanup(requests->inventory);
    curl_easy_cleanup(requests->payments);
    curl_easy_cleanup(requests->recommendations);
    curl_slist_free_all(requests->payment_headers);
    *requests = (struct requests){0};
}

bool requests_set_order(struct requests *requests, const struct order *order) {
    char header[32];
    snprintf(header, sizeof header, "X-Order: %d", order->id);
    curl_slist_free_all(requests->payment_headers);
    requests->payment_headers = curl_slist_append(NULL, header);
    curl_easy_setopt(requests->payments, CURLOPT_HTTPHEADER, requests->payment_headers);
    return requests->payment_headers != NULL;
}
