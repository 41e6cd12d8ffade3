/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_INTERLEAVE_H
#define HF_TESTS_SUPPORT_INTERLEAVE_H

/* Runs two or three actors in every order of their steps, up to a number of preemptions: a step is one access
 * to a shared word. A file is tested as it stands by including it below this header: its atomics are then
 * steps. An order is a list of choices; after each run the last choice that has another option takes it, so that
 * all orders come, each once (Musuvathi and Qadeer, "Iterative context bounding", 2007: most errors need two
 * preemptions). Sequentially consistent: what the memory order allows beyond that is for the argument in the
 * code and for the thread sanitizer.
 *
 * In `dies` mode the first actor stops for ever before one of its steps, before each in turn. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define INTERLEAVE_ACTORS 3

struct interleave {
    int actors;
    int preemptions; /* at most so many in one run */
    bool first_dies;
    void (*reset)(void *arg);            /* before each run */
    void (*act)(void *arg, int actor);   /* what an actor does */
    void (*check)(void *arg, bool died); /* after each run; `died`: the first actor did not come to its end */
    void *arg;
};

/* Returns the number of runs. */
long interleave_all(const struct interleave *plan);

/* The step: called before each access to a shared word. */
void interleave_step(void);

static inline uint64_t interleave_load(const _Atomic uint64_t *word) { return atomic_load(word); }
static inline int64_t interleave_load_signed(const _Atomic int64_t *word) { return atomic_load(word); }
static inline void interleave_store(_Atomic uint64_t *word, uint64_t value) { atomic_store(word, value); }
static inline void interleave_store_signed(_Atomic int64_t *word, int64_t value) { atomic_store(word, value); }
static inline uint32_t interleave_load_narrow(const _Atomic uint32_t *word) { return atomic_load(word); }
static inline bool interleave_exchange(_Atomic uint64_t *word, uint64_t *seen, uint64_t value) {
    return atomic_compare_exchange_strong(word, seen, value);
}
static inline uint64_t interleave_add(_Atomic uint64_t *word, uint64_t value) { return atomic_fetch_add(word, value); }

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_add
#define INTERLEAVE_LOAD(word) \
    _Generic((word), const _Atomic int64_t *: interleave_load_signed, _Atomic int64_t *: interleave_load_signed, \
             const _Atomic uint32_t *: interleave_load_narrow, _Atomic uint32_t *: interleave_load_narrow, \
             default: interleave_load)
#define INTERLEAVE_STORE(word) _Generic((word), _Atomic int64_t * : interleave_store_signed, default : interleave_store)
#define atomic_load(word) (interleave_step(), INTERLEAVE_LOAD(word)(word))
#define atomic_load_explicit(word, order) (interleave_step(), INTERLEAVE_LOAD(word)(word))
#define atomic_store(word, value) (interleave_step(), INTERLEAVE_STORE(word)(word, value))
#define atomic_store_explicit(word, value, order) (interleave_step(), INTERLEAVE_STORE(word)(word, value))
#define atomic_compare_exchange_strong(word, seen, value) (interleave_step(), interleave_exchange(word, seen, value))
#define atomic_compare_exchange_strong_explicit(word, seen, value, yes, no) \
    (interleave_step(), interleave_exchange(word, seen, value))
#define atomic_compare_exchange_weak(word, seen, value) (interleave_step(), interleave_exchange(word, seen, value))
#define atomic_compare_exchange_weak_explicit(word, seen, value, yes, no) \
    (interleave_step(), interleave_exchange(word, seen, value))
#define atomic_fetch_add_explicit(word, value, order) (interleave_step(), interleave_add(word, value))

#define atomic_fetch_add(word, value) (interleave_step(), interleave_add(word, value))

#endif
