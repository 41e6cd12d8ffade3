/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_TESTING_H
#define HOLDFAST_TESTING_H

/* For the tests of your own program: virtual time, a seed, scripted outcomes, and breakers in the
 * state you need. An outage of an hour takes no time to test, and the same seed gives the same run.
 *
 *     hf_test_clock *clock;
 *     hf_test_clock_new(&clock, 0, NULL);
 *     hf_test_install(clock, 42);               // hf_run in the code under test now uses both
 *     assert_int_equal(checkout(&order), 0);    // its waits advance the clock instead of waiting
 *     hf_test_clock_advance(clock, 60 * HF_SECOND);
 *     hf_test_uninstall();
 *     hf_test_clock_free(clock);
 *
 * Waits on a virtual clock: one that has an end (a back-off, a limited wait in the line of a bulkhead)
 * moves the clock to its end at once, unless the call was woken before. So a line can be tested in one
 * thread: a call for which there is no slot has waited as long as it may when hf_run returns. A wait
 * without an end (max_wait_ms HF_NEVER and no deadline) leaves the clock alone and really waits, asleep,
 * until another thread gives a slot back or raises the cancel token: use that in tests with several
 * threads, in which the other one shall have time to finish.
 *
 * To put a breaker into a state use hf_breaker_set (breaker.h) with hf_clock_now(NULL). Not for
 * production: hf_test_install changes the whole process.
 */

#include <holdfast/clock.h>
#include <holdfast/error.h>
#include <holdfast/run.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_test_clock hf_test_clock;

/* hf_test_clock_new makes a virtual clock that shows `start_at`. It moves only by
 * hf_test_clock_advance, by waits with an end of drivers that use it, and by scripted steps.
 *
 * Errors:   HF_E_INVALID (start_at below 0), HF_E_NOMEM.
 * Threads:  any thread.
 * Memory:   one allocation, given back by hf_test_clock_free.
 */
HF_API int hf_test_clock_new(hf_test_clock **out_clock, hf_time start_at, hf_error *error);

/* hf_test_clock_free frees the clock, which must not be installed or in use. NULL is fine.
 * Threads: one thread, last. */
HF_API void hf_test_clock_free(hf_test_clock *clock);

/* hf_test_clock_advance moves the clock forward by `ns` (0 or more; saturates at HF_NEVER).
 * Threads: any thread; never blocks. */
HF_API void hf_test_clock_advance(hf_test_clock *clock, int64_t ns);

/* hf_test_clock_clock is the clock for hf_run_options.clock. Owned by the test clock.
 * Threads: any thread; never blocks. */
HF_API const hf_clock *hf_test_clock_clock(const hf_test_clock *clock);

/* hf_test_install makes `clock` (NULL: the system clock stays) the default clock of the process, and
 * `seed` the start of the stream from which calls without a seed of their own get theirs.
 * Threads: while no call is under way. */
HF_API void hf_test_install(hf_test_clock *clock, uint64_t seed);

/* hf_test_uninstall restores the system clock and random seeds.
 * Threads: while no call is under way. */
HF_API void hf_test_uninstall(void);

/* One scripted step: for `times` attempts, take `takes_ns` on the clock, then come to `outcome`. */
typedef struct hf_test_step {
    hf_outcome outcome;
    int64_t takes_ns;
    uint32_t times;    /* 0 counts as 1; UINT32_MAX: from here on */
    uint32_t reserved; /* 0 */
} hf_test_step;

/* A script that plays steps in order; when they are used up the last one repeats. Caller-owned,
 * opaque, not thread-safe. */
typedef struct hf_test_script {
    uint64_t opaque[6];
} hf_test_script;

/* hf_test_script_init starts a script over `steps`, which must outlive it. `clock` may be NULL: then
 * nothing takes time.
 *
 * Errors:   HF_E_INVALID (no steps).
 * Threads:  as the caller shares `script`.
 */
HF_API int hf_test_script_init(hf_test_script *script, const hf_test_step *steps, size_t count, hf_test_clock *clock);

/* hf_test_script_next plays one step: advances the clock and returns the outcome. Call it in the fake
 * of your dependency. A step that would take longer than `attempt` (may be NULL) has time for stops
 * at the deadline, as an operation that honours it would, and returns a failure with code ETIMEDOUT.
 * Threads:  as the caller shares `script`. */
HF_API hf_outcome hf_test_script_next(hf_test_script *script, const hf_attempt *attempt);

/* hf_test_script_operation is hf_test_script_next as an operation for hf_run: `arg` is the script.
 * Threads:  as the caller shares the script. */
HF_API hf_outcome hf_test_script_operation(void *arg, const hf_attempt *attempt);

/* hf_test_script_played returns how many steps were played.
 * Threads:  as the caller shares `script`. */
HF_API uint64_t hf_test_script_played(const hf_test_script *script);

#ifdef __cplusplus
}
#endif
#endif
