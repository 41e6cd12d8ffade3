/* SPDX-License-Identifier: MIT */
/* The budget's shell, as it stands, with two and three actors in every order of their word steps: no token is made,
 * lost or given twice. */
#include "support/cmocka_all.h"
#include "support/interleave.h"

#include "policy/budget_policy.c"

#include <stdio.h>

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#else
#define THREAD_SANITIZER 0
#endif

/* What an actor does, a letter each: take a token and use it, take one and give it back, begin a call (a deposit of a
 * whole token), pay for a resend. */
enum act { TAKE = 't', RETURN = 'r', BEGIN = 'b', RESEND = 's' };

static struct {
    hf_budget *budget, *parent;
    char acts[INTERLEAVE_ACTORS + 1];
    bool granted[INTERLEAVE_ACTORS];
    uint32_t tokens; /* at the beginning, of 3 */
} scene;

static hf_budget *make(hf_budget *parent) {
    hf_budget_config c;
    hf_budget_config_init(&c);
    c.ratio_ppm = 1000000;
    c.min_per_second = 0;
    c.burst = 3;
    c.parent = parent;
    hf_budget *made;
    assert_int_equal(hf_budget_new(&made, "budget", &c, NULL), 0);
    return made;
}

static void reset(void *arg) {
    (void)arg;
    uint32_t missing = 3 - scene.tokens;
    scene.budget->state->word = hf__budget_charge(0, &scene.budget->rules, missing, 0);
    if (scene.parent != NULL) scene.parent->state->word = hf__budget_charge(0, &scene.parent->rules, missing, 0);
    memset(scene.granted, 0, sizeof scene.granted);
}

static void act(void *arg, int actor) {
    (void)arg;
    switch ((enum act)scene.acts[actor]) {
    case TAKE: scene.granted[actor] = hf__budget_take(scene.budget, 0); break;
    case RETURN:
        scene.granted[actor] = hf__budget_take(scene.budget, 0);
        if (scene.granted[actor]) hf__budget_settle(scene.budget, false);
        break;
    case BEGIN: hf__budget_begin(scene.budget); break;
    case RESEND: hf__budget_charge_for(scene.budget, 1, 0); break;
    }
}

/* Some order of whole acts must come to the same tokens and the same grants. */
static bool some_order_gives(uint32_t tokens, uint32_t done, uint32_t expected) {
    size_t actors = strlen(scene.acts);
    if (done + 1 == 1u << actors) return tokens == expected;
    for (size_t i = 0; i < actors; i++) {
        if (done >> i & 1) continue;
        uint32_t after = tokens;
        switch ((enum act)scene.acts[i]) {
        case TAKE:
        case RETURN:
            if (scene.granted[i] != (tokens > 0)) continue;
            if (scene.granted[i] && scene.acts[i] == TAKE) after--;
            break;
        case BEGIN: after = tokens < 3 ? tokens + 1 : 3; break;
        case RESEND: after = tokens > 0 ? tokens - 1 : 0; break;
        }
        if (some_order_gives(after, done | 1u << i, expected)) return true;
    }
    return false;
}

static void as_if_one_after_the_other(void *arg, bool died) {
    (void)arg, (void)died;
    uint32_t left = hf_budget_available(scene.budget, 0);
    if (some_order_gives(scene.tokens, 0, left)) return;
    /* One who takes and gives back holds the token in between: another may be refused meanwhile, or find the bucket
     * emptier, but none is made or lost. */
    uint32_t used = 0;
    for (size_t i = 0; scene.acts[i] != '\0'; i++) used += scene.granted[i] && scene.acts[i] == TAKE;
    bool plain = strpbrk(scene.acts, "bs") == NULL;
    if (strchr(scene.acts, RETURN) != NULL && plain && left + used == scene.tokens) return;
    if (strchr(scene.acts, RETURN) != NULL && !plain && left <= 3) return;
    fail_msg("\"%s\" from %u tokens: %u left, an end that no order has", scene.acts, scene.tokens, left);
}

static long play(const char *acts) {
    snprintf(scene.acts, sizeof scene.acts, "%s", acts);
    const struct interleave plan = {
        .actors = (int)strlen(acts),
        .preemptions = 4,
        .reset = reset,
        .act = act,
        .check = as_if_one_after_the_other,
    };
    return interleave_all(&plan);
}

static void play_all(void) {
    static const char all[] = {TAKE, RETURN, BEGIN, RESEND};
    long runs = 0;
    for (scene.tokens = 0; scene.tokens <= 3; scene.tokens++) {
        for (size_t a = 0; a < sizeof all; a++) {
            for (size_t b = a; b < sizeof all; b++) {
                runs += play((const char[]){all[a], all[b], '\0'});
                for (size_t c = b; c < sizeof all; c++) runs += play((const char[]){all[a], all[b], all[c], '\0'});
            }
        }
    }
    print_message("%ld orders\n", runs);
}

static void every_order(void **state) {
    (void)state;
    if (THREAD_SANITIZER) skip(); /* it does not know the stacks that the actors run on */
    scene.budget = make(NULL);
    play_all();
    hf_budget_free(scene.budget);
}

/* With a level above, a token is taken in two words: what two actors get together is never more than there is. */
static void never_more_than_the_level_above_has(void *arg, bool died) {
    (void)arg, (void)died;
    uint32_t used = 0;
    for (size_t i = 0; scene.acts[i] != '\0'; i++) used += scene.granted[i] && scene.acts[i] == TAKE;
    assert_true(used <= scene.tokens);
    assert_int_equal(hf_budget_available(scene.budget, 0), scene.tokens - used);
    assert_int_equal(hf_budget_available(scene.parent, 0), scene.tokens - used);
}

static void every_order_with_a_level_above(void **state) {
    (void)state;
    if (THREAD_SANITIZER) skip();
    scene.parent = make(NULL);
    scene.budget = make(scene.parent);
    long runs = 0;
    static const char *const scripts[] = {"tt", "tr", "rr", "ttt", "ttr", "trr"};
    for (scene.tokens = 0; scene.tokens <= 3; scene.tokens++) {
        for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
            snprintf(scene.acts, sizeof scene.acts, "%s", scripts[i]);
            const struct interleave plan = {.actors = (int)strlen(scripts[i]),
                                            .preemptions = 3,
                                            .reset = reset,
                                            .act = act,
                                            .check = never_more_than_the_level_above_has};
            runs += interleave_all(&plan);
        }
    }
    print_message("%ld orders\n", runs);
    hf_budget_free(scene.budget);
    hf_budget_free(scene.parent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order),
        cmocka_unit_test(every_order_with_a_level_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
