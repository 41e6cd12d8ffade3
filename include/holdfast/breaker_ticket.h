/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_BREAKER_TICKET_H
#define HOLDFAST_BREAKER_TICKET_H

/* A breaker by itself: for code that makes its own attempts and wants nothing else of a pipeline, an event loop
 * or a connection pool for instance. Ask before each attempt, tell what it came to, once.
 *
 *     hf_breaker_ticket ticket;
 *     hf_time ask_again_at;
 *     if (hf_breaker_admit(breaker, &ticket, &ask_again_at, now()) != HF_REASON_NONE) return too_many(ask_again_at);
 *     int rc = checkout(&order);
 *     hf_breaker_settle(breaker, &ticket, rc == 0 ? hf_success() : hf_failure(rc), now());
 *
 * It is the same breaker as in a pipeline, and may be used in both at once.
 */

#include <holdfast/breaker.h>
#include <holdfast/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an admission hands out: a caller-owned value without pointers. */
typedef struct hf_breaker_ticket {
    uint64_t opaque[6];
} hf_breaker_ticket;

/* hf_breaker_admit asks whether one more attempt may start at `now`. On admission it writes a ticket, which must be
 * settled once.
 *
 * Returns HF_REASON_NONE when it is admitted; else HF_REASON_OPEN, _PROBING, _RECOVERING or _FORCED_OPEN, and then there
 * is nothing to settle, and `*out_retry_at` (may be NULL) is the earliest instant at which asking again can succeed,
 * HF_NEVER if only a change by hand helps.
 * Time:     `now` in ns on the clock of all who use the breaker.
 * Threads:  any thread; never blocks; runs the breaker's on_change.
 * Memory:   allocates nothing.
 */
HF_API hf_reason hf_breaker_admit(hf_breaker *breaker, hf_breaker_ticket *out_ticket, hf_time *out_retry_at,
                                  hf_time now);

/* hf_breaker_settle says what the attempt came to: counted, or dropped when the breaker has moved on since. An attempt
 * that was not made after all is settled with hf_neutral. Settling a ticket again does nothing.
 *
 * Time:     `now` in ns, as above; the attempt took since its admission.
 * Threads:  any thread, one at a time for a ticket; never blocks; runs the breaker's on_change.
 */
HF_API void hf_breaker_settle(hf_breaker *breaker, hf_breaker_ticket *ticket, hf_outcome outcome, hf_time now);

#ifdef __cplusplus
}
#endif
#endif
