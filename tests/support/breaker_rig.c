/* SPDX-License-Identifier: MIT */
#include "support/breaker_rig.h"

struct breaker_rig rig;

static void note_event(void *arg, const hf_breaker_event *event) {
    rig.events++;
    rig.last_event = *event;
    rig.last_info = *event->info;
    hf_breaker_info info = {.struct_size = sizeof info}; /* may call the library, and sees the new state */
    assert_int_equal(hf_breaker_snapshot(rig.breaker, &info, event->at), 0);
    assert_int_equal(info.state, event->to);
    assert_ptr_equal(arg, &rig.events);
}

void rig_build(hf_breaker_config *config) {
    config->open_jitter_ppm = 0;
    config->on_change = note_event;
    config->on_change_arg = &rig.events;
    hf_error error;
    if (hf_breaker_new(&rig.breaker, "b", config, &error) < 0) fail_msg("%s", hf_error_text(&error));
    hf_policy *order[] = {hf_breaker_policy(rig.breaker)};
    assert_int_equal(hf_pipeline_new(&rig.pipeline, "p", order, 1, NULL), 0);
    rig.now = 1000 * HF_SECOND;
    rig.events = 0;
}

int rig_teardown(void **state) {
    (void)state;
    hf_pipeline_free(rig.pipeline);
    hf_breaker_free(rig.breaker);
    rig.pipeline = NULL;
    rig.breaker = NULL;
    return 0;
}

hf_breaker_config rig_config(uint32_t window, uint32_t min_calls, uint32_t rate_ppm) {
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    config.window = window;
    config.min_calls = min_calls;
    config.failure_rate_ppm = rate_ppm;
    return config;
}

hf_breaker_info rig_info(void) {
    hf_breaker_info i = {.struct_size = sizeof i};
    assert_int_equal(hf_breaker_snapshot(rig.breaker, &i, rig.now), 0);
    return i;
}

bool rig_begin(struct stepper *s) {
    stepper_begin(s, rig.pipeline, NULL, rig.now);
    return stepper_step(s) == HF_STEP_START;
}

void rig_finish(struct stepper *s, hf_outcome outcome) {
    s->now = rig.now;
    STEPPER_MUST(hf_call_report(&s->call, s->step.attempt, outcome, rig.now) == 0);
    STEPPER_MUST(stepper_step(s) == HF_STEP_DONE);
    stepper_end(s, NULL);
}

hf_outcome rig_outcome(char letter) {
    switch (letter) {
    case 'S': return hf_success();
    case 'T': return hf_throttled(429, 0);
    case 'X': return hf_neutral(0);
    case 's':
    case 'f': {
        hf_outcome slow = letter == 's' ? hf_success() : hf_failure(500);
        slow.flags |= HF_SLOW;
        return slow;
    }
    default: return hf_failure(500);
    }
}

int rig_play(const char *letters) {
    for (; *letters; letters++) {
        struct stepper s;
        assert_true(rig_begin(&s));
        rig_finish(&s, rig_outcome(*letters));
    }
    return rig_info().state;
}

hf_result rig_rejected(void) {
    struct stepper s;
    hf_result result;
    assert_false(rig_begin(&s));
    assert_int_equal(stepper_end(&s, &result), HF_E_REJECTED);
    return result;
}
