/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_BOOT_H
#define HF_OS_BOOT_H

#include <stdint.h>

/* What CLOCK_MONOTONIC counts from: instants of two processes compare when these are equal. Zero where the
 * system does not say. */
struct hf__boot {
    unsigned char id[16];    /* of this boot */
    uint64_t time_namespace; /* inode of the time namespace */
};

void hf__boot_now(struct hf__boot *out);

#endif
