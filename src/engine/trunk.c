/* SPDX-License-Identifier: MIT */
#include "engine/trunk.h"

static void add(struct hf__trunk_step *list, uint32_t *count, hf_policy *policy, uint32_t level,
                int (*ask)(hf_policy *, struct hf_frame *, struct hf_x *)) {
    list[(*count)++] = (struct hf__trunk_step){.ask = ask, .policy = policy, .level = level};
}

void hf__trunk_lay(hf_pipeline *p) {
    p->down_count = p->up_count = 0;
    p->down_needs_now = p->up_needs_now = false;
    p->up_is_short = true;
    p->needs = 0;
    p->hedge_level = HF__NO_HEDGE;
    p->timed_count = 0;
    for (uint32_t level = 0; level < p->count; level++) {
        hf_policy *policy = p->policies[level];
        if (policy->traits & HF__FORKS) {
            p->needs |= HF_NEEDS_OVERLAP;
            p->hedge_level = level;
        }
        if (policy->ops->due != NULL) p->timed[p->timed_count++] = (uint8_t)level;
        if (policy->ops->admit == NULL) continue;
        add(p->down, &p->down_count, policy, level, policy->ops->admit);
        if (!(policy->traits & HF__ADMITS_TIMELESS)) p->down_needs_now = true;
    }
    for (uint32_t level = p->count; level-- > 0;) {
        hf_policy *policy = p->policies[level];
        if (policy->ops->settle == NULL || policy->ops->settle_ok == hf__nothing_on_success) continue;
        if (policy->ops->settle_ok == NULL) {
            p->up_is_short = false;
            continue;
        }
        add(p->up, &p->up_count, policy, level, policy->ops->settle_ok);
        if (!(policy->traits & HF__SETTLES_TIMELESS)) p->up_needs_now = true;
    }
}

/* Fills in the call as it is when `level` policies have admitted it. */
static struct hf__call *leave_at(struct hf__trunk *t, uint32_t level) {
    struct hf__call *c = t->call;
    hf__call_open(c, t->pipeline, t->options, t->x.now);
    c->branch[0].level = (uint8_t)level;
    c->flags = t->x.flags;
    for (uint32_t i = 0; i < level; i++) {
        if (t->pipeline->policies[i]->ops->admit == NULL) hf__frame_clear(&c->frame[i]);
    }
    return c;
}

int hf__trunk_down(struct hf__trunk *t) {
    const hf_pipeline *p = t->pipeline;
    for (; t->asked < p->down_count; t->asked++) {
        const struct hf__trunk_step *step = &p->down[t->asked];
        if (hf__policy_mode(step->policy) != HF_SWITCH_NORMAL) {
            (void)leave_at(t, step->level); /* asked on the general path */
            return HF__TRUNK_LEFT;
        }
        struct hf_frame *frame = &t->call->frame[step->level];
        hf__frame_clear(frame);
        t->x.at = HF_NEVER;
        int verdict = step->ask(step->policy, frame, &t->x);
        if (verdict == HF__NEED_NOW) return HF__TRUNK_NEED_NOW;
        if (verdict != HF__PASS || t->x.at <= t->x.now) {
            struct hf__call *c = leave_at(t, step->level);
            hf__branch_admitted(c, &c->branch[0], verdict, &t->x);
            return HF__TRUNK_LEFT;
        }
        frame->at = t->x.at;
        if (frame->at < t->x.deadline) t->x.deadline = frame->at;
    }
    return HF__TRUNK_GOES;
}

int hf__trunk_up(struct hf__trunk *t) {
    const hf_pipeline *p = t->pipeline;
    for (; t->asked < p->up_count; t->asked++) {
        const struct hf__trunk_step *step = &p->up[t->asked];
        t->x.at = HF_NEVER;
        if (step->ask(step->policy, &t->call->frame[step->level], &t->x) == HF__NEED_NOW) return HF__TRUNK_NEED_NOW;
    }
    return HF__TRUNK_GOES;
}

void hf__trunk_leave(struct hf__trunk *t, hf_time started_at) {
    struct hf__call *c = leave_at(t, t->pipeline->count);
    hf__branch_started(c, &c->branch[0], started_at);
}
