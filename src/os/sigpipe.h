/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_SIGPIPE_H
#define HF_OS_SIGPIPE_H

#include <holdfast/types.h> /* HF_API */

#include <signal.h>

/* Keeps a SIGPIPE that this thread raises from the program, whose disposition is not ours to change: blocks it, and
 * afterwards takes back what was raised meanwhile. Does nothing where it was blocked, or pending, before. */
struct hf__sigpipe {
    sigset_t before;
    bool ours;
};

HF_API void hf__sigpipe_block(struct hf__sigpipe *state);
HF_API void hf__sigpipe_restore(struct hf__sigpipe *state);

#endif
