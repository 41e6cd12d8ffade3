/* SPDX-License-Identifier: MIT */
#include "policy/breaker_inside.h"

#include "os/shard.h"

/* ---- by calls ---- */

static struct hf__window_span calls_span(const hf_breaker *b, const struct hf__breaker_rules *rules) {
    return (struct hf__window_span){.size = rules->size, .capacity = b->shape.capacity, .floor = rules->floor};
}

/* The same from the copies that need no reading of all rules. (M7) */
static struct hf__window_span hot_span(const hf_breaker *b) {
    return (struct hf__window_span){
        .size = (uint32_t)atomic_load_explicit(&b->size, memory_order_relaxed),
        .capacity = b->shape.capacity,
        .floor = atomic_load_explicit(&b->floor, memory_order_relaxed),
    };
}

static struct hf__counts count_calls(const hf_breaker *b, struct hf__window_span span, uint64_t *out_head) {
    uint64_t block[HF__BLOCKS_MAX];
    *out_head = atomic_load(&b->state->head); /* (M2) */
    for (uint32_t i = 0; i < span.capacity / HF__WINDOW_BLOCK; i++) {
        block[i] = atomic_load(&b->state->window[i]);
    }
    return hf__window_count(*out_head, block, &span);
}

static bool is_clean(const hf_breaker *b, uint32_t generation) {
    uint64_t head = atomic_load(&b->state->head); /* (M2) */
    return hf__window_clean(head) && hf__window_tag(head) == generation;
}

static void set_clean(_Atomic uint64_t *word, uint64_t head, uint32_t tag, bool clean) {
    while (hf__window_tag(head) == tag && hf__window_clean(head) != clean &&
           !atomic_compare_exchange_weak(word, &head, hf__window_with_clean(head, clean))) {
        if (clean) return; /* only as it was when it was counted */
    }
}

/* Written only when it changes: every call reads that line. (M9) */
static void seem(hf_breaker *b, bool dirty) {
    if ((bool)atomic_load_explicit(&b->seems_dirty, memory_order_relaxed) == dirty) return;
    atomic_store_explicit(&b->seems_dirty, dirty, memory_order_relaxed);
}

static bool is_spotless(const hf_breaker *b, uint64_t *out_head) {
    struct hf__breaker_rules rules = hf__breaker_live_read(&b->rules);
    struct hf__window_span span = calls_span(b, &rules);
    struct hf__counts counts = count_calls(b, span, out_head);
    return hf__window_spotless(&counts, &span);
}

/* Sets `clean` if the window is so, then checks again, the rules too. */
static void become_clean(hf_breaker *b, uint32_t tag) {
    _Atomic uint64_t *word = &b->state->head;
    uint64_t head;
    if (!is_spotless(b, &head)) return;
    set_clean(word, head, tag, true);
    if (is_spotless(b, &head)) seem(b, false);
    else set_clean(word, head, tag, false);
}

/* Writes an entry into the slot that was taken; `*out_before` is the block as it was. False: stale by now. */
static bool put(hf_breaker *b, uint32_t generation, uint32_t slot, enum hf__entry entry, bool slow,
                uint64_t *out_before) {
    _Atomic uint64_t *block = &b->state->window[slot / HF__WINDOW_BLOCK];
    uint64_t written;
    *out_before = atomic_load(block); /* (M2) */
    do {
        if (!hf__window_put(*out_before, generation, slot, entry, slow, &written)) return false;
        if (written == *out_before) return true; /* a success over a success: nothing to write */
    } while (!atomic_compare_exchange_weak(block, out_before, written));
    return true;
}

static bool record_spot(hf_breaker *b, uint32_t generation, enum hf__entry entry, bool slow) {
    _Atomic uint64_t *word = &b->state->head;
    uint64_t head = atomic_load(word), before; /* (M2) */
    do {
        if (hf__window_tag(head) != generation) return false; /* stale */
    } while (!atomic_compare_exchange_weak(word, &head, hf__window_claim_spot(head)));
    if (!put(b, generation, hf__window_slot(head, b->shape.capacity), entry, slow, &before)) return false;
    set_clean(word, atomic_load(word), generation, false);
    seem(b, true);
    return true;
}

/* Somebody has begun another generation since the caller looked: gives the slot back as an empty one. */
static void void_slot(hf_breaker *b, uint64_t head) {
    uint32_t slot = hf__window_slot(head, b->shape.capacity);
    _Atomic uint64_t *block = &b->state->window[slot / HF__WINDOW_BLOCK];
    uint64_t seen = atomic_load(block);
    while (hf__window_tag(seen) == hf__window_tag(head) &&
           !atomic_compare_exchange_weak(block, &seen, hf__window_void(seen, slot))) {
    }
}

/* A success makes nothing worse, except that it may be the one that min_calls asks for, or the first under new rules;
 * while the ring has not gone round, it may also have kept another from seeing that min_calls is reached, with a slot that
 * it had taken and not written. Otherwise all it can do is push the last spot out. The slot is taken by an addition,
 * which costs two threads half of what loading and exchanging does. */
static bool record_success(hf_breaker *b, uint32_t generation) {
    bool seems_dirty = atomic_load_explicit(&b->seems_dirty, memory_order_relaxed); /* (M9) */
    if (!seems_dirty && is_clean(b, generation)) return false;
    struct hf__window_span span = hot_span(b);
    uint64_t head = atomic_fetch_add(&b->state->head, 1), before; /* (M2) */
    if (hf__window_tag(head) != generation) {
        void_slot(b, head);
        return false;
    }
    uint32_t slot = hf__window_slot(head, span.capacity), leaving = hf__window_leaving(slot, &span);
    if (!put(b, generation, slot, HF__ENTRY_SUCCESS, false, &before)) return false;
    if (hf__window_length(head + 1, &span) < span.size) return true;
    if (leaving / HF__WINDOW_BLOCK != slot / HF__WINDOW_BLOCK) {
        before = atomic_load(&b->state->window[leaving / HF__WINDOW_BLOCK]); /* (M2) */
    }
    /* Who fails to set it when the last spot leaves, because somebody is still writing, gets another chance. */
    bool just_full = hf__window_length(head, &span) < span.size, now_and_then = slot % (4 * HF__WINDOW_BLOCK) == 0;
    if (just_full || now_and_then || hf__window_spot_at(before, generation, leaving)) become_clean(b, generation);
    return just_full || !hf__window_wrapped(head, span.capacity) ||
           atomic_load_explicit(&b->judge_success, memory_order_relaxed); /* (M9) */
}

static bool record_call(hf_breaker *b, uint32_t generation, enum hf__entry entry, bool slow) {
    return entry == HF__ENTRY_SUCCESS && !slow ? record_success(b, generation)
                                               : record_spot(b, generation, entry, slow);
}

/* ---- by time ---- */

static struct hf__time_span time_span(const hf_breaker *b, const struct hf__breaker_rules *rules) {
    return (struct hf__time_span){.buckets = rules->size, .capacity = b->shape.capacity, .width_ns = b->width_ns};
}

static struct hf__counts count_time(const hf_breaker *b, const struct hf__breaker_rules *rules, hf_time now,
                                    uint64_t *out_head) {
    uint64_t cells[HF__CELLS_MAX];
    struct hf__time_span span = time_span(b, rules);
    *out_head = atomic_load_explicit(&b->state->head, memory_order_acquire); /* (M6) */
    if (now != HF_NEVER) *out_head = hf__time_roll(*out_head, hf__time_epoch(now, span.width_ns), span.capacity);
    uint64_t spot = atomic_load(&b->state->window[HF__TIME_SPOT]); /* (M5) */
    /* Backwards: a part is written after its whole and read before it, so that it is seldom larger. */
    for (uint32_t i = HF__BREAKER_SHARDS * b->shape.stride; i-- > 0;) {
        cells[i] = atomic_load(&b->state->window[HF__TIME_CELLS + i]);
    }
    return hf__time_count(*out_head, spot, cells, HF__BREAKER_SHARDS, b->shape.stride, &span);
}

/* Moves the head on to the bucket of `now`. Who moved it clears what has left the ring. False: stale. */
static bool roll(hf_breaker *b, uint32_t generation, hf_time now, uint64_t *out_head) {
    _Atomic uint64_t *word = &b->state->head;
    uint64_t head = atomic_load_explicit(word, memory_order_acquire), next; /* (M6) */
    do {
        if (hf__time_tag(head) != generation) return false;
        *out_head = head;
        if (hf__time_within(head, now, b->width_ns)) return true;
        *out_head = next = hf__time_roll(head, hf__time_epoch(now, b->width_ns), b->shape.capacity);
        if (next == head) return true;
    } while (!atomic_compare_exchange_weak_explicit(word, &head, next, memory_order_acq_rel, memory_order_acquire));
    for (uint32_t i = HF__TIME_SPOT; i < b->shape.window; i++) {
        uint64_t seen = atomic_load_explicit(&b->state->window[i], memory_order_relaxed), swept;
        do {
            swept = hf__time_sweep(seen, head, next, b->shape.capacity);
        } while (swept != seen && !atomic_compare_exchange_weak(&b->state->window[i], &seen, swept));
    }
    return true;
}

static void add(hf_breaker *b, enum hf__cell_kind kind, uint64_t head) {
    uint32_t shard = hf__thread_number() % HF__BREAKER_SHARDS * b->shape.stride;
    uint32_t slot = (uint32_t)kind * b->shape.capacity + hf__time_slot(head);
    _Atomic uint64_t *cell = &b->state->window[HF__TIME_CELLS + shard + slot];
    uint64_t seen = atomic_load_explicit(cell, memory_order_relaxed), next;
    do {
        if (!hf__time_add(seen, head, &next)) return;           /* stale by now */
    } while (!atomic_compare_exchange_weak(cell, &seen, next)); /* (M5) */
}

static bool record_time(hf_breaker *b, uint32_t generation, enum hf__entry entry, bool slow, hf_time now) {
    uint32_t buckets = (uint32_t)atomic_load_explicit(&b->size, memory_order_relaxed); /* (M7) */
    uint64_t head, next;
    if (!roll(b, generation, now, &head)) return false;
    add(b, HF__CELL_TOTAL, head);
    if (entry != HF__ENTRY_SUCCESS) add(b, HF__CELL_FAILURES, head);
    if (slow) add(b, HF__CELL_SLOW, head);
    _Atomic uint64_t *word = &b->state->window[HF__TIME_SPOT];
    uint64_t spot = atomic_load(word); /* (M5) */
    do {
        next = hf__time_spot(spot, head, buckets, entry, slow);
    } while (next != spot && !atomic_compare_exchange_weak(word, &spot, next));
    return hf__time_live(next, head, buckets);
}

/* ---- either ---- */

static uint32_t fewer(uint32_t a, uint32_t b) { return a < b ? a : b; }

struct hf__picture hf__breaker_count(const hf_breaker *b, const struct hf__breaker_rules *rules, hf_time now,
                                     uint32_t overdue) {
    struct hf__picture picture;
    uint64_t head;
    if (b->shape.kind == HF_BREAKER_BY_CALLS) {
        struct hf__window_span span = calls_span(b, rules);
        overdue = fewer(overdue, span.size); /* the latest results are theirs, and as many old ones are pushed out */
        span.size -= overdue;
        picture.counts = count_calls(b, span, &head);
        picture.tag = hf__window_tag(head);
    } else {
        picture.counts = count_time(b, rules, now, &head);
        picture.tag = hf__time_tag(head);
        overdue = fewer(overdue, UINT32_MAX - picture.counts.total);
    }
    picture.counts.total += overdue;
    picture.counts.slow += overdue;
    return picture;
}

bool hf__breaker_record(hf_breaker *b, uint32_t generation, enum hf__entry entry, bool slow, hf_time now) {
    return b->shape.kind == HF_BREAKER_BY_CALLS ? record_call(b, generation, entry, slow)
                                                : record_time(b, generation, entry, slow, now);
}

void hf__breaker_reset_window(hf_breaker *b, uint32_t generation, hf_time now) {
    bool by_calls = b->shape.kind == HF_BREAKER_BY_CALLS;
    _Atomic uint64_t *word = &b->state->head;
    uint64_t fresh = by_calls ? hf__window_head(generation)
                              : hf__time_head(generation, hf__time_epoch(now, b->width_ns), b->shape.capacity);
    uint64_t seen = atomic_load(word); /* both kinds keep the tag in the same place */
    while (hf__generation_newer(generation, hf__window_tag(seen)) &&
           !atomic_compare_exchange_weak(word, &seen, fresh)) {
    }
}
