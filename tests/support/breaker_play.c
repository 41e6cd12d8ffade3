/* SPDX-License-Identifier: MIT */
/* Plays bytes on a breaker, through a pipeline, and on its model. */
#include "support/breaker_model.h"
#include "support/bytes.h"
#include "support/stepper.h"

#include <stdio.h>
#include <string.h>

#define OPEN_CALLS 24
#define LONGEST_LEASE_MS 200
#define OPERATIONS 2000 /* fewer than the model has room for */

struct game {
    struct bytes in;
    hf_breaker_config config;
    hf_breaker *breaker;
    hf_pipeline *pipeline;
    struct breaker_model model;
    hf_time now;
    hf_time latest; /* the clock may go back */
    uint64_t seed;
    uint32_t events;
    struct {
        bool open;
        struct stepper stepper;
        struct model_ticket ticket;
    } calls[OPEN_CALLS];
};

static void note(void *arg, const hf_breaker_event *event) {
    struct game *g = arg;
    g->events++;
    STEPPER_MUST(event->at >= g->now && strcmp(event->name, "b") == 0 && event->info->state == event->from);
    STEPPER_MUST(event->from != event->to || (event->from == HF_BREAKER_METRICS_ONLY && event->rules != 0));
}

static uint32_t rate(struct bytes *in) {
    static const uint32_t rates[] = {500000, HF_BREAKER_OFF, 1000000, 333333, 1, 800000};
    return BYTES_PICK(in, rates);
}

/* Numbers that may change while it works. */
static void choose_rules(struct bytes *in, hf_breaker_config *c) {
    static const int64_t slow[] = {HF_NEVER, 1, 20, 500}, recovery[] = {0, 100, 3000};
    bool calls = c->window_kind == HF_BREAKER_BY_CALLS;
    int64_t bucket_ms = c->window_ms / c->buckets;
    c->buckets = (uint32_t)bytes_between(in, 1, 10);
    c->window_ms = bucket_ms * c->buckets;
    c->window = 1 + bytes_below(in, bytes_one_in(in, 4) ? 128 : 12);
    c->min_calls = 1 + bytes_below(in, calls ? c->window : 10);
    c->failure_rate_ppm = rate(in);
    c->slow_rate_ppm = rate(in);
    c->consecutive_failures = bytes_one_in(in, 2) ? 1 + bytes_below(in, calls ? c->window : 6) : HF_BREAKER_OFF;
    c->slow_call_ms = BYTES_PICK(in, slow);
    c->open_ms = bytes_between(in, 1, 300);
    c->open_max_ms = c->open_ms * bytes_between(in, 1, 20);
    c->recovery_ms = BYTES_PICK(in, recovery);
    c->probe_lease_ms = bytes_between(in, 1, LONGEST_LEASE_MS);
}

static void choose(struct game *g) {
    static const hf_breaker_state initial[] = {HF_BREAKER_CLOSED, HF_BREAKER_METRICS_ONLY, HF_BREAKER_OPEN,
                                               HF_BREAKER_DISABLED, HF_BREAKER_FORCED_OPEN};
    hf_breaker_config *c = &g->config;
    hf_breaker_config_init(c);
    c->window_kind = bytes_one_in(&g->in, 2) ? HF_BREAKER_BY_TIME : HF_BREAKER_BY_CALLS;
    c->buckets = 1;
    c->window_ms = bytes_between(&g->in, 10, 100); /* of one bucket, for now */
    choose_rules(&g->in, c);
    c->probes = 1 + bytes_below(&g->in, 5);
    c->probe_failures_allowed = bytes_below(&g->in, c->probes);
    c->initial_state = (int32_t)BYTES_PICK(&g->in, initial);
    c->open_jitter_ppm = 0;
    c->warm_up_ms = bytes_one_in(&g->in, 8) ? 200 : 0;
    c->initial_at = g->now;
    c->on_change = note;
    c->on_change_arg = g;
}

/* ---- one operation each ---- */

static void start(struct game *g) {
    uint32_t i = 0;
    while (i < OPEN_CALLS && g->calls[i].open) i++;
    if (i == OPEN_CALLS) return;
    struct stepper *s = &g->calls[i].stepper;
    hf_call_options options;
    hf_call_options_init(&options);
    uint64_t rng = options.seed = ++g->seed * 977;
    hf_time at = 0;
    int32_t reason = model_admit(&g->model, &g->calls[i].ticket, &at, &rng, g->now);
    stepper_begin(s, g->pipeline, &options, g->now);
    g->calls[i].open = stepper_step(s) == HF_STEP_START;
    STEPPER_MUST(g->calls[i].open == (reason == HF_REASON_NONE));
    if (g->calls[i].open) return;
    hf_result result;
    STEPPER_MUST(stepper_end(s, &result) == HF_E_REJECTED);
    STEPPER_MUST((int32_t)hf_result_reason(&result) == reason && hf_result_retry_at(&result) == at);
}

static hf_outcome choose_outcome(struct bytes *in) {
    static const hf_outcome outcomes[] = {{HF_SUCCESS, 0, 0, 0, 0},       {HF_FAILURE, 0, 1, 0, 0},
                                          {HF_SUCCESS, HF_SLOW, 0, 0, 0}, {HF_THROTTLED, 0, 2, 0, 70 * HF_MILLISECOND},
                                          {HF_NEUTRAL, 0, 3, 0, 0},       {HF_FAILURE, HF_SLOW, 4, 0, 5 * HF_SECOND}};
    return BYTES_PICK(in, outcomes);
}

static void end(struct game *g, uint32_t i, hf_outcome outcome) {
    struct stepper *s = &g->calls[i].stepper;
    if (!g->calls[i].open) return;
    g->calls[i].open = false;
    model_settle(&g->model, &g->calls[i].ticket, outcome, g->now > s->now ? g->now : s->now);
    STEPPER_MUST(hf_call_report(&s->call, s->step.attempt, outcome, g->now) == 0);
    s->now = g->now;
    STEPPER_MUST(stepper_step(s) == HF_STEP_DONE);
    (void)stepper_end(s, NULL);
}

static void change_by_hand(struct game *g) {
    static const hf_breaker_state states[] = {HF_BREAKER_CLOSED, HF_BREAKER_OPEN, HF_BREAKER_METRICS_ONLY,
                                              HF_BREAKER_DISABLED, HF_BREAKER_FORCED_OPEN};
    hf_breaker_state state = BYTES_PICK(&g->in, states);
    model_set(&g->model, state, g->now);
    STEPPER_MUST(hf_breaker_set(g->breaker, state, g->now) == 0);
}

static void reconfigure(struct game *g) {
    choose_rules(&g->in, &g->config);
    model_reconfigure(&g->model, &g->config);
    hf_error error;
    if (hf_breaker_reconfigure(g->breaker, &g->config, &error) == 0) return;
    fprintf(stderr, "%s\n", hf_error_text(&error));
    stepper_fail(__FILE__, __LINE__, "accepted");
}

static void save_and_restore(struct game *g) {
    hf_breaker_saved saved;
    hf_breaker_save(g->breaker, &saved, g->now);
    if (bytes_one_in(&g->in, 4)) saved.state = (int32_t)bytes_below(&g->in, 7);
    int64_t elapsed_ns = bytes_between(&g->in, 0, 200) * HF_MILLISECOND;
    model_restore(&g->model, &saved, elapsed_ns, g->now);
    STEPPER_MUST(hf_breaker_restore(g->breaker, &saved, elapsed_ns, g->now) == 0);
}

static void compare(struct game *g) {
    g->latest = g->now > g->latest ? g->now : g->latest;
    hf_breaker_info found = {.struct_size = sizeof found}, expected = model_info(&g->model, g->now);
    STEPPER_MUST(hf_breaker_snapshot(g->breaker, &found, g->now) == 0);
    STEPPER_MUST(found.state == expected.state);
    STEPPER_MUST(found.generation == (g->model.generation & 0x7fff));
    STEPPER_MUST(found.total == expected.total && found.failures == expected.failures && found.slow == expected.slow);
    STEPPER_MUST(found.consecutive == expected.consecutive);
    STEPPER_MUST(found.probes_flying == expected.probes_flying && found.probes_ok == expected.probes_ok);
    STEPPER_MUST(found.probes_failed == expected.probes_failed && found.rejected == expected.rejected);
    STEPPER_MUST(found.retry_at == expected.retry_at && found.admit_ppm == expected.admit_ppm);
    STEPPER_MUST(found.rules == expected.rules && found.overdue == expected.overdue && g->events == g->model.changes);
}

/* No wedge: with no further results a call is admitted after the open time and the lease, and the rest of what
 * stands in the way is a share of calls. */
static void check_no_wedge(struct game *g) {
    if (g->model.state == HF_BREAKER_FORCED_OPEN || g->model.ms > INT64_C(4000000000000)) return;
    g->now = g->latest + (g->config.open_max_ms + LONGEST_LEASE_MS + 1) * HF_MILLISECOND;
    uint32_t i = 0;
    while (i < OPEN_CALLS && g->calls[i].open) i++;
    if (i == OPEN_CALLS) return;
    for (int tries = 0; tries < 400 && !g->calls[i].open; tries++) {
        start(g); /* a lease that has ended may open it once more: that is the time that passes here */
        if (!g->calls[i].open && g->model.state == HF_BREAKER_OPEN) g->now = g->model.ms * HF_MILLISECOND;
    }
    STEPPER_MUST(g->calls[i].open);
}

/* The clock steps back, which moves nothing. Not while probes fly: one whose lease had ended would fly again, and
 * whether its slot had gone to another meanwhile is the breaker's business. */
static void go_back(struct game *g) {
    if (g->model.tick_ns > 0) return; /* nor with a wheel: what began in a later tick hides what begins now */
    for (uint32_t i = 0; i < g->model.probe_count; i++) {
        if (g->model.probes[i].status == MODEL_FLYING) return;
    }
    g->now -= bytes_between(&g->in, 0, 500) * HF_MILLISECOND;
}

static void operate(struct game *g) {
    static const int64_t steps_us[] = {0, 1, 999, 1000, 7000, 30000, 110000, 1000000};
    switch (bytes_below(&g->in, 16)) {
    case 0:
    case 1:
    case 2:
    case 3: start(g); break;
    case 4:
    case 5:
    case 6:
    case 7: end(g, bytes_below(&g->in, OPEN_CALLS), choose_outcome(&g->in)); break;
    case 8: /* a burst */
        for (uint32_t n = bytes_below(&g->in, 32); n-- > 0;) {
            hf_outcome outcome = choose_outcome(&g->in);
            start(g);
            end(g, 0, outcome);
        }
        break;
    case 9:
    case 10:
    case 11: g->now += BYTES_PICK(&g->in, steps_us) * HF_MICROSECOND; break;
    case 12: g->now += bytes_between(&g->in, 0, 1000000) * HF_MICROSECOND; break;
    case 13: change_by_hand(g); break;
    case 14: reconfigure(g); break;
    case 15:
        if (bytes_one_in(&g->in, 4)) save_and_restore(g);
        else if (bytes_one_in(&g->in, 4)) go_back(g);
        break;
    }
}

void breaker_model_play(const void *data, size_t size) {
    static struct game game;
    memset(&game, 0, sizeof game);
    struct game *g = &game;
    g->in = bytes_of(data, size);
    g->now = 100000 * HF_SECOND + (hf_time)bytes_u32(&g->in);
    choose(g);
    hf_error error;
    if (hf_breaker_new(&g->breaker, "b", &g->config, &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        stepper_fail(__FILE__, __LINE__, "accepted");
    }
    hf_policy *order[] = {hf_breaker_policy(g->breaker)};
    STEPPER_MUST(hf_pipeline_new(&g->pipeline, "p", order, 1, NULL) == 0);
    model_init(&g->model, &g->config);
    g->model.changes = 0; /* nobody is told of how it began */
    compare(g);
    for (int i = 0; i < OPERATIONS && g->in.left > 0 && g->model.count + 64 < MODEL_RESULTS; i++) {
        if (g->model.probe_count + 64 > MODEL_PROBES) break;
        operate(g);
        compare(g);
    }
    check_no_wedge(g);
    for (uint32_t i = 0; i < OPEN_CALLS; i++) end(g, i, choose_outcome(&g->in));
    compare(g);
    hf_pipeline_free(g->pipeline);
    hf_breaker_free(g->breaker);
}
