/* SPDX-License-Identifier: MIT */
#include <holdfast/breaker_admin.h>

#include "policy/breaker_inside.h"

#include "base/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that is written piece by piece, cut at its end. */
struct sentence {
    char *text;
    size_t size;
    size_t used;
};

static void say(struct sentence *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct sentence *s, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(s->text + s->used, s->size - s->used, format, arguments);
    va_end(arguments);
    if (length > 0) s->used = (size_t)hf__min((int64_t)s->used + length, (int64_t)s->size - 1);
}

/* "4.2 s", rounded up, so that it is not promised too early. */
static void say_wait(struct sentence *s, int64_t ns) {
    int64_t ms = hf__min(hf__ns_to_ms_up(ns), INT64_MAX / 2);
    if (ms < 1000) say(s, "%lld ms", (long long)ms);
    else if (ms < 100000) say(s, "%lld.%lld s", (long long)(ms + 99) / 1000, (long long)(ms + 99) / 100 % 10);
    else say(s, "%lld s", (long long)(ms + 999) / 1000);
}

static uint32_t percent(uint32_t part, uint32_t total) { return total == 0 ? 0 : (uint32_t)(100.0 * part / total); }

/* What the window says: the rules that are reached, or else its counts. */
static void say_window(struct sentence *s, const hf_breaker_info *info, const struct hf__limits *limits) {
    if (info->rules & HF_BREAKER_RULE_CONSECUTIVE) {
        say(s, "%u calls failed in a row (limit %u)", info->consecutive, limits->consecutive_failures);
    } else if (info->rules & HF_BREAKER_RULE_FAILURE_RATE) {
        say(s, "%u of the last %u calls failed (%u %%, limit %u %%)", info->failures, info->total,
            percent(info->failures, info->total), limits->failure_rate_ppm / 10000);
    } else if (info->rules & HF_BREAKER_RULE_SLOW_RATE && info->overdue > 0) {
        say(s, "%u calls are overdue, and %u of the last %u were slow (limit %u %%)", info->overdue, info->slow,
            info->total, limits->slow_rate_ppm / 10000);
    } else if (info->rules & HF_BREAKER_RULE_SLOW_RATE) {
        say(s, "%u of the last %u calls were slow (%u %%, limit %u %%)", info->slow, info->total,
            percent(info->slow, info->total), limits->slow_rate_ppm / 10000);
    } else {
        say(s, "%u of the last %u calls failed, %u were slow", info->failures, info->total, info->slow);
    }
}

static void say_open(struct sentence *s, const hf_breaker_explanation *e, const struct hf__limits *limits,
                     uint32_t streak) {
    if (streak > 0) say(s, "the last probes failed, %u times in a row", streak);
    else if (e->info.rules != 0) say_window(s, &e->info, limits);
    else say(s, "it was set so");
    if (e->wait_ns == HF_NEVER) say(s, "; not before somebody sets another state");
    else if (e->wait_ns == 0) say(s, "; the next call is a probe");
    else say(s, "; it admits a probe in "), say_wait(s, e->wait_ns);
}

static void say_half_open(struct sentence *s, const hf_breaker_explanation *e, uint32_t probes) {
    say(s, "of its %u probes %u succeeded, %u failed and %u fly", probes, e->info.probes_ok, e->info.probes_failed,
        e->info.probes_flying);
    if (e->reason == HF_REASON_NONE) say(s, "; the next call is a probe");
    else say(s, "; another can start when one of them ends, at the latest in "), say_wait(s, e->wait_ns);
}

static int32_t reason_of(const hf_breaker_info *info) {
    switch ((hf_breaker_state)info->state) {
    case HF_BREAKER_OPEN: return info->admit_ppm == 0 ? HF_REASON_OPEN : HF_REASON_NONE;
    case HF_BREAKER_FORCED_OPEN: return HF_REASON_FORCED_OPEN;
    case HF_BREAKER_HALF_OPEN: return info->admit_ppm == 0 ? HF_REASON_PROBING : HF_REASON_NONE;
    case HF_BREAKER_RECOVERING: return info->admit_ppm < HF_PPM ? HF_REASON_RECOVERING : HF_REASON_NONE;
    case HF_BREAKER_CLOSED:
    case HF_BREAKER_METRICS_ONLY:
    case HF_BREAKER_DISABLED: break;
    }
    return HF_REASON_NONE;
}

static void say_all(struct sentence *s, const hf_breaker *b, const struct hf__breaker_rules *rules, uint64_t control,
                    const hf_breaker_explanation *e, hf_time now) {
    struct hf__control c = hf__control_unpack(control);
    say(s, "breaker \"%s\" is %s: ", b->base.name, hf_breaker_state_name(e->info.state));
    switch (c.state) {
    case HF_BREAKER_CLOSED:
    case HF_BREAKER_METRICS_ONLY:
        say_window(s, &e->info, &rules->limits);
        if (now < rules->warm_until)
            say(s, "; warming up, it opens by itself only after "), say_wait(s, rules->warm_until - now);
        break;
    case HF_BREAKER_DISABLED: say(s, "it admits everything and records nothing"); break;
    case HF_BREAKER_RECOVERING:
        say(s, "%u %% of the calls are admitted, all of them in ", e->info.admit_ppm / 10000);
        say_wait(s, hf__left(hf__add(hf__word_time(c.ms), rules->open.recovery_ns), now));
        break;
    case HF_BREAKER_HALF_OPEN: say_half_open(s, e, rules->open.probes); break;
    case HF_BREAKER_OPEN: say_open(s, e, &rules->limits, c.streak); break;
    case HF_BREAKER_FORCED_OPEN: say(s, "it rejects everything until somebody sets another state"); break;
    }
}

int hf_breaker_explain(hf_breaker *breaker, hf_breaker_explanation *out, hf_time now) {
    if (out->struct_size != sizeof *out) return HF_E_INVALID;
    struct hf__breaker_rules rules = hf__breaker_live_read(&breaker->rules);
    uint64_t control = hf__breaker_control(breaker);
    memset(out, 0, sizeof *out);
    out->struct_size = (uint32_t)sizeof *out;
    hf__breaker_describe(breaker, &rules, control, now, &out->info);
    out->reason = reason_of(&out->info);
    out->wait_ns = hf__left(out->info.retry_at, now);
    struct sentence sentence = {out->text, sizeof out->text, 0};
    say_all(&sentence, breaker, &rules, control, out, now);
    return 0;
}
