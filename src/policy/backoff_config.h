/* SPDX-License-Identifier: MIT */
#ifndef HF_POLICY_BACKOFF_CONFIG_H
#define HF_POLICY_BACKOFF_CONFIG_H

#include <holdfast/backoff.h>
#include <holdfast/error.h>

/* Checks the back-off of the retry `name`: 0, or HF_E_INVALID with a sentence. */
int hf__backoff_config_check(const char *name, const hf_backoff_config *config, hf_error *error);

#endif
