/* SPDX-License-Identifier: MIT */
#include "scenario.h"

#include <ini.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values: each parser returns NULL, or what it expected ---- */

static bool number(const char *text, double low, double high, double *out) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value >= low && value <= high)) return false;
    *out = value;
    return true;
}

static bool whole(const char *text, int low, int high, int *out) {
    double value;
    if (!number(text, low, high, &value) || value != (double)(int)value) return false;
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
        if (!whole(word, 200, 599, &mix.part[mix.count].code)) return "status codes 200 to 599, e.g. 200:95 503:5";
        mix.part[mix.count].weight = 1;
        if (colon != NULL && !number(colon + 1, 0, 1e6, &mix.part[mix.count].weight)) return "weights of 0 or more";
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
    if (words == 2 && strcmp(kind, "fixed") == 0 && number(a, 0, 600000, &d.a)) {
        d.kind = FIXED;
    } else if (words == 3 && strcmp(kind, "uniform") == 0 && number(a, 0, 600000, &d.a) &&
               number(b, d.a, 600000, &d.b)) {
        d.kind = UNIFORM;
    } else if (words == 3 && strcmp(kind, "lognormal") == 0 && number(a, 0.001, 600000, &d.a) &&
               number(b, 0, 5, &d.b)) {
        d.kind = LOGNORMAL;
    } else {
        return "fixed MS, uniform LOW_MS HIGH_MS or lognormal MEDIAN_MS SIGMA (up to 600000 ms, sigma up to 5)";
    }
    *(struct distribution *)out = d;
    return NULL;
}

static const char *parse_percent(const char *text, void *out) {
    return number(text, 0, 100, out) ? NULL : "a percentage from 0 to 100";
}

static const char *parse_retry_after(const char *text, void *out) {
    struct retry_after r = {NO_RETRY_AFTER, 0};
    char kind[16], seconds[32], rest[2];
    int words = sscanf(text, "%15s %31s %1s", kind, seconds, rest);
    if (words == 2 && whole(seconds, 0, 86400, &r.seconds)) {
        if (strcmp(kind, "seconds") == 0) r.kind = AS_SECONDS;
        if (strcmp(kind, "date") == 0) r.kind = AS_DATE;
    }
    if (r.kind == NO_RETRY_AFTER && strcmp(text, "none") != 0) return "none, seconds N or date N (0 to 86400)";
    *(struct retry_after *)out = r;
    return NULL;
}

static const char *parse_count(const char *text, void *out) {
    return whole(text, 0, 1000000, out) ? NULL : "a whole number from 0 to 1000000";
}

static const char *parse_one_status(const char *text, void *out) {
    return whole(text, 200, 599, out) ? NULL : "a status code from 200 to 599";
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

#define FIELD(member) offsetof(struct behaviour, member), sizeof(((struct behaviour *)0)->member)
#define FAULT(name, index) \
    { name, parse_percent, offsetof(struct behaviour, fault) + (index) * sizeof(double), sizeof(double) }

/* Every key of a route. */
static const struct key {
    const char *name;
    const char *(*parse)(const char *text, void *out);
    size_t offset, size;
} keys[] = {
    {"status", parse_status, FIELD(status)},
    {"latency", parse_distribution, FIELD(latency)},
    FAULT("hang", FAULT_HANG),
    FAULT("drop", FAULT_DROP),
    FAULT("reset", FAULT_RESET),
    FAULT("lose_answer", FAULT_LOSE_ANSWER),
    FAULT("reset_after_headers", FAULT_RESET_AFTER_HEADERS),
    FAULT("truncate", FAULT_TRUNCATE),
    FAULT("cut_headers", FAULT_CUT_HEADERS),
    {"retry_after", parse_retry_after, FIELD(retry_after)},
    {"body_bytes", parse_count, FIELD(body_bytes)},
    {"workers", parse_count, FIELD(workers)},
    {"service", parse_distribution, FIELD(service)},
    {"queue", parse_count, FIELD(queue)},
    {"overload_status", parse_one_status, FIELD(overload_status)},
    {"ledger", parse_ledger, FIELD(ledger)},
    {"idempotent", parse_switch, FIELD(idempotent)},
};
#define KEY_COUNT (sizeof keys / sizeof keys[0])

const char *fault_name(enum fault fault) {
    size_t offset = offsetof(struct behaviour, fault) + (size_t)fault * sizeof(double);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (keys[i].offset == offset) return keys[i].name;
    }
    return "none";
}

/* ---- the file ---- */

struct reader {
    struct scenario *scenario;
    uint32_t given[MAX_PHASES + 1][MAX_ROUTES]; /* which keys a section has; the last: the route itself */
    struct behaviour values[MAX_PHASES + 1][MAX_ROUTES];
    double seconds[MAX_PHASES];
    char message[512];
};

static int complain(struct reader *r, const char *format, const char *a, const char *b, const char *c) {
    if (r->message[0] == '\0') snprintf(r->message, sizeof r->message, format, a, b, c);
    return 0;
}

static int find_route(const struct scenario *s, const char *path) {
    for (int i = 0; i < s->route_count; i++) {
        if (strcmp(s->route[i].path, path) == 0) return i;
    }
    return -1;
}

static int find_phase(const struct scenario *s, const char *name) {
    for (int i = 0; i < s->phase_count; i++) {
        if (strcmp(s->phase[i].name, name) == 0) return i;
    }
    return -1;
}

static int add_route(struct reader *r, const char *path) {
    struct scenario *s = r->scenario;
    if (s->route_count == MAX_ROUTES || path[0] != '/' || strlen(path) >= sizeof s->route[0].path) return -1;
    strcpy(s->route[s->route_count].path, path);
    return s->route_count++;
}

static int add_phase(struct reader *r, const char *name) {
    struct scenario *s = r->scenario;
    if (s->phase_count == MAX_PHASES || strlen(name) >= sizeof s->phase[0].name) return -1;
    strcpy(s->phase[s->phase_count].name, name);
    return s->phase_count++;
}

static int set_key(struct reader *r, int phase, int route, const char *name, const char *value) {
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) != 0) continue;
        if (r->given[phase][route] & (1u << i)) return complain(r, "%s stands twice in this section%s%s", name, "", "");
        r->given[phase][route] |= 1u << i;
        char *field = (char *)&r->values[phase][route] + keys[i].offset;
        const char *expected = keys[i].parse(value, field);
        if (expected != NULL) return complain(r, "%s = %s: expected %s", name, value, expected);
        return 1;
    }
    return complain(r, "unknown key \"%s\": see docs/mockd.md for the keys of a route%s%s", name, "", "");
}

static int set_phase_key(struct reader *r, int phase, const char *name, const char *value) {
    if (strcmp(name, "seconds") != 0)
        return complain(r, "unknown key \"%s\": a phase has only seconds%s%s", name, "", "");
    if (r->seconds[phase] > 0) return complain(r, "%s stands twice in this section%s%s", name, "", "");
    if (!number(value, 0.001, 86400, &r->seconds[phase])) {
        return complain(r, "seconds = %s: expected 0.001 to 86400%s%s", value, "", "");
    }
    return 1;
}

static int handle(void *user, const char *section, const char *name, const char *value) {
    struct reader *r = user;
    char kind[16] = "", first[64] = "", second[64] = "", rest[2] = "";
    int words = sscanf(section, "%15s %63s %63s %1s", kind, first, second, rest);
    if (words == 2 && strcmp(kind, "route") == 0) {
        int route = find_route(r->scenario, first);
        if (route < 0) route = add_route(r, first);
        if (route < 0)
            return complain(r, "[route %s]: expected a path that begins with / (at most 63 characters, 16 routes)%s%s",
                            first, "", "");
        return set_key(r, MAX_PHASES, route, name, value);
    }
    if ((words == 2 || words == 3) && strcmp(kind, "phase") == 0) {
        int phase = find_phase(r->scenario, first);
        if (words == 2) {
            if (phase < 0) phase = add_phase(r, first);
            if (phase < 0)
                return complain(r, "[phase %s]: expected a name of at most 31 characters, and 16 phases%s%s", first, "",
                                "");
            return set_phase_key(r, phase, name, value);
        }
        int route = find_route(r->scenario, second);
        if (phase < 0)
            return complain(r, "[phase %s %s]: expected [phase %s] with its seconds above", first, second, first);
        if (route < 0) return complain(r, "[phase %s %s]: expected [route %s] above", first, second, second);
        return set_key(r, phase, route, name, value);
    }
    return complain(r, "[%s]: expected [route /PATH], [phase NAME] or [phase NAME /PATH]%s%s", section, "", "");
}

static void apply(struct behaviour *to, const struct behaviour *from, uint32_t given) {
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (given & (1u << i)) memcpy((char *)to + keys[i].offset, (const char *)from + keys[i].offset, keys[i].size);
    }
}

static const struct behaviour defaults = {
    .status = {1, {{200, 1}}},
    .latency = {FIXED, 0, 0},
    .body_bytes = 16,
    .service = {FIXED, 10, 0},
    .queue = 16,
    .overload_status = 503,
};

/* Faults share one throw of the dice. */
static bool faults_fit(const struct behaviour *b) {
    double sum = 0;
    for (int i = 1; i < FAULT_COUNT; i++) sum += b->fault[i];
    return sum <= 100;
}

static bool resolve(struct reader *r, const char *file, char *message, size_t size) {
    struct scenario *s = r->scenario;
    double at = 0;
    for (int p = 0; p < s->phase_count; p++) {
        s->phase[p].start_s = at;
        at += r->seconds[p];
        s->phase[p].end_s = at;
    }
    for (int i = 0; i < s->route_count; i++) {
        struct behaviour *base = &s->route[i].base;
        *base = defaults;
        apply(base, &r->values[MAX_PHASES][i], r->given[MAX_PHASES][i]);
        for (int p = 0; p <= s->phase_count; p++) {
            s->resolved[p][i] = *base;
            if (p < s->phase_count) apply(&s->resolved[p][i], &r->values[p][i], r->given[p][i]);
            if (faults_fit(&s->resolved[p][i])) continue;
            snprintf(message, size, "%s: route %s, phase %s: the faults sum up to more than 100 percent", file,
                     s->route[i].path, scenario_phase_name(s, p));
            return false;
        }
    }
    if (s->route_count > 0) return true;
    snprintf(message, size, "%s: no [route /PATH] with at least one key: expected one or more", file);
    return false;
}

bool scenario_read(struct scenario *scenario, const char *file, char *message, size_t size) {
    memset(scenario, 0, sizeof *scenario);
    struct reader *r = calloc(1, sizeof *r);
    if (r == NULL) return snprintf(message, size, "no memory"), false;
    r->scenario = scenario;
    int line = ini_parse(file, handle, r);
    bool ok = line == 0;
    if (line < 0) {
        snprintf(message, size, "%s: %s", file, line == -1 ? strerror(errno) : "no memory");
    } else if (line > 0) {
        snprintf(message, size, "%s:%d: %s", file, line,
                 r->message[0] ? r->message : "expected [section], key = value, or a comment that begins with ;");
    } else {
        ok = resolve(r, file, message, size);
    }
    free(r);
    return ok;
}

int scenario_phase_at(const struct scenario *scenario, double seconds) {
    int phase = 0;
    while (phase < scenario->phase_count && seconds >= scenario->phase[phase].end_s) phase++;
    return phase;
}

const char *scenario_phase_name(const struct scenario *scenario, int phase) {
    return phase < scenario->phase_count ? scenario->phase[phase].name : "after";
}
