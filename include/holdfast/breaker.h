/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_BREAKER_H
#define HOLDFAST_BREAKER_H

/* Circuit breaker: stops calling a dependency that fails, and finds out when it is back.
 *
 * Closed, it admits everything and keeps the results of the last `window` calls, exactly, or of the last
 * `window_ms` in buckets of time. It opens when, on any result, at least `min_calls` are in the window and
 * the share of failures (or of slow calls) reaches its limit, or when `consecutive_failures` came in a row.
 * Open, it rejects without calling the dependency until its open time is over; that time doubles, with
 * jitter, each time a probe fails. Then it is half-open: at most `probes` attempts are let through, each a
 * lease that expires, and the breaker decides as soon as their results make the answer certain: open again,
 * or closed - at once, or by way of *recovering*, in which the share that it admits grows from a tenth to
 * all over `recovery_ms`. Nothing ever wedges: an expired lease counts as a failed probe, and once the open
 * time and the lease have passed an attempt is admitted again.
 *
 * Not for: limiting how much is in flight (bulkhead.h), or spacing retries (retry.h).
 *
 *     hf_breaker_config config;
 *     hf_breaker_config_init(&config);
 *     config.consecutive_failures = 5;
 *     hf_breaker *breaker;
 *     hf_error error;
 *     int rc = hf_breaker_new(&breaker, "payments", &config, &error);
 *
 * Changing it while it works, saving its state and asking it why: breaker_admin.h.
 */

#include <holdfast/error.h>
#include <holdfast/region.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_breaker hf_breaker;

/* States. The numbers are those of the control word (docs/design/breaker.md): up to 2 every attempt is
 * admitted, from 3 on some may be turned back. */
typedef enum hf_breaker_state {
    HF_BREAKER_CLOSED = 0,
    HF_BREAKER_METRICS_ONLY = 1, /* admits everything and keeps the window; tells when it would have opened */
    HF_BREAKER_DISABLED = 2,     /* admits everything, records nothing */
    HF_BREAKER_RECOVERING = 3,   /* admits a growing share */
    HF_BREAKER_HALF_OPEN = 4,
    HF_BREAKER_OPEN = 5,
    HF_BREAKER_FORCED_OPEN = 6 /* rejects everything until set to another state */
} hf_breaker_state;

/* What the window holds. */
typedef enum hf_breaker_window {
    HF_BREAKER_BY_CALLS = 0, /* the last `window` results, exactly */
    HF_BREAKER_BY_TIME = 1   /* the results of the last `window_ms`, in `buckets` */
} hf_breaker_window;

/* Bits: the rules that can open it. */
#define HF_BREAKER_RULE_FAILURE_RATE 0x1u
#define HF_BREAKER_RULE_SLOW_RATE 0x2u
#define HF_BREAKER_RULE_CONSECUTIVE 0x4u

#define HF_BREAKER_OFF UINT32_C(0xffffffff) /* a rule that is not used */
#define HF_BREAKER_WINDOW_MAX 1024
#define HF_BREAKER_BUCKETS_MAX 20
#define HF_BREAKER_CALLS_MAX 1000000 /* of the counts that a window of time is asked for */
#define HF_BREAKER_PROBES_MAX 16

/* What a state change looked like; given to the callback and valid only during it. */
typedef struct hf_breaker_event hf_breaker_event;

/* Called after each change of state, once, by the thread that made it, with no lock held: it may
 * call any function of the library but must not block for long, since the call waits for it. In
 * metrics-only it is also called, once for each rule, when the rule would have opened the breaker: then
 * `from` and `to` of the event are both metrics-only. */
typedef void hf_breaker_on_change(void *arg, const hf_breaker_event *event);

typedef struct hf_breaker_config {
    uint32_t struct_size;            /* set by hf_breaker_config_init */
    int32_t window_kind;             /* hf_breaker_window. Default HF_BREAKER_BY_CALLS. 0 or 1. */
    uint32_t window;                 /* by calls: number of last results kept. Default 100. 1 to 1024. */
    uint32_t buckets;                /* by time: parts of the window. It moves on by one part at a time, so
                                      that it spans between buckets - 1 and buckets parts. Default 10. 1 to
                                      20. */
    int64_t window_ms;               /* by time: length of the window. Default 10000. 10 for each bucket to
                                      3600000. */
    uint32_t min_calls;              /* results needed before a rate decides. Default 20. 1 to window, or by
                                      time to 1000000. */
    uint32_t failure_rate_ppm;       /* opens at this share of failures or more. Default 500000. 1 to
                                      1000000, or HF_BREAKER_OFF. */
    uint32_t slow_rate_ppm;          /* opens at this share of slow results or more. Default 1000000.
                                      1 to 1000000, or HF_BREAKER_OFF. */
    uint32_t consecutive_failures;   /* opens after this many in a row, whatever min_calls says. Default
                                      HF_BREAKER_OFF. 1 to window, or by time to 1000000, or
                                      HF_BREAKER_OFF. */
    int64_t slow_call_ms;            /* a call that takes this long or longer is slow, and counts as slow while it
                                      still runs: see below. Default HF_NEVER: only late results are. 1 to
                                      86400000, or HF_NEVER. */
    int64_t open_ms;                 /* first open time. Default 5000. 1 to 86400000. */
    int64_t open_max_ms;             /* longest open time, before jitter. Default 60000. open_ms to 86400000. */
    uint32_t open_jitter_ppm;        /* the open time varies by up to this share, both ways. Default
                                      200000. 0 to 1000000. */
    uint32_t probes;                 /* attempts admitted while half-open. Default 5. 1 to 16. */
    uint32_t probe_failures_allowed; /* of these, how many may fail. Default 0. 0 to probes - 1. */
    int32_t initial_state;           /* hf_breaker_state that it begins in. Default HF_BREAKER_CLOSED. Not
                                      recovering or half-open. */
    int64_t probe_lease_ms;          /* a probe without result for this long has failed; keep it above
                                      the attempt timeout. Default 15000. 1 to 86400000. */
    int64_t recovery_ms;             /* after the probes succeeded, admissions grow to all over this time;
                                      meanwhile the rates decide from `probes` results on. Default 0:
                                      all at once. 0 to 86400000. */
    int64_t warm_up_ms;              /* it does not open by itself before this long after initial_at.
                                      Default 0. 0 to 86400000. */
    hf_time initial_at;              /* the instant that the open time of an initial state open, and
                                      warm_up_ms, count from, on the clock of the calls. Default 0: long ago,
                                      so that an open breaker begins with probes. */
    hf_breaker_on_change *on_change; /* Default NULL: none. */
    void *on_change_arg;             /* Default NULL. Must outlive the breaker. */
    hf_region *region;               /* memory shared by processes in which the breaker lives, under its name: then
                                      all of them must configure it alike, hf_breaker_reconfigure is
                                      refused, the process that makes a change is the one that is told of it, and
                                      failures that may be a process's own (HF_LOCAL) do not count. Kept by
                                      reference. Default NULL: memory of this process. */
} hf_breaker_config;

/* Overdue calls. Where slow_call_ms and slow_rate_ppm are set, calls that have run for slow_call_ms count as if they
 * had ended now, and slow: a dependency that hangs is noticed before the first time-out. They are looked at by the first
 * call in each seventh of slow_call_ms, and with results that could open the breaker themselves, so that the breaker
 * opens at most that seventh later than it could be known. What was begun before the present generation is not
 * looked at. It costs each call two writes to memory of its own thread's, and 512 bytes of state; nothing where
 * there is no threshold. */

/* A consistent picture of the breaker at one instant. */
typedef struct hf_breaker_info {
    uint32_t struct_size;   /* set by the caller to sizeof(hf_breaker_info) */
    int32_t state;          /* hf_breaker_state */
    uint32_t generation;    /* changes with every change of state */
    uint32_t total;         /* results in the window; when open or half-open: those that tripped it */
    uint32_t failures;      /* of these, failed or throttled */
    uint32_t slow;          /* of these, slow */
    uint32_t consecutive;   /* failures in a row at the end of the window */
    uint32_t probes_flying; /* half-open: leases given and not settled */
    uint32_t probes_ok;     /* half-open: probes that succeeded */
    uint32_t probes_failed; /* half-open: probes that failed or expired */
    uint64_t rejected;      /* attempts turned back in this generation */
    hf_time retry_at;       /* when an attempt can next be admitted; `now` or earlier: at once;
                               HF_NEVER: not before somebody changes the state */
    uint32_t admit_ppm;     /* share of attempts that are admitted now: recovering, a growing one; half-open,
                               all while there is a free probe */
    uint32_t rules;         /* HF_BREAKER_RULE_ bits of the limits that the counts reach */
    uint32_t overdue;       /* calls under way for slow_call_ms or longer: they count as slow, and not in total and
                               slow above before they end */
    uint32_t reserved;
} hf_breaker_info;

struct hf_breaker_event {
    uint32_t struct_size;        /* fields may be appended */
    int32_t from;                /* hf_breaker_state */
    int32_t to;                  /* hf_breaker_state; the same in metrics-only */
    uint32_t rules;              /* HF_BREAKER_RULE_ bits of what opened it, or would have; 0 when set by hand or by
                             a probe */
    const char *name;            /* of the breaker */
    hf_time at;                  /* the `now` of the step that made the change */
    const hf_breaker_info *info; /* the numbers that decided, before any reset */
};

/* hf_breaker_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_breaker_config_init(hf_breaker_config *config);

/* hf_breaker_new makes a breaker in its initial state. `name` (1 to HF_NAME_MAX bytes) appears in results, events
 * and errors; `config` NULL means all defaults. Both are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
 * Threads:  any thread; the breaker may be used by any number of threads and pipelines.
 * Memory:   one allocation, given back by hf_breaker_free: the state takes 256 bytes for a window of up to 128
 *           calls (704 for 1024) and 1280 for one of up to 10 buckets of time, 512 more with a slow threshold, the
 *           handle about 500.
 */
HF_API int hf_breaker_new(hf_breaker **out_breaker, const char *name, const hf_breaker_config *config, hf_error *error);

/* hf_breaker_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_breaker_free(hf_breaker *breaker);

/* hf_breaker_policy is the breaker as a member of a pipeline. Owned by the breaker.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_breaker_policy(hf_breaker *breaker);

/* hf_breaker_set puts the breaker into a state by hand: HF_BREAKER_CLOSED resets it (empty window,
 * first open time), HF_BREAKER_OPEN opens it for its first open time from `now`,
 * HF_BREAKER_FORCED_OPEN, HF_BREAKER_DISABLED and HF_BREAKER_METRICS_ONLY (which begins with an empty
 * window) hold until the next hf_breaker_set. Setting the
 * present state again is allowed and changes nothing, except that closed is reset. Results of
 * attempts admitted before are dropped.
 *
 * Errors:   HF_E_STATE for HF_BREAKER_HALF_OPEN and HF_BREAKER_RECOVERING (a breaker gets there by itself),
 *           HF_E_INVALID for an unknown state.
 * Time:     `now` in ns on the clock of the calls that use the breaker.
 * Threads:  any thread; never blocks; runs the callback.
 */
HF_API int hf_breaker_set(hf_breaker *breaker, hf_breaker_state state, hf_time now);

/* hf_breaker_snapshot fills `out_info`, whose struct_size the caller has set.
 *
 * Errors:   HF_E_INVALID when struct_size is too small.
 * Time:     `now` decides only retry_at: an open breaker whose time is over still says open, since it
 *           becomes half-open with the next attempt.
 * Threads:  any thread; never blocks; state and counts belong to one generation.
 */
HF_API int hf_breaker_snapshot(hf_breaker *breaker, hf_breaker_info *out_info, hf_time now);

/* hf_breaker_state_name is a word for a state: "closed", "half-open", ...; never NULL.
 * Threads: any thread; never blocks. */
HF_API const char *hf_breaker_state_name(int32_t state);

#ifdef __cplusplus
}
#endif
#endif
