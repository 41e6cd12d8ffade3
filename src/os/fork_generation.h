/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_FORK_GENERATION_H
#define HF_OS_FORK_GENERATION_H

#include <holdfast/types.h> /* HF_API */

/* A number that differs between a process and its forked children: what was made under another one belongs to
 * somebody else. No system call. */
HF_API uint32_t hf__fork_generation(void);

#endif
