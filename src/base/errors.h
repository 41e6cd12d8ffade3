/* SPDX-License-Identifier: MIT */
#ifndef HF_BASE_ERRORS_H
#define HF_BASE_ERRORS_H

#include <holdfast/error.h>

/* What an hf_error holds. Written by hf__error_set (policy/config_check.h). */
struct hf__error {
    int32_t code;
    char text[sizeof(hf_error) - sizeof(int32_t)];
};
_Static_assert(sizeof(struct hf__error) == sizeof(hf_error), "hf_error holds exactly this");

#endif
