/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_BULKHEAD_H
#define HOLDFAST_BULKHEAD_H

/* Bulkhead: at most so many attempts in flight at once, so that one slow dependency cannot take all
 * threads or connections. When it is full a call waits in line if the configuration gives the line room;
 * else it is turned back at once (HF_REASON_FULL).
 *
 *     hf_bulkhead_config config;
 *     hf_bulkhead_config_init(&config);
 *     config.max_concurrent = 10;
 *     config.max_waiting = 20;        // at most 20 in line
 *     config.max_wait_ms = 250;       // who has waited that long is turned back
 *
 * A slot is free again only when the work has really ended: an attempt that was told to stop keeps
 * its slot until its end is reported. A slot that comes back goes straight to whose turn it is: nobody
 * overtakes, and a slot is never lost, whoever times out, is cancelled or gives up meanwhile.
 *
 * Whose turn it is: the most important first (hf_call_options.priority), and among equals who came first.
 * When the line is full, a newcomer takes the place of the least important call in it, if that is
 * less important than itself: that one is turned back, HF_REASON_SHED. So that the less important are not
 * shut out for good, a priority can be `guaranteed` slots. What it does not use others may borrow; when it
 * wants them back, it is given the next ones that come free, before all others, until it has them.
 *
 * A line hides a dependency that is too slow for its load only as long as it does not grow: keep it
 * short (about what is served within the time a caller will wait), and let the rest know at once. In a
 * line that does not drain first come, first served serves nobody well: all wait long, and most of them
 * until their callers have given up. HF_QUEUE_ADAPTIVE then serves the newest first, and lets those who
 * come wait for a moment only, until the line has been empty (the numbers are those of Facebook,
 * "Fail at Scale", ACM Queue 13(8), 2015).
 *
 * With a loop of your own give hf_call_options.wake: a call whose driver cannot be woken never waits
 * in line.
 *
 * Traps: a thread that already holds a slot and waits for another of the same bulkhead can wait for
 * itself. A process that forks while other threads hold slots leaves the child with slots that nobody
 * gives back: make bulkheads in the child, or fork before threads use them.
 */

#include <holdfast/error.h>
#include <holdfast/region.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_bulkhead hf_bulkhead;

/* Who of those with the same priority is next. */
typedef enum hf_queue_discipline {
    HF_QUEUE_FIFO = 0,    /* who waits longest */
    HF_QUEUE_ADAPTIVE = 1 /* the same, but the newest in a line that does not drain */
} hf_queue_discipline;

#define HF_BULKHEAD_SHARED_MAX 1024 /* slots of a bulkhead in a region */

typedef struct hf_bulkhead_config {
    uint32_t struct_size;               /* set by hf_bulkhead_config_init */
    uint32_t max_concurrent;            /* slots. Default 64. 0 (turns everything back) to 1000000. */
    uint32_t max_waiting;               /* places in line. Default 0: none. 0 to 1000000. */
    int32_t discipline;                 /* hf_queue_discipline. Default HF_QUEUE_FIFO. */
    int64_t max_wait_ms;                /* who waited this long is turned back, HF_REASON_QUEUE_TIMEOUT. Default 1000.
                                           1 to 3600000, or HF_NEVER: as long as the call's deadlines allow. */
    int64_t overload_after_ms;          /* adaptive: a line that has not been empty for so long does not drain.
                                           Default 100. 1 to 3600000. */
    int64_t overload_wait_ms;           /* adaptive: how long those may wait who join a line that does not drain,
                                           if max_wait_ms is not shorter. Default 5. 1 to 3600000. */
    uint32_t guaranteed[HF_PRIORITIES]; /* slots of each priority. Default 0. Each 0 to max_concurrent,
                                           all together too; needs max_waiting. */
    int64_t slot_lease_ms;              /* in a region: a slot that was taken so long ago is freed if its process is
                                           dead by then. Default 10000. 1 to 86400000. */
    hf_region *region;                  /* memory shared by processes in which the slots are, under its name: at
                                           most HF_BULKHEAD_SHARED_MAX, and no line. All must configure it alike.
                                           Kept by reference. Default NULL: memory of this process. */
} hf_bulkhead_config;

/* What a bulkhead tells about itself. Fields may be appended. */
typedef struct hf_bulkhead_info {
    uint32_t struct_size; /* set by the caller */
    uint32_t max_concurrent;
    uint32_t in_flight;  /* slots taken; after a resize this may exceed the limit */
    uint32_t waiting;    /* calls in line */
    uint32_t overloaded; /* 1: an adaptive line that does not drain */
    uint32_t reserved;
    int64_t pace_ns;    /* from one slot that goes to the line to the next, on average; HF_NEVER: not known yet */
    uint64_t rejected;  /* turned back since it was made: at once, and for the two reasons below */
    uint64_t timed_out; /* waited too long */
    uint64_t shed;      /* pushed out of the line */
} hf_bulkhead_info;

/* A place in line: what a waiting room shows. */
typedef struct hf_line_place {
    uint32_t struct_size; /* set by the caller */
    uint32_t place;       /* 1: next */
    uint32_t waiting;     /* calls in line altogether */
    uint32_t reserved;
    int64_t estimate_ns; /* until its turn, at the pace of late; HF_NEVER: not known yet */
} hf_line_place;

/* hf_bulkhead_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_bulkhead_config_init(hf_bulkhead_config *config);

/* hf_bulkhead_new makes an empty bulkhead. `name` and `config` (NULL: defaults) are copied.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM, HF_E_SYSTEM.
 * Threads:  any thread; may be shared by any number of pipelines.
 * Memory:   one allocation, given back by hf_bulkhead_free.
 */
HF_API int hf_bulkhead_new(hf_bulkhead **out_bulkhead, const char *name, const hf_bulkhead_config *config,
                           hf_error *error);

/* hf_bulkhead_free gives up the caller's reference. NULL is fine.
 * Threads: any thread; never blocks. */
HF_API void hf_bulkhead_free(hf_bulkhead *bulkhead);

/* hf_bulkhead_policy is the bulkhead as a member of a pipeline. Owned by the bulkhead.
 * Threads: any thread; never blocks. */
HF_API hf_policy *hf_bulkhead_policy(hf_bulkhead *bulkhead);

/* hf_bulkhead_resize changes the number of slots. More slots go to those who wait before it returns.
 * A smaller number takes effect as slots are given back: nothing waits, and nothing running is
 * disturbed.
 *
 * Errors:   HF_E_INVALID above 1000000; in a region, where it is for all processes, above max_concurrent.
 * Threads:  any thread; never blocks; runs the wake functions of the calls that get a slot.
 */
HF_API int hf_bulkhead_resize(hf_bulkhead *bulkhead, uint32_t max_concurrent);

/* hf_bulkhead_set_max_wait changes how long calls may wait that join the line from now on; those in
 * line keep the time they were given.
 *
 * Errors:   HF_E_INVALID outside the range of max_wait_ms.
 * Threads:  any thread; never blocks.
 */
HF_API int hf_bulkhead_set_max_wait(hf_bulkhead *bulkhead, int64_t max_wait_ms);

/* hf_bulkhead_line tells where in line the call is whose options had this `tag`: as things stand, if
 * nobody more important comes, and without regard to what is guaranteed. The tag is compared, never
 * followed. If several calls have it, the one whose turn is first counts.
 *
 * Errors:   HF_E_INVALID (`tag` is NULL, struct_size too small), HF_E_STATE: no such call waits here (it
 *           has a slot, was turned back, or has not come yet).
 * Threads:  any thread; takes the lock of the line for as long as it takes to count those before it.
 */
HF_API int hf_bulkhead_line(hf_bulkhead *bulkhead, const void *tag, hf_line_place *out_place);

/* hf_bulkhead_end_of_line tells where a call of this priority would stand that came now: place 0 and
 * estimate 0 when it would get a slot at once, max_waiting + 1 and HF_NEVER when there is no room for it.
 *
 * Errors:   HF_E_INVALID (a priority above 7, struct_size too small).
 * Threads:  any thread; takes the lock of the line for a moment.
 */
HF_API int hf_bulkhead_end_of_line(hf_bulkhead *bulkhead, uint32_t priority, hf_line_place *out_place);

/* hf_bulkhead_snapshot fills `out_info`, whose struct_size the caller has set.
 *
 * Errors:   HF_E_INVALID when struct_size is too small.
 * Threads:  any thread; takes the lock of the line for a moment.
 */
HF_API int hf_bulkhead_snapshot(hf_bulkhead *bulkhead, hf_bulkhead_info *out_info);

/* hf_bulkhead_in_flight returns the number of slots taken; after a resize it may exceed the limit.
 * Threads: any thread; never blocks. */
HF_API uint32_t hf_bulkhead_in_flight(const hf_bulkhead *bulkhead);

/* hf_bulkhead_waiting returns the number of calls in line.
 * Threads: any thread; never blocks. */
HF_API uint32_t hf_bulkhead_waiting(const hf_bulkhead *bulkhead);

/* hf_bulkhead_rejected returns how many attempts were turned back since it was made, at once or after
 * waiting.
 * Threads: any thread; never blocks. */
HF_API uint64_t hf_bulkhead_rejected(const hf_bulkhead *bulkhead);

#ifdef __cplusplus
}
#endif
#endif
