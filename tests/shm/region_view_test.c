/* SPDX-License-Identifier: MIT */
/* A region seen from outside: through the functions, and as holdfast-top shows it. Everything that is looked at is
 * mapped for reading only, so that a write by the way would crash this test. */
#include "shm/region_handle.h"
#include "support/child.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define S HF_SECOND
#define NOW (100 * S)

static char directory[] = "/tmp/holdfast-view-XXXXXX";

static int make_directory(void **state) {
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state) {
    (void)state;
    return rmdir(directory);
}

/* A shop with one policy of each kind; `hold` leaves a slot taken and the probe in flight. */
struct shop {
    hf_region *region;
    hf_breaker *breaker;
    hf_bulkhead *bulkhead;
    hf_rate_limit *limit;
    hf_budget *budget;
    hf_pipeline *slots, *calls;
    struct stepper held;
};

static struct shop open_shop(void) {
    struct shop s = {0};
    hf_region_config region;
    hf_region_config_init(&region);
    region.name = "shop";
    region.directory = directory;
    region.size_kib = 64;
    assert_int_equal(hf_region_new(&s.region, &region, NULL), 0);
    hf_breaker_config breaker;
    hf_breaker_config_init(&breaker);
    breaker.window_kind = HF_BREAKER_BY_TIME;
    breaker.consecutive_failures = 3;
    breaker.slow_call_ms = 500;
    breaker.open_jitter_ppm = 0;
    breaker.region = s.region;
    hf_bulkhead_config bulkhead;
    hf_bulkhead_config_init(&bulkhead);
    bulkhead.max_concurrent = 3;
    bulkhead.region = s.region;
    hf_rate_limit_config limit;
    hf_rate_limit_config_init(&limit);
    limit.tiers = 2;
    limit.tier[0] = (hf_rate_tier){.permits = 10, .burst = 5, .period_ms = 1000};
    limit.tier[1] = (hf_rate_tier){.permits = 60, .burst = 60, .period_ms = 60000};
    limit.region = s.region;
    hf_budget_config budget;
    hf_budget_config_init(&budget);
    budget.burst = 7;
    budget.region = s.region;
    assert_int_equal(hf_breaker_new(&s.breaker, "payments", &breaker, NULL), 0);
    assert_int_equal(hf_bulkhead_new(&s.bulkhead, "connections", &bulkhead, NULL), 0);
    assert_int_equal(hf_rate_limit_new(&s.limit, "quota", &limit, NULL), 0);
    assert_int_equal(hf_budget_new(&s.budget, "retries", &budget, NULL), 0);
    hf_policy *order[] = {hf_bulkhead_policy(s.bulkhead), hf_breaker_policy(s.breaker)};
    assert_int_equal(hf_pipeline_new(&s.slots, "slots", order, 1, NULL), 0);
    assert_int_equal(hf_pipeline_new(&s.calls, "calls", order + 1, 1, NULL), 0);
    return s;
}

static void close_shop(struct shop *s) {
    hf_pipeline_free(s->slots);
    hf_pipeline_free(s->calls);
    hf_breaker_free(s->breaker);
    hf_bulkhead_free(s->bulkhead);
    hf_rate_limit_free(s->limit);
    hf_budget_free(s->budget);
    hf_region_free(s->region);
    assert_int_equal(hf_region_remove("shop", directory, NULL), 0);
}

static hf_region_view *look(void) {
    hf_region_view *view;
    hf_error error;
    int rc = hf_region_view_new(&view, "shop", directory, &error);
    if (rc != 0) print_error("%s\n", hf_error_text(&error));
    assert_int_equal(rc, 0);
    return view;
}

static uint32_t find(hf_region_view *view, hf_region_kind kind) {
    for (uint32_t i = 0; i < HF_REGION_OBJECTS_MAX; i++) {
        hf_region_object object = {.struct_size = sizeof object};
        if (hf_region_view_object(view, i, &object) == 0 && object.kind == (int32_t)kind) return i;
    }
    fail_msg("no %s", hf_region_kind_name((int32_t)kind));
    return 0;
}

static void fail_calls(struct shop *s, int count) {
    const hf_outcome bad = hf_failure_final(1);
    struct stepper call;
    for (int i = 0; i < count; i++) (void)stepper_play(&call, s->calls, NULL, NOW, &bad, NULL, 1, NULL, NULL);
}

static uint32_t hold_slot(void *arg, unsigned char order) {
    struct shop *s = arg;
    (void)order;
    stepper_begin(&s->held, s->slots, NULL, NOW);
    return (uint32_t)stepper_next(&s->held);
}

static void what_is_seen_is_what_the_policies_say(void **state) {
    (void)state;
    struct shop s = open_shop();
    hf_region_view *view = look();
    fail_calls(&s, 2);
    hf_breaker_info seen = {.struct_size = sizeof seen}, said = seen;
    hf_breaker_config config;
    hf_breaker_config_init(&config);
    uint32_t breaker = find(view, HF_REGION_BREAKER);
    for (int i = 0; i < 2; i++) { /* closed, then open */
        assert_int_equal(hf_region_view_breaker(view, breaker, &config, &seen, NOW + S), 0);
        assert_int_equal(hf_breaker_snapshot(s.breaker, &said, NOW + S), 0);
        assert_memory_equal(&seen, &said, sizeof seen);
        assert_int_equal(seen.failures, i == 0 ? 2 : 3);
        assert_int_equal(seen.state, i == 0 ? HF_BREAKER_CLOSED : HF_BREAKER_OPEN);
        fail_calls(&s, 1);
    }
    assert_int_equal(config.window_kind, HF_BREAKER_BY_TIME);
    assert_int_equal(config.slow_call_ms, 500);
    assert_int_equal(config.consecutive_failures, 3);
    hf_rate_ticket ticket;
    assert_int_equal(hf_rate_limit_take(s.limit, &ticket, NULL, 2, 0, NOW), 0);
    hf_region_rate_limit limit = {.struct_size = sizeof limit};
    assert_int_equal(hf_region_view_rate_limit(view, find(view, HF_REGION_RATE_LIMIT), &limit, NOW), 0);
    assert_int_equal(limit.tiers, 2);
    assert_int_equal(limit.tier[0].available, 3);
    assert_int_equal(limit.tier[0].interval_ns, 100 * HF_MILLISECOND);
    assert_int_equal(limit.tier[1].available, 58);
    assert_int_equal(limit.tier[1].burst, 60);
    hf_budget_info budget = {.struct_size = sizeof budget};
    hf_budget_config budget_config;
    hf_budget_config_init(&budget_config);
    assert_int_equal(hf_region_view_budget(view, find(view, HF_REGION_BUDGET), &budget_config, &budget, NOW), 0);
    assert_int_equal(budget.available, 7);
    assert_int_equal(budget_config.burst, 7);
    hf_region_view_free(view);
    close_shop(&s);
}

static void slots_are_told_by_their_owners_and_a_view_is_none(void **state) {
    (void)state;
    struct shop s = open_shop();
    hf_region_view *view = look();
    struct child one = child_start(hold_slot, &s), two = child_start(hold_slot, &s);
    assert_int_equal(child_order(&one, 1), HF_STEP_START);
    assert_int_equal(child_order(&two, 1), HF_STEP_START);
    uint32_t index = find(view, HF_REGION_BULKHEAD);
    hf_region_bulkhead seen = {.struct_size = sizeof seen};
    assert_int_equal(hf_region_view_bulkhead(view, index, &seen), 0);
    assert_int_equal(seen.in_flight, 2);
    assert_int_equal(seen.of_living, 2);
    assert_int_equal(seen.max_concurrent, 3);
    assert_int_equal(seen.slot_lease_ms, 10000);
    hf_region_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_region_view_inspect(view, &info), 0);
    assert_int_equal(info.processes, 3); /* the maker and two children, not the view */
    assert_int_equal(info.objects, 4);
    pid_t pid = one.pid;
    child_kill(&one);
    assert_int_equal(hf_region_view_bulkhead(view, index, &seen), 0);
    assert_int_equal(seen.in_flight, 2);
    assert_int_equal(seen.of_dead, 1);
    assert_int_equal(seen.of_living, 1);
    int found = 0;
    for (uint32_t slot = 1; slot <= HF_REGION_PROCESSES_MAX; slot++) {
        hf_region_process process = {.struct_size = sizeof process};
        if (hf_region_view_process(view, slot, &process) == 0 && process.pid == pid) {
            assert_int_equal(process.alive, 0);
            found++;
        }
    }
    assert_int_equal(found, 1);
    child_finish(&two);
    hf_region_view_free(view);
    close_shop(&s);
}

static void what_cannot_be_looked_at_is_said(void **state) {
    (void)state;
    hf_region_view *view = (hf_region_view *)state;
    hf_error error;
    assert_int_equal(hf_region_view_new(&view, "shop", directory, &error), HF_E_SYSTEM);
    assert_null(view);
    assert_non_null(strstr(hf_error_text(&error), "No such file"));
    assert_int_equal(hf_region_view_new(&view, "no/name", directory, &error), HF_E_INVALID);
    assert_int_equal(hf_region_view_new(&view, NULL, directory, &error), HF_E_INVALID);
    assert_int_equal(hf_region_view_new(NULL, "shop", directory, &error), HF_E_INVALID);
    hf_region_view_free(NULL);
    struct shop s = open_shop();
    view = look();
    hf_region_object object = {.struct_size = sizeof object};
    hf_breaker_info breaker = {.struct_size = sizeof breaker};
    hf_region_bulkhead bulkhead = {.struct_size = sizeof bulkhead};
    uint32_t index = find(view, HF_REGION_BREAKER);
    assert_int_equal(hf_region_view_object(view, HF_REGION_OBJECTS_MAX, &object), HF_E_INVALID);
    assert_int_equal(hf_region_view_object(view, HF_REGION_OBJECTS_MAX - 1, &object), HF_E_STATE);
    assert_int_equal(hf_region_view_bulkhead(view, index, &bulkhead), HF_E_STATE); /* it is a breaker */
    object.struct_size = 4;
    assert_int_equal(hf_region_view_object(view, index, &object), HF_E_INVALID);
    struct hf__region_entry *entry = &s.region->map->entry[index];
    for (uint32_t i = 0; i < entry->rule_count; i++) {
        uint64_t kept = entry->rules[i];
        entry->rules[i] = UINT64_MAX - 1; /* no rule has this value */
        assert_int_equal(hf_region_view_breaker(view, index, NULL, &breaker, NOW), HF_E_STATE);
        entry->rules[i] = kept;
    }
    entry->name[0] = '\033';
    object.struct_size = sizeof object;
    assert_int_equal(hf_region_view_object(view, index, &object), HF_E_STATE);
    memcpy(entry->name, "p", 1);
    char path[128];
    snprintf(path, sizeof path, "%s/holdfast-1.shop", directory);
    assert_int_equal(truncate(path, 40000), 0);
    hf_region_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_region_view_inspect(view, &info), HF_E_STATE);
    assert_int_equal(hf_region_view_object(view, index, &object), HF_E_STATE);
    hf_region_view *again;
    assert_int_equal(hf_region_view_new(&again, "shop", directory, &error), HF_E_STATE);
    assert_int_equal(truncate(path, 64 * 1024), 0);
    hf_region_view_free(view);
    close_shop(&s);
}

/* ---- holdfast-top ---- */

/* Runs it; its output, in memory that the next call uses again. */
static const char *top(const char *arguments, int *out_status) {
    static char text[8192];
    char command[512];
    snprintf(command, sizeof command, "%s/holdfast-top %s 2>&1", HF_BUILD_DIR, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(text, 1, sizeof text - 1, pipe);
    text[got] = '\0';
    int status = pclose(pipe);
    *out_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return text;
}

static void must_show(const char *page, const char *words) {
    if (strstr(page, words) == NULL) fail_msg("no \"%s\" in:\n%s", words, page);
}

static void top_shows_every_policy(void **state) {
    (void)state;
    struct shop s = open_shop();
    struct child child = child_start(hold_slot, &s);
    assert_int_equal(child_order(&child, 1), HF_STEP_START);
    pid_t pid = child.pid;
    child_kill(&child);
    struct child living = child_start(hold_slot, &s);
    assert_int_equal(child_order(&living, 1), HF_STEP_START);
    assert_int_equal(hf_breaker_set(s.breaker, HF_BREAKER_FORCED_OPEN, NOW), 0);
    char arguments[256], words[64];
    int status;
    snprintf(arguments, sizeof arguments, "--once --directory %s shop", directory);
    const char *page = top(arguments, &status);
    assert_int_equal(status, 0);
    must_show(page, "region shop: 4 policies, 2 processes alive");
    must_show(page, "payments                         forced open");
    must_show(page, "not before it is set");
    must_show(page, "connections                              2      3          1        1        0");
    must_show(page, "quota                                    5      5          1         10");
    must_show(page, "retries                                  7      7        20%        3");
    snprintf(words, sizeof words, "\n  %d ", (int)living.pid);
    must_show(page, words);
    snprintf(words, sizeof words, "\n  %d ", (int)pid);
    assert_null(strstr(page, words)); /* it is dead */
    child_finish(&living);
    close_shop(&s);
    page = top(arguments, &status);
    assert_int_equal(status, 1);
    must_show(page, "No such file");
    page = top("--interval 0 shop", &status);
    assert_int_equal(status, 2);
    must_show(page, "interval is not a number from 0.1 to 3600: 0");
    (void)top("", &status);
    assert_int_equal(status, 2);
    page = top("--help", &status);
    assert_int_equal(status, 0);
    must_show(page, "usage: holdfast-top");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_seen_is_what_the_policies_say),
        cmocka_unit_test(slots_are_told_by_their_owners_and_a_view_is_none),
        cmocka_unit_test(what_cannot_be_looked_at_is_said),
        cmocka_unit_test(top_shows_every_policy),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
