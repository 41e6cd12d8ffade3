/* SPDX-License-Identifier: MIT */
/* A database call with a classifier of its own: what each of its errors means is a table of a few rows. The database
 * here is a script of SQLSTATEs, so that the program runs anywhere; yours is PQexec, mysql_query, sqlite3_step.
 *
 *     build/release/examples/protect_database
 */
#include <holdfast/holdfast.h>

#include <stdio.h>
#include <string.h>

/* ---- the classifier ---- */

/* The policies ask three things of an error: is the database unwell (failure), does it ask us to slow down (throttled),
 * or is it our own fault (neutral)? And may the statement run again? Only you know the last: a statement whose fate is
 * unknown may have happened. By SQLSTATE, the longest prefix counts; PostgreSQL's appendix A has them all. */
static const struct {
    const char *state;
    hf_kind kind;
    bool again, even_a_write; /* repeat a read; repeat a write too, since it has certainly not happened */
} meanings[] = {
    {"40001", HF_FAILURE, true, true},   /* serialization failure: rolled back */
    {"40P01", HF_FAILURE, true, true},   /* deadlock: rolled back */
    {"08001", HF_FAILURE, true, true},   /* no connection: never sent */
    {"08006", HF_FAILURE, true, false},  /* connection lost meanwhile: who knows */
    {"57P01", HF_FAILURE, true, true},   /* the server shuts down: refused */
    {"53", HF_THROTTLED, true, true},    /* out of connections, memory, disk: refused */
    {"57014", HF_FAILURE, false, false}, /* cancelled for its time */
    {"23", HF_NEUTRAL, false, false},    /* a constraint: the database is well, the row is not */
    {"42", HF_NEUTRAL, false, false},    /* a mistake in the statement */
    {"", HF_FAILURE, false, false},      /* what we do not know counts, and is not repeated */
};

static hf_outcome outcome_of(const char *state, bool is_write) {
    if (strcmp(state, "00000") == 0) return hf_success();
    size_t i = 0, best = sizeof meanings / sizeof meanings[0] - 1;
    for (; i < sizeof meanings / sizeof meanings[0]; i++) {
        size_t length = strlen(meanings[i].state);
        if (strncmp(state, meanings[i].state, length) == 0 && length > strlen(meanings[best].state)) best = i;
    }
    bool again = is_write ? meanings[best].even_a_write : meanings[best].again;
    return (hf_outcome){.kind = (int32_t)meanings[best].kind, .flags = again ? HF_RETRYABLE : 0, .code = (int32_t)best};
}

/* ---- the call ---- */

struct query {
    const char *sql;
    bool is_write;
    const char *const *script; /* what the database says, one word for each time it is asked */
    int asked;
};

static const char *database_execute(struct query *q, int64_t timeout_ms) {
    (void)timeout_ms; /* yours: SET LOCAL statement_timeout, then the statement */
    return q->script[q->asked++];
}

/* The operation: hand the deadline on, say what came of it. */
static hf_outcome execute(void *arg, const hf_attempt *attempt) {
    struct query *q = arg;
    return outcome_of(database_execute(q, hf_attempt_remaining_ns(attempt) / HF_MILLISECOND), q->is_write);
}

static int run(hf_pipeline *orders, const char *sql, bool is_write, const char *const *script) {
    struct query q = {sql, is_write, script, 0};
    hf_result result;
    printf("%s\n", sql);
    int rc = hf_run(orders, execute, &q, NULL, &result);
    printf("  %s, asked %d times\n", hf_strerror(rc), q.asked);
    return rc;
}

int main(void) {
    hf_error error;
    hf_pipeline *orders;
    if (hf_pipeline_standard(&orders, "orders", &error) < 0) {
        fprintf(stderr, "%s\n", hf_error_text(&error));
        return 1;
    }
    (void)run(orders, "UPDATE stock", true, (const char *const[]){"40001", "40P01", "00000"});
    (void)run(orders, "SELECT price", false, (const char *const[]){"08006", "00000"});
    (void)run(orders, "INSERT payment", true, (const char *const[]){"08006"});
    (void)run(orders, "INSERT twice", true, (const char *const[]){"23505"});
    (void)run(orders, "SELECT later", false, (const char *const[]){"53300", "00000"});
    hf_pipeline_free(orders);
    return 0;
}
