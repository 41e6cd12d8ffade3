/* SPDX-License-Identifier: MIT */
#include "os/error_text.h"

#include "base/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int hf__error_set(hf_error *error, int code, const char *format, ...) {
    if (error == NULL) return code;
    struct hf__error *inside = (struct hf__error *)(void *)error;
    inside->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(inside->text, sizeof inside->text, format, arguments);
    va_end(arguments);
    return code;
}

/* glibc from 2.32 on and musl answer with memory of the thread. */
const char *hf__errno_text(int number) { return strerror(number); } // NOLINT(concurrency-mt-unsafe)
