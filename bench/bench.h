/* SPDX-License-Identifier: MIT */
#ifndef HF_BENCH_H
#define HF_BENCH_H

/* The benchmarks of libholdfast, through the shared library and its public headers only.
 * docs/benchmarks.md has the method.
 *
 * A series is a loop that does one thing `n` times. All series are measured in interleaved rounds, so
 * that whatever the machine does besides hits all of them; a bar compares the medians of a few. */

#include <holdfast/holdfast.h>

#define BENCH_ROUNDS_MAX 101

typedef void bench_loop(uint64_t n);

struct bench_series {
    const char *name; /* as in bench/instructions.txt */
    bench_loop *loop;
    uint32_t threads;            /* 1 or 2; two run the same loop on the same objects */
    bool loop_is_timed;          /* its instructions depend on the speed of the machine */
    double ns[BENCH_ROUNDS_MAX]; /* per iteration, of each round */
};

/* The list of series (series.c); index them with the enum. */
enum bench_id {
    XADD,
    XADD_2T,
    CLOCK,
    NULL_CALL,
    NULL_CALL_2T,
    RUN_EMPTY,
    RUN_EMPTY_2T,
    RUN_BREAKER,
    RUN_BREAKER_2T,
    RUN_CONSECUTIVE,
    RUN_CONSECUTIVE_2T,
    RUN_FAILING_2T,
    RUN_OPEN,
    RUN_TIME,
    RUN_SLOW,
    ALONE_NOTHING,
    ALONE_CALLS,
    ALONE_TIME,
    ALONE_TIME_2T,
    ALONE_SLOW,
    ALONE_SLOW_2T,
    ALONE_OPENED,
    RUN_BULKHEAD,
    RUN_RETRY,
    RUN_RETRIED,
    RUN_RETRIED_FREELY,
    RATE_TAKE,
    RATE_TAKE_2T,
    RATE_TIERS,
    RATE_KEYED,
    RUN_THREE,
    RUN_THREE_2T,
    RUN_THREE_RESULT,
    RUN_THREE_DEADLINE,
    RUN_SIX,
    RUN_SIX_2T,
    STEP_SIX,
    WORK,
    WORK_2T,
    WORK_BREAKER,
    WORK_BREAKER_2T,
    WORK_RUN,
    WORK_RUN_2T,
    BENCH_SERIES
};
extern struct bench_series bench_series[BENCH_SERIES];

/* Makes and frees the objects that the loops use. */
void bench_setup(void);
void bench_teardown(void);

/* One healthy call of the standard six policies, for the facts that are counted and not timed; `n` healthy calls of any. */
void bench_six_once(void);
void bench_run_on(hf_pipeline *pipeline, uint64_t n);

/* Breakers alone, without a pipeline (alone.c); and those with a window of time, or a slow threshold, in one. */
void bench_alone_setup(void);
void bench_alone_teardown(void);
hf_pipeline *bench_alone_pipeline(const char *name, bool slow);
bench_loop bench_alone_nothing, bench_alone_calls, bench_alone_time, bench_alone_slow, bench_alone_opened;

void bench_alone_around(void (*work)(void), uint64_t n);

/* Measures every series in `rounds` interleaved rounds (measure.c). */
void bench_measure(uint32_t rounds);

/* The median over rounds of an expression of one round. */
double bench_median(double *values, uint32_t count);

/* Nanoseconds on the monotonic clock. */
int64_t bench_now(void);

/* ---- counted, not timed (facts.c) ---- */

struct bench_facts {
    uint64_t allocations;        /* in 1000 healthy calls of six policies */
    uint64_t system_calls;       /* the same */
    uint64_t shared_writes;      /* writes to the policies' own memory in 1000 healthy calls, no bulkhead */
    uint64_t breaker_bytes;      /* the shared state of a breaker with a window of 100 */
    uint64_t breaker_time_bytes; /* of one with a window of time, and a slow threshold */
    uint64_t pipeline_bytes;     /* what hf_pipeline_new allocates for six policies */
};
struct bench_facts bench_count_facts(void);

/* ---- instructions (instructions.c) ---- */

/* Under callgrind: runs each series a fixed number of times between marks. */
int bench_run_for_callgrind(void);

/* Runs this program under callgrind and compares with the figures kept in `file`; with `keep` writes them
 * instead. Returns the number of series that grew by more than 5 %, or -1 when valgrind is missing. */
int bench_instructions(const char *program, const char *file, bool keep);

#endif
