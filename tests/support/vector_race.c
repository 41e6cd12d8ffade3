/* SPDX-License-Identifier: MIT */
/* Calls of a row whose attempts may overlap: "race[S@200ms S@20ms]", for hedges. */
#include "support/racer.h"
#include "support/vector_world.h"

static struct racer racer;

/* Attempt n is item n of the plan; the last one is the pattern of all further ones. */
static uint32_t script_of(const struct vector_plan *plan, struct racer_attempt *out) {
    uint32_t count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        for (uint32_t k = 0; k < plan->times[i] && count < RACER_MAX; k++) {
            const struct vector_attempt *a = &plan->items[i];
            out[count++] = (struct racer_attempt){a->takes, a->outcome, a->stubborn};
        }
    }
    return count;
}

bool vector_race(struct vector_world *w, const char *list) {
    struct vector_plan plan;
    struct racer_attempt script[RACER_MAX];
    if (!vector_plan_parse(w, list, &plan)) return false;
    uint32_t count = script_of(&plan, script);
    if (count == 0) return vector_fault(w, "syntax: a race needs attempts");
    vector_call_begins(w);
    hf_call_options options;
    hf_call_options_init(&options);
    options.seed = w->seed++;
    if (w->call_deadline != HF_NEVER) options.deadline_at = w->now + w->call_deadline;
    int64_t cancel_after = plan.items[0].cancel_after;
    hf_time cancel_at = cancel_after == HF_NEVER ? HF_NEVER : w->now + cancel_after;
    (void)racer_play(&racer, w->pipeline, &options, w->now, cancel_at, script, count);
    w->result = racer.result;
    w->has_result = true;
    w->second_at = racer.started > 1 ? racer.attempt[2].started_at : HF_NEVER;
    for (uint32_t n = 1; n <= racer.started; n++) w->cancels += racer.attempt[n].stopped;
    w->now = w->ended_at = racer.s.now;
    return true;
}
