/* SPDX-License-Identifier: MIT */
#include "sim/contention.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE (10 * HF_MILLISECOND)
#define MESSAGE_SD (2 * HF_MILLISECOND)

const char *const contention_names[CONTENTION_BACKOFFS] = {"none", "exponential", "equal jitter", "full jitter",
                                                           "decorrelated"};

struct row {
    uint64_t version, writes;
    uint32_t left;       /* clients that have not succeeded */
    hf_time finished_at; /* when the last had */
};

struct client {
    struct sim_call call; /* first */
    struct row *row;
    uint64_t version; /* as read */
};

static int64_t message(struct sim *sim) { return sim_normal(sim, MESSAGE, MESSAGE_SD); }

static struct client *client_of(struct sim_call *call) { return (struct client *)(void *)call; }

/* An answer to a write is on its way: the tag is the attempt, and its lowest bit whether it succeeded. */
static void on_answer(struct sim *sim, void *arg, uint64_t tag) {
    sim_report(sim, arg, tag >> 1, (tag & 1) ? hf_success() : hf_failure(409));
}

static void on_write(struct sim *sim, void *arg, uint64_t attempt) {
    struct client *client = arg;
    struct row *row = client->row;
    bool fine = client->version == row->version;
    row->writes++;
    if (fine) row->version++;
    sim_at(sim, sim->now + message(sim), on_answer, client, attempt << 1 | fine);
}

static void on_version(struct sim *sim, void *arg, uint64_t attempt) {
    sim_at(sim, sim->now + message(sim), on_write, arg, attempt);
}

static void on_read(struct sim *sim, void *arg, uint64_t attempt) {
    struct client *client = arg;
    client->version = client->row->version;
    sim_at(sim, sim->now + message(sim), on_version, client, attempt);
}

static void start(struct sim *sim, struct sim_call *call, uint64_t attempt) {
    sim_at(sim, sim->now + message(sim), on_read, client_of(call), attempt);
}

static void done(struct sim *sim, struct sim_call *call, const hf_result *result) {
    SIM_MUST(hf_result_status(result) == 0);
    client_of(call)->row->left--;
    client_of(call)->row->finished_at = sim->now;
}

static const struct sim_calls experiment = {start, done};

static hf_pipeline *make_pipeline(enum contention_backoff backoff) {
    static const int jitters[CONTENTION_BACKOFFS] = {HF_JITTER_NONE, HF_JITTER_NONE, HF_JITTER_EQUAL, HF_JITTER_FULL,
                                                     HF_JITTER_DECORRELATED};
    hf_retry_config c;
    hf_retry_config_init(&c);
    c.max_attempts = HF_RETRY_UNLIMITED;
    c.backoff.kind = backoff == CONTENTION_NONE ? HF_BACKOFF_NONE : HF_BACKOFF_EXPONENTIAL;
    c.backoff.jitter = jitters[backoff];
    c.backoff.base_ms = 5;
    c.backoff.cap_ms = 2000;
    hf_budget_config b;
    hf_budget_config_init(&b);
    b.ratio_ppm = HF_BUDGET_UNLIMITED;
    hf_budget *budget;
    hf_retry *retry;
    hf_pipeline *pipeline;
    SIM_MUST(hf_budget_new(&budget, "unlimited", &b, NULL) == 0);
    SIM_MUST(hf_retry_new(&retry, "retry", &c, budget, NULL) == 0);
    hf_policy *order[] = {hf_retry_policy(retry)};
    SIM_MUST(hf_pipeline_new(&pipeline, "row", order, 1, NULL) == 0);
    hf_retry_free(retry);
    hf_budget_free(budget);
    return pipeline;
}

static void run_once(hf_pipeline *pipeline, uint32_t clients, uint64_t seed, struct contention_outcome *sum) {
    struct sim sim;
    struct row row = {.left = clients};
    sim_init(&sim, seed);
    hf_time began_at = sim.now;
    struct client *all = calloc(clients, sizeof *all);
    SIM_MUST(all != NULL);
    for (uint32_t i = 0; i < clients; i++) {
        all[i].row = &row;
        all[i].call.experiment = &experiment;
        sim_begin(&sim, &all[i].call, pipeline, HF_PRIORITY_NORMAL);
    }
    sim_run(&sim, HF_NEVER);
    SIM_MUST(row.left == 0 && row.version == clients);
    sum->writes += (double)row.writes;
    sum->seconds += (double)(row.finished_at - began_at) / HF_SECOND;
    free(all);
    sim_fini(&sim);
}

struct contention_outcome contention_run(enum contention_backoff backoff, uint32_t clients, int runs) {
    struct contention_outcome sum = {0, 0};
    hf_pipeline *pipeline = make_pipeline(backoff);
    for (int i = 0; i < runs; i++) run_once(pipeline, clients, (uint64_t)i + 1, &sum);
    hf_pipeline_free(pipeline);
    return (struct contention_outcome){sum.writes / runs, sum.seconds / runs};
}
