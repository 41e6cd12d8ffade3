/* SPDX-License-Identifier: MIT */
/* A rate limit for each user: two requests a second with a burst of three, and no more than ten a minute, whoever asks. One
 * eager user is turned away, told when to come back, and nobody else notices. The clock is a counter, so it prints the
 * same every time.
 *
 *     build/release/examples/per_user_rate_limit
 */
#include <holdfast/holdfast.h>

#include <stdio.h>

static void forgotten(void *arg, const hf_rate_eviction *event) {
    (void)arg;
    printf("          (no room for more users: one was forgotten for %s)\n", event->for_key);
}

static hf_rate_limit *make_limit(void) {
    hf_rate_limit_config config;
    hf_rate_limit_config_init(&config);
    config.tiers = 2;
    config.tier[0] = (hf_rate_tier){.permits = 2, .burst = 3, .period_ms = 1000};
    config.tier[1] = (hf_rate_tier){.permits = 10, .burst = 10, .period_ms = 60000};
    config.max_keys = 3; /* a million fit into 40 MB */
    config.on_evict = forgotten;
    hf_rate_limit *limit;
    hf_error error;
    if (hf_rate_limit_new(&limit, "requests", &config, &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        return NULL;
    }
    return limit;
}

static void request(hf_rate_limit *limit, const char *user, hf_time now) {
    hf_rate_ticket ticket;
    int rc = hf_rate_limit_take(limit, &ticket, user, 1, 0, now);
    printf("%5lld ms  %s: ", (long long)(now / HF_MILLISECOND), user);
    if (rc == 0) {
        printf("200 (%lld left)\n", (long long)hf_rate_limit_available(limit, user, now));
        return;
    }
    /* Exact: at that instant, and not before, a permit is there. */
    printf("429 Retry-After in %lld ms\n", (long long)((ticket.at - now) / HF_MILLISECOND));
}

int main(void) {
    hf_rate_limit *limit = make_limit();
    if (limit == NULL) return 1;
    for (int i = 0; i < 5; i++) request(limit, "ada", 0);
    request(limit, "ben", 0);
    request(limit, "ada", 500 * HF_MILLISECOND);
    for (int second = 1; second <= 5; second++) {
        for (int i = 0; i < 2; i++) request(limit, "ada", second * HF_SECOND);
    }
    request(limit, "cleo", 6 * HF_SECOND);
    request(limit, "dora", 6 * HF_SECOND);
    hf_rate_limit_free(limit);
    return 0;
}
