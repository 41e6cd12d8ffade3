/* SPDX-License-Identifier: MIT */
#include "engine/call_state.h"

#include "base/given.h"
#include "base/num.h"

#include <assert.h>
#include <string.h>

/* A call from begin to end. What moves inside it is in branch.c, what comes in from attempts in report.c. */

static struct hf__call *inside(hf_call *call) { return (struct hf__call *)(void *)call; }

int hf_call_step(hf_call *call, hf_step *out_step, hf_time now) {
    struct hf__call *c = inside(call);
    assert(c->magic == HF__CALL_MAGIC);
    memset(out_step, 0, sizeof *out_step);
    out_step->at = out_step->deadline_at = HF_NEVER;
    c->now = hf__max(c->now, now);
    bool moved = true;
    while (moved) { /* one branch's move may free the other: only when neither moves is there nothing to do */
        hf__call_take_cancel(c);
        hf__call_take_due(c, true);
        moved = false;
        for (uint32_t i = 0; i < c->branches; i++) {
            int kind = hf__branch_move(c, &c->branch[i], out_step, &moved);
            if (kind != 0) return out_step->kind = kind;
        }
        if (c->branch[0].phase == HF__DONE) return out_step->kind = HF_STEP_DONE;
    }
    out_step->at = hf__call_wait_until(c);
    return out_step->kind = HF_STEP_WAIT;
}

int hf_call_commit(hf_call *call, uint32_t attempt) {
    struct hf__call *c = inside(call);
    struct hf__branch *b = c->magic == HF__CALL_MAGIC ? hf__call_running(c, attempt) : NULL;
    if (b == NULL || b->lost || b->in_fallback) return HF_E_STATE;
    c->committed = true;
    if (c->branches == 2) hf__branch_lose(c, &c->branch[b == &c->branch[0]]);
    return 0;
}

void hf_call_cancel(hf_call *call) { atomic_store_explicit(&inside(call)->cancel_requested, 1, memory_order_release); }

/* Settles what is open as neutral, as if the caller had cancelled; an outcome already reported stands. */
static void abandon(struct hf__call *c) {
    hf_step step;
    c->ended = HF_REASON_CANCELLED;
    for (uint32_t i = 0; i < c->branches; i++) {
        struct hf__branch *b = &c->branch[i];
        hf__branch_interrupt(c, b, HF__NO_LEVEL, HF_REASON_CANCELLED);
        if (b->phase == HF__RUNNING) hf__branch_report(c, b, hf_neutral(0));
    }
    int kind = hf_call_step((hf_call *)(void *)c, &step, c->now);
    assert(kind == HF_STEP_DONE);
    (void)kind;
}

/* Which shard: calls of different threads lie in different stacks or blocks. */
static uint32_t shard_of(const struct hf__call *c) {
    return (uint32_t)((uint64_t)(uintptr_t)c * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static void count_end(const struct hf__call *c, int status) {
    const struct hf__branch *b = &c->branch[0];
    const struct hf__ended ended = {
        .status = status,
        .reason = b->reason,
        .place = b->reason_level,
        .flags = c->flags,
        .attempts = c->attempts,
    };
    hf__count(c->pipeline->shards, shard_of(c), &ended);
}

int hf_call_end(hf_call *call, hf_result *out_result) {
    struct hf__call *c = inside(call);
    if (c->magic != HF__CALL_MAGIC) return HF_E_STATE;
    if (c->branch[0].phase != HF__DONE) abandon(c);
    int status = hf__call_status(c);
    count_end(c, status);
    if (out_result != NULL) hf_call_result(call, out_result);
    c->magic = 0;
    return status;
}

void hf_call_options_init(hf_call_options *options) {
    memset(options, 0, sizeof *options);
    options->struct_size = (uint32_t)sizeof *options;
    options->priority = HF_PRIORITY_NORMAL;
    options->weight = 1;
    options->deadline_at = HF_NEVER;
}

void hf__call_open(struct hf__call *c, hf_pipeline *pipeline, const hf_call_options *options, hf_time now) {
    atomic_init(&c->cancel_requested, 0);
    c->magic = HF__CALL_MAGIC;
    c->pipeline = pipeline;
    c->now = now;
    c->deadline_at = options->deadline_at;
    c->flags = c->serial = c->attempts = c->reported = 0;
    c->committed = false;
    c->keeper = NULL;
    c->ended = HF_REASON_NONE;
    c->fork_level = HF__NO_LEVEL;
    c->branches = 1;
    c->options = (uint8_t)options->flags;
    c->last = hf_neutral(0);
    c->branch[0] = (struct hf__branch){
        .resume_at = HF_NEVER,
        .retry_at = HF_NEVER,
        .outcome = hf_neutral(0),
        .reason_level = HF__NO_LEVEL,
        .cut_level = HF__NO_LEVEL,
        .phase = HF__ADMIT,
        .rejected = true, /* until an attempt starts */
    };
}

int hf_call_begin(hf_call *call, hf_pipeline *pipeline, const hf_call_options *options, hf_time now) {
    hf_call_options chosen;
    hf_call_options_init(&chosen);
    if (call == NULL || pipeline == NULL) return HF_E_INVALID;
    if (!hf__given_copy(&chosen, sizeof chosen, options)) return HF_E_INVALID;
    if (chosen.priority >= HF_PRIORITIES || chosen.weight > HF_WEIGHT_MAX) return HF_E_INVALID;
    if (chosen.flags > (HF_CALL_OVERLAP | HF_CALL_ONCE)) return HF_E_INVALID;
    if ((pipeline->needs & HF_NEEDS_OVERLAP) && !(chosen.flags & HF_CALL_OVERLAP)) return HF_E_UNSUPPORTED;
    hf__call_claim(inside(call), &chosen);
    hf__call_open(inside(call), pipeline, &chosen, now);
    return 0;
}
