/* SPDX-License-Identifier: MIT */
#include "http/client_core.h"

#include "base/num.h"
#include "os/fork_generation.h"
#include "os/must.h"

#include <sched.h>
#include <stdlib.h>

/* Lanes share look-ups and TLS sessions. Connections are not shared: libcurl cannot, across threads. */
static void lock_share(CURL *easy, curl_lock_data data, curl_lock_access access, void *arg) {
    struct hf__core *core = arg;
    (void)easy, (void)access;
    HF_MUST(pthread_mutex_lock(&core->share_mutex[data]) == 0);
}

static void unlock_share(CURL *easy, curl_lock_data data, void *arg) {
    struct hf__core *core = arg;
    (void)easy;
    HF_MUST(pthread_mutex_unlock(&core->share_mutex[data]) == 0);
}

static bool make_share(struct hf__core *core) {
    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++) HF_MUST(pthread_mutex_init(&core->share_mutex[i], NULL) == 0);
    core->share = curl_share_init();
    if (core->share == NULL) return false;
    (void)curl_share_setopt(core->share, CURLSHOPT_LOCKFUNC, lock_share);
    (void)curl_share_setopt(core->share, CURLSHOPT_UNLOCKFUNC, unlock_share);
    (void)curl_share_setopt(core->share, CURLSHOPT_USERDATA, core);
    (void)curl_share_setopt(core->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    (void)curl_share_setopt(core->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return true;
}

static bool start_threads(struct hf__core *core, const struct hf__client_setup *setup) {
    core->threads = calloc(setup->config.threads, sizeof *core->threads);
    if (core->threads == NULL) return false;
    for (uint32_t i = 0; i < setup->config.threads; i++) {
        if (!hf__lane_thread_start(&core->threads[i], setup, core->resolver, core->share)) return false;
        core->lanes[core->lane_count++] = &core->threads[i].lane;
    }
    return true;
}

static bool make_lanes(struct hf__core *core, const struct hf__client_setup *setup) {
    core->lanes = calloc(setup->config.threads, sizeof *core->lanes);
    if (core->lanes == NULL) return false;
    if (setup->config.hooks == NULL) return start_threads(core, setup);
    if (!hf__lane_init(&core->single, setup, core->resolver, core->share, &setup->hooks, NULL)) return false;
    core->lanes[core->lane_count++] = &core->single;
    return true;
}

struct hf__core *hf__core_new(const struct hf__client_setup *setup) {
    struct hf__core *core = calloc(1, sizeof *core);
    if (core == NULL) return NULL;
    core->generation = hf__fork_generation();
    core->resolver =
        hf__resolver_new(setup->config.resolver_threads, hf__mul(setup->config.resolver_ttl_ms, HF_MILLISECOND));
    if (make_share(core) && core->resolver != NULL && make_lanes(core, setup)) return core;
    hf__core_free(core);
    return NULL;
}

bool hf__core_enter(struct hf__core *core) {
    if ((atomic_fetch_add(&core->door, 1) & HF__CORE_CLOSED) == 0) return true;
    hf__core_leave(core);
    return false;
}

void hf__core_leave(struct hf__core *core) { atomic_fetch_sub(&core->door, 1); }

/* Only callbacks of the lanes can still come here: a short wait. */
static void close_door(struct hf__core *core) {
    atomic_fetch_or(&core->door, HF__CORE_CLOSED);
    while (atomic_load(&core->door) != HF__CORE_CLOSED) (void)sched_yield();
}

void hf__core_free(struct hf__core *core) {
    close_door(core);
    for (uint32_t i = 0; i < core->lane_count; i++) {
        if (core->threads != NULL) {
            hf__lane_thread_stop(&core->threads[i]);
            continue;
        }
        hf__lane_fini(&core->single);
        hf__lane_close(&core->single);
    }
    hf__resolver_free(core->resolver);
    if (core->share != NULL) (void)curl_share_cleanup(core->share);
    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++) HF_MUST(pthread_mutex_destroy(&core->share_mutex[i]) == 0);
    free(core->threads);
    free(core->lanes);
    free(core);
}
