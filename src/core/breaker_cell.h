/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_CELL_H
#define HF_CORE_BREAKER_CELL_H

/* A count that belongs to one bucket of time, in one word:
 *
 *     head    tag 16 | slot 5 | epoch 43      a bucket, fully named, and where in a ring its cell stands
 *     cell    tag 15 | epoch 17 | count 32    what was counted in a bucket
 *
 * Time is divided into buckets of equal width, numbered from the clock's origin: bucket e is the time from
 * e * width up to, not including, (e + 1) * width. The tag is the breaker's generation: a cell of another tag is
 * empty, and tags only move forward, compared as serial numbers. A word of zero is empty, whatever the head says. */

#include "core/breaker_rules.h"

#define HF__HEAD_TAG_SHIFT 48
#define HF__HEAD_SLOT_SHIFT 43
#define HF__HEAD_SLOT_MASK 0x1fu
#define HF__HEAD_EPOCH_MASK ((UINT64_C(1) << HF__HEAD_SLOT_SHIFT) - 1)
#define HF__CELL_TAG_SHIFT 49
#define HF__CELL_EPOCH_SHIFT 32
#define HF__CELL_EPOCH_MASK 0x1ffffu
#define HF__CELL_AHEAD_MAX 4096u /* buckets that time may go on while somebody uses an old head */

/* The number of the bucket that `now` is in; 0 before the clock's origin. */
static inline uint64_t hf__time_epoch(hf_time now, int64_t width_ns) {
    uint64_t epoch = now <= 0 ? 0 : (uint64_t)now / (uint64_t)width_ns;
    return epoch < HF__HEAD_EPOCH_MASK ? epoch : HF__HEAD_EPOCH_MASK;
}

/* For a ring of `capacity` cells, at most 32. */
static inline uint64_t hf__time_head(uint32_t tag, uint64_t epoch, uint32_t capacity) {
    return (uint64_t)tag << HF__HEAD_TAG_SHIFT | epoch % capacity << HF__HEAD_SLOT_SHIFT | epoch;
}

static inline uint32_t hf__time_slot(uint64_t head) {
    return (uint32_t)(head >> HF__HEAD_SLOT_SHIFT) & HF__HEAD_SLOT_MASK;
}

/* Is `now` in the head's bucket? Two of the divisions that would tell it otherwise cost as much as a locked add. */
static inline bool hf__time_within(uint64_t head, hf_time now, int64_t width_ns) {
    return (uint64_t)now - (head & HF__HEAD_EPOCH_MASK) * (uint64_t)width_ns < (uint64_t)width_ns;
}

static inline uint32_t hf__time_tag(uint64_t head) { return (uint32_t)(head >> HF__HEAD_TAG_SHIFT); }

static inline uint32_t hf__cell_tag(uint64_t cell) { return (uint32_t)(cell >> HF__CELL_TAG_SHIFT); }

static inline uint64_t hf__cell_in(uint64_t head, uint32_t count) {
    return (uint64_t)hf__time_tag(head) << HF__CELL_TAG_SHIFT | (head & HF__CELL_EPOCH_MASK) << HF__CELL_EPOCH_SHIFT |
           count;
}

/* How many buckets the cell is behind the head, modulo all. */
static inline uint32_t hf__cell_behind(uint64_t cell, uint64_t head) {
    return ((uint32_t)head - (uint32_t)(cell >> HF__CELL_EPOCH_SHIFT)) & HF__CELL_EPOCH_MASK;
}

/* Of the head's generation, and of a later bucket: somebody else has moved on meanwhile. */
static inline bool hf__cell_ahead(uint64_t cell, uint64_t head) {
    return cell != 0 && hf__cell_tag(cell) == hf__time_tag(head) &&
           hf__cell_behind(cell, head) > HF__CELL_EPOCH_MASK - HF__CELL_AHEAD_MAX;
}

#endif
