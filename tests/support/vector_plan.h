/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_VECTOR_PLAN_H
#define HF_TESTS_SUPPORT_VECTOR_PLAN_H

/* What the attempts of one call shall come to, as a row writes it: "F@5s:7 T~10s S*3". */

#include <holdfast/types.h>

struct vector_world;

struct vector_attempt {
    hf_outcome outcome;
    char kind;            /* S F T X s f; U: of an unknown kind; W: no attempt, the caller cancels a wait */
    int64_t takes;        /* W: how long after the wait began */
    int64_t cancel_after; /* the caller cancels that long after the start; HF_NEVER: not at all */
    bool stubborn;        /* goes on when told to stop */
};

/* Reads one attempt. False on a fault, which is written into `w`. */
bool vector_attempt_parse(struct vector_world *w, const char *text, struct vector_attempt *out);

struct vector_plan {
    struct vector_attempt items[32];
    uint32_t times[32]; /* how often each is still due */
    size_t count, at;
    bool repeats; /* the list ended in "..": its last attempt is repeated as often as asked */
};

/* Reads a list of attempts separated by spaces; "S*3" is three. An empty list is a call without attempts. */
bool vector_plan_parse(struct vector_world *w, const char *list, struct vector_plan *out);

/* The attempt that is due, or NULL when none is. */
const struct vector_attempt *vector_plan_next(const struct vector_plan *plan);

/* Goes on to the one after it. */
void vector_plan_take(struct vector_plan *plan);

/* Are attempts left that must still come? */
bool vector_plan_unfinished(const struct vector_plan *plan);

#endif
