/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BACKOFF_H
#define HF_CORE_BACKOFF_H

#include <holdfast/backoff.h>

/* Is every field in its range? The one predicate behind hf_backoff_delay and the checks of hf_retry_new;
 * `out_field` (may be NULL) names the first offender. */
bool hf__backoff_valid(const hf_backoff_config *config, const char **out_field);

/* The longest of anything that is configured in milliseconds: a day. */
#define HF__DAY_MS INT64_C(86400000)

#endif
