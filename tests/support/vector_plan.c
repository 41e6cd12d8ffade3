/* SPDX-License-Identifier: MIT */
#include "support/vector_plan.h"

#include "support/vector_value.h"
#include "support/vector_world.h"

#include <string.h>

#define UNKNOWN_KIND 99

static bool set_kind(char letter, struct vector_attempt *out) {
    out->kind = letter;
    switch (letter) {
    case 'S': out->outcome = hf_success(); return true;
    case 'F': out->outcome = hf_failure(0); return true;
    case 'T': out->outcome = hf_throttled(0, 0); return true;
    case 'X': out->outcome = hf_neutral(0); return true;
    case 's':
    case 'f':
        out->outcome = letter == 's' ? hf_success() : hf_failure(0);
        out->outcome.flags |= HF_SLOW;
        return true;
    case 'U':
        out->outcome = hf_failure(0);
        out->outcome.kind = UNKNOWN_KIND;
        return true;
    case 'W': return true;
    default: return false;
    }
}

/* One modifier whose argument is `text`. */
static bool modify(char what, const char *text, struct vector_attempt *out) {
    int64_t value;
    switch (what) {
    case '@': return vector_duration(text, &out->takes) && out->takes >= 0;
    case '#': return vector_duration(text, &out->cancel_after) && out->cancel_after >= 0;
    case '~': return vector_duration(text, &out->outcome.retry_after_ns);
    case ':':
        if (!vector_number(text, &value)) return false;
        out->outcome.code = (int32_t)value;
        return true;
    case '%':
        if (!vector_number(text, &value)) return false;
        out->outcome.resends = (uint32_t)value;
        return true;
    case '^': out->outcome.flags |= HF_COMMITTED; return *text == '\0';
    case '!': out->outcome.flags &= ~HF_RETRYABLE; return *text == '\0';
    case '&': out->stubborn = true; return *text == '\0';
    default: return false;
    }
}

bool vector_attempt_parse(struct vector_world *w, const char *text, struct vector_attempt *out) {
    static const char marks[] = "@#~:%^!&";
    memset(out, 0, sizeof *out);
    out->cancel_after = HF_NEVER;
    /* K, "cancelled by the caller", is short for a failure whose caller cancels when it would be over. */
    bool cancelled = text[0] == 'K';
    if (!set_kind(cancelled ? 'F' : text[0], out)) {
        return vector_fault(w, "syntax: \"%s\" is no attempt, expected one of S F T X s f U K and modifiers", text);
    }
    for (const char *p = text + 1; *p != '\0';) {
        char argument[64];
        size_t length = strcspn(p + 1, marks);
        if (length >= sizeof argument) return vector_fault(w, "syntax: \"%s\" is no attempt", text);
        memcpy(argument, p + 1, length);
        argument[length] = '\0';
        if (!modify(*p, argument, out)) {
            return vector_fault(w, "syntax: \"%s\": \"%c%s\" is no modifier of an attempt", text, *p, argument);
        }
        p += 1 + length;
    }
    if (cancelled) out->cancel_after = out->takes;
    return true;
}

/* Cuts "*N" off; 1 when there is none. */
static bool take_times(struct vector_world *w, char *item, uint32_t *out) {
    int64_t times = 1;
    char *star = strchr(item, '*');
    if (star != NULL) {
        *star = '\0';
        if (!vector_number(star + 1, &times) || times < 1 || times > 1000000) {
            return vector_fault(w, "syntax: \"%s*%s\": expected a number from 1 to 1000000", item, star + 1);
        }
    }
    *out = (uint32_t)times;
    return true;
}

bool vector_plan_parse(struct vector_world *w, const char *list, struct vector_plan *out) {
    char text[512], *save;
    memset(out, 0, sizeof *out);
    if (strlen(list) >= sizeof text) return vector_fault(w, "syntax: too many attempts");
    memcpy(text, list, strlen(list) + 1);
    for (char *item = strtok_r(text, " ", &save); item != NULL; item = strtok_r(NULL, " ", &save)) {
        if (out->repeats) return vector_fault(w, "syntax: \"%s\" behind \"..\", which comes last", item);
        out->repeats = strcmp(item, "..") == 0;
        if (out->repeats && out->count > 0) continue;
        if (out->count == sizeof out->items / sizeof out->items[0]) return vector_fault(w, "syntax: too many attempts");
        size_t i = out->count++;
        if (!take_times(w, item, &out->times[i]) || !vector_attempt_parse(w, item, &out->items[i])) return false;
    }
    return true;
}

const struct vector_attempt *vector_plan_next(const struct vector_plan *plan) {
    if (plan->at < plan->count) return &plan->items[plan->at];
    return plan->repeats ? &plan->items[plan->count - 1] : NULL;
}

void vector_plan_take(struct vector_plan *plan) {
    if (plan->at < plan->count && --plan->times[plan->at] == 0) plan->at++;
}

bool vector_plan_unfinished(const struct vector_plan *plan) { return plan->at < plan->count; }
