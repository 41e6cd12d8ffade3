/* SPDX-License-Identifier: MIT */
/* The bulkhead's word: its functions, and every interleaving of a few actors' word steps. */
#include "core/bulkhead.h"
#include "support/cmocka_all.h"

#include <string.h>

static void the_three_numbers_do_not_touch_each_other(void **state) {
    (void)state;
    const uint32_t most = HF__BULKHEAD_MAX;
    uint64_t word = hf__bulkhead_word(most);
    for (uint32_t i = 0; i < most; i++) assert_true(hf__bulkhead_take(word, &word));
    assert_false(hf__bulkhead_take(word, &word));
    for (uint32_t i = 0; i < most; i++) assert_int_equal(hf__bulkhead_join(word, most, &word), HF__JOIN_WAITS);
    assert_int_equal(hf__bulkhead_join(word, most, &word), HF__JOIN_FULL);
    assert_int_equal(hf__bulkhead_taken(word), most);
    assert_int_equal(hf__bulkhead_waiting(word), most);
    assert_int_equal(hf__bulkhead_limit(word), most);
    word = hf__bulkhead_resize(word, 0);
    assert_int_equal(hf__bulkhead_taken(word), most);
    assert_int_equal(hf__bulkhead_waiting(word), most);
    for (uint32_t i = 0; i < most; i++) word = hf__bulkhead_leave(hf__bulkhead_put(word));
    assert_int_equal(word, 0);
}

static void nobody_overtakes(void **state) {
    (void)state;
    uint64_t word = hf__bulkhead_word(1), same;
    assert_true(hf__bulkhead_take(word, &word));
    assert_int_equal(hf__bulkhead_join(word, 2, &word), HF__JOIN_WAITS);
    word = hf__bulkhead_put(word);
    same = word;
    assert_false(hf__bulkhead_take(word, &same)); /* free, but somebody waits for it */
    assert_int_equal(same, word);
    assert_int_equal(hf__bulkhead_join(word, 2, &same), HF__JOIN_WAITS);
    assert_int_equal(hf__bulkhead_join(word, 1, &same), HF__JOIN_FULL);
    assert_true(hf__bulkhead_grant(word, &word));
    assert_int_equal(hf__bulkhead_taken(word), 1);
    assert_int_equal(hf__bulkhead_waiting(word), 0);
    assert_false(hf__bulkhead_grant(word, &word));
}

static void nothing_is_granted_above_the_limit(void **state) {
    (void)state;
    uint64_t word = hf__bulkhead_word(2);
    assert_true(hf__bulkhead_take(word, &word) && hf__bulkhead_take(word, &word));
    assert_int_equal(hf__bulkhead_join(word, 1, &word), HF__JOIN_WAITS);
    word = hf__bulkhead_put(hf__bulkhead_resize(word, 1));
    assert_false(hf__bulkhead_grant(word, &word)); /* one still runs, and one is the limit */
    word = hf__bulkhead_put(word);
    assert_true(hf__bulkhead_grant(word, &word));
    assert_int_equal(hf__bulkhead_limit(word), 1);
}

/* ---- interleavings ----
 *
 * Each actor takes a slot or waits for one, may lose patience, and gives the slot back; one may be a resizer
 * instead. The steps are those of policy/bulkhead_policy.c: a compare-exchange that succeeds, or what happens
 * between taking the lock and giving it back. A compare-exchange that fails changes nothing and is tried again,
 * so it needs no step of its own; what it was computed from is then the word as it stands. */

#define ACTORS 3

enum at { TAKE, JOIN, WAIT, LEAVE, PUT, GRANT, GRANT_LIST, RESIZE, OVER };

struct stage {
    uint64_t word;
    uint8_t at[ACTORS];
    uint8_t line[ACTORS]; /* who waits */
    uint8_t waiting;
    int8_t locked_by; /* -1: nobody */
    uint8_t granted;  /* bit for each actor that was given a slot while it waited */
};

struct play {
    uint32_t actors, max_waiting, limit, then_limit;
    uint32_t impatient; /* bit for each actor that gives up waiting at the first chance */
    uint64_t ends, stages;
};

static void remove_from_line(struct stage *s, uint32_t actor) {
    uint32_t i = 0;
    while (s->line[i] != actor) i++;
    memmove(&s->line[i], &s->line[i + 1], s->waiting - i - 1u);
    s->waiting--;
}

static bool needs_lock(uint8_t at) { return at == JOIN || at == LEAVE || at == GRANT; }

/* Does one step of `actor`; false when it can do none now. */
static bool act(struct stage *s, uint32_t actor, const struct play *p) {
    uint64_t unused;
    if (needs_lock(s->at[actor]) && s->locked_by >= 0) return false;
    switch ((enum at)s->at[actor]) {
    case TAKE: s->at[actor] = hf__bulkhead_take(s->word, &s->word) ? PUT : JOIN; return true;
    case JOIN:
        switch (hf__bulkhead_join(s->word, p->max_waiting, &s->word)) {
        case HF__JOIN_TAKEN: s->at[actor] = PUT; break;
        case HF__JOIN_FULL: s->at[actor] = OVER; break;
        case HF__JOIN_WAITS:
            s->line[s->waiting++] = (uint8_t)actor;
            s->at[actor] = WAIT;
            break;
        }
        return true;
    case WAIT:
        if (s->granted >> actor & 1) s->at[actor] = PUT;
        else if (p->impatient >> actor & 1) s->at[actor] = LEAVE;
        else return false;
        return true;
    case LEAVE: /* decided under the lock: what was granted meanwhile is given on */
        s->at[actor] = s->granted >> actor & 1 ? PUT : OVER;
        if (s->at[actor] == PUT) return true;
        remove_from_line(s, actor);
        s->word = hf__bulkhead_leave(s->word);
        return true;
    case PUT:
        s->word = hf__bulkhead_put(s->word);
        s->at[actor] = hf__bulkhead_grant(s->word, &unused) ? GRANT : OVER;
        return true;
    case RESIZE:
        s->word = hf__bulkhead_resize(s->word, p->then_limit);
        s->at[actor] = hf__bulkhead_grant(s->word, &unused) ? GRANT : OVER;
        return true;
    case GRANT: /* the word under the lock; the line in the next step, still under it */
        if (!hf__bulkhead_grant(s->word, &s->word)) {
            s->at[actor] = OVER;
            return true;
        }
        s->locked_by = (int8_t)actor;
        s->at[actor] = GRANT_LIST;
        return true;
    case GRANT_LIST: {
        uint8_t first = s->line[0];
        remove_from_line(s, first);
        s->granted |= (uint8_t)(1u << first);
        s->locked_by = -1;
        s->at[actor] = GRANT;
        return true;
    }
    case OVER: return false;
    }
    return false;
}

static void check_end(const struct stage *s, const struct play *p) {
    for (uint32_t i = 0; i < p->actors; i++) assert_int_equal(s->at[i], OVER); /* nobody is left waiting */
    assert_int_equal(hf__bulkhead_taken(s->word), 0);                          /* no slot is lost */
    assert_int_equal(hf__bulkhead_waiting(s->word), 0);
    assert_int_equal(s->waiting, 0);
}

static void check_stage(const struct stage *s, const struct play *p) {
    uint32_t holders = 0;
    for (uint32_t i = 0; i < p->actors; i++) {
        holders += s->at[i] == PUT || ((s->at[i] == WAIT || s->at[i] == LEAVE) && (s->granted >> i & 1));
    }
    uint32_t on_the_way = s->locked_by >= 0; /* granted in the word, not yet in the line */
    assert_int_equal(hf__bulkhead_taken(s->word), holders + on_the_way);
    assert_int_equal(hf__bulkhead_waiting(s->word) + on_the_way, s->waiting);
    assert_true(holders <= (p->limit > p->then_limit ? p->limit : p->then_limit));
    assert_true(s->waiting <= p->max_waiting + on_the_way);
}

static void explore(const struct stage *s, struct play *p) {
    bool stuck = true;
    check_stage(s, p);
    p->stages++;
    for (uint32_t i = 0; i < p->actors; i++) {
        struct stage next = *s;
        if (!act(&next, i, p)) continue;
        stuck = false;
        explore(&next, p);
    }
    if (!stuck) return;
    check_end(s, p);
    p->ends++;
}

static uint64_t play_all(uint32_t actors, uint32_t limit, uint32_t then_limit, uint32_t impatient, bool resizer) {
    struct play p = {
        .actors = actors, .max_waiting = actors, .limit = limit, .then_limit = then_limit, .impatient = impatient};
    struct stage s = {.word = hf__bulkhead_word(limit), .locked_by = -1};
    if (resizer) s.at[actors - 1] = RESIZE;
    explore(&s, &p);
    assert_true(p.ends > 0);
    return p.stages;
}

static void two_actors_in_every_order(void **state) {
    (void)state;
    uint64_t stages = 0;
    for (uint32_t impatient = 0; impatient < 4; impatient++) {
        stages += play_all(2, 1, 1, impatient, false);
        stages += play_all(2, 1, 2, impatient, true);
    }
    assert_true(stages > 100);
}

static void three_actors_in_every_order(void **state) {
    (void)state;
    uint64_t stages = 0;
    for (uint32_t impatient = 0; impatient < 8; impatient++) {
        stages += play_all(3, 1, 1, impatient, false);
        stages += play_all(3, 2, 2, impatient, false);
        stages += play_all(3, 1, 2, impatient, true);
        stages += play_all(3, 2, 1, impatient, true);
    }
    assert_true(stages > 10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_numbers_do_not_touch_each_other),
        cmocka_unit_test(nobody_overtakes),
        cmocka_unit_test(nothing_is_granted_above_the_limit),
        cmocka_unit_test(two_actors_in_every_order),
        cmocka_unit_test(three_actors_in_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
