/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_BREAKER_OVERDUE_H
#define HF_CORE_BREAKER_OVERDUE_H

/* Calls that are under way for longer than a call may take before it is slow: they count as slow while they run,
 * so that a dependency that hangs is noticed before the first time-out.
 *
 * A wheel of cells (core/breaker_cell.h) says how many calls of each tick have begun and not ended. A call adds one to
 * the cell of its tick, and takes it away when it ends. A call is overdue when the whole of its tick lies slow_ns or more
 * back: at the latest one tick late, never early. A cell that is needed for a new tick is HF__WHEEL_TICKS old; what
 * is left in it moves to the shard's last word, `old`, so that a call is counted however long it hangs.
 *
 *     shard   tick cell 0 ... 14 | old: tag 15 | 0 17 | count 32
 *
 * `old` is added to after the cell was taken, so that a call which ends between the two takes away first: its count
 * is read as signed. Cells carry the generation: what was begun before a trip does not trip the next stretch.
 *
 * Nothing is written that threads share: every thread has its shard, and the sum over all is made once in a tick, by the
 * first call that enters it. */

#include "core/breaker_cell.h"

#define HF__WHEEL_TICKS 15u
#define HF__WHEEL_OLD HF__WHEEL_TICKS         /* the place of `old` in a shard */
#define HF__WHEEL_WORDS (HF__WHEEL_TICKS + 1) /* of a shard */
#define HF__WHEEL_TICKS_TO_SLOW 7u            /* ticks in slow_ns, when the wheel is made */

/* The tick of a wheel for this threshold: a seventh, at least a millisecond. */
int64_t hf__wheel_tick_ns(int64_t slow_ns);

/* Can a wheel of this tick tell what is overdue by slow_ns? A tick must be over before its cell is taken again. */
bool hf__wheel_fits(int64_t tick_ns, int64_t slow_ns);

/* Tick and generation as a call keeps them, to find its cell again. */
static inline uint32_t hf__wheel_tick(uint64_t cell) { return (uint32_t)(cell >> HF__CELL_EPOCH_SHIFT); }

/* Adds one to the cell of the head's tick. `*out_left` is what the cell still had of an older tick of this
 * generation, to be added to `old`. False when the cell is of a later tick or generation: then nothing is
 * counted. */
bool hf__wheel_enter(uint64_t cell, uint64_t head, uint64_t *out, uint32_t *out_left);

/* Takes one away again; false when the cell is of another tick: then the call is among the old. */
bool hf__wheel_leave(uint64_t cell, uint32_t tick, uint64_t *out);

/* `old` with `change` added, under this tag; the same word when it is of a newer one. */
uint64_t hf__wheel_old(uint64_t old, uint32_t tag, int32_t change);

/* How many calls of this generation are overdue at `now`, in `shards` shards. */
uint32_t hf__wheel_overdue(const uint64_t *words, uint32_t shards, uint32_t tag, int64_t tick_ns, int64_t slow_ns,
                           hf_time now);

#endif
