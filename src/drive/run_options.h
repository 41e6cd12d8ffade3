/* SPDX-License-Identifier: MIT */
#ifndef HF_DRIVE_RUN_OPTIONS_H
#define HF_DRIVE_RUN_OPTIONS_H

#include "base/num.h"

#include <holdfast/call.h>
#include <holdfast/run.h>

/* Fills in what the caller left to us, clock and seed included; false for options of an unknown size or out of
 * their range. */
bool hf__run_options_resolve(hf_run_options *out, const hf_run_options *given);

/* What they mean to the engine, from `now` on (any value when there is no timeout). */
static inline hf_call_options hf__run_options_to_call(const hf_run_options *o, hf_time now) {
    return (hf_call_options){
        .struct_size = (uint32_t)sizeof(hf_call_options),
        .priority = o->priority,
        .deadline_at = hf__min(o->deadline_at, hf__add(now, hf__max(o->timeout_ns, 0))),
        .seed = o->seed,
        .tag = o->tag,
        .key = o->key,
        .weight = o->weight,
    };
}

#endif
