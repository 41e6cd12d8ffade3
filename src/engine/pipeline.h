/* SPDX-License-Identifier: MIT */
#ifndef HF_ENGINE_PIPELINE_H
#define HF_ENGINE_PIPELINE_H

/* A pipeline as the engine sees it: policies in order, outermost first, frozen once built (by
 * policy/pipeline_build.c). Only the reference count changes afterwards. */

#include "engine/counters.h"
#include "engine/policy.h"

#include <holdfast/pipeline.h>

#define HF__NO_HEDGE UINT32_MAX

/* Frames of a call: one for every policy, and one more for each inside a hedge. */
#define HF__FRAMES 14

/* One question of the trunk (engine/trunk.h). */
struct hf__trunk_step {
    int (*ask)(hf_policy *policy, struct hf_frame *frame, struct hf_x *x);
    hf_policy *policy;
    uint32_t level;
};

struct hf_pipeline {
    _Atomic uint32_t references;
    uint32_t count;
    uint32_t needs;       /* HF_NEEDS_* */
    uint32_t hedge_level; /* of the policy that may FORK, HF__NO_HEDGE if there is none */
    hf_policy *policies[HF_MAX_POLICIES];
    uint32_t timed_count; /* levels whose policy has a `due`, outermost first: the others set no instant */
    uint8_t timed[HF_MAX_POLICIES];
    /* The trunk: the policies that have a word in a healthy call, outermost first on the way down and
     * innermost first on the way up. Worked out by hf__trunk_lay. */
    bool down_needs_now; /* some policy on the way down, or up, does not cope with HF__NO_TIME */
    bool up_needs_now;
    bool up_is_short; /* all that have a settle have a settle_ok */
    uint32_t down_count;
    uint32_t up_count;
    struct hf__trunk_step down[HF_MAX_POLICIES];
    struct hf__trunk_step up[HF_MAX_POLICIES];
    char name[HF_NAME_MAX + 1];
    _Alignas(64) struct hf__shard shards[HF__SHARDS]; /* the only part that is written to, with the references */
};

/* Works out the trunk of a pipeline whose policies are in place, and what it needs. */
void hf__trunk_lay(hf_pipeline *pipeline);

/* Takes a reference, for drivers that keep the pipeline; hf_pipeline_free gives it back. */
HF_API hf_pipeline *hf__pipeline_ref(hf_pipeline *pipeline);

#endif
