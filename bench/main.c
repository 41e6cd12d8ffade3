/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints every bar beside its figure. x is one uncontended `lock xadd` of the same run.
 *   usage: bench [--rounds N] [--kept FILE [--keep]] [--no-times] [--no-callgrind] */

static uint32_t rounds = 15;
static int missed;

static double in_ns(enum bench_id id, uint32_t round) { return bench_series[id].ns[round]; }

/* What the bars are made of: each is worked out for every round, and the median of the rounds counts. */
enum how {
    COST,  /* (a - b - clocks) / x */
    TIMES, /* a / b */
    SCALE, /* (a / b) / (null 2T / null 1T) */
    OVER   /* (a - b) / b in percent */
};

struct bar {
    const char *what;
    enum how how;
    enum bench_id a, b; /* b == BENCH_SERIES: nothing */
    uint32_t clocks;    /* clock reads that are not counted */
    double limit;       /* 0: shown only */
};

#define NOTHING BENCH_SERIES

static const struct bar bars[] = {
    {"xadd, two threads", COST, XADD_2T, NOTHING, 0, 0},
    {"clock read", COST, CLOCK, NOTHING, 0, 0},
    {"null call into the library", COST, NULL_CALL, NOTHING, 0, 0},
    {"private work", COST, WORK, NOTHING, 0, 0},
    {"hf_run, no policies", COST, RUN_EMPTY, NOTHING, 0, 0},
    {"breaker in a pipeline, count", COST, RUN_BREAKER, RUN_EMPTY, 0, 4},
    {"breaker in a pipeline, consecutive", COST, RUN_CONSECUTIVE, RUN_EMPTY, 0, 4},
    {"  count, 2T/1T over null", SCALE, RUN_BREAKER_2T, RUN_BREAKER, 0, 1.3},
    {"  consecutive, 2T/1T over null", SCALE, RUN_CONSECUTIVE_2T, RUN_CONSECUTIVE, 0, 1.3},
    {"  1 % failures, 2T, over xadd 2T", TIMES, RUN_FAILING_2T, XADD_2T, 0, 4},
    {"breaker in a pipeline, window of time", COST, RUN_TIME, RUN_EMPTY, 1, 7},
    {"breaker in a pipeline, slow rule and overdue", COST, RUN_SLOW, RUN_EMPTY, 2, 10},
    {"breaker alone, count", COST, ALONE_CALLS, ALONE_NOTHING, 0, 4},
    {"breaker alone, window of time", COST, ALONE_TIME, ALONE_NOTHING, 0, 7},
    {"  2T/1T over null", SCALE, ALONE_TIME_2T, ALONE_TIME, 0, 1.3},
    {"breaker alone, slow rule and overdue", COST, ALONE_SLOW, ALONE_NOTHING, 0, 10},
    {"  2T/1T over null", SCALE, ALONE_SLOW_2T, ALONE_SLOW, 0, 1.3},
    {"breaker alone, open rejection", COST, ALONE_OPENED, ALONE_NOTHING, 0, 4},
    {"bulkhead take and put", COST, RUN_BULKHEAD, RUN_EMPTY, 0, 4},
    {"retry, nothing to do", COST, RUN_RETRY, RUN_EMPTY, 0, 2},
    {"budget, for a retry that is made", COST, RUN_RETRIED, RUN_RETRIED_FREELY, 0, 5},
    {"rate limit", COST, RATE_TAKE, NOTHING, 0, 5},
    {"  2T", COST, RATE_TAKE_2T, NOTHING, 0, 0},
    {"  two tiers", COST, RATE_TIERS, NOTHING, 0, 0},
    {"  one of a million keys", COST, RATE_KEYED, NOTHING, 0, 0},
    {"hf_run(retry(breaker(bulkhead)))", COST, RUN_THREE, NOTHING, 0, 14},
    {"  with a result (two clock reads)", COST, RUN_THREE_RESULT, NOTHING, 2, 0},
    {"  with a deadline (one clock read)", COST, RUN_THREE_DEADLINE, NOTHING, 1, 18},
    {"  2T", COST, RUN_THREE_2T, NOTHING, 0, 0},
    {"hf_run(six policies, two clock reads)", COST, RUN_SIX, NOTHING, 2, 25},
    {"  2T", COST, RUN_SIX_2T, NOTHING, 2, 0},
    {"step and report, six policies", COST, STEP_SIX, NOTHING, 0, 130},
    {"hf_run, breaker forced open", COST, RUN_OPEN, NOTHING, 0, 0},
    {"250 ns of work: a breaker adds, %", OVER, WORK_BREAKER, WORK, 0, 5},
    {"  2T, %", OVER, WORK_BREAKER_2T, WORK_2T, 0, 5},
    {"  hf_run with a breaker adds, %", OVER, WORK_RUN, WORK, 0, 0},
    {"  2T, %", OVER, WORK_RUN_2T, WORK_2T, 0, 0},
};

static double value_of(const struct bar *bar, uint32_t round) {
    double a = in_ns(bar->a, round), b = bar->b == NOTHING ? 0 : in_ns(bar->b, round);
    switch (bar->how) {
    case COST: return (a - b - bar->clocks * in_ns(CLOCK, round)) / in_ns(XADD, round);
    case TIMES: return a / b;
    case SCALE: return (a / b) / (in_ns(NULL_CALL_2T, round) / in_ns(NULL_CALL, round));
    case OVER: return (a - b) / b * 100;
    }
    return 0;
}

static void print_row(const char *what, double value, double limit, bool shown_only) {
    if (shown_only) {
        printf("%-40s %10.2f\n", what, value);
        return;
    }
    bool pass = value <= limit; /* not a number is no pass: the machine was too busy to measure it */
    missed += !pass;
    printf("%-40s %10.2f %10.4g  %s\n", what, value, limit, pass ? "pass" : isnan(value) ? "MISS (busy)" : "MISS");
}

static void print_times(void) {
    bench_measure(rounds);
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t r = 0; r < rounds; r++) values[r] = in_ns(XADD, r);
    printf("x = one uncontended lock xadd = %.2f ns; medians of %u rounds\n\n", bench_median(values, rounds), rounds);
    printf("%-40s %10s %10s\n", "what", "x", "bar");
    for (size_t i = 0; i < sizeof bars / sizeof bars[0]; i++) {
        for (uint32_t r = 0; r < rounds; r++) values[r] = value_of(&bars[i], r);
        print_row(bars[i].what, bench_median(values, rounds), bars[i].limit, bars[i].limit == 0);
    }
}

static void print_facts(void) {
    struct bench_facts facts = bench_count_facts();
    printf("\n%-40s %10s %10s\n", "in 1000 healthy calls, and bytes", "figure", "bar");
    print_row("allocations, six policies", (double)facts.allocations, 0, false);
    print_row("system calls, six policies", (double)facts.system_calls, 0, false);
    print_row("calls that write to a policy, no bulkhead", (double)facts.shared_writes, 0, false);
    print_row("bytes of a breaker's state, N = 100", (double)facts.breaker_bytes, 256, false);
    print_row("  window of time, with a slow threshold", (double)facts.breaker_time_bytes, 2048, false);
    print_row("bytes of an hf_call", (double)sizeof(hf_call), 1024, false);
    print_row("bytes of a pipeline", (double)facts.pipeline_bytes, 0, true);
}

int main(int argc, char **argv) {
    const char *kept = NULL;
    bool keep = false, times = true, callgrind = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--for-callgrind") == 0) return bench_run_for_callgrind();
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) rounds = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--kept") == 0 && i + 1 < argc) kept = argv[++i];
        else if (strcmp(argv[i], "--keep") == 0) keep = true;
        else if (strcmp(argv[i], "--no-times") == 0) times = false;
        else if (strcmp(argv[i], "--no-callgrind") == 0) callgrind = false;
        else return fprintf(stderr, "bench: unknown argument %s\n", argv[i]), 2;
    }
    if (rounds < 9 || rounds > BENCH_ROUNDS_MAX) return fprintf(stderr, "bench: 9 to %d rounds\n", BENCH_ROUNDS_MAX), 2;
    bench_setup();
    if (times) print_times();
    print_facts();
    bench_teardown();
    int grown = kept == NULL || !callgrind ? 0 : bench_instructions(argv[0], kept, keep);
    if (grown < 0) printf("\nno valgrind: instructions are not counted\n");
    if (grown > 0) printf("\n%d series need over 5 %% more instructions than kept\n", grown);
    if (missed > 0) printf("\n%d MISSED\n", missed);
    return missed > 0 && !keep;
}
