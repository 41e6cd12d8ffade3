/* SPDX-License-Identifier: MIT */
#ifndef HF_CORE_NOT_BEFORE_H
#define HF_CORE_NOT_BEFORE_H

/* The instant before which a dependency asked not to be called, as pure functions over one word: that instant in ns, 0
 * when there is none. It only moves forward while it lasts. */

#include <holdfast/types.h>

/* After a hint of `hint_ns`, of which at most `cap_ns` counts, seen at `now`. */
uint64_t hf__not_before_push(uint64_t word, int64_t hint_ns, int64_t cap_ns, hf_time now);

/* The instant, 0 when it is over at `now`. */
hf_time hf__not_before_at(uint64_t word, hf_time now);

/* When one who waits since `begun` shall start: at `until`, and up to a quarter of its wait later, by the draw. */
hf_time hf__not_before_start(hf_time until, hf_time begun, uint64_t random);

#endif
