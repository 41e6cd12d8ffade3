/* SPDX-License-Identifier: MIT */
/* Rate limits against the bound over any interval, see tests/support/rate_model.h. The first byte chooses between whole
 * operations and single words. */
#include "fuzz.h"

#include "support/rate_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    if (data[0] & 1) rate_model_interleave(data + 1, size - 1);
    else rate_model_play(data + 1, size - 1);
    return 0;
}
