/* SPDX-License-Identifier: MIT */
#include "os/keyed_hash.h"

#include <sodium.h>

#include <string.h>

_Static_assert(sizeof(struct hf__hash_secret) == crypto_shorthash_KEYBYTES, "the secret is the key of SipHash");
_Static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "the hash is one word");

bool hf__hash_secret_make(struct hf__hash_secret *out) {
    if (sodium_init() < 0) return false; /* may be called again by any thread */
    crypto_shorthash_keygen(out->bytes);
    return true;
}

uint64_t hf__keyed_hash(const struct hf__hash_secret *secret, const char *text) {
    uint64_t hash;
    (void)crypto_shorthash((unsigned char *)&hash, (const unsigned char *)text, strlen(text), secret->bytes);
    return hash;
}
