/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_BREAKER_ADMIN_H
#define HOLDFAST_BREAKER_ADMIN_H

/* Running a circuit breaker: ask it why it turns calls back and when that can change, give it other
 * numbers while it works, and carry its state over a restart.
 *
 *     hf_breaker_explanation why = {.struct_size = sizeof why};
 *     hf_breaker_explain(breaker, &why, hf_clock_now(NULL));
 *     puts(why.text);
 *     // breaker "payments" is open: 12 of the last 20 calls failed (60 %, limit 50 %); it admits a probe
 *     // in 4.2 s
 */

#include <holdfast/breaker.h>
#include <holdfast/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why a call would be rejected now, or that it would not. */
typedef struct hf_breaker_explanation {
    uint32_t struct_size; /* set by the caller to sizeof(hf_breaker_explanation) */
    int32_t reason;       /* hf_reason a call would be rejected for; HF_REASON_NONE: it would be admitted,
                              HF_REASON_RECOVERING: with the chance info.admit_ppm */
    int64_t wait_ns;      /* until an attempt can next be admitted: 0 at once, HF_NEVER not before somebody
                              changes the state */
    hf_breaker_info info; /* the same instant, in numbers */
    char text[256];       /* one sentence, without a full stop */
} hf_breaker_explanation;

/* hf_breaker_explain fills `out`, whose struct_size the caller has set.
 *
 * Errors:   HF_E_INVALID when struct_size is not sizeof(hf_breaker_explanation).
 * Time:     `now` in ns on the clock of the calls that use the breaker.
 * Threads:  any thread; never blocks; changes nothing.
 */
HF_API int hf_breaker_explain(hf_breaker *breaker, hf_breaker_explanation *out, hf_time now);

/* hf_breaker_reconfigure gives the breaker other rules from now on. State, window, tickets and leases
 * live on: what was recorded is judged by the new limits with the next result, an open time that runs keeps
 * its end, and a window of calls that is made longer does not take back what it had forgotten.
 *
 * Fixed when the breaker is made: window_kind; by calls, `window` may be anything up to 128 or, if it was
 * more, up to what it was, rounded up to 16; by time, the length of a bucket (window_ms / buckets), and
 * `buckets` may be anything up to 10 or what it was; name, callback and its argument. initial_state is
 * not looked at. Overdue calls are watched only if the breaker was made with slow_call_ms and slow_rate_ppm, and while
 * slow_call_ms is at most 1.8 times what it was then.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_STATE (it lives in a region); the old rules stay.
 * Threads:  any thread; calls under way are not held up, each uses the old rules or the new.
 * Blocks:   for another hf_breaker_reconfigure of the same breaker.
 * Memory:   allocates nothing.
 */
HF_API int hf_breaker_reconfigure(hf_breaker *breaker, const hf_breaker_config *config, hf_error *error);

/* hf_breaker_state_bytes is how much memory the shared state of a breaker with this configuration takes, in a
 * region or behind its handle: 256 for a window of up to 128 calls, 1792 for ten buckets of time with a slow
 * threshold. 0 for a configuration that hf_breaker_new refuses.
 * Threads: any thread; never blocks. */
HF_API size_t hf_breaker_state_bytes(const hf_breaker_config *config);

/* The state of a breaker as durations, which mean something in another process too. The layout is frozen. */
typedef struct hf_breaker_saved {
    int32_t state;   /* hf_breaker_state */
    uint32_t streak; /* rounds of probes that failed in a row: the open time doubles with it */
    int64_t left_ns; /* open: what is left of the open time, HF_NEVER for ever; else 0 */
    int64_t for_ns;  /* recovering: how long it has gone on; else 0 */
} hf_breaker_saved;

/* hf_breaker_save writes down the state at `now`, without the window: results are history, and a restart
 * is a reason to look afresh.
 * Threads: any thread; never blocks. */
HF_API void hf_breaker_save(hf_breaker *breaker, hf_breaker_saved *out_saved, hf_time now);

/* hf_breaker_restore puts the breaker into a saved state. `elapsed_ns` is how long ago it was saved, by
 * whatever clock the caller has for that: open times go on while nobody runs. An open breaker whose time is
 * over meanwhile begins with probes, and so does one that was half-open: its probes belonged to others.
 * The window begins empty, and results of attempts admitted before are dropped.
 *
 * Errors:   HF_E_INVALID for a state or duration that hf_breaker_save does not write; nothing changes.
 * Time:     `now` in ns on the clock of the calls that use the breaker.
 * Threads:  any thread; never blocks; runs the callback when the state is another one.
 */
HF_API int hf_breaker_restore(hf_breaker *breaker, const hf_breaker_saved *saved, int64_t elapsed_ns, hf_time now);

#ifdef __cplusplus
}
#endif
#endif
