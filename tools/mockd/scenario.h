/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_SCENARIO_H
#define MOCKD_SCENARIO_H

/* The scenario: routes, how each behaves, and phases that change some of it for some time. docs/mockd.md is
 * the reference of the file. Everything is resolved when the file has been read: behaviour(phase, route)
 * is one complete record. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ROUTES 16
#define MAX_PHASES 16
#define MAX_STATUSES 8

struct distribution {
    enum { FIXED, UNIFORM, LOGNORMAL } kind;
    double a, b; /* ms: fixed a; uniform a to b; lognormal median a, sigma b */
};

struct status_mix {
    int count;
    struct {
        int code;
        double weight;
    } part[MAX_STATUSES];
};

/* What may go wrong with one request; a row in the table of server.c each. */
enum fault {
    NO_FAULT = 0,
    FAULT_HANG,                /* no answer at all, the connection stays open */
    FAULT_DROP,                /* the connection is closed (FIN) before any byte */
    FAULT_RESET,               /* reset (RST) before any byte, no work is done */
    FAULT_LOSE_ANSWER,         /* the work is done, then reset before any byte */
    FAULT_RESET_AFTER_HEADERS, /* the work is done, headers are sent, then reset */
    FAULT_TRUNCATE,            /* half of the announced body, then closed */
    FAULT_CUT_HEADERS,         /* closed in the middle of a header line */
    FAULT_COUNT
};

struct retry_after {
    enum { NO_RETRY_AFTER, AS_SECONDS, AS_DATE } kind;
    int seconds;
};

struct behaviour {
    struct status_mix status;
    struct distribution latency;
    double fault[FAULT_COUNT]; /* percent */
    struct retry_after retry_after;
    int body_bytes;
    int workers; /* 0: no capacity model */
    struct distribution service;
    int queue;
    int overload_status;
    char ledger[64]; /* name of the header that identifies a side effect, "" for none */
    int idempotent;
};

struct route {
    char path[64];
    struct behaviour base;
};

struct phase {
    char name[32];
    double start_s, end_s;
};

struct scenario {
    int route_count, phase_count;
    struct route route[MAX_ROUTES];
    struct phase phase[MAX_PHASES];
    struct behaviour resolved[MAX_PHASES + 1][MAX_ROUTES]; /* the last: after all phases */
};

/* Reads a file. On a mistake returns false and writes "FILE:LINE: what: what was expected". */
bool scenario_read(struct scenario *scenario, const char *file, char *message, size_t size);

/* The index of the phase at `seconds` after the start; phase_count after the last one. */
int scenario_phase_at(const struct scenario *scenario, double seconds);

/* The name for reports: "after" behind the last phase. */
const char *scenario_phase_name(const struct scenario *scenario, int phase);

const char *fault_name(enum fault fault);

#endif
