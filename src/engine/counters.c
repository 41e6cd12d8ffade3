/* SPDX-License-Identifier: MIT */
#include "engine/counters.h"

#include "engine/pipeline.h"

#include <holdfast/stats.h>

#include <stddef.h>
#include <string.h>

static void add(_Atomic uint64_t *counter, uint64_t n) { atomic_fetch_add_explicit(counter, n, memory_order_relaxed); }

static enum hf__end_kind ending_of(const struct hf__ended *e) {
    switch (e->status) {
    case HF_OK:
        if (e->flags & HF_RESULT_FALLBACK) return HF__ENDED_FALLBACK;
        if (e->flags & HF_RESULT_LATE) return HF__ENDED_OK_LATE;
        return e->attempts > 1 ? HF__ENDED_OK_AGAIN : HF__ENDED_OK;
    case HF_E_REJECTED: return HF__ENDED_REJECTED;
    case HF_E_TIMEOUT: return HF__ENDED_TIMEOUT;
    case HF_E_CANCELLED: return HF__ENDED_CANCELLED;
    default: return HF__ENDED_FAILED;
    }
}

void hf__count(struct hf__shard *shards, uint32_t shard, const struct hf__ended *e) {
    struct hf__shard *s = &shards[shard % HF__SHARDS];
    enum hf__end_kind ending = ending_of(e);
    add(&s->ended[ending], 1);
    if (e->attempts > 1) add(&s->further_attempts, e->attempts - 1);
    if (e->attempts == 0) add(&s->no_attempt, 1);
    if (e->flags & HF_RESULT_BUDGET_DENIED) add(&s->budget_denied, 1);
    if (ending < HF__ENDED_FALLBACK) return;
    if (e->reason >= 0 && e->reason < HF__REASONS) add(&s->reason[e->reason], 1);
    if (e->place < HF_MAX_POLICIES) add(&s->policy[e->place], 1);
}

/* One number of every shard, at `offset` in each. */
static uint64_t sum(const hf_pipeline *pipeline, size_t offset) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < HF__SHARDS; i++) {
        const char *shard = (const char *)&pipeline->shards[i];
        total += atomic_load_explicit((const _Atomic uint64_t *)(const void *)(shard + offset), memory_order_relaxed);
    }
    return total;
}

#define SUM(member) sum(pipeline, offsetof(struct hf__shard, member))

int hf_pipeline_stats_read(const hf_pipeline *pipeline, hf_pipeline_stats *out_stats) {
    if (out_stats->struct_size < sizeof *out_stats) return HF_E_INVALID;
    uint32_t size = out_stats->struct_size;
    memset(out_stats, 0, sizeof *out_stats);
    out_stats->struct_size = size;
    out_stats->policies = pipeline->count;
    out_stats->late = SUM(ended[HF__ENDED_OK_LATE]);
    out_stats->successes = SUM(ended[HF__ENDED_OK]) + SUM(ended[HF__ENDED_OK_AGAIN]) + out_stats->late;
    out_stats->fallbacks = SUM(ended[HF__ENDED_FALLBACK]);
    out_stats->failed = SUM(ended[HF__ENDED_FAILED]);
    out_stats->rejected = SUM(ended[HF__ENDED_REJECTED]);
    out_stats->timed_out = SUM(ended[HF__ENDED_TIMEOUT]);
    out_stats->cancelled = SUM(ended[HF__ENDED_CANCELLED]);
    out_stats->calls = out_stats->successes + out_stats->fallbacks + out_stats->failed + out_stats->rejected +
                       out_stats->timed_out + out_stats->cancelled;
    out_stats->further_attempts = SUM(further_attempts);
    uint64_t none = SUM(no_attempt);
    out_stats->attempts = out_stats->further_attempts;
    if (out_stats->calls > none) out_stats->attempts += out_stats->calls - none;
    out_stats->budget_denied = SUM(budget_denied);
    for (uint32_t i = 0; i < HF__REASONS; i++) out_stats->by_reason[i] = SUM(reason[i]);
    for (uint32_t i = 0; i < pipeline->count; i++) out_stats->by_policy[i] = SUM(policy[i]);
    return 0;
}

const char *hf_pipeline_policy_name(const hf_pipeline *pipeline, uint32_t place) {
    return place < pipeline->count ? pipeline->policies[place]->name : NULL;
}

const char *hf_pipeline_policy_kind(const hf_pipeline *pipeline, uint32_t place) {
    return place < pipeline->count ? pipeline->policies[place]->ops->kind : NULL;
}
