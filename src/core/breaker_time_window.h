/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_TIME_WINDOW_H
#define HF_CORE_BREAKER_TIME_WINDOW_H

/* The time window of a breaker: the results of the last B buckets of time, in words that are moved one at a
 * time by compare-exchange (core/breaker_cell.h).
 *
 *     head    the latest bucket that anything was recorded in
 *     cell    one kind of result in one bucket
 *     spot    a cell too: the latest bucket with a failure or a slow result; its count is the run of failures, with
 *             the highest bit set
 *
 * At an instant in bucket e the window is the buckets e - B + 1 ... e: between B - 1 and B widths of time. A cell
 * stands in a ring at e mod C, C >= B.
 *
 * Count and epoch are one word, so that a bucket which is taken for a later time and a result that is added
 * to it cannot cross: the result goes to the time that the word says, or is tried again.
 *
 * The epoch of a cell is cut to 17 bits. That cannot be taken for a later one: whoever moves the head
 * forward clears the cells that have left the ring, so a cell is never older than C buckets in which
 * something was recorded.
 *
 * A clock that goes back changes nothing: the head keeps the latest bucket, and a result from before counts
 * there.
 *
 * Cells may be kept in several shards, each written by few threads; the counts are sums over all. A healthy
 * success then writes nothing that other threads read: `spot` tells it that nothing can trip. Who records a
 * spot writes the cells first, then `spot`, then counts; who records a success writes its cell, then reads
 * `spot`. With sequentially consistent order one of the two sees the other. */

#include "core/breaker_cell.h"

#define HF__CELL_KINDS 3u
enum hf__cell_kind { HF__CELL_TOTAL = 0, HF__CELL_FAILURES = 1, HF__CELL_SLOW = 2 };

struct hf__time_span {
    uint32_t buckets;  /* B */
    uint32_t capacity; /* C, slots of a ring */
    int64_t width_ns;  /* of a bucket */
};

/* The head at bucket `epoch`: it only moves forward. */
uint64_t hf__time_roll(uint64_t head, uint64_t epoch, uint32_t capacity);

/* Adds one to a cell in the head's bucket; false when the cell is of a newer tag or bucket (stale). The
 * count stays at its largest. */
bool hf__time_add(uint64_t cell, uint64_t head, uint64_t *out);

/* Is the cell within the last `buckets` up to the head's? */
bool hf__time_live(uint64_t cell, uint64_t head, uint32_t buckets);

/* The cell, or 0 when it has left the ring with the head's move from `before` to `after`. */
uint64_t hf__time_sweep(uint64_t cell, uint64_t before, uint64_t after, uint32_t capacity);

/* `spot` after a result in the head's bucket; the same word when that changes nothing. */
uint64_t hf__time_spot(uint64_t spot, uint64_t head, uint32_t buckets, enum hf__entry entry, bool slow);

/* Sums `shards` shards of `stride` words; within a shard a ring of `capacity` cells for each kind. */
struct hf__counts hf__time_count(uint64_t head, uint64_t spot, const uint64_t *cells, uint32_t shards, uint32_t stride,
                                 const struct hf__time_span *span);

#endif
