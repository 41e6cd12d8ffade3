/* SPDX-License-Identifier: MIT */
#include "http_bench.h"

#include "support/real_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* make bench-http: the ways to make a GET, in interleaved rounds, and bars beside three of them. */

#define ROUNDS_MAX 101

static struct {
    double per_second[ROUNDS_MAX];
    double cpu_us[ROUNDS_MAX]; /* of this process, per request */
    double instructions;       /* 0: not counted */
} figures[FORMS];

static int missed;

static double seconds_on(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A slice of a form: about as long as `seconds`. */
static void measure(enum form form, const char *url, double seconds, int round) {
    bench_form_begin(form, url);
    double pilot = seconds_on(CLOCK_MONOTONIC);
    uint64_t requests = bench_form_run(form, 1000);
    requests = (uint64_t)((double)requests * seconds / (seconds_on(CLOCK_MONOTONIC) - pilot));
    double begin = seconds_on(CLOCK_MONOTONIC), cpu = seconds_on(CLOCK_PROCESS_CPUTIME_ID);
    double made = (double)bench_form_run(form, requests);
    figures[form].per_second[round] = made / (seconds_on(CLOCK_MONOTONIC) - begin);
    figures[form].cpu_us[round] = (seconds_on(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / made;
    bench_form_end(form);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int count) {
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, by_value);
    return sorted[count / 2];
}

/* The median over rounds of what `a` is to `b` in the same round. */
static double ratio(const double *a, const double *b, int rounds) {
    double ratios[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) ratios[i] = a[i] / b[i];
    return median(ratios, rounds);
}

static void bar(const char *what, double value, double limit, bool at_most) {
    bool pass = at_most ? value <= limit : value >= limit;
    missed += !pass;
    printf("%-66s %8.3f  %s %.2f  %s\n", what, value, at_most ? "<=" : ">=", limit, pass ? "pass" : "MISS");
}

static void print(int rounds) {
    printf("%-28s %12s %14s %22s\n", "a GET of 17 bytes", "requests/s", "CPU us/request", "instructions/request");
    for (int f = 0; f < FORMS; f++) {
        printf("%-28s %12.0f %14.1f", form_names[f], median(figures[f].per_second, rounds),
               median(figures[f].cpu_us, rounds));
        if (figures[f].instructions > 0) printf(" %22.0f", figures[f].instructions);
        printf("\n");
    }
    printf("\n");
    if (figures[FORM_EASY].instructions > 0) {
        bar("instructions: hf_curl_perform / curl_easy_perform",
            figures[FORM_DOOR].instructions / figures[FORM_EASY].instructions, 1.01, true);
    }
    bar("CPU per request, 64 in flight: client async / curl_multi",
        ratio(figures[FORM_ASYNC_64].cpu_us, figures[FORM_MULTI_64].cpu_us, rounds), 1.05, true);
    bar("requests/s of 64 threads: one client / an easy handle each",
        ratio(figures[FORM_CLIENT_THREADS].per_second, figures[FORM_EASY_THREADS].per_second, rounds), 1.00, false);
}

/* What callgrind is run on. */
static int run_one(char **argv) {
    enum form form = (enum form)atoi(argv[2]);
    if (form >= FORMS) return 2;
    bench_form_begin(form, argv[4]);
    (void)bench_form_run(form, strtoull(argv[3], NULL, 10));
    bench_form_end(form);
    return 0;
}

int main(int argc, char **argv) {
    int rounds = 7;
    double seconds = 0.5;
    bool count = true;
    if (argc == 5 && strcmp(argv[1], "--run") == 0) return run_one(argv);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) rounds = atoi(argv[++i]);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--no-callgrind") == 0) count = false;
        else return fprintf(stderr, "bench-http: unknown argument %s\n", argv[i]), 2;
    }
    if (rounds < 1 || rounds > ROUNDS_MAX || seconds <= 0) return fprintf(stderr, "bench-http: bad number\n"), 2;
    struct real_server server;
    if (!real_nginx_start(&server, false)) return 2;
    for (int round = 0; round < rounds; round++) {
        for (int f = 0; f < FORMS; f++) measure((enum form)f, server.url, seconds, round);
    }
    for (int f = 0; count && f < FORM_EASY_THREADS; f++) {
        figures[f].instructions = bench_form_instructions(argv[0], (enum form)f, server.url);
        if (figures[f].instructions < 0) fprintf(stderr, "no instructions counted: is there valgrind?\n");
    }
    print(rounds);
    real_server_stop(&server, SIGTERM);
    if (missed > 0) printf("\n%d MISSED\n", missed);
    return missed > 0;
}
