/* SPDX-License-Identifier: MIT */
#include "policy/breaker_inside.h"

#include "os/shard.h"

static _Atomic uint64_t *word_of(const hf_breaker *b, uint32_t place) {
    return &b->state->window[b->shape.wheel + place];
}

static bool swap(_Atomic uint64_t *word, uint64_t *seen, uint64_t next) {
    return atomic_compare_exchange_weak_explicit(word, seen, next, memory_order_relaxed,
                                                 memory_order_relaxed); /* (M8) */
}

/* Moves the shard's count of calls that have left the wheel. In a region nobody is counted who is off the wheel: a
 * process that is killed with calls under way would be counted for ever, and many of them open the breaker. */
static void move_old(hf_breaker *b, uint32_t place, uint32_t generation, int32_t change) {
    if (b->region != NULL) return;
    _Atomic uint64_t *word = word_of(b, place - place % HF__WHEEL_WORDS + HF__WHEEL_OLD);
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed), next;
    do {
        next = hf__wheel_old(seen, generation, change);
    } while (next != seen && !swap(word, &seen, next));
}

struct hf__wheel_place hf__breaker_enter(hf_breaker *b, uint32_t generation, hf_time now, bool *out_first) {
    uint64_t head = hf__time_head(generation, hf__time_epoch(now, b->tick_ns), HF__WHEEL_TICKS), next;
    struct hf__wheel_place place = {.word = hf__thread_number() % HF__BREAKER_SHARDS * HF__WHEEL_WORDS +
                                            hf__time_slot(head)};
    uint32_t left;
    _Atomic uint64_t *word = word_of(b, place.word);
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    *out_first = false;
    do {
        if (!hf__wheel_enter(seen, head, &next, &left)) return (struct hf__wheel_place){.word = HF__NOT_ON_WHEEL};
    } while (!swap(word, &seen, next));
    place.tick = hf__wheel_tick(next);
    *out_first = hf__wheel_tick(seen) != place.tick;
    if (left > 0) move_old(b, place.word, generation, (int32_t)left);
    return place;
}

void hf__breaker_leave(hf_breaker *b, struct hf__wheel_place place, uint32_t generation) {
    if (place.word == HF__NOT_ON_WHEEL) return;
    _Atomic uint64_t *word = word_of(b, place.word);
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed), next;
    do {
        if (!hf__wheel_leave(seen, place.tick, &next)) {
            move_old(b, place.word, generation, -1);
            return;
        }
    } while (!swap(word, &seen, next));
}

uint32_t hf__breaker_overdue(const hf_breaker *b, const struct hf__breaker_rules *rules, uint32_t generation,
                             hf_time now) {
    if (b->shape.wheel == 0 || !hf__wheel_fits(b->tick_ns, rules->slow_call_ns)) return 0;
    uint64_t words[HF__WHEEL_TOTAL];
    for (uint32_t i = 0; i < HF__WHEEL_TOTAL; i++) {
        words[i] = atomic_load_explicit(word_of(b, i), memory_order_relaxed); /* (M8) */
    }
    return hf__wheel_overdue(words, HF__BREAKER_SHARDS, generation, b->tick_ns, rules->slow_call_ns, now);
}
