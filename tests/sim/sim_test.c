/* SPDX-License-Identifier: MIT */
/* What docs/overload.md says of the experiments, held up as assertions: with other seeds than those of the charts. */
#include "sim/contention.h"
#include "sim/metastable.h"
#include "sim/svg.h"
#include "support/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void order_of_events(struct sim *sim, void *arg, uint64_t tag) {
    char **next = arg;
    *(*next)++ = (char)tag;
    if (tag == 'b') sim_at(sim, sim->now, order_of_events, arg, 'd');
}

static void events_happen_in_their_order(void **state) {
    (void)state;
    struct sim sim;
    char seen[8] = "", *next = seen;
    sim_init(&sim, 1);
    hf_time t = sim.now;
    sim_at(&sim, t + 5, order_of_events, &next, 'e');
    sim_at(&sim, t + 1, order_of_events, &next, 'a');
    sim_at(&sim, t + 2, order_of_events, &next, 'b');
    sim_at(&sim, t + 2, order_of_events, &next, 'c');
    sim_at(&sim, t + 9, order_of_events, &next, 'z');
    sim_run(&sim, t + 8);
    assert_string_equal(seen, "abcde"); /* d was made at the instant of b, after c */
    assert_int_equal(sim.now, t + 8);
    sim_fini(&sim);
}

static void jitter_is_what_saves_contenders(void **state) {
    (void)state;
    struct contention_outcome out[CONTENTION_BACKOFFS];
    for (int b = 0; b < CONTENTION_BACKOFFS; b++) out[b] = contention_run((enum contention_backoff)b, 90, 3);
    /* Repeating at once is quick and costs most; backing off in step costs as much and takes for ever. */
    for (int b = CONTENTION_EQUAL; b < CONTENTION_BACKOFFS; b++) {
        assert_true(out[b].writes < 0.6 * out[CONTENTION_NONE].writes);
        assert_true(out[b].writes < 0.7 * out[CONTENTION_EXPONENTIAL].writes);
        assert_true(out[b].seconds < 0.2 * out[CONTENTION_EXPONENTIAL].seconds);
    }
    assert_true(out[CONTENTION_FULL].seconds < out[CONTENTION_EQUAL].seconds);
    struct contention_outcome again = contention_run(CONTENTION_FULL, 90, 3);
    assert_true(again.writes == out[CONTENTION_FULL].writes && again.seconds == out[CONTENTION_FULL].seconds);
}

static struct metastable_outcome out;

static void naive_retries_never_recover(void **state) {
    (void)state;
    out = metastable_run(METASTABLE_NAIVE, 7);
    assert_true(out.recovered_after < 0);
    assert_true(out.late_amplification > 4.5);
    out = metastable_run(METASTABLE_BACKOFF, 7); /* each call still makes five attempts, only later */
    assert_true(out.recovered_after < 0);
    assert_true(out.late_amplification > 4.5);
}

static void whoever_bounds_the_load_recovers(void **state) {
    (void)state;
    const struct {
        enum metastable_clients kind;
        double worst, after, lost;
    } expected[] = {
        {METASTABLE_BUDGET, 1.25, 40, 0.25}, {METASTABLE_BREAKER, 1.2, 20, 0.12}, {METASTABLE_THROTTLE, 2.5, 25, 0.15},
        {METASTABLE_LIMIT, 1.2, 10, 0.08},   {METASTABLE_ALL, 1.2, 10, 0.10},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        out = metastable_run(expected[i].kind, 7);
        assert_true(out.worst_amplification < expected[i].worst);
        assert_true(out.late_amplification < 1.1);
        assert_true(out.recovered_after >= 0 && out.recovered_after <= expected[i].after);
        assert_true(out.lost < expected[i].lost);
    }
}

static void charts_are_written(void **state) {
    (void)state;
    double x[] = {0, 1, 2}, y[] = {3, 999, -1};
    struct svg_chart chart = {.title = "t",
                              .x_title = "x",
                              .y_title = "y",
                              .x = x,
                              .count = 3,
                              .y_max = 100,
                              .band_from = 1,
                              .band_to = 2,
                              .band_name = "b",
                              .series = {{"s", y}},
                              .series_count = 1};
    char path[] = HF_BUILD_DIR "/chart-XXXXXX", text[4096] = "";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(svg_write(path, &chart), 0);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    unlink(path);
    assert_non_null(strstr(text, "points=\"70.0,321.3 330.0,40.0 \"")); /* cut at the top; -1 left out */
    assert_non_null(strstr(text, "prefers-color-scheme:dark"));
    assert_non_null(strstr(text, "</svg>"));
    assert_int_equal(svg_write("/nowhere/at/all.svg", &chart), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_happen_in_their_order), cmocka_unit_test(jitter_is_what_saves_contenders),
        cmocka_unit_test(naive_retries_never_recover),  cmocka_unit_test(whoever_bounds_the_load_recovers),
        cmocka_unit_test(charts_are_written),
    };
    return cmocka_run_group_tests_name("simulations", tests, NULL, NULL);
}
