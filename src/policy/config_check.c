/* SPDX-License-Identifier: MIT */
#include "policy/config_check.h"

#include "base/given.h"

#include <stdlib.h>
#include <string.h>

static bool printable(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') return false;
    }
    return true;
}

int hf__check_name(const char *what, const char *name, hf_error *error) {
    if (name == NULL || name[0] == '\0') {
        return hf__error_set(error, HF_E_INVALID, "%s: the name is missing, expected 1 to %d characters", what,
                             HF_NAME_MAX);
    }
    if (!printable(name)) {
        return hf__error_set(error, HF_E_INVALID, "%s: the name has a character that is not printable ASCII", what);
    }
    if (strlen(name) > HF_NAME_MAX) {
        return hf__error_set(error, HF_E_INVALID, "%s \"%.64s\": the name has %zu characters, expected at most %d",
                             what, name, strlen(name), HF_NAME_MAX);
    }
    return 0;
}

int hf__check_range(const char *what, const char *name, const char *field, int64_t value, int64_t low, int64_t high,
                    int64_t extra, const char *extra_name, hf_error *error) {
    if ((value >= low && value <= high) || (extra_name != NULL && value == extra)) return 0;
    return hf__error_set(error, HF_E_INVALID, "%s \"%s\": %s is %lld, expected %lld to %lld%s%s", what, name, field,
                         (long long)value, (long long)low, (long long)high, extra_name == NULL ? "" : " or ",
                         extra_name == NULL ? "" : extra_name);
}

int hf__check_ranges(const char *what, const char *name, const struct hf__range *ranges, size_t count,
                     hf_error *error) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct hf__range *r = &ranges[i];
        rc = hf__check_range(what, name, r->field, r->value, r->low, r->high, r->extra, r->extra_name, error);
    }
    return rc;
}

int hf__config_copy(const char *what, const char *name, void *config, size_t size, const void *given, hf_error *error) {
    if (hf__given_copy(config, size, given)) return 0;
    uint32_t given_size;
    memcpy(&given_size, given, sizeof given_size);
    return hf__error_set(error, HF_E_INVALID,
                         "%s \"%s\": struct_size is %u, expected at most %zu: fill the configuration with its "
                         "_config_init function first",
                         what, name, given_size, size);
}

int hf__policy_alloc(void **out, size_t size, const struct hf__policy_ops *ops, const char *name, hf_error *error) {
    hf_policy *policy = calloc(1, size);
    if (policy == NULL)
        return hf__error_set(error, HF_E_NOMEM, "%s \"%s\": no memory for %zu bytes", ops->kind, name, size);
    policy->ops = ops;
    atomic_init(&policy->references, 1);
    memcpy(policy->name, name, strlen(name) + 1);
    *out = policy;
    return 0;
}

int hf__policy_make(void **out, size_t size, const struct hf__policy_ops *ops, const char *name, hf_error *error) {
    *out = NULL;
    int rc = hf__check_name(ops->kind, name, error);
    return rc < 0 ? rc : hf__policy_alloc(out, size, ops, name, error);
}
