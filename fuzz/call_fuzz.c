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
    hf_pipeline *pipeline;
    hf_time deadline_at; /* the caller's */
    hf_time attempt_deadline_at;
    uint32_t number;  /* attempts started */
    uint32_t attempt; /* that runs, if `running` */
    bool open, done, running, fallback, told, cancelled, committed, woken;
    bool unstepped; /* reported, and not stepped since */
};

static struct {
    struct members members;
    struct spies spies;
    hf_pipeline *pipeline[PIPELINES];
    struct slot slot[SPY_CALLS];
    hf_time now;
    hf_time latest; /* of all instants there were */
    bool spied;
    bool budget_twice; /* two retries of one pipeline may share a budget */
    uint8_t poison;
} world;

static uint32_t index_of(const struct slot *c) { return (uint32_t)(c - world.slot); }

static void turn_to(const struct slot *c) { world.spies.stepping = index_of(c); }

/* ---- one step, and all that must hold after it ---- */

static void check_wait(struct slot *c) {
    hf_time at = c->s.step.at;
    if (c->running) {
        if (!c->told) FUZZ_MUST(at == c->attempt_deadline_at);
    } else {
        FUZZ_MUST(at <= c->deadline_at);
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

static void check_start(struct slot *c) {
    FUZZ_MUST(!c->running && !c->cancelled && !c->committed);
    FUZZ_MUST(c->s.step.number == c->number + 1);
    FUZZ_MUST(c->s.step.deadline_at > c->s.now && c->s.step.deadline_at <= c->deadline_at);
    c->number++;
    world.spies.starts[index_of(c)]++;
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
    case HF_STEP_START: check_start(c); break;
    case HF_STEP_RUN: FUZZ_MUST(!c->running && !c->cancelled && !c->committed && c->s.step.fallback != NULL); break;
    case HF_STEP_CANCEL:
        FUZZ_MUST(c->running && !c->told && c->s.step.attempt == c->attempt);
        c->told = true;
        break;
    case HF_STEP_DONE:
        FUZZ_MUST(!c->running);
        c->done = true;
        break;
    }
    if (kind == HF_STEP_START || kind == HF_STEP_RUN) {
        c->running = true;
        c->told = false;
        c->fallback = kind == HF_STEP_RUN;
        c->attempt = c->s.step.attempt;
        c->attempt_deadline_at = c->s.step.deadline_at;
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
    if (c->running && attempt == c->attempt) return;
    hf_call before = c->s.call;
    FUZZ_MUST(hf_call_report(&c->s.call, attempt, hf_success(), world.now) == HF_E_STATE);
    FUZZ_MUST(memcmp(&before, &c->s.call, sizeof before) == 0);
}

static bool would_end(struct slot *c, hf_outcome outcome) {
    hf_call before = c->s.call;
    bool ends = hf_call_would_end(&c->s.call, c->attempt, outcome, c->s.now);
    FUZZ_MUST(memcmp(&before, &c->s.call, sizeof before) == 0);
    trace_note("would end", ends);
    return ends;
}

static void report(struct slot *c, hf_outcome outcome) {
    if (!c->running) return;
    turn_to(c);
    if (world.budget_twice) outcome.resends = 0; /* see hf_call_would_end */
    c->s.now = c->s.now > world.now ? c->s.now : world.now;
    bool fallback = c->fallback;
    bool ends = would_end(c, outcome);
    bool known = outcome.kind >= HF_SUCCESS && outcome.kind <= HF_NEUTRAL;
    int rc = hf_call_report(&c->s.call, c->attempt, outcome, c->s.now);
    FUZZ_MUST(rc == (known ? 0 : HF_E_INVALID));
    c->running = false;
    c->unstepped = true;
    c->committed = c->committed || (!fallback && (outcome.flags & HF_COMMITTED));
    report_wrongly(c, c->attempt);
    world.spies.again[index_of(c)] = false;
    int kind = step(c);
    if (fallback) return;
    if (ends) FUZZ_MUST(kind == HF_STEP_DONE);
    if (world.spied) FUZZ_MUST(ends == !world.spies.again[index_of(c)]);
}

/* Runs the fallback for real half of the time: it must be one of ours, and see a failure. */
static hf_outcome outcome_of_work(struct slot *c, struct bytes *in) {
    hf_outcome outcome = any_outcome(in);
    if (!c->running || !c->fallback || (outcome.code & 1)) return outcome;
    hf_result failed;
    hf_call_result(&c->s.call, &failed);
    return c->s.step.kind == HF_STEP_RUN ? hf_fallback_run(c->s.step.fallback, NULL, &failed) : outcome;
}

/* ---- the script ---- */

static void wake(void *arg) {
    struct slot *c = arg;
    FUZZ_MUST(c->open); /* after the end no wake runs */
    c->woken = true;
}

static void begin(struct slot *c, struct bytes *in) {
    static const int64_t ahead[] = {HF_NEVER, 0, HF_MILLISECOND, 100 * HF_MILLISECOND, 10 * HF_SECOND};
    if (c->open) return;
    memset(c, 0, sizeof *c);
    memset(&c->s, world.poison, sizeof c->s);
    uint8_t byte = bytes_u8(in);
    int64_t left = ahead[byte % 5];
    hf_call_options options;
    hf_call_options_init(&options);
    options.deadline_at = c->deadline_at = left == HF_NEVER ? HF_NEVER : world.now + left;
    options.seed = byte / 5 % 7;
    options.wake = byte % 2 ? wake : NULL;
    options.wake_arg = c;
    c->pipeline = world.pipeline[byte / 35 % PIPELINES];
    c->s.now = world.now;
    world.spies.starts[index_of(c)] = 0;
    c->open = true;
    FUZZ_MUST(hf_call_begin(&c->s.call, c->pipeline, &options, world.now) == 0);
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
    if (!c->done && !c->unstepped) FUZZ_MUST(status == HF_E_CANCELLED);
    note_result(&result);
    c->open = c->running = false;
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
        if (kind == HF_STEP_START || kind == HF_STEP_RUN || c->running) return;
        if (kind != HF_STEP_WAIT) continue;
        if (c->s.step.at == HF_NEVER) return;
        jump(c, 0);
    }
}

static void play_on(struct slot *c, struct bytes *in) {
    for (int i = 0; i < 4 && c->open && !c->done; i++) {
        go_on(c);
        if (c->running) report(c, outcome_of_work(c, in));
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
    case 4: report(c, outcome_of_work(c, in)); break;
    case 5:
    case 6: play_on(c, in); break;
    case 7: pass_time(in); break;
    case 8: jump(c, 0); break;
    case 9: jump(c, 1); break;
    case 10: cancel(c); break;
    case 11: end(c); break;
    case 12: by_hand(in); break;
    case 13:
        if (c->open) report_wrongly(c, c->attempt + bytes_below(in, 3) - 1);
        break;
    case 14:
        if (c->open && (c->running || !c->done)) (void)step(c);
        break;
    case 15: members_look(&world.members, world.now); break;
    }
}

/* ---- one run ---- */

static void build_pipeline(uint32_t which, struct bytes *in) {
    hf_policy *order[HF_MAX_POLICIES];
    bool used[HF_MAX_POLICIES] = {false};
    uint32_t wanted = bytes_one_in(in, 4) ? bytes_below(in, HF_MAX_POLICIES + 1) : world.members.count, count = 0;
    for (uint32_t i = 0; i < wanted && i < world.members.count; i++) {
        uint32_t pick = bytes_below(in, world.members.count);
        while (used[pick]) pick = (pick + 1) % world.members.count;
        used[pick] = true;
        struct member *m = &world.members.member[pick];
        order[count] = world.spied ? spy_new(&world.spies, m, count) : m->policy;
        count++;
    }
    FUZZ_MUST(hf_pipeline_new(&world.pipeline[which], "fuzz", order, count, NULL) == 0);
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
