/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_KILL_WORLD_H
#define HF_TESTS_KILL_WORLD_H

/* What the killer and its workers share beside the region that is under test: memory that tells, after a death, what
 * the dead was doing. */

#include <holdfast/holdfast.h>

#include <stdatomic.h>

#define WORKERS 8
#define SLOTS 4
#define PROBES 2
#define LEASE_MS 25
#define RATE_BURST 50
#define RATE_PER_SECOND 5000

/* Where a worker is, in its own page, read after its death. */
enum place {
    PLACE_OUTSIDE = 0,
    PLACE_LIBRARY = 1, /* inside a call of the library, and holding nothing that it knows of */
    PLACE_HOLDING = 2  /* between take and put of a slot */
};

struct desk {
    _Alignas(4096) _Atomic uint32_t place;
    _Atomic uint32_t idle; /* it has seen `paused`, and touches nothing */
    _Atomic uint64_t calls;
};

struct world {
    struct desk desk[WORKERS];
    /* Who holds a slot, a bit for each worker, and from bit 32 on who is about to be killed. One word, so that who
     * comes in sees exactly who else is in. */
    _Alignas(64) _Atomic uint64_t holders;
    _Atomic uint32_t most; /* held at once by workers that lived */
    _Atomic uint32_t paused;
    _Atomic uint32_t ill; /* the dependency fails now and then */
    _Atomic uint64_t granted, turned_back, permits;
    _Atomic uint32_t violations;
    char violation[200]; /* the first */
};

/* One process's policies in the region; `name` in `directory`, or for children what their parent had. */
struct house {
    hf_region *region;
    hf_bulkhead *bulkhead;
    hf_breaker *breaker;
    hf_rate_limit *limit;
    hf_budget *budget;
    hf_retry *retry;
    hf_pipeline *slots, *guarded, *whole; /* bulkhead; breaker; retry(limit(bulkhead(breaker))) */
};

/* Attaches to the region in `directory` and makes the policies; false with a violation noted. */
bool house_make(struct house *house, const char *directory, struct world *world);
void house_drop(struct house *house);

/* Notes that a rule was broken. Any process, any number of times: the first text is kept. */
void violate(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Works until it is killed. Returns, for the process to end, when something is wrong. */
void work_for_ever(struct world *world, struct house *house, uint32_t index, uint64_t seed);

/* Everybody stands still and nobody was killed lately: every slot must be there, and the breaker must close. */
void check_quiet(struct world *world, struct house *house);

/* Nobody is left: limits held over the whole run of `ns`, and all comes back. */
void check_end(struct world *world, struct house *house, int64_t ns);

void nap_us(uint64_t us);

#endif
