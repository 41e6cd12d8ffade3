/* SPDX-License-Identifier: MIT */
/* Any bytes as policies of every kind in any configuration, as one or two pipelines of them in any order, and
 * as a script for up to three calls at once: steps, outcomes with hints and hidden resends, commits, cancels,
 * late and repeated reports, states set by hand, clocks that jump and go back, ends in the middle.
 *
 * Always, whatever the script:
 *   - every pass is settled exactly once, and at the end all permits, probes and tokens are back;
 *   - with no further results an admission becomes possible within lease and open wait;
 *   - no wait goes past the deadline, no retry comes early, none follows a cancel or a commit;
 *   - what never reached the dependency enters no window and costs no budget;
 *   - after WAIT, asking again at the same instant changes nothing, in the call or in what is shared;
 *   - hf_call_would_end says what the report then does;
 *   - the same bytes give the same run. Each input runs twice: with spies between engine and policies
 *     (call/spy.h) over memory of one pattern, and without them over another. */
#include "call/members.h"
#include "call/spy.h"
#include "call/trace.h"
#include "engine/policy.h"
#include "fuzz.h"
#include "support/stepper.h"

#include <string.h>

#define LONGEST_INPUT 1024
#define PIPELINES 2

/* A call under way, and what the driver remembers of it. */
struct slot {
    struct stepper s;
    bool hedged;
    hf_time deadline_at;  /* the caller's */
    uint32_t number;      /* attempts started */
    uint32_t latest;      /* START or RUN */
    struct work {         /* what runs: two with a hedge */
        uint32_t attempt; /* 0: nothing */
        hf_time deadline_at;
        bool fallback, told;
    } work[2];
    bool open, done, cancelled, committed;
    bool unstepped; /* reported, and not stepped since */
};

static struct {
    struct members members;
    struct spies spies;
    hf_pipeline *pipeline[PIPELINES];
    bool hedged[PIPELINES];
    struct slot slot[SPY_CALLS];
    hf_time now;
    hf_time latest; /* of all instants there were */
    bool spied;
    bool budget_twice; /* two retries of one pipeline may share a budget */
    uint8_t poison;
} world;

static uint32_t index_of(const struct slot *c) { return (uint32_t)(c - world.slot); }

static void turn_to(const struct slot *c) { world.spies.stepping = index_of(c); }

static struct work *work_of(struct slot *c, uint32_t attempt) {
    for (int i = 0; i < 2; i++) {
        if (c->work[i].attempt == attempt) return &c->work[i];
    }
    return NULL;
}

static int works(const struct slot *c) { return (c->work[0].attempt != 0) + (c->work[1].attempt != 0); }

/* One that runs, `second` the other if there are two; NULL when none does. */
static struct work *some_work(struct slot *c, bool second) {
    struct work *first = c->work[0].attempt != 0 ? &c->work[0] : &c->work[1];
    if (works(c) == 0) return NULL;
    return works(c) == 2 && second ? &c->work[1] : first;
}

/* ---- one step, and all that must hold after it ---- */

static void check_wait(struct slot *c) {
    hf_time at = c->s.step.at;
    if (works(c) == 0) FUZZ_MUST(at <= c->deadline_at);
    for (int i = 0; i < 2; i++) {
        const struct work *w = &c->work[i];
        if (w->attempt == 0 || w->told) continue;
        FUZZ_MUST(c->hedged ? at <= w->deadline_at : at == w->deadline_at);
    }
    /* The stepper has shown that the call stays as it is; so must everything shared. */
    static hf_breaker_info before[HF_MAX_POLICIES], after[HF_MAX_POLICIES];
    for (int round = 0; round < 2; round++) {
        hf_breaker_info *info = round == 0 ? before : after;
        memset(info, 0, sizeof before);
        for (uint32_t i = 0; i < world.members.count; i++) {
            const struct member *m = &world.members.member[i];
            info[i].struct_size = sizeof info[i];
            if (m->alone != NULL) (void)hf_breaker_snapshot(m->breaker, &info[i], c->s.now);
        }
        if (round == 0) FUZZ_MUST(stepper_step(&c->s) == HF_STEP_WAIT && c->s.step.at == at);
    }
    FUZZ_MUST(memcmp(before, after, sizeof before) == 0);
}

/* START or RUN. */
static void take_on(struct slot *c) {
    const hf_step *step = &c->s.step;
    bool fallback = step->kind == HF_STEP_RUN;
    FUZZ_MUST(!c->cancelled && !c->committed && step->attempt == c->latest + 1);
    FUZZ_MUST(works(c) == 0 || (works(c) == 1 && c->hedged));
    if (fallback) {
        FUZZ_MUST(step->fallback != NULL);
    } else {
        FUZZ_MUST(step->number == c->number + 1);
        FUZZ_MUST(step->deadline_at > c->s.now && step->deadline_at <= c->deadline_at);
        c->number++;
        world.spies.starts[index_of(c)]++;
    }
    c->latest = step->attempt;
    *work_of(c, 0) = (struct work){.attempt = step->attempt, .deadline_at = step->deadline_at, .fallback = fallback};
}

static void note_step(const struct slot *c) {
    trace_note("step", c->s.step.kind);
    trace_note("of", index_of(c));
    trace_note("attempt", c->s.step.attempt);
    trace_note("number", c->s.step.number);
    trace_note("until", c->s.step.at);
    trace_note("deadline", c->s.step.deadline_at);
}

static int step(struct slot *c) {
    turn_to(c);
    c->s.now = c->s.now > world.now ? c->s.now : world.now;
    c->unstepped = false;
    int kind = stepper_step(&c->s);
    note_step(c);
    switch ((hf_step_kind)kind) {
    case HF_STEP_WAIT: check_wait(c); break;
    case HF_STEP_START:
    case HF_STEP_RUN: take_on(c); break;
    case HF_STEP_CANCEL: {
        struct work *w = work_of(c, c->s.step.attempt);
        FUZZ_MUST(w != NULL && w->attempt != 0 && !w->told);
        w->told = true;
        break;
    }
    case HF_STEP_DONE:
        FUZZ_MUST(works(c) == 0);
        c->done = true;
        break;
    }
    return kind;
}

/* ---- reports ---- */

static hf_outcome any_outcome(struct bytes *in) {
    static const int64_t hints[] = {0, HF_MILLISECOND, HF_SECOND, 100 * HF_SECOND, HF_NEVER, -5};
    static const uint32_t resends[] = {0, 1, 20};
    uint8_t byte = bytes_u8(in);
    hf_outcome outcome = {byte & 3, (byte >> 2 & 3) | (uint32_t)(byte >> 4 == 15 ? HF_COMMITTED : 0), byte, 0, 0};
    if (byte >> 4 < 12) return outcome;
    outcome.retry_after_ns = BYTES_PICK(in, hints);
    outcome.resends = BYTES_PICK(in, resends);
    if (bytes_one_in(in, 16)) outcome.kind = 7; /* no such kind */
    return outcome;
}

/* A report for an attempt that does not run changes nothing. */
static void report_wrongly(struct slot *c, uint32_t attempt) {
    if (attempt != 0 && work_of(c, attempt) != NULL) return;
    hf_call before = c->s.call;
    FUZZ_MUST(hf_call_report(&c->s.call, attempt, hf_success(), world.now) == HF_E_STATE);
    FUZZ_MUST(memcmp(&before, &c->s.call, sizeof before) == 0);
}

static bool would_end(struct slot *c, uint32_t attempt, hf_outcome outcome) {
    hf_call before = c->s.call;
    world.spies.peeking = true;
    bool ends = hf_call_would_end(&c->s.call, attempt, outcome, c->s.now);
    FUZZ_MUST(memcmp(&before, &c->s.call, sizeof before) == 0);
    world.spies.peeking = false;
    trace_note("would end", ends);
    return ends;
}

/* A driver that delivers as it comes says so before it reports; of two attempts the one that has lost may not. */
static bool commit(struct slot *c, const struct work *w) {
    int rc = hf_call_commit(&c->s.call, w->attempt);
    trace_note("commit", rc);
    FUZZ_MUST(rc == 0 || rc == HF_E_STATE);
    if (rc == 0) c->committed = true;
    return rc == 0;
}

static void report(struct slot *c, struct work *w, hf_outcome outcome) {
    turn_to(c);
    if (world.budget_twice) outcome.resends = 0; /* see hf_call_would_end */
    if ((outcome.flags & HF_COMMITTED) && c->hedged && !w->fallback && !commit(c, w)) outcome.flags &= ~HF_COMMITTED;
    c->s.now = c->s.now > world.now ? c->s.now : world.now;
    struct work done = *w;
    bool alone = works(c) == 1 && !c->hedged;
    bool ends = would_end(c, done.attempt, outcome);
    bool known = outcome.kind >= HF_SUCCESS && outcome.kind <= HF_NEUTRAL;
    int rc = hf_call_report(&c->s.call, done.attempt, outcome, c->s.now);
    FUZZ_MUST(rc == (known ? 0 : HF_E_INVALID));
    *w = (struct work){0};
    c->unstepped = true;
    c->committed = c->committed || (!done.fallback && (outcome.flags & HF_COMMITTED));
    report_wrongly(c, done.attempt);
    world.spies.again[index_of(c)] = false;
    int kind = step(c);
    if (done.fallback || !alone) return;
    if (world.budget_twice) return; /* the inner retry may give back what the outer one then takes */
    if (ends) FUZZ_MUST(kind == HF_STEP_DONE);
    if (world.spied) FUZZ_MUST(ends == !world.spies.again[index_of(c)]);
}

/* Runs the fallback for real half of the time: it must be one of ours, and see a failure. */
static hf_outcome outcome_of_work(struct slot *c, const struct work *w, struct bytes *in) {
    hf_outcome outcome = any_outcome(in);
    if (!w->fallback || (outcome.code & 1) || c->s.step.kind != HF_STEP_RUN) return outcome;
    hf_result failed;
    hf_call_result(&c->s.call, &failed);
    return hf_fallback_run(c->s.step.fallback, NULL, &failed);
}

static void report_some(struct slot *c, bool second, struct bytes *in) {
    struct work *w = some_work(c, second);
    if (w != NULL) report(c, w, outcome_of_work(c, w, in));
}

/* ---- the script ---- */

static void wake(void *arg) { FUZZ_MUST(((struct slot *)arg)->open); /* after the end no wake runs */ }

static void begin(struct slot *c, struct bytes *in) {
    static const int64_t ahead[] = {HF_NEVER, 0, HF_MILLISECOND, 100 * HF_MILLISECOND, 10 * HF_SECOND};
    if (c->open) return;
    memset(c, 0, sizeof *c);
    memset(&c->s, world.poison, sizeof c->s);
    uint8_t byte = bytes_u8(in), more = bytes_u8(in);
    int64_t left = ahead[byte % 5];
    uint32_t which = byte / 35 % PIPELINES;
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = c->deadline_at = left == HF_NEVER ? HF_NEVER : world.now + left;
    options.seed = byte / 5 % 7;
    options.wake = byte % 2 ? wake : NULL;
    options.wake_arg = c;
    options.priority = more % 8;
    options.flags = (more / 8 % 8 == 7 ? 0 : HF_CALL_OVERLAP) | (more / 64 == 3 ? HF_CALL_ONCE : 0u);
    c->hedged = world.hedged[which];
    c->s.now = world.now;
    spies_begin(&world.spies, index_of(c), c->hedged);
    c->open = true;
    int rc = hf_call_begin(&c->s.call, world.pipeline[which], &options, world.now);
    bool refused = c->hedged && !(options.flags & HF_CALL_OVERLAP);
    FUZZ_MUST(rc == (refused ? HF_E_UNSUPPORTED : 0));
    if (refused) c->open = false;
}

static void note_result(const hf_result *result) {
    trace_note("status", hf_result_status(result));
    trace_note("reason", hf_result_reason(result));
    trace_note("by", hf_result_policy(result)[0] * 256 + hf_result_policy(result)[1]);
    trace_note("flags", hf_result_flags(result));
    trace_note("attempts", hf_result_attempts(result));
    trace_note("retry at", hf_result_retry_at(result));
    hf_outcome last = {0};
    trace_note("reported", hf_result_outcome(result, &last));
    trace_note("kind", last.kind);
    trace_note("code", last.code);
    char text[300];
    FUZZ_MUST(hf_result_describe(result, text, sizeof text) == strlen(text));
}

static void end(struct slot *c) {
    if (!c->open) return;
    turn_to(c);
    hf_result result;
    int status = stepper_end(&c->s, &result);
    FUZZ_MUST(status == hf_result_status(&result));
    FUZZ_MUST(hf_result_attempts(&result) == c->number);
    /* A result that is in already stands: one not looked at yet, or that of the attempt that won. */
    if (!c->done && !c->unstepped && !c->hedged) FUZZ_MUST(status == HF_E_CANCELLED);
    note_result(&result);
    c->open = false;
    memset(c->work, 0, sizeof c->work);
    spies_at_rest(&world.spies, index_of(c));
}

static void move_clock(hf_time to) {
    world.now = to;
    if (to > world.latest) world.latest = to;
}

static void pass_time(struct bytes *in) {
    static const int64_t steps[] = {HF_MILLISECOND,
                                    1,
                                    10 * HF_MILLISECOND,
                                    100 * HF_MILLISECOND,
                                    HF_SECOND,
                                    60 * HF_SECOND,
                                    86400 * HF_SECOND,
                                    INT64_C(274877907) * HF_SECOND, /* 2^38 ms: the time of a budget wraps */
                                    -1,
                                    -HF_MILLISECOND,
                                    -10 * HF_SECOND,
                                    -86400 * HF_SECOND};
    hf_time to = world.now + BYTES_PICK(in, steps);
    if (to >= 0 && to <= INT64_C(1577847600) * HF_SECOND) move_clock(to); /* 50 years: 42 bits of ms hold 139 */
}

/* To the end of its wait, or 1 ns before. */
static void jump(struct slot *c, int64_t short_by) {
    if (!c->open || c->s.step.kind != HF_STEP_WAIT || c->s.step.at == HF_NEVER || c->s.step.at <= world.now) return;
    if (c->s.step.at > INT64_C(3155695200) * HF_SECOND) return;
    move_clock(c->s.step.at - short_by);
}

/* As a driver would: through waits and orders until it needs a report, or is done. */
static void go_on(struct slot *c) {
    for (int i = 0; i < 64 && c->open && !c->done; i++) {
        int kind = step(c);
        if (kind == HF_STEP_START || kind == HF_STEP_RUN || works(c) > 0) return;
        if (kind != HF_STEP_WAIT) continue;
        if (c->s.step.at == HF_NEVER) return;
        jump(c, 0);
    }
}

static void play_on(struct slot *c, struct bytes *in) {
    for (int i = 0; i < 4 && c->open && !c->done; i++) {
        go_on(c);
        report_some(c, false, in);
    }
}

static void cancel(struct slot *c) {
    if (!c->open) return;
    hf_call_cancel(&c->s.call);
    c->cancelled = true;
}

static void by_hand(struct bytes *in) {
    if (world.members.count == 0) return;
    struct member *m = &world.members.member[bytes_below(in, world.members.count)];
    if (m->kind->by_hand != NULL) m->kind->by_hand(m, in, world.now);
}

static void act(struct bytes *in) {
    uint8_t byte = bytes_u8(in);
    struct slot *c = &world.slot[byte / 16 % SPY_CALLS];
    switch (byte % 16) {
    case 0:
    case 1: begin(c, in); break;
    case 2: go_on(c); break;
    case 3:
    case 4: report_some(c, byte % 16 == 4, in); break;
    case 5:
    case 6: play_on(c, in); break;
    case 7: pass_time(in); break;
    case 8: jump(c, 0); break;
    case 9: jump(c, 1); break;
    case 10: cancel(c); break;
    case 11: end(c); break;
    case 12: by_hand(in); break;
    case 13:
        if (c->open) report_wrongly(c, c->latest + bytes_below(in, 3) - 1);
        break;
    case 14:
        if (c->open && !c->done) (void)step(c);
        break;
    case 15: members_look(&world.members, world.now); break;
    }
}

/* ---- one run ---- */

static void build_pipeline(uint32_t which, struct bytes *in) {
    hf_policy *order[HF_MAX_POLICIES];
    bool used[HF_MAX_POLICIES] = {false};
    uint32_t wanted = bytes_one_in(in, 4) ? bytes_below(in, HF_MAX_POLICIES + 1) : world.members.count, count = 0;
    uint32_t hedge = HF_MAX_POLICIES;
    for (uint32_t i = 0; i < wanted && i < world.members.count; i++) {
        uint32_t pick = bytes_below(in, world.members.count);
        while (used[pick]) pick = (pick + 1) % world.members.count;
        used[pick] = true;
        struct member *m = &world.members.member[pick];
        if (m->kind == &hedge_kind && hedge < HF_MAX_POLICIES) continue; /* one at most */
        if (m->kind == &hedge_kind) hedge = count;
        order[count++] = world.spied ? spy_new(&world.spies, m) : m->policy;
    }
    /* Two branches need room: the innermost go until it is enough. */
    uint32_t fits = count;
    while (hf_pipeline_new(&world.pipeline[which], "fuzz", order, fits, NULL) < 0) {
        FUZZ_MUST(hedge < fits && fits > 2);
        fits--;
    }
    world.hedged[which] = hedge < fits;
    for (uint32_t i = 0; i < count && world.spied; i++) hf__policy_unref(order[i]);
}

static void finish(bool lost) {
    /* Calls that never come back must not wedge a breaker either. */
    if (lost) members_no_wedge(&world.members, world.latest);
    for (uint32_t i = 0; i < SPY_CALLS; i++) end(&world.slot[i]);
    members_look(&world.members, world.latest);
    members_at_rest(&world.members, world.latest);
    members_no_wedge(&world.members, world.latest);
}

static void run(struct bytes in, bool again) {
    memset(&world, 0, sizeof world);
    world.spied = !again;
    world.poison = again ? 0x5a : 0xa5;
    trace_start(again);
    static const hf_time starts_at[] = {HF_SECOND, 0, 3600 * HF_SECOND, INT64_C(274877906) * HF_SECOND};
    move_clock(BYTES_PICK(&in, starts_at));
    members_make(&world.members, &in);
    for (uint32_t i = 0; i < world.members.budgets && !world.spied; i++) world.members.budget[i].exact = false;
    world.budget_twice = members_share_a_budget(&world.members);
    for (uint32_t i = 0; i < PIPELINES; i++) build_pipeline(i, &in);
    bool lost = bytes_one_in(&in, 2);
    while (in.left > 0) act(&in);
    finish(lost);
    for (uint32_t i = 0; i < PIPELINES; i++) hf_pipeline_free(world.pipeline[i]);
    members_free(&world.members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = bytes_of(data, size < LONGEST_INPUT ? size : LONGEST_INPUT);
    run(in, false);
    run(in, true);
    trace_finish();
    return 0;
}
