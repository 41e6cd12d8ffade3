/* SPDX-License-Identifier: MIT */
#include <holdfast/testing.h>

#include "base/num.h"
#include "drive/clock.h"
#include "drive/seed.h"
#include "os/error_text.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A virtual clock shows what it was last moved to. Sequentially consistent, for tests value being
 * obvious over being fast. */
struct hf_test_clock {
    hf_clock clock; /* first: a pointer to it is a pointer to the whole */
    _Atomic hf_time now;
};

static struct hf_test_clock *whole(const hf_clock *clock) {
    /* The clock was handed out as const to drivers; the object behind it never was. */
    return (struct hf_test_clock *)(uintptr_t)clock;
}

static hf_time test_now(const hf_clock *clock) { return atomic_load(&whole(clock)->now); }

static void test_wait(const hf_clock *clock, hf_time until) {
    _Atomic hf_time *now = &whole(clock)->now;
    hf_time seen = atomic_load(now);
    while (seen < until && !atomic_compare_exchange_weak(now, &seen, until)) continue;
}

int hf_test_clock_new(hf_test_clock **out_clock, hf_time start_at, hf_error *error) {
    if (out_clock == NULL) return hf__error_set(error, HF_E_INVALID, "hf_test_clock_new: out_clock is NULL");
    *out_clock = NULL;
    if (start_at < 0) {
        return hf__error_set(error, HF_E_INVALID, "hf_test_clock_new: start_at is %lld, expected 0 or more",
                             (long long)start_at);
    }
    hf_test_clock *clock = calloc(1, sizeof *clock);
    if (clock == NULL) return hf__error_set(error, HF_E_NOMEM, "hf_test_clock_new: no memory");
    clock->clock.now = test_now;
    clock->clock.wait = test_wait;
    atomic_init(&clock->now, start_at);
    *out_clock = clock;
    return 0;
}

void hf_test_clock_free(hf_test_clock *clock) { free(clock); }

void hf_test_clock_advance(hf_test_clock *clock, int64_t ns) {
    if (ns <= 0) return;
    hf_time seen = atomic_load(&clock->now);
    while (!atomic_compare_exchange_weak(&clock->now, &seen, hf__add(seen, ns))) continue;
}

const hf_clock *hf_test_clock_clock(const hf_test_clock *clock) { return &clock->clock; }

void hf_test_install(hf_test_clock *clock, uint64_t seed) {
    hf__clock_set_default(clock == NULL ? NULL : &clock->clock);
    hf__seed_fix(seed);
}

void hf_test_uninstall(void) {
    hf__clock_set_default(NULL);
    hf__seed_unfix();
}

struct script {
    const hf_test_step *steps;
    uint64_t count;
    uint64_t at;     /* the step to play */
    uint64_t repeat; /* how often it was played */
    uint64_t played;
    hf_test_clock *clock;
};
_Static_assert(sizeof(struct script) <= sizeof(hf_test_script), "hf_test_script holds this");

int hf_test_script_init(hf_test_script *script, const hf_test_step *steps, size_t count, hf_test_clock *clock) {
    if (script == NULL || steps == NULL || count == 0) return HF_E_INVALID;
    memset(script, 0, sizeof *script);
    struct script *s = (struct script *)(void *)script;
    s->steps = steps;
    s->count = count;
    s->clock = clock;
    return 0;
}

hf_outcome hf_test_script_next(hf_test_script *script, const hf_attempt *attempt) {
    struct script *s = (struct script *)(void *)script;
    const hf_test_step *step = &s->steps[s->at];
    uint32_t times = step->times == 0 ? 1 : step->times;
    s->played++;
    if (++s->repeat >= times && times != UINT32_MAX && s->at + 1 < s->count) {
        s->at++;
        s->repeat = 0;
    }
    if (s->clock == NULL) return step->outcome;
    int64_t left = attempt == NULL || attempt->deadline_at == HF_NEVER
                       ? HF_NEVER
                       : hf__left(attempt->deadline_at, test_now(&s->clock->clock));
    if (step->takes_ns > left) {
        hf_test_clock_advance(s->clock, left);
        return hf_failure(ETIMEDOUT);
    }
    hf_test_clock_advance(s->clock, step->takes_ns);
    return step->outcome;
}

hf_outcome hf_test_script_operation(void *arg, const hf_attempt *attempt) { return hf_test_script_next(arg, attempt); }

uint64_t hf_test_script_played(const hf_test_script *script) {
    return ((const struct script *)(const void *)script)->played;
}
