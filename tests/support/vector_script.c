/* SPDX-License-Identifier: MIT */
/* Runs the script of a row, token by token. */
#include "support/vector_value.h"
#include "support/vector_world.h"

#include <stdio.h>
#include <string.h>

#define TOKEN_MAX 1024
#define REPEAT_MAX 1000000

/* Is it "S", "F@5s", ... rather than a word that begins with the same letter? */
static bool is_attempt(const char *token) {
    if (token[0] == '\0' || strchr("SFTXsfUK", token[0]) == NULL) return false;
    return token[1] == '\0' || strchr("@#~:^!&%*", token[1]) != NULL;
}

/* Splits "TEXT*N" into TEXT and N, 1 when there is no "*N". */
static bool split_repeat(struct vector_world *w, char *token, int64_t *out) {
    char *star = strrchr(token, '*');
    *out = 1;
    if (star == NULL) return true;
    if (!vector_number(star + 1, out) || *out < 1 || *out > REPEAT_MAX) {
        return vector_fault(w, "syntax: behind \"*\": expected a number from 1 to %d", REPEAT_MAX);
    }
    *star = '\0';
    return true;
}

static bool do_attempts(struct vector_world *w, char *token) {
    int64_t times;
    if (!split_repeat(w, token, &times)) return false;
    for (int64_t i = 0; i < times; i++) {
        if (!vector_play(w, token)) return false;
    }
    return true;
}

static bool advance(struct vector_world *w, const char *token) {
    int64_t by;
    if (!vector_duration(token + 1, &by)) return vector_fault(w, "syntax: expected a duration");
    if (*token == '-') w->now -= by;
    else w->now = by > HF_NEVER - w->now ? HF_NEVER : w->now + by;
    return true;
}

static bool do_resize(struct vector_world *w, const char *arguments) {
    int64_t slots = -1;
    if (w->bulkhead == NULL || !vector_number(arguments, &slots)) {
        return vector_fault(w, "syntax: expected a bulkhead in the set-up, and resize:NUMBER");
    }
    int rc = hf_bulkhead_resize(w->bulkhead, (uint32_t)slots);
    return rc == 0 || vector_fault(w, "resize: found %s", hf_errname(rc));
}

static bool do_max_wait(struct vector_world *w, const char *arguments) {
    int64_t wait;
    if (w->bulkhead == NULL || !vector_duration(arguments, &wait)) {
        return vector_fault(w, "syntax: expected a bulkhead in the set-up, and max_wait:DURATION");
    }
    int rc = hf_bulkhead_set_max_wait(w->bulkhead, wait == HF_NEVER ? HF_NEVER : wait / HF_MILLISECOND);
    return rc == 0 || vector_fault(w, "max_wait: found %s", hf_errname(rc));
}

static bool do_priority(struct vector_world *w, const char *arguments) {
    int64_t priority;
    if (!vector_number(arguments, &priority) || priority < 0 || priority >= HF_PRIORITIES) {
        return vector_fault(w, "syntax: expected priority:NUMBER, 0 to %d", HF_PRIORITIES - 1);
    }
    w->priority = (uint32_t)priority;
    return true;
}

/* "a=start", "a=start*100", "a=wait", "a:VERB". */
static bool do_group(struct vector_world *w, char *token) {
    if (token[0] == 'f' || token[0] == 's') return vector_fault(w, "syntax: no call can be named %c", token[0]);
    if (token[1] == ':') return vector_group_do(w, token[0], token + 2);
    int64_t count;
    if (!split_repeat(w, token, &count)) return false;
    bool waits = strcmp(token + 2, "wait") == 0;
    if (!waits && strcmp(token + 2, "start") != 0) {
        return vector_fault(w, "syntax: a call is started with %c=start or %c=wait", token[0], token[0]);
    }
    return vector_group_start(w, token[0], waits ? HF_STEP_WAIT : HF_STEP_START, (uint32_t)count);
}

/* The text between brackets behind `prefix`, or NULL. */
static char *bracketed(char *token, const char *prefix) {
    size_t length = strlen(token), before = strlen(prefix);
    if (strncmp(token, prefix, before) != 0 || length < before + 2) return NULL;
    if (token[before] != '[' || token[length - 1] != ']') return NULL;
    token[length - 1] = '\0';
    return token + before + 1;
}

/* Words with something behind them; `*out_known` says whether it was one. */
static bool do_word(struct vector_world *w, char *token, bool *out_known) {
    char *inner;
    *out_known = true;
    if ((inner = bracketed(token, "call")) != NULL) return vector_play(w, inner);
    if ((inner = bracketed(token, "run")) != NULL) return vector_play_blocking(w, inner);
    if ((inner = bracketed(token, "race")) != NULL) return vector_race(w, inner);
    if ((inner = bracketed(token, "new")) != NULL) return vector_world_renew(w, inner);
    if ((inner = bracketed(token, "backoff")) != NULL) return vector_set_backoff(w, inner);
    if ((inner = bracketed(token, "invalid")) != NULL) return vector_check_config(w, inner, false);
    if ((inner = bracketed(token, "valid")) != NULL) return vector_check_config(w, inner, true);
    if ((inner = bracketed(token, "reconfigure")) != NULL) return vector_breaker_reconfigure(w, inner);
    if ((inner = bracketed(token, "says")) != NULL) return vector_breaker_says(w, inner);
    if (strcmp(token, "save") == 0) return vector_breaker_save(w);
    if (strncmp(token, "restore:", 8) == 0) return vector_breaker_restore(w, token + 8);
    if (strncmp(token, "take:", 5) == 0) return vector_take(w, token + 5);
    if (strcmp(token, "refund") == 0) return vector_refund(w);
    if (strcmp(token, "reset") == 0) return vector_reset(w);
    if (strncmp(token, "reject:", 7) == 0) return vector_expect_rejection(w, token + 7);
    if (strncmp(token, "set:", 4) == 0) return vector_breaker_set(w, token + 4);
    if (strncmp(token, "resize:", 7) == 0) return do_resize(w, token + 7);
    if (strncmp(token, "priority:", 9) == 0) return do_priority(w, token + 9);
    if (strncmp(token, "max_wait:", 9) == 0) return do_max_wait(w, token + 9);
    if (strncmp(token, "delay:", 6) == 0) return vector_expect_delay(w, token + 6);
    if (strncmp(token, "within:", 7) == 0) return vector_expect_within(w, token + 7);
    *out_known = false;
    return true;
}

static bool do_token(struct vector_world *w, char *token) {
    bool known;
    hf_breaker_state state;
    if (strcmp(token, "=>") == 0) return true; /* for the reader */
    if (is_attempt(token)) return do_attempts(w, token);
    if ((token[0] == '+' || token[0] == '-') && token[1] != '\0') return advance(w, token);
    if (token[0] >= 'a' && token[0] <= 'z' && (token[1] == ':' || token[1] == '=')) return do_group(w, token);
    bool fine = do_word(w, token, &known);
    if (known) return fine;
    if (vector_is_state(token, &state)) return vector_expect_state(w, state);
    char *relation = strpbrk(token, "=<>");
    if (relation == NULL) {
        return vector_fault(w, "syntax: expected a call, a step in time, a command, a state or FACT=VALUE");
    }
    char sign = *relation;
    *relation = '\0';
    return vector_expect(w, token, sign, relation + 1);
}

/* Takes one token: text up to a space outside of brackets, or a group in parentheses with its "*N". */
static bool take(struct vector_world *w, const char **script, char *token) {
    const char *p = *script + strspn(*script, " ");
    size_t length = 0;
    int depth = 0;
    for (; p[length] != '\0' && (depth > 0 || p[length] != ' '); length++) {
        depth += p[length] == '(' || p[length] == '[';
        depth -= p[length] == ')' || p[length] == ']';
    }
    if (length >= TOKEN_MAX) {
        w->token = NULL;
        return vector_fault(w, "syntax: a token is too long");
    }
    memcpy(token, p, length);
    token[length] = '\0';
    *script = p + length;
    if (depth == 0) return true;
    w->token = NULL;
    return vector_fault(w, "syntax: brackets do not match in \"%s\"", token);
}

static bool run_token(struct vector_world *w, const char *token) {
    char copy[TOKEN_MAX]; /* taken apart while it runs; `token` stays for the fault */
    memcpy(copy, token, strlen(token) + 1);
    w->token = token;
    return do_token(w, copy);
}

/* A group holds no group, so this does not go deeper than two. */
static bool run_flat(struct vector_world *w, const char *script) {
    char token[TOKEN_MAX];
    for (;;) {
        if (!take(w, &script, token)) return false;
        if (token[0] == '\0') return true;
        if (token[0] == '(') return vector_fault(w, "syntax: a group within a group");
        if (!run_token(w, token)) return false;
    }
}

static bool run_group(struct vector_world *w, char *token) {
    int64_t times;
    w->token = NULL;
    if (!split_repeat(w, token, &times)) return false;
    size_t length = strlen(token);
    if (token[length - 1] != ')') return vector_fault(w, "syntax: a group is ( ... )*N");
    token[length - 1] = '\0';
    for (int64_t i = 0; i < times; i++) {
        if (!run_flat(w, token + 1)) return false;
    }
    return true;
}

bool vector_script(struct vector_world *w, const char *script) {
    char token[TOKEN_MAX];
    for (;;) {
        if (!take(w, &script, token)) return false;
        if (token[0] == '\0') break;
        if (token[0] == '(' ? !run_group(w, token) : !run_token(w, token)) return false;
    }
    w->token = NULL;
    return w->checks > 0 || vector_fault(w, "syntax: the row expects nothing");
}
