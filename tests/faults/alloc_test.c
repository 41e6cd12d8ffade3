/* SPDX-License-Identifier: MIT */
/* Every allocation of every constructor fails once, and all from some point on: each time the answer is
 * HF_E_NOMEM with a sentence, nothing is made, nothing is left over. The same with descriptors and HF_E_SYSTEM. */
#include "support/alloc_fault.h"
#include "support/cmocka_all.h"

#include <holdfast/client.h>
#include <holdfast/completions.h>
#include <holdfast/curl.h>
#include <holdfast/holdfast.h>
#include <holdfast/testing.h>

#include <dirent.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static hf_outcome no_answer(void *arg, const hf_result *failed) {
    (void)arg, (void)failed;
    return hf_failure(0);
}

static hf_pipeline *some_pipeline; /* for what is made on top of one */
static hf_region *some_region;     /* for what lives in one */
static char region_name[24];       /* its name, in /tmp */

/* One for each constructor: makes, gives back what `out` says and the code. */
#define MAKER(type, call)                                                       \
    static int make_##type(void **out, hf_error *error) {                       \
        hf_##type *made = *out; /* not NULL, to see that a failure clears it */ \
        int rc = call;                                                          \
        *out = made;                                                            \
        return rc;                                                              \
    }                                                                           \
    static void free_##type(void *made) { hf_##type##_free(made); }

MAKER(breaker, hf_breaker_new(&made, "name", NULL, error))
MAKER(budget, hf_budget_new(&made, "name", NULL, error))
MAKER(bulkhead, hf_bulkhead_new(&made, "name", NULL, error))
MAKER(cancel, hf_cancel_new(&made, error))
MAKER(client, hf_client_new(&made, "name", some_pipeline, NULL, error))
MAKER(completions, hf_completions_new(&made, error))
MAKER(concurrency, hf_concurrency_new(&made, "name", NULL, error))
MAKER(curl, hf_curl_new(&made, some_pipeline, error))
MAKER(fallback, hf_fallback_new(&made, "name", no_answer, error))
MAKER(fault, hf_fault_new(&made, "name", NULL, error))
MAKER(hedge, hf_hedge_new(&made, "name", NULL, NULL, error))
MAKER(not_before, hf_not_before_new(&made, "name", NULL, error))
MAKER(region, hf_region_new(&made, NULL, error))
MAKER(region_view, hf_region_view_new(&made, region_name, "/tmp", error))
MAKER(retry, hf_retry_new(&made, "name", NULL, NULL, error))
MAKER(test_clock, hf_test_clock_new(&made, 0, error))
MAKER(switches, hf_switches_new(&made, error))
MAKER(timeout, hf_timeout_new(&made, "name", NULL, error))
MAKER(throttle, hf_throttle_new(&made, "name", NULL, error))
MAKER(pipeline, hf_pipeline_new(&made, "name", NULL, 0, error))

static int make_standard(void **out, hf_error *error) {
    hf_pipeline *made = *out;
    int rc = hf_pipeline_standard(&made, "name", error);
    *out = made;
    return rc;
}

static int make_fallback_value(void **out, hf_error *error) {
    hf_fallback *made = *out;
    int value = 3, rc = hf_fallback_value_new(&made, "name", &value, sizeof value, 0, error);
    *out = made;
    return rc;
}

/* Without threads, whose stacks and whose time of death are the system's. */
static int make_pool(void **out, hf_error *error) {
    hf_pool_config config;
    hf_pool_config_init(&config);
    config.core_threads = 0;
    config.queue = 2;
    config.max_threads = 2;
    hf_pool *made = *out;
    int rc = hf_pool_new(&made, "name", &config, error);
    *out = made;
    return rc;
}
static void free_pool(void *made) { hf_pool_free(made); }

static int make_rate_limit_of(uint32_t keys, void **out, hf_error *error) {
    hf_rate_limit_config config;
    hf_rate_limit_config_init(&config);
    config.tiers = 1;
    config.tier[0] = (hf_rate_tier){.permits = 10, .burst = 20, .period_ms = 1000};
    config.max_keys = keys;
    hf_rate_limit *made = *out;
    int rc = hf_rate_limit_new(&made, "name", &config, error);
    *out = made;
    return rc;
}
static int make_rate_limit(void **out, hf_error *error) { return make_rate_limit_of(0, out, error); }
static int make_keyed_rate_limit(void **out, hf_error *error) { return make_rate_limit_of(64, out, error); }
static void free_rate_limit(void *made) { hf_rate_limit_free(made); }

/* In memory shared by processes. */
#define SHARED_MAKER(type)                                         \
    static int make_shared_##type(void **out, hf_error *error) {   \
        hf_##type##_config config;                                 \
        hf_##type##_config_init(&config);                          \
        config.region = some_region;                               \
        hf_##type *made = *out;                                    \
        int rc = hf_##type##_new(&made, "shared", &config, error); \
        *out = made;                                               \
        return rc;                                                 \
    }

SHARED_MAKER(breaker)
SHARED_MAKER(budget)
SHARED_MAKER(bulkhead)

static const struct constructor {
    const char *name;
    int (*make)(void **out, hf_error *error);
    void (*free)(void *made);
    bool of_the_system; /* may also fail for want of a thread or the like, when that is what the memory was for */
} constructors[] = {
    {"hf_breaker_new", make_breaker, free_breaker, false},
    {"hf_breaker_new", make_shared_breaker, free_breaker, false},
    {"hf_budget_new", make_budget, free_budget, false},
    {"hf_budget_new", make_shared_budget, free_budget, false},
    {"hf_bulkhead_new", make_bulkhead, free_bulkhead, false},
    {"hf_bulkhead_new", make_shared_bulkhead, free_bulkhead, false},
    {"hf_cancel_new", make_cancel, free_cancel, false},
    {"hf_client_new", make_client, free_client, true},
    {"hf_completions_new", make_completions, free_completions, false},
    {"hf_concurrency_new", make_concurrency, free_concurrency, false},
    {"hf_curl_new", make_curl, free_curl, false},
    {"hf_fallback_new", make_fallback, free_fallback, false},
    {"hf_fallback_value_new", make_fallback_value, free_fallback, false},
    {"hf_fault_new", make_fault, free_fault, false},
    {"hf_hedge_new", make_hedge, free_hedge, false},
    {"hf_not_before_new", make_not_before, free_not_before, false},
    {"hf_pipeline_new", make_pipeline, free_pipeline, false},
    {"hf_pipeline_standard", make_standard, free_pipeline, false},
    {"hf_pool_new", make_pool, free_pool, false},
    {"hf_rate_limit_new", make_rate_limit, free_rate_limit, false},
    {"hf_rate_limit_new", make_keyed_rate_limit, free_rate_limit, false},
    {"hf_region_new", make_region, free_region, false},
    {"hf_region_view_new", make_region_view, free_region_view, false},
    {"hf_retry_new", make_retry, free_retry, false},
    {"hf_switches_new", make_switches, free_switches, false},
    {"hf_test_clock_new", make_test_clock, free_test_clock, false},
    {"hf_throttle_new", make_throttle, free_throttle, false},
    {"hf_timeout_new", make_timeout, free_timeout, false},
};
#define CONSTRUCTORS (sizeof constructors / sizeof constructors[0])

/* Makes it with the n-th allocation failing; false when it takes fewer than n. */
static bool fails_cleanly(const struct constructor *c, uint64_t n, bool and_after) {
    hf_error error = {{0}};
    void *made = &error;
    int64_t before = alloc_fault_live();
    alloc_fault_arm(n, and_after);
    int rc = c->make(&made, &error);
    bool failed = alloc_fault_disarm();
    if (!failed || rc == 0) { /* what failed may have been for something that can be done without */
        if (rc != 0) fail_msg("%s: %s", c->name, hf_error_text(&error));
        assert_non_null(made);
        c->free(made);
    } else {
        if (rc != HF_E_NOMEM && !(c->of_the_system && rc == HF_E_SYSTEM))
            fail_msg("%s, allocation %d: %d", c->name, (int)n, rc);
        if (made != NULL) fail_msg("%s: the handle is not NULL", c->name);
        if (strlen(hf_error_text(&error)) < 10) fail_msg("%s: \"%s\" is no sentence", c->name, hf_error_text(&error));
    }
    if (alloc_fault_live() != before) {
        fail_msg("%s, allocation %d: %d blocks more than before", c->name, (int)n, (int)(alloc_fault_live() - before));
    }
    return failed;
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    for (size_t i = 0; i < CONSTRUCTORS; i++) {
        const struct constructor *c = &constructors[i];
        for (int warm_up = 0; warm_up < 2; warm_up++) { /* libcurl, thread stacks */
            void *made = NULL;
            assert_int_equal(c->make(&made, NULL), 0);
            c->free(made);
        }
        uint64_t n = 1;
        while (fails_cleanly(c, n, false)) n++;
        if (n == 1) fail_msg("%s allocates nothing?", c->name);
        for (uint64_t from = 1; from < n; from++) assert_true(fails_cleanly(c, from, true));
        print_message("%s: %d allocations\n", c->name, (int)n - 1);
    }
}

/* Descriptors that are open. */
static int open_descriptors(void) {
    int open = 0;
    for (int fd = 0; fd < 1024; fd++) open += fcntl(fd, F_GETFD) != -1;
    return open;
}

/* Makes it with room for `room` more descriptors; false when it takes no more than these. */
static bool wants_descriptors(const struct constructor *c, int room) {
    struct rlimit limit, narrow;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int before = open_descriptors();
    int64_t blocks = alloc_fault_live();
    narrow = limit;
    narrow.rlim_cur = (rlim_t)before + (rlim_t)room;
    hf_error error = {{0}};
    void *made = &error;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &narrow), 0);
    int rc = c->make(&made, &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (rc == 0) {
        c->free(made);
    } else {
        /* A limit with keys says NOMEM, and in words that it may be the random secret of its table. */
        if (rc != HF_E_SYSTEM && rc != HF_E_NOMEM) fail_msg("%s with room for %d descriptors: %d", c->name, room, rc);
        assert_null(made);
        assert_true(strlen(hf_error_text(&error)) > 10);
    }
    if (open_descriptors() != before) fail_msg("%s: %d descriptors more", c->name, open_descriptors() - before);
    assert_int_equal(alloc_fault_live(), blocks);
    return rc != 0;
}

static void every_descriptor_fails_once(void **state) {
    (void)state;
    int filler[256], fillers = 0; /* no gaps below, so that the limit is exact */
    int highest = 1023;
    while (fcntl(highest, F_GETFD) == -1) highest--;
    while (open_descriptors() <= highest && fillers < 256) filler[fillers++] = open("/dev/null", O_RDONLY);
    for (size_t i = 0; i < CONSTRUCTORS; i++) {
        int room = 0;
        while (wants_descriptors(&constructors[i], room)) room++;
        if (room > 0) print_message("%s: %d descriptors\n", constructors[i].name, room);
    }
    while (fillers > 0) (void)close(filler[--fillers]);
}

/* The very first door initialises libcurl and what is under it: thousands of allocations, of which some fail, each in
 * a process of its own. What fails there may be libcurl's to forgive; it must not kill, and a NULL handle says no. */
static void libcurl_may_fail_to_begin(void **state) {
    (void)state;
    bool failed = true;
    for (uint64_t n = 1; failed; n += 1 + n / 12) {
        pid_t child = fork();
        if (child == 0) {
            hf_error error = {{0}};
            hf_curl *door = (hf_curl *)(void *)&error;
            alloc_fault_arm(n, false);
            int rc = hf_curl_new(&door, some_pipeline, &error);
            failed = alloc_fault_disarm();
            bool told = rc == 0 ? door != NULL : door == NULL && strlen(hf_error_text(&error)) > 10;
            if (rc == 0 && told) hf_curl_free(door);
            _exit(!told ? 2 : failed ? 1 : 0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) fail_msg("allocation %d: status %#x", (int)n, status);
        failed = WEXITSTATUS(status) == 1;
    }
}

static void look_into(const char *path, regex_t *constructor) {
    char line[512];
    FILE *header = fopen(path, "r");
    assert_non_null(header);
    while (fgets(line, sizeof line, header) != NULL) {
        regmatch_t match[2];
        if (regexec(constructor, line, 2, match, 0) != 0) continue;
        bool known = false;
        size_t length = (size_t)(match[1].rm_eo - match[1].rm_so);
        for (size_t i = 0; i < CONSTRUCTORS; i++) {
            known = known || (strlen(constructors[i].name) == length &&
                              strncmp(line + match[1].rm_so, constructors[i].name, length) == 0);
        }
        if (!known)
            fail_msg("%s: %.*s is missing: give it a row in tests/faults/alloc_test.c", path, (int)length,
                     line + match[1].rm_so);
    }
    fclose(header);
}

static void no_constructor_is_forgotten(void **state) {
    (void)state;
    regex_t constructor;
    assert_int_equal(regcomp(&constructor, "^HF_API int (hf_[a-z_]*_(new|standard))\\(", REG_EXTENDED), 0);
    DIR *headers = opendir("include/holdfast");
    assert_non_null(headers);
    int seen = 0;
    for (struct dirent *entry; (entry = readdir(headers)) != NULL;) {
        if (strstr(entry->d_name, ".h") == NULL) continue;
        char path[300];
        snprintf(path, sizeof path, "include/holdfast/%s", entry->d_name);
        look_into(path, &constructor);
        seen++;
    }
    assert_true(seen > 10);
    closedir(headers);
    regfree(&constructor);
}

static int setup(void **state) {
    (void)state;
    int rc = hf_pipeline_new(&some_pipeline, "some", NULL, 0, NULL);
    hf_region_config config;
    hf_region_config_init(&config);
    snprintf(region_name, sizeof region_name, "alloc-test-%d", (int)getpid());
    config.name = region_name;
    config.directory = "/tmp";
    return rc == 0 ? hf_region_new(&some_region, &config, NULL) : rc;
}

static int teardown(void **state) {
    (void)state;
    hf_pipeline_free(some_pipeline);
    hf_region_free(some_region);
    return hf_region_remove(region_name, "/tmp", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libcurl_may_fail_to_begin), /* first: nothing of libcurl has been used yet */
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(every_descriptor_fails_once),
        cmocka_unit_test(no_constructor_is_forgotten),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
