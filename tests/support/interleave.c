/* SPDX-License-Identifier: MIT */
#include "support/interleave.h"

#include "support/stepper.h"

#include <string.h>
#include <ucontext.h>

#define STACK_BYTES (256 * 1024)
#define CHOICES 4096

static struct {
    const struct interleave *plan;
    bool running; /* outside of a run a step is nothing */
    int current;  /* actor; -1: the loop that runs them */
    bool over[INTERLEAVE_ACTORS];
    int preemptions;
    int steps_of_first, dies_at; /* before its step of this number */
    bool died;
    struct {
        int taken, options;
    } choices[CHOICES];
    int depth, known; /* choices made in this run; those that are given */
    ucontext_t loop, actor[INTERLEAVE_ACTORS];
} s;
static char stacks[INTERLEAVE_ACTORS][STACK_BYTES];

static int choose(int options) {
    if (options == 1) return 0;
    STEPPER_MUST(s.depth < CHOICES);
    if (s.depth == s.known) {
        s.choices[s.known].taken = 0;
        s.choices[s.known++].options = options;
    }
    STEPPER_MUST(s.choices[s.depth].options == options); /* or the run does not depend on its choices alone */
    return s.choices[s.depth++].taken;
}

static void go_to(int next) {
    int from = s.current;
    s.current = next;
    ucontext_t *here = from < 0 ? &s.loop : &s.actor[from], *there = next < 0 ? &s.loop : &s.actor[next];
    STEPPER_MUST(swapcontext(here, there) == 0);
}

/* The n-th actor that is not over and not the current one; -1 when there is none. */
static int other(int n) {
    for (int i = 0; i < s.plan->actors; i++) {
        if (i != s.current && !s.over[i] && n-- == 0) return i;
    }
    return -1;
}

static int others(void) {
    int found = 0;
    while (other(found) >= 0) found++;
    return found;
}

static void leave(void) {
    s.over[s.current] = true;
    int left = others();
    go_to(left == 0 ? -1 : other(choose(left)));
}

void interleave_step(void) {
    if (!s.running || s.current < 0) return;
    if (s.current == 0 && s.plan->first_dies && s.steps_of_first++ == s.dies_at) {
        s.died = true;
        leave(); /* for ever */
    }
    int options = s.preemptions > 0 ? 1 + others() : 1;
    int taken = choose(options);
    if (taken == 0) return;
    s.preemptions--;
    go_to(other(taken - 1));
}

static void actor_main(int actor) {
    s.plan->act(s.plan->arg, actor);
    leave();
}

static void run(void) {
    memset(s.over, 0, sizeof s.over);
    s.depth = 0;
    s.died = false;
    s.steps_of_first = 0;
    s.preemptions = s.plan->preemptions;
    s.plan->reset(s.plan->arg);
    for (int i = 0; i < s.plan->actors; i++) {
        STEPPER_MUST(getcontext(&s.actor[i]) == 0);
        s.actor[i].uc_stack.ss_sp = stacks[i];
        s.actor[i].uc_stack.ss_size = STACK_BYTES;
        s.actor[i].uc_link = NULL;
        makecontext(&s.actor[i], (void (*)(void))actor_main, 1, i);
    }
    s.running = true;
    s.current = -1;
    go_to(choose(s.plan->actors)); /* `other` counts from the loop: all actors */
    s.running = false;
    s.plan->check(s.plan->arg, s.died);
}

/* The next list of choices; false when there is no other. */
static bool next_order(void) {
    while (s.known > 0 && s.choices[s.known - 1].taken + 1 == s.choices[s.known - 1].options) s.known--;
    if (s.known == 0) return false;
    s.choices[s.known - 1].taken++;
    return true;
}

long interleave_all(const struct interleave *plan) {
    long runs = 0;
    s.plan = plan;
    s.dies_at = plan->first_dies ? 0 : -1;
    for (;;) {
        bool died_once = false;
        s.known = 0;
        do {
            run();
            died_once = died_once || s.died;
            runs++;
        } while (next_order());
        if (!plan->first_dies || !died_once) return runs; /* no order has so many steps */
        s.dies_at++;
    }
}
