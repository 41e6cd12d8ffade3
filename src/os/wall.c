/* SPDX-License-Identifier: MIT */
#include "os/wall.h"

#include <time.h>

int64_t hf__wall_seconds(void) { return (int64_t)time(NULL); }
