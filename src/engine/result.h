/* SPDX-License-Identifier: MIT */
#ifndef HF_ENGINE_RESULT_H
#define HF_ENGINE_RESULT_H

#include <holdfast/result.h>

/* What an hf_result holds. */
struct hf__result {
    int32_t status;
    int32_t reason;    /* hf_reason */
    uint32_t flags;    /* HF_RESULT_* */
    uint32_t attempts; /* started */
    hf_time retry_at;
    hf_outcome outcome; /* the last reported */
    uint32_t reported;  /* attempts that were reported; 0: `outcome` means nothing */
    uint32_t reserved;
    char policy[HF_NAME_MAX + 1];
    hf_attempt_record record[HF_RESULT_ATTEMPTS_MAX]; /* of attempt n at n % HF_RESULT_ATTEMPTS_MAX */
};
_Static_assert(sizeof(struct hf__result) <= sizeof(hf_result), "hf_result holds this");

/* A result that says only `status`: for calls that were refused before they began. */
HF_API void hf__result_init(hf_result *result, int status);

/* The result of a call whose first attempt was a success and took so long. */
void hf__result_of_success(hf_result *result, hf_outcome outcome, int64_t took_ns);

/* Microseconds for a record, saturating. */
static inline uint32_t hf__record_us(int64_t ns) {
    int64_t us = ns / HF_MICROSECOND;
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

#endif
