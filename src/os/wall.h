/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_WALL_H
#define HF_OS_WALL_H

#include <holdfast/types.h> /* HF_API */

/* Seconds since 1970 on the wall clock: only for dates that others send, never for waiting. */
HF_API int64_t hf__wall_seconds(void);

#endif
