/* SPDX-License-Identifier: MIT */
/* A region whose file somebody has scribbled on. Attaching refuses it with a sentence or takes it; what lives in it may
 * then count wrongly, but nothing reads or writes beside it, nothing waits for ever, and a fresh region can be made
 * in its place. */
#include "fuzz.h"
#include "support/bytes.h"

#include <holdfast/holdfast.h>

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "fuzz"
#define IMAGE_MAX (256 << 10)

static char directory[] = "/dev/shm/holdfast-fuzz-XXXXXX";
static char path[128];
static uint8_t pristine[IMAGE_MAX], image[IMAGE_MAX];
static size_t image_size;
static hf_error error;

/* ---- what lives in the region ---- */

struct tenants {
    hf_region *region;
    hf_breaker *breaker;
    hf_bulkhead *bulkhead;
    hf_rate_limit *limit;
    hf_budget *budget;
    hf_retry *retry;
    hf_pipeline *pipeline;
};

static int attach(struct tenants *t, int32_t on_mismatch) {
    hf_region_config c;
    hf_region_config_init(&c);
    c.name = NAME;
    c.directory = directory;
    c.size_kib = 64;
    c.on_mismatch = on_mismatch;
    return hf_region_new(&t->region, &c, &error);
}

static int move_in(struct tenants *t) {
    hf_breaker_config b;
    hf_breaker_config_init(&b);
    b.consecutive_failures = 2;
    b.region = t->region;
    hf_bulkhead_config k;
    hf_bulkhead_config_init(&k);
    k.max_concurrent = 4;
    k.region = t->region;
    hf_rate_limit_config r;
    hf_rate_limit_config_init(&r);
    r.tier[0] = (hf_rate_tier){.permits = 100, .burst = 10, .period_ms = 1000};
    r.region = t->region;
    hf_budget_config u;
    hf_budget_config_init(&u);
    u.region = t->region;
    int rc = hf_breaker_new(&t->breaker, "breaker", &b, &error);
    if (rc == 0) rc = hf_bulkhead_new(&t->bulkhead, "bulkhead", &k, &error);
    if (rc == 0) rc = hf_rate_limit_new(&t->limit, "limit", &r, &error);
    if (rc == 0) rc = hf_budget_new(&t->budget, "budget", &u, &error);
    if (rc == 0) rc = hf_retry_new(&t->retry, "retry", NULL, t->budget, &error);
    if (rc < 0) return rc;
    hf_policy *order[] = {hf_retry_policy(t->retry), hf_rate_limit_policy(t->limit), hf_bulkhead_policy(t->bulkhead),
                          hf_breaker_policy(t->breaker)};
    return hf_pipeline_new(&t->pipeline, "p", order, 4, &error);
}

static void move_out(struct tenants *t) {
    hf_pipeline_free(t->pipeline);
    hf_retry_free(t->retry);
    hf_budget_free(t->budget);
    hf_rate_limit_free(t->limit);
    hf_bulkhead_free(t->bulkhead);
    hf_breaker_free(t->breaker);
    hf_region_free(t->region);
}

static void must_be_told(int rc) {
    FUZZ_MUST(rc == HF_E_STATE || rc == HF_E_SYSTEM || rc == HF_E_INVALID || rc == HF_E_NOMEM);
    FUZZ_MUST(strlen(hf_error_text(&error)) > 10);
}

static void live(struct tenants *t, struct bytes *in) {
    hf_time now = hf_clock_now(NULL);
    for (int i = 0; i < 4; i++) {
        hf_call call;
        hf_step step;
        FUZZ_MUST(hf_call_begin(&call, t->pipeline, NULL, now) == 0);
        if (hf_call_step(&call, &step, now) == HF_STEP_START) {
            FUZZ_MUST(hf_call_report(&call, step.attempt, bytes_one_in(in, 2) ? hf_failure(1) : hf_success(), now) ==
                      0);
            (void)hf_call_step(&call, &step, now);
        }
        (void)hf_call_end(&call, NULL);
        now += bytes_one_in(in, 4) ? 3600 * HF_SECOND : HF_MILLISECOND;
    }
    hf_breaker_info info = {.struct_size = sizeof info};
    FUZZ_MUST(hf_breaker_snapshot(t->breaker, &info, now) == 0);
    (void)hf_bulkhead_in_flight(t->bulkhead);
    (void)hf_rate_limit_available(t->limit, NULL, now);
    (void)hf_budget_available(t->budget, now);
    hf_region_info use = {.struct_size = sizeof use};
    FUZZ_MUST(hf_region_inspect(t->region, &use) == 0);
    FUZZ_MUST(hf_breaker_set(t->breaker, HF_BREAKER_CLOSED, now) == 0); /* by hand it can always be put right */
}

/* ---- the file ---- */

static void forget_directory(void) {
    (void)unlink(path);
    (void)rmdir(directory);
}

/* The only one in the directory. */
static void find_file(void) {
    DIR *entries = opendir(directory);
    FUZZ_MUST(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] != '.') snprintf(path, sizeof path, "%s/%.60s", directory, entry->d_name);
    }
    (void)closedir(entries);
}

static void read_pristine(void) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    FUZZ_MUST(file >= 0);
    ssize_t size = read(file, pristine, sizeof pristine);
    FUZZ_MUST(size > 0);
    image_size = (size_t)size;
    (void)close(file);
}

static void write_image(size_t size) {
    (void)unlink(path);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FUZZ_MUST(file >= 0 && write(file, image, size) == (ssize_t)size);
    (void)close(file);
}

static void set_up(void) {
    struct tenants t = {0};
    FUZZ_MUST(mkdtemp(directory) != NULL);
    (void)atexit(forget_directory);
    FUZZ_MUST(attach(&t, HF_REGION_REFUSE) == 0 && move_in(&t) == 0);
    find_file();
    move_out(&t);
    read_pristine();
}

static void scribble(struct bytes *in) {
    static const uint64_t odd[] = {0, 1, UINT64_MAX, UINT64_C(1) << 63, UINT32_MAX, 0xff, INT64_MAX, 0x10000};
    memcpy(image, pristine, image_size);
    for (uint32_t n = bytes_below(in, 12); n > 0; n--) {
        size_t near = bytes_one_in(in, 4) ? image_size : 8192; /* where most is */
        size_t at = bytes_below(in, (uint32_t)near) & ~UINT32_C(7);
        uint64_t value = bytes_one_in(in, 2) ? bytes_u64(in) : BYTES_PICK(in, odd);
        if (at + 8 <= image_size) memcpy(image + at, &value, bytes_one_in(in, 2) ? 4 : 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (image_size == 0) set_up();
    struct bytes in = bytes_of(data, size);
    int32_t on_mismatch = bytes_one_in(&in, 2) ? HF_REGION_LOCAL : HF_REGION_REFUSE;
    size_t length = bytes_one_in(&in, 16) ? bytes_below(&in, (uint32_t)image_size) : image_size;
    scribble(&in);
    write_image(length);
    struct tenants t = {0};
    int rc = attach(&t, on_mismatch);
    if (rc == 0) rc = move_in(&t);
    if (rc == 0) live(&t, &in);
    else must_be_told(rc);
    move_out(&t);
    return 0;
}
