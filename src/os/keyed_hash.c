/* SPDX-License-Identifier: MIT */
#include "os/keyed_hash.h"

#include "base/siphash.h"
#include "os/random_seed.h"

#include <string.h>

bool hf__hash_secret_make(struct hf__hash_secret *out) { return hf__random_bytes(out->words, sizeof out->words); }

uint64_t hf__keyed_hash(const struct hf__hash_secret *secret, const char *text) {
    return hf__siphash(secret->words, text, strlen(text));
}
