/* SPDX-License-Identifier: MIT */
#include "os/sigpipe.h"

#include "os/must.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static sigset_t only_sigpipe(void) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPIPE);
    return set;
}

void hf__sigpipe_block(struct hf__sigpipe *state) {
    sigset_t pipe = only_sigpipe();
    HF_MUST(pthread_sigmask(SIG_BLOCK, &pipe, &state->before) == 0);
    state->ours = sigismember(&state->before, SIGPIPE) == 0;
}

void hf__sigpipe_restore(struct hf__sigpipe *state) {
    if (!state->ours) return;
    /* It was not blocked before, so none was pending: one that is now came from here. */
    sigset_t pipe = only_sigpipe();
    const struct timespec at_once = {0, 0};
    while (sigtimedwait(&pipe, NULL, &at_once) == -1 && errno == EINTR) continue;
    HF_MUST(pthread_sigmask(SIG_SETMASK, &state->before, NULL) == 0);
}
