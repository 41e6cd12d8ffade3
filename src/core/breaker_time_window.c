/* SPDX-License-Identifier: MIT */
#include "core/breaker_time_window.h"

#define SPOT_MARK UINT32_C(0x80000000) /* in the count of `spot`: so that it is not zero, which means none */
#define RUN_MAX (SPOT_MARK - 1)

uint64_t hf__time_roll(uint64_t head, uint64_t epoch, uint32_t capacity) {
    return epoch > (head & HF__HEAD_EPOCH_MASK) ? hf__time_head(hf__time_tag(head), epoch, capacity) : head;
}

static uint32_t increment(uint32_t count) { return count == UINT32_MAX ? count : count + 1; }

bool hf__time_add(uint64_t cell, uint64_t head, uint64_t *out) {
    if (hf__cell_tag(cell) == hf__time_tag(head)) {
        if (hf__cell_ahead(cell, head)) return false;
        *out = hf__cell_in(head, hf__cell_behind(cell, head) == 0 ? increment((uint32_t)cell) : 1);
        return true;
    }
    if (hf__generation_newer(hf__cell_tag(cell), hf__time_tag(head))) return false;
    *out = hf__cell_in(head, 1);
    return true;
}

bool hf__time_live(uint64_t cell, uint64_t head, uint32_t buckets) {
    return cell != 0 && hf__cell_tag(cell) == hf__time_tag(head) && hf__cell_behind(cell, head) < buckets;
}

uint64_t hf__time_sweep(uint64_t cell, uint64_t before, uint64_t after, uint32_t capacity) {
    if (hf__generation_newer(hf__cell_tag(cell), hf__time_tag(after)) || hf__cell_ahead(cell, after)) return cell;
    uint64_t moved = (after & HF__HEAD_EPOCH_MASK) - (before & HF__HEAD_EPOCH_MASK);
    if (moved >= capacity && hf__time_live(cell, before, capacity)) return 0; /* however far: 17 bits could fit again */
    return hf__time_live(cell, after, capacity) ? cell : 0;
}

uint64_t hf__time_spot(uint64_t spot, uint64_t head, uint32_t buckets, enum hf__entry entry, bool slow) {
    if (hf__generation_newer(hf__cell_tag(spot), hf__time_tag(head))) return spot;
    bool later = hf__cell_ahead(spot, head);
    /* A run whose last failure has left the window is over. The success that ends one says so even then: the
     * window may be made longer. */
    uint32_t run = later || hf__time_live(spot, head, buckets) ? (uint32_t)spot & RUN_MAX : 0;
    if (entry == HF__ENTRY_SUCCESS) run = 0;
    if (entry == HF__ENTRY_FAILURE && run < RUN_MAX) run++;
    if ((entry != HF__ENTRY_SUCCESS || slow) && !later) return hf__cell_in(head, SPOT_MARK | run);
    return hf__cell_tag(spot) == hf__time_tag(head) ? (spot & ~(uint64_t)RUN_MAX) | run : spot;
}

static uint32_t add_saturating(uint32_t a, uint32_t b) { return a > UINT32_MAX - b ? UINT32_MAX : a + b; }

static uint32_t sum(uint64_t head, const uint64_t *ring, const struct hf__time_span *span) {
    uint32_t total = 0;
    for (uint32_t i = 0; i < span->capacity; i++) {
        if (hf__time_live(ring[i], head, span->buckets)) total = add_saturating(total, (uint32_t)ring[i]);
    }
    return total;
}

static uint32_t at_most(uint32_t value, uint32_t limit) { return value < limit ? value : limit; }

struct hf__counts hf__time_count(uint64_t head, uint64_t spot, const uint64_t *cells, uint32_t shards, uint32_t stride,
                                 const struct hf__time_span *span) {
    struct hf__counts counts = {0, 0, 0, 0};
    for (uint32_t i = 0; i < shards; i++) {
        const uint64_t *shard = cells + (size_t)i * stride;
        counts.total = add_saturating(counts.total, sum(head, shard + (size_t)HF__CELL_TOTAL * span->capacity, span));
        counts.failures =
            add_saturating(counts.failures, sum(head, shard + (size_t)HF__CELL_FAILURES * span->capacity, span));
        counts.slow = add_saturating(counts.slow, sum(head, shard + (size_t)HF__CELL_SLOW * span->capacity, span));
    }
    /* The cells of one result are written one after the other: a part is never more than the whole. */
    counts.failures = at_most(counts.failures, counts.total);
    counts.slow = at_most(counts.slow, counts.total);
    if (hf__time_live(spot, head, span->buckets)) counts.consecutive = (uint32_t)spot & RUN_MAX;
    return counts;
}
