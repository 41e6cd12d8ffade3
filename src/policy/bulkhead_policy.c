/* SPDX-License-Identifier: MIT */
#include <holdfast/bulkhead.h>

#include "base/num.h"
#include "core/bulkhead.h"
#include "os/must.h"
#include "os/waiter.h"
#include "policy/bulkhead_line.h"
#include "policy/config_check.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* Lock: `mutex` guards the line and the states of the places in it, and is taken only where somebody waits or is
 * about to. No other lock is taken and no wake runs under it. docs/design/bulkhead.md tells the whole.
 *
 * Words: `word` is moved by compare-exchange, relaxed: it counts, and publishes nothing. `waiting` in it changes
 * under the lock only, together with the line; `taken` and `limit` at any time, by anybody.
 *
 * Order: the answer to a place is stored with release and read with acquire, so that who sees it knows that the
 * wake is over and may let the call's memory go. */
struct hf_bulkhead {
    hf_policy base;
    _Atomic uint64_t word;
    uint32_t max_waiting;
    _Atomic uint32_t wait_ms; /* of those who join from now on; HF__PLACE_FOR_EVER */
    _Atomic uint64_t rejected;
    pthread_mutex_t mutex;
    struct {
        struct hf__line line;
    } locked;
};

#define LONGEST_WAIT_MS 3600000

static hf_bulkhead *bulkhead_of(hf_policy *policy) { return (hf_bulkhead *)(void *)policy; }

static void lock(hf_bulkhead *b) { HF_MUST(pthread_mutex_lock(&b->mutex) == 0); }

static void unlock(hf_bulkhead *b) { HF_MUST(pthread_mutex_unlock(&b->mutex) == 0); }

static bool exchange(hf_bulkhead *b, uint64_t *seen, uint64_t next) {
    return atomic_compare_exchange_weak_explicit(&b->word, seen, next, memory_order_relaxed, memory_order_relaxed);
}

static uint64_t word_of(const hf_bulkhead *b) { return atomic_load_explicit(&b->word, memory_order_relaxed); }

static uint32_t state_of(const struct hf__place *place) {
    return atomic_load_explicit(&place->state, memory_order_acquire);
}

static void set_state(struct hf__place *place, uint32_t state) {
    atomic_store_explicit(&place->state, state, memory_order_release);
}

/* ---- slots that come back ---- */

/* Gives one free slot to the first in line; false when there are not both. */
static bool grant_one(hf_bulkhead *b) {
    lock(b);
    uint64_t seen = word_of(b), next;
    do {
        if (hf__bulkhead_grant(seen, &next)) continue;
        unlock(b);
        return false;
    } while (!exchange(b, &seen, next));
    struct hf__place *place = hf__line_next(&b->locked.line);
    hf__line_leave(&b->locked.line, place);
    set_state(place, HF__PLACE_WAKING);
    unlock(b);
    place->caller->wake(place->caller->wake_arg);
    set_state(place, HF__PLACE_GRANTED);
    return true;
}

/* After a put or a resize that led to `word`. */
static void grant_what_is_free(hf_bulkhead *b, uint64_t word) {
    uint64_t unused;
    if (!hf__bulkhead_grant(word, &unused)) return;
    while (grant_one(b)) continue;
}

static void put(hf_bulkhead *b) {
    uint64_t seen = word_of(b), next;
    do next = hf__bulkhead_put(seen);
    while (!exchange(b, &seen, next));
    grant_what_is_free(b, next);
}

/* ---- the line ---- */

static int turn(hf_bulkhead *b, struct hf_x *x, int32_t reason) {
    atomic_fetch_add_explicit(&b->rejected, 1, memory_order_relaxed);
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

/* Takes the place out of the line; false when it has been granted a slot meanwhile. */
static bool leave_line(hf_bulkhead *b, struct hf__place *place) {
    lock(b);
    bool waits = state_of(place) == HF__PLACE_WAITING;
    if (waits) {
        hf__line_leave(&b->locked.line, place);
        set_state(place, HF__PLACE_NONE);
        uint64_t seen = word_of(b);
        while (!exchange(b, &seen, hf__bulkhead_leave(seen))) continue;
    }
    unlock(b);
    return waits;
}

static int join_line(hf_bulkhead *b, struct hf__place *place, struct hf_x *x) {
    if (b->max_waiting == 0 || x->caller->wake == NULL) return turn(b, x, HF_REASON_FULL);
    if (x->now == HF__NO_TIME) return HF__NEED_NOW;
    lock(b);
    uint64_t seen = word_of(b), next = 0;
    enum hf__join answer;
    do answer = hf__bulkhead_join(seen, b->max_waiting, &next);
    while (answer != HF__JOIN_FULL && !exchange(b, &seen, next));
    if (answer == HF__JOIN_WAITS) {
        place->caller = x->caller;
        place->since = x->now;
        place->wait_ms = atomic_load_explicit(&b->wait_ms, memory_order_relaxed);
        hf__line_join(&b->locked.line, place);
        set_state(place, HF__PLACE_WAITING);
    }
    unlock(b);
    if (answer == HF__JOIN_TAKEN) return HF__PASS;
    return answer == HF__JOIN_FULL ? turn(b, x, HF_REASON_FULL) : park(place, x);
}

/* Asked again: the time of a place that is past its time is over, unless a slot has come after all. */
static int ask_again(hf_bulkhead *b, struct hf__place *place, struct hf_x *x) {
    if (state_of(place) == HF__PLACE_WAITING) {
        if (x->now < gives_up_at(place)) return park(place, x);
        if (leave_line(b, place)) return turn(b, x, HF_REASON_QUEUE_TIMEOUT);
    }
    uint32_t answer = answer_to(place);
    assert(answer == HF__PLACE_GRANTED);
    (void)answer;
    return HF__PASS;
}

/* ---- what the engine asks ---- */

static struct hf__place *place_of(struct hf_frame *frame) { return (struct hf__place *)(void *)frame->word; }

static int bulkhead_admit(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    hf_bulkhead *b = bulkhead_of(policy);
    struct hf__place *place = place_of(frame);
    if (atomic_load_explicit(&place->state, memory_order_relaxed) != HF__PLACE_NONE) return ask_again(b, place, x);
    uint64_t seen = word_of(b), next;
    do {
        if (!hf__bulkhead_take(seen, &next)) return join_line(b, place, x);
    } while (!exchange(b, &seen, next));
    return HF__PASS;
}

static void bulkhead_leave(hf_policy *policy, struct hf_frame *frame, const struct hf_x *x) {
    (void)x;
    hf_bulkhead *b = bulkhead_of(policy);
    struct hf__place *place = place_of(frame);
    if (leave_line(b, place)) return;
    if (answer_to(place) == HF__PLACE_GRANTED) put(b);
}

static int bulkhead_settle(hf_policy *policy, struct hf_frame *frame, struct hf_x *x) {
    (void)frame, (void)x;
    put(bulkhead_of(policy));
    return HF__PASS;
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
    .settle_ok = bulkhead_settle,
    .tell = bulkhead_tell,
    .destroy = bulkhead_destroy,
};

/* ---- the handle ---- */

void hf_bulkhead_config_init(hf_bulkhead_config *config) {
    *config = (hf_bulkhead_config){
        .struct_size = (uint32_t)sizeof *config,
        .max_concurrent = 64,
        .max_waiting = 0,
        .max_wait_ms = 1000,
    };
}

static int check(const char *name, const hf_bulkhead_config *c, hf_error *error) {
    int rc =
        hf__check_range("bulkhead", name, "max_concurrent", c->max_concurrent, 0, HF__BULKHEAD_MAX, 0, NULL, error);
    if (rc == 0) {
        rc = hf__check_range("bulkhead", name, "max_waiting", c->max_waiting, 0, HF__BULKHEAD_MAX, 0, NULL, error);
    }
    if (rc == 0) {
        rc = hf__check_range("bulkhead", name, "max_wait_ms", c->max_wait_ms, 1, LONGEST_WAIT_MS, HF_NEVER, "HF_NEVER",
                             error);
    }
    return rc;
}

static uint32_t narrow_wait(int64_t max_wait_ms) {
    return max_wait_ms == HF_NEVER ? HF__PLACE_FOR_EVER : (uint32_t)max_wait_ms;
}

int hf_bulkhead_new(hf_bulkhead **out_bulkhead, const char *name, const hf_bulkhead_config *config, hf_error *error) {
    hf_bulkhead_config chosen;
    hf_bulkhead_config_init(&chosen);
    void *made = NULL;
    if (out_bulkhead != NULL) *out_bulkhead = NULL;
    int rc = hf__policy_new(out_bulkhead == NULL ? NULL : &made, sizeof(hf_bulkhead), &bulkhead_ops, name, error);
    if (rc == 0) rc = hf__config_copy("bulkhead", name, &chosen, sizeof chosen, config, error);
    if (rc == 0) rc = check(name, &chosen, error);
    hf_bulkhead *b = made;
    assert(rc < 0 || b != NULL);
    if (rc == 0 && pthread_mutex_init(&b->mutex, NULL) != 0) {
        rc = hf__error_set(error, HF_E_SYSTEM, "bulkhead \"%s\": the system gives no mutex", name);
    }
    if (rc < 0) {
        free(made);
        return rc;
    }
    b->base.traits = HF__ADMITS_TIMELESS | HF__SETTLES_TIMELESS;
    atomic_init(&b->word, hf__bulkhead_word(chosen.max_concurrent));
    b->max_waiting = chosen.max_waiting;
    atomic_init(&b->wait_ms, narrow_wait(chosen.max_wait_ms));
    *out_bulkhead = b;
    return 0;
}

void hf_bulkhead_free(hf_bulkhead *bulkhead) { hf__policy_unref(bulkhead == NULL ? NULL : &bulkhead->base); }

hf_policy *hf_bulkhead_policy(hf_bulkhead *bulkhead) { return bulkhead == NULL ? NULL : &bulkhead->base; }

int hf_bulkhead_resize(hf_bulkhead *bulkhead, uint32_t max_concurrent) {
    if (max_concurrent > HF__BULKHEAD_MAX) return HF_E_INVALID;
    uint64_t seen = word_of(bulkhead), next;
    do next = hf__bulkhead_resize(seen, max_concurrent);
    while (!exchange(bulkhead, &seen, next));
    grant_what_is_free(bulkhead, next);
    return 0;
}

int hf_bulkhead_set_max_wait(hf_bulkhead *bulkhead, int64_t max_wait_ms) {
    if (max_wait_ms != HF_NEVER && (max_wait_ms < 1 || max_wait_ms > LONGEST_WAIT_MS)) return HF_E_INVALID;
    atomic_store_explicit(&bulkhead->wait_ms, narrow_wait(max_wait_ms), memory_order_relaxed);
    return 0;
}

uint32_t hf_bulkhead_in_flight(const hf_bulkhead *bulkhead) { return hf__bulkhead_taken(word_of(bulkhead)); }

uint32_t hf_bulkhead_waiting(const hf_bulkhead *bulkhead) { return hf__bulkhead_waiting(word_of(bulkhead)); }

uint64_t hf_bulkhead_rejected(const hf_bulkhead *bulkhead) {
    return atomic_load_explicit(&bulkhead->rejected, memory_order_relaxed);
}
