/* SPDX-License-Identifier: MIT */
#include "support/vector_value.h"

#include <holdfast/types.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
    const char *name;
    int64_t ns;
} units[] = {
    {"d", 86400 * HF_SECOND},
    {"h", 3600 * HF_SECOND},
    {"min", 60 * HF_SECOND},
    {"s", HF_SECOND},
    {"ms", HF_MILLISECOND},
    {"us", HF_MICROSECOND},
    {"ns", 1},
};
#define UNITS (sizeof units / sizeof units[0])

/* Reads digits with an optional fraction as value * `scale`, exactly; what does not fit or would be cut off
 * is an error. `*text` is left behind the number. */
static bool decimal(const char **text, int64_t scale, int64_t *out) {
    const char *p = *text;
    int64_t value = 0;
    if (*p < '0' || *p > '9') return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (value > (INT64_MAX / scale - (*p - '0')) / 10) return false;
        value = value * 10 + (*p - '0');
    }
    value *= scale;
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++) {
            if (scale % 10 != 0) return false;
            scale /= 10;
            value += (*p - '0') * scale;
        }
    }
    *text = p;
    *out = value;
    return true;
}

static bool unsigned_duration(const char *text, int64_t *out) {
    if (strcmp(text, "0") == 0 || strcmp(text, "never") == 0) {
        *out = *text == '0' ? 0 : HF_NEVER;
        return true;
    }
    if (strncmp(text, "max-", 4) == 0) {
        int64_t before;
        if (!unsigned_duration(text + 4, &before)) return false;
        *out = HF_NEVER - before;
        return true;
    }
    size_t digits = strspn(text, "0123456789.");
    for (size_t i = 0; i < UNITS; i++) {
        if (strcmp(text + digits, units[i].name) != 0) continue;
        const char *p = text;
        return decimal(&p, units[i].ns, out) && p == text + digits;
    }
    return false;
}

bool vector_duration(const char *text, int64_t *out) {
    bool negative = *text == '-';
    if (!unsigned_duration(text + negative, out)) return false;
    if (negative) *out = -*out;
    return true;
}

bool vector_number(const char *text, int64_t *out) {
    if (strcmp(text, "off") == 0 || strcmp(text, "unlimited") == 0) {
        *out = UINT32_MAX;
        return true;
    }
    bool negative = *text == '-';
    const char *p = text + negative;
    if (!decimal(&p, 1, out) || *p != '\0') return false;
    if (negative) *out = -*out;
    return true;
}

bool vector_ppm(const char *text, int64_t *out) {
    const char *p = text;
    if (decimal(&p, HF_PPM / 100, out) && strcmp(p, "%") == 0) return true;
    return vector_number(text, out);
}

bool vector_draw(const char *text, uint64_t *out) {
    const char *p = text;
    const int64_t scale = INT64_C(1000000000);
    int64_t share;
    if (!decimal(&p, scale, &share) || *p != '\0' || share > scale) return false;
    uint64_t rest = 0, bits = 0;
    if (share == scale) bits = UINT64_MAX;
    else
        for (int i = 0; i < 64; i++) { /* long division: share * 2^64 / scale */
            rest = (i == 0 ? (uint64_t)share : rest) * 2;
            bits = bits << 1 | (rest >= (uint64_t)scale);
            rest %= (uint64_t)scale;
        }
    *out = bits;
    return true;
}

bool vector_word(const char *text, const char *const *names, int64_t *out) {
    for (int64_t i = 0; names[i] != NULL; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return true;
    }
    return vector_number(text, out);
}

const char *vector_show_duration(int64_t ns, char *out, size_t size) {
    if (ns == HF_NEVER || ns == 0) {
        snprintf(out, size, "%s", ns == 0 ? "0" : "never");
        return out;
    }
    for (size_t i = 0; i < UNITS; i++) {
        if (ns % units[i].ns != 0) continue;
        snprintf(out, size, "%" PRId64 "%s", ns / units[i].ns, units[i].name);
        break;
    }
    return out;
}
