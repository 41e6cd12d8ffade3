/* SPDX-License-Identifier: MIT */
#include "base/num.h"

int64_t hf__add(int64_t a, int64_t b) {
    if (a == HF_NEVER || b == HF_NEVER) return HF_NEVER;
    if (b > 0 && a > HF_NEVER - b) return HF_NEVER;
    if (b < 0 && a < INT64_MIN - b) return INT64_MIN;
    return a + b;
}

int64_t hf__left(int64_t a, int64_t b) {
    if (a == HF_NEVER) return HF_NEVER;
    if (a <= b) return 0;
    if (b < 0 && a > HF_NEVER + b) return HF_NEVER;
    return a - b;
}

int64_t hf__mul(int64_t a, int64_t b) {
    if (a == 0 || b == 0) return 0;
    if (a == HF_NEVER || b == HF_NEVER || a > HF_NEVER / b) return HF_NEVER;
    return a * b;
}

int64_t hf__ppm(int64_t value, uint32_t ppm) {
    if (value == HF_NEVER) return HF_NEVER;
    /* Whole millions first, so that the product of the rest cannot overflow. */
    int64_t whole = hf__mul(value / HF_PPM, ppm);
    int64_t rest = (value % HF_PPM) * (int64_t)ppm / HF_PPM;
    return hf__add(whole, rest);
}

int64_t hf__ms_to_ns(int64_t ms) { return hf__mul(ms, HF_MILLISECOND); }

int64_t hf__ns_to_ms_down(int64_t ns) { return ns == HF_NEVER ? HF_NEVER : ns / HF_MILLISECOND; }

int64_t hf__ns_to_ms_up(int64_t ns) {
    if (ns == HF_NEVER) return HF_NEVER;
    return ns / HF_MILLISECOND + (ns % HF_MILLISECOND > 0);
}
