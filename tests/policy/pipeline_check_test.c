/* SPDX-License-Identifier: MIT */
/* hf_pipeline_check: what it says of orders and numbers that hurt, and that it is silent about the others. */
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>

#include <stdio.h>
#include <string.h>

/* ---- policies in a word each ---- */

static hf_policy *order[HF_MAX_POLICIES];
static size_t count;
static char said[4096]; /* all sentences, a line each */

static void add(hf_policy *policy) { order[count++] = policy; }

static int setup(void **state) {
    (void)state;
    count = 0;
    said[0] = '\0';
    return 0;
}

/* Each keeps its only reference until teardown of the row. */
static struct {
    hf_timeout *timeouts[4];
    hf_retry *retries[2];
    hf_breaker *breaker;
    hf_bulkhead *bulkhead;
    hf_fallback *fallbacks[2];
    hf_hedge *hedge;
    hf_rate_limit *limit;
    hf_not_before *not_before;
} made;

static void timeout(const char *name, int64_t ms) {
    hf_timeout_config c;
    hf_timeout_config_init(&c);
    c.timeout_ms = ms;
    size_t i = 0;
    while (made.timeouts[i] != NULL) i++;
    assert_int_equal(hf_timeout_new(&made.timeouts[i], name, &c, NULL), 0);
    add(hf_timeout_policy(made.timeouts[i]));
}

static void retry(const char *name, uint32_t attempts, int64_t pause_ms) {
    hf_retry_config c;
    hf_retry_config_init(&c);
    c.max_attempts = attempts;
    c.backoff.kind = HF_BACKOFF_CONSTANT;
    c.backoff.base_ms = c.backoff.cap_ms = pause_ms;
    c.backoff.jitter = HF_JITTER_FULL; /* half of it on average */
    size_t i = made.retries[0] != NULL;
    assert_int_equal(hf_retry_new(&made.retries[i], name, &c, NULL, NULL), 0);
    add(hf_retry_policy(made.retries[i]));
}

static void breaker(int64_t lease_ms, int64_t slow_ms) {
    hf_breaker_config c;
    hf_breaker_config_init(&c);
    c.probe_lease_ms = lease_ms;
    c.slow_call_ms = slow_ms;
    assert_int_equal(hf_breaker_new(&made.breaker, "breaker", &c, NULL), 0);
    add(hf_breaker_policy(made.breaker));
}

static void breaker_of_time(int64_t window_ms) {
    hf_breaker_config c;
    hf_breaker_config_init(&c);
    c.window_kind = HF_BREAKER_BY_TIME;
    c.window_ms = window_ms;
    c.buckets = 1;
    assert_int_equal(hf_breaker_new(&made.breaker, "breaker", &c, NULL), 0);
    add(hf_breaker_policy(made.breaker));
}

static void bulkhead(uint32_t waiting, int64_t wait_ms) {
    hf_bulkhead_config c;
    hf_bulkhead_config_init(&c);
    c.max_waiting = waiting;
    c.max_wait_ms = wait_ms;
    assert_int_equal(hf_bulkhead_new(&made.bulkhead, "slots", &c, NULL), 0);
    add(hf_bulkhead_policy(made.bulkhead));
}

static void fallback(const char *name) {
    size_t i = made.fallbacks[0] != NULL;
    assert_int_equal(hf_fallback_value_new(&made.fallbacks[i], name, "x", 1, 0, NULL), 0);
    add(hf_fallback_policy(made.fallbacks[i]));
}

static void hedge(int64_t delay_ms) {
    hf_hedge_config c;
    hf_hedge_config_init(&c);
    c.delay_ms = delay_ms;
    assert_int_equal(hf_hedge_new(&made.hedge, "hedge", &c, NULL, NULL), 0);
    add(hf_hedge_policy(made.hedge));
}

static void rate_limit(int64_t wait_ms) {
    hf_rate_limit_config c;
    hf_rate_limit_config_init(&c);
    c.tier[0].permits = 10;
    c.max_wait_ms = wait_ms;
    assert_int_equal(hf_rate_limit_new(&made.limit, "rate", &c, NULL), 0);
    add(hf_rate_limit_policy(made.limit));
}

static void not_before(int64_t wait_ms) {
    hf_not_before_config c;
    hf_not_before_config_init(&c);
    c.max_wait_ms = wait_ms;
    assert_int_equal(hf_not_before_new(&made.not_before, "later", &c, NULL), 0);
    add(hf_not_before_policy(made.not_before));
}

static void note(void *arg, const char *sentence) {
    assert_ptr_equal(arg, &made);
    strncat(said, sentence, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

/* What is said of the pipeline in `order` must be exactly these lines. */
static void expect(const char *lines) {
    hf_pipeline *pipeline;
    assert_int_equal(hf_pipeline_new(&pipeline, "p", order, count, NULL), 0);
    size_t warnings = hf_pipeline_check(pipeline, note, &made);
    assert_string_equal(said, lines);
    size_t expected = 0;
    for (const char *at = lines; *at != '\0'; at++) expected += *at == '\n';
    assert_int_equal(warnings, expected);
    assert_int_equal(hf_pipeline_check(pipeline, NULL, NULL), expected);
    hf_pipeline_free(pipeline);
    for (size_t i = 0; i < 4; i++) hf_timeout_free(made.timeouts[i]);
    for (size_t i = 0; i < 2; i++) hf_retry_free(made.retries[i]);
    for (size_t i = 0; i < 2; i++) hf_fallback_free(made.fallbacks[i]);
    hf_breaker_free(made.breaker);
    hf_bulkhead_free(made.bulkhead);
    hf_hedge_free(made.hedge);
    hf_rate_limit_free(made.limit);
    hf_not_before_free(made.not_before);
    memset(&made, 0, sizeof made);
    setup(NULL);
}

/* ---- silence ---- */

static void the_usual_order_is_fine(void **state) {
    (void)state;
    hf_pipeline *standard;
    assert_int_equal(hf_pipeline_standard(&standard, "standard", NULL), 0);
    assert_int_equal(hf_pipeline_check(standard, note, &made), 0);
    assert_string_equal(said, "");
    hf_pipeline_free(standard);
    fallback("outer"), fallback("inner"), timeout("total", 30000), retry("retry", 3, 100), bulkhead(5, 1000);
    breaker(15000, 5000), timeout("attempt", 10000);
    expect("");
    expect(""); /* nothing at all */
}

static void one_attempt_is_no_retry(void **state) {
    (void)state;
    timeout("total", 1000), breaker(2000, HF_NEVER), bulkhead(0, 1), retry("once", 1, 60000);
    expect("");
}

/* ---- one line each ---- */

static void timeouts_that_never_pass(void **state) {
    (void)state;
    timeout("total", 1000), timeout("attempt", 1000);
    expect("timeout \"attempt\" (1 s) never passes: timeout \"total\" around it ends after 1 s already\n");
}

static void back_offs_that_do_not_fit(void **state) {
    (void)state;
    timeout("total", 2000), retry("retry", 5, 1000);
    expect(
        "retry \"retry\" cannot make its 5 attempts: the waits between them take about 2 s, and timeout \"total\" ends "
        "after 2 s\n");
    timeout("total", 2500), retry("retry", 3, 1000), timeout("attempt", 2000);
    expect("retry \"retry\" has no time for a second attempt after one that took all of timeout \"attempt\" (2 s): "
           "timeout "
           "\"total\" ends after 2500 ms\n");
    timeout("total", 2501), retry("retry", 3, 1000), timeout("attempt", 2000);
    expect("");
}

static void retries_in_the_wrong_place(void **state) {
    (void)state;
    timeout("total", 10000), breaker(15000, HF_NEVER), retry("retry", 3, 10);
    expect(
        "retry \"retry\" is inside breaker \"breaker\", which sees one result for all its attempts: put it outside\n");
    timeout("total", 10000), retry("outer", 3, 10), retry("inner", 3, 10);
    expect("retry \"inner\" is inside retry \"outer\": their attempts multiply when the dependency is down\n");
    retry("retry", HF_RETRY_UNLIMITED, 10), timeout("attempt", 1000);
    expect("retry \"retry\" never ends: its attempts are unlimited, and there is no timeout around it\n");
}

static void bulkheads_in_the_wrong_place(void **state) {
    (void)state;
    timeout("total", 10000), bulkhead(0, 1000), retry("retry", 3, 10);
    expect("bulkhead \"slots\" is outside retry \"retry\": its slot stays taken while a retry waits for its next "
           "attempt\n");
    timeout("total", 1000), bulkhead(5, 1000);
    expect("bulkhead \"slots\" lets calls wait 1 s for a slot, and timeout \"total\" around it ends after 1 s: they "
           "time out "
           "in line\n");
    timeout("total", 1000), bulkhead(5, HF_NEVER);
    expect("bulkhead \"slots\" lets calls wait any time for a slot, and timeout \"total\" around it ends after 1 s: "
           "they time "
           "out in line\n");
    timeout("total", 10000), retry("retry", 3, 10), timeout("attempt", 2000), bulkhead(5, 1000);
    expect("bulkhead \"slots\" is inside timeout \"attempt\": the time that an attempt waits for its turn is taken "
           "from its "
           "own\n");
}

static void waits_in_the_wrong_place(void **state) {
    (void)state;
    timeout("total", 9000), retry("retry", 3, 10), not_before(500), rate_limit(500), bulkhead(0, 1),
        timeout("attempt", 999);
    expect("");
    timeout("total", 9000), retry("retry", 3, 10), bulkhead(0, 1), not_before(500), rate_limit(0);
    expect("bulkhead \"slots\" is outside not_before \"later\": its slot stays taken while a call waits there\n");
    timeout("total", 9000), retry("retry", 3, 10), timeout("attempt", 999), rate_limit(1000);
    expect("rate limit \"rate\" is inside timeout \"attempt\": the time that an attempt waits for its turn is taken "
           "from its "
           "own\n");
}

static void hedges_in_the_wrong_place(void **state) {
    (void)state;
    timeout("total", 9000), retry("retry", 3, 10), hedge(999), breaker(15000, HF_NEVER), timeout("attempt", 1000);
    expect("");
    timeout("total", 9000), hedge(1000), timeout("attempt", 1000);
    expect(
        "hedge \"hedge\" never starts a second attempt: it would after 1 s, and timeout \"attempt\" ends after 1 s\n");
    timeout("total", 9000), breaker(15000, HF_NEVER), hedge(HF_NEVER);
    expect("hedge \"hedge\" is inside breaker \"breaker\", which sees one result for both attempts: put it outside\n");
    timeout("total", 9000), hedge(HF_NEVER), retry("retry", 3, 10);
    expect("hedge \"hedge\" is outside retry \"retry\", whose attempts are all made twice: put it inside\n");
}

static void breakers_with_numbers_that_do_not_fit(void **state) {
    (void)state;
    breaker(2000, HF_NEVER), timeout("attempt", 2000);
    expect(
        "breaker \"breaker\" gives a probe 2 s, and timeout \"attempt\" gives it 2 s: a slow success comes too late to "
        "count\n");
    breaker_of_time(3999), timeout("attempt", 2000);
    expect("breaker \"breaker\" looks back 3999 ms, less than twice timeout \"attempt\" (2 s): results of a dependency "
           "that "
           "hangs come too late to meet\n");
    breaker_of_time(4000), timeout("attempt", 2000);
    expect("");
    timeout("total", 2000), breaker(3000, 2000);
    expect("breaker \"breaker\" calls slow what takes 2 s, and timeout \"total\" ends it after 2 s: nothing is slow in "
           "time\n");
}

static void fallbacks_inside(void **state) {
    (void)state;
    timeout("total", 2000), retry("retry", 2, 10), fallback("outer"), fallback("inner");
    expect("fallback \"outer\" is inside retry \"retry\", which takes its answer for a success and gets none when it "
           "ends the "
           "call itself\nfallback \"inner\" is inside retry \"retry\", which takes its answer for a success and gets "
           "none when "
           "it ends the call itself\n");
}

static void no_end(void **state) {
    (void)state;
    bulkhead(0, 1000), timeout("none", HF_NEVER);
    expect("nothing limits the time of a call: a dependency that hangs holds its callers as long as it likes\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_usual_order_is_fine, setup),
        cmocka_unit_test_setup(one_attempt_is_no_retry, setup),
        cmocka_unit_test_setup(timeouts_that_never_pass, setup),
        cmocka_unit_test_setup(back_offs_that_do_not_fit, setup),
        cmocka_unit_test_setup(retries_in_the_wrong_place, setup),
        cmocka_unit_test_setup(bulkheads_in_the_wrong_place, setup),
        cmocka_unit_test_setup(waits_in_the_wrong_place, setup),
        cmocka_unit_test_setup(hedges_in_the_wrong_place, setup),
        cmocka_unit_test_setup(breakers_with_numbers_that_do_not_fit, setup),
        cmocka_unit_test_setup(fallbacks_inside, setup),
        cmocka_unit_test_setup(no_end, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
