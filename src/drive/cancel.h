/* SPDX-License-Identifier: MIT */
#ifndef HF_DRIVE_CANCEL_H
#define HF_DRIVE_CANCEL_H

#include <holdfast/cancel.h>

/* A driver that waits puts one of these, in its own memory, on the token's list. `wake` is run by the
 * thread that raises the token, under the token's lock: it must be short, must not touch the token,
 * and is ours, never the user's. The lock is what makes remove a promise. */
struct hf__cancel_watch {
    struct hf__cancel_watch *next;
    struct hf__cancel_watch *prev;
    void (*wake)(void *arg);
    void *arg;
};

/* Runs `wake` when the token is raised, and at once if it is already. NULL tokens are ignored. */
HF_API void hf__cancel_watch_add(hf_cancel *cancel, struct hf__cancel_watch *watch);

/* After it returned, `wake` does not run and will not run. */
HF_API void hf__cancel_watch_remove(hf_cancel *cancel, struct hf__cancel_watch *watch);

/* A token that nobody uses any more is as new. */
void hf__cancel_reset(hf_cancel *cancel);

#endif
