/* SPDX-License-Identifier: MIT */
#include "drive/seed.h"
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRAWS 200
#define STREAMS 4

static void *draw(void *arg) {
    uint64_t *out = arg;
    for (int i = 0; i < DRAWS; i++) out[i] = hf__seed_next();
    return NULL;
}

/* What a child draws first; `out` has DRAWS places. */
static void draw_in_child(uint64_t *out) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        draw(out);
        _exit(write(ends[1], out, DRAWS * sizeof *out) == (ssize_t)(DRAWS * sizeof *out) ? 0 : 1);
    }
    assert_int_equal(read(ends[0], out, DRAWS * sizeof *out), DRAWS * sizeof *out);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(ends[1]);
}

static void threads_and_children_draw_different_seeds(void **state) {
    (void)state;
    static uint64_t seeds[STREAMS][DRAWS];
    pthread_t thread;
    draw(seeds[0]);
    assert_int_equal(pthread_create(&thread, NULL, draw, seeds[1]), 0);
    pthread_join(thread, NULL);
    draw_in_child(seeds[2]);
    draw(seeds[3]); /* would be the child's if the child went on with its parent's stream */
    const uint64_t *all = &seeds[0][0];
    for (int i = 0; i < STREAMS * DRAWS; i++) {
        for (int j = 0; j < i; j++) assert_true(all[i] != all[j]);
    }
}

static void fixed_seeds_come_in_order_also_in_a_child(void **state) {
    (void)state;
    uint64_t first[DRAWS], again[DRAWS], child[DRAWS];
    hf__seed_fix(7);
    draw(first);
    hf__seed_fix(7);
    draw(again);
    assert_memory_equal(first, again, sizeof first);
    hf__seed_fix(7);
    draw_in_child(child);
    assert_memory_equal(first, child, sizeof first);
    hf__seed_unfix();
    draw(again);
    assert_true(memcmp(first, again, sizeof first) != 0);
}

/* A driver of one's own: with seeds from here a drill for half of the calls meets about half of them. */
static void fresh_seeds_make_the_calls_of_a_loop_differ(void **state) {
    (void)state;
    hf_fault_config config;
    hf_fault_config_init(&config);
    config.error_ppm = 500000;
    hf_fault *fault;
    hf_pipeline *pipeline;
    assert_int_equal(hf_fault_new(&fault, "drill", &config, NULL), 0);
    hf_policy *policies[] = {hf_fault_policy(fault)};
    assert_int_equal(hf_pipeline_new(&pipeline, "loop", policies, 1, NULL), 0);
    hf_test_install(NULL, 7);
    hf_call_options options;
    hf_call_options_init(&options);
    for (int i = 0; i < 1000; i++) {
        hf_call call;
        hf_step step;
        options.seed = hf_seed_fresh();
        assert_int_equal(hf_call_begin(&call, pipeline, &options, 0), 0);
        (void)hf_call_step(&call, &step, 0);
        (void)hf_call_end(&call, NULL);
    }
    hf_test_uninstall();
    assert_in_range(hf_fault_injected(fault), 400, 600);
    hf_pipeline_free(pipeline);
    hf_fault_free(fault);
}

static void fresh_seeds_follow_from_an_installed_one(void **state) {
    (void)state;
    hf_test_install(NULL, 7);
    uint64_t first = hf_seed_fresh(), second = hf_seed_fresh();
    hf_test_install(NULL, 7);
    assert_true(hf_seed_fresh() == first);
    assert_true(hf_seed_fresh() == second);
    assert_true(first != second);
    hf_test_uninstall();
    assert_true(hf_seed_fresh() != first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_children_draw_different_seeds),
        cmocka_unit_test(fixed_seeds_come_in_order_also_in_a_child),
        cmocka_unit_test(fresh_seeds_make_the_calls_of_a_loop_differ),
        cmocka_unit_test(fresh_seeds_follow_from_an_installed_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
