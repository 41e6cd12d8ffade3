/* SPDX-License-Identifier: MIT */
#include "support/bulkhead_model.h"

#include "support/stepper.h"

#include <stdlib.h>
#include <string.h>

#define CALLS 8
#define MS HF_MILLISECOND

enum place { OUT, WAITING, SHED, GRANTED, RUNNING };

struct caller {
    struct stepper *s; /* a fresh allocation for each call: a late touch is seen by the address sanitizer */
    enum place place;
    uint32_t priority;
    hf_time last_now;    /* of its last step */
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
    uint32_t limit, max_waiting, guaranteed[HF_PRIORITIES];
    bool adaptive, newest_first;
    hf_time busy_since;
    int64_t overload_after_ns, overload_wait_ns;
    int64_t wait_ns;
    uint32_t held;
    uint64_t rejected;
    size_t line[CALLS]; /* who waits, in the order in which they came */
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

static uint32_t count_of(const struct world *w, uint32_t priority, enum place from, enum place to) {
    uint32_t count = 0;
    for (size_t i = 0; i < CALLS; i++) {
        const struct caller *c = &w->callers[i];
        count += c->priority == priority && c->place >= from && c->place <= to;
    }
    return count;
}

static uint32_t owed(const struct world *w, uint32_t priority) {
    uint32_t used = count_of(w, priority, GRANTED, RUNNING);
    return used < w->guaranteed[priority] ? w->guaranteed[priority] - used : 0;
}

/* Is `a` served before `b`, both in line, at these indices of it? */
static bool goes_before(const struct world *w, size_t a, size_t b, bool with_shares) {
    uint32_t pa = w->callers[w->line[a]].priority, pb = w->callers[w->line[b]].priority;
    bool owed_a = with_shares && owed(w, pa) > 0, owed_b = with_shares && owed(w, pb) > 0;
    if (owed_a != owed_b) return owed_a;
    if (pa != pb) return pa < pb;
    return w->newest_first ? a > b : a < b;
}

static size_t model_next(const struct world *w) {
    size_t best = 0;
    for (size_t i = 1; i < w->waiting; i++) {
        if (goes_before(w, i, best, true)) best = i;
    }
    return w->line[best];
}

/* CALLS when nobody has to make room. */
static size_t model_victim(const struct world *w, uint32_t priority) {
    bool has_a_right = count_of(w, priority, WAITING, WAITING) < owed(w, priority);
    size_t worst = CALLS;
    for (size_t i = 0; i < w->waiting; i++) {
        uint32_t p = w->callers[w->line[i]].priority;
        if (count_of(w, p, WAITING, WAITING) <= owed(w, p)) continue;
        if (worst == CALLS || goes_before(w, worst, i, false)) worst = i;
    }
    if (worst == CALLS) return CALLS;
    uint32_t p = w->callers[w->line[worst]].priority;
    return p > priority || has_a_right ? w->line[worst] : CALLS;
}

static void model_judge(struct world *w, hf_time now) {
    if (w->adaptive) w->newest_first = w->waiting > 0 && now - w->busy_since >= w->overload_after_ns;
}

#define NO_TIME INT64_MIN

static void model_grant(struct world *w, hf_time now) {
    while (w->waiting > 0 && w->held < w->limit) {
        if (now != NO_TIME) model_judge(w, now);
        size_t who = model_next(w);
        model_remove(w, who);
        w->held++;
        w->callers[who].place = GRANTED;
        w->callers[who].expected_wakes++;
    }
}

static void model_put(struct world *w, hf_time now) {
    w->held--;
    model_grant(w, now);
}

static void model_join(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (w->waiting == 0) w->busy_since = w->now;
    model_judge(w, w->now);
    int64_t wait = w->newest_first && w->overload_wait_ns < w->wait_ns ? w->overload_wait_ns : w->wait_ns;
    c->gives_up_at = wait == HF_NEVER ? HF_NEVER : w->now + wait;
    w->line[w->waiting++] = who;
    c->place = WAITING;
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
    enum place left = c->place;
    c->place = OUT;
    if (left == WAITING) model_remove(w, who);
    else if (left != SHED) model_put(w, c->last_now);
}

static void step(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (c->place == OUT || c->place == RUNNING) return;
    c->s->now = c->last_now = w->now;
    int kind = stepper_step(c->s);
    if (w->now >= c->deadline_at) {
        model_leaves(w, who);
        over(w, c, HF_E_TIMEOUT, HF_REASON_DEADLINE);
    } else if (c->place == GRANTED) {
        STEPPER_MUST(kind == HF_STEP_START);
        c->place = RUNNING;
    } else if (c->place == SHED) {
        over(w, c, HF_E_REJECTED, HF_REASON_SHED);
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
    options.priority = take_byte(w) % HF_PRIORITIES;
    options.tag = c;
    options.deadline_at = c->deadline_at = deadline < 128 ? HF_NEVER : w->now + (deadline - 127) * MS;
    options.wake = wake;
    options.wake_arg = c;
    c->s = malloc(sizeof *c->s);
    STEPPER_MUST(c->s != NULL);
    stepper_begin(c->s, w->pipeline, &options, w->now);
    c->last_now = w->now;
    int kind = stepper_step(c->s);
    c->priority = options.priority;
    if (w->waiting == 0 && w->held < w->limit) {
        STEPPER_MUST(kind == HF_STEP_START);
        w->held++;
        c->place = RUNNING;
        return;
    }
    if (w->waiting >= w->max_waiting) {
        size_t victim = model_victim(w, c->priority);
        if (victim == CALLS) {
            over(w, c, HF_E_REJECTED, HF_REASON_FULL);
            return;
        }
        model_remove(w, victim);
        w->callers[victim].place = SHED;
        w->callers[victim].expected_wakes++;
    }
    STEPPER_MUST(kind == HF_STEP_WAIT);
    model_join(w, who);
}

static void report(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (c->place != RUNNING) return;
    STEPPER_MUST(hf_call_report(&c->s->call, c->s->step.attempt, hf_success(), w->now) == 0);
    c->s->now = w->now;
    STEPPER_MUST(stepper_step(c->s) == HF_STEP_DONE);
    c->place = OUT;
    model_put(w, w->now);
    over(w, c, HF_OK, HF_REASON_NONE);
}

static void cancel(struct world *w, size_t who) {
    struct caller *c = &w->callers[who];
    if (c->place == OUT || c->place == RUNNING) return;
    hf_call_cancel(&c->s->call);
    c->s->now = c->last_now = w->now;
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
    model_grant(w, NO_TIME);
}

static int64_t wait_ms_of(uint8_t byte) { return byte % 8 == 7 ? HF_NEVER : 1 + byte % 8 * 10; }

static void set_wait(struct world *w, int64_t ms) { w->wait_ns = ms == HF_NEVER ? HF_NEVER : ms * MS; }

static void new_wait(struct world *w) {
    int64_t ms = wait_ms_of(take_byte(w));
    STEPPER_MUST(hf_bulkhead_set_max_wait(w->bulkhead, ms) == 0);
    set_wait(w, ms);
}

/* What a waiting room would show. */
static void agree_on_places(const struct world *w) {
    hf_line_place place = {.struct_size = sizeof place};
    hf_bulkhead_info info = {.struct_size = sizeof info};
    STEPPER_MUST(hf_bulkhead_snapshot(w->bulkhead, &info) == 0);
    STEPPER_MUST(info.in_flight == w->held && info.waiting == w->waiting && info.max_concurrent == w->limit);
    STEPPER_MUST(info.rejected == w->rejected && info.timed_out + info.shed <= w->rejected);
    STEPPER_MUST(info.overloaded == (w->newest_first && w->waiting > 0));
    for (size_t i = 0; i < w->waiting; i++) {
        uint32_t before = 0;
        for (size_t j = 0; j < w->waiting; j++) before += j != i && goes_before(w, j, i, false);
        STEPPER_MUST(hf_bulkhead_line(w->bulkhead, &w->callers[w->line[i]], &place) == 0);
        STEPPER_MUST(place.place == before + 1 && place.waiting == w->waiting);
        STEPPER_MUST(place.estimate_ns == (info.pace_ns == HF_NEVER ? HF_NEVER : info.pace_ns * place.place));
    }
    for (size_t i = 0; i < CALLS; i++) {
        if (w->callers[i].place == WAITING) continue;
        STEPPER_MUST(hf_bulkhead_line(w->bulkhead, &w->callers[i], &place) == HF_E_STATE);
    }
    for (uint32_t p = 0; p < HF_PRIORITIES; p++) {
        STEPPER_MUST(hf_bulkhead_end_of_line(w->bulkhead, p, &place) == 0);
        bool room = w->waiting < w->max_waiting || model_victim(w, p) != CALLS;
        bool at_once = w->waiting == 0 && w->held < w->limit;
        STEPPER_MUST((place.place == 0) == at_once);
        STEPPER_MUST(at_once || (place.place > w->max_waiting) == !room);
    }
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
    agree_on_places(w);
}

static void build(struct world *w) {
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = w->limit = take_byte(w) % 4;
    config.max_waiting = w->max_waiting = take_byte(w) % CALLS;
    config.max_wait_ms = wait_ms_of(take_byte(w));
    set_wait(w, config.max_wait_ms);
    w->adaptive = take_byte(w) % 2;
    config.discipline = w->adaptive ? HF_QUEUE_ADAPTIVE : HF_QUEUE_FIFO;
    config.overload_after_ms = 1 + take_byte(w) % 40;
    config.overload_wait_ms = 1 + take_byte(w) % 20;
    w->overload_after_ns = config.overload_after_ms * MS;
    w->overload_wait_ns = config.overload_wait_ms * MS;
    for (uint32_t i = 0; w->max_waiting > 0 && i < w->limit; i++) {
        uint8_t byte = take_byte(w);
        if (byte < 128) config.guaranteed[byte % HF_PRIORITIES]++;
    }
    memcpy(w->guaranteed, config.guaranteed, sizeof w->guaranteed);
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
