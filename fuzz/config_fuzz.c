/* SPDX-License-Identifier: MIT */
/* Any bytes as the configuration of every kind of policy, with any struct_size and any name. It is refused with a
 * sentence, and then nothing is made, or it is taken; then the policy serves a few calls at odd instants, so that
 * what the ranges allow is what the arithmetic bears. */
#include "fuzz.h"
#include "support/bytes.h"

#include <holdfast/holdfast.h>

#include <string.h>

static hf_error error;

/* For each kind: its defaults, without what cannot be made of bytes, and the way to a policy and back. */
#define KIND(type, forget)                                                                         \
    static void type##_begin(void *config) { hf_##type##_config_init(config); }                    \
    static void type##_forget(void *config) {                                                      \
        hf_##type##_config *c = config;                                                            \
        (void)c;                                                                                   \
        forget;                                                                                    \
    }                                                                                              \
    static int type##_make(const char *name, const void *config, void **out, hf_policy **policy) { \
        hf_##type *made = *out;                                                                    \
        int rc = hf_##type##_new(&made, name, config, &error);                                     \
        *out = made;                                                                               \
        if (rc == 0) *policy = hf_##type##_policy(made);                                           \
        return rc;                                                                                 \
    }                                                                                              \
    static void type##_free(void *made) { hf_##type##_free(made); }

static int retry_new(hf_retry **out, const char *name, const hf_retry_config *config, hf_error *text) {
    return hf_retry_new(out, name, config, NULL, text);
}
static int hedge_new(hf_hedge **out, const char *name, const hf_hedge_config *config, hf_error *text) {
    return hf_hedge_new(out, name, config, NULL, text);
}
#define hf_retry_new retry_new
#define hf_hedge_new hedge_new

KIND(breaker, (c->on_change = NULL, c->region = NULL))
KIND(bulkhead, c->region = NULL)
KIND(concurrency, c->bulkhead = NULL)
KIND(fault, c->key = NULL)
KIND(hedge, (void)0)
KIND(not_before, (void)0)
KIND(rate_limit, (c->on_evict = NULL, c->region = NULL, c->max_keys = c->max_keys > 5000 ? 5000 : c->max_keys))
KIND(retry, (void)0)
KIND(throttle, (void)0)
KIND(timeout, (void)0)

#define ROW(type) \
    { sizeof(hf_##type##_config), type##_begin, type##_forget, type##_make, type##_free }

static const struct kind {
    size_t size;
    void (*begin)(void *config);
    void (*forget)(void *config);
    int (*make)(const char *name, const void *config, void **out, hf_policy **policy);
    void (*free)(void *made);
} kinds[] = {ROW(breaker),    ROW(bulkhead),   ROW(concurrency), ROW(fault),    ROW(hedge),
             ROW(not_before), ROW(rate_limit), ROW(retry),       ROW(throttle), ROW(timeout)};

/* Numbers at which ranges begin and end, or arithmetic breaks. */
static int64_t odd_number(struct bytes *in) {
    static const int64_t odd[] = {
        0,        1,        2,       -1,        10,        100,        1000,      999999,    1000000,       1000001,
        86400000, 86400001, 3600000, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, INT64_MAX - 1, 16777216};
    return bytes_one_in(in, 4) ? (int64_t)bytes_u64(in) : BYTES_PICK(in, odd);
}

static void overwrite(uint8_t *config, size_t size, struct bytes *in) {
    for (uint32_t n = bytes_below(in, 8); n > 0; n--) {
        size_t at = 4 * (size_t)bytes_below(in, (uint32_t)(size / 4));
        int64_t value = odd_number(in);
        memcpy(config + at, &value, at + 8 <= size && at % 8 == 0 && bytes_one_in(in, 2) ? 8 : 4);
    }
}

static void use(hf_policy *policy, struct bytes *in) {
    hf_pipeline *pipeline;
    static const hf_time instants[] = {0, 1, HF_SECOND, 86400 * HF_SECOND, INT64_C(1577847600) * HF_SECOND};
    FUZZ_MUST(hf_pipeline_new(&pipeline, "p", &policy, 1, &error) == 0);
    hf_time now = 0;
    for (int i = 0; i < 6; i++) {
        hf_call call;
        hf_step step;
        hf_call_options options;
        hf_call_options_init(&options);
        options.flags = HF_CALL_OVERLAP;
        now = BYTES_PICK(in, instants);
        FUZZ_MUST(hf_call_begin(&call, pipeline, &options, now) == 0);
        int kind = hf_call_step(&call, &step, now);
        if (kind == HF_STEP_START) {
            hf_outcome outcome = bytes_one_in(in, 2) ? hf_success() : hf_throttled(429, odd_number(in));
            FUZZ_MUST(hf_call_report(&call, step.attempt, outcome, now + BYTES_PICK(in, instants)) == 0);
            (void)hf_call_step(&call, &step, now);
        }
        (void)hf_call_end(&call, NULL);
    }
    hf_pipeline_free(pipeline);
}

static bool printable(const char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 127) return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = bytes_of(data, size);
    const struct kind *kind = &BYTES_PICK(&in, kinds);
    char name[48] = "name";
    if (bytes_one_in(&in, 8)) {
        for (size_t i = 0, length = bytes_below(&in, sizeof name); i < length; i++) name[i] = (char)bytes_u8(&in);
        name[sizeof name - 1] = '\0';
    }
    uint8_t *config = malloc(kind->size); /* no byte more, for the address sanitizer */
    FUZZ_MUST(config != NULL);
    kind->begin(config);
    overwrite(config, kind->size, &in);
    kind->forget(config);
    uint32_t struct_size = bytes_one_in(&in, 4) ? (uint32_t)odd_number(&in) : (uint32_t)kind->size;
    memcpy(config, &struct_size, sizeof struct_size);

    memset(&error, 0, sizeof error);
    void *made = &error;
    hf_policy *policy = NULL;
    int rc = kind->make(name, config, &made, &policy);
    free(config); /* it was copied */
    if (rc == 0) {
        FUZZ_MUST(struct_size <= kind->size);
        use(policy, &in);
        kind->free(made);
    } else {
        FUZZ_MUST(rc == HF_E_INVALID && made == NULL);
        FUZZ_MUST(strlen(hf_error_text(&error)) > 10 && printable(hf_error_text(&error)));
    }
    return 0;
}
