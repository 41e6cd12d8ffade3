/* SPDX-License-Identifier: MIT */
/* Any text as a scenario of mockd, and another as a change to it while it runs. A mistake is told with file, line and
 * what is wrong, and a change with a mistake changes nothing; what is accepted is complete and makes sense in every
 * phase. */
#include "fuzz.h"
#include "mockd/scenario.h"
#include "support/bytes.h"

#include <string.h>

#define NAME "x.ini"
#define GUARD 0x5a

static struct scenario scenario, before;

static int lines_of(const char *text) {
    int lines = 1;
    for (; *text != '\0'; text++) lines += *text == '\n';
    return lines;
}

/* "PREFIXn: what is wrong", or without a line when it is wrong as a whole; cut at `size`. */
static void check_message(const char *message, size_t size, const char *prefix, int lines) {
    size_t length = strnlen(message, size);
    FUZZ_MUST(length > 0 && length < size);
    if (length + 1 == size) return; /* cut */
    const char *number = message + strlen(prefix);
    if (strncmp(message, prefix, strlen(prefix)) != 0 || *number < '0' || *number > '9') {
        FUZZ_MUST(strstr(message, "the faults sum up to more than 100 percent") || strstr(message, "no [route /PATH]"));
        return;
    }
    char *rest;
    long line = strtol(number, &rest, 10);
    FUZZ_MUST(line >= 1 && line <= lines);
    FUZZ_MUST(rest[0] == ':' && rest[1] == ' ' && strlen(rest) > 10);
}

static void check_behaviour(const struct behaviour *b) {
    FUZZ_MUST(b->status.count >= 1 && b->status.count <= MAX_STATUSES);
    double weight = 0;
    for (int i = 0; i < b->status.count; i++) {
        FUZZ_MUST(b->status.part[i].code >= 200 && b->status.part[i].code <= 599 && b->status.part[i].weight >= 0);
        weight += b->status.part[i].weight;
    }
    FUZZ_MUST(weight > 0 && behaviour_faults_fit(b));
    for (int i = 0; i < FAULT_COUNT; i++) FUZZ_MUST(b->fault[i] >= 0 && b->fault[i] <= 100);
    FUZZ_MUST(b->body_bytes >= 0 && b->workers >= 0 && b->queue >= 0 && b->close_after >= 0);
    FUZZ_MUST(memchr(b->ledger, '\0', sizeof b->ledger) != NULL && memchr(b->header, '\0', sizeof b->header) != NULL);
}

static void check_scenario(void) {
    FUZZ_MUST(scenario.route_count >= 0 && scenario.route_count <= MAX_ROUTES);
    FUZZ_MUST(scenario.phase_count >= 0 && scenario.phase_count <= MAX_PHASES);
    FUZZ_MUST(scenario.rule_count >= 0 && scenario.rule_count <= MAX_RULES);
    for (int phase = 0; phase <= scenario.phase_count; phase++) {
        FUZZ_MUST(scenario_phase_name(&scenario, phase)[0] != '\0');
        for (int route = 0; route < scenario.route_count; route++) {
            check_behaviour(&scenario.resolved[phase][route]);
            for (int rule = 0; rule < scenario.rule_count; rule++) {
                if (scenario.rule[rule].route != route) continue;
                struct behaviour b = scenario_behaviour(&scenario, phase, route, rule);
                check_behaviour(&b);
            }
        }
    }
    double at = 0;
    for (int phase = 0; phase < scenario.phase_count; phase++) {
        FUZZ_MUST(scenario.phase[phase].start_s == at && scenario.phase[phase].end_s > at);
        FUZZ_MUST(scenario_phase_at(&scenario, at) == phase);
        at = scenario.phase[phase].end_s;
    }
    FUZZ_MUST(scenario_phase_at(&scenario, at) == scenario.phase_count);
    for (int route = 0; route < scenario.route_count; route++) {
        FUZZ_MUST(scenario_route(&scenario, scenario.route[route].path) == route);
    }
    for (int rule = 0; rule < scenario.rule_count; rule++) {
        FUZZ_MUST(scenario.rule[rule].route >= 0 && scenario.rule[rule].route < scenario.route_count);
        FUZZ_MUST(scenario.rule[rule].first <= scenario.rule[rule].last);
        (void)rule_is_for(&scenario.rule[rule], NULL);
        (void)rule_is_for(&scenario.rule[rule], scenario.rule[rule].value);
    }
}

static void change(const char *text, char *message, size_t size) {
    struct control control;
    before = scenario;
    message[0] = '\0';
    if (scenario_change(&scenario, text, &control, message, size)) {
        FUZZ_MUST(control.phase >= -1 && control.phase <= scenario.phase_count);
        check_scenario();
    } else {
        FUZZ_MUST(memcmp((const char *)&before, (const char *)&scenario, sizeof before) == 0); /* gaps and all */
        check_message(message, size, "line ", lines_of(text));
    }
}

/* The first byte is the room for messages, then two texts, the first ended by a zero. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = bytes_of(data, size);
    size_t room = bytes_one_in(&in, 16) ? 24 : 640;
    char *text = calloc(1, in.left + 2), *message = malloc(room + 1);
    FUZZ_MUST(text != NULL && message != NULL);
    memcpy(text, in.at, in.left);
    message[room] = GUARD;
    memset(&scenario, 0, sizeof scenario);
    if (scenario_parse(&scenario, NAME, text, message, room)) {
        check_scenario();
        change(text + strlen(text) + 1, message, room);
    } else {
        check_message(message, room, NAME ":", lines_of(text));
    }
    FUZZ_MUST(message[room] == GUARD);
    free(text);
    free(message);
    return 0;
}
