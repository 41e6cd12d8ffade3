/* SPDX-License-Identifier: MIT */
/* What the engine asks of a bulkhead. bulkhead_inside.h says who may write what under which lock. */
#include "base/num.h"
#include "os/waiter.h"
#include "policy/bulkhead_inside.h"
#include "policy/config_check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static hf_bulkhead *bulkhead_of(hf_policy *policy) { return (hf_bulkhead *)(void *)policy; }

static bool exchange(hf_bulkhead *b, uint64_t *seen, uint64_t next) {
    return atomic_compare_exchange_weak_explicit(&b->word, seen, next, memory_order_relaxed, memory_order_relaxed);
}

static uint32_t state_of(const struct hf__place *place) {
    return atomic_load_explicit(&place->state, memory_order_acquire);
}

static void set_state(struct hf__place *place, uint32_t state) {
    atomic_store_explicit(&place->state, state, memory_order_release);
}

/* ---- shares ---- */

static void count_in(hf_bulkhead *b, uint32_t priority) {
    if (b->shares) atomic_fetch_add_explicit(&b->in_use[priority], 1, memory_order_relaxed);
}

static void count_out(hf_bulkhead *b, uint32_t priority) {
    if (b->shares) atomic_fetch_sub_explicit(&b->in_use[priority], 1, memory_order_relaxed);
}

struct hf__owed hf__bulkhead_owed(const hf_bulkhead *b) {
    struct hf__owed owed = {{0}};
    for (uint32_t p = 0; b->shares && p < HF_PRIORITIES; p++) {
        uint32_t used = atomic_load_explicit(&b->in_use[p], memory_order_relaxed);
        if (used < b->guaranteed[p]) owed.slots[p] = b->guaranteed[p] - used;
    }
    return owed;
}

/* ---- slots that come back ---- */

/* A line that has not been empty for so long does not drain. Who waits longest in it is the one whose caller is
 * most likely to have given up, so the newest come first until it has. */
static void judge_line_locked(hf_bulkhead *b, hf_time now) {
    if (!b->adaptive || now == HF__NO_TIME) return;
    b->locked.line.newest_first =
        b->locked.line.total > 0 && hf__left(now, b->locked.busy_since) >= b->overload_after_ns;
}

/* The pace at which the line moves: an average in which the last eight grants count most. */
static void keep_pace_locked(hf_bulkhead *b, hf_time now) {
    if (now == HF__NO_TIME) return;
    int64_t took = hf__left(now, hf__max(b->locked.granted_at, b->locked.busy_since));
    b->locked.granted_at = hf__max(b->locked.granted_at, now);
    if (b->locked.pace_ns == 0) b->locked.pace_ns = took;
    else b->locked.pace_ns += (took - b->locked.pace_ns) / 8;
}

/* Tells one who was taken out of the line what became of it. Afterwards its memory may be gone. */
static void answer(struct hf__place *place, uint32_t state) {
    place->caller->wake(place->caller->wake_arg);
    set_state(place, state);
}

/* Gives one free slot to whose turn it is; false when there is no slot or nobody. */
static bool grant_one(hf_bulkhead *b, hf_time now) {
    hf__bulkhead_lock(b);
    uint64_t seen = hf__bulkhead_look(b), next;
    do {
        if (hf__bulkhead_grant(seen, &next)) continue;
        hf__bulkhead_unlock(b);
        return false;
    } while (!exchange(b, &seen, next));
    struct hf__owed owed = hf__bulkhead_owed(b);
    judge_line_locked(b, now);
    keep_pace_locked(b, now);
    struct hf__place *place = hf__line_next(&b->locked.line, &owed);
    hf__line_leave(&b->locked.line, place);
    count_in(b, place->caller->priority);
    set_state(place, HF__PLACE_WAKING);
    hf__bulkhead_unlock(b);
    answer(place, HF__PLACE_GRANTED);
    return true;
}

/* After a put or a resize that led to `word`. */
static void grant_what_is_free(hf_bulkhead *b, uint64_t word, hf_time now) {
    uint64_t unused;
    if (!hf__bulkhead_grant(word, &unused)) return;
    while (grant_one(b, now)) continue;
}

static void put(hf_bulkhead *b, uint32_t priority, hf_time now) {
    uint64_t seen = hf__bulkhead_look(b), next;
    count_out(b, priority);
    do next = hf__bulkhead_put(seen);
    while (!exchange(b, &seen, next));
    grant_what_is_free(b, next, now);
}

/* ---- the line ---- */

static int turn(hf_bulkhead *b, struct hf_x *x, int32_t reason) {
    atomic_fetch_add_explicit(&b->rejected, 1, memory_order_relaxed);
    if (reason == HF_REASON_QUEUE_TIMEOUT) atomic_fetch_add_explicit(&b->timed_out, 1, memory_order_relaxed);
    if (reason == HF_REASON_SHED) atomic_fetch_add_explicit(&b->shed, 1, memory_order_relaxed);
    x->reason = reason;
    return HF__TURN; /* when a slot comes back is not known */
}

static hf_time gives_up_at(const struct hf__place *place) {
    if (place->wait_ms == HF__PLACE_FOR_EVER) return HF_NEVER;
    return hf__add(place->since, hf__ms_to_ns(place->wait_ms));
}

static int park(const struct hf__place *place, struct hf_x *x) {
    x->at = gives_up_at(place);
    return HF__PARK;
}

/* Waits for the answer that is on its way: as long as it takes to wake a driver. */
static uint32_t answer_to(const struct hf__place *place) {
    uint32_t state = state_of(place);
    for (; state == HF__PLACE_WAKING; state = state_of(place)) hf__yield();
    return state;
}

/* Takes the place out of the line; false when it has left it already and an answer is there or on its way. */
static bool leave_line(hf_bulkhead *b, struct hf__place *place) {
    hf__bulkhead_lock(b);
    bool waits = state_of(place) == HF__PLACE_WAITING;
    if (waits) {
        hf__line_leave(&b->locked.line, place);
        set_state(place, HF__PLACE_NONE);
        uint64_t seen = hf__bulkhead_look(b);
        while (!exchange(b, &seen, hf__bulkhead_leave(seen))) continue;
    }
    hf__bulkhead_unlock(b);
    return waits;
}

static void enter_line_locked(hf_bulkhead *b, struct hf__place *place, const struct hf_x *x) {
    struct hf__line *line = &b->locked.line;
    if (line->total == 0) b->locked.busy_since = x->now;
    judge_line_locked(b, x->now);
    place->caller = x->caller;
    place->since = x->now;
    place->wait_ms = atomic_load_explicit(&b->wait_ms, memory_order_relaxed);
    if (line->newest_first && place->wait_ms > b->overload_wait_ms) place->wait_ms = b->overload_wait_ms;
    hf__line_join(line, place);
    set_state(place, HF__PLACE_WAITING);
}

static int join_line(hf_bulkhead *b, struct hf__place *place, struct hf_x *x) {
    if (b->max_waiting == 0 || x->caller->wake == NULL) return turn(b, x, HF_REASON_FULL);
    if (x->now == HF__NO_TIME) return HF__NEED_NOW;
    struct hf__place *victim = NULL;
    hf__bulkhead_lock(b);
    uint64_t seen = hf__bulkhead_look(b), next = 0;
    enum hf__join joined;
    do joined = hf__bulkhead_join(seen, b->max_waiting, &next);
    while (joined != HF__JOIN_FULL && !exchange(b, &seen, next));
    if (joined == HF__JOIN_FULL) {
        struct hf__owed owed = hf__bulkhead_owed(b);
        victim = hf__line_victim(&b->locked.line, &owed, x->priority);
    }
    if (victim != NULL) {
        hf__line_leave(&b->locked.line, victim);
        set_state(victim, HF__PLACE_WAKING);
        joined = HF__JOIN_WAITS; /* in its place: as many wait as before */
    }
    if (joined == HF__JOIN_WAITS) enter_line_locked(b, place, x);
    hf__bulkhead_unlock(b);
    if (victim != NULL) answer(victim, HF__PLACE_SHED);
    if (joined == HF__JOIN_FULL) return turn(b, x, HF_REASON_FULL);
    if (joined == HF__JOIN_WAITS) return park(place, x);
    count_in(b, x->priority);
    return HF__PASS;
}

/* Asked again: the time of a place that is past its time is over, unless a slot has come after all. */
static int ask_again(hf_bulkhead *b, struct hf__place *place, struct hf_x *x) {
    if (state_of(place) == HF__PLACE_WAITING) {
        if (x->now < gives_up_at(place)) return park(place, x);
        if (leave_line(b, place)) return turn(b, x, HF_REASON_QUEUE_TIMEOUT);
    }
    return answer_to(place) == HF__PLACE_GRANTED ? HF__PASS : turn(b, x, HF_REASON_SHED);
}

/* ---- what the engine asks ---- */

static struct hf__place *place_of(struct hf_frame *frame) { return (struct hf__place *)(void *)frame->word; }

static int bulkhead_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_bulkhead *b = bulkhead_of(policy);
    struct hf__place *place = place_of(frame);
    if (atomic_load_explicit(&place->state, memory_order_relaxed) != HF__PLACE_NONE) return ask_again(b, place, x);
    uint64_t seen = hf__bulkhead_look(b), next;
    do {
        if (!hf__bulkhead_take(seen, &next)) return join_line(b, place, x);
    } while (!exchange(b, &seen, next));
    count_in(b, x->priority);
    return HF__PASS;
}

static void bulkhead_leave(hf_policy *policy, struct hf_frame *frame, const struct hf_x *x) {
    hf_bulkhead *b = bulkhead_of(policy);
    struct hf__place *place = place_of(frame);
    if (leave_line(b, place)) return;
    if (answer_to(place) == HF__PLACE_GRANTED) put(b, x->priority, x->now);
}

static int bulkhead_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame;
    put(bulkhead_of(policy), x->priority, x->now);
    return HF__PASS;
}

/* The time is for those who wait. If somebody joins just now, the line does without it for once. */
static int bulkhead_settle_ok(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    bool wanted = hf__bulkhead_waiting(hf__bulkhead_look(bulkhead_of(policy))) > 0;
    return wanted && x->now == HF__NO_TIME ? HF__NEED_NOW : bulkhead_settle(policy, frame, x);
}

static void bulkhead_tell(const hf_policy *policy, struct hf__facts *facts) {
    const hf_bulkhead *b = (const hf_bulkhead *)(const void *)policy;
    uint32_t ms = atomic_load_explicit(&b->wait_ms, memory_order_relaxed);
    facts->roles = HF__ROLE_HOLDS;
    if (b->max_waiting > 0) facts->line_ns = ms == HF__PLACE_FOR_EVER ? HF_NEVER : hf__ms_to_ns(ms);
}

static void bulkhead_destroy(hf_policy *policy) {
    HF_MUST(pthread_mutex_destroy(&bulkhead_of(policy)->mutex) == 0);
    free(policy);
}

static const struct hf__policy_ops bulkhead_ops = {
    .kind = "bulkhead",
    .admit = bulkhead_admit,
    .leave = bulkhead_leave,
    .settle = bulkhead_settle,
    .settle_ok = bulkhead_settle_ok,
    .tell = bulkhead_tell,
    .destroy = bulkhead_destroy,
};

/* ---- the handle ---- */

static uint32_t narrow_wait(int64_t max_wait_ms) {
    return max_wait_ms == HF_NEVER ? HF__PLACE_FOR_EVER : (uint32_t)max_wait_ms;
}

static void begin(hf_bulkhead *b, const hf_bulkhead_config *c) {
    b->base.traits = HF__ADMITS_TIMELESS | HF__SETTLES_TIMELESS | HF__HOLDS;
    atomic_init(&b->word, hf__bulkhead_word(c->max_concurrent));
    b->max_waiting = c->max_waiting;
    atomic_init(&b->wait_ms, narrow_wait(c->max_wait_ms));
    b->adaptive = c->discipline == HF_QUEUE_ADAPTIVE;
    b->overload_wait_ms = (uint32_t)c->overload_wait_ms;
    b->overload_after_ns = hf__ms_to_ns(c->overload_after_ms);
    memcpy(b->guaranteed, c->guaranteed, sizeof b->guaranteed);
    for (uint32_t p = 0; p < HF_PRIORITIES; p++) b->shares = b->shares || b->guaranteed[p] > 0;
}

int hf_bulkhead_new(hf_bulkhead **out_bulkhead, const char *name, const hf_bulkhead_config *config, hf_error *error) {
    hf_bulkhead_config chosen;
    hf_bulkhead_config_init(&chosen);
    void *made = NULL;
    if (out_bulkhead != NULL) *out_bulkhead = NULL;
    int rc = hf__policy_new(out_bulkhead == NULL ? NULL : &made, sizeof(hf_bulkhead), &bulkhead_ops, name, error);
    if (rc == 0) rc = hf__config_copy("bulkhead", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = hf__bulkhead_check(name, &chosen, error);
    hf_bulkhead *b = made;
    assert(rc < 0 || b != NULL);
    if (rc == 0 && pthread_mutex_init(&b->mutex, NULL) != 0) {
        rc = hf__error_set(error, HF_E_SYSTEM, "bulkhead \"%s\": the system gives no mutex", name);
    }
    if (rc < 0) {
        free(made);
        return rc;
    }
    begin(b, &chosen);
    rc = hf__bulkhead_house(b, &chosen, error);
    if (rc < 0) {
        hf_bulkhead_free(b);
        return rc;
    }
    *out_bulkhead = b;
    return 0;
}

void hf_bulkhead_free(hf_bulkhead *bulkhead) { hf__policy_unref(bulkhead == NULL ? NULL : &bulkhead->base); }

hf_policy *hf_bulkhead_policy(hf_bulkhead *bulkhead) { return bulkhead == NULL ? NULL : &bulkhead->base; }

int hf_bulkhead_resize(hf_bulkhead *bulkhead, uint32_t max_concurrent) {
    if (max_concurrent > HF__BULKHEAD_MAX) return HF_E_INVALID;
    if (bulkhead->leases.region != NULL) {
        if (max_concurrent > bulkhead->leases.capacity) return HF_E_INVALID;
        hf__leases_resize(&bulkhead->leases, max_concurrent);
        return 0;
    }
    uint64_t seen = hf__bulkhead_look(bulkhead), next;
    do next = hf__bulkhead_resize(seen, max_concurrent);
    while (!exchange(bulkhead, &seen, next));
    grant_what_is_free(bulkhead, next, HF__NO_TIME);
    return 0;
}

int hf_bulkhead_set_max_wait(hf_bulkhead *bulkhead, int64_t max_wait_ms) {
    if (max_wait_ms != HF_NEVER && (max_wait_ms < 1 || max_wait_ms > HF__BULKHEAD_LONGEST_WAIT_MS)) return HF_E_INVALID;
    atomic_store_explicit(&bulkhead->wait_ms, narrow_wait(max_wait_ms), memory_order_relaxed);
    return 0;
}
