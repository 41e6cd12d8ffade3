/* SPDX-License-Identifier: MIT */
#include "drive/seed.h"
#include "support/cmocka_all.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_children_draw_different_seeds),
        cmocka_unit_test(fixed_seeds_come_in_order_also_in_a_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
