/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_POOL_H
#define HOLDFAST_POOL_H

/* Thread pool: protects functions that cannot be stopped and do not honour a deadline (a vendor's client library,
 * a blocking read without a timeout). They run on threads of the pool; the caller waits, and is released at its
 * deadline while the function runs on. A hanging dependency then takes the threads of its pool, never those
 * of the program: a pool for each dependency is a bulkhead.
 *
 * The price is what an abandoned function may still touch. So the operation gets `work.arg`, which it only reads
 * and which all attempts share, and an `output` of its own for each attempt; the winner's is copied to the caller.
 * `destroy` gives `arg` back, once, when neither the caller nor any function uses it any more: maybe long after
 * hf_pool_run has returned. Neither may point into the caller's stack.
 *
 *     static hf_outcome look_up(const void *arg, void *output, const hf_attempt *attempt) {
 *         const struct order *order = arg;
 *         int cents = bank_charge((struct order *)order, hf_attempt_remaining_ns(attempt) / HF_MILLISECOND);
 *         memcpy(output, &cents, sizeof cents);
 *         return cents >= 0 ? hf_success() : hf_failure(cents);
 *     }
 *
 * Rules:
 * - What is past its deadline never starts. An attempt that waits for a thread when its call ends never runs.
 * - An abandoned function keeps its thread, and what its admission holds (a bulkhead's slot), until it ends.
 * - It is told through hf_attempt_cancelled; one that looks now and then ends soon.
 * - When all threads are busy and the queue is full a call is turned back at once (HF_REASON_POOL_FULL).
 * - A pipeline with a hedge is fine: two attempts run on two threads.
 */

#include <holdfast/error.h>
#include <holdfast/pipeline.h>
#include <holdfast/run.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_pool hf_pool;

#define HF_POOL_OUTPUT_MAX 65536

typedef struct hf_pool_config {
    uint32_t struct_size;  /* set by hf_pool_config_init */
    uint32_t core_threads; /* started at once and kept. Default 2. 0 to 1024. */
    uint32_t max_threads;  /* Default 16. 1 to 1024, and not below core_threads. */
    uint32_t queue;        /* attempts that wait for a thread; they do only when all max_threads are busy. Default 64.
                              0 to 100000. */
    int64_t idle_ms;       /* a thread beyond core_threads ends after so long without work. Default 10000. 1 to
                              86400000. */
    uint32_t output_bytes; /* the largest output of an attempt. Default 256. 0 to 65536. */
    uint32_t reserved;     /* 0 */
} hf_pool_config;

/* An operation for a pool. It may run on after its call has ended: it reads `arg`, and writes to nothing of the
 * caller's but `output`, which has the size that the call asked for and is zeroed. */
typedef hf_outcome hf_pool_operation(const void *arg, void *output, const hf_attempt *attempt);

/* What hf_pool_run runs. */
typedef struct hf_pool_work {
    uint32_t struct_size;         /* set by hf_pool_work_init */
    uint32_t once;                /* 1: must not be done twice at once: not hedged. Default 0. 0 or 1. */
    hf_pool_operation *operation; /* Default NULL: must be set. */
    void *arg;                    /* for the operation, which does not change it. Default NULL. */
    void (*destroy)(void *arg);   /* called once when nothing uses `arg` any more, on any thread, with no lock held.
                                     Default NULL: `arg` lives until the pool is free. */
    void *out_output;             /* receives the winner's output when the call succeeds; also the argument of
                                     fallbacks, which run on the calling thread. Default NULL. */
    uint32_t output_size;         /* Default 0. 0 to the pool's output_bytes. */
    uint32_t reserved;            /* 0 */
} hf_pool_work;

typedef struct hf_pool_info {
    uint32_t struct_size; /* set by the caller to sizeof(hf_pool_info) */
    uint32_t threads;     /* running */
    uint32_t busy;        /* of these, in an operation */
    uint32_t abandoned;   /* of these, in one whose caller has gone on */
    uint32_t queued;      /* attempts that wait for a thread */
    uint32_t reserved;
    uint64_t started;         /* operations since it was made */
    uint64_t abandoned_total; /* of these, abandoned */
    uint64_t refused;         /* turned back: no thread and no place in the queue */
    uint64_t expired;         /* never started, since their time was over first */
} hf_pool_info;

/* hf_pool_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_pool_config_init(hf_pool_config *config);

/* hf_pool_work_init fills `work` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_pool_work_init(hf_pool_work *work);

/* hf_pool_new makes a pool and starts its core threads, which bear the first 15 bytes of `name` and mask every
 * signal. `config` NULL means all defaults. Both are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM, HF_E_SYSTEM (no threads).
 * Threads:  any thread; may be used by any number of threads and pipelines; never blocks.
 * Memory:   allocates here and nowhere else; given back by hf_pool_free.
 */
HF_API int hf_pool_new(hf_pool **out_pool, const char *name, const hf_pool_config *config, hf_error *error);

/* hf_pool_run runs `work` under `pipeline` on threads of `pool` and waits. `options` NULL means defaults;
 * `out_result` may be NULL. Whatever it returns, `work->destroy` runs once, before or after; only a `work` that
 * hf_pool_work_init has not filled is not touched.
 *
 * Returns 0 when a value was delivered, by the operation or by a fallback; else HF_E_FAILED, HF_E_REJECTED,
 * HF_E_TIMEOUT or HF_E_CANCELLED; HF_E_INVALID for bad arguments; HF_E_STATE after hf_pool_shutdown, or in a forked
 * child, which has none of the threads. With the last two nothing ran.
 * Blocks:   until the call ends: at its deadline at the latest, whatever the operation does.
 * Threads:  any thread, also one of the pool's own; but work that waits for work of the same pool waits for ever when all
 *           threads do, unless it has a deadline.
 * Memory:   allocates nothing.
 */
HF_API int hf_pool_run(hf_pool *pool, hf_pipeline *pipeline, const hf_pool_work *work, const hf_run_options *options,
                       hf_result *out_result);

/* hf_pool_shutdown takes no more work, drops what is queued, tells what runs to stop, and waits for the threads to
 * end, for at most `timeout_ns`. May be repeated.
 *
 * Returns 0 when all have ended, HF_E_TIMEOUT when some still run.
 * Blocks:   for at most `timeout_ns` (HF_NEVER: until all have ended).
 * Threads:  any thread but the pool's own.
 */
HF_API int hf_pool_shutdown(hf_pool *pool, int64_t timeout_ns);

/* hf_pool_free shuts the pool down without waiting. Its memory is given back when the last thread has ended, so
 * a function that hangs keeps it. No call may be under way. NULL is fine.
 * Threads: one thread, last; never blocks. */
HF_API void hf_pool_free(hf_pool *pool);

/* hf_pool_snapshot fills `out_info`, whose struct_size the caller has set.
 *
 * Errors:   HF_E_INVALID when struct_size is too small.
 * Threads:  any thread; takes a short lock.
 */
HF_API int hf_pool_snapshot(hf_pool *pool, hf_pool_info *out_info);

#ifdef __cplusplus
}
#endif
#endif
