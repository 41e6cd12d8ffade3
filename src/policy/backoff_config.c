/* SPDX-License-Identifier: MIT */
#include "policy/backoff_config.h"

#include "core/backoff.h"
#include "policy/config_check.h"

#include <stdio.h>

void hf_backoff_config_init(hf_backoff_config *config) {
    *config = (hf_backoff_config){
        .struct_size = (uint32_t)sizeof *config,
        .kind = HF_BACKOFF_EXPONENTIAL,
        .jitter = HF_JITTER_EQUAL,
        .jitter_ppm = 250000,
        .factor_ppm = 2000000,
        .table_count = 0,
        .base_ms = 100,
        .cap_ms = 5000,
        .floor_ms = 0,
        .table_ms = {0},
    };
}

static int check_kind(const char *name, const hf_backoff_config *c, hf_error *error) {
    const char *exponential_only = c->jitter == HF_JITTER_DECORRELATED ? "HF_JITTER_DECORRELATED"
                                   : c->jitter == HF_JITTER_POLLY_V2   ? "HF_JITTER_POLLY_V2"
                                                                       : NULL;
    if (exponential_only != NULL && c->kind != HF_BACKOFF_EXPONENTIAL) {
        return hf__error_set(error, HF_E_INVALID,
                             "retry \"%s\": backoff.jitter is %s, which goes only with backoff.kind "
                             "HF_BACKOFF_EXPONENTIAL",
                             name, exponential_only);
    }
    for (uint32_t i = 0; i < c->table_count; i++) {
        char field[40];
        snprintf(field, sizeof field, "backoff.table_ms[%u]", i);
        int rc = hf__check_range("retry", name, field, c->table_ms[i], 0, HF__DAY_MS, 0, NULL, error);
        if (rc < 0) return rc;
    }
    return 0;
}

int hf__backoff_config_check(const char *name, const hf_backoff_config *c, hf_error *error) {
    const struct {
        const char *field;
        int64_t value, low, high;
    } rows[] = {
        {"backoff.kind", c->kind, HF_BACKOFF_NONE, HF_BACKOFF_TABLE},
        {"backoff.jitter", c->jitter, HF_JITTER_NONE, HF_JITTER_POLLY_V2},
        {"backoff.jitter_ppm", c->jitter_ppm, 0, HF_PPM},
        {"backoff.factor_ppm", c->factor_ppm, HF_PPM, INT64_C(100) * HF_PPM},
        {"backoff.table_count", c->table_count, c->kind == HF_BACKOFF_TABLE, HF_BACKOFF_TABLE_MAX},
        {"backoff.base_ms", c->base_ms, 0, HF__DAY_MS},
        {"backoff.cap_ms", c->cap_ms, c->base_ms, HF__DAY_MS},
        {"backoff.floor_ms", c->floor_ms, 0, c->cap_ms},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc =
            hf__check_range("retry", name, rows[i].field, rows[i].value, rows[i].low, rows[i].high, 0, NULL, error);
        if (rc < 0) return rc;
    }
    return check_kind(name, c, error);
}
