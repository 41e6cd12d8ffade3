/* SPDX-License-Identifier: MIT */
/* The demo's arithmetic without playing it: figures from orders, the bars one by one, and the picture. */
#include "support/cmocka_all.h"

#include "../../examples/black_friday/chart.h"

#include <holdfast/breaker.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct plan plan;
static struct record record;

/* A day on which every order takes 20 ms; payments sees 80 requests a second. */
static int setup(void **state) {
    (void)state;
    assert_true(plan_make(&plan, "examples/black_friday/black_friday.ini", 1));
    record = (struct record){.start_at = 1000 * HF_SECOND, .books = {.charged_orders = plan.count}};
    for (int i = 0; i < plan.count; i++) {
        struct order *order = &plan.orders[i];
        order->due_at = record.start_at + (hf_time)(order->due_s * 1e9);
        order->charging_at = order->due_at;
        order->paid_at = order->due_at + 10 * HF_MILLISECOND;
        order->finished_at = order->due_at + 20 * HF_MILLISECOND;
        order->attempts = 1;
    }
    for (long s = 0; s <= 22; s++) { /* 80 a second */
        record.journal.sample[record.journal.samples++] = (struct sample){record.start_at + s * HF_SECOND, 80 * s};
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    plan_free(&plan);
    return 0;
}

static void lose_from(double from_s, double to_s, enum step step) {
    for (int i = 0; i < plan.count; i++) {
        if (plan.orders[i].due_s >= from_s && plan.orders[i].due_s < to_s) plan.orders[i].lost_at = step;
    }
}

static void a_good_day_has_good_figures(void **state) {
    (void)state;
    struct figures f = figures_of(&plan, &record);
    int arrived = 0;
    for (int p = 0; p < PHASES; p++) {
        assert_int_equal(f.completed[p], plan.phase[p].arrived);
        assert_true(fabs(f.p50_ms[p] - 20) < 1e-6 && fabs(f.p99_ms[p] - 20) < 1e-6);
    }
    for (int b = 0; b < f.buckets; b++) {
        arrived += f.bucket_arrived[b];
        assert_int_equal(f.bucket_arrived[b], f.bucket_completed[b]);
        assert_int_equal(f.bucket_arrived[b], f.bucket_calls[b]);
        assert_true(fabs(f.bucket_requests[b] - 40) < 1e-3);
    }
    assert_int_equal(f.buckets, 43); /* of 21.4 s */
    assert_int_equal(arrived, plan.count);
    assert_int_equal(f.charged_lost, 0);
    assert_true(f.recover_s == 0);
}

static void recovery_is_when_no_half_second_loses_orders_any_more(void **state) {
    (void)state;
    double back = plan.phase[RECOVERY].start_s;
    lose_from(back + 1.2, back + 1.3, STEP_PAYMENT);
    assert_true(fabs(figures_of(&plan, &record).recover_s - 1.5) < 1e-9);
    lose_from(back + 1.2, plan.seconds, STEP_PAYMENT);
    assert_true(figures_of(&plan, &record).recover_s < 0);
}

static void percentiles_are_of_all_orders_by_nearest_rank(void **state) {
    (void)state;
    int seen = 0, slow = plan.phase[CALM].arrived / 50 + 1; /* two in a hundred */
    for (int i = 0; seen < slow; i++, seen++) plan.orders[i].finished_at = plan.orders[i].due_at + 900 * HF_MILLISECOND;
    struct figures f = figures_of(&plan, &record);
    assert_true(fabs(f.p50_ms[CALM] - 20) < 1e-6);
    assert_true(fabs(f.p99_ms[CALM] - 900) < 1e-6);
    assert_true(fabs(f.worst_p99_ms - 900) < 1e-6);
}

/* ---- the bars ---- */

static struct figures naive, holdfast;

static void lose_calm(void) { holdfast.completed[CALM] -= 1; }
static void lose_surge(void) { holdfast.completed[SURGE] = (int)(0.84 * 125 * 3); }
static void lose_brown_out(void) { holdfast.completed[BROWN_OUT] = (int)(0.84 * 62.5 * 3); }
static void lose_inventory(void) { holdfast.lost_to_inventory = 2; }
static void lose_recommendations(void) { holdfast.lost_to_recommendations = 1; }
static void repeat_attempts(void) { holdfast.attempts_per_call = 1.31; }
static void charge_twice(void) { holdfast.books.double_charges = 1; }
static void be_late(void) { holdfast.worst_p99_ms = 3050.1; }
static void stay_down(void) { holdfast.settled_completed = (int)(0.98 * holdfast.settled_arrived); }
static void be_worse_than_naive(void) { naive.completed[PAYMENTS_DEAD] = holdfast.completed[PAYMENTS_DEAD] + 1; }

static int judge(const char *missed[MAX_BARS]) {
    static struct bar bars[MAX_BARS];
    int misses = 0;
    for (int i = 0, count = bars_judge(&plan, &naive, &holdfast, bars); i < count; i++) {
        if (!bars[i].pass) missed[misses++] = bars[i].name;
    }
    return misses;
}

static void every_bar_can_be_missed_alone(void **state) {
    (void)state;
    static const struct {
        void (*spoil)(void);
        const char *bar;
    } rows[] = {
        {lose_calm, "calm: completed"},
        {lose_surge, "surge: completed, of what capacity allows"},
        {lose_brown_out, "brown-out: completed, of what capacity allows"},
        {lose_inventory, "inventory-resets: got past inventory"},
        {lose_recommendations, "orders lost to recommendations"},
        {repeat_attempts, "payments-dead: attempts / admitted calls"},
        {charge_twice, "double charges"},
        {be_late, "p99 of the slowest phase"},
        {stay_down, "completed from two open waits after recovery on"},
        {be_worse_than_naive, "payments-dead: completed, against naive"},
    };
    const char *missed[MAX_BARS] = {""};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        naive = (struct figures){.played = true};
        holdfast = figures_of(&plan, &record);
        holdfast.attempts_per_call = 1;
        assert_int_equal(judge(missed), 0);
        rows[i].spoil();
        assert_int_equal(judge(missed), 1);
        assert_string_equal(missed[0], rows[i].bar);
    }
}

/* ---- the picture ---- */

static char *page(const struct outcome *o) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    page_write(out, o);
    fclose(out);
    return text;
}

static int times_in(const char *text, const char *part) {
    int times = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) times++;
    return times;
}

static void the_page_shows_what_was_measured(void **state) {
    (void)state;
    static const struct settings settings = {.policies = true};
    static struct bar bars[MAX_BARS];
    journal_change(&record.journal, PAYMENTS_BREAKER, HF_BREAKER_OPEN, record.start_at + 10 * HF_SECOND);
    journal_change(&record.journal, PAYMENTS_BREAKER, HF_BREAKER_HALF_OPEN, record.start_at + 15 * HF_SECOND);
    journal_change(&record.journal, PAYMENTS_BREAKER, HF_BREAKER_CLOSED, record.start_at + 16 * HF_SECOND);
    holdfast = figures_of(&plan, &record);
    lose_from(5, 99, STEP_PAYMENT);
    naive = figures_of(&plan, &record);
    struct outcome o = {&settings, &plan, &naive, &holdfast, bars, bars_judge(&plan, &naive, &holdfast, bars)};
    char *text = page(&o);
    assert_int_equal(times_in(text, "<svg"), 2); /* wide and narrow */
    assert_int_equal(times_in(text, "</svg>"), 2);
    assert_int_equal(times_in(text, "<rect class=\"so\""), 2);
    assert_int_equal(times_in(text, "<rect class=\"sh\""), 2);
    assert_int_equal(times_in(text, ">never<"), 2);
    assert_int_equal(times_in(text, "nan"), 0);
    assert_int_equal(times_in(text, "inf"), 0);
    assert_int_equal(times_in(text, "<script"), 0);
    free(text);
    naive.played = false; /* and alone */
    o.bar_count = bars_judge(&plan, &naive, &holdfast, bars);
    text = page(&o);
    assert_int_equal(times_in(text, "naive</span>"), 0);
    assert_int_equal(times_in(text, "nan"), 0);
    free(text);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_good_day_has_good_figures),
        TEST(recovery_is_when_no_half_second_loses_orders_any_more),
        TEST(percentiles_are_of_all_orders_by_nearest_rank),
        TEST(every_bar_can_be_missed_alone),
        TEST(the_page_shows_what_was_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
