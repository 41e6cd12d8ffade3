/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_VECTOR_WORLD_H
#define HF_TESTS_SUPPORT_VECTOR_WORLD_H

/* The world of one row of a vector table: the policies that its set-up names, built through the public
 * handles, the pipeline over them, a virtual clock, the calls under way, and what was seen of the last
 * one. docs/design/vectors.md describes the language.
 *
 * Every function returns false on a fault and has then written it into `fault`. */

#include "support/stepper.h"
#include "support/vector_plan.h"

#define VECTOR_FACT_MAX 512 /* of a text that a row compares */

/* Calls started together under one letter. */
struct vector_group {
    struct stepper *calls;
    uint32_t count;
};

struct vector_world {
    const char *file; /* of the row */
    int line;
    const char *id;
    const char *token; /* what is being done, for faults */
    char fault[768];
    uint32_t checks; /* expectations that were looked at */

    hf_breaker *breaker; /* NULL where the row has none */
    hf_retry *retry;
    hf_budget *budget; /* of its own, not the retry's */
    hf_bulkhead *bulkhead;
    hf_concurrency *limit;
    hf_rate_limit *rate;
    hf_rate_ticket ticket; /* what was last taken from it */
    hf_hedge *hedge;
    hf_timeout *timeouts[HF_MAX_POLICIES];
    size_t timeout_count;
    hf_fallback *fallbacks[HF_MAX_POLICIES];
    size_t fallback_count;
    hf_policy *order[HF_MAX_POLICIES];
    size_t count;
    hf_pipeline *pipeline;
    hf_backoff_config backoff;
    bool has_backoff;

    hf_time start; /* instants in a row are counted from here */
    hf_time now;
    hf_time call_deadline; /* of every call, counted from its begin; HF_NEVER */
    uint64_t seed;         /* of the next call */
    uint32_t priority;     /* of the calls to come */
    struct vector_group groups[26];

    bool has_result; /* of the last call that ended */
    hf_result result;
    hf_time began_at, ended_at;
    hf_time deadline_at;         /* of its last START, HF_NEVER */
    hf_time second_at;           /* of its second attempt in a race, HF_NEVER */
    uint32_t cancels;            /* CANCEL orders it gave */
    uint32_t wakes;              /* of calls that wait in line, in the row */
    uint32_t runs;               /* fallbacks run in the row */
    bool own_token;              /* hf_run: every attempt was given the caller's own token, not raised */
    struct bench *bench;         /* hf_run: of the call under way */
    char waits[VECTOR_FACT_MAX]; /* between its attempts */

    char events[VECTOR_FACT_MAX]; /* changes of state since they were last asked for */
    hf_breaker_info event_info;   /* of the last */
    uint32_t event_rules;         /* of the last */
    hf_breaker_saved saved;       /* by "save" */
    bool has_saved;
};

/* printf; always false. Puts file, line, row and token in front. */
bool vector_fault(struct vector_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends to a text of VECTOR_FACT_MAX bytes, with a comma between. */
void vector_append(char *list, const char *item);

/* Builds what `setup` says. vector_world_fini is due in either case. */
bool vector_world_init(struct vector_world *w, const char *setup);
bool vector_world_fini(struct vector_world *w);

/* Ends the world and builds another: "new[SET-UP]". */
bool vector_world_renew(struct vector_world *w, const char *setup);

/* The back-off of the next delay: and within: "backoff[kind=linear base=1s]". */
bool vector_set_backoff(struct vector_world *w, const char *keys);

/* "[breaker window=0]": what is in the brackets must be refused (or accepted), and the refusal must name the
 * field of the last key. */
bool vector_check_config(struct vector_world *w, const char *object, bool valid);

/* Plays one whole call whose attempts come to what `list` says, separated by spaces. A list that ends in
 * ".." repeats its last attempt for ever. */
bool vector_play(struct vector_world *w, const char *list);

/* The same through hf_run. */
bool vector_play_blocking(struct vector_world *w, const char *list);

/* The same with attempts that may overlap, for hedges. The caller cancels when the first one says so. */
bool vector_race(struct vector_world *w, const char *list);

/* "take:WEIGHT[,wait=DURATION]=ANSWER": permits of the rate limit, outside of any call. The answer is how long to wait
 * for them, or "no". "refund" gives back what was last taken. */
bool vector_take(struct vector_world *w, const char *arguments);
bool vector_refund(struct vector_world *w);

/* "reset": the adaptive limit begins anew. */
bool vector_reset(struct vector_world *w);

/* Forgets what was seen of the last call. */
void vector_call_begins(struct vector_world *w);

/* One call that must be turned back: "open", "probing@30s". */
bool vector_expect_rejection(struct vector_world *w, const char *what);

/* "a=start", "a=start*100": calls that are left running; "a=wait": in line. "a:VERB": what is done to them. */
bool vector_group_start(struct vector_world *w, char name, hf_step_kind wanted, uint32_t count);
bool vector_group_do(struct vector_world *w, char name, const char *verb);

/* A fact that must be `value`, or less or more than it: `relation` is '=', '<' or '>'. */
bool vector_expect(struct vector_world *w, const char *name, char relation, const char *value);

/* A state of the breaker that must hold; false without a fault when `word` is no state. */
bool vector_is_state(const char *word, hf_breaker_state *out);
bool vector_expect_state(struct vector_world *w, hf_breaker_state state);

/* What is done to the breaker: "set:STATE[=CODE]", "reconfigure[KEYS]", "save", "restore:ELAPSED"; and what it
 * must say of itself: "says[PART OF THE SENTENCE]". */
bool vector_breaker_set(struct vector_world *w, const char *arguments);
bool vector_breaker_reconfigure(struct vector_world *w, char *keys);
bool vector_breaker_save(struct vector_world *w);
bool vector_breaker_restore(struct vector_world *w, const char *elapsed);
bool vector_breaker_says(struct vector_world *w, const char *part);

/* "delay:..." and "within:..." on the row's back-off. */
bool vector_expect_delay(struct vector_world *w, const char *arguments);
bool vector_expect_within(struct vector_world *w, const char *arguments);

/* Runs a script in the world. */
bool vector_script(struct vector_world *w, const char *script);

#endif
