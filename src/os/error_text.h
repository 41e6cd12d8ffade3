/* SPDX-License-Identifier: MIT */
#ifndef HF_OS_ERROR_TEXT_H
#define HF_OS_ERROR_TEXT_H

#include <holdfast/error.h>

/* Writes code and text (cut to what an hf_error holds); `error` may be NULL. Returns `code`. */
HF_API int hf__error_set(hf_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What the system calls an errno. Never NULL. */
const char *hf__errno_text(int number);

#endif
