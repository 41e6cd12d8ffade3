/* SPDX-License-Identifier: MIT */
#include "behaviour.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values: each parser returns NULL, or what it expected ---- */

bool read_number(const char *text, double low, double high, double *out) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value >= low && value <= high)) return false;
    *out = value;
    return true;
}

bool read_whole(const char *text, int low, int high, int *out) {
    double value;
    if (!read_number(text, low, high, &value) || value != (double)(int)value) return false;
    *out = (int)value;
    return true;
}

static const char *parse_status(const char *text, void *out) {
    struct status_mix mix = {0};
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    char *save = NULL;
    for (char *word = strtok_r(copy, " \t", &save); word != NULL; word = strtok_r(NULL, " \t", &save)) {
        char *colon = strchr(word, ':');
        if (colon != NULL) *colon = '\0';
        if (mix.count == MAX_STATUSES) return "at most 8 statuses";
        if (!read_whole(word, 200, 599, &mix.part[mix.count].code)) return "status codes 200 to 599, e.g. 200:95 503:5";
        mix.part[mix.count].weight = 1;
        if (colon != NULL && !read_number(colon + 1, 0, 1e6, &mix.part[mix.count].weight))
            return "weights of 0 or more";
        mix.count++;
    }
    double sum = 0;
    for (int i = 0; i < mix.count; i++) sum += mix.part[i].weight;
    if (!(sum > 0)) return "at least one status with a weight above 0";
    *(struct status_mix *)out = mix;
    return NULL;
}

static const char *parse_distribution(const char *text, void *out) {
    struct distribution d = {FIXED, 0, 0};
    char kind[16], a[32], b[32], rest[2];
    int words = sscanf(text, "%15s %31s %31s %1s", kind, a, b, rest);
    if (words == 2 && strcmp(kind, "fixed") == 0 && read_number(a, 0, 600000, &d.a)) {
        d.kind = FIXED;
    } else if (words == 3 && strcmp(kind, "uniform") == 0 && read_number(a, 0, 600000, &d.a) &&
               read_number(b, d.a, 600000, &d.b)) {
        d.kind = UNIFORM;
    } else if (words == 3 && strcmp(kind, "lognormal") == 0 && read_number(a, 0.001, 600000, &d.a) &&
               read_number(b, 0, 5, &d.b)) {
        d.kind = LOGNORMAL;
    } else {
        return "fixed MS, uniform LOW_MS HIGH_MS or lognormal MEDIAN_MS SIGMA (up to 600000 ms, sigma up to 5)";
    }
    *(struct distribution *)out = d;
    return NULL;
}

static const char *parse_percent(const char *text, void *out) {
    return read_number(text, 0, 100, out) ? NULL : "a percentage from 0 to 100";
}

static const char *parse_retry_after(const char *text, void *out) {
    struct retry_after r = {NO_RETRY_AFTER, 0};
    char kind[16], seconds[32], rest[2];
    int words = sscanf(text, "%15s %31s %1s", kind, seconds, rest);
    if (words == 2 && read_whole(seconds, 0, 86400, &r.seconds)) {
        if (strcmp(kind, "seconds") == 0) r.kind = AS_SECONDS;
        if (strcmp(kind, "date") == 0) r.kind = AS_DATE;
    }
    if (r.kind == NO_RETRY_AFTER && strcmp(text, "none") != 0) return "none, seconds N or date N (0 to 86400)";
    *(struct retry_after *)out = r;
    return NULL;
}

static const char *parse_count(const char *text, void *out) {
    return read_whole(text, 0, 1000000, out) ? NULL : "a whole number from 0 to 1000000";
}

static const char *parse_one_status(const char *text, void *out) {
    return read_whole(text, 200, 599, out) ? NULL : "a status code from 200 to 599";
}

static const char *parse_ledger(const char *text, void *out) {
    const char *name = strcmp(text, "on") == 0 ? "Idempotency-Key" : strcmp(text, "off") == 0 ? "" : text;
    if (strlen(name) > 63 || strchr(name, ' ') != NULL)
        return "on, off or the name of a header of at most 63 characters";
    strcpy(out, name);
    return NULL;
}

static const char *parse_switch(const char *text, void *out) {
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0) return "on or off";
    *(int *)out = strcmp(text, "on") == 0;
    return NULL;
}

/* Each part between bars has a name without blanks, a colon and a value. */
static const char *parse_header(const char *text, void *out) {
    static const char expected[] = "Name: value, more of them after \" | \", up to 159 characters; or none";
    if (strcmp(text, "none") == 0) return *(char *)out = '\0', NULL;
    if (strlen(text) >= sizeof((struct behaviour *)0)->header) return expected;
    for (const char *part = text; part != NULL;) {
        size_t name = strcspn(part, ": \t|");
        if (name == 0 || part[name] != ':' || strchr(" |", part[name + 1 + strspn(part + name + 1, " ")]) != NULL)
            return expected;
        part = strstr(part, " | ");
        if (part != NULL) part += 3;
    }
    strcpy(out, text);
    return NULL;
}

/* ---- the keys ---- */

#define FIELD(member) offsetof(struct behaviour, member), sizeof(((struct behaviour *)0)->member)
#define FAULT(name, index) \
    { name, parse_percent, offsetof(struct behaviour, fault) + (index) * sizeof(double), sizeof(double), IS_FAULT }

enum { PLAIN, IS_FAULT, IS_CAPACITY };

static const struct key {
    const char *name;
    const char *(*parse)(const char *text, void *out);
    size_t offset, size;
    int kind;
} keys[] = {
    {"status", parse_status, FIELD(status), PLAIN},
    {"latency", parse_distribution, FIELD(latency), PLAIN},
    FAULT("hang", FAULT_HANG),
    FAULT("drop", FAULT_DROP),
    FAULT("stale", FAULT_STALE),
    FAULT("reset", FAULT_RESET),
    FAULT("lose_answer", FAULT_LOSE_ANSWER),
    FAULT("reset_after_headers", FAULT_RESET_AFTER_HEADERS),
    FAULT("truncate", FAULT_TRUNCATE),
    FAULT("drip", FAULT_DRIP),
    FAULT("cut_headers", FAULT_CUT_HEADERS),
    FAULT("length_long", FAULT_LENGTH_LONG),
    FAULT("length_short", FAULT_LENGTH_SHORT),
    FAULT("length_garbage", FAULT_LENGTH_GARBAGE),
    FAULT("garbage_status", FAULT_GARBAGE_STATUS),
    FAULT("storm_1xx", FAULT_STORM_1XX),
    {"drip_ms", parse_count, FIELD(drip_ms), PLAIN},
    {"storm_count", parse_count, FIELD(storm_count), PLAIN},
    {"retry_after", parse_retry_after, FIELD(retry_after), PLAIN},
    {"body_bytes", parse_count, FIELD(body_bytes), PLAIN},
    {"echo", parse_switch, FIELD(echo), PLAIN},
    {"header", parse_header, FIELD(header), PLAIN},
    {"close_after", parse_count, FIELD(close_after), PLAIN},
    {"workers", parse_count, FIELD(workers), IS_CAPACITY},
    {"service", parse_distribution, FIELD(service), IS_CAPACITY},
    {"queue", parse_count, FIELD(queue), IS_CAPACITY},
    {"overload_status", parse_one_status, FIELD(overload_status), IS_CAPACITY},
    {"ledger", parse_ledger, FIELD(ledger), PLAIN},
    {"idempotent", parse_switch, FIELD(idempotent), PLAIN},
};
#define KEY_COUNT (sizeof keys / sizeof keys[0])
_Static_assert(KEY_COUNT <= 64, "a bit of struct partial for each");

const struct behaviour behaviour_defaults = {.status = {1, {{200, 1}}},
                                             .latency = {FIXED, 0, 0},
                                             .body_bytes = 16,
                                             .service = {FIXED, 10, 0},
                                             .queue = 16,
                                             .overload_status = 503,
                                             .drip_ms = 100,
                                             .storm_count = 100};

const char *fault_name(enum fault fault) {
    size_t offset = offsetof(struct behaviour, fault) + (size_t)fault * sizeof(double);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (keys[i].offset == offset) return keys[i].name;
    }
    return "none";
}

const char *behaviour_key(size_t index) { return index < KEY_COUNT ? keys[index].name : NULL; }

bool partial_set(struct partial *partial, const char *name, const char *value, char *message, size_t size) {
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) != 0) continue;
        if (partial->given & (UINT64_C(1) << i)) {
            snprintf(message, size, "%s stands twice in this section", name);
            return false;
        }
        partial->given |= UINT64_C(1) << i;
        const char *expected = keys[i].parse(value, (char *)&partial->values + keys[i].offset);
        if (expected != NULL) snprintf(message, size, "%s = %s: expected %s", name, value, expected);
        return expected == NULL;
    }
    snprintf(message, size, "unknown key \"%s\": see docs/mockd.md for the keys of a route", name);
    return false;
}

static bool has(const struct partial *partial, int kind) {
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (keys[i].kind == kind && (partial->given & (UINT64_C(1) << i))) return true;
    }
    return false;
}

bool partial_has_capacity(const struct partial *partial) { return has(partial, IS_CAPACITY); }
bool partial_has_fault(const struct partial *partial) { return has(partial, IS_FAULT); }

void partial_apply(const struct partial *partial, struct behaviour *behaviour) {
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (!(partial->given & (UINT64_C(1) << i))) continue;
        memcpy((char *)behaviour + keys[i].offset, (const char *)&partial->values + keys[i].offset, keys[i].size);
    }
}

bool behaviour_faults_fit(const struct behaviour *behaviour) {
    double sum = 0;
    for (int i = 1; i < FAULT_COUNT; i++) sum += behaviour->fault[i];
    return sum <= 100;
}
