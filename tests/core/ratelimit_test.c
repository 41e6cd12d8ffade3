/* SPDX-License-Identifier: MIT */
/* The rate limit as words: the bound over any interval, and several tiers as one decision whatever the order in which
 * their words are moved. */
#include "base/num.h"
#include "base/rng.h"
#include "core/ratelimit.h"
#include "policy/ratelimit_words.h"
#include "support/cmocka_all.h"

#include <pthread.h>
#include <string.h>

#define MS HF_MILLISECOND
#define USES 400

/* What was used and not given back. */
struct use {
    int64_t at, taken[HF_RATE_TIERS_MAX];
    uint32_t weight;
};

static struct use uses[USES];
static size_t used;
static uint64_t rng, refunds;

static int64_t between(int64_t low, int64_t high) { return hf__rng_between(hf__rng_next(&rng), low, high); }

/* In every [uses[i].at, uses[j].at]: at most burst + time / interval. */
static void bound_holds(const hf_rate_tier *tier) {
    for (size_t i = 0; i < used; i++) {
        for (size_t j = 0; j < used; j++) {
            int64_t from = uses[i].at, to = uses[j].at, sum = 0;
            if (to < from) continue;
            for (size_t k = 0; k < used; k++) sum += uses[k].at >= from && uses[k].at <= to ? uses[k].weight : 0;
            int64_t most = tier->burst + (to - from) * tier->permits / (tier->period_ms * MS);
            if (sum > most) {
                fail_msg("%lld permits within %lld ns, at most %lld", (long long)sum, (long long)(to - from),
                         (long long)most);
            }
        }
    }
}

static uint32_t random_tiers(hf_rate_tier *tier, struct hf__rate_words *words, uint32_t count) {
    uint32_t least = UINT32_MAX;
    memset(words, 0, sizeof *words);
    words->count = count;
    for (uint32_t i = 0; i < count; i++) {
        tier[i].permits = (uint32_t)between(1, 9);
        tier[i].burst = (uint32_t)between(1, 12);
        tier[i].period_ms = between(1, i == 0 ? 5 : 200);
        least = tier[i].burst < least ? tier[i].burst : least;
        words->rules[i] = hf__rate_rules(&tier[i]);
    }
    return least;
}

static void give_back(struct hf__rate_words *words, size_t i, int64_t now) {
    if (hf__rate_words_refund(words, now, uses[i].weight, uses[i].taken)) {
        uses[i] = uses[--used];
        refunds++;
    }
}

/* Takes, promises, refunds and drains at random, the clock now and then behind. */
static void at_most_burst_and_rate_in_any_time(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 600; seed++) {
        hf_rate_tier tier[HF_RATE_TIERS_MAX];
        struct hf__rate_words words;
        rng = seed;
        used = 0;
        uint32_t count = (uint32_t)between(1, HF_RATE_TIERS_MAX);
        uint32_t least = random_tiers(tier, &words, count);
        int64_t now = between(0, 1) * 1000 * HF_SECOND, fresh;
        for (int step = 0; step < 120; step++) {
            now = hf__max(now + between(-5000, between(0, 9) == 0 ? 50 * MS : MS), 0);
            if (used > 0 && between(0, 3) == 0) {
                give_back(&words, between(0, 1) == 0 ? used - 1 : (size_t)between(0, (int64_t)used - 1), now);
                continue;
            }
            if (between(0, 60) == 0) hf__rate_words_drain(&words, now + between(0, 5 * MS), now);
            struct use *u = &uses[used];
            bool first;
            u->weight = (uint32_t)between(1, least);
            fresh = between(0, 2) == 0 ? now + between(0, 30 * MS) : now;
            if (hf__rate_words_take(&words, now, u->weight, fresh, u->taken, &u->at, &first)) {
                assert_in_range(u->at, now, fresh);
                used++;
            } else {
                assert_true(u->at > fresh);
            }
        }
        for (uint32_t i = 0; i < count; i++) bound_holds(&tier[i]);
    }
    assert_true(refunds > 1000);
}

/* What was refused can be had at the instant named, and not a nanosecond earlier. */
static void the_instant_of_a_refusal_is_exact(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        hf_rate_tier tier[HF_RATE_TIERS_MAX];
        struct hf__rate_words words, again;
        int64_t taken[HF_RATE_TIERS_MAX], at;
        bool first;
        rng = seed;
        uint32_t count = (uint32_t)between(1, HF_RATE_TIERS_MAX);
        uint32_t weight = random_tiers(tier, &words, count);
        int64_t now = between(0, HF_SECOND);
        while (hf__rate_words_take(&words, now, 1, now, taken, &at, &first)) continue;
        if (hf__rate_words_take(&words, now, weight, now, taken, &at, &first)) fail();
        memcpy(&again, &words, sizeof words);
        int64_t ignored;
        assert_false(hf__rate_words_take(&again, at - 1, weight, at - 1, taken, &ignored, &first));
        assert_true(hf__rate_words_take(&words, at, weight, at, taken, &ignored, &first));
        assert_int_equal(ignored, at);
    }
}

static void an_idle_limit_is_full_however_long(void **state) {
    (void)state;
    const hf_rate_tier tier = {.permits = 1000, .burst = 50, .period_ms = 3600000};
    for (uint32_t count = 1; count <= 2; count++) {
        struct hf__rate_words words = {.count = count, .rules = {hf__rate_rules(&tier), hf__rate_rules(&tier)}};
        int64_t taken[HF_RATE_TIERS_MAX], at, now = 5;
        bool first;
        for (int64_t idle = 1; idle < 700 * 86400 * HF_SECOND; idle = idle * 3 + 1) {
            now += idle + 180 * HF_SECOND;
            for (int i = 0; i < 50; i++) assert_true(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
            assert_false(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
            assert_int_equal(hf__rate_words_available(&words, now), 0);
        }
    }
}

static void changed_limits_keep_full_full_and_empty_empty(void **state) {
    (void)state;
    for (uint32_t count = 1; count <= 2; count++) {
        const hf_rate_tier slow = {10, 20, 1000}, fast = {1000, 200, 1000}, slower = {1, 5, 1000};
        struct hf__rate_words words = {.count = count, .rules = {hf__rate_rules(&slow), hf__rate_rules(&fast)}};
        int64_t taken[HF_RATE_TIERS_MAX], at, now = HF_SECOND;
        bool first;
        for (int i = 0; i < 20; i++) assert_true(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
        hf__rate_words_set(&words, 0, hf__rate_rules(&fast), now);
        assert_false(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
        now += MS; /* one permit of the new rate, not of the old */
        assert_true(hf__rate_words_take(&words, now, 1, now, taken, &at, &first));
        hf__rate_words_set(&words, 0, hf__rate_rules(&slower), now);
        assert_false(hf__rate_words_take(&words, now + 900 * MS, 1, now + 900 * MS, taken, &at, &first));
        assert_true(hf__rate_words_take(&words, now + 1100 * MS, 1, now + 1100 * MS, taken, &at, &first));
        now += 100 * HF_SECOND;
        hf__rate_words_set(&words, 0, hf__rate_rules(&slow), now);
        assert_int_equal(hf__rate_words_available(&words, now), 20);
    }
}

/* ---- several threads as a machine: one word at a time, in any order, and any of them may die ---- */

#define ACTORS 4

struct actor {
    struct hf__tiers seen;
    uint32_t at; /* next word to read; 100: decide */
    uint32_t weight;
    bool dead;
};

struct machine {
    struct hf__tiers words;
    uint64_t rules[2];
    hf_rate_tier tier[2];
    int64_t now;
    struct actor actor[ACTORS];
    uint64_t granted, dead;
};

/* One word: a load or an exchange. */
static void actor_step(struct machine *m, struct actor *a) {
    if (a->at == 0) {
        a->seen.head = m->words.head;
        a->at = 1;
    } else if (a->at <= 2) {
        a->seen.tier[a->at - 1] = m->words.tier[a->at - 1];
        a->at++;
    } else {
        a->at = 0; /* whatever comes of it, read afresh next */
        for (uint32_t i = 0; i < 2; i++) {
            int state = hf__tiers_state(&a->seen, i);
            if (state == 1) continue;
            if (state == 0 && m->words.tier[i] == a->seen.tier[i]) {
                m->words.tier[i] = hf__tiers_fold(&a->seen, m->rules, 2, i, m->now);
            }
            return;
        }
        uint64_t next;
        int64_t taken[HF_RATE_TIERS_MAX], at;
        bool ok = hf__tiers_take(&a->seen, m->rules, 2, m->now, a->weight, m->now, &next, taken, &at);
        if (!ok || m->words.head != a->seen.head) return;
        m->words.head = next;
        assert_true(used < USES);
        uses[used].at = m->now;
        uses[used++].weight = a->weight;
        m->granted += a->weight;
    }
}

/* Used permits never exceed the bound of either tier, though actors read words of different ages, help each other, and
 * die between their exchange and the bringing up; and the limit never wedges. */
static void tiers_are_one_decision_in_any_interleaving(void **state) {
    (void)state;
    uint64_t deaths = 0, granted = 0;
    for (uint64_t seed = 0; seed < 1500; seed++) {
        struct machine m;
        memset(&m, 0, sizeof m);
        rng = seed;
        used = 0;
        struct hf__rate_words made;
        uint32_t least = random_tiers(m.tier, &made, 2);
        for (uint32_t i = 0; i < 2; i++) m.rules[i] = made.rules[i];
        m.now = HF_SECOND;
        for (int i = 0; i < ACTORS; i++) m.actor[i].weight = (uint32_t)between(1, least);
        for (int step = 0; step < 900 && used < 90; step++) {
            if (between(0, 9) == 0) m.now += between(0, 2 * MS);
            struct actor *a = &m.actor[between(0, ACTORS - 1)];
            if (between(0, 400) == 0) {
                memset(&a->seen, 0, sizeof a->seen); /* dies; another process takes its place */
                a->at = 0;
                deaths++;
            }
            actor_step(&m, a);
        }
        bound_holds(&m.tier[0]);
        bound_holds(&m.tier[1]);
        granted += m.granted;
        /* No wedge: one actor alone brings up what the last has left, and then gets a permit as soon as both tiers have
         * filled. */
        uint64_t before = m.granted;
        for (int i = 0; i < 2 * 12 * 4; i++) {
            if (i % 48 == 0) m.now += 13 * 200 * MS;
            actor_step(&m, &m.actor[0]);
        }
        assert_true(m.granted > before);
    }
    assert_true(deaths > 500 && granted > 20000);
}

static void foreign_bytes_neither_hang_nor_wedge(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        hf_rate_tier tier[HF_RATE_TIERS_MAX];
        struct hf__rate_words words;
        int64_t taken[HF_RATE_TIERS_MAX], at, now = HF_SECOND;
        bool first;
        rng = seed;
        uint32_t count = (uint32_t)between(2, HF_RATE_TIERS_MAX);
        (void)random_tiers(tier, &words, count);
        words.head = hf__rng_next(&rng);
        for (uint32_t i = 0; i < count; i++) words.tier[i] = hf__rng_next(&rng);
        (void)hf__rate_words_take(&words, now, 1, now, taken, &at, &first);
        for (uint32_t i = 0; i < count; i++) words.tier[i] &= UINT64_MAX >> between(0, 40); /* from years to minutes */
        int hours = 0;
        while (!hf__rate_words_take(&words, now, 1, now, taken, &at, &first)) {
            now += 3600 * HF_SECOND;
            hours++;
        }
        assert_true(hours <= 25 * (int)count);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal((words.head >> 18 & 0xf), words.tier[i] & 0xf); /* mended */
        }
    }
}

/* ---- threads ---- */

#define THREADS 4

static struct hf__rate_words shared;

static void *hammer(void *arg) {
    uintptr_t granted = 0;
    int64_t taken[HF_RATE_TIERS_MAX], at, now = HF_SECOND + (int64_t)(uintptr_t)arg; /* clocks differ a little */
    bool first;
    for (int i = 0; i < 20000; i++) {
        if (!hf__rate_words_take(&shared, now, 1, now, taken, &at, &first)) continue;
        if (i % 5 != 0 || !hf__rate_words_refund(&shared, now, 1, taken)) granted++;
    }
    return (void *)granted;
}

/* While the clock stands still exactly the smaller burst is granted, whatever the threads do. */
static void threads_take_no_more_than_there_is(void **state) {
    (void)state;
    for (uint32_t count = 1; count <= 2; count++) {
        const hf_rate_tier tier[] = {{10, 9000, 60000}, {10, 7000, 86400}};
        memset(&shared, 0, sizeof shared);
        shared.count = count;
        for (uint32_t i = 0; i < count; i++) shared.rules[i] = hf__rate_rules(&tier[i]);
        pthread_t threads[THREADS];
        uintptr_t granted = 0;
        for (uintptr_t i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)i), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            void *mine;
            pthread_join(threads[i], &mine);
            granted += (uintptr_t)mine;
        }
        /* With tiers a helper's later clock, may cost a few; never a permit more. */
        assert_true(granted <= tier[count - 1].burst);
        assert_true(granted + (count == 1 ? 2 : 20) >= tier[count - 1].burst);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_burst_and_rate_in_any_time),
        cmocka_unit_test(the_instant_of_a_refusal_is_exact),
        cmocka_unit_test(an_idle_limit_is_full_however_long),
        cmocka_unit_test(changed_limits_keep_full_full_and_empty_empty),
        cmocka_unit_test(tiers_are_one_decision_in_any_interleaving),
        cmocka_unit_test(foreign_bytes_neither_hang_nor_wedge),
        cmocka_unit_test(threads_take_no_more_than_there_is),
    };
    return cmocka_run_group_tests_name("rate limit, words", tests, NULL, NULL);
}
