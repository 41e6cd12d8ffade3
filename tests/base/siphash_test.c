/* SPDX-License-Identifier: MIT */
/* SipHash-2-4 against the values published with it: the secret is the bytes 0 to 15, the text the bytes 0, 1, 2, ... */
#include "base/siphash.h"
#include "support/cmocka_all.h"

static void the_published_values(void **state) {
    (void)state;
    static const struct {
        size_t size;
        uint64_t hash;
    } rows[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)}, {1, UINT64_C(0x74f839c593dc67fd)},  {2, UINT64_C(0x0d6c8009d9a94f5a)},
        {3, UINT64_C(0x85676696d7fb7e2d)}, {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {9, UINT64_C(0x9e0082df0ba9e4b0)}, {15, UINT64_C(0xa129ca6149be45e5)},
    };
    const uint64_t secret[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    unsigned char text[16];
    for (unsigned i = 0; i < sizeof text; i++) text[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(hf__siphash(secret, text, rows[i].size), rows[i].hash);
    }
}

static void every_byte_of_text_and_secret_counts(void **state) {
    (void)state;
    unsigned char text[24] = {0};
    uint64_t secret[2] = {1, 2};
    uint64_t before = hf__siphash(secret, text, sizeof text);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] ^= 0x80;
        assert_int_not_equal(hf__siphash(secret, text, sizeof text), before);
        text[i] ^= 0x80;
    }
    for (int bit = 0; bit < 128; bit++) {
        secret[bit / 64] ^= UINT64_C(1) << bit % 64;
        assert_int_not_equal(hf__siphash(secret, text, sizeof text), before);
        secret[bit / 64] ^= UINT64_C(1) << bit % 64;
    }
    assert_int_not_equal(hf__siphash(secret, text, sizeof text - 1), before); /* zeros at the end count */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_values),
        cmocka_unit_test(every_byte_of_text_and_secret_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
