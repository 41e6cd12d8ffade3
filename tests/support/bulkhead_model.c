/* SPDX-License-Identifier: MIT */
#include "support/bulkhead_model.h"

#include "support/stepper.h"

#include <stdlib.h>
#include <string.h>

#define CALLS 8
#define MS HF_MILLISECOND

enum place { OUT, WAITING, GRANTED, RUNNING };

struct caller {
    struct stepper *s; /* a fresh allocation for each call: a late touch is seen by the address sanitizer */
    enum place place;
    hf_time gives_up_at; /* WAITING */
    hf_time deadline_at;
    uint32_t wakes, expected_wakes;
};

struct world {
    const uint8_t *data, *end;
    hf_time now;
    hf_bulkhead *bulkhead;
    hf_pipeline *pipeline;
    struct caller callers[CALLS];
    /* the model */
    uint32_t limit, max_waiting;
    int64_t wait_ns;
    uint32_t held;
    uint64_t rejected;
    size_t line[CALLS]; /* who waits, the first first */
    size_t waiting;
};

static uint8_t take_byte(struct world *w) { return w->data < w->end ? *w->data++ : 0; }

static void wake(void *arg) { ((struct caller *)arg)->wakes++; }

/* ---- the model ---- */

static void model_remove(struct world *w, size_t who) {
    size_t at = 0;
    while (w->line[at] != who) at++;
    memmove(&w->line[at], &w->line[at + 1], (w->waiting - at - 1) * sizeof w->line[0]);
    w->waiting--;
}

static void model_grant(struct world *w) {
    while (w->waiting > 0 && w->held < w->limit) {
        size_t who = w->line[0];
        model_remove(w, who);
        w->held++;
        w->callers[who].place = GRANTED;
        w->callers[who].expected_wakes++;
    }
}

static void model_put(struct world *w) {
    w->held--;
    model_grant(w);
}

/* ---- what is done to both ---- */

static void over(struct world *w, struct caller *c, int status, hf_reason reason) {
    hf_result result;
    STEPPER_MUST(c->s->step.kind == HF_STEP_DONE);
    STEPPER_MUST(stepper_end(c->s, &result) == status);
    STEPPER_MUST(hf_result_reason(&result) == reason);
    if (status == HF_E_REJECTED) w->rejected++;
    c->place = OUT;
    free(c->s);
    c->s = NULL;
}

/* The call gives up where it is; its slot, if it had got one, goes on. */
static void model_leaves(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (c->place == WAITING) model_remove(w, who);
    else model_put(w);
    c->place = OUT;
}

static void step(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (c->place == OUT || c->place == RUNNING) return;
    c->s->now = w->now;
    int kind = stepper_step(c->s);
    if (w->now >= c->deadline_at) {
        model_leaves(w, who);
        over(w, c, HF_E_TIMEOUT, HF_REASON_DEADLINE);
    } else if (c->place == GRANTED) {
        STEPPER_MUST(kind == HF_STEP_START);
        c->place = RUNNING;
    } else if (w->now >= c->gives_up_at) {
        model_remove(w, who);
        over(w, c, HF_E_REJECTED, HF_REASON_QUEUE_TIMEOUT);
    } else {
        STEPPER_MUST(kind == HF_STEP_WAIT);
        STEPPER_MUST(c->s->step.at == (c->gives_up_at < c->deadline_at ? c->gives_up_at : c->deadline_at));
    }
}

static void begin(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (c->place != OUT) return;
    hf_call_options options;
    hf_call_options_init(&options);
    uint8_t deadline = take_byte(w);
    options.deadline_at = c->deadline_at = deadline < 128 ? HF_NEVER : w->now + (deadline - 127) * MS;
    options.wake = wake;
    options.wake_arg = c;
    c->s = malloc(sizeof *c->s);
    STEPPER_MUST(c->s != NULL);
    stepper_begin(c->s, w->pipeline, &options, w->now);
    int kind = stepper_step(c->s);
    if (w->waiting == 0 && w->held < w->limit) {
        STEPPER_MUST(kind == HF_STEP_START);
        w->held++;
        c->place = RUNNING;
    } else if (w->waiting < w->max_waiting) {
        STEPPER_MUST(kind == HF_STEP_WAIT);
        w->line[w->waiting++] = who;
        c->place = WAITING;
        c->gives_up_at = w->wait_ns == HF_NEVER ? HF_NEVER : w->now + w->wait_ns;
    } else {
        over(w, c, HF_E_REJECTED, HF_REASON_FULL);
    }
}

static void report(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (c->place != RUNNING) return;
    STEPPER_MUST(hf_call_report(&c->s->call, c->s->step.attempt, hf_success(), w->now) == 0);
    c->s->now = w->now;
    STEPPER_MUST(stepper_step(c->s) == HF_STEP_DONE);
    model_put(w);
    over(w, c, HF_OK, HF_REASON_NONE);
}

static void cancel(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (c->place == OUT || c->place == RUNNING) return;
    hf_call_cancel(&c->s->call);
    c->s->now = w->now;
    STEPPER_MUST(stepper_step(c->s) == HF_STEP_DONE);
    model_leaves(w, who);
    over(w, c, HF_E_CANCELLED, HF_REASON_CANCELLED);
}

static void give_up(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (c->place == OUT) return;
    STEPPER_MUST(hf_call_end(&c->s->call, NULL) == HF_E_CANCELLED);
    model_leaves(w, who);
    free(c->s);
    c->s = NULL;
}

static void resize(struct world *w) {
    w->limit = take_byte(w) % 5;
    STEPPER_MUST(hf_bulkhead_resize(w->bulkhead, w->limit) == 0);
    model_grant(w);
}

static int64_t wait_ms_of(uint8_t byte) { return byte % 8 == 7 ? HF_NEVER : 1 + byte % 8 * 10; }

static void set_wait(struct world *w, int64_t ms) { w->wait_ns = ms == HF_NEVER ? HF_NEVER : ms * MS; }

static void new_wait(struct world *w) {
    int64_t ms = wait_ms_of(take_byte(w));
    STEPPER_MUST(hf_bulkhead_set_max_wait(w->bulkhead, ms) == 0);
    set_wait(w, ms);
}

static void agree(const struct world *w) {
    STEPPER_MUST(hf_bulkhead_in_flight(w->bulkhead) == w->held);
    STEPPER_MUST(hf_bulkhead_waiting(w->bulkhead) == w->waiting);
    STEPPER_MUST(hf_bulkhead_rejected(w->bulkhead) == w->rejected);
    STEPPER_MUST(w->waiting <= w->max_waiting);
    uint32_t holders = 0;
    for (size_t i = 0; i < CALLS; i++) {
        STEPPER_MUST(w->callers[i].wakes == w->callers[i].expected_wakes);
        holders += w->callers[i].place >= GRANTED;
    }
    STEPPER_MUST(holders == w->held);
}

static void build(struct world *w) {
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = w->limit = take_byte(w) % 4;
    config.max_waiting = w->max_waiting = take_byte(w) % CALLS;
    config.max_wait_ms = wait_ms_of(take_byte(w));
    set_wait(w, config.max_wait_ms);
    STEPPER_MUST(hf_bulkhead_new(&w->bulkhead, "b", &config, NULL) == 0);
    hf_policy *order[] = {hf_bulkhead_policy(w->bulkhead)};
    STEPPER_MUST(hf_pipeline_new(&w->pipeline, "p", order, 1, NULL) == 0);
}

void bulkhead_model_play(const uint8_t *data, size_t size) {
    struct world w = {.data = data, .end = data + size, .now = 1000 * HF_SECOND};
    build(&w);
    while (w.data < w.end) {
        uint8_t op = take_byte(&w);
        size_t who = op / 8 % CALLS;
        uint32_t held = w.held;
        switch (op % 8) {
        case 0:
        case 1: begin(&w, who); break;
        case 2: step(&w, who); break;
        case 3: report(&w, who); break;
        case 4: cancel(&w, who); break;
        case 5: give_up(&w, who); break;
        case 6: w.now += take_byte(&w) * MS / 4; break;
        default: op & 8 ? resize(&w) : new_wait(&w); break;
        }
        STEPPER_MUST(w.held <= w.limit || w.held <= held); /* never more than there are, but after shrinking */
        agree(&w);
    }
    for (size_t i = 0; i < CALLS; i++) {
        give_up(&w, i);
        agree(&w);
    }
    STEPPER_MUST(w.held == 0 && w.waiting == 0);
    hf_pipeline_free(w.pipeline);
    hf_bulkhead_free(w.bulkhead);
}
