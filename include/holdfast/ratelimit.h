/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_RATELIMIT_H
#define HOLDFAST_RATELIMIT_H

/* Rate limit: at most so many calls in a time, with a burst. Use it to keep to a quota that the other side
 * gave you, to share what you offer fairly among users, or to bound what a loop may do. It does not know
 * whether the dependency is well (breaker, concurrency limit) and does not bound what is in flight at once
 * (bulkhead).
 *
 * The rule (GCRA): permits come back one by one, `period / permits` apart, up to `burst`. In any time T at most
 * burst + T * permits / period are used. There is no window at whose edge twice as much could pass.
 *
 *     hf_rate_limit_config config;
 *     hf_rate_limit_config_init(&config);
 *     config.tiers = 2;
 *     config.tier[0] = (hf_rate_tier){.permits = 10, .burst = 20, .period_ms = 1000};
 *     config.tier[1] = (hf_rate_tier){.permits = 1000, .burst = 100, .period_ms = 3600000};
 *     config.max_wait_ms = 200;
 *     hf_rate_limit *limit;
 *     int rc = hf_rate_limit_new(&limit, "partner quota", &config, &error);
 *
 * All tiers are taken in one decision or none is. As a member of a pipeline it takes the call's `weight`, waits
 * at most max_wait_ms, gives back the permit of a call that a
 * policy further in turned back, and drains itself when the dependency
 * says 429. Place it inside the retry, so that every attempt takes its permit.
 *
 * With `max_keys` there is a limit for each key (a user, an address, a host: the call's `key`). Memory is
 * bounded: the key that was used least recently makes room, and starts anew when it comes back. Keys are
 * kept as 64 bits of SipHash under a random secret, so that nobody can choose keys that collide; that two keys of
 * a million share a limit has a chance of 1 in 37 million.
 */

#include <holdfast/error.h>
#include <holdfast/region.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_rate_limit hf_rate_limit;

#define HF_RATE_TIERS_MAX 4
#define HF_RATE_PERMITS_MAX 10000000 /* a second */
#define HF_RATE_BURST_MAX 100000
#define HF_RATE_KEYS_MAX 16777216
#define HF_RATE_PHASE_RANDOM UINT32_C(0xffffffff)

/* One rate: `permits` in each `period_ms`, `burst` at once. burst * period / permits, the time in which an empty
 * bucket fills, is at most 31 days. */
typedef struct hf_rate_tier {
    uint32_t permits;  /* Default 0, which is refused: no rate suits all. 1 to 10000000 a second. */
    uint32_t burst;    /* Default 1: evenly spaced. 1 to 100000. */
    int64_t period_ms; /* Default 1000. 1 to 86400000 (a day). */
} hf_rate_tier;

/* What hf_rate_limit_config.on_evict is told: a key made room for another. */
typedef struct hf_rate_eviction {
    uint32_t struct_size;
    uint32_t reserved;
    const char *limit;    /* the name of the limit */
    const char *for_key;  /* the key that needed the room */
    int64_t forgotten_ns; /* after this long the key that went would have been like a new one; 0: nothing was lost.
                             Often above 0: max_keys is too small, or somebody makes up keys. */
    uint64_t evictions;   /* since the limit was made */
} hf_rate_eviction;

typedef void hf_rate_on_evict(void *arg, const hf_rate_eviction *event);

typedef struct hf_rate_limit_config {
    uint32_t struct_size; /* set by hf_rate_limit_config_init */
    uint32_t tiers;       /* how many of `tier` count. Default 1. 1 to 4. */
    hf_rate_tier tier[HF_RATE_TIERS_MAX];
    int64_t max_wait_ms;         /* how long a call may wait for its permit; what would take longer, or pass the
                                    call's deadline, is turned back at once. Default 0. 0 to 86400000 (a day). */
    uint32_t drain_on_throttled; /* 1: when the dependency says 429, no permit before its hint has passed, and no
                                    burst then. Default 1. 0 or 1. */
    uint32_t phase_ppm;          /* how much of an interval the refill of this instance is shifted by its first
                                    call, so that instances started together do not call in step.
                                    Default 0. 0 to 1000000, or HF_RATE_PHASE_RANDOM. */
    uint32_t max_keys;           /* 0: one limit for all. Otherwise a limit for each key, this many kept.
                                    Default 0. 0 to 16777216. */
    uint32_t reserved;           /* 0 */
    hf_rate_on_evict *on_evict;  /* called with no lock held by the thread that needed the room. Default NULL. */
    void *on_evict_arg;          /* Default NULL. */
    hf_region *region;           /* memory shared by processes in which the limit lives, under its name; all must
                                    configure it alike, and without keys. Kept by reference.
                                    Default NULL: memory of this process. */
} hf_rate_limit_config;

/* What hf_rate_limit_take gives. The layout is frozen. */
typedef struct hf_rate_ticket {
    hf_time at;                        /* taken: use the permits at this instant, not before; refused: when asking
                                           again can succeed, HF_NEVER if it cannot (more than the burst) */
    int64_t opaque[HF_RATE_TIERS_MAX]; /* for hf_rate_limit_refund */
    uint32_t weight;
    uint32_t reserved;
} hf_rate_ticket;

/* hf_rate_limit_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_rate_limit_config_init(hf_rate_limit_config *config);

/* hf_rate_limit_new makes a limit with full buckets. `name` and `config` are copied; NULL as `config` is refused,
 * for there is no default rate.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM.
 * Threads:  any thread; may be shared by any number of pipelines.
 * Memory:   one allocation, with keys three, in all 24 to 28 + 8 * tiers bytes a key; given back by
 *           hf_rate_limit_free.
 */
HF_API int hf_rate_limit_new(hf_rate_limit **out_limit, const char *name, const hf_rate_limit_config *config,
                             hf_error *error);

/* hf_rate_limit_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_rate_limit_free(hf_rate_limit *limit);

/* hf_rate_limit_policy is the limit as a member of a pipeline. Owned by the limit.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_rate_limit_policy(hf_rate_limit *limit);

/* hf_rate_limit_take takes `weight` permits of every tier, for programs that need no pipeline. With `max_wait_ns`
 * above 0 (up to a day) it may promise them for a later instant: wait until `out_ticket->at`, then go on. Promises are kept in
 * the order they were made.
 *
 *     hf_rate_ticket ticket;
 *     if (hf_rate_limit_take(limit, &ticket, user, 1, 0, now()) == HF_E_REJECTED) return too_many(ticket.at);
 *
 * `key` is NULL, or ignored, where there is one limit for all.
 *
 * Returns 0 or HF_E_REJECTED.
 * Errors:   HF_E_INVALID (weight above HF_WEIGHT_MAX).
 * Threads:  any thread; lock-free for one limit; with keys one short lock of several, never held over on_evict.
 * Memory:   allocates nothing.
 */
HF_API int hf_rate_limit_take(hf_rate_limit *limit, hf_rate_ticket *out_ticket, const char *key, uint32_t weight,
                              int64_t max_wait_ns, hf_time now);

/* hf_rate_limit_refund gives back permits that were not used after all: at most once for a ticket. It can as long as
 * nobody has taken since, and returns whether it did; what lies under the permits of others stays taken, for they were
 * told their instants (docs/design/ratelimit.md).
 * Threads: as hf_rate_limit_take. */
HF_API bool hf_rate_limit_refund(hf_rate_limit *limit, const hf_rate_ticket *ticket, const char *key, hf_time now);

/* hf_rate_limit_drain gives no permit before `until`, at most a day from `now`, and no burst then: for a 429 that arrived some other way.
 * Threads: as hf_rate_limit_take. */
HF_API void hf_rate_limit_drain(hf_rate_limit *limit, const char *key, hf_time until, hf_time now);

/* hf_rate_limit_set changes the rate of tier `index` while calls go on. An empty bucket stays empty and a full one
 * full, each key its own; a decision made in the same instant may still follow the old rate.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range).
 * Threads:  any thread; never blocks; with keys it walks all of them, one short lock at a time.
 */
HF_API int hf_rate_limit_set(hf_rate_limit *limit, uint32_t index, const hf_rate_tier *tier, hf_time now,
                             hf_error *error);

/* hf_rate_limit_available returns how many permits `key` could take at once at `now`: the least of all tiers, below 0
 * when more are promised than there are. Changes nothing; a key that is not known has the whole burst.
 * Threads: as hf_rate_limit_take. */
HF_API int64_t hf_rate_limit_available(const hf_rate_limit *limit, const char *key, hf_time now);

/* hf_rate_limit_rejected returns how often permits were refused since it was made; hf_rate_limit_evictions how many
 * keys made room for others; hf_rate_limit_keys how many are kept now.
 * Threads: any thread; never blocks. */
HF_API uint64_t hf_rate_limit_rejected(const hf_rate_limit *limit);
HF_API uint64_t hf_rate_limit_evictions(const hf_rate_limit *limit);
HF_API uint32_t hf_rate_limit_keys(const hf_rate_limit *limit);

#ifdef __cplusplus
}
#endif
#endif
