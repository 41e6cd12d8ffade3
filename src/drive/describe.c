/* SPDX-License-Identifier: MIT */
#include <holdfast/error.h>
#include <holdfast/result.h>

#include <stdio.h>

/* Why, where the status alone does not say it: a policy that ended the call goes with its reason; without one only
 * the deadline needs to be told from a timeout. */
static void describe_reason(const hf_result *result, char *out, size_t size) {
    const char *policy = hf_result_policy(result);
    hf_reason reason = hf_result_reason(result);
    *out = '\0';
    if (*policy) snprintf(out, size, " (policy %s, %s)", policy, hf_reason_text(reason));
    else if (reason == HF_REASON_DEADLINE) snprintf(out, size, " (%s)", hf_reason_text(reason));
}

size_t hf_result_describe(const hf_result *result, char *out, size_t size) {
    uint32_t attempts = hf_result_attempts(result);
    uint32_t flags = hf_result_flags(result);
    char why[160];
    describe_reason(result, why, sizeof why);
    char last[64] = "";
    hf_outcome outcome;
    if (hf_result_outcome(result, &outcome)) {
        static const char *const kinds[] = {"success", "failure", "throttled", "neutral"};
        snprintf(last, sizeof last, ", the last was %s with code %d", kinds[outcome.kind], outcome.code);
    }
    int length = snprintf(out, size, "%s%s: %u attempt%s%s%s", hf_strerror(hf_result_status(result)), why, attempts,
                          attempts == 1 ? "" : "s", last,
                          (flags & HF_RESULT_FALLBACK) ? ", the value came from a fallback"
                          : (flags & HF_RESULT_LATE)   ? ", late"
                                                       : "");
    return length < 0 ? 0 : (size_t)length;
}
