/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_STATS_H
#define HOLDFAST_STATS_H

/* Counters: how the calls of a pipeline ended, and why. They are always on: a healthy call adds one to a number
 * that belongs to its thread, and nothing else. Read them whenever you like, or hand them to Prometheus:
 *
 *     char page[65536];
 *     hf_pipeline *const all[] = {payments};
 *     if (hf_prometheus_write(page, sizeof page, all, 1) < sizeof page) printf("%s", page);
 */

#include <holdfast/pipeline.h>
#include <holdfast/result.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_STATS_REASONS 24 /* reasons that can be counted, see hf_reason */

/* All counts since the pipeline was made. Each call is counted once, when it ends. */
typedef struct hf_pipeline_stats {
    uint32_t struct_size;      /* set by the caller to sizeof(hf_pipeline_stats) */
    uint32_t policies;         /* in the pipeline */
    uint64_t calls;            /* ended; the sum of successes, fallbacks, failed, rejected, timed_out, cancelled */
    uint64_t successes;        /* brought the operation's value */
    uint64_t late;             /* of these, after their deadline */
    uint64_t fallbacks;        /* brought a fallback's */
    uint64_t failed;           /* HF_E_FAILED */
    uint64_t rejected;         /* HF_E_REJECTED */
    uint64_t timed_out;        /* HF_E_TIMEOUT */
    uint64_t cancelled;        /* HF_E_CANCELLED */
    uint64_t attempts;         /* started */
    uint64_t further_attempts; /* of these, retries and hedges */
    uint64_t budget_denied;    /* calls that wanted another attempt when the budget was empty */
    uint64_t by_reason[HF_STATS_REASONS]; /* calls without the operation's value, by hf_reason */
    uint64_t by_policy[HF_MAX_POLICIES];  /* the same by the policy that gave the reason, outermost first */
} hf_pipeline_stats;

/* hf_pipeline_stats_read fills `out_stats`, whose struct_size the caller has set. A call that ends meanwhile may
 * be in some of the numbers and not in others.
 *
 * Errors:   HF_E_INVALID when struct_size is too small.
 * Threads:  any thread; never blocks, and slows no call down.
 */
HF_API int hf_pipeline_stats_read(const hf_pipeline *pipeline, hf_pipeline_stats *out_stats);

/* hf_pipeline_policy_name and hf_pipeline_policy_kind say what the policy at `place` is called ("payments.breaker") and
 * what it is ("breaker"), 0 the outermost; NULL when there is none. Owned by the pipeline.
 * Threads: any thread; never blocks. */
HF_API const char *hf_pipeline_policy_name(const hf_pipeline *pipeline, uint32_t place);
HF_API const char *hf_pipeline_policy_kind(const hf_pipeline *pipeline, uint32_t place);

/* The content type of what hf_prometheus_write writes. */
#define HF_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* hf_prometheus_write writes the counters of `count` pipelines into `out` as Prometheus reads them: families
 * holdfast_calls_total (labels pipeline, result), holdfast_attempts_total, holdfast_further_attempts_total,
 * holdfast_budget_denied_total, holdfast_ended_total (pipeline, reason) and holdfast_ended_by_policy_total
 * (pipeline, policy, kind). Of the reasons only those that occurred are written. Pipelines must have different names.
 *
 * Returns the length of the whole text, as snprintf does: when that is `size` or more it was cut.
 * Threads: any thread; never blocks.
 */
HF_API size_t hf_prometheus_write(char *out, size_t size, hf_pipeline *const *pipelines, size_t count);

#ifdef __cplusplus
}
#endif
#endif
