/* SPDX-License-Identifier: MIT */
#include "core/breaker_state.h"

static uint32_t up_to_multiple(uint32_t value, uint32_t of) { return (value + of - 1) / of * of; }

struct hf__breaker_shape hf__breaker_shape(hf_breaker_window kind, uint32_t window, uint32_t buckets, bool wheel) {
    struct hf__breaker_shape shape = {.kind = (uint32_t)kind};
    if (kind == HF_BREAKER_BY_CALLS) {
        shape.capacity = window <= HF__CAPACITY_CALLS ? HF__CAPACITY_CALLS : up_to_multiple(window, HF__WINDOW_BLOCK);
        shape.window = up_to_multiple(shape.capacity / HF__WINDOW_BLOCK, HF__LINE_WORDS);
    } else {
        shape.capacity = buckets <= HF__CAPACITY_BUCKETS ? HF__CAPACITY_BUCKETS : buckets;
        shape.stride = up_to_multiple(HF__CELL_KINDS * shape.capacity, HF__LINE_WORDS);
        shape.window = HF__TIME_CELLS + HF__BREAKER_SHARDS * shape.stride;
    }
    shape.wheel = wheel ? shape.window : 0;
    shape.words = shape.window + (wheel ? HF__WHEEL_TOTAL : 0);
    return shape;
}

size_t hf__breaker_state_bytes(const struct hf__breaker_shape *shape) {
    return offsetof(struct hf__breaker_state, window) + shape->words * sizeof(uint64_t);
}
