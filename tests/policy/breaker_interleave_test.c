/* SPDX-License-Identifier: MIT */
/* The breaker's shell, as it stands, with two and three actors in every order of their word steps; and with one
 * that dies before any of its steps. */
#include "support/cmocka_all.h"
#include "support/interleave.h"
#include "support/stepper.h"

#include "policy/breaker_admin.c"
#include "policy/breaker_change.c"
#include "policy/breaker_config.c"
#include "policy/breaker_live.c"
#include "policy/breaker_policy.c"
#include "policy/breaker_record.c"
#include "policy/breaker_wheel.c"

#include <stdio.h>

#define START (1000 * HF_SECOND)

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#else
#define THREAD_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PREEMPTIONS_MAX 2 /* it is slow, and looks for something else */
#else
#define PREEMPTIONS_MAX 3
#endif

/* One call of an actor. */
struct caller {
    struct hf_frame frame;
    uint64_t rng;
    bool admitted;
    int32_t reason;
};

static struct scene {
    hf_breaker_config config;
    hf_breaker *breaker;
    struct hf__breaker_rules rules;
    struct caller callers[8]; /* those of the actors first, others made before */
    uint32_t opened, events, told;
    const char *before; /* results of calls before the actors, one letter each */
    hf_time now;
    void (*arrange)(void);
    void (*act)(int actor);
    void (*check)(bool died);
} scene;

/* ---- calls ---- */

static struct hf_x x_at(struct caller *c, hf_time now, hf_outcome outcome) {
    return (struct hf_x){.now = now,
                         .deadline = HF_NEVER,
                         .at = HF_NEVER,
                         .retry_at = HF_NEVER,
                         .outcome = outcome,
                         .attempts = 1,
                         .may_rerun = true,
                         .rng = &c->rng};
}

static void admit_at(struct caller *c, hf_time now) {
    struct hf_x x = x_at(c, now, hf_neutral(0));
    x.attempts = 0;
    memset(&c->frame, 0, sizeof c->frame);
    c->admitted = breaker_admit(&scene.breaker->base, &c->frame, &x) == HF__PASS;
    c->reason = x.reason;
}

static void settle_at(struct caller *c, hf_time now, char letter) {
    struct hf_x x = x_at(c, now, letter == 'F' ? hf_failure(1) : letter == 'X' ? hf_neutral(0) : hf_success());
    if (!c->admitted) return;
    if (letter == 'S') (void)breaker_settle_ok(&scene.breaker->base, &c->frame, &x);
    else (void)breaker_settle(&scene.breaker->base, &c->frame, &x);
}

static void whole_call(int actor, hf_time now, char letter) {
    admit_at(&scene.callers[actor], now);
    settle_at(&scene.callers[actor], now, letter);
}

static hf_breaker_info info_now(void) {
    hf_breaker_info info = {.struct_size = sizeof info};
    STEPPER_MUST(hf_breaker_snapshot(scene.breaker, &info, scene.now) == 0);
    return info;
}

static void note(void *arg, const hf_breaker_event *event) {
    (void)arg;
    scene.events++;
    scene.opened += event->to == HF_BREAKER_OPEN;
    scene.told += event->from == event->to;
}

/* ---- running a scene ---- */

static void reset(void *arg) {
    (void)arg;
    memset(scene.breaker->state, 0, hf__breaker_state_bytes(&scene.breaker->shape));
    hf__breaker_use(scene.breaker, &scene.rules);
    interleave_store(&scene.breaker->seems_dirty, false);
    memset(scene.callers, 0, sizeof scene.callers);
    for (uint32_t i = 0; i < 8; i++) scene.callers[i].rng = i;
    scene.now = START;
    for (const char *p = scene.before; *p != '\0'; p++) whole_call(7, scene.now, *p);
    if (scene.arrange != NULL) scene.arrange();
    scene.events = scene.opened = scene.told = 0;
}

static void act(void *arg, int actor) {
    (void)arg;
    scene.act(actor);
}

/* From wherever it was left: with no further results somebody is admitted after the open time and the lease, and
 * no more probes fly than there may. */
static void check_no_wedge(void) {
    for (int tries = 0; tries < 4; tries++) {
        scene.now += (scene.config.open_max_ms + scene.config.probe_lease_ms) * HF_MILLISECOND;
        STEPPER_MUST(info_now().probes_flying <= scene.config.probes);
        admit_at(&scene.callers[6], scene.now);
        if (scene.callers[6].admitted) return;
    }
    stepper_fail(__FILE__, __LINE__, "somebody is admitted");
}

static void check(void *arg, bool died) {
    (void)arg;
    scene.check(died);
    check_no_wedge();
}

static hf_breaker_config plain_config(uint32_t window, uint32_t min_calls, uint32_t rate_ppm) {
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    config.window = window;
    config.min_calls = min_calls;
    config.failure_rate_ppm = rate_ppm;
    config.slow_rate_ppm = HF_BREAKER_OFF;
    config.open_jitter_ppm = 0;
    config.on_change = note;
    return config;
}

static void run_scene(const char *name, int actors, int preemptions) {
    if (hf_breaker_new(&scene.breaker, "b", &scene.config, NULL) < 0) fail();
    scene.rules = hf__breaker_rules_of(&scene.config);
    struct interleave plan = {.actors = actors,
                              .preemptions = preemptions < PREEMPTIONS_MAX ? preemptions : PREEMPTIONS_MAX,
                              .reset = reset,
                              .act = act,
                              .check = check};
    long orders = interleave_all(&plan);
    plan.first_dies = true;
    plan.preemptions = actors == 2 && scene.config.window_kind == HF_BREAKER_BY_CALLS; /* a death is one too */
    long deaths = interleave_all(&plan);
    printf("             %s: %d actors, %ld orders, %ld with a death\n", name, actors, orders, deaths);
    assert_true(orders > 50 && deaths > 20);
    fflush(stdout);
    hf_breaker_free(scene.breaker);
}

static void set_scene(hf_breaker_config config, const char *before, void (*arrange)(void), void (*act_)(int),
                      void (*check_)(bool)) {
    memset(&scene, 0, sizeof scene);
    scene.config = config;
    scene.before = before;
    scene.arrange = arrange;
    scene.act = act_;
    scene.check = check_;
}

/* ---- scenes ---- */

static void fail_once(int actor) { whole_call(actor, START, 'F'); }
static void first_fails_others_succeed(int actor) { whole_call(actor, START, actor == 0 ? 'F' : 'S'); }
static void last_fails_others_succeed(int actor) { whole_call(actor, START, actor == 1 ? 'F' : 'S'); }

static void opens_once(bool died) {
    if (died) return; /* then the one that lacks may be the one that trips */
    STEPPER_MUST(info_now().state == HF_BREAKER_OPEN && scene.opened == 1);
}

static void no_trip_is_missed(void **state) {
    (void)state;
    set_scene(plain_config(10, 2, HF_PPM), "", NULL, fail_once, opens_once);
    run_scene("two failures, by calls", 2, 3);
    set_scene(plain_config(10, 3, HF_PPM), "", NULL, fail_once, opens_once);
    run_scene("three failures, by calls", 3, 2);
    set_scene(plain_config(10, 2, 500000), "", NULL, first_fails_others_succeed, opens_once);
    run_scene("the success completes min_calls, by calls", 2, 3);
    set_scene(plain_config(3, 3, 330000), "S", NULL, first_fails_others_succeed, opens_once);
    run_scene("the window is full before all are written, by calls", 3, 2);
    hf_breaker_config config = plain_config(10, 2, 500000);
    config.window_kind = HF_BREAKER_BY_TIME;
    set_scene(config, "", NULL, first_fails_others_succeed, opens_once);
    run_scene("the success completes min_calls, by time", 2, 2);
    config.min_calls = 3;
    config.failure_rate_ppm = 333333;
    set_scene(config, "", NULL, last_fails_others_succeed, opens_once);
    run_scene("the success completes min_calls, by time", 3, 1);
    config.consecutive_failures = 3;
    config.failure_rate_ppm = HF_BREAKER_OFF;
    set_scene(config, "", NULL, fail_once, opens_once);
    run_scene("three failures in a row, by time", 3, 1);
}

/* One success more makes the window clean; the failure must show. */
static void clean_hides_nothing(bool died) {
    uint64_t head = interleave_load(&scene.breaker->state->head);
    hf_breaker_info info = info_now();
    if (died) return; /* between writing and clearing: policy/breaker_inside.h */
    STEPPER_MUST(!hf__window_clean(head) && info.failures == 1);
}

static void a_clean_window_hides_no_failure(void **state) {
    (void)state;
    hf_breaker_config config = plain_config(2, 2, HF_BREAKER_OFF);
    set_scene(config, "S", NULL, first_fails_others_succeed, clean_hides_nothing);
    run_scene("a failure while it becomes clean", 2, 3);
    /* The ring has gone round: in the slot of the failure stands a success until it is written. */
    char before[3 * 46 + 1] = "";
    for (size_t i = 0; i < 46; i++) memcpy(before + 3 * i, "FFS", 4);
    set_scene(config, before, NULL, first_fails_others_succeed, clean_hides_nothing);
    run_scene("a failure over an old success", 2, 2);
    config = plain_config(3, 3, HF_BREAKER_OFF);
    set_scene(config, "SS", NULL, last_fails_others_succeed, clean_hides_nothing);
    run_scene("a failure while it becomes clean", 3, 2);
}

static void grow_or_succeed(int actor) {
    hf_breaker_config larger = scene.config;
    larger.window = larger.min_calls = 4;
    if (actor == 1) STEPPER_MUST(hf_breaker_reconfigure(scene.breaker, &larger, NULL) == 0);
    else whole_call(actor, START, 'S');
}

/* In the larger window, which is not full, the next success counts. */
static void the_next_success_counts(bool died) {
    if (died) return;
    uint32_t before = info_now().total;
    whole_call(5, START, 'S');
    STEPPER_MUST(info_now().total == before + 1);
}

static void a_window_that_grows_is_not_held_clean(void **state) {
    (void)state;
    set_scene(plain_config(2, 2, HF_PPM), "S", NULL, grow_or_succeed, the_next_success_counts);
    run_scene("clean while it grows", 2, 3);
}

static void open_and_wait(void) {
    STEPPER_MUST(hf_breaker_set(scene.breaker, HF_BREAKER_OPEN, scene.now) == 0);
    scene.now += 5 * HF_SECOND;
}

static void ask(int actor) { admit_at(&scene.callers[actor], scene.now); }

static uint32_t admitted_callers(void) {
    uint32_t admitted = 0;
    for (int i = 0; i < INTERLEAVE_ACTORS; i++) admitted += scene.callers[i].admitted;
    return admitted;
}

static void one_fewer_than_asked(bool died) {
    STEPPER_MUST(admitted_callers() <= scene.config.probes);
    if (!died) STEPPER_MUST(admitted_callers() == scene.config.probes && scene.events == 1);
    STEPPER_MUST(info_now().probes_flying <= scene.config.probes);
}

static void probes_are_as_many_as_may_be(void **state) {
    (void)state;
    hf_breaker_config config = plain_config(2, 2, HF_PPM);
    config.probes = 1;
    set_scene(config, "", open_and_wait, ask, one_fewer_than_asked);
    run_scene("two ask for one probe", 2, 2);
    config.probes = 2;
    set_scene(config, "", open_and_wait, ask, one_fewer_than_asked);
    run_scene("three ask for two probes", 3, 1);
}

static void two_probes_fly(void) {
    open_and_wait();
    admit_at(&scene.callers[0], scene.now);
    admit_at(&scene.callers[1], scene.now);
}

static void report_success_or_ask(int actor) {
    if (actor == 2) admit_at(&scene.callers[2], scene.now);
    else settle_at(&scene.callers[actor], scene.now, 'S');
}

static void closes(bool died) {
    if (died) return;
    STEPPER_MUST(info_now().state == HF_BREAKER_CLOSED && scene.events == 1);
}

static void both_fail(int actor) { settle_at(&scene.callers[actor], scene.now, 'F'); }

static void the_last_result_decides(void **state) {
    (void)state;
    hf_breaker_config config = plain_config(2, 2, HF_PPM);
    config.probes = 2;
    set_scene(config, "", two_probes_fly, report_success_or_ask, closes);
    run_scene("two probes succeed", 2, 3);
    set_scene(config, "", two_probes_fly, report_success_or_ask, closes);
    run_scene("two probes succeed while somebody asks", 3, 2);
    config.probe_failures_allowed = 1;
    set_scene(config, "", two_probes_fly, both_fail, opens_once);
    run_scene("two probes fail", 2, 3);
}

/* The probe reports at the instant at which its lease ends, and somebody else notices the end. */
static void report_late_or_ask(int actor) {
    hf_time then = START + 5 * HF_SECOND + scene.config.probe_lease_ms * HF_MILLISECOND;
    if (actor == 0) settle_at(&scene.callers[0], then, 'S');
    else admit_at(&scene.callers[2], then);
}

static void a_lease_that_ends_is_a_failure_once(void **state) {
    (void)state;
    hf_breaker_config config = plain_config(2, 2, HF_PPM);
    config.probes = 2;
    set_scene(config, "", two_probes_fly, report_late_or_ask, opens_once);
    run_scene("a late success, and who waits for its slot", 2, 2);
}

static void fail_or_reset(int actor) {
    if (actor == 0) settle_at(&scene.callers[0], START, 'F');
    else STEPPER_MUST(hf_breaker_set(scene.breaker, HF_BREAKER_CLOSED, START) == 0);
}

static void one_call_open(void) { admit_at(&scene.callers[0], scene.now); }

static void the_old_result_is_gone(bool died) {
    (void)died;
    STEPPER_MUST(info_now().state == HF_BREAKER_CLOSED && info_now().total == 0);
}

static void a_reset_forgets_what_was_admitted_before(void **state) {
    (void)state;
    hf_breaker_config config = plain_config(4, 4, HF_PPM);
    set_scene(config, "FF", one_call_open, fail_or_reset, the_old_result_is_gone);
    run_scene("a result and a reset, by calls", 2, 3);
    config.window_kind = HF_BREAKER_BY_TIME;
    set_scene(config, "FF", one_call_open, fail_or_reset, the_old_result_is_gone);
    run_scene("a result and a reset, by time", 2, 2);
}

/* Two in the bucket that ends, one in the next. */
static void record_around_a_roll(int actor) { whole_call(actor, START + (actor == 1 ? HF_SECOND : 0), 'F'); }

static void nothing_is_lost(bool died) {
    scene.now = START + HF_SECOND;
    uint32_t made = died ? 1 : 2, most = 2;
    if (scene.callers[2].admitted) made++, most++;
    hf_breaker_info info = info_now();
    STEPPER_MUST(info.total >= made && info.total <= most && info.failures >= made && info.failures <= info.total);
    if (!died) STEPPER_MUST(info.consecutive == made);
}

static void a_roll_loses_no_count(void **state) {
    (void)state;
    hf_breaker_config config = plain_config(10, 10, HF_BREAKER_OFF);
    config.window_kind = HF_BREAKER_BY_TIME;
    config.buckets = 2;
    config.window_ms = 2000;
    set_scene(config, "", NULL, record_around_a_roll, nothing_is_lost);
    run_scene("results around a roll", 2, 2);
    run_scene("results around a roll", 3, 1);
}

static void recovering_soon_over(void) {
    hf_breaker_saved saved = {.state = HF_BREAKER_RECOVERING, .for_ns = 9999 * HF_MILLISECOND};
    STEPPER_MUST(hf_breaker_restore(scene.breaker, &saved, 0, scene.now) == 0);
    for (int i = 0; i < 9 && !scene.callers[0].admitted; i++) admit_at(&scene.callers[0], scene.now);
}

static void fail_or_end_recovery(int actor) {
    if (actor == 0) settle_at(&scene.callers[0], START, 'F');
    else admit_at(&scene.callers[actor], START + HF_SECOND);
}

static void a_failure_counts_across_the_end_of_a_recovery(void **state) {
    (void)state;
    hf_breaker_config config = plain_config(10, 1, HF_PPM);
    config.recovery_ms = 10000;
    set_scene(config, "", recovering_soon_over, fail_or_end_recovery, opens_once);
    run_scene("a failure as the recovery ends", 2, 3);
}

static void metrics_only(void) { STEPPER_MUST(hf_breaker_set(scene.breaker, HF_BREAKER_METRICS_ONLY, scene.now) == 0); }

static void told_once(bool died) {
    STEPPER_MUST(scene.told <= 1);
    if (!died) STEPPER_MUST(scene.told == 1 && info_now().state == HF_BREAKER_METRICS_ONLY);
}

static void metrics_only_tells_once(void **state) {
    (void)state;
    set_scene(plain_config(10, 2, HF_PPM), "", metrics_only, fail_once, told_once);
    run_scene("two failures, metrics-only", 2, 3);
    set_scene(plain_config(10, 2, HF_PPM), "", metrics_only, fail_once, told_once);
    run_scene("three failures, metrics-only", 3, 2);
}

/* Three calls hang; one of them ends while another call takes its cell for a later tick. */
static void three_hang(void) {
    for (int i = 0; i < 3; i++) admit_at(&scene.callers[i == 0 ? 0 : i + 2], START);
    scene.now = START + 15 * scene.breaker->tick_ns;
}

static void end_or_begin(int actor) {
    if (actor == 0) settle_at(&scene.callers[0], scene.now, 'X');
    else admit_at(&scene.callers[actor], scene.now);
}

static void two_still_hang(bool died) {
    scene.now += 7 * scene.breaker->tick_ns; /* not the one that just began */
    uint32_t overdue = info_now().overdue;
    STEPPER_MUST(died ? overdue <= 3 : overdue == 2);
}

static void no_call_is_lost_on_the_wheel(void **state) {
    (void)state;
    hf_breaker_config config = plain_config(10, 10, HF_BREAKER_OFF);
    config.slow_rate_ppm = 900000;
    config.slow_call_ms = 700;
    set_scene(config, "", three_hang, end_or_begin, two_still_hang);
    run_scene("a cell is taken while its call ends", 2, 3);
    set_scene(config, "", three_hang, end_or_begin, two_still_hang);
    run_scene("a cell is taken twice while its call ends", 3, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_trip_is_missed),
        cmocka_unit_test(a_clean_window_hides_no_failure),
        cmocka_unit_test(a_window_that_grows_is_not_held_clean),
        cmocka_unit_test(probes_are_as_many_as_may_be),
        cmocka_unit_test(the_last_result_decides),
        cmocka_unit_test(a_lease_that_ends_is_a_failure_once),
        cmocka_unit_test(a_reset_forgets_what_was_admitted_before),
        cmocka_unit_test(a_roll_loses_no_count),
        cmocka_unit_test(a_failure_counts_across_the_end_of_a_recovery),
        cmocka_unit_test(metrics_only_tells_once),
        cmocka_unit_test(no_call_is_lost_on_the_wheel),
    };
    if (THREAD_SANITIZER) {
        puts("skipped: one thread with three stacks, which the thread sanitizer cannot follow");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
