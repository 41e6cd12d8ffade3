/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_BREAKER_CONFIG_H
#define HF_POLICY_BREAKER_CONFIG_H

#include <holdfast/breaker.h>

/* 0, or HF_E_INVALID with a sentence. */
int hf__breaker_config_check(const char *name, const hf_breaker_config *config, hf_error *error);

#endif
