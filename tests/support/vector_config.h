/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_VECTOR_CONFIG_H
#define HF_TESTS_SUPPORT_VECTOR_CONFIG_H

/* Configurations as a row writes them: an object and its "key=value"s. docs/design/vectors.md lists the
 * keys. */

#include <holdfast/holdfast.h>

struct vector_world;

union vector_config {
    hf_breaker_config breaker;
    hf_retry_config retry;
    hf_budget_config budget;
    hf_bulkhead_config bulkhead;
    hf_rate_limit_config rate;
    hf_concurrency_config limit;
    hf_hedge_config hedge;
    hf_timeout_config timeout;
    hf_backoff_config backoff;
};

/* Fills in the library's defaults; false with a fault for an unknown object. */
bool vector_config_init(struct vector_world *w, const char *object, union vector_config *out);

/* Applies "key=value key=value ..." (taken apart; NULL: nothing). `*out_field` is what errors call the last
 * key; it is left alone when there is none. */
bool vector_config_apply(struct vector_world *w, const char *object, char *keys, union vector_config *config,
                         const char **out_field);

#endif
