/* SPDX-License-Identifier: MIT */
#ifndef HF_FUZZ_CALL_TRACE_H
#define HF_FUZZ_CALL_TRACE_H

/* Everything that a run lets an observer see, as a list of numbers. The second run of the same input is
 * compared with the first while it goes, and aborts at the first difference. With HF_FUZZ_TRACE in the
 * environment the first run is printed. */

#include <stdint.h>

/* Starts the first run (`again` 0) or the second. */
void trace_start(int again);

/* `what` is for the reader of a difference; the value is compared. */
void trace_note(const char *what, int64_t value);

/* The second run must be as long as the first. */
void trace_finish(void);

#endif
