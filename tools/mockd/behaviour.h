/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_BEHAVIOUR_H
#define MOCKD_BEHAVIOUR_H

/* How a route behaves, and the keys of a scenario that say it. docs/mockd.md is the reference of the keys. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* What may go wrong with one request. A key each in behaviour.c, its bytes in fault.c. */
enum fault {
    NO_FAULT = 0,
    FAULT_HANG,                /* no answer at all, the connection stays open */
    FAULT_DROP,                /* the connection is closed (FIN) before any byte */
    FAULT_STALE,               /* the same, but only on a connection that has served a request before */
    FAULT_RESET,               /* reset (RST) before any byte, no work is done */
    FAULT_LOSE_ANSWER,         /* the work is done, then reset before any byte */
    FAULT_RESET_AFTER_HEADERS, /* the work is done, headers are sent, then reset */
    FAULT_TRUNCATE,            /* half of the announced body, then closed */
    FAULT_DRIP,                /* the body byte by byte, drip_ms apart */
    FAULT_CUT_HEADERS,         /* closed in the middle of a header line */
    FAULT_LENGTH_LONG,         /* announces more than it sends; the connection stays open */
    FAULT_LENGTH_SHORT,        /* announces half of what it sends */
    FAULT_LENGTH_GARBAGE,      /* Content-Length is no number */
    FAULT_GARBAGE_STATUS,      /* the first line is not HTTP */
    FAULT_STORM_1XX,           /* 1xx answers, storm_count of them, before the real one */
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
    int drip_ms, storm_count;
    struct retry_after retry_after;
    int body_bytes;
    int echo;         /* the body is the request */
    char header[160]; /* of the answer: "Name: value", more of them after " | "; "" for none */
    int close_after;  /* requests on one connection; 0: any number */
    int workers;      /* 0: no capacity model */
    struct distribution service;
    int queue;
    int overload_status;
    char ledger[64]; /* name of the header that identifies a side effect, "" for none */
    int idempotent;
};

/* Some keys of a behaviour, and which. */
struct partial {
    uint64_t given; /* a bit for each key */
    struct behaviour values;
};

extern const struct behaviour behaviour_defaults;

/* Sets one key of `partial`. On a mistake returns false and writes a sentence that says what was expected. */
bool partial_set(struct partial *partial, const char *name, const char *value, char *message, size_t size);

/* True when one of the keys of the capacity model is given, which belong to a route as a whole. */
bool partial_has_capacity(const struct partial *partial);

/* True when a fault is given. */
bool partial_has_fault(const struct partial *partial);

void partial_apply(const struct partial *partial, struct behaviour *behaviour);

/* Faults share one throw of the dice: their percentages sum up to 100 or less. */
bool behaviour_faults_fit(const struct behaviour *behaviour);

const char *fault_name(enum fault fault);

/* The name of key 0, 1, ...; NULL behind the last one. */
const char *behaviour_key(size_t index);

/* Numbers as every part of a scenario reads them. */
bool read_number(const char *text, double low, double high, double *out);
bool read_whole(const char *text, int low, int high, int *out);

#endif
