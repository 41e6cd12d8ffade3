/* SPDX-License-Identifier: MIT */
#include <holdfast/traceparent.h>

#include "base/rng.h"
#include "drive/seed.h"

#include <stdio.h>
#include <string.h>

/* "00-" 32 hex "-" 16 hex "-" 2 hex; positions of the parts. */
enum { VERSION = 0, TRACE = 3, SPAN = 36, FLAGS = 53, LENGTH = 55 };

static bool is_hex(const char *text, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strchr("0123456789abcdef", text[i]) == NULL || text[i] == '\0') return false;
    }
    return true;
}

static bool is_zero(const char *text, size_t count) { return strspn(text, "0") >= count; }

static bool is_valid(const char *text) {
    if (text == NULL || strlen(text) < LENGTH) return false;
    bool dashes = text[TRACE - 1] == '-' && text[SPAN - 1] == '-' && text[FLAGS - 1] == '-';
    if (!dashes || !is_hex(text, 2) || !is_hex(text + TRACE, 32) || !is_hex(text + SPAN, 16)) return false;
    if (!is_hex(text + FLAGS, 2) || is_zero(text + TRACE, 32) || is_zero(text + SPAN, 16)) return false;
    if (memcmp(text, "ff", 2) == 0) return false;
    /* A later version may say more, behind a dash; version 00 says no more. */
    return text[LENGTH] == '\0' || (memcmp(text, "00", 2) != 0 && text[LENGTH] == '-');
}

/* 64 random bits that are not all zero. */
static uint64_t draw(void) {
    uint64_t state = hf__seed_next();
    uint64_t bits = hf__rng_next(&state) ^ hf__seed_next_wide();
    return bits != 0 ? bits : 1;
}

void hf_traceparent_make(char out[HF_TRACEPARENT_SIZE], bool sampled) {
    snprintf(out, HF_TRACEPARENT_SIZE, "00-%016llx%016llx-%016llx-%02x", (unsigned long long)draw(),
             (unsigned long long)draw(), (unsigned long long)draw(), sampled ? 1u : 0u);
}

int hf_traceparent_child(char out[HF_TRACEPARENT_SIZE], const char *parent) {
    if (!is_valid(parent)) return HF_E_INVALID;
    /* Of the flags version 00 knows the first only, and passes on no others. */
    bool sampled = strchr("13579bdf", parent[FLAGS + 1]) != NULL;
    snprintf(out, HF_TRACEPARENT_SIZE, "00-%.32s-%016llx-%02x", parent + TRACE, (unsigned long long)draw(),
             sampled ? 1u : 0u);
    return 0;
}

void hf_traceparent_hook(void *arg, hf_sending *sending) {
    char text[HF_TRACEPARENT_SIZE];
    if (hf_traceparent_child(text, arg) < 0) hf_traceparent_make(text, false);
    (void)hf_sending_add(sending, "traceparent", text); /* without memory the attempt goes untraced */
}
