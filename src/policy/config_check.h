/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_CONFIG_CHECK_H
#define HF_POLICY_CONFIG_CHECK_H

/* Checking what users hand in: one sentence per mistake that names the object, the field, the value
 * and what was expected. Every function returns 0 or the negative code it has written into `error`. */

#include "engine/policy.h"
#include "os/error_text.h" /* hf__error_set */

#include <holdfast/error.h>

/* 1 to HF_NAME_MAX bytes, printable ASCII. `what` is the kind of object: "breaker". */
int hf__check_name(const char *what, const char *name, hf_error *error);

/* low <= value <= high, or value == extra (a constant with a meaning of its own, called `extra_name` in
 * the sentence; NULL: there is none). */
int hf__check_range(const char *what, const char *name, const char *field, int64_t value, int64_t low, int64_t high,
                    int64_t extra, const char *extra_name, hf_error *error);

/* The same for a table of fields; the first that is out of range is the one told. */
struct hf__range {
    const char *field;
    int64_t value, low, high, extra;
    const char *extra_name;
};

int hf__check_ranges(const char *what, const char *name, const struct hf__range *ranges, size_t count, hf_error *error);

#define HF__CHECK_RANGES(what, name, ranges, error) \
    hf__check_ranges((what), (name), (ranges), sizeof(ranges) / sizeof((ranges)[0]), (error))

/* Copies a caller's configuration over the defaults in `config`: min(caller's struct_size, size) bytes,
 * so that an older caller's fields count and newer ones keep their default. `given` NULL changes
 * nothing. A struct_size of 0 or above `size` is an error. struct_size is the first member of both. */
int hf__config_copy(const char *what, const char *name, void *config, size_t size, const void *given, hf_error *error);

/* Allocates `size` zeroed bytes for a policy whose first member is an hf_policy and fills that in;
 * `name` has been checked. */
int hf__policy_alloc(void **out, size_t size, const struct hf__policy_ops *ops, const char *name, hf_error *error);

/* The same after checking `name`. */
int hf__policy_make(void **out, size_t size, const struct hf__policy_ops *ops, const char *name, hf_error *error);

/* The same after checking `out` and `name`: for policies whose size does not depend on a configuration. Here, so that
 * the compiler and the analyzers see that 0 means `out` is not NULL. */
static inline int hf__policy_new(void **out, size_t size, const struct hf__policy_ops *ops, const char *name,
                                 hf_error *error) {
    if (out != NULL) return hf__policy_make(out, size, ops, name, error);
    (void)hf__error_set(error, HF_E_INVALID, "%s: there is nowhere to put the handle (NULL)", ops->kind);
    return HF_E_INVALID;
}

#endif
