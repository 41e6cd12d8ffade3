/* SPDX-License-Identifier: MIT */
#include "support/bulkhead_rig.h"

#include "support/cmocka_all.h"

#include <string.h>

struct bulkhead_rig line;

hf_bulkhead_config line_config_of(uint32_t slots, uint32_t waiting, int64_t wait_ms) {
    hf_bulkhead_config config;
    hf_bulkhead_config_init(&config);
    config.max_concurrent = slots;
    config.max_waiting = waiting;
    config.max_wait_ms = wait_ms;
    return config;
}

void line_build_of(const hf_bulkhead_config *config) {
    assert_int_equal(hf_bulkhead_new(&line.bulkhead, "slots", config, NULL), 0);
    hf_policy *order[] = {hf_bulkhead_policy(line.bulkhead)};
    assert_int_equal(hf_pipeline_new(&line.pipeline, "p", order, 1, NULL), 0);
}

void line_build(uint32_t slots, uint32_t waiting, int64_t wait_ms) {
    hf_bulkhead_config config = line_config_of(slots, waiting, wait_ms);
    line_build_of(&config);
}

int line_setup(void **state) {
    (void)state;
    memset(&line, 0, sizeof line);
    return 0;
}

int line_teardown(void **state) {
    (void)state;
    hf_pipeline_free(line.pipeline);
    hf_bulkhead_free(line.bulkhead);
    return 0;
}

void line_count_wake(void *arg) { ++*(int *)arg; }

static int begin(int i, uint32_t priority, hf_time now, hf_time deadline_at) {
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = deadline_at;
    options.priority = priority;
    options.tag = &line.calls[i];
    options.wake = line_count_wake;
    options.wake_arg = &line.wakes[i];
    stepper_begin(&line.calls[i], line.pipeline, &options, now);
    return stepper_step(&line.calls[i]);
}

int line_begin(int i, hf_time now, hf_time deadline_at) { return begin(i, HF_PRIORITY_NORMAL, now, deadline_at); }

int line_begin_as(int i, uint32_t priority, hf_time now) { return begin(i, priority, now, HF_NEVER); }

int line_step(int i, hf_time now) {
    line.calls[i].now = now;
    return stepper_step(&line.calls[i]);
}

void line_report(int i, hf_time now) {
    struct stepper *s = &line.calls[i];
    assert_int_equal(hf_call_report(&s->call, s->step.attempt, hf_success(), now), 0);
    assert_int_equal(line_step(i, now), HF_STEP_DONE);
    assert_int_equal(stepper_end(s, NULL), 0);
}

void line_ends(int i, int status, hf_reason reason) {
    hf_result result;
    assert_int_equal(line.calls[i].step.kind, HF_STEP_DONE);
    assert_int_equal(stepper_end(&line.calls[i], &result), status);
    assert_int_equal(hf_result_reason(&result), reason);
    assert_string_equal(hf_result_policy(&result), status == HF_E_REJECTED ? "slots" : "");
}

hf_pipeline *line_hedged(hf_hedge **hedge) {
    hf_hedge_config config;
    hf_hedge_config_init(&config);
    config.delay_ms = 10;
    hf_pipeline *outer;
    assert_int_equal(hf_hedge_new(hedge, "hedge", &config, NULL, NULL), 0);
    hf_policy *order[] = {hf_hedge_policy(*hedge), hf_bulkhead_policy(line.bulkhead)};
    assert_int_equal(hf_pipeline_new(&outer, "hedged", order, 2, NULL), 0);
    return outer;
}
