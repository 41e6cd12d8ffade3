/* SPDX-License-Identifier: MIT */
/* The breaker against an obvious model, see tests/support/breaker_model.h. */
#include "fuzz.h"

#include "support/breaker_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    breaker_model_play(data, size);
    return 0;
}
