/* SPDX-License-Identifier: MIT */
#include "os/error_text.h"

#include "base/errors.h"

#include <stdarg.h>
#include <stdio.h>

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
