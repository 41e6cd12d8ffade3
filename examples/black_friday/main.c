/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include <curl/curl.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static const char usage[] =
    "usage: black_friday --mockd PATH [OPTIONS]\n"
    "\n"
    "A checkout calls payments, inventory and recommendations while these fail in turn: first with plain libcurl,\n"
    "then with holdfast, with the same orders. Takes 50 seconds and prints a table and the bars.\n"
    "\n"
    "  --mockd PATH         the fault-injecting server, e.g. build/release/mockd\n"
    "  --scenario FILE      default examples/black_friday/black_friday.ini\n"
    "  --out DIR            where report.html, report.svg and results.json go; default build/demo\n"
    "  --plain              lines of text even on a terminal, instead of the live view\n"
    "  --seed N             of the arrivals; default 1\n"
    "  --disable-policies   the same client with empty pipelines: the bars must fail\n"
    "  --skip-naive         without the first run and the bars that compare with it\n"
    "  --help\n"
    "\n"
    "Exit status: 0 all bars pass, 1 a bar is missed, 2 it could not be set up.\n"
    "docs/demo.md explains what it shows, how it is measured, and the bars.\n";

static uint64_t seed_or_die(const char *text) {
    char *end;
    errno = 0;
    unsigned long long seed = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || text[0] == '-') {
        fprintf(stderr, "black_friday: --seed %s: expected a whole number of 0 or more\n", text);
        exit(2);
    }
    return seed;
}

static struct settings read_arguments(int argc, char **argv) {
    static const struct option options[] = {{"mockd", required_argument, NULL, 'm'},
                                            {"scenario", required_argument, NULL, 'c'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"disable-policies", no_argument, NULL, 'd'},
                                            {"skip-naive", no_argument, NULL, 'n'},
                                            {"plain", no_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct settings s = {
        .scenario = "examples/black_friday/black_friday.ini", .out = "build/demo", .seed = 1, .policies = true};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'm': s.mockd = optarg; break;
        case 'c': s.scenario = optarg; break;
        case 'o': s.out = optarg; break;
        case 's': s.seed = seed_or_die(optarg); break;
        case 'd': s.policies = false; break;
        case 'p': s.plain = true; break;
        case 'n': s.skip_naive = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs("black_friday: see black_friday --help\n", stderr); exit(2);
        }
    }
    if (s.mockd == NULL || optind != argc) {
        fputs("black_friday: expected --mockd PATH and no further arguments; see black_friday --help\n", stderr);
        exit(2);
    }
    return s;
}

/* Hundreds of clients that wait have hundreds of connections. */
static void allow_many_connections(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool play(const struct checkout *checkout, const struct settings *settings, struct plan *plan,
                 struct record *record, const struct record *before, struct figures *figures) {
    if (!plan_make(plan, settings->scenario, settings->seed)) return false;
    if (!run_play(checkout, settings, plan, record, before)) return false;
    *figures = figures_of(plan, record);
    return true;
}

/* Plays, prints and writes; the exit status. */
static int run(const struct settings *settings) {
    static struct record naive_record, holdfast_record;
    static struct figures naive, holdfast;
    struct plan plan;
    if (!plan_make(&plan, settings->scenario, settings->seed)) return 2;
    printf("Black Friday: %d orders in %.1f s, seed %llu; each has %d s to complete\n", plan.count, plan.seconds,
           (unsigned long long)settings->seed, (int)(CHECKOUT_DEADLINE_NS / HF_SECOND));
    plan_free(&plan);

    if (!settings->skip_naive) {
        if (!play(&checkout_naive, settings, &plan, &naive_record, NULL, &naive)) return 2;
        plan_free(&plan);
    }
    const struct record *before = settings->skip_naive ? NULL : &naive_record;
    if (!play(&checkout_holdfast, settings, &plan, &holdfast_record, before, &holdfast)) return 2;
    struct bar bars[MAX_BARS];
    const struct outcome outcome = {settings,  &plan, &naive,
                                    &holdfast, bars,  bars_judge(&plan, &naive, &holdfast, bars)};
    report_print(&outcome);
    bool pass = report_bars(bars, outcome.bar_count);
    bool written = report_write(&outcome);
    plan_free(&plan);
    return !written ? 2 : pass ? 0 : 1;
}

int main(int argc, char **argv) {
    struct settings settings = read_arguments(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    allow_many_connections();
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) return fprintf(stderr, "black_friday: libcurl does not start\n"), 2;
    int status = run(&settings);
    curl_global_cleanup();
    return status;
}
