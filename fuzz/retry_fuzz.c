/* SPDX-License-Identifier: MIT */
/* Retry, back-off and budget against their formulas, see tests/support/retry_model.h. */
#include "fuzz.h"

#include "support/retry_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    retry_model_play(data, size);
    return 0;
}
