/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_BREAKER_INSIDE_H
#define HF_POLICY_BREAKER_INSIDE_H

/* What the files of the breaker's shell share: the handle, and the steps that move its words. The shell moves
 * each word by compare-exchange of what a pure function of the core made of it. No lock on the path of a
 * call.
 *
 * The state (core/breaker_state.h) is words without pointers; everything else is here. Who writes what: all
 * words of the state are written by any thread, one at a time. Order when several change: the window first,
 * then the control word. A thread that dies or stalls between two steps leaves:
 *   - by calls, a slot that is taken and not written: it keeps what stood there, which is a result that is
 *     `capacity` older, until written; one call is missing or counted twice, and a writer that wakes after
 *     more than `capacity` further results replaces a newer one. No more than one slot for each such thread.
 *   - by calls, a success that took its slot in another generation than its own: an empty slot until it is pushed out.
 *   - by calls, a failure that is written while the head still says clean: successes do not push it out until
 *     the next failure. It may then count longer than it should, once for each such thread.
 *   - by time, a call that is counted and whose failure is not, or that counts in the bucket in which it is
 *     recorded instead of the one in which it ended.
 *   - a bucket whose old cells are not cleared: they do not count, and are overwritten when their turn comes.
 *   - a call on the wheel, which is counted as overdue until the breaker begins another generation; in a region,
 *     until its cell is taken for a later tick.
 *   - a probe slot that flies: its lease ends.
 *   - probe results without the decision: the next admission or settle decides.
 *   - a window reset without its control word: results of the old generation are stale, and the next
 *     transition goes on from there.
 *
 * Memory order, cited by number where it matters:
 *   (M1) control: acquire on load, acquire-release on exchange; whoever sees a recording generation sees the
 *        window reset for it.
 *   (M2) window by calls, head and blocks: sequentially consistent, for `clean` (core/breaker_window.h).
 *   (M3) probe slots: acquire-release, so that who sees the last result needed decides on all of them; the
 *        decision is made again by everyone anyway.
 *   (M4) rejected: relaxed, it only counts.
 *   (M5) window by time, spot and cells: sequentially consistent, for `spot` (core/breaker_time_window.h).
 *   (M6) window by time, head: acquire-release; a stale head puts a result into a bucket before, no worse.
 *   (M7) rules: see breaker_live.c. The copies of slow_call_ns and size are relaxed: a call that uses an old one is
 *        as if it had come before.
 *   (M9) seems_dirty, judge_success: relaxed hints. Who misses one takes the longer way, or leaves it to the next.
 *   (M8) wheel: relaxed. A call takes away only what it has put there itself, or what the old count was given for it;
 *        between the two the old count is read as signed. Who counts may miss who is just beginning. */

#include "policy/breaker_live.h"

#include "engine/policy.h"

#include <pthread.h>

struct hf_breaker {
    hf_policy base;
    struct hf__breaker_state *state;
    hf_region *region;              /* where the state is; NULL: behind this handle */
    struct hf__breaker_shape shape; /* fixed, like width_ns */
    int64_t width_ns;               /* of a bucket; 0 by calls */
    int64_t tick_ns;                /* of the wheel; 0: there is none */
    hf_breaker_on_change *on_change;
    void *on_change_arg;
    struct hf__breaker_live rules;
    _Atomic int64_t slow_call_ns; /* of the rules, for those who need no others; like size */
    _Atomic uint64_t size;
    _Atomic uint64_t floor;
    _Atomic uint64_t seems_dirty;   /* by calls: a success need not look whether the window is clean */
    _Atomic uint64_t judge_success; /* rules are new, or the breaker warms up: judge with the next success too */
    pthread_mutex_t reconfigure;    /* held by hf_breaker_reconfigure, and by nobody else */
};

/* The window as it stands: its counts, and the tag under which they were taken. */
struct hf__picture {
    struct hf__counts counts;
    uint32_t tag;
};

/* ---- breaker_record.c: the two kinds of window behind one set of functions ---- */

/* Counts the window. `now` HF_NEVER leaves a window of time where its last result put it. `overdue` calls count as if
 * they had ended now, and slow. */
struct hf__picture hf__breaker_count(const hf_breaker *b, const struct hf__breaker_rules *rules, hf_time now,
                                     uint32_t overdue);

/* Records one result under a generation; true when the window may now reach a limit. */
bool hf__breaker_record(hf_breaker *b, uint32_t generation, enum hf__entry entry, bool slow, hf_time now);

/* Empties the window for a generation that is about to begin; only forward. */
void hf__breaker_reset_window(hf_breaker *b, uint32_t generation, hf_time now);

/* ---- breaker_wheel.c: calls under way, where a slow threshold is set ---- */

#define HF__NOT_ON_WHEEL UINT32_MAX

struct hf__wheel_place {
    uint32_t word; /* or HF__NOT_ON_WHEEL */
    uint32_t tick;
};

/* Notes that a call begins. `*out_first`: nobody of this shard has begun in this tick. */
struct hf__wheel_place hf__breaker_enter(hf_breaker *b, uint32_t generation, hf_time now, bool *out_first);

/* It ends. */
void hf__breaker_leave(hf_breaker *b, struct hf__wheel_place place, uint32_t generation);

/* How many calls of the generation are overdue. */
uint32_t hf__breaker_overdue(const hf_breaker *b, const struct hf__breaker_rules *rules, uint32_t generation,
                             hf_time now);

/* ---- breaker_change.c: everything that moves the control word ---- */

uint64_t hf__breaker_control(const hf_breaker *b);

/* Puts rules into use; one at a time. */
void hf__breaker_use(hf_breaker *b, const struct hf__breaker_rules *rules);

void hf__breaker_load_probes(const hf_breaker *b, uint64_t *out);
void hf__breaker_count_rejection(hf_breaker *b, uint32_t generation);

/* Fills `info`: the breaker under the control word `control`, at `now`. */
void hf__breaker_describe(const hf_breaker *b, const struct hf__breaker_rules *rules, uint64_t control, hf_time now,
                          hf_breaker_info *info);

/* The one place that changes the state. False when another thread was first; the event is told by whoever
 * made the change, with no lock held. `cause`: HF_BREAKER_RULE_ bits. */
bool hf__breaker_change(hf_breaker *b, const struct hf__breaker_rules *rules, uint64_t from, uint64_t to, hf_time now,
                        uint32_t cause);

/* Closes or re-opens if the probes' results are enough. Anybody may call it at any time. */
void hf__breaker_decide(hf_breaker *b, const struct hf__breaker_rules *rules, hf_time now, int64_t hint_ns,
                        uint64_t *rng);

/* Opens, or tells in metrics-only, if the window says so under the stretch of operation of `ticket`. */
void hf__breaker_judge_window(hf_breaker *b, const struct hf__breaker_rules *rules, uint64_t ticket, hf_time now,
                              int64_t hint_ns, uint64_t *rng);

/* ---- breaker_shared.c: breakers in a region ---- */

struct hf__region_rule;
#define HF__BREAKER_SHARED_FIELDS 17

/* What processes that share a breaker must agree on. */
void hf__breaker_shared_rules(const hf_breaker_config *config, struct hf__region_rule *out);

/* The same backwards, for those who look at a region from outside. */
void hf__breaker_config_of(hf_breaker_config *config, const uint64_t *rules);

/* ---- breaker_config.c ---- */

/* 0, or HF_E_INVALID with a sentence. */
int hf__breaker_config_check(const char *name, const hf_breaker_config *config, hf_error *error);

struct hf__breaker_rules hf__breaker_rules_of(const hf_breaker_config *config);

struct hf__breaker_shape hf__breaker_shape_of(const hf_breaker_config *config);

/* The length of a bucket; 0 for a window of calls. */
int64_t hf__breaker_width_ns(const hf_breaker_config *config);

/* Gives a handle, zero until now, what follows from the configuration. */
void hf__breaker_fit(hf_breaker *b, const hf_breaker_config *config);

#endif
