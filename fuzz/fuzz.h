/* SPDX-License-Identifier: MIT */
#ifndef HF_FUZZ_FUZZ_H
#define HF_FUZZ_FUZZ_H

/* The frame of a fuzz target: fuzz/NAME_fuzz.c defines the function below, and aborts on a violation.
 * With VARIANT=fuzz libFuzzer calls it, in all other variants fuzz/replay_main.c with the files of
 * fuzz/corpus/NAME_fuzz, so that seeds and finds are tested with every `make test`. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Always on, unlike assert. */
#define FUZZ_MUST(condition)                                                              \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

#endif
