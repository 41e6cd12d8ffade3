/* SPDX-License-Identifier: MIT */
#include "drive/run_options.h"

#include "base/given.h"
#include "drive/clock.h"
#include "drive/seed.h"

#include <string.h>

void hf_run_options_init(hf_run_options *options) {
    memset(options, 0, sizeof *options);
    options->struct_size = (uint32_t)sizeof *options;
    options->priority = HF_PRIORITY_NORMAL;
    options->deadline_at = HF_NEVER;
    options->timeout_ns = HF_NEVER;
    options->seed = HF_SEED_AUTO;
    options->weight = 1;
}

bool hf__run_options_resolve(hf_run_options *out, const hf_run_options *given) {
    hf_run_options_init(out);
    if (!hf__given_copy(out, sizeof *out, given)) return false;
    if (out->priority >= HF_PRIORITIES || out->weight > HF_WEIGHT_MAX) return false;
    out->clock = hf__clock_or_default(out->clock);
    if (out->seed == HF_SEED_AUTO) out->seed = hf__seed_next();
    return true;
}
