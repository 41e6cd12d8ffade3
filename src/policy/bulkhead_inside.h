/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_BULKHEAD_INSIDE_H
#define HF_POLICY_BULKHEAD_INSIDE_H

/* What the files of the bulkhead share. */

#include "core/bulkhead.h"
#include "os/must.h"
#include "policy/bulkhead_leases.h"
#include "policy/bulkhead_line.h"

#include <holdfast/bulkhead.h>

#include <pthread.h>

/* Lock: `mutex` guards the line and the states of the places in it, and is taken only where somebody waits or is
 * about to. No other lock is taken and no wake runs under it. docs/design/bulkhead.md tells the whole.
 *
 * Words: `word` is moved by compare-exchange, relaxed: it counts, and publishes nothing. `waiting` in it changes
 * under the lock only, together with the line; `taken` and `limit` at any time, by anybody. `in_use` counts the
 * slots of each priority, and only in a bulkhead with guaranteed shares; it follows the word at a small distance,
 * which can make a slot go to the wrong priority for once, but never to nobody.
 *
 * Order: the answer to a place is stored with release and read with acquire, so that who sees it knows that the
 * wake is over and may let the call's memory go. */
struct hf_bulkhead {
    hf_policy base;
    _Atomic uint64_t word;
    uint32_t max_waiting;
    _Atomic uint32_t wait_ms; /* of those who join from now on; HF__PLACE_FOR_EVER */
    bool adaptive;
    bool shares; /* some priority is guaranteed something */
    uint32_t overload_wait_ms;
    int64_t overload_after_ns;
    uint32_t guaranteed[HF_PRIORITIES];
    _Atomic uint32_t in_use[HF_PRIORITIES];
    _Atomic uint64_t rejected, timed_out, shed; /* the first counts all three kinds */
    pthread_mutex_t mutex;
    struct {
        struct hf__line line;
        hf_time busy_since; /* when the first joined that found nobody waiting */
        hf_time granted_at; /* the last grant in this time */
        int64_t pace_ns;    /* from one grant to the next while somebody waits, on average; 0: not known */
    } locked;
    struct hf__leases leases; /* instead of all this when leases.region is not NULL: bulkhead_shared.c */
};

static inline void hf__bulkhead_lock(hf_bulkhead *b) { HF_MUST(pthread_mutex_lock(&b->mutex) == 0); }
static inline void hf__bulkhead_unlock(hf_bulkhead *b) { HF_MUST(pthread_mutex_unlock(&b->mutex) == 0); }

static inline uint64_t hf__bulkhead_look(const hf_bulkhead *b) {
    return atomic_load_explicit(&b->word, memory_order_relaxed);
}

struct hf__owed hf__bulkhead_owed(const hf_bulkhead *b);

#define HF__BULKHEAD_LONGEST_WAIT_MS 3600000

/* bulkhead_shared.c: moves a new bulkhead into the region of its configuration, if there is one and it may. */
int hf__bulkhead_house(hf_bulkhead *bulkhead, const hf_bulkhead_config *config, hf_error *error);

/* Writes a sentence for the first field that is out of its range. */
int hf__bulkhead_check(const char *name, const hf_bulkhead_config *config, hf_error *error);

#endif
