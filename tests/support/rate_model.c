/* SPDX-License-Identifier: MIT */
#include "support/rate_model.h"

#include "base/num.h"
#include "policy/ratelimit_words.h"
#include "support/bytes.h"
#include "support/stepper.h"

#include <string.h>

#define MS HF_MILLISECOND
#define USES 160
#define ACTORS 4

struct rate_model_seen rate_model_seen;

/* Permits that were used and not given back. */
struct use {
    int64_t at, taken[HF_RATE_TIERS_MAX];
    uint32_t weight;
};

struct model {
    struct bytes in;
    hf_rate_tier tier[HF_RATE_TIERS_MAX];
    struct hf__rate_words words;
    uint64_t rules[HF_RATE_TIERS_MAX]; /* the same as in words */
    bool keyed;                        /* the instants are the numbers of a key and no words */
    int64_t tat[HF_RATE_TIERS_MAX];    /* then */
    uint32_t least;                    /* burst of all tiers */
    struct use uses[USES];
    size_t used;
    int64_t now;
};

static int64_t between(struct model *m, int64_t low, int64_t high) { return bytes_between(&m->in, low, high); }

static void make(struct model *m, const void *data, size_t size, uint32_t count) {
    memset(m, 0, sizeof *m);
    m->in = bytes_of(data, size);
    if (count == 0) count = (uint32_t)between(m, 1, HF_RATE_TIERS_MAX);
    m->words.count = count;
    m->least = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        m->tier[i] = (hf_rate_tier){.permits = (uint32_t)between(m, 1, 9),
                                    .burst = (uint32_t)between(m, 1, 12),
                                    .period_ms = between(m, 1, i == 0 ? 5 : 200)};
        if (m->tier[i].burst < m->least) m->least = m->tier[i].burst;
        m->words.rules[i] = m->rules[i] = hf__rate_rules(&m->tier[i]);
    }
    m->now = between(m, 0, 1) * 1000 * HF_SECOND;
}

static void bound_holds(const struct model *m) {
    for (uint32_t t = 0; t < m->words.count; t++) {
        const hf_rate_tier *tier = &m->tier[t];
        for (size_t i = 0; i < m->used; i++) {
            for (size_t j = 0; j < m->used; j++) {
                int64_t from = m->uses[i].at, to = m->uses[j].at, sum = 0;
                if (to < from) continue;
                for (size_t k = 0; k < m->used; k++) {
                    sum += m->uses[k].at >= from && m->uses[k].at <= to ? m->uses[k].weight : 0;
                }
                STEPPER_MUST(sum <= tier->burst + (to - from) * tier->permits / (tier->period_ms * MS));
            }
        }
    }
}

/* ---- whole operations ---- */

static bool take_of(struct model *m, struct use *u, int64_t now, int64_t until) {
    bool first;
    if (!m->keyed) return hf__rate_words_take(&m->words, now, u->weight, until, u->taken, &u->at, &first);
    if (!hf__rate_take(m->tat, m->rules, m->words.count, now, u->weight, until, u->taken, &u->at)) return false;
    memcpy(m->tat, u->taken, sizeof m->tat);
    return true;
}

static bool give_back_of(struct model *m, const struct use *u) {
    if (!m->keyed) return hf__rate_words_refund(&m->words, m->now, u->weight, u->taken);
    int64_t before[HF_RATE_TIERS_MAX] = {0};
    if (!hf__rate_refund(m->tat, m->rules, m->words.count, u->weight, u->taken, before)) return false;
    memcpy(m->tat, before, sizeof m->tat);
    return true;
}

static void drain(struct model *m, int64_t until) {
    if (m->keyed) m->tat[0] = hf__rate_drain(m->tat[0], m->rules[0], until, m->now);
    else hf__rate_words_drain(&m->words, until, m->now);
}

/* Refused until `at`: then it would be granted, and not a nanosecond earlier. */
static void refusal_is_exact(const struct model *m, const struct use *refused, int64_t until) {
    static struct model copy;
    STEPPER_MUST(refused->at > until);
    copy = *m;
    struct use again = *refused;
    int64_t early = refused->at - 1;
    STEPPER_MUST(early < m->now || !take_of(&copy, &again, early, early));
    STEPPER_MUST(take_of(&copy, &again, refused->at, refused->at) && again.at == refused->at);
}

static void take(struct model *m) {
    struct use *u = &m->uses[m->used];
    memset(u, 0, sizeof *u);
    u->weight = (uint32_t)between(m, 1, m->least);
    int64_t until = between(m, 0, 2) == 0 ? m->now + between(m, 0, 30000) * HF_MICROSECOND : m->now;
    if (take_of(m, u, m->now, until)) {
        STEPPER_MUST(u->at >= m->now && u->at <= until);
        m->used++;
        rate_model_seen.granted++;
    } else {
        refusal_is_exact(m, u, until);
        rate_model_seen.refused++;
    }
}

static void give_back(struct model *m) {
    size_t i = between(m, 0, 1) == 0 ? m->used - 1 : (size_t)between(m, 0, (int64_t)m->used - 1);
    if (!give_back_of(m, &m->uses[i])) return;
    m->uses[i] = m->uses[--m->used];
    rate_model_seen.given_back++;
}

void rate_model_play(const void *data, size_t size) {
    struct model m;
    make(&m, data, size, 0);
    m.keyed = between(&m, 0, 1) == 1;
    while (m.in.left > 0 && m.used < USES) {
        int64_t step = between(&m, -5, between(&m, 0, 9) == 0 ? 50000 : 1000) * HF_MICROSECOND;
        m.now = hf__max(m.now + step, 0);
        if (m.used > 0 && between(&m, 0, 3) == 0) give_back(&m);
        else if (between(&m, 0, 60) == 0) drain(&m, m.now + between(&m, 0, 5) * MS);
        else take(&m);
    }
    bound_holds(&m);
}

/* ---- word by word ---- */

struct actor {
    struct hf__tiers seen;
    uint32_t reads; /* words read so far */
    uint32_t weight;
};

/* One word: a load or an exchange. True when a decision went through. */
static bool actor_step(struct model *m, struct hf__tiers *words, struct actor *a) {
    uint64_t next;
    if (a->reads == 0) a->seen.head = words->head;
    else if (a->reads <= 2) a->seen.tier[a->reads - 1] = words->tier[a->reads - 1];
    if (a->reads++ <= 2) return false;
    a->reads = 0; /* whatever comes of it, read afresh next */
    for (uint32_t i = 0; i < 2; i++) {
        int state = hf__tiers_state(&a->seen, i);
        if (state == 1) continue;
        if (state == 0 && words->tier[i] == a->seen.tier[i]) {
            words->tier[i] = hf__tiers_fold(&a->seen, m->rules, 2, i, m->now);
        }
        return false;
    }
    struct use *u = &m->uses[m->used];
    bool ok = hf__tiers_take(&a->seen, m->rules, 2, m->now, a->weight, m->now, &next, u->taken, &u->at);
    if (!ok || words->head != a->seen.head) return false;
    words->head = next;
    u->weight = a->weight;
    m->used++;
    rate_model_seen.granted++;
    return true;
}

/* One actor alone brings up what the last has left, and then gets a permit as soon as both tiers have filled. */
static bool gets_through(struct model *m, struct hf__tiers *words, struct actor *a) {
    bool through = false;
    a->reads = 0;
    for (int i = 0; i < 2 * 48; i++) {
        if (i % 48 == 0) m->now += 13 * 200 * MS;
        through |= actor_step(m, words, a);
        if (m->used == USES) m->used--;
    }
    return through;
}

void rate_model_interleave(const void *data, size_t size) {
    struct model m;
    struct hf__tiers words = {0};
    struct actor actors[ACTORS] = {{.reads = 0}};
    make(&m, data, size, 2);
    for (int i = 0; i < ACTORS; i++) actors[i].weight = (uint32_t)between(&m, 1, m.least);
    while (m.in.left > 0 && m.used < USES / 2) {
        uint8_t dice = bytes_u8(&m.in);
        struct actor *a = &actors[dice % ACTORS];
        if (dice >= 250) {
            a->reads = 0; /* dies; another takes its place */
            memset(&a->seen, 0, sizeof a->seen);
            rate_model_seen.deaths++;
        } else if (dice >= 225) {
            m.now += between(&m, 0, 2000) * HF_MICROSECOND;
        }
        (void)actor_step(&m, &words, a);
    }
    bound_holds(&m);
    STEPPER_MUST(gets_through(&m, &words, &actors[0]));
}
