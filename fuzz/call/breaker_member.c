/* SPDX-License-Identifier: MIT */
#include "call/members.h"

#include "call/trace.h"
#include "fuzz.h"

#include <string.h>

#define MS HF_MILLISECOND
#define DAY_MS 86400000

/* ---- made of bytes ---- */

/* User code may call anything, and the state may be set from inside the news that it has changed. */
static void on_change(void *arg, const hf_breaker_event *event) {
    struct member *m = arg;
    trace_note("breaker from", event->from);
    trace_note("breaker to", event->to);
    trace_note("by rules", event->rules);
    FUZZ_MUST(event->from != event->to || event->to == HF_BREAKER_METRICS_ONLY);
    FUZZ_MUST(strcmp(event->name, m->name) == 0);
    FUZZ_MUST(event->info->state == event->from);
    (void)breaker_info(m, event->at);
    if (m->meddling == 0) return;
    static const hf_breaker_state states[] = {HF_BREAKER_CLOSED, HF_BREAKER_OPEN, HF_BREAKER_DISABLED};
    hf_breaker_state state = states[m->meddling-- % 3];
    FUZZ_MUST(hf_breaker_set(m->breaker, state, event->at) == 0);
}

static void remember_limits(struct member *m) {
    const hf_breaker_config *c = &m->as_breaker;
    int64_t jitter_ms = c->open_max_ms * c->open_jitter_ppm / HF_PPM;
    int64_t longest_ms = c->open_max_ms + jitter_ms + c->probe_lease_ms + 3;
    uint32_t most = c->window > c->probes ? c->window : c->probes;
    if (longest_ms > m->longest_ms) m->longest_ms = longest_ms;
    if (most > m->most) m->most = most;
}

static void configure(hf_breaker_config *c, struct bytes *in) {
    static const uint32_t rates[] = {500000, HF_BREAKER_OFF, 1, 1000000};
    static const int64_t slow_ms[] = {HF_NEVER, 1, 100};
    static const int64_t open_ms[] = {10, 1, 5000, DAY_MS};
    static const int64_t recovery_ms[] = {0, 100, 1, DAY_MS};
    static const uint32_t jitter[] = {0, 200000, 1000000};
    c->window = 1 + bytes_below(in, 40);
    c->min_calls = 1 + bytes_below(in, c->window);
    c->failure_rate_ppm = BYTES_PICK(in, rates);
    c->slow_rate_ppm = BYTES_PICK(in, rates);
    c->consecutive_failures = bytes_one_in(in, 2) ? 1 + bytes_below(in, c->window) : HF_BREAKER_OFF;
    c->slow_call_ms = BYTES_PICK(in, slow_ms);
    c->open_ms = BYTES_PICK(in, open_ms);
    c->open_max_ms = c->open_ms * bytes_between(in, 1, 8);
    if (c->open_max_ms > DAY_MS) c->open_max_ms = DAY_MS;
    c->open_jitter_ppm = BYTES_PICK(in, jitter);
    c->probes = 1 + bytes_below(in, 5);
    c->probe_failures_allowed = bytes_below(in, c->probes);
    c->probe_lease_ms = BYTES_PICK(in, open_ms);
    c->recovery_ms = BYTES_PICK(in, recovery_ms);
}

static void breaker_make(struct member *m, struct members *all, struct bytes *in) {
    (void)all;
    static const int32_t begins[] = {HF_BREAKER_CLOSED, HF_BREAKER_METRICS_ONLY, HF_BREAKER_OPEN, HF_BREAKER_DISABLED,
                                     HF_BREAKER_FORCED_OPEN};
    static const int64_t warm_up_ms[] = {0, 1500, DAY_MS};
    hf_breaker_config *c = &m->as_breaker;
    hf_breaker_config_init(c);
    configure(c, in);
    uint8_t shape = bytes_u8(in);
    c->window_kind = shape % 4 == 3 ? HF_BREAKER_BY_TIME : HF_BREAKER_BY_CALLS;
    c->buckets = 1 + shape / 4 % 10;
    c->window_ms = INT64_C(10) * c->buckets;
    c->initial_state = shape / 40 == 5 ? BYTES_PICK(in, begins) : HF_BREAKER_CLOSED;
    c->warm_up_ms = shape / 40 == 4 ? BYTES_PICK(in, warm_up_ms) : 0;
    c->on_change = on_change;
    c->on_change_arg = m;
    m->meddling = bytes_one_in(in, 8) ? 3 : 0;
    remember_limits(m);
    FUZZ_MUST(hf_breaker_new(&m->breaker, m->name, c, NULL) == 0);
    m->policy = hf_breaker_policy(m->breaker);
    FUZZ_MUST(hf_pipeline_new(&m->alone, "alone", &m->policy, 1, NULL) == 0);
}

static void breaker_free(struct member *m) {
    hf_pipeline_free(m->alone);
    hf_breaker_free(m->breaker);
}

/* ---- looked at ---- */

hf_breaker_info breaker_info(const struct member *m, hf_time now) {
    hf_breaker_info info = {.struct_size = sizeof info};
    FUZZ_MUST(hf_breaker_snapshot(m->breaker, &info, now) == 0);
    return info;
}

static void breaker_look(const struct member *m, hf_time now) {
    hf_breaker_info info = breaker_info(m, now);
    trace_note(hf_breaker_state_name(info.state), info.generation);
    trace_note("total", info.total);
    trace_note("failures", info.failures);
    trace_note("slow", info.slow);
    trace_note("in a row", info.consecutive);
    trace_note("probes", info.probes_flying << 16 | info.probes_ok << 8 | info.probes_failed);
    trace_note("rejected", (int64_t)info.rejected);
    trace_note("retry at", info.retry_at);
    trace_note("share", info.admit_ppm);
    FUZZ_MUST(info.failures <= info.total && info.slow <= info.total);
    FUZZ_MUST(info.probes_flying + info.probes_ok + info.probes_failed <= m->most);
    if (m->as_breaker.window_kind == HF_BREAKER_BY_CALLS) {
        FUZZ_MUST(info.total <= m->most && info.consecutive <= info.failures);
    }
    hf_breaker_explanation why = {.struct_size = sizeof why};
    FUZZ_MUST(hf_breaker_explain(m->breaker, &why, now) == 0);
    FUZZ_MUST(why.text[0] != '\0' && memchr(why.text, '\0', sizeof why.text) != NULL);
    FUZZ_MUST((why.wait_ns == 0) == (info.retry_at <= now));
    trace_note("because", why.reason);
}

void breaker_must_keep(const struct member *m, const hf_breaker_info *before, hf_time now) {
    if (m->kind != &breaker_kind) return;
    hf_breaker_info after = breaker_info(m, now);
    if (after.generation != before->generation) return;
    FUZZ_MUST(after.total == before->total && after.failures == before->failures);
    FUZZ_MUST(after.slow == before->slow && after.consecutive == before->consecutive);
}

static bool reached(uint64_t part, uint64_t total, uint32_t ppm) {
    return ppm <= HF_PPM && part * HF_PPM >= ppm * total;
}

void breaker_must_judge(const struct member *m, const hf_breaker_info *before, hf_time now) {
    if (m->kind != &breaker_kind || m->as_breaker.warm_up_ms > 0) return;
    const hf_breaker_config *c = &m->as_breaker;
    hf_breaker_info after = breaker_info(m, now);
    if (after.state != HF_BREAKER_CLOSED || after.generation != before->generation) return;
    if (after.total == before->total && after.failures == before->failures && after.slow == before->slow) return;
    FUZZ_MUST(after.consecutive < c->consecutive_failures);
    if (after.total < c->min_calls) return;
    FUZZ_MUST(!reached(after.failures, after.total, c->failure_rate_ppm));
    FUZZ_MUST(!reached(after.slow, after.total, c->slow_rate_ppm));
}

static void breaker_at_rest(const struct member *m) { FUZZ_MUST(breaker_info(m, 0).probes_flying == 0); }

/* ---- meddled with ---- */

static void set_state(struct member *m, struct bytes *in, hf_time now) {
    int state = (int)bytes_below(in, 9);
    int rc = hf_breaker_set(m->breaker, (hf_breaker_state)state, now);
    trace_note("set", rc);
    if (state > HF_BREAKER_FORCED_OPEN) FUZZ_MUST(rc == HF_E_INVALID);
    if (state <= HF_BREAKER_DISABLED || state == HF_BREAKER_OPEN) FUZZ_MUST(rc == 0);
}

/* What it may not change is taken from the old configuration. */
static void reconfigure(struct member *m, struct bytes *in) {
    hf_breaker_config c = m->as_breaker;
    configure(&c, in);
    hf_error error;
    int rc = hf_breaker_reconfigure(m->breaker, &c, &error);
    trace_note("reconfigure", rc);
    FUZZ_MUST(rc == 0 || hf_error_text(&error)[0] != '\0');
    if (rc < 0) return;
    m->as_breaker = c;
    remember_limits(m);
}

static void save_and_restore(struct member *m, struct bytes *in, hf_time now) {
    static const int64_t elapsed[] = {0, MS, 86400 * HF_SECOND, HF_NEVER};
    hf_breaker_saved saved;
    hf_breaker_save(m->breaker, &saved, now);
    trace_note("left", saved.left_ns);
    FUZZ_MUST(hf_breaker_restore(m->breaker, &saved, BYTES_PICK(in, elapsed), now) == 0);
}

static void breaker_by_hand(struct member *m, struct bytes *in, hf_time now) {
    switch (bytes_below(in, 4)) {
    case 0:
    case 1: set_state(m, in, now); break;
    case 2: reconfigure(m, in); break;
    default: save_and_restore(m, in, now); break;
    }
}

/* ---- no wedge ---- */

static bool admitted(const struct member *m, hf_time now, uint64_t seed, hf_result *result) {
    hf_call call;
    hf_step step;
    hf_call_options options;
    hf_call_options_init(&options);
    options.seed = seed;
    FUZZ_MUST(hf_call_begin(&call, m->alone, &options, now) == 0);
    int kind = hf_call_step(&call, &step, now);
    FUZZ_MUST(kind == HF_STEP_START || kind == HF_STEP_DONE);
    (void)hf_call_end(&call, result);
    return kind == HF_STEP_START;
}

/* Follows retry_at from rejection to rejection, with no results coming in, until a call is admitted. From
 * half-open with every probe lost that is: the lease ends, the breaker opens again, its wait ends. Recovering, a
 * tenth is admitted at least: 500 rejections in a row come once in 10^22 runs. */
void breaker_no_wedge(struct member *m, hf_time from) {
    hf_time now = from;
    m->meddling = 0; /* whoever opens it by hand from its callback starts another wait */
    uint32_t hops = 0;
    hf_result result;
    for (uint64_t seed = 0; !admitted(m, now, seed, &result); seed++) {
        hf_reason reason = hf_result_reason(&result);
        if (reason == HF_REASON_FORCED_OPEN) return;
        FUZZ_MUST(seed < 500 && (reason == HF_REASON_RECOVERING || ++hops < 8));
        if (reason == HF_REASON_RECOVERING) continue;
        FUZZ_MUST(hf_result_retry_at(&result) > now);
        now = hf_result_retry_at(&result);
        FUZZ_MUST(now <= from + m->longest_ms * MS);
    }
}

const struct member_kind breaker_kind = {"breaker",       breaker_make,    breaker_look,
                                         breaker_by_hand, breaker_at_rest, breaker_free};
