/* SPDX-License-Identifier: MIT */
/* The bulkhead and its line against an obvious model, see tests/support/bulkhead_model.h. */
#include "fuzz.h"

#include "support/bulkhead_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bulkhead_model_play(data, size);
    return 0;
}
