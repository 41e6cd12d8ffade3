/* SPDX-License-Identifier: MIT */
#include "policy/breaker_inside.h"

#include "os/shard.h"

/* ---- by calls ---- */

static struct hf__window_span calls_span(const hf_breaker *b, const struct hf__breaker_rules *rules) {
    return (struct hf__window_span){.size = rules->size, .capacity = b->shape.capacity, .floor = rules->floor};
}

static struct hf__counts count_calls(const hf_breaker *b, struct hf__window_span span, uint64_t *out_head) {
    uint64_t block[HF__BLOCKS_MAX];
    *out_head = atomic_load(&b->state->window[HF__WINDOW_HEAD]); /* (M2) */
    for (uint32_t i = 0; i < span.capacity / HF__WINDOW_BLOCK; i++) {
        block[i] = atomic_load(&b->state->window[HF__WINDOW_BLOCKS + i]);
    }
    return hf__window_count(*out_head, block, &span);
}

static void set_clean(_Atomic uint64_t *word, uint64_t head, uint32_t tag, bool clean) {
    while (hf__window_tag(head) == tag && hf__window_clean(head) != clean &&
           !atomic_compare_exchange_weak(word, &head, hf__window_with_clean(head, clean))) {
        if (clean) return; /* only as it was when it was counted */
    }
}

static bool is_spotless(const hf_breaker *b, uint64_t *out_head) {
    struct hf__breaker_rules rules = hf__breaker_live_read(&b->rules);
    struct hf__window_span span = calls_span(b, &rules);
    struct hf__counts counts = count_calls(b, span, out_head);
    return hf__window_spotless(&counts, &span);
}

/* After an entry was written: `clean` is set or cleared as the window is now. */
static void tidy(hf_breaker *b, uint32_t tag, bool spot) {
    _Atomic uint64_t *word = &b->state->window[HF__WINDOW_HEAD];
    uint64_t head;
    if (spot) {
        set_clean(word, atomic_load(word), tag, false);
        return;
    }
    if (!is_spotless(b, &head)) return;
    set_clean(word, head, tag, true);
    if (!is_spotless(b, &head)) set_clean(word, head, tag, false); /* set, then checked again, the rules too */
}

static bool record_call(hf_breaker *b, uint32_t generation, enum hf__entry entry, bool slow) {
    bool spot = entry != HF__ENTRY_SUCCESS || slow;
    _Atomic uint64_t *word = &b->state->window[HF__WINDOW_HEAD];
    uint64_t head = atomic_load(word), next; /* (M2) */
    uint32_t slot;
    do {
        if (hf__window_tag(head) != generation) return false; /* stale */
        if (!spot && hf__window_clean(head)) return false;    /* nothing can change */
        next = hf__window_claim(head, spot, b->shape.capacity, &slot);
    } while (!atomic_compare_exchange_weak(word, &head, next));
    _Atomic uint64_t *block = &b->state->window[HF__WINDOW_BLOCKS + slot / HF__WINDOW_BLOCK];
    uint64_t seen = atomic_load(block), written;
    do {
        if (!hf__window_put(seen, generation, slot, entry, slow, &written)) return false; /* stale by now */
    } while (!atomic_compare_exchange_weak(block, &seen, written));
    tidy(b, generation, spot);
    return true;
}

/* ---- by time ---- */

static struct hf__time_span time_span(const hf_breaker *b, const struct hf__breaker_rules *rules) {
    return (struct hf__time_span){.buckets = rules->size, .capacity = b->shape.capacity, .width_ns = b->width_ns};
}

static struct hf__counts count_time(const hf_breaker *b, const struct hf__breaker_rules *rules, hf_time now,
                                    uint64_t *out_head) {
    uint64_t cells[HF__CELLS_MAX];
    struct hf__time_span span = time_span(b, rules);
    *out_head = atomic_load_explicit(&b->state->window[HF__TIME_HEAD], memory_order_acquire); /* (M6) */
    if (now != HF_NEVER) *out_head = hf__time_roll(*out_head, hf__time_epoch(now, span.width_ns));
    uint64_t spot = atomic_load(&b->state->window[HF__TIME_SPOT]); /* (M5) */
    /* Backwards: a part is written after its whole and read before it, so that it is seldom larger. */
    for (uint32_t i = HF__SHARDS * b->shape.stride; i-- > 0;) {
        cells[i] = atomic_load(&b->state->window[HF__TIME_CELLS + i]);
    }
    return hf__time_count(*out_head, spot, cells, HF__SHARDS, b->shape.stride, &span);
}

/* Moves the head on to the bucket of `now`. Who moved it clears what has left the ring. False: stale. */
static bool roll(hf_breaker *b, uint32_t generation, hf_time now, uint64_t *out_head) {
    _Atomic uint64_t *word = &b->state->window[HF__TIME_HEAD];
    uint64_t head = atomic_load_explicit(word, memory_order_acquire), next; /* (M6) */
    uint64_t epoch = hf__time_epoch(now, b->width_ns);
    do {
        if (hf__time_tag(head) != generation) return false;
        next = *out_head = hf__time_roll(head, epoch);
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
    uint32_t shard = hf__thread_number() % HF__SHARDS * b->shape.stride;
    uint32_t slot = (uint32_t)kind * b->shape.capacity + hf__time_slot(head, b->shape.capacity);
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

bool hf__breaker_idle(const hf_breaker *b, uint32_t generation) {
    uint64_t head = atomic_load(&b->state->window[HF__WINDOW_HEAD]); /* (M2) */
    return hf__window_clean(head) && hf__window_tag(head) == generation;
}

void hf__breaker_reset_window(hf_breaker *b, uint32_t generation, hf_time now) {
    bool by_calls = b->shape.kind == HF_BREAKER_BY_CALLS;
    // NOLINTNEXTLINE(misc-redundant-expression): that they are the same is the point
    _Static_assert((int)HF__WINDOW_HEAD == (int)HF__TIME_HEAD, "one head for both kinds");
    _Atomic uint64_t *word = &b->state->window[HF__WINDOW_HEAD];
    uint64_t fresh =
        by_calls ? hf__window_head(generation) : hf__time_head(generation, hf__time_epoch(now, b->width_ns));
    uint64_t seen = atomic_load(word); /* both kinds keep the tag in the same place */
    while (hf__generation_newer(generation, hf__window_tag(seen)) &&
           !atomic_compare_exchange_weak(word, &seen, fresh)) {
    }
}
