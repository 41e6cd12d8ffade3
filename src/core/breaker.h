/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_H
#define HF_CORE_BREAKER_H

/* The control word of the circuit breaker, as pure functions; docs/design/breaker.md has the reasons.
 *
 *     control   time_ms 42 | gen 15 | streak 4 | state 3
 *
 * Time is absolute milliseconds, all ones for never: *until* in state open, *since* in all others. What is
 * promised not before is rounded up, what has been since is rounded down. Time and generation are the
 * identity of a stretch of operation: what an admission was given carries it, and is dropped when it comes
 * back in another. `streak` counts the rounds of probes (and recoveries) that failed in a row: the open time
 * doubles with it. In metrics-only it has the rules that have been told.
 *
 * Transitions (T1 ... T10; there is no other). All but T9 and T10 begin a new generation.
 *   #    from            event                                             to
 *   T1   closed          the window trips                                  open, streak 0
 *   T2   open            an admission is asked for at or after `until`     half-open
 *   T3   half-open       probes - probe_failures_allowed have succeeded    recovering, or with a recovery
 *                                                                          time of 0 closed; window empty
 *   T4   half-open       more than probe_failures_allowed have failed      open, streak + 1
 *   T5   any             set to closed                                     closed, streak 0, window empty
 *   T6   not open        set to open                                       open, streak 0
 *   T7   not the same    set to forced open, disabled or metrics-only      as set; window empty in the last
 *   T8   recovering      the window trips                                  open, streak + 1
 *   T9   recovering      an admission is asked for at the end of the       closed, streak 0; generation, time,
 *                        recovery time or later                            window and tickets live on
 *   T10  metrics-only    a rule is reached for the first time              metrics-only, noted in the streak
 * hf__control_restore makes any state from what was saved of another breaker; that is T5 to T7 with another
 * time and streak.
 *
 * No wedge: an open breaker becomes half-open at `until`. Half-open, each of the N slots is free, flying
 * with a lease that ends, or has a result; N results always decide (ok < N - f and bad <= f would make
 * ok + bad < N), so as long as nothing is decided there is a free slot or one whose lease will end.
 * Recovering, a share of at least a tenth is admitted. */

#include <holdfast/breaker.h>

#define HF__MS_BITS 42
#define HF__MS_NEVER ((INT64_C(1) << HF__MS_BITS) - 1)

#define HF__RECOVERY_BEGIN_PPM 100000 /* the share that is admitted when a recovery begins */

struct hf__control {
    int64_t ms;
    uint32_t generation;
    uint32_t streak;
    hf_breaker_state state;
};

uint64_t hf__control_pack(struct hf__control control);
struct hf__control hf__control_unpack(uint64_t word);

#define HF__CONTROL_GENERATION_SHIFT 7
#define HF__CONTROL_GENERATION_MASK 0x7fffu

/* Parts of it, for paths where the whole is too much. */
static inline hf_breaker_state hf__control_state(uint64_t word) { return (hf_breaker_state)(word & 7); }
static inline uint32_t hf__control_generation(uint64_t word) {
    return (uint32_t)(word >> HF__CONTROL_GENERATION_SHIFT) & HF__CONTROL_GENERATION_MASK;
}

/* Do both words belong to one stretch of operation? */
static inline bool hf__control_same(uint64_t a, uint64_t b) {
    return a >> HF__CONTROL_GENERATION_SHIFT == b >> HF__CONTROL_GENERATION_SHIFT;
}

/* Do results of calls admitted in this state go into the window? */
static inline bool hf__state_records(hf_breaker_state state) {
    return state == HF_BREAKER_CLOSED || state == HF_BREAKER_METRICS_ONLY || state == HF_BREAKER_RECOVERING;
}

/* Instants in and out of a word. */
int64_t hf__word_ms_down(hf_time at);
int64_t hf__word_ms_up(hf_time at);
hf_time hf__word_time(int64_t ms);

struct hf__open_rules {
    int64_t open_ns;
    int64_t open_max_ns;
    int64_t probe_lease_ns;
    int64_t recovery_ns;
    uint32_t open_jitter_ppm;
    uint32_t probes;
    uint32_t probe_failures_allowed;
    uint32_t reserved;
};

/* What an admission at `now` comes to. */
enum hf__admission {
    HF__ADMIT_CALL,  /* admitted */
    HF__ADMIT_SHARE, /* recovering: share_ppm of all are admitted, the others rejected */
    HF__ADMIT_PROBE, /* half-open: needs a probe slot */
    HF__ADMIT_MOVE,  /* move the control word to `next`, then ask again */
    HF__ADMIT_REJECT /* until retry_at */
};
struct hf__admission_answer {
    enum hf__admission verdict;
    int32_t reason; /* hf_reason of the rejection */
    uint64_t next;
    hf_time retry_at;
    uint32_t share_ppm;
};
struct hf__admission_answer hf__control_admit(uint64_t word, const struct hf__open_rules *rules, hf_time now);

/* T1 or T8, from a closed or recovering word. `hint_ns` is the Retry-After of the result that tripped, 0 for
 * none. */
uint64_t hf__control_trip(uint64_t word, const struct hf__open_rules *rules, hf_time now, int64_t hint_ns,
                          uint64_t random);

/* T10: the metrics-only word after these rules were told; unchanged when all have been. */
uint64_t hf__control_told(uint64_t word, uint32_t rules);

/* T5 to T7. False for what cannot be set; `*out` equals `word` when nothing changes. */
bool hf__control_set(uint64_t word, hf_breaker_state state, const struct hf__open_rules *rules, hf_time now,
                     uint64_t *out);

/* The word for a state that was saved elsewhere. `left_ns` is what is left of its open time, `for_ns` how
 * long a recovery has gone on. Half-open goes on as open with nothing left: its probes are not ours. */
uint64_t hf__control_restore(uint64_t word, hf_breaker_state state, uint32_t streak, int64_t left_ns, int64_t for_ns,
                             hf_time now);

struct hf__tally {
    uint32_t flying;
    uint32_t ok;
    uint32_t bad;
};

/* T3, T4, or the word unchanged while the answer is open. */
uint64_t hf__control_decide(uint64_t word, struct hf__tally tally, const struct hf__open_rules *rules, hf_time now,
                            int64_t hint_ns, uint64_t random);

#endif
