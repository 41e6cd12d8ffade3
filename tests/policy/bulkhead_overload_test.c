/* SPDX-License-Identifier: MIT */
/* What the line of a bulkhead is for: floods and lines that do not drain, simulated in virtual time. */
#include "base/rng.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#define MS HF_MILLISECOND

static hf_bulkhead *bulkhead;
static hf_pipeline *pipeline;

static void build(const hf_bulkhead_config *config) {
    assert_int_equal(hf_bulkhead_new(&bulkhead, "slots", config, NULL), 0);
    hf_policy *order[] = {hf_bulkhead_policy(bulkhead)};
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, 1, NULL), 0);
}

static void tear_down(void) {
    assert_int_equal(hf_bulkhead_in_flight(bulkhead), 0);
    assert_int_equal(hf_bulkhead_waiting(bulkhead), 0);
    hf_pipeline_free(pipeline);
    hf_bulkhead_free(bulkhead);
}

static void ignore(void *arg) { (void)arg; }

/* ---- guaranteed shares ---- */

/* Random calls, most of them critical, on four slots of which `share` are guaranteed to the normal ones. Returns
 * how many of a thousand calls that were served were normal. */
static uint32_t flood(uint32_t share) {
    enum { MANY = 40 };
    static struct stepper calls[MANY];
    bool alive[MANY] = {false}, running[MANY] = {false};
    uint32_t normal = 0, all = 0;
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = 4;
    config.max_waiting = 20;
    config.max_wait_ms = HF_NEVER;
    config.guaranteed[HF_PRIORITY_NORMAL] = share;
    build(&config);
    hf_call_options options;
    hf_call_options_init(&options);
    options.wake = ignore; /* everybody is looked at often enough */
    uint64_t rng = 5;
    for (hf_time now = 0; now < 50000; now++) {
        uint32_t i = (uint32_t)(hf__rng_next(&rng) % MANY);
        bool is_normal = i < MANY / 8;
        options.priority = is_normal ? HF_PRIORITY_NORMAL : HF_PRIORITY_CRITICAL;
        if (!alive[i]) stepper_begin(&calls[i], pipeline, &options, now);
        calls[i].now = now;
        if (running[i]) {
            assert_int_equal(hf_call_report(&calls[i].call, calls[i].step.attempt, hf_success(), now), 0);
            normal += is_normal;
            all++;
        }
        int kind = stepper_step(&calls[i]);
        if (kind == HF_STEP_DONE) stepper_end(&calls[i], NULL);
        alive[i] = kind != HF_STEP_DONE;
        running[i] = kind == HF_STEP_START;
    }
    for (int i = 0; i < MANY; i++) {
        if (alive[i]) stepper_end(&calls[i], NULL);
    }
    tear_down();
    return normal * 1000 / all;
}

static void a_flood_leaves_the_others_their_share(void **state) {
    (void)state;
    uint32_t none = flood(0), one = flood(1), two = flood(2);
    print_message("           normal calls of 1000 served: %u, %u with a share of 1/4, %u with 2/4\n", none, one, two);
    assert_true(none < 20);
    assert_in_range(one, 180, 260); /* a little less than their share: they do not always want it */
    assert_true(two > one);
}

/* ---- a line that does not drain ---- */

/* A client that gives up after 50 ms, and a call of 10 ms. */
struct visitor {
    struct stepper s;
    bool alive, running;
    uint32_t attempt;
    hf_time done_at;
};

#define VISITORS 64

static void look_at(struct visitor *v, hf_time now, uint32_t *served) {
    v->s.now = now;
    if (v->running && now >= v->done_at) {
        assert_int_equal(hf_call_report(&v->s.call, v->attempt, hf_success(), now), 0);
        v->running = false;
        ++*served;
    }
    int kind = stepper_step(&v->s);
    if (kind == HF_STEP_CANCEL) { /* its client has gone: the work was for nothing */
        assert_int_equal(hf_call_report(&v->s.call, v->attempt, hf_failure(1), now), 0);
        v->running = false;
        kind = stepper_step(&v->s);
    }
    if (kind == HF_STEP_START) {
        v->running = true;
        v->attempt = v->s.step.attempt;
        v->done_at = now + 10 * MS;
    }
    if (kind == HF_STEP_DONE) {
        stepper_end(&v->s, NULL);
        v->alive = false;
    }
}

/* Ten seconds, one slot, a new client every `every` ms. Returns how many got their answer in time. */
static uint32_t served_in_time(int32_t discipline, int every) {
    static struct visitor visitors[VISITORS];
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = 1;
    config.max_waiting = VISITORS;
    config.discipline = discipline;
    build(&config);
    hf_call_options options;
    hf_call_options_init(&options);
    options.wake = ignore;
    uint32_t served = 0;
    for (int ms = 0; ms < 10000; ms++) {
        hf_time now = ms * MS;
        for (int i = 0; i < VISITORS; i++) {
            if (visitors[i].alive) look_at(&visitors[i], now, &served);
        }
        for (int i = 0; ms % every == 0 && i < VISITORS; i++) {
            if (visitors[i].alive) continue;
            options.deadline_at = now + 50 * MS;
            visitors[i] = (struct visitor){.alive = true};
            stepper_begin(&visitors[i].s, pipeline, &options, now);
            look_at(&visitors[i], now, &served);
            break;
        }
    }
    for (int i = 0; i < VISITORS; i++) {
        if (visitors[i].alive) stepper_end(&visitors[i].s, NULL);
        visitors[i].alive = false;
    }
    tear_down();
    return served;
}

static void newest_first_keeps_serving_when_the_line_does_not_drain(void **state) {
    (void)state;
    uint32_t calm_fifo = served_in_time(HF_QUEUE_FIFO, 20), calm = served_in_time(HF_QUEUE_ADAPTIVE, 20);
    uint32_t fifo = served_in_time(HF_QUEUE_FIFO, 5), adaptive = served_in_time(HF_QUEUE_ADAPTIVE, 5);
    print_message(
        "           of 1000 that one slot can serve in 10 s, in time: half the load %u and %u, twice the load "
        "%u first come, %u adaptive\n",
        calm_fifo, calm, fifo, adaptive);
    assert_int_equal(calm_fifo, 500);
    assert_int_equal(calm, 500);
    assert_true(fifo < 200);
    assert_true(adaptive > 700);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_leaves_the_others_their_share),
        cmocka_unit_test(newest_first_keeps_serving_when_the_line_does_not_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
