/* SPDX-License-Identifier: MIT */
#include "http/curl_options.h"

#include "base/given.h"
#include "base/rng.h"
#include "drive/clock.h"
#include "drive/seed.h"

#include <stdio.h>
#include <string.h>

#define KEY_MAX 200

void hf_curl_options_init(hf_curl_options *options) {
    memset(options, 0, sizeof *options);
    options->struct_size = (uint32_t)sizeof *options;
    options->deadline_at = HF_NEVER;
    options->timeout_ns = HF_NEVER;
    options->seed = HF_SEED_AUTO;
    options->priority = HF_PRIORITY_NORMAL;
    options->weight = 1;
}

/* What may stand between the quotes of a structured-field string without an escape. */
static bool is_key(const char *key) {
    size_t length = 0;
    for (; key[length] != '\0'; length++) {
        char c = key[length];
        if (length == KEY_MAX || c < 0x20 || c > 0x7e || c == '"' || c == '\\') return false;
    }
    return length > 0;
}

bool hf__curl_options_resolve(hf_curl_options *out, const hf_curl_options *given) {
    hf_curl_options_init(out);
    if (!hf__given_copy(out, sizeof *out, given)) return false;
    if (out->idempotent < HF_CURL_BY_METHOD || out->idempotent > HF_CURL_NOT_IDEMPOTENT) return false;
    if (out->body < HF_CURL_BODY_ONCE || out->body > HF_CURL_BODY_REWIND || out->make_key > 1) return false;
    if (out->priority >= HF_PRIORITIES || out->weight > HF_WEIGHT_MAX) return false;
    if (out->body == HF_CURL_BODY_REWIND && out->rewind == NULL) return false;
    if (out->idempotency_key != NULL && (out->make_key != 0 || !is_key(out->idempotency_key))) return false;
    out->clock = hf__clock_or_default(out->clock);
    return true;
}

/* A key that is made has the shape of a random UUID (RFC 9562, version 4): what servers expect to store. */
bool hf__curl_key_header(char out[HF__KEY_HEADER_SIZE], const hf_curl_options *options) {
    if (options->idempotency_key != NULL) {
        snprintf(out, HF__KEY_HEADER_SIZE, "Idempotency-Key: \"%s\"", options->idempotency_key);
        return true;
    }
    if (options->make_key == 0) return false;
    /* A seed has 64 bits: enough for a back-off, not for a key that must never come twice. One that was given
     * is to be replayed; its complement keeps the key apart from the numbers of the back-off. */
    bool replay = options->seed != HF_SEED_AUTO;
    uint64_t extra = replay ? 0 : hf__seed_next_wide();
    uint64_t state = replay ? ~options->seed : hf__seed_next();
    uint64_t high = hf__rng_next(&state), low = hf__rng_next(&state) ^ extra;
    snprintf(out, HF__KEY_HEADER_SIZE, "Idempotency-Key: \"%08x-%04x-4%03x-%04x-%012llx\"", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff), (unsigned)(0x8000 | (low >> 48 & 0x3fff)),
             (unsigned long long)(low & 0xffffffffffff));
    return true;
}
