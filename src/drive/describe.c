/* SPDX-License-Identifier: MIT */
#include <holdfast/error.h>
#include <holdfast/result.h>

#include <stdio.h>

size_t hf_result_describe(const hf_result *result, char *out, size_t size) {
    uint32_t attempts = hf_result_attempts(result);
    uint32_t flags = hf_result_flags(result);
    const char *policy = hf_result_policy(result);
    char last[64] = "";
    hf_outcome outcome;
    if (hf_result_outcome(result, &outcome)) {
        static const char *const kinds[] = {"success", "failure", "throttled", "neutral"};
        snprintf(last, sizeof last, ", the last was %s with code %d", kinds[outcome.kind], outcome.code);
    }
    int length = snprintf(out, size, "%s%s%s%s%s%s: %u attempt%s%s%s", hf_strerror(hf_result_status(result)),
                          *policy ? " (policy " : "", policy, *policy ? ", " : "",
                          *policy ? hf_reason_text(hf_result_reason(result)) : "", *policy ? ")" : "", attempts,
                          attempts == 1 ? "" : "s", last,
                          (flags & HF_RESULT_FALLBACK) ? ", the value came from a fallback"
                          : (flags & HF_RESULT_LATE)   ? ", late"
                                                       : "");
    return length < 0 ? 0 : (size_t)length;
}
