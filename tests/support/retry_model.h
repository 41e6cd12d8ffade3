/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_RETRY_MODEL_H
#define HF_TESTS_SUPPORT_RETRY_MODEL_H

#include <stddef.h>

/* Plays what the bytes say on a retry with a budget, and on a model of both: the formulas of backoff.h in
 * floating point, and a list of everything that was ever put into the budget or taken out. Aborts where they
 * differ. */
void retry_model_play(const void *data, size_t size);

#endif
