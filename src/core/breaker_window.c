/* SPDX-License-Identifier: MIT */
#include "core/breaker_window.h"

#define POS_BITS 47
#define POS_MASK ((UINT64_C(1) << POS_BITS) - 1)
#define CLEAN (UINT64_C(1) << POS_BITS)
#define TAG_SHIFT 48
#define LANES UINT64_C(0x0000000100010001) /* one bit in each field of a block but the tag */

uint32_t hf__window_tag(uint64_t head) { return (uint32_t)(head >> TAG_SHIFT); }

bool hf__window_clean(uint64_t head) { return (head & CLEAN) != 0; }

uint64_t hf__window_head(uint32_t tag) { return (uint64_t)tag << TAG_SHIFT; }

uint64_t hf__window_with_clean(uint64_t head, bool clean) { return clean ? head | CLEAN : head & ~CLEAN; }

uint64_t hf__window_claim_spot(uint64_t head) {
    return hf__window_with_clean(head, false) + 1; /* 2^47 results never happen */
}

uint32_t hf__window_slot(uint64_t head, uint32_t capacity) { return (uint32_t)((head & POS_MASK) % capacity); }

uint32_t hf__window_leaving(uint32_t slot, const struct hf__window_span *span) {
    return slot >= span->size ? slot - span->size : slot + span->capacity - span->size;
}

bool hf__window_wrapped(uint64_t head, uint32_t capacity) { return (head & POS_MASK) >= capacity; }

bool hf__window_spot_at(uint64_t block, uint32_t tag, uint32_t slot) {
    return hf__window_tag(block) == tag && ((block | block >> 16) >> (slot % HF__WINDOW_BLOCK) & 1) != 0;
}

static uint64_t without_slot(uint64_t block, uint32_t slot) {
    uint64_t bit = UINT64_C(1) << (slot % HF__WINDOW_BLOCK);
    return block & ~(bit << 32 | bit << 16 | bit);
}

uint64_t hf__window_void(uint64_t block, uint32_t slot) { return without_slot(block, slot); }

bool hf__window_put(uint64_t block, uint32_t tag, uint32_t slot, enum hf__entry entry, bool slow, uint64_t *out) {
    uint32_t block_tag = hf__window_tag(block);
    if (block_tag != tag) {
        if (hf__generation_newer(block_tag, tag)) return false;
        block = (uint64_t)tag << TAG_SHIFT; /* what an older tag left behind is empty */
    }
    uint64_t bit = UINT64_C(1) << (slot % HF__WINDOW_BLOCK);
    block = without_slot(block, slot);
    if (entry != HF__ENTRY_THROTTLED) block |= bit << 32;
    if (entry != HF__ENTRY_SUCCESS) block |= bit << 16;
    if (slow) block |= bit;
    *out = block;
    return true;
}

uint32_t hf__window_length(uint64_t head, const struct hf__window_span *span) {
    uint64_t held = head & POS_MASK, floor = span->floor & POS_MASK;
    if (hf__window_tag(span->floor) == hf__window_tag(head) && floor <= held) held -= floor;
    return held < span->size ? (uint32_t)held : span->size;
}

/* Population counts of the four 16-bit fields at once. */
static uint64_t popcount_lanes(uint64_t x) {
    x = x - ((x >> 1) & UINT64_C(0x5555555555555555));
    x = (x & UINT64_C(0x3333333333333333)) + ((x >> 2) & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (x + (x >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
}

/* Bits low ... high - 1 of a block that begins at slot `first`. */
static uint32_t bits_between(uint32_t low, uint32_t high, uint32_t first) {
    uint32_t from = low > first ? low - first : 0;
    uint32_t to = high > first ? high - first : 0;
    if (to > HF__WINDOW_BLOCK) to = HF__WINDOW_BLOCK;
    return from < to ? (1u << to) - (1u << from) : 0;
}

/* Length of the run of failures that ends the window. A slot that is taken but not written yet, like one
 * that was throttled, neither breaks nor lengthens it. */
static uint32_t run_of_failures(uint64_t head, const uint64_t *blocks, uint32_t count, uint32_t capacity) {
    uint32_t slot = (uint32_t)((head & POS_MASK) % capacity), run = 0;
    for (uint32_t i = 0; i < count; i++) {
        slot = (slot == 0 ? capacity : slot) - 1;
        uint64_t block = blocks[slot / HF__WINDOW_BLOCK];
        if (hf__window_tag(block) != hf__window_tag(head)) continue;
        uint64_t bits = block >> (slot % HF__WINDOW_BLOCK);
        bool valid = (bits >> 32) & 1, fail = (bits >> 16) & 1;
        if (valid && !fail) break;
        if (valid) run++;
    }
    return run;
}

struct hf__counts hf__window_count(uint64_t head, const uint64_t *blocks, const struct hf__window_span *span) {
    uint32_t count = hf__window_length(head, span), capacity = span->capacity;
    uint32_t end = (uint32_t)((head & POS_MASK) % capacity);
    uint32_t wrapped = count > end ? count - end : 0; /* this many stand at the end of the ring */
    uint64_t sums = 0;                                /* lanes: slow, failures, total */
    for (uint32_t first = 0; first < capacity; first += HF__WINDOW_BLOCK) {
        uint64_t block = blocks[first / HF__WINDOW_BLOCK];
        if (hf__window_tag(block) != hf__window_tag(head)) continue;
        uint64_t mask =
            bits_between(end - (count - wrapped), end, first) | bits_between(capacity - wrapped, capacity, first);
        block |= (block & UINT64_C(0xffff0000)) << 16; /* lane 2: valid or throttled */
        sums += popcount_lanes(block & mask * LANES);
    }
    struct hf__counts counts = {
        .total = (uint32_t)(sums >> 32) & 0xffffu,
        .failures = (uint32_t)(sums >> 16) & 0xffffu,
        .slow = (uint32_t)sums & 0xffffu,
    };
    if (counts.failures > 0) counts.consecutive = run_of_failures(head, blocks, count, capacity);
    return counts;
}

bool hf__window_spotless(const struct hf__counts *counts, const struct hf__window_span *span) {
    /* Before the window is full a success still counts: min_calls needs it, and the share of failures
     * that come later is taken of more. */
    return counts->failures == 0 && counts->slow == 0 && counts->total == span->size;
}

uint64_t hf__window_floor(uint64_t head, const struct hf__window_span *span) {
    return hf__window_head(hf__window_tag(head)) | ((head & POS_MASK) - hf__window_length(head, span));
}
