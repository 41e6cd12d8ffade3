/* SPDX-License-Identifier: MIT */
#ifndef BLACK_FRIDAY_DEMO_H
#define BLACK_FRIDAY_DEMO_H

/* Black Friday: the same orders, twice. A checkout calls inventory, payments and recommendations while these
 * fail in turn; first with plain libcurl, then with holdfast. This header is what the parts of the demo share;
 * the part to copy from is checkout_holdfast.c. docs/demo.md explains method and bars. */

#include <holdfast/clock.h>
#include <holdfast/types.h>

#include <pthread.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CHECKOUT_DEADLINE_NS (3 * HF_SECOND) /* the customer's patience, from arrival */
#define OPEN_WAIT_MS 1000                    /* of the breakers: base and cap */
#define OPEN_WAIT_CAP_MS 4000

/* ---- the plan: what arrives when ---- */

enum phase_id { CALM, SURGE, BROWN_OUT, INVENTORY_RESETS, RECOMMENDATIONS_HANG, PAYMENTS_DEAD, RECOVERY, PHASES };

struct phase {
    const char *name; /* as in the scenario file */
    double rate;      /* arrivals per second */
    double start_s, seconds;
    double capacity; /* orders per second that payments can take */
    int arrived;
};

/* The step of a checkout at which an order was lost. */
enum step { STEP_NONE, STEP_INVENTORY, STEP_PAYMENT, STEP_RECOMMENDATIONS };

struct order {
    int id; /* 1, 2, ... */
    enum phase_id phase;
    double due_s; /* arrival, from the start of the first phase */
    /* filled in by the run; instants on the clock of hf_clock_now */
    hf_time due_at;
    hf_time charging_at; /* when the call to payments began; 0: it never did */
    hf_time paid_at;     /* when payments confirmed; 0: it never did */
    hf_time finished_at;
    uint32_t attempts; /* that the client made at payments */
    enum step lost_at; /* STEP_NONE: completed in time */
    bool fell_back;    /* the recommendations are the shop's bestsellers */
};

struct plan {
    struct phase phase[PHASES];
    struct order *orders; /* by arrival */
    int count;
    double seconds;
};

/* Reads the scenario and draws the arrivals. False, with a message on stderr, if the file does not fit. */
bool plan_make(struct plan *plan, const char *scenario_file, uint64_t seed);
void plan_free(struct plan *plan);

#define BUCKET_S 0.5 /* of the time lines */
#define MAX_BUCKETS 64

int bucket_of(double seconds); /* always a valid one: what lies outside counts at the edge */
int bucket_count(const struct plan *plan);

/* ---- what is written down while a run is played ---- */

enum breaker_id { INVENTORY_BREAKER, PAYMENTS_BREAKER, RECOMMENDATIONS_BREAKER, BREAKERS };
#define MAX_CHANGES 256
#define MAX_SAMPLES 256

struct journal {
    pthread_mutex_t mutex; /* guards all below */
    int changes;
    struct change {
        hf_time at;
        enum breaker_id breaker;
        int32_t to; /* hf_breaker_state */
    } change[MAX_CHANGES];
    int samples;
    struct sample { /* of mockd's counters, taken now and then */
        hf_time at;
        long requests; /* that payments has seen by then */
    } sample[MAX_SAMPLES];
};

/* Any thread. More than there is room for is left out. */
void journal_change(struct journal *journal, enum breaker_id breaker, int32_t to, hf_time at);
void journal_sample(struct journal *journal, long requests, hf_time at);

/* The state in which a breaker is; closed before its first change. */
int32_t journal_state(struct journal *journal, enum breaker_id breaker);

/* Requests per second that payments saw lately. */
double journal_rate(struct journal *journal);

/* ---- a checkout: what differs between the two runs ---- */

struct checkout {
    const char *name, *what; /* for the output */
    /* Once per run. `journal` gets the changes of its breakers. `context` goes to the sessions. NULL, with a message on stderr, on failure. */
    void *(*open)(const char *url, bool policies, struct journal *journal);
    void (*close)(void *context);
    /* Once per thread. */
    void *(*session_new)(void *context);
    void (*session_free)(void *session);
    /* One order, on any thread; returns the step that failed. The shop closes at `closing_at`. */
    enum step (*run)(void *session, struct order *order, hf_time closing_at);
};

extern const struct checkout checkout_naive, checkout_holdfast;

/* ---- running it ---- */

struct books {           /* what mockd has counted */
    long charged_orders; /* ids in the ledger */
    long double_charges; /* ids with more than one effect */
    long attempts_dead;  /* requests that payments saw while it was dead */
    long max_queue;      /* of payments, over all phases */
};

struct settings {
    const char *mockd, *scenario, *out;
    uint64_t seed;
    bool policies, skip_naive, plain;
};

struct progress {
    int finished[PHASES], completed[PHASES];
    int bucket_finished[MAX_BUCKETS], bucket_completed[MAX_BUCKETS];
};

/* What a run has left behind. */
struct record {
    hf_time start_at; /* of the first phase */
    struct books books;
    struct journal journal;
    struct progress progress;
};

/* Plays the plan through `checkout` against a mockd of its own. `before` is the record of the run before this one, or
 * NULL, for the live view. False, with a message, on a set-up problem. */
bool run_play(const struct checkout *checkout, const struct settings *settings, struct plan *plan,
              struct record *record, const struct record *before);

/* ---- what came of it ---- */

struct figures {
    bool played;
    int completed[PHASES];
    double p50_ms[PHASES], p99_ms[PHASES]; /* of all orders, whatever became of them */
    double worst_p99_ms;
    struct books books;
    int admitted_dead;        /* calls to payments, begun while it was dead, that made an attempt */
    double attempts_per_call; /* while dead */
    int charged_lost;         /* orders charged but not completed */
    int lost_to_inventory;    /* while inventory resets */
    int lost_to_recommendations, fell_back;
    int settled_arrived, settled_completed; /* from two open waits after payments came back */
    double recover_s;                       /* -1: not within the run */
    /* time lines */
    int buckets;
    int bucket_arrived[MAX_BUCKETS], bucket_completed[MAX_BUCKETS]; /* by arrival */
    double bucket_p50_ms[MAX_BUCKETS], bucket_p99_ms[MAX_BUCKETS];  /* by arrival; NAN: none arrived */
    int bucket_calls[MAX_BUCKETS];       /* calls to payments that made an attempt, by their beginning */
    double bucket_requests[MAX_BUCKETS]; /* that payments saw then */
    int changes;
    struct breaker_change {
        double at_s;
        enum breaker_id breaker;
        int32_t to; /* hf_breaker_state */
    } change[MAX_CHANGES];
};

struct figures figures_of(const struct plan *plan, const struct record *record);

struct bar {
    char name[80];
    double figure, limit;
    const char *unit;
    bool at_least; /* figure >= limit, else <= */
    bool pass;
};
#define MAX_BARS 24

/* Judges the run with holdfast; `naive` counts only if it was played. Returns the number of bars. */
int bars_judge(const struct plan *plan, const struct figures *naive, const struct figures *holdfast, struct bar *bars);

/* All that came of it. */
struct outcome {
    const struct settings *settings;
    const struct plan *plan;
    const struct figures *naive, *holdfast;
    const struct bar *bars;
    int bar_count;
};

void report_print(const struct outcome *o);
bool report_bars(const struct bar *bars, int count); /* true: all pass */

/* Writes results.json, report.html and report.svg; false, with a message on stderr, when it cannot. */
bool report_write(const struct outcome *o);

void json_write(FILE *out, const struct outcome *o);
void page_write(FILE *out, const struct outcome *o);

#endif
