/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_MUST_H
#define HF_OS_MUST_H

#include <stdio.h>
#include <stdlib.h>

/* For system calls that cannot fail when the program is right: always on, and the condition is always
 * evaluated, unlike assert. */
#define HF_MUST(condition)                                                                          \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            fprintf(stderr, "holdfast: %s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            abort();                                                                                \
        }                                                                                           \
    } while (0)

#endif
