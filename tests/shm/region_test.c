/* SPDX-License-Identifier: MIT */
#include "os/shared_file.h"
#include "shm/region_handle.h"
#include "support/child.h"
#include "support/cmocka_all.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (64 * 1024)

/* ---- a directory for named regions, one for the whole program ---- */

static char directory[] = "/tmp/holdfast-region-XXXXXX";

static int make_directory(void **state) {
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state) {
    (void)state;
    return rmdir(directory); /* fails when a test left something there */
}

static void path_of(char *path, size_t size, const char *name) {
    snprintf(path, size, "%s/holdfast-1.%s", directory, name);
}

static hf_region_config named(const char *name) {
    hf_region_config config;
    hf_region_config_init(&config);
    config.name = name;
    config.directory = directory;
    config.size_kib = SIZE / 1024;
    return config;
}

static hf_region *attach(const char *name) {
    hf_region_config config = named(name);
    hf_region *region;
    hf_error error;
    int rc = hf_region_new(&region, &config, &error);
    if (rc != 0) print_error("%s\n", hf_error_text(&error));
    assert_int_equal(rc, 0);
    return region;
}

static void must_fail(const hf_region_config *config, int code, const char *words) {
    hf_region *region = (hf_region *)&code;
    hf_error error;
    assert_int_equal(hf_region_new(&region, config, &error), code);
    assert_null(region);
    if (strstr(hf_error_text(&error), words) == NULL) print_error("%s\n", hf_error_text(&error));
    assert_non_null(strstr(hf_error_text(&error), words));
}

static void remove_region(const char *name) { assert_int_equal(hf_region_remove(name, directory, NULL), 0); }

static uint64_t *place(hf_region *region, const char *name, uint64_t window, hf_error *error, int *out_rc) {
    const struct hf__region_rule rules[] = {{"window", window}, {"probes", 5}};
    struct hf__region_want want = {HF_REGION_BREAKER, name, rules, 2, 100, NULL, NULL};
    void *memory = NULL;
    *out_rc = hf__region_place(region, &want, &memory, error);
    return memory;
}

static uint64_t *must_place(hf_region *region, const char *name) {
    int rc;
    uint64_t *memory = place(region, name, 20, NULL, &rc);
    assert_int_equal(rc, 0);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % HF__REGION_LINE, 0);
    return memory;
}

static hf_region_info inspect(hf_region *region) {
    hf_region_info info = {.struct_size = sizeof info};
    assert_int_equal(hf_region_inspect(region, &info), 0);
    return info;
}

/* ---- configuration ---- */

static void bad_configurations_are_named(void **state) {
    (void)state;
    hf_region_config config = named("x");
    config.size_kib = 63;
    must_fail(&config, HF_E_INVALID, "size_kib is 63, expected 64 to 65536");
    config = named("x");
    config.on_mismatch = 2;
    must_fail(&config, HF_E_INVALID, "on_mismatch is 2");
    config = named("x");
    config.directory = "relative";
    must_fail(&config, HF_E_INVALID, "expected an absolute path");
    config.struct_size = 0;
    must_fail(&config, HF_E_INVALID, "struct_size is 0");
    static const char *const bad[] = {
        "", ".", "..", ".hidden", "a/b", "a b", "end.", "a\n", "abcdefghijklmnopqrstuvwxyzabcdef"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        config = named(bad[i]);
        config.on_mismatch = HF_REGION_LOCAL; /* is no cure for a bad configuration */
        must_fail(&config, HF_E_INVALID, "is not allowed");
        assert_int_equal(hf_region_remove(bad[i], directory, NULL), HF_E_INVALID);
    }
    assert_int_equal(hf_region_new(NULL, NULL, NULL), HF_E_INVALID);
    assert_int_equal(hf_region_remove(NULL, NULL, NULL), HF_E_INVALID);
    assert_int_equal(hf_region_remove("never-made", directory, NULL), 0);
    hf_region_free(NULL);
}

/* ---- placing ---- */

static void a_policy_is_found_again_by_name_and_kind(void **state) {
    (void)state;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, NULL, NULL), 0);
    uint64_t *a = must_place(region, "a"), *b = must_place(region, "b");
    assert_ptr_not_equal(a, b);
    *a = 7;
    assert_int_equal(*b, 0);
    assert_ptr_equal(must_place(region, "a"), a);
    assert_int_equal(*a, 7);
    int rc;
    hf_error error;
    assert_null(place(region, "a", 21, &error, &rc));
    assert_int_equal(rc, HF_E_STATE);
    assert_string_equal(hf_error_text(&error),
                        "breaker \"a\": window is 21, but 20 where region \"(anonymous)\" has it already");
    hf_region_info info = inspect(region);
    assert_int_equal(info.objects, 2);
    assert_int_equal(info.processes, 1);
    assert_int_equal(info.local, 0);
    assert_int_equal(info.free_bytes, 256 * 1024 - 24576 - 64 - 64 - 100);
    hf_region_free(region);
}

static void a_full_region_says_so(void **state) {
    (void)state;
    hf_region *region = attach("full");
    struct hf__region_want want = {HF_REGION_BUDGET, "big", NULL, 0, SIZE, NULL, NULL};
    void *memory;
    hf_error error;
    assert_int_equal(hf__region_place(region, &want, &memory, &error), HF_E_STATE);
    assert_non_null(strstr(hf_error_text(&error), "raise size_kib"));
    char name[16];
    for (int i = 0; i < HF_REGION_OBJECTS_MAX; i++) {
        snprintf(name, sizeof name, "p%d", i);
        (void)must_place(region, name);
    }
    int rc;
    assert_null(place(region, "one-more", 20, &error, &rc));
    assert_int_equal(rc, HF_E_STATE);
    assert_non_null(strstr(hf_error_text(&error), "64 policies already"));
    hf_region_free(region);
    remove_region("full");
}

static void a_mismatch_may_stay_local_and_is_counted(void **state) {
    (void)state;
    hf_region_config config = named("local");
    config.on_mismatch = HF_REGION_LOCAL;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, &config, NULL), 0);
    (void)must_place(region, "a");
    int rc;
    assert_null(place(region, "a", 99, NULL, &rc));
    assert_int_equal(rc, 0);
    assert_int_equal(inspect(region).fallbacks, 1);
    /* Neither can be shared what somebody who has stopped in there does not let be made. */
    char path[128];
    path_of(path, sizeof path, "local");
    int stopped = hf__shared_open(path, false);
    assert_true(stopped >= 0 && hf__shared_lock(stopped, HF__REGION_LOCK_ENTRIES));
    assert_null(place(region, "b", 20, NULL, &rc));
    assert_int_equal(rc, 0);
    assert_int_equal(inspect(region).fallbacks, 2);
    close(stopped);
    hf_region_free(region);
    remove_region("local");
}

/* ---- processes ---- */

static uint32_t tell_owner(void *arg, unsigned char order) {
    hf_region *region = arg;
    if (order == 'a') return (uint32_t)++ * must_place(region, "counter");
    return hf__region_owner(region);
}

static void children_are_owners_of_their_own_until_they_die(void **state) {
    (void)state;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, NULL, NULL), 0);
    uint32_t mine = hf__region_owner(region);
    uint64_t *counter = must_place(region, "counter");
    struct child one = child_start(tell_owner, region), two = child_start(tell_owner, region);
    uint32_t first = child_order(&one, 'o'), second = child_order(&two, 'o');
    assert_true(first != 0 && second != 0 && first != second && first != mine && second != mine);
    assert_int_equal(child_order(&one, 'a'), 1); /* the same bytes */
    assert_int_equal(child_order(&two, 'a'), 2);
    assert_int_equal(*counter, 2);
    assert_int_equal(inspect(region).processes, 3);
    assert_true(hf__region_alive(region, first) && hf__region_alive(region, second) && hf__region_alive(region, mine));
    child_kill(&one);
    assert_false(hf__region_alive(region, first));
    assert_true(hf__region_alive(region, second));
    assert_int_equal(inspect(region).processes, 2);
    struct child three = child_start(tell_owner, region);
    uint32_t third = child_order(&three, 'o');
    assert_int_equal(third >> HF__OWNER_SERIAL_BITS, first >> HF__OWNER_SERIAL_BITS); /* the slot is used again ... */
    assert_int_not_equal(third, first);                                               /* ... by another owner */
    assert_false(hf__region_alive(region, first));
    child_finish(&two);
    assert_false(hf__region_alive(region, second));
    child_finish(&three);
    assert_false(hf__region_alive(region, 0));
    assert_false(hf__region_alive(region, UINT32_MAX));
    hf_region_free(region);
}

/* The master of a prefork server is killed; its worker, who inherited its descriptors, lives on. */
struct news {
    uint32_t master, worker;
    pid_t worker_pid;
};

static _Noreturn void be_master(hf_region *region, int answers) {
    struct news news = {.master = hf__region_owner(region)};
    pid_t worker = fork();
    if (worker == 0) {
        news.worker = hf__region_owner(region);
        news.worker_pid = getpid();
        if (write(answers, &news, sizeof news) != (ssize_t)sizeof news) _exit(1);
    }
    for (;;) pause(); /* both, until they are killed */
}

static void a_dead_parent_is_dead_although_its_children_live(void **state) {
    (void)state;
    hf_region *region;
    assert_int_equal(hf_region_new(&region, NULL, NULL), 0);
    int answers[2];
    assert_int_equal(pipe(answers), 0);
    pid_t master = fork();
    if (master == 0) be_master(region, answers[1]);
    struct news news;
    assert_int_equal(read(answers[0], &news, sizeof news), sizeof news);
    assert_true(hf__region_alive(region, news.master) && hf__region_alive(region, news.worker));
    assert_int_equal(inspect(region).processes, 3);
    assert_int_equal(kill(master, SIGKILL), 0);
    assert_int_equal(waitpid(master, NULL, 0), master);
    assert_false(hf__region_alive(region, news.master));
    assert_true(hf__region_alive(region, news.worker));
    assert_int_equal(kill(news.worker_pid, SIGKILL), 0);
    close(answers[0]);
    close(answers[1]);
    hf_region_free(region);
}

/* ---- named regions ---- */

static uint32_t attach_by_name(void *arg, unsigned char order) {
    (void)order;
    hf_region *region = attach(arg);
    return (uint32_t)++ * must_place(region, "counter"); /* keeps the region until it dies */
}

static void strangers_meet_by_name(void **state) {
    (void)state;
    char name[] = "meet";
    struct child one = child_start(attach_by_name, name), two = child_start(attach_by_name, name);
    assert_int_equal(child_order(&one, 'x'), 1);
    assert_int_equal(child_order(&two, 'x'), 2);
    hf_region *region = attach(name);
    assert_int_equal(*must_place(region, "counter"), 2);
    assert_int_equal(inspect(region).processes, 3);
    child_kill(&one);
    child_kill(&two);
    assert_int_equal(inspect(region).processes, 1);
    hf_region_free(region);
    region = attach(name);
    assert_int_equal(*must_place(region, "counter"), 2); /* the file stays, with what is in it */
    hf_region_free(region);
    char path[128];
    struct stat seen;
    path_of(path, sizeof path, name);
    assert_int_equal(stat(path, &seen), 0);
    assert_int_equal(seen.st_mode & 07777, 0600);
    remove_region(name);
    assert_int_equal(stat(path, &seen), -1);
}

/* ---- files that are no region, or not ours ---- */

static void overwrite(const char *name, off_t offset, const void *bytes, size_t count) {
    char path[128];
    path_of(path, sizeof path, name);
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, bytes, count, offset), count);
    close(file);
}

static void foreign_files_are_refused_with_their_reason(void **state) {
    (void)state;
    static const struct {
        off_t offset;
        const char *words;
    } rows[] = {
        {offsetof(struct hf__region_header, magic), "is no region"},
        {offsetof(struct hf__region_header, layout), "another layout version"},
        {offsetof(struct hf__region_header, word_bytes), "another word size"},
        {offsetof(struct hf__region_header, size), "another size_kib"},
        {offsetof(struct hf__region_header, configuration), "other limits"},
        {offsetof(struct hf__region_header, time_namespace), "another time namespace"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hf_region_free(attach("foreign"));
        overwrite("foreign", rows[i].offset, "\x5a\x5a\x5a\x5a", 4);
        hf_region_config config = named("foreign");
        must_fail(&config, HF_E_STATE, rows[i].words);
        config.on_mismatch = HF_REGION_LOCAL;
        hf_region *region;
        assert_int_equal(hf_region_new(&region, &config, NULL), 0);
        assert_int_equal(inspect(region).local, 1);
        (void)must_place(region, "works-all-the-same");
        assert_true(hf__region_alive(region, hf__region_owner(region)));
        hf_region_free(region);
        remove_region("foreign");
    }
}

static void a_region_from_before_a_reboot_is_emptied(void **state) {
    (void)state;
    hf_region *region = attach("boot");
    *must_place(region, "counter") = 5;
    hf_region_free(region);
    overwrite("boot", offsetof(struct hf__region_header, boot_id), "other", 5);
    region = attach("boot");
    assert_int_equal(inspect(region).objects, 0);
    assert_int_equal(*must_place(region, "counter"), 0);
    hf_region_free(region);
    remove_region("boot");
}

static void a_maker_that_died_half_way_is_finished(void **state) {
    (void)state;
    hf_region_free(attach("half"));
    const uint64_t unmade = 0;
    overwrite("half", 0, &unmade, sizeof unmade); /* the magic is written last */
    hf_region *region = attach("half");
    (void)must_place(region, "a");
    hf_region_free(region);
    remove_region("half");
}

static void other_sizes_and_truncated_files_are_refused(void **state) {
    (void)state;
    hf_region_free(attach("size"));
    hf_region_config config = named("size");
    config.size_kib = 128;
    must_fail(&config, HF_E_STATE, "the file has 65536 bytes, expected 131072");
    char path[128];
    path_of(path, sizeof path, "size");
    assert_int_equal(truncate(path, 5000), 0);
    config = named("size");
    must_fail(&config, HF_E_STATE, "the file has 5000 bytes");
    remove_region("size");
}

static void links_pipes_and_open_files_are_not_trusted(void **state) {
    (void)state;
    char path[128];
    path_of(path, sizeof path, "odd");
    hf_region_config config = named("odd");
    assert_int_equal(symlink("/dev/null", path), 0);
    must_fail(&config, HF_E_SYSTEM, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    must_fail(&config, HF_E_SYSTEM, "not a regular file of this user alone");
    assert_int_equal(unlink(path), 0);
    int file = open(path, O_CREAT | O_RDWR, 0600);
    assert_int_equal(fchmod(file, 0622), 0);
    close(file);
    must_fail(&config, HF_E_SYSTEM, "not a regular file of this user alone");
    assert_int_equal(unlink(path), 0);
    config.directory = "/nonexistent";
    must_fail(&config, HF_E_SYSTEM, "/nonexistent");
}

/* Whatever stands in the entries, placing ends with a place inside the region or an error. */
static void corrupted_entries_are_errors(void **state) {
    (void)state;
    hf_region *region = attach("corrupt");
    (void)must_place(region, "a");
    struct hf__region_entry *entry = &region->map->entry[0];
    const uint64_t nonsense[] = {0, 1, 24577, SIZE - 63, SIZE + 64, UINT64_MAX, UINT64_MAX - 63, UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        struct hf__region_entry before = *entry;
        int rc;
        entry->offset = nonsense[i];
        assert_null(place(region, "a", 20, NULL, &rc));
        assert_int_equal(rc, HF_E_STATE);
        assert_null(place(region, "other", 20, NULL, &rc)); /* where would it begin? */
        assert_int_equal(rc, HF_E_STATE);
        entry->offset = before.offset;
        entry->bytes = nonsense[i];
        assert_null(place(region, "a", 20, NULL, &rc));
        assert_int_equal(rc, HF_E_STATE);
        entry->bytes = before.bytes;
    }
    entry->rule_count = 1000;
    int rc;
    assert_null(place(region, "a", 20, NULL, &rc));
    memset(entry->name, 'x', sizeof entry->name);
    assert_null(place(region, "b", 20, NULL, &rc));
    assert_int_equal(rc, HF_E_STATE);
    assert_int_equal(inspect(region).free_bytes, 0);
    hf_region_free(region);
    remove_region("corrupt");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_configurations_are_named),
        cmocka_unit_test(a_policy_is_found_again_by_name_and_kind),
        cmocka_unit_test(a_full_region_says_so),
        cmocka_unit_test(a_mismatch_may_stay_local_and_is_counted),
        cmocka_unit_test(children_are_owners_of_their_own_until_they_die),
        cmocka_unit_test(a_dead_parent_is_dead_although_its_children_live),
        cmocka_unit_test(strangers_meet_by_name),
        cmocka_unit_test(foreign_files_are_refused_with_their_reason),
        cmocka_unit_test(a_region_from_before_a_reboot_is_emptied),
        cmocka_unit_test(a_maker_that_died_half_way_is_finished),
        cmocka_unit_test(other_sizes_and_truncated_files_are_refused),
        cmocka_unit_test(links_pipes_and_open_files_are_not_trusted),
        cmocka_unit_test(corrupted_entries_are_errors),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
