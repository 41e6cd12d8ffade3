/* SPDX-License-Identifier: MIT */
#include "support/bytes.h"

struct bytes bytes_of(const void *data, size_t size) {
    return (struct bytes){data, size};
}

uint8_t bytes_u8(struct bytes *in) {
    if (in->left == 0) return 0;
    in->left--;
    return *in->at++;
}

uint32_t bytes_u32(struct bytes *in) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) value |= (uint32_t)bytes_u8(in) << 8 * i;
    return value;
}

uint64_t bytes_u64(struct bytes *in) {
    uint64_t low = bytes_u32(in);
    return low | (uint64_t)bytes_u32(in) << 32;
}

uint32_t bytes_below(struct bytes *in, uint32_t n) { return (n <= 256 ? bytes_u8(in) : bytes_u32(in)) % n; }

int64_t bytes_between(struct bytes *in, int64_t low, int64_t high) {
    return low + (int64_t)bytes_below(in, (uint32_t)(high - low) + 1);
}

bool bytes_one_in(struct bytes *in, uint32_t n) { return bytes_below(in, n) == n - 1; }
