/* SPDX-License-Identifier: MIT */
#include "sim/metastable.h"

#include "engine/policy.h" /* hf__policy_unref */

#include <stdlib.h>
#include <string.h>

#define PROCESSES 40
#define WORKERS 100
#define WORK (100 * HF_MILLISECOND)
#define LINE_MAX_LENGTH 3000
#define CALLS_MAX 60000 /* open at once */

const char *const metastable_names[METASTABLE_KINDS] = {"naive",    "back-off",       "budget", "breaker",
                                                        "throttle", "adaptive limit", "all"};

struct request {
    struct sim_call *call;
    uint64_t attempt;
};

struct world {
    struct sim sim;
    hf_time began_at;
    hf_pipeline *pipeline[PROCESSES];
    struct sim_call *calls;
    struct sim_call *idle[CALLS_MAX]; /* a stack */
    size_t idle_count;
    struct request line[LINE_MAX_LENGTH]; /* a ring */
    size_t head, waiting;
    uint32_t busy, workers;
    uint64_t begun, succeeded;
    struct metastable_outcome out;
};

static struct world *world_of(struct sim *sim) { return (struct world *)(void *)sim; } /* sim comes first */

static void count(struct world *w, double *seconds) {
    int64_t second = (w->sim.now - w->began_at) / HF_SECOND;
    if (second < METASTABLE_SECONDS) seconds[second]++;
}

/* ---- the server ---- */

static void serve(struct sim *sim);

/* A worker has finished: the tag is the attempt. */
static void on_finished(struct sim *sim, void *call, uint64_t attempt) {
    struct world *w = world_of(sim);
    w->busy--;
    sim_report(sim, call, attempt, hf_success()); /* nobody may be listening any more */
    serve(sim);
}

static void serve(struct sim *sim) {
    struct world *w = world_of(sim);
    while (w->waiting > 0 && w->busy < w->workers) {
        struct request next = w->line[w->head];
        w->head = (w->head + 1) % LINE_MAX_LENGTH;
        w->waiting--;
        w->busy++;
        sim_at(sim, sim->now + sim_exponential(sim, WORK), on_finished, next.call, next.attempt);
    }
}

static void on_refused(struct sim *sim, void *call, uint64_t attempt) {
    sim_report(sim, call, attempt, hf_failure(503));
}

static void on_request(struct sim *sim, void *call, uint64_t attempt) {
    struct world *w = world_of(sim);
    count(w, w->out.load);
    if (w->waiting == LINE_MAX_LENGTH) {
        sim_at(sim, sim->now + HF_MILLISECOND, on_refused, call, attempt);
        return;
    }
    w->line[(w->head + w->waiting++) % LINE_MAX_LENGTH] = (struct request){call, attempt};
    serve(sim);
}

static void set_workers(struct sim *sim, void *arg, uint64_t workers) {
    (void)arg;
    world_of(sim)->workers = (uint32_t)workers;
    serve(sim);
}

/* ---- the clients ---- */

static void start(struct sim *sim, struct sim_call *call, uint64_t attempt) {
    sim_at(sim, sim->now + HF_MILLISECOND, on_request, call, attempt);
}

static void done(struct sim *sim, struct sim_call *call, const hf_result *result) {
    struct world *w = world_of(sim);
    if (hf_result_status(result) == 0) {
        w->succeeded++;
        count(w, w->out.good);
    }
    w->idle[w->idle_count++] = call;
}

static const struct sim_calls experiment = {start, done};

static void on_arrival(struct sim *sim, void *arg, uint64_t tag) {
    struct world *w = world_of(sim);
    SIM_MUST(w->idle_count > 0);
    struct sim_call *call = w->idle[--w->idle_count];
    w->begun++;
    sim_at(sim, sim->now + sim_exponential(sim, HF_SECOND / METASTABLE_OFFERED), on_arrival, arg, tag);
    sim_begin(sim, call, w->pipeline[(size_t)(sim_uniform(sim) * PROCESSES)], HF_PRIORITY_NORMAL);
}

/* ---- their policies ---- */

static hf_policy *make_retry(enum metastable_clients kind) {
    hf_budget_config b;
    hf_budget_config_init(&b);
    bool bounded = kind == METASTABLE_BUDGET || kind == METASTABLE_ALL;
    b.ratio_ppm = bounded ? 100000 : HF_BUDGET_UNLIMITED;
    b.min_per_second = 0; /* a rate for each process would be forty times that for the server */
    b.burst = 10;
    hf_retry_config c;
    hf_retry_config_init(&c);
    c.max_attempts = 5;
    c.backoff.jitter = HF_JITTER_FULL;
    if (kind != METASTABLE_BACKOFF && kind != METASTABLE_ALL) {
        c.backoff.kind = HF_BACKOFF_NONE;
        c.backoff.jitter = HF_JITTER_NONE;
    }
    hf_budget *budget;
    hf_retry *retry;
    SIM_MUST(hf_budget_new(&budget, "budget", &b, NULL) == 0);
    SIM_MUST(hf_retry_new(&retry, "retry", &c, budget, NULL) == 0);
    hf_budget_free(budget);
    return hf_retry_policy(retry);
}

static hf_policy *make_throttle(void) {
    hf_throttle *throttle;
    SIM_MUST(hf_throttle_new(&throttle, "throttle", NULL, NULL) == 0);
    return hf_throttle_policy(throttle);
}

static hf_policy *make_limit(uint64_t seed) {
    hf_concurrency_config c;
    hf_concurrency_config_init(&c);
    c.min_limit = 1;
    c.initial = 5;
    c.seed = seed;
    hf_concurrency *limit;
    SIM_MUST(hf_concurrency_new(&limit, "limit", &c, NULL) == 0);
    return hf_concurrency_policy(limit);
}

static hf_policy *make_breaker(void) {
    hf_breaker *breaker;
    SIM_MUST(hf_breaker_new(&breaker, "breaker", NULL, NULL) == 0);
    return hf_breaker_policy(breaker);
}

static hf_policy *make_timeout(void) {
    hf_timeout_config t;
    hf_timeout_config_init(&t);
    t.timeout_ms = 1000;
    hf_timeout *timeout;
    SIM_MUST(hf_timeout_new(&timeout, "attempt", &t, NULL) == 0);
    return hf_timeout_policy(timeout);
}

/* The pipeline keeps its policies; the references of their makers are given up by freeing through the policy. */
static hf_pipeline *make_pipeline(enum metastable_clients kind, uint64_t seed) {
    hf_policy *order[HF_MAX_POLICIES];
    size_t n = 0;
    order[n++] = make_retry(kind);
    if (kind == METASTABLE_THROTTLE || kind == METASTABLE_ALL) order[n++] = make_throttle();
    if (kind == METASTABLE_LIMIT) order[n++] = make_limit(seed);
    if (kind == METASTABLE_BREAKER || kind == METASTABLE_ALL) order[n++] = make_breaker();
    order[n++] = make_timeout();
    hf_pipeline *pipeline;
    SIM_MUST(hf_pipeline_new(&pipeline, "client", order, n, NULL) == 0);
    for (size_t i = 0; i < n; i++) hf__policy_unref(order[i]);
    return pipeline;
}

/* ---- what came of it ---- */

static double mean(const double *values, int from, int count_of) {
    double sum = 0;
    for (int i = 0; i < count_of; i++) sum += values[from + i];
    return sum / count_of;
}

static void judge(struct world *w) {
    struct metastable_outcome *out = &w->out;
    out->recovered_after = -1;
    for (int second = METASTABLE_DIP_FROM; second + 10 <= METASTABLE_SECONDS; second++) {
        double amplification = mean(out->load, second, 10) / METASTABLE_OFFERED;
        if (amplification > out->worst_amplification) out->worst_amplification = amplification;
        if (out->recovered_after < 0 && second >= METASTABLE_DIP_TO &&
            mean(out->good, second, 10) >= 0.95 * METASTABLE_OFFERED) {
            out->recovered_after = second - METASTABLE_DIP_TO;
        }
    }
    out->late_amplification = mean(out->load, METASTABLE_SECONDS - 10, 10) / METASTABLE_OFFERED;
    out->lost = 1.0 - (double)w->succeeded / (double)w->begun;
}

struct metastable_outcome metastable_run(enum metastable_clients kind, uint64_t seed) {
    struct world *w = calloc(1, sizeof *w);
    SIM_MUST(w != NULL && (w->calls = calloc(CALLS_MAX, sizeof *w->calls)) != NULL);
    sim_init(&w->sim, seed);
    w->began_at = w->sim.now;
    for (uint64_t i = 0; i < PROCESSES; i++) w->pipeline[i] = make_pipeline(kind, seed * 1000 + i + 1);
    for (size_t i = 0; i < CALLS_MAX; i++) {
        w->calls[i].experiment = &experiment;
        w->idle[w->idle_count++] = &w->calls[i];
    }
    set_workers(&w->sim, NULL, WORKERS);
    sim_at(&w->sim, w->began_at + METASTABLE_DIP_FROM * HF_SECOND, set_workers, NULL, WORKERS / 2);
    sim_at(&w->sim, w->began_at + METASTABLE_DIP_TO * HF_SECOND, set_workers, NULL, WORKERS);
    sim_at(&w->sim, w->sim.now, on_arrival, NULL, 0);
    sim_run(&w->sim, w->began_at + METASTABLE_SECONDS * HF_SECOND);
    judge(w);
    struct metastable_outcome out = w->out;
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (w->calls[i].open) (void)hf_call_end(&w->calls[i].call, NULL);
    }
    for (int i = 0; i < PROCESSES; i++) hf_pipeline_free(w->pipeline[i]);
    free(w->calls);
    sim_fini(&w->sim);
    free(w);
    return out;
}
