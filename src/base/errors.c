/* SPDX-License-Identifier: MIT */
#include "base/errors.h"

#include <holdfast/version.h>

const char *hf_strerror(int code) {
    switch (code) {
#define HF_ERROR_SENTENCE(number, name, sentence) \
    case number: return sentence;
        HF_ERROR_LIST(HF_ERROR_SENTENCE)
#undef HF_ERROR_SENTENCE
    }
    return "unknown error code";
}

const char *hf_errname(int code) {
    switch (code) {
#define HF_ERROR_NAME(number, name, sentence) \
    case number: return "HF_E_" #name;
        HF_ERROR_LIST(HF_ERROR_NAME)
#undef HF_ERROR_NAME
    }
    return "unknown";
}

const char *hf_error_text(const hf_error *error) {
    return error == NULL ? "" : ((const struct hf__error *)(const void *)error)->text;
}

int hf_error_code(const hf_error *error) {
    return error == NULL ? 0 : ((const struct hf__error *)(const void *)error)->code;
}

const char *hf_version(void) { return HF_VERSION; }
