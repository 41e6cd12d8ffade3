/* SPDX-License-Identifier: MIT */
/* Random play on the breaker and on its model; fuzz/breaker_fuzz.c is the same with chosen bytes. */
#include "support/breaker_model.h"
#include "support/cmocka_all.h"

#include "base/rng.h"

static void the_breaker_is_the_model(void **state) {
    (void)state;
    uint64_t rng = 20261124;
    static uint8_t bytes[2048];
    for (int run = 0; run < 5000; run++) {
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)hf__rng_next(&rng);
        breaker_model_play(bytes, 64 + hf__rng_next(&rng) % (sizeof bytes - 64));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_breaker_is_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
