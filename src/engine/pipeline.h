/* SPDX-License-Identifier: MIT */
#ifndef HF_ENGINE_PIPELINE_H
#define HF_ENGINE_PIPELINE_H

/* A pipeline as the engine sees it: policies in order, outermost first, frozen once built (by
 * policy/pipeline_build.c). Only the reference count changes afterwards. */

#include "engine/policy.h"

#include <holdfast/pipeline.h>

struct hf_pipeline {
    _Atomic uint32_t references;
    uint32_t count;
    hf_policy *policies[HF_MAX_POLICIES];
    char name[HF_NAME_MAX + 1];
};

/* Takes a reference, for drivers that keep the pipeline; hf_pipeline_free gives it back. */
HF_API hf_pipeline *hf__pipeline_ref(hf_pipeline *pipeline);

#endif
