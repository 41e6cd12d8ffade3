/* SPDX-License-Identifier: MIT */
#include <holdfast/backoff.h>

void hf_backoff_config_init(hf_backoff_config *config) {
    *config = (hf_backoff_config){
        .struct_size = (uint32_t)sizeof *config,
        .kind = HF_BACKOFF_EXPONENTIAL,
        .jitter = HF_JITTER_EQUAL,
        .jitter_ppm = 250000,
        .factor_ppm = 2000000,
        .base_ms = 100,
        .cap_ms = 5000,
        .floor_ms = 0,
    };
}
