/* SPDX-License-Identifier: MIT */
/* A client that is not HTTP, in an event loop: Redis through hiredis on libuv. The loop is yours, hiredis sends and
 * receives, and the engine (holdfast/call.h) says what to do next. No thread waits for anything.
 *
 *     redis_uv /run/redis/redis.sock
 *
 * Prints what became of SET and GET. With the server gone or hung the second one falls back to a word of its own.
 */
#include <hiredis/adapters/libuv.h>
#include <hiredis/async.h>
#include <holdfast/holdfast.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct command {
    struct server *server;
    const char *text;                   /* "SET greeting hello" */
    void (*done)(struct command *self); /* called when all is over */
    hf_result result;
    char reply[64];
    /* of the adapter */
    hf_call call;
    uint32_t attempt; /* that is under way */
    uv_timer_t timer;
};

struct server {
    const char *path;
    hf_pipeline *pipeline;
    redisAsyncContext *redis; /* NULL: not connected */
};

/* What a reply means to the policies: a loading or overloaded server may be asked again, a wrong command may not. */
static hf_outcome outcome_of(struct command *c, const redisReply *reply) {
    if (reply == NULL) return hf_failure(1); /* no connection, or it was dropped */
    snprintf(c->reply, sizeof c->reply, "%s", reply->str != NULL ? reply->str : "");
    if (reply->type != REDIS_REPLY_ERROR) return hf_success();
    if (strncmp(c->reply, "LOADING", 7) == 0 || strncmp(c->reply, "TRYAGAIN", 8) == 0) return hf_failure(2);
    return strncmp(c->reply, "OOM", 3) == 0 ? hf_throttled(3, 0) : hf_neutral(4);
}

static bool connect_if_needed(struct server *server, uv_loop_t *loop);
static void drop(struct server *server);

/* ---- the adapter: 37 lines between the engine, hiredis and libuv ---- */

static void on_timer(uv_timer_t *timer);

static void soon(struct command *c, uint64_t ms) { uv_timer_start(&c->timer, on_timer, ms, 0); }

/* Every command gets here once: with its reply, or with NULL when its connection is dropped. */
static void on_reply(redisAsyncContext *redis, void *reply, void *arg) {
    (void)redis;
    struct command *c = arg;
    (void)hf_call_report(&c->call, c->attempt, outcome_of(c, reply), hf_clock_now(NULL));
    soon(c, 0); /* not at once: hiredis may be in the middle of dropping a connection */
}

static void on_timer(uv_timer_t *timer) {
    struct command *c = timer->data;
    hf_step step;
    for (;;) {
        hf_time now = hf_clock_now(NULL);
        switch (hf_call_step(&c->call, &step, now)) {
        case HF_STEP_START:
            c->attempt = step.attempt;
            if (!connect_if_needed(c->server, timer->loop) ||
                redisAsyncCommand(c->server->redis, on_reply, c, c->text) != REDIS_OK) {
                (void)hf_call_report(&c->call, c->attempt, hf_failure(1), now);
            }
            break;
        case HF_STEP_CANCEL: drop(c->server); break; /* a command cannot be taken back: on_reply gets NULL */
        case HF_STEP_RUN:
            hf_call_result(&c->call, &c->result);
            (void)hf_call_report(&c->call, step.attempt, hf_fallback_run(step.fallback, c, &c->result), now);
            break;
        case HF_STEP_WAIT: /* rounded up: never early */
            if (step.at != HF_NEVER) soon(c, (uint64_t)((step.at - now + HF_MILLISECOND - 1) / HF_MILLISECOND));
            return;
        case HF_STEP_DONE:
            (void)hf_call_end(&c->call, &c->result);
            uv_timer_stop(timer);
            return c->done(c);
        }
    }
}

/* ---- the program ---- */

static void on_lost(const redisAsyncContext *redis, int status) {
    (void)status;
    struct server *server = redis->data;
    if (server->redis == redis) server->redis = NULL;
}

static void on_connect(const redisAsyncContext *redis, int status) {
    if (status != REDIS_OK) on_lost(redis, status);
}

static bool connect_if_needed(struct server *server, uv_loop_t *loop) {
    if (server->redis != NULL) return true;
    redisAsyncContext *redis = redisAsyncConnectUnix(server->path);
    if (redis == NULL) return false;
    redis->data = server;
    if (redis->err != 0 || redisLibuvAttach(redis, loop) != REDIS_OK) {
        redisAsyncFree(redis);
        return false;
    }
    server->redis = redis;
    redisAsyncSetConnectCallback(redis, on_connect);
    redisAsyncSetDisconnectCallback(redis, on_lost);
    return true;
}

/* Whoever waits on this connection is told: behind a command that hangs they would hang too. */
static void drop(struct server *server) {
    redisAsyncContext *redis = server->redis;
    server->redis = NULL;
    if (redis != NULL) redisAsyncFree(redis);
}

static void begin(struct command *c, uv_loop_t *loop) {
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    hf_call_options options;
    hf_call_options_init(&options);
    options.seed = hf_seed_fresh(); /* or all commands back off in step */
    if (hf_call_begin(&c->call, c->server->pipeline, &options, hf_clock_now(NULL)) == 0) soon(c, 0);
}

static void tell(struct command *c) {
    char sentence[200];
    hf_result_describe(&c->result, sentence, sizeof sentence);
    printf("%s: \"%s\": %s\n", c->text, c->reply, sentence);
    uv_close((uv_handle_t *)&c->timer, NULL);
}

static void ask_next(struct command *set);
static void finish(struct command *get) {
    tell(get);
    if (get->server->redis != NULL) redisAsyncDisconnect(get->server->redis);
}

static void ask_next(struct command *set) {
    tell(set);
    static struct command get = {.text = "GET greeting", .done = finish};
    get.server = set->server;
    begin(&get, set->timer.loop);
}

/* In place of a greeting that cannot be had. */
static hf_outcome polite_word(void *arg, const hf_result *failed) {
    (void)failed;
    struct command *c = arg;
    if (strncmp(c->text, "GET", 3) != 0) return hf_failure(0);
    snprintf(c->reply, sizeof c->reply, "good day");
    return hf_success();
}

static hf_pipeline *make_pipeline(hf_error *error) {
    hf_timeout_config total, attempt;
    hf_timeout_config_init(&total);
    hf_timeout_config_init(&attempt);
    total.timeout_ms = 1000;
    attempt.timeout_ms = 200;
    hf_retry_config again;
    hf_retry_config_init(&again);
    again.backoff.base_ms = 20;
    hf_fallback *word = NULL;
    hf_timeout *whole = NULL, *each = NULL;
    hf_retry *retry = NULL;
    hf_breaker *breaker = NULL;
    hf_pipeline *pipeline = NULL;
    if (hf_fallback_new(&word, "word", polite_word, error) == 0 &&
        hf_timeout_new(&whole, "total", &total, error) == 0 &&
        hf_retry_new(&retry, "retry", &again, NULL, error) == 0 &&
        hf_breaker_new(&breaker, "redis", NULL, error) == 0 && hf_timeout_new(&each, "attempt", &attempt, error) == 0) {
        hf_policy *order[] = {hf_fallback_policy(word), hf_timeout_policy(whole), hf_retry_policy(retry),
                              hf_breaker_policy(breaker), hf_timeout_policy(each)};
        (void)hf_pipeline_new(&pipeline, "redis", order, 5, error);
    }
    hf_fallback_free(word);
    hf_timeout_free(whole);
    hf_retry_free(retry);
    hf_breaker_free(breaker);
    hf_timeout_free(each);
    return pipeline;
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: redis_uv SOCKET\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    hf_error error;
    struct server server = {.path = argv[1], .pipeline = make_pipeline(&error)};
    if (server.pipeline == NULL) return fprintf(stderr, "%s\n", hf_error_text(&error)), 1;
    struct command set = {.server = &server, .text = "SET greeting hello", .done = ask_next};
    begin(&set, uv_default_loop());
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    hf_pipeline_free(server.pipeline);
    return 0;
}
