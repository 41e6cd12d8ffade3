/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_H
#define HF_CORE_BREAKER_H

/* The circuit breaker as pure functions over words; docs/design/breaker.md has the reasons.
 *
 *     control   time_ms 42 | gen 15 | streak 4 | state 3
 *     probe     lease_ms 42 | gen 15 | status 2 | owner 5
 *
 * Time is absolute milliseconds, all ones for never: *until* in state open, *since* in all others. What is
 * promised not before is rounded up, what has been since is rounded down. Every transition makes a new
 * generation; what an admission was given carries the generation it was given in and is dropped when it
 * comes back in another. `streak` counts probe rounds that failed in a row: the open time doubles with it.
 *
 * Transitions (T1 ... T7; there is no other):
 *   #   from            event                                             to
 *   T1  closed          the window trips                                  open, streak 0
 *   T2  open            an admission is asked for at or after `until`     half-open
 *   T3  half-open       probes - probe_failures_allowed have succeeded    closed, streak 0, window empty
 *   T4  half-open       more than probe_failures_allowed have failed      open, streak + 1
 *   T5  any             set to closed                                     closed, streak 0, window empty
 *   T6  not open        set to open                                       open, streak 0
 *   T7  not the same    set to forced open or disabled                    as set
 *
 * No wedge: an open breaker becomes half-open at `until`. Half-open, each of the N slots is free, flying
 * with a lease that ends, or has a result; N results always decide (ok < N - f and bad <= f would make
 * ok + bad < N), so as long as nothing is decided there is a free slot or one whose lease will end. */

#include <holdfast/breaker.h>

#define HF__MS_BITS 42
#define HF__MS_NEVER ((INT64_C(1) << HF__MS_BITS) - 1)

struct hf__control {
    int64_t ms;
    uint32_t generation;
    uint32_t streak;
    hf_breaker_state state;
};

uint64_t hf__control_pack(struct hf__control control);
struct hf__control hf__control_unpack(uint64_t word);

/* Instants in and out of a word. */
int64_t hf__word_ms_down(hf_time at);
int64_t hf__word_ms_up(hf_time at);
hf_time hf__word_time(int64_t ms);

struct hf__open_rules {
    int64_t open_ns;
    int64_t open_max_ns;
    uint32_t open_jitter_ppm;
    uint32_t probes;
    uint32_t probe_failures_allowed;
    int64_t probe_lease_ns;
};

/* What an admission at `now` comes to. */
enum hf__admission {
    HF__ADMIT_CALL,  /* admitted and counted in the window (nothing is, when disabled) */
    HF__ADMIT_PROBE, /* half-open: needs a probe slot */
    HF__ADMIT_MOVE,  /* move the control word to `next`, then ask again */
    HF__ADMIT_REJECT /* until retry_at */
};
struct hf__admission_answer {
    enum hf__admission verdict;
    uint64_t next;
    int32_t reason; /* hf_reason */
    hf_time retry_at;
};
struct hf__admission_answer hf__control_admit(uint64_t word, hf_time now);

/* T1, from a closed word. `hint_ns` is the Retry-After of the result that tripped, 0 for none. */
uint64_t hf__control_trip(uint64_t word, const struct hf__open_rules *rules, hf_time now, int64_t hint_ns,
                          uint64_t random);

/* T5 to T7. False for what cannot be set; `*out` equals `word` when nothing changes. */
bool hf__control_set(uint64_t word, hf_breaker_state state, const struct hf__open_rules *rules, hf_time now,
                     uint64_t *out);

/* ---- probe slots ---- */

enum hf__probe_status { HF__PROBE_FREE = 0, HF__PROBE_FLYING = 1, HF__PROBE_OK = 2, HF__PROBE_BAD = 3 };

uint64_t hf__probe_pack(int64_t lease_ms, uint32_t generation, enum hf__probe_status status);
enum hf__probe_status hf__probe_status_of(uint64_t slot);

/* What to do with the slots to start a probe at `now` under the half-open word `control`. */
enum hf__claim {
    HF__CLAIM_SLOT,   /* move slots[index] to `next`: the probe may fly */
    HF__CLAIM_EXPIRE, /* move slots[index] to `next`: its lease has ended; then decide, and ask again */
    HF__CLAIM_FULL    /* all fly: ask again at retry_at */
};
struct hf__claim_answer {
    enum hf__claim verdict;
    uint32_t index;
    uint64_t next;
    hf_time retry_at;
};
struct hf__claim_answer hf__probe_claim(const uint64_t *slots, uint64_t control, const struct hf__open_rules *rules,
                                        hf_time now);

/* Has the lease ended at `now`? */
bool hf__probe_expired(uint64_t slot, hf_time now);

/* The slot after its probe came to `status` (FREE gives it back without a result). */
uint64_t hf__probe_settle(uint64_t slot, enum hf__probe_status status);

struct hf__tally {
    uint32_t flying;
    uint32_t ok;
    uint32_t bad;
};

/* Counts the slots of the control word's own generation. */
struct hf__tally hf__probe_tally(const uint64_t *slots, uint32_t count, uint64_t control);

/* T3, T4, or the word unchanged while the answer is open. */
uint64_t hf__control_decide(uint64_t word, struct hf__tally tally, const struct hf__open_rules *rules, hf_time now,
                            int64_t hint_ns, uint64_t random);

#endif
