/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_STATE_H
#define HF_CORE_BREAKER_STATE_H

/* The shared state of a breaker: 64-bit words and nothing else. No pointers; all zero is a closed breaker
 * with an empty window (word values: core/breaker.h and its companions). It may stand on the heap or in
 * memory that processes share, at a multiple of 64 bytes.
 *
 *     line 0       control, probe slots 0 to 6        read by every call, written when the state changes
 *     line 1       probe slots 7 to 14                (and by probes, when it is half-open)
 *     line 2       probe slot 15, rejected, head      read by every result; by calls, written by results while there
 *                                                     is a failure in the window; rejected calls
 *     line 3       by calls   blocks 0 to 7           written where a result differs from the one it replaces
 *                  by time    spot, spare             read by every result, written by failures
 *     lines 4 ...  by calls   more blocks
 *                  by time    shards of cells, each at a line of its own: a ring for every kind
 *     last lines   where a slow threshold is set: shards of the wheel, two lines each
 *
 * Head and blocks stand apart, so that in a window with a failure two threads contend for one line in a success and
 * not for two.
 *
 *     bytes        by calls   256 up to 128 slots, 704 at 1024
 *                  by time    1280 up to 10 buckets, 2304 at 20
 *                  a wheel    512 more */

#include "core/breaker_overdue.h"
#include "core/breaker_time_window.h"
#include "core/breaker_window.h"

#include <stdatomic.h>

#define HF__LINE_WORDS 8u
#define HF__BREAKER_SHARDS 4u

struct hf__breaker_state {
    _Alignas(64) _Atomic uint64_t control;
    _Atomic uint64_t probe[HF_BREAKER_PROBES_MAX];
    _Atomic uint64_t rejected; /* generation 15 | count 49 */
    _Atomic uint64_t head;     /* of the window: core/breaker_window.h, core/breaker_cell.h */
    _Atomic uint64_t spare[5];
    _Atomic uint64_t window[];
};
_Static_assert(offsetof(struct hf__breaker_state, control) == 0, "line 0");
_Static_assert(offsetof(struct hf__breaker_state, probe) == 8, "lines 0 to 2");
_Static_assert(offsetof(struct hf__breaker_state, rejected) == 136, "line 2, not that of control");
_Static_assert(offsetof(struct hf__breaker_state, head) == 144, "line 2, not that of control or blocks");
_Static_assert(offsetof(struct hf__breaker_state, window) == 192, "line 3");
_Static_assert(sizeof(_Atomic uint64_t) == 8 && ATOMIC_LLONG_LOCK_FREE == 2, "words that need no lock");

/* Where what stands in `window`. Follows from what is fixed at creation. */
struct hf__breaker_shape {
    uint32_t kind;     /* hf_breaker_window */
    uint32_t capacity; /* slots by calls, buckets by time */
    uint32_t stride;   /* by time: words of a shard */
    uint32_t window;   /* words of the window */
    uint32_t wheel;    /* where the wheel begins; 0: there is none */
    uint32_t words;    /* in all */
};

/* By time: spot, then the shards. By calls there is nothing but blocks. */
#define HF__TIME_SPOT 0u
#define HF__TIME_CELLS HF__LINE_WORDS

/* What a window always has room for, so that it can be changed while it works. */
#define HF__CAPACITY_CALLS 128u /* one line */
#define HF__CAPACITY_BUCKETS 10u

#define HF__BLOCKS_MAX (HF_BREAKER_WINDOW_MAX / HF__WINDOW_BLOCK)
#define HF__WHEEL_TOTAL (HF__BREAKER_SHARDS * HF__WHEEL_WORDS)
#define HF__CELLS_MAX (HF__BREAKER_SHARDS * (HF__CELL_KINDS * HF_BREAKER_BUCKETS_MAX + HF__LINE_WORDS))

struct hf__breaker_shape hf__breaker_shape(hf_breaker_window kind, uint32_t window, uint32_t buckets, bool wheel);
size_t hf__breaker_state_bytes(const struct hf__breaker_shape *shape);

#endif
