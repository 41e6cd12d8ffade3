/* SPDX-License-Identifier: MIT */
/* Reads scenarios. The same reader takes a file before the start and a change at run time; the latter may set
 * routes and rules and has a section of its own, [control]. */
#include "scenario.h"

#include <ini.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct scenario *scenario;
    struct control *control; /* not NULL: this is a change at run time */
    uint64_t fresh_rules;    /* made by this text, a bit each */
    char message[512];
};

static int complain(struct reader *r, const char *format, const char *a, const char *b, const char *c) {
    if (r->message[0] == '\0') snprintf(r->message, sizeof r->message, format, a, b, c);
    return 0;
}

static int set_key(struct reader *r, struct partial *partial, const char *name, const char *value) {
    char message[400];
    if (partial_set(partial, name, value, message, sizeof message)) return 1;
    return complain(r, "%s%s%s", message, "", "");
}

/* ---- [route /PATH] ---- */

static int add_route(struct scenario *s, const char *path) {
    if (s->route_count == MAX_ROUTES || path[0] != '/' || strlen(path) >= sizeof s->route[0].path) return -1;
    if (strpbrk(path, "\"\\") != NULL || strncmp(path, "/_control", 9) == 0) return -1;
    strcpy(s->route[s->route_count].path, path);
    return s->route_count++;
}

static int route_key(struct reader *r, const char *path, const char *name, const char *value) {
    int route = scenario_route(r->scenario, path);
    if (route < 0) route = add_route(r->scenario, path);
    if (route < 0) {
        return complain(r,
                        "[route %s]: expected a path that begins with / and is not /_control (at most 63 characters, "
                        "no quotes, 16 routes)%s%s",
                        path, "", "");
    }
    if (r->control == NULL) return set_key(r, &r->scenario->route[route].base, name, value);
    struct partial *live = &r->scenario->route[route].live, one = {0};
    int ok = set_key(r, &one, name, value);
    partial_apply(&one, &live->values);
    live->given |= one.given;
    return ok;
}

/* ---- [phase NAME] and [phase NAME /PATH] ---- */

static int find_phase(const struct scenario *s, const char *name) {
    for (int i = 0; i < s->phase_count; i++) {
        if (strcmp(s->phase[i].name, name) == 0) return i;
    }
    return -1;
}

static int add_phase(struct scenario *s, const char *name) {
    if (s->phase_count == MAX_PHASES || strlen(name) >= sizeof s->phase[0].name) return -1;
    if (strpbrk(name, "\"\\") != NULL || strcmp(name, "after") == 0) return -1;
    strcpy(s->phase[s->phase_count].name, name);
    return s->phase_count++;
}

static int phase_key(struct reader *r, const char *phase_name, const char *name, const char *value) {
    struct scenario *s = r->scenario;
    int phase = find_phase(s, phase_name);
    if (phase < 0) phase = add_phase(s, phase_name);
    if (phase < 0) {
        return complain(r,
                        "[phase %s]: expected a name of at most 31 characters other than \"after\", no quotes, and 16 "
                        "phases%s%s",
                        phase_name, "", "");
    }
    if (strcmp(name, "seconds") != 0)
        return complain(r, "unknown key \"%s\": a phase has only seconds%s%s", name, "", "");
    if (s->phase_seconds[phase] > 0) return complain(r, "%s stands twice in this section%s%s", name, "", "");
    if (!read_number(value, 0.001, 86400, &s->phase_seconds[phase])) {
        return complain(r, "seconds = %s: expected 0.001 to 86400%s%s", value, "", "");
    }
    return 1;
}

static int phase_route_key(struct reader *r, const char *phase_name, const char *path, const char *name,
                           const char *value) {
    int phase = find_phase(r->scenario, phase_name), route = scenario_route(r->scenario, path);
    if (phase < 0)
        return complain(r, "[phase %s %s]: expected [phase %s] with its seconds above", phase_name, path, phase_name);
    if (route < 0) return complain(r, "[phase %s %s]: expected [route %s] above", phase_name, path, path);
    return set_key(r, &r->scenario->in_phase[phase][route], name, value);
}

/* ---- [rule NAME /PATH] ---- */

static int find_rule(const struct scenario *s, const char *name) {
    for (int i = 0; i < s->rule_count; i++) {
        if (strcmp(s->rule[i].name, name) == 0) return i;
    }
    return -1;
}

static void rule_clear(struct rule *rule, int route) {
    rule->route = route;
    rule->header[0] = '\0';
    strcpy(rule->value, "*");
    rule->first = 1;
    rule->last = INT_MAX;
    rule->change = (struct partial){0};
}

static int add_rule(struct reader *r, const char *name) {
    struct scenario *s = r->scenario;
    if (s->rule_count == MAX_RULES || strlen(name) >= sizeof s->rule[0].name || strpbrk(name, "\"\\") != NULL)
        return -1;
    strcpy(s->rule[s->rule_count].name, name);
    s->rule[s->rule_count].live = r->control != NULL;
    return s->rule_count++;
}

/* N, N-M or N-. */
static bool read_range(const char *text, int *first, int *last) {
    char copy[32];
    if (strlen(text) >= sizeof copy) return false;
    strcpy(copy, text);
    char *dash = strchr(copy, '-');
    if (dash != NULL) *dash = '\0';
    if (!read_whole(copy, 1, 1000000, first)) return false;
    if (dash == NULL) return *last = *first, true;
    if (dash[1] == '\0') return *last = INT_MAX, true;
    return read_whole(dash + 1, *first, 1000000, last);
}

/* Which requests the rule is for. */
static int rule_when(struct reader *r, struct rule *rule, const char *name, const char *value) {
    if (strcmp(name, "when_header") == 0) {
        if (strlen(value) >= sizeof rule->header || value[0] == '\0' || strpbrk(value, " \t:") != NULL) {
            return complain(r, "when_header = %s: expected the name of a header of at most 63 characters%s%s", value,
                            "", "");
        }
        strcpy(rule->header, value);
    } else if (strcmp(name, "when_value") == 0) {
        if (strlen(value) >= sizeof rule->value || value[0] == '\0') {
            return complain(r, "when_value = %s: expected 1 to 127 characters, an ending * for any rest%s%s", value, "",
                            "");
        }
        strcpy(rule->value, value);
    } else if (strcmp(name, "when_nth") != 0) {
        return complain(r, "unknown key \"%s\": see docs/mockd.md for the keys of a rule%s%s", name, "", "");
    } else if (!read_range(value, &rule->first, &rule->last)) {
        return complain(r, "when_nth = %s: expected N, N-M or N-, counted from 1%s%s", value, "", "");
    }
    return 1;
}

static int rule_key(struct reader *r, const char *rule_name, const char *path, const char *name, const char *value) {
    struct scenario *s = r->scenario;
    int route = scenario_route(s, path), rule = find_rule(s, rule_name);
    if (route < 0) return complain(r, "[rule %s %s]: expected [route %s] above", rule_name, path, path);
    bool fresh = rule >= 0 && (r->fresh_rules & (UINT64_C(1) << rule));
    if (rule < 0) rule = add_rule(r, rule_name);
    if (rule < 0) {
        return complain(r, "[rule %s %s]: expected a name of at most 31 characters, no quotes, and 32 rules%s",
                        rule_name, path, "");
    }
    if (s->rule[rule].live != (r->control != NULL) || (fresh && s->rule[rule].route != route)) {
        return complain(r, "[rule %s %s]: expected another name: there is a rule of this one for %s", rule_name, path,
                        s->route[s->rule[rule].route].path);
    }
    if (!fresh) rule_clear(&s->rule[rule], route); /* new, or made by an earlier change and replaced now */
    r->fresh_rules |= UINT64_C(1) << rule;
    if (strncmp(name, "when_", 5) == 0) return rule_when(r, &s->rule[rule], name, value);
    if (!set_key(r, &s->rule[rule].change, name, value)) return 0;
    if (!partial_has_capacity(&s->rule[rule].change)) return 1;
    return complain(r, "%s: expected in [route %s], workers and queue serve all its requests%s", name, path, "");
}

/* ---- [control] ---- */

static int control_key(struct reader *r, const char *name, const char *value) {
    struct scenario *s = r->scenario;
    if (strcmp(name, "phase") == 0 || strcmp(name, "hold") == 0) {
        int phase = strcmp(value, "after") == 0 ? s->phase_count : find_phase(s, value);
        if (phase < 0) return complain(r, "%s = %s: expected the name of a phase, or after%s", name, value, "");
        *r->control = (struct control){.phase = phase, .hold = name[0] == 'h'};
        return 1;
    }
    if (strcmp(name, "undo") != 0)
        return complain(r, "unknown key \"%s\": [control] has phase, hold and undo%s%s", name, "", "");
    if (strcmp(value, "on") != 0) return complain(r, "undo = %s: expected on%s%s", value, "", "");
    for (int i = 0; i < s->route_count; i++) s->route[i].live = (struct partial){0};
    while (s->rule_count > 0 && s->rule[s->rule_count - 1].live) s->rule_count--;
    r->fresh_rules = 0;
    return 1;
}

/* ---- the text ---- */

static int handle(void *user, const char *section, const char *name, const char *value) {
    struct reader *r = user;
    char kind[16] = "", first[64] = "", second[64] = "", rest[2] = "";
    int words = sscanf(section, "%15s %63s %63s %1s", kind, first, second, rest);
    bool file = r->control == NULL;
    if (words == 2 && strcmp(kind, "route") == 0) return route_key(r, first, name, value);
    if (words == 3 && strcmp(kind, "rule") == 0) return rule_key(r, first, second, name, value);
    if (words == 2 && file && strcmp(kind, "phase") == 0) return phase_key(r, first, name, value);
    if (words == 3 && file && strcmp(kind, "phase") == 0) return phase_route_key(r, first, second, name, value);
    if (words == 1 && !file && strcmp(kind, "control") == 0) return control_key(r, name, value);
    const char *more = file ? ", [phase NAME] or [phase NAME /PATH]" : " or [control]; phases stay as they are";
    if (section[0] == '\0')
        return complain(r, "%s: expected a section above: [route /PATH], [rule NAME /PATH]%s%s", name, more, "");
    return complain(r, "[%s]: expected [route /PATH], [rule NAME /PATH]%s%s", section, more, "");
}

static bool check_faults(const struct scenario *s, int phase, int route, int rule, char *message, size_t size) {
    struct behaviour b = scenario_behaviour(s, phase, route, rule);
    if (behaviour_faults_fit(&b)) return true;
    snprintf(message, size, "route %s, phase %s%s%s: the faults sum up to more than 100 percent", s->route[route].path,
             scenario_phase_name(s, phase), rule < 0 ? "" : ", rule ", rule < 0 ? "" : s->rule[rule].name);
    return false;
}

static bool resolve(struct scenario *s, char *message, size_t size) {
    double at = 0;
    for (int p = 0; p < s->phase_count; p++) {
        s->phase[p].start_s = at;
        at += s->phase_seconds[p];
        s->phase[p].end_s = at;
    }
    for (int i = 0; i < s->route_count; i++) {
        for (int p = 0; p <= s->phase_count; p++) {
            struct behaviour *b = &s->resolved[p][i];
            *b = behaviour_defaults;
            partial_apply(&s->route[i].base, b);
            if (p < s->phase_count) partial_apply(&s->in_phase[p][i], b);
            partial_apply(&s->route[i].live, b);
            if (!check_faults(s, p, i, -1, message, size)) return false;
        }
    }
    for (int k = 0; k < s->rule_count; k++) {
        for (int p = 0; p <= s->phase_count; p++) {
            if (!check_faults(s, p, s->rule[k].route, k, message, size)) return false;
        }
    }
    if (s->route_count > 0) return true;
    snprintf(message, size, "no [route /PATH] with at least one key: expected one or more");
    return false;
}

#define LONGEST_LINE 198

/* Reads all of the text; 0, the first bad line, or below 0 for want of memory. A line that is too long for inih would
 * be read as two, and all after it be counted wrongly. */
static int read_text(struct reader *r, const char *text) {
    int number = 1;
    for (const char *line = text; *line != '\0'; number++) {
        size_t length = strcspn(line, "\n");
        if (length > LONGEST_LINE) return number;
        line += length + (line[length] == '\n');
    }
    return ini_parse_string(text, handle, r);
}

/* `line` is what read_text made of it. `name` NULL: a change has no file. */
static bool finish(struct reader *r, int line, const char *name, char *message, size_t size) {
    static const char syntax[] =
        "expected [section], key = value, or a comment that begins with ; (up to 198 characters)";
    const char *what = line < 0 ? "no memory" : r->message[0] ? r->message : syntax;
    char unfit[256];
    if (line == 0 && resolve(r->scenario, unfit, sizeof unfit)) return true;
    if (line == 0) what = unfit;
    if (line <= 0) snprintf(message, size, "%s%s%s", name ? name : "", name ? ": " : "", what);
    else if (name != NULL) snprintf(message, size, "%s:%d: %s", name, line, what);
    else snprintf(message, size, "line %d: %s", line, what);
    return false;
}

bool scenario_parse(struct scenario *scenario, const char *name, const char *text, char *message, size_t size) {
    memset(scenario, 0, sizeof *scenario);
    struct reader r = {.scenario = scenario};
    return finish(&r, read_text(&r, text), name, message, size);
}

/* All of a file as a string, malloc'd. */
static char *read_all(const char *name, char *message, size_t size) {
    FILE *file = fopen(name, "r");
    char *text = NULL;
    size_t length = 0, room = 0;
    while (file != NULL && !feof(file) && !ferror(file)) {
        if (length + 4096 > room) {
            char *more = realloc(text, room = room * 2 + 8192);
            if (more == NULL) break;
            text = more;
        }
        length += fread(text + length, 1, room - length - 1, file);
        text[length] = '\0';
    }
    bool ok = file != NULL && text != NULL && feof(file);
    if (!ok) snprintf(message, size, "%s: %s", name, strerror(errno));
    if (file != NULL) fclose(file);
    if (ok) return text;
    free(text);
    return NULL;
}

bool scenario_read(struct scenario *scenario, const char *file, char *message, size_t size) {
    char *text = read_all(file, message, size);
    bool ok = text != NULL && scenario_parse(scenario, file, text, message, size);
    free(text);
    return ok;
}

bool scenario_change(struct scenario *scenario, const char *text, struct control *out_control, char *message,
                     size_t size) {
    struct scenario *changed = malloc(sizeof *changed);
    if (changed == NULL) return snprintf(message, size, "no memory"), false;
    *changed = *scenario;
    *out_control = (struct control){.phase = -1};
    struct reader r = {.scenario = changed, .control = out_control};
    bool ok = finish(&r, read_text(&r, text), NULL, message, size);
    if (ok) *scenario = *changed;
    out_control->fresh_rules = r.fresh_rules;
    free(changed);
    return ok;
}
