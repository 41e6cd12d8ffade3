/* SPDX-License-Identifier: MIT */
#include <holdfast/client.h>

#include "engine/pipeline.h"
#include "http/client_core.h"
#include "http/cures.h"
#include "http/libcurl_ready.h"
#include "os/error_text.h"
#include "os/fork_generation.h"
#include "os/sigpipe.h"

#include <stdlib.h>
#include <string.h>

/* What a child inherits through fork belongs to the parent: it is neither used nor freed there, only kept reachable. */
static _Atomic(struct hf__core *) inherited;

static void abandon(struct hf__core *core) {
    core->abandoned = atomic_load(&inherited);
    while (!atomic_compare_exchange_weak(&inherited, &core->abandoned, core)) continue;
}

static int refuse(const hf_client *client, int code, const char *what, hf_error *error) {
    return hf__error_set(error, code, "client \"%s\": %s", client->setup.name, what);
}

struct hf__core *hf__client_core(hf_client *client, hf_error *error) {
    struct hf__core *core = atomic_load_explicit(&client->core, memory_order_acquire);
    if (core->generation == hf__fork_generation() || !HF__CURED(12)) return core;
    struct hf__core *fresh = hf__core_new(&client->setup);
    if (fresh == NULL) {
        (void)refuse(client, HF_E_SYSTEM, "the system gives no thread or descriptor after fork", error);
        return NULL;
    }
    if (atomic_compare_exchange_strong(&client->core, &core, fresh)) {
        abandon(core);
        return fresh;
    }
    hf__core_free(fresh); /* another thread of the child was first */
    return core;
}

int hf_client_new(hf_client **out_client, const char *name, hf_pipeline *pipeline, const hf_client_config *config,
                  hf_error *error) {
    if (out_client == NULL) return hf__error_set(error, HF_E_INVALID, "hf_client_new: out_client is NULL");
    *out_client = NULL;
    if (pipeline == NULL) return hf__error_set(error, HF_E_INVALID, "hf_client_new: pipeline is NULL");
    int rc = hf__libcurl_ready("hf_client_new", error);
    if (rc < 0) return rc;
    hf_client *client = calloc(1, sizeof *client);
    if (client == NULL) return hf__error_set(error, HF_E_NOMEM, "hf_client_new: no memory for a client");
    rc = hf__client_setup_init(&client->setup, name, config, error);
    if (rc < 0) {
        free(client);
        return rc;
    }
    struct hf__core *core = hf__core_new(&client->setup);
    if (core == NULL) {
        rc = refuse(client, HF_E_SYSTEM, "the system gives no memory, thread or descriptor", error);
        hf__client_setup_fini(&client->setup);
        free(client);
        return rc;
    }
    atomic_init(&client->core, core);
    client->pipeline = hf__pipeline_ref(pipeline);
    *out_client = client;
    return 0;
}

void hf_client_free(hf_client *client) {
    if (client == NULL) return;
    struct hf__core *core = atomic_load_explicit(&client->core, memory_order_acquire);
    struct hf__sigpipe pipe; /* a goodbye on a dead TLS connection; without loop threads it is said here */
    hf__sigpipe_block(&pipe);
    if (core->generation == hf__fork_generation()) hf__core_free(core);
    else abandon(core);
    hf__sigpipe_restore(&pipe);
    hf_pipeline_free(client->pipeline);
    hf__client_setup_fini(&client->setup);
    free(client);
}

uint32_t hf_client_in_flight(const hf_client *client) {
    const struct hf__core *core = atomic_load_explicit(&client->core, memory_order_acquire);
    uint32_t count = 0;
    if (core->generation != hf__fork_generation()) return 0;
    for (uint32_t i = 0; i < core->lane_count; i++) {
        count += atomic_load_explicit(&core->lanes[i]->in_flight, memory_order_relaxed);
    }
    return count;
}
