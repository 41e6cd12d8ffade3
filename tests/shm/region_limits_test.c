/* SPDX-License-Identifier: MIT */
/* Regions where something is missing or goes on at the same time: process slots, descriptors, room, one thread only. */
#include "os/shared_file.h"
#include "shm/region_handle.h"
#include "support/child.h"
#include "support/cmocka_all.h"
#include "support/stepper.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define S HF_SECOND

static char directory[] = "/tmp/holdfast-limits-XXXXXX";

static int make_directory(void **state) {
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state) {
    (void)state;
    return rmdir(directory);
}

/* A region with a bulkhead of `max` slots, whose leases last one second. */
struct slots {
    hf_region *region;
    hf_bulkhead *bulkhead;
    hf_pipeline *pipeline;
    struct stepper held[4];
    int count;
};

static struct slots make_slots(const hf_region_config *config, uint32_t max) {
    struct slots s = {.count = 0};
    assert_int_equal(hf_region_new(&s.region, config, NULL), 0);
    hf_bulkhead_config c;
    hf_bulkhead_config_init(&c);
    c.max_concurrent = max;
    c.slot_lease_ms = 1000;
    c.region = s.region;
    assert_int_equal(hf_bulkhead_new(&s.bulkhead, "slots", &c, NULL), 0);
    hf_policy *order[] = {hf_bulkhead_policy(s.bulkhead)};
    assert_int_equal(hf_pipeline_new(&s.pipeline, "slots", order, 1, NULL), 0);
    return s;
}

static void drop_slots(struct slots *s) {
    hf_pipeline_free(s->pipeline);
    hf_bulkhead_free(s->bulkhead);
    hf_region_free(s->region);
}

static bool hold(struct slots *s, hf_time now) {
    struct stepper *call = &s->held[s->count];
    stepper_begin(call, s->pipeline, NULL, now);
    if (stepper_next(call) == HF_STEP_START) {
        s->count++;
        return true;
    }
    (void)stepper_end(call, NULL);
    return false;
}

static void let_go(struct slots *s) {
    s->count--;
    stepper_finish(&s->held[s->count], hf_success(), 0, true);
    assert_int_equal(stepper_end(&s->held[s->count], NULL), 0);
}

enum { HOLD = 1, HOLD_AT_1_S, LET_GO, OWNER, OWNER_OF_MANY_CALLS, NOBODY, ALIVE, NO_DESCRIPTORS, ASK_A_CHILD };

static uint32_t asked; /* whose life ALIVE tells of; set before the fork */

#define POOR_OWNS_NOTHING 1
#define POOR_SEES_IT_ALIVE 2
#define POOR_HAS_A_SLOT 4

static uint32_t ask_a_child(struct slots *s) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int answer = hf__region_owner(s->region) == 0 ? POOR_OWNS_NOTHING : 0;
        if (hf__region_alive(s->region, asked)) answer |= POOR_SEES_IT_ALIVE;
        else if (hold(s, S)) answer |= POOR_HAS_A_SLOT;
        _exit(answer);
    }
    (void)waitpid(pid, &status, 0);
    return (uint32_t)WEXITSTATUS(status);
}

static uint32_t worker(void *arg, unsigned char order) {
    struct slots *s = arg;
    switch (order) {
    case HOLD: return hold(s, 0);
    case HOLD_AT_1_S: return hold(s, S);
    case LET_GO: let_go(s); return 1;
    case OWNER_OF_MANY_CALLS:
        for (int i = 0; i < 1025; i++) (void)hf__region_owner(s->region);
        return hf__region_owner(s->region);
    case NOBODY: return setuid(65534) == 0;
    case NO_DESCRIPTORS: {
        struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
        return setrlimit(RLIMIT_NOFILE, &none) == 0;
    }
    case ASK_A_CHILD: return ask_a_child(s);
    case ALIVE: return hf__region_alive(s->region, asked);
    default: return hf__region_owner(s->region);
    }
}

/* ---- what is missing ---- */

static void without_a_process_slot_leases_end_by_time_alone(void **state) {
    (void)state;
    struct slots s = make_slots(NULL, 1);
    int other = hf__shared_reopen(s.region->file); /* has all slots that are left */
    for (uint32_t slot = 2; slot <= HF_REGION_PROCESSES_MAX; slot++)
        assert_true(hf__shared_lock(other, HF__REGION_LOCK_PROCESS(slot)));
    struct child child = child_start(worker, &s);
    assert_int_equal(child_order(&child, OWNER), 0);
    assert_int_equal(child_order(&child, HOLD), 1);
    assert_false(hold(&s, S - 1));
    assert_true(hold(&s, S)); /* although the child lives: it cannot be told from a dead one */
    assert_int_equal(child_order(&child, LET_GO), 1);
    assert_int_equal(hf_bulkhead_in_flight(s.bulkhead), 1); /* late, and frees nothing of ours */
    let_go(&s);
    for (uint32_t slot = 2; slot <= HF_REGION_PROCESSES_MAX; slot++)
        hf__shared_unlock(other, HF__REGION_LOCK_PROCESS(slot)); /* closing would not do: the child has a copy */
    close(other);
    uint32_t owner = child_order(&child, OWNER_OF_MANY_CALLS); /* asks again now and then */
    assert_int_not_equal(owner, 0);
    assert_true(hf__region_alive(s.region, owner));
    child_finish(&child);
    drop_slots(&s);
}

static void attaching_needs_a_slot(void **state) {
    (void)state;
    hf_region_config config;
    hf_region_config_init(&config);
    config.name = "full";
    config.directory = directory;
    hf_region *first, *second;
    hf_error error;
    assert_int_equal(hf_region_new(&first, &config, NULL), 0);
    int other = hf__shared_reopen(first->file);
    for (uint32_t slot = 2; slot <= HF_REGION_PROCESSES_MAX; slot++)
        assert_true(hf__shared_lock(other, HF__REGION_LOCK_PROCESS(slot)));
    assert_int_equal(hf_region_new(&second, &config, &error), HF_E_SYSTEM);
    assert_string_equal(hf_error_text(&error), "region \"full\": all 255 process slots are taken");
    config.on_mismatch = HF_REGION_LOCAL;
    assert_int_equal(hf_region_new(&second, &config, NULL), 0);
    hf_region_free(second);
    close(other);
    hf_region_free(first);
    assert_int_equal(hf_region_remove("full", directory, NULL), 0);
}

/* The system has no descriptor for a child when it is forked, and none later. */
static void without_descriptors_the_dead_are_told_all_the_same(void **state) {
    (void)state;
    struct slots s = make_slots(NULL, 2);
    struct child dead = child_start(worker, &s);
    assert_int_equal(child_order(&dead, HOLD), 1);
    asked = child_order(&dead, OWNER);
    struct child parent = child_start(worker, &s);
    assert_int_equal(child_order(&parent, NO_DESCRIPTORS), 1);
    assert_true(hold(&s, 0));
    assert_int_equal(child_order(&parent, ASK_A_CHILD), POOR_OWNS_NOTHING | POOR_SEES_IT_ALIVE);
    child_kill(&dead);
    assert_int_equal(child_order(&parent, ASK_A_CHILD), POOR_OWNS_NOTHING | POOR_HAS_A_SLOT); /* the dead one's */
    let_go(&s);
    child_finish(&parent);
    drop_slots(&s);
}

static void a_worker_that_may_not_open_the_file_has_a_slot(void **state) {
    (void)state;
    if (geteuid() != 0) skip(); /* a master that is root, and workers that are not */
    hf_region_config config;
    hf_region_config_init(&config);
    config.name = "root";
    config.directory = directory;
    struct slots s = make_slots(&config, 1);
    struct child child = child_start(worker, &s);
    assert_int_equal(child_order(&child, NOBODY), 1);
    uint32_t owner = child_order(&child, OWNER);
    assert_int_not_equal(owner, 0);
    assert_true(hf__region_alive(s.region, owner));
    child_kill(&child);
    assert_false(hf__region_alive(s.region, owner));
    drop_slots(&s);
    assert_int_equal(hf_region_remove("root", directory, NULL), 0);
}

/* It could not read the boot id, took the region for one from before a reboot, and emptied it under those who use it. */
static void whoever_attaches_without_descriptors_empties_nothing(void **state) {
    (void)state;
    hf_region_config config;
    hf_region_config_init(&config);
    config.name = "boot";
    config.directory = directory;
    struct slots s = make_slots(&config, 1);
    int next = dup(STDERR_FILENO); /* the lowest number that is free, and with luck all above it are */
    close(next);
    struct rlimit all, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    for (int room = 0; room < 8; room++) {
        hf_region *other;
        few = (struct rlimit){.rlim_cur = (rlim_t)(next + room), .rlim_max = all.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        int rc = hf_region_new(&other, &config, NULL);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
        if (rc == 0) hf_region_free(other);
        else assert_int_equal(rc, HF_E_SYSTEM);
        hf_region_info info = {.struct_size = sizeof info};
        assert_int_equal(hf_region_inspect(s.region, &info), 0);
        assert_int_equal(info.objects, 1);
        if (room == 0) assert_int_not_equal(rc, 0);
        if (room == 7) assert_int_equal(rc, 0);
    }
    drop_slots(&s);
    assert_int_equal(hf_region_remove("boot", directory, NULL), 0);
}

static void no_room_is_an_error_and_not_a_signal_later(void **state) {
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        hf_region_config config;
        hf_region_config_init(&config);
        config.name = "room";
        config.directory = directory;
        hf_region *region;
        hf_error error;
        struct rlimit small = {.rlim_cur = 1000, .rlim_max = 1000};
        (void)signal(SIGXFSZ, SIG_IGN);
        bool right = setrlimit(RLIMIT_FSIZE, &small) == 0 && hf_region_new(&region, &config, &error) == HF_E_SYSTEM &&
                     strstr(hf_error_text(&error), "no room for its file: File too large") != NULL;
        _exit(right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(hf_region_remove("room", directory, NULL), 0);
}

/* ---- foreign words ---- */

static void a_lease_that_nobody_can_have_taken_is_not_believed(void **state) {
    (void)state;
    struct slots s = make_slots(NULL, 1);
    assert_true(hold(&s, 0));
    let_go(&s);
    unsigned char *memory = (unsigned char *)s.region->map + s.region->map->entry[0].offset;
    const uint64_t words[] = {UINT64_MAX, UINT64_MAX << 22, UINT64_C(1000000) << 22 | 12345};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        memcpy(memory + 64, &words[i], sizeof words[i]);
        assert_int_equal(hf_bulkhead_in_flight(s.bulkhead), 1);
        assert_true(hold(&s, 10 * S)); /* without it: in 16 minutes, or never */
        let_go(&s);
    }
    drop_slots(&s);
}

/* ---- forks ---- */

static void a_child_gets_the_slots_of_its_copy_of_a_local_region(void **state) {
    (void)state;
    hf_region_config config;
    hf_region_config_init(&config);
    config.name = "local";
    config.directory = "/nonexistent";
    config.on_mismatch = HF_REGION_LOCAL;
    struct slots s = make_slots(&config, 1);
    assert_true(hold(&s, 0));
    struct child child = child_start(worker, &s);
    assert_int_equal(child_order(&child, HOLD), 0);
    struct child later = child_start(worker, &s);
    assert_int_equal(child_order(&later, HOLD_AT_1_S), 1); /* its parent's lease has ended, and nobody is its parent */
    assert_false(hold(&s, 10 * S));                        /* here it is held */
    let_go(&s);
    child_finish(&child);
    child_finish(&later);
    drop_slots(&s);
}

static void regions_are_apart(void **state) {
    (void)state;
    struct slots one = make_slots(NULL, 1), two = make_slots(NULL, 1);
    struct child child = child_start(worker, &one);
    assert_int_equal(child_order(&child, HOLD), 1);
    assert_false(hold(&one, 0));
    assert_true(hold(&two, 0));
    asked = child_order(&child, OWNER);
    assert_true(hf__region_alive(one.region, asked));
    assert_false(hf__region_alive(two.region, asked)); /* there it is nobody */
    let_go(&two);
    drop_slots(&two);
    child_kill(&child);
    assert_true(hold(&one, S));
    let_go(&one);
    drop_slots(&one);
}

/* Threads work, make and free regions, while the process forks: no child waits for a lock that nobody holds there. */
struct busy {
    struct slots *slots;
    _Atomic bool stop;
};

static hf_outcome nothing(void *arg, const hf_attempt *attempt) {
    (void)arg, (void)attempt;
    return hf_success();
}

static void *call_for_ever(void *arg) {
    struct busy *busy = arg;
    while (!atomic_load(&busy->stop)) (void)hf_run(busy->slots->pipeline, nothing, NULL, NULL, NULL);
    return NULL;
}

static void *make_for_ever(void *arg) {
    struct busy *busy = arg;
    while (!atomic_load(&busy->stop)) {
        hf_region_info info = {.struct_size = sizeof info};
        struct slots own = make_slots(NULL, 1);
        (void)hf_region_inspect(busy->slots->region, &info);
        drop_slots(&own);
    }
    return NULL;
}

static void forks_while_threads_work_leave_no_lock_behind(void **state) {
    (void)state;
    struct slots s = make_slots(NULL, 4);
    struct busy busy = {.slots = &s};
    pthread_t caller, maker;
    assert_int_equal(pthread_create(&caller, NULL, call_for_ever, &busy), 0);
    assert_int_equal(pthread_create(&maker, NULL, make_for_ever, &busy), 0);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            (void)alarm(20); /* waits for ever otherwise, if it is wrong */
            hf_region_info info = {.struct_size = sizeof info};
            bool right = hf_region_inspect(s.region, &info) == 0 && hf__region_owner(s.region) != 0;
            hf_region *region;
            right = right && hf_region_new(&region, NULL, NULL) == 0;
            if (right) hf_region_free(region);
            (void)hf_run(s.pipeline, nothing, NULL, NULL, NULL);
            _exit(right ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    atomic_store(&busy.stop, true);
    assert_int_equal(pthread_join(caller, NULL), 0);
    assert_int_equal(pthread_join(maker, NULL), 0);
    drop_slots(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_process_slot_leases_end_by_time_alone),
        cmocka_unit_test(attaching_needs_a_slot),
        cmocka_unit_test(without_descriptors_the_dead_are_told_all_the_same),
        cmocka_unit_test(a_worker_that_may_not_open_the_file_has_a_slot),
        cmocka_unit_test(whoever_attaches_without_descriptors_empties_nothing),
        cmocka_unit_test(no_room_is_an_error_and_not_a_signal_later),
        cmocka_unit_test(a_lease_that_nobody_can_have_taken_is_not_believed),
        cmocka_unit_test(a_child_gets_the_slots_of_its_copy_of_a_local_region),
        cmocka_unit_test(regions_are_apart),
        cmocka_unit_test(forks_while_threads_work_leave_no_lock_behind),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
