/* SPDX-License-Identifier: MIT */
#include <holdfast/pipeline.h>

#include "engine/pipeline.h"

#include <stdarg.h>
#include <stdio.h>

/* Every policy tells the facts about itself (engine/policy.h); the rules below read nothing else, so that a new
 * kind of policy is checked as soon as it tells what it does. A rule looks at one policy and what is inside or
 * outside of it, and speaks once for each pair that hurts. */

struct member {
    const char *kind, *name;
    struct hf__facts facts;
};

struct check {
    struct member member[HF_MAX_POLICIES];
    uint32_t count;
    hf_pipeline_warning *warn; /* may be NULL */
    void *arg;
    size_t warnings;
};

static void say(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct check *c, const char *format, ...) {
    char sentence[384];
    va_list arguments;
    c->warnings++;
    if (c->warn == NULL) return;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    c->warn(c->arg, sentence);
}

struct duration {
    char text[32];
};

static struct duration show(int64_t ns) {
    struct duration out;
    if (ns == HF_NEVER) (void)snprintf(out.text, sizeof out.text, "any time");
    else if (ns % HF_SECOND == 0) (void)snprintf(out.text, sizeof out.text, "%lld s", (long long)(ns / HF_SECOND));
    else (void)snprintf(out.text, sizeof out.text, "%lld ms", (long long)(ns / HF_MILLISECOND));
    return out;
}

static bool is(const struct member *m, uint32_t role) { return (m->facts.roles & role) != 0; }

/* The shortest of the timeouts in [from, to); NULL when there is none. */
static const struct member *shortest(const struct check *c, uint32_t from, uint32_t to) {
    const struct member *found = NULL;
    for (uint32_t i = from; i < to; i++) {
        if (c->member[i].facts.ends_after_ns == HF_NEVER) continue;
        if (found == NULL || c->member[i].facts.ends_after_ns < found->facts.ends_after_ns) found = &c->member[i];
    }
    return found;
}

/* The innermost in [0, before) that has the role, or NULL. */
static const struct member *around(const struct check *c, uint32_t before, uint32_t role) {
    while (before-- > 0) {
        if (is(&c->member[before], role)) return &c->member[before];
    }
    return NULL;
}

/* ---- the rules ---- */

static void check_timeout(struct check *c, uint32_t i) {
    const struct member *m = &c->member[i], *outer = shortest(c, 0, i);
    if (m->facts.ends_after_ns == HF_NEVER || outer == NULL) return;
    if (m->facts.ends_after_ns < outer->facts.ends_after_ns) return;
    say(c, "%s \"%s\" (%s) never passes: %s \"%s\" around it ends after %s already", m->kind, m->name,
        show(m->facts.ends_after_ns).text, outer->kind, outer->name, show(outer->facts.ends_after_ns).text);
}

static void check_pauses(struct check *c, const struct member *m, const struct member *outer, uint32_t i) {
    int64_t total = outer->facts.ends_after_ns;
    const struct member *attempt = shortest(c, i + 1, c->count);
    if (m->facts.pauses_ns >= total) {
        say(c,
            "%s \"%s\" cannot make its %u attempts: the waits between them take about %s, and %s \"%s\" ends after %s",
            m->kind, m->name, m->facts.attempts, show(m->facts.pauses_ns).text, outer->kind, outer->name,
            show(total).text);
    } else if (attempt != NULL && attempt->facts.ends_after_ns + m->facts.first_pause_ns >= total) {
        say(c,
            "%s \"%s\" has no time for a second attempt after one that took all of %s \"%s\" (%s): %s \"%s\" ends "
            "after %s",
            m->kind, m->name, attempt->kind, attempt->name, show(attempt->facts.ends_after_ns).text, outer->kind,
            outer->name, show(total).text);
    }
}

static void check_retry(struct check *c, uint32_t i) {
    const struct member *m = &c->member[i], *outer = shortest(c, 0, i), *judge = around(c, i, HF__ROLE_JUDGES);
    const struct member *other = around(c, i, HF__ROLE_REPEATS);
    if (!is(m, HF__ROLE_REPEATS) || m->facts.attempts == 1) return;
    if (outer != NULL) check_pauses(c, m, outer, i);
    if (outer == NULL && m->facts.attempts == HF__UNLIMITED) {
        say(c, "%s \"%s\" never ends: its attempts are unlimited, and there is no timeout around it", m->kind, m->name);
    }
    if (judge != NULL) {
        say(c, "%s \"%s\" is inside %s \"%s\", which sees one result for all its attempts: put it outside", m->kind,
            m->name, judge->kind, judge->name);
    }
    if (other != NULL) {
        say(c, "%s \"%s\" is inside %s \"%s\": their attempts multiply when the dependency is down", m->kind, m->name,
            other->kind, other->name);
    }
}

static void check_holder(struct check *c, uint32_t i) {
    const struct member *m = &c->member[i];
    for (uint32_t j = i + 1; is(m, HF__ROLE_HOLDS) && j < c->count; j++) {
        const struct member *inner = &c->member[j];
        if (is(inner, HF__ROLE_REPEATS) && inner->facts.attempts > 1) {
            say(c, "%s \"%s\" is outside %s \"%s\": its slot stays taken while a retry waits for its next attempt",
                m->kind, m->name, inner->kind, inner->name);
        }
        if (inner->facts.line_ns > 0) {
            say(c, "%s \"%s\" is outside %s \"%s\": its slot stays taken while a call waits there", m->kind, m->name,
                inner->kind, inner->name);
        }
    }
}

static void check_line(struct check *c, uint32_t i) {
    const struct member *m = &c->member[i], *outer = shortest(c, 0, i), *retry = around(c, i, HF__ROLE_REPEATS);
    if (m->facts.line_ns == 0 || outer == NULL) return;
    if (is(m, HF__ROLE_HOLDS) && m->facts.line_ns >= outer->facts.ends_after_ns) {
        say(c, "%s \"%s\" lets calls wait %s for a slot, and %s \"%s\" around it ends after %s: they time out in line",
            m->kind, m->name, show(m->facts.line_ns).text, outer->kind, outer->name,
            show(outer->facts.ends_after_ns).text);
        return;
    }
    const struct member *attempt = retry == NULL ? NULL : shortest(c, (uint32_t)(retry - c->member) + 1, i);
    if (attempt == NULL) return;
    say(c, "%s \"%s\" is inside %s \"%s\": the time that an attempt waits for its turn is taken from its own", m->kind,
        m->name, attempt->kind, attempt->name);
}

static void check_fork(struct check *c, uint32_t i) {
    const struct member *m = &c->member[i], *ends = shortest(c, 0, c->count), *judge = around(c, i, HF__ROLE_JUDGES);
    if (!is(m, HF__ROLE_FORKS)) return;
    if (ends != NULL && m->facts.fork_after_ns != HF_NEVER && m->facts.fork_after_ns >= ends->facts.ends_after_ns) {
        say(c, "%s \"%s\" never starts a second attempt: it would after %s, and %s \"%s\" ends after %s", m->kind,
            m->name, show(m->facts.fork_after_ns).text, ends->kind, ends->name, show(ends->facts.ends_after_ns).text);
    }
    if (judge != NULL) {
        say(c, "%s \"%s\" is inside %s \"%s\", which sees one result for both attempts: put it outside", m->kind,
            m->name, judge->kind, judge->name);
    }
    for (uint32_t j = i + 1; j < c->count; j++) {
        const struct member *inner = &c->member[j];
        if (!is(inner, HF__ROLE_REPEATS) || inner->facts.attempts == 1) continue;
        say(c, "%s \"%s\" is outside %s \"%s\", whose attempts are all made twice: put it inside", m->kind, m->name,
            inner->kind, inner->name);
    }
}

static void check_judge(struct check *c, uint32_t i) {
    const struct member *m = &c->member[i], *inner = shortest(c, i + 1, c->count);
    const struct member *longest = inner != NULL ? inner : shortest(c, 0, i);
    if (!is(m, HF__ROLE_JUDGES) || longest == NULL) return;
    int64_t ends = longest->facts.ends_after_ns;
    if (m->facts.window_ns != HF_NEVER && m->facts.window_ns / 2 < ends) {
        say(c,
            "%s \"%s\" looks back %s, less than twice %s \"%s\" (%s): results of a dependency that hangs come too late "
            "to meet",
            m->kind, m->name, show(m->facts.window_ns).text, longest->kind, longest->name, show(ends).text);
    }
    if (m->facts.lease_ns <= ends) {
        say(c, "%s \"%s\" gives a probe %s, and %s \"%s\" gives it %s: a slow success comes too late to count", m->kind,
            m->name, show(m->facts.lease_ns).text, longest->kind, longest->name, show(ends).text);
    }
    if (m->facts.slow_ns != HF_NEVER && m->facts.slow_ns >= ends) {
        say(c, "%s \"%s\" calls slow what takes %s, and %s \"%s\" ends it after %s: nothing is slow in time", m->kind,
            m->name, show(m->facts.slow_ns).text, longest->kind, longest->name, show(ends).text);
    }
}

static void check_fallback(struct check *c, uint32_t i) {
    const struct member *m = &c->member[i];
    if (!is(m, HF__ROLE_ANSWERS)) return;
    for (uint32_t j = i; j-- > 0;) {
        const struct member *outer = &c->member[j];
        if (is(outer, HF__ROLE_ANSWERS)) continue;
        say(c,
            "%s \"%s\" is inside %s \"%s\", which takes its answer for a success and gets none when it ends the call "
            "itself",
            m->kind, m->name, outer->kind, outer->name);
        return;
    }
}

static void check_whole(struct check *c) {
    if (c->count > 0 && shortest(c, 0, c->count) == NULL) {
        say(c, "nothing limits the time of a call: a dependency that hangs holds its callers as long as it likes");
    }
}

size_t hf_pipeline_check(const hf_pipeline *pipeline, hf_pipeline_warning *warn, void *arg) {
    struct check c = {.count = pipeline->count, .warn = warn, .arg = arg};
    for (uint32_t i = 0; i < c.count; i++) {
        const hf_policy *policy = pipeline->policies[i];
        struct member *m = &c.member[i];
        m->kind = policy->ops->kind;
        m->name = policy->name;
        m->facts = HF__NO_FACTS;
        if (policy->ops->tell != NULL) policy->ops->tell(policy, &m->facts);
    }
    check_whole(&c);
    for (uint32_t i = 0; i < c.count; i++) {
        check_fallback(&c, i);
        check_timeout(&c, i);
        check_retry(&c, i);
        check_fork(&c, i);
        check_holder(&c, i);
        check_line(&c, i);
        check_judge(&c, i);
    }
    return c.warnings;
}
