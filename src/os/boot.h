/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_BOOT_H
#define HF_OS_BOOT_H

#include <stdint.h>

#include <stdbool.h>

/* What CLOCK_MONOTONIC counts from: instants of two processes compare when these are equal. */
struct hf__boot {
    unsigned char id[16];    /* of this boot */
    uint64_t time_namespace; /* inode of the time namespace; zero where the system has none */
};

/* False with errno, and zeros, when the system does not say (no descriptor, no /proc): then nothing follows from an id that is
 * another one. */
bool hf__boot_now(struct hf__boot *out);

#endif
