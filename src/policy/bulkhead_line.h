/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_BULKHEAD_LINE_H
#define HF_POLICY_BULKHEAD_LINE_H

/* The line of calls that wait for a slot: for each priority a doubly linked list through the frames of the calls
 * themselves, so that joining, leaving from anywhere and being next cost the same however long it is, and nothing
 * is allocated. All functions want the bulkhead's lock held.
 *
 * Who is owed slots comes first, and is not pushed out; otherwise the most important come first, and the least
 * important are pushed out. */

#include "engine/policy.h"

enum hf__place_state {
    HF__PLACE_NONE,    /* does not wait */
    HF__PLACE_WAITING, /* in the line */
    HF__PLACE_WAKING,  /* out of the line; its driver is being woken, and the answer follows */
    HF__PLACE_GRANTED, /* has a slot */
    HF__PLACE_SHED     /* was pushed out */
};

/* The frame of a call. `state` changes under the lock, but for the answer that ends WAKING: it is the last
 * that its giver touches of the call. The rest is written before the place is in the line. */
struct hf__place {
    struct hf__place *ahead;
    struct hf__place *behind;
    const struct hf__caller *caller;
    hf_time since;
    uint32_t wait_ms; /* how long it may wait, HF__PLACE_FOR_EVER */
    _Atomic uint32_t state;
};
_Static_assert(sizeof(struct hf__place) <= sizeof(((struct hf_frame *)0)->word), "fits a frame");

#define HF__PLACE_FOR_EVER UINT32_MAX

/* How many slots each priority has still to get of those that it is guaranteed. */
struct hf__owed {
    uint32_t slots[HF_PRIORITIES];
};

struct hf__line {
    struct hf__place *first[HF_PRIORITIES]; /* waits longest */
    struct hf__place *last[HF_PRIORITIES];
    uint32_t waiting[HF_PRIORITIES];
    uint32_t total;
    bool newest_first; /* within a priority */
};

void hf__line_join(struct hf__line *line, struct hf__place *place);
void hf__line_leave(struct hf__line *line, struct hf__place *place);

/* Whose turn it is; NULL when nobody waits. */
struct hf__place *hf__line_next(const struct hf__line *line, const struct hf__owed *owed);

/* Who has to make room for a newcomer in a line that is full: of the least important that may be pushed out, the
 * one whose turn would be last. NULL: nobody, the newcomer has to go. */
struct hf__place *hf__line_victim(const struct hf__line *line, const struct hf__owed *owed, uint32_t priority);

/* How many are before a newcomer of this priority, or before the call with this tag; false when no such call
 * waits. What is owed is left out of account. */
uint32_t hf__line_before_newcomer(const struct hf__line *line, uint32_t priority);
bool hf__line_before_tag(const struct hf__line *line, const void *tag, uint32_t *out);

#endif
