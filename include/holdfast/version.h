/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_VERSION_H
#define HOLDFAST_VERSION_H

/* The version of the headers, and of the library that runs. The Makefile reads these lines. */

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_VERSION_MAJOR 0
#define HF_VERSION_MINOR 1
#define HF_VERSION_PATCH 0
#define HF_VERSION "0.1.0"

/* hf_version returns the version of the library that the program runs with, as "MAJOR.MINOR.PATCH".
 * Compare with HF_VERSION, the version it was compiled against.
 *
 * Threads:  any thread; never blocks.
 * Memory:   static, never freed.
 */
HF_API const char *hf_version(void);

#ifdef __cplusplus
}
#endif
#endif
