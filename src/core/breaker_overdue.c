/* SPDX-License-Identifier: MIT */
#include "core/breaker_overdue.h"

#include "base/num.h"

int64_t hf__wheel_tick_ns(int64_t slow_ns) {
    return hf__max((slow_ns + HF__WHEEL_TICKS_TO_SLOW - 1) / HF__WHEEL_TICKS_TO_SLOW, HF_MILLISECOND);
}

bool hf__wheel_fits(int64_t tick_ns, int64_t slow_ns) {
    /* A call of tick t is overdue from tick t + slow/tick + 1 on; its cell is taken in tick t + 15. */
    return slow_ns != HF_NEVER && slow_ns <= tick_ns * (int64_t)(HF__WHEEL_TICKS - 2);
}

bool hf__wheel_enter(uint64_t cell, uint64_t head, uint64_t *out, uint32_t *out_left) {
    *out_left = 0;
    if (hf__cell_tag(cell) != hf__time_tag(head)) {
        if (hf__generation_newer(hf__cell_tag(cell), hf__time_tag(head))) return false;
        *out = hf__cell_in(head, 1);
        return true;
    }
    if (hf__cell_ahead(cell, head)) return false;
    if (hf__cell_behind(cell, head) == 0) {
        *out = cell + 1; /* 2^32 calls in one tick never begin */
        return true;
    }
    *out_left = (uint32_t)cell;
    *out = hf__cell_in(head, 1);
    return true;
}

bool hf__wheel_leave(uint64_t cell, uint32_t tick, uint64_t *out) {
    if ((uint32_t)cell == 0 || cell >> HF__CELL_EPOCH_SHIFT != tick) return false;
    *out = cell - 1;
    return true;
}

uint64_t hf__wheel_old(uint64_t old, uint32_t tag, int32_t change) {
    uint32_t count = (uint32_t)old;
    if (hf__cell_tag(old) != tag) {
        if (hf__generation_newer(hf__cell_tag(old), tag)) return old;
        count = 0;
    }
    return hf__cell_in(hf__time_head(tag, 0, HF__WHEEL_TICKS), count + (uint32_t)change);
}

uint32_t hf__wheel_overdue(const uint64_t *words, uint32_t shards, uint32_t tag, int64_t tick_ns, int64_t slow_ns,
                           hf_time now) {
    uint64_t head = hf__time_head(tag, hf__time_epoch(now, tick_ns), HF__WHEEL_TICKS);
    /* The ticks that ended slow_ns or more ago: those before the one that `now - slow_ns` is in. */
    uint64_t first_fine = hf__time_epoch(now - slow_ns, tick_ns);
    uint32_t age = (uint32_t)((head & HF__HEAD_EPOCH_MASK) - first_fine) + 1;
    int64_t overdue = 0;
    for (uint32_t shard = 0; shard < shards; shard++, words += HF__WHEEL_WORDS) {
        for (uint32_t i = 0; i < HF__WHEEL_TICKS; i++) {
            if (hf__cell_tag(words[i]) != tag || hf__cell_ahead(words[i], head)) continue;
            if (hf__cell_behind(words[i], head) >= age) overdue += (uint32_t)words[i];
        }
        if (hf__cell_tag(words[HF__WHEEL_OLD]) == tag) overdue += (int32_t)(uint32_t)words[HF__WHEEL_OLD];
    }
    return overdue < 0 ? 0 : (uint32_t)hf__min(overdue, UINT32_MAX);
}
