/* SPDX-License-Identifier: MIT */
#include "core/backoff.h" /* HF__DAY_MS */
#include "policy/bulkhead_inside.h"
#include "policy/config_check.h"

void hf_bulkhead_config_init(hf_bulkhead_config *config) {
    *config = (hf_bulkhead_config){
        .struct_size = (uint32_t)sizeof *config,
        .max_concurrent = 64,
        .max_waiting = 0,
        .discipline = HF_QUEUE_FIFO,
        .max_wait_ms = 1000,
        .overload_after_ms = 100,
        .overload_wait_ms = 5,
        .slot_lease_ms = 10000,
    };
}

static int check_guaranteed(const char *name, const hf_bulkhead_config *c, hf_error *error) {
    uint64_t sum = 0;
    for (uint32_t p = 0; p < HF_PRIORITIES; p++) sum += c->guaranteed[p];
    if (sum > c->max_concurrent) {
        return hf__error_set(error, HF_E_INVALID,
                             "bulkhead \"%s\": guaranteed adds up to %llu, expected at most max_concurrent, %u", name,
                             (unsigned long long)sum, c->max_concurrent);
    }
    if (sum > 0 && c->max_waiting == 0) {
        return hf__error_set(error, HF_E_INVALID,
                             "bulkhead \"%s\": max_waiting is 0, expected 1 or more: what is guaranteed is given to "
                             "those who wait",
                             name);
    }
    return 0;
}

/* What needs somebody to wake, or a count, cannot be shared by processes that may die. */
static int check_shared(const char *name, const hf_bulkhead_config *c, hf_error *error) {
    if (c->region == NULL) return 0;
    if (c->max_waiting > 0) {
        return hf__error_set(error, HF_E_INVALID, "bulkhead \"%s\": max_waiting is %u, expected 0 in a region", name,
                             c->max_waiting);
    }
    if (c->max_concurrent > HF_BULKHEAD_SHARED_MAX) {
        return hf__error_set(error, HF_E_INVALID,
                             "bulkhead \"%s\": max_concurrent is %u, expected at most %d in a region", name,
                             c->max_concurrent, HF_BULKHEAD_SHARED_MAX);
    }
    return 0;
}

int hf__bulkhead_check(const char *name, const hf_bulkhead_config *c, hf_error *error) {
    const struct {
        const char *field;
        int64_t value, low, high, extra;
        const char *extra_name;
    } ranges[] = {
        {"max_concurrent", c->max_concurrent, 0, HF__BULKHEAD_MAX, 0, NULL},
        {"max_waiting", c->max_waiting, 0, HF__BULKHEAD_MAX, 0, NULL},
        {"discipline", c->discipline, HF_QUEUE_FIFO, HF_QUEUE_ADAPTIVE, 0, NULL},
        {"max_wait_ms", c->max_wait_ms, 1, HF__BULKHEAD_LONGEST_WAIT_MS, HF_NEVER, "HF_NEVER"},
        {"overload_after_ms", c->overload_after_ms, 1, HF__BULKHEAD_LONGEST_WAIT_MS, 0, NULL},
        {"overload_wait_ms", c->overload_wait_ms, 1, HF__BULKHEAD_LONGEST_WAIT_MS, 0, NULL},
        {"slot_lease_ms", c->slot_lease_ms, 1, HF__DAY_MS, 0, NULL},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        int rc = hf__check_range("bulkhead", name, ranges[i].field, ranges[i].value, ranges[i].low, ranges[i].high,
                                 ranges[i].extra, ranges[i].extra_name, error);
        if (rc < 0) return rc;
    }
    int rc = check_guaranteed(name, c, error);
    return rc < 0 ? rc : check_shared(name, c, error);
}
