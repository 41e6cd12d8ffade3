/* SPDX-License-Identifier: MIT */
#include "core/breaker_window.h"

#include <holdfast/breaker.h>

#define POS_BITS 47
#define POS_MASK ((UINT64_C(1) << POS_BITS) - 1)
#define CLEAN (UINT64_C(1) << POS_BITS)
#define TAG_SHIFT 48
#define SERIAL_MASK 0x7fffu

bool hf__generation_newer(uint32_t a, uint32_t b) {
    uint32_t ahead = (a - b) & SERIAL_MASK;
    return ahead != 0 && ahead <= SERIAL_MASK / 2;
}

uint32_t hf__window_tag(uint64_t head) { return (uint32_t)(head >> TAG_SHIFT); }

bool hf__window_clean(uint64_t head) { return (head & CLEAN) != 0; }

uint64_t hf__window_head(uint32_t tag) { return (uint64_t)tag << TAG_SHIFT; }

uint64_t hf__window_with_clean(uint64_t head, bool clean) { return clean ? head | CLEAN : head & ~CLEAN; }

uint64_t hf__window_claim(uint64_t head, bool spot, uint32_t size, uint32_t *out_slot) {
    *out_slot = (uint32_t)((head & POS_MASK) % size);
    return hf__window_with_clean(head, hf__window_clean(head) && !spot) + 1; /* 2^47 results never happen */
}

bool hf__window_put(uint64_t block, uint32_t tag, uint32_t slot, enum hf__entry entry, bool slow, uint64_t *out) {
    uint32_t block_tag = hf__window_tag(block);
    if (block_tag != tag) {
        if (hf__generation_newer(block_tag, tag)) return false;
        block = (uint64_t)tag << TAG_SHIFT; /* what an older tag left behind is empty */
    }
    uint64_t bit = UINT64_C(1) << (slot % HF__WINDOW_BLOCK);
    block &= ~(bit << 32 | bit << 16 | bit);
    if (entry != HF__ENTRY_THROTTLED) block |= bit << 32;
    if (entry != HF__ENTRY_SUCCESS) block |= bit << 16;
    if (slow) block |= bit;
    *out = block;
    return true;
}

static uint32_t popcount16(uint32_t bits) {
    bits = bits - ((bits >> 1) & 0x5555u);
    bits = (bits & 0x3333u) + ((bits >> 2) & 0x3333u);
    bits = (bits + (bits >> 4)) & 0x0f0fu;
    return (bits + (bits >> 8)) & 0x1fu;
}

/* Length of the run of failures that ends the window. A slot that is taken but not written yet, like one
 * that was throttled, neither breaks nor lengthens it. */
static uint32_t run_of_failures(uint64_t head, const uint64_t *blocks, uint32_t size) {
    uint64_t pos = head & POS_MASK;
    uint64_t back = pos < size ? pos : size;
    uint32_t run = 0;
    for (uint64_t i = 1; i <= back; i++) {
        uint32_t slot = (uint32_t)((pos - i) % size);
        uint64_t block = blocks[slot / HF__WINDOW_BLOCK];
        if (hf__window_tag(block) != hf__window_tag(head)) continue;
        uint64_t bits = block >> (slot % HF__WINDOW_BLOCK);
        bool valid = (bits >> 32) & 1, fail = (bits >> 16) & 1;
        if (valid && !fail) break;
        if (valid) run++;
    }
    return run;
}

struct hf__counts hf__window_count(uint64_t head, const uint64_t *blocks, uint32_t size) {
    struct hf__counts counts = {0, 0, 0, 0};
    for (uint32_t i = 0; i * HF__WINDOW_BLOCK < size; i++) {
        uint64_t block = blocks[i];
        if (hf__window_tag(block) != hf__window_tag(head)) continue;
        uint32_t valid = (uint32_t)(block >> 32) & 0xffffu, fail = (uint32_t)(block >> 16) & 0xffffu;
        counts.total += popcount16(valid | fail);
        counts.failures += popcount16(fail);
        counts.slow += popcount16((uint32_t)block & 0xffffu);
    }
    if (counts.failures > 0) counts.consecutive = run_of_failures(head, blocks, size);
    return counts;
}

bool hf__window_spotless(const struct hf__counts *counts, const struct hf__window_rules *rules) {
    /* Before the window is full a success still counts: min_calls needs it, and the share of failures
     * that come later is taken of more. */
    return counts->failures == 0 && counts->slow == 0 && counts->total == rules->size;
}

static bool reached(uint32_t part, uint32_t total, uint32_t rate_ppm) {
    return rate_ppm != HF_BREAKER_OFF && (uint64_t)part * HF_PPM >= (uint64_t)rate_ppm * total;
}

bool hf__window_trips(const struct hf__counts *counts, const struct hf__window_rules *rules) {
    if (rules->consecutive_failures != HF_BREAKER_OFF && counts->consecutive >= rules->consecutive_failures)
        return true;
    if (counts->total < rules->min_calls) return false;
    return reached(counts->failures, counts->total, rules->failure_rate_ppm) ||
           reached(counts->slow, counts->total, rules->slow_rate_ppm);
}
