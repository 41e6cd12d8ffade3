/* SPDX-License-Identifier: MIT */
#include "os/shard.h"

#include <stdatomic.h>
#include <unistd.h>

/* The library is loaded with the program, or early: a variable in the static block is one instruction away,
 * where the general model calls a function. Four bytes of the reserve that the loader keeps. */
#if defined(__GNUC__)
#define NEAR __attribute__((tls_model("initial-exec")))
#else
#define NEAR
#endif

static _Thread_local NEAR uint32_t mine; /* 0: not numbered yet */
static _Atomic uint32_t last;

void hf__thread_forked(void) {
    atomic_store_explicit(&last, (uint32_t)getpid(), memory_order_relaxed); /* there is one thread now */
    mine = 0;
}

uint32_t hf__thread_number(void) {
    if (mine == 0) mine = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1; /* order does not matter */
    return mine;
}
