/* SPDX-License-Identifier: MIT */
/* The client against mockd: what the caller gets, what the server saw, and what the result says. Real time; what must
 * be prompt is in client_time_test.c. */
#include "support/client_bench.h"
#include "support/cmocka_all.h"

#include <holdfast/holdfast.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SERVER_OK "[route /ok]\nstatus = 200\nbody_bytes = 10\n"

static long status(const struct client_bench *b) { return hf_response_status(b->response); }

static size_t body_bytes(const struct client_bench *b) {
    size_t bytes;
    const char *body = hf_response_body(b->response, &bytes);
    assert_int_equal(body[bytes], 0);
    return bytes;
}

static void a_get_brings_status_headers_and_body(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER_OK);
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
    assert_int_equal(status(b), 200);
    assert_int_equal(body_bytes(b), 10);
    assert_string_equal(hf_response_header(b->response, "content-LENGTH"), "10");
    assert_null(hf_response_header(b->response, "X-Not-There"));
    hf_header header;
    size_t count = 0;
    while (hf_response_header_at(b->response, count, &header)) count++;
    assert_true(count >= 2);
    assert_int_equal(client_bench_attempts(b), 1);
    assert_int_equal(client_bench_code(b), 200);
    assert_string_equal(hf_response_text(b->response), "");
    assert_int_equal(hf_client_in_flight(b->client), 0);
}

/* Every connection is dead when it is used again: the sixth time libcurl gave up at once, and it counted. */
static void dead_connections_are_got_past_however_many(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, "[route /stale]\nstale = 100\n");
    for (int i = 0; i < 16; i++) {
        assert_int_equal(client_bench_ask(b, "/stale"), HF_OK);
        assert_int_equal(client_bench_attempts(b), 1);
    }
    assert_true(client_bench_seen(b, "/stale") > 24); /* nearly all of them twice */
}

/* It was counted against the dependency: libcurl does not tell why it got no socket. */
static void having_no_descriptor_left_says_nothing_about_the_dependency(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER_OK);
    struct rlimit all, few;
    int next = dup(0);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    few = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = all.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int rc = client_bench_ask(b, "/ok");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    assert_int_equal(rc, HF_E_FAILED);
    assert_int_equal(client_bench_code(b), 7);
    hf_outcome outcome;
    assert_true(hf_result_outcome(hf_response_result(b->response), &outcome));
    assert_int_equal(outcome.kind, HF_NEUTRAL);
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
}

static void the_short_forms_do_what_they_say(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER_OK);
    assert_int_equal(hf_client_get(b->client, "/ok", NULL, &b->error), HF_OK);
    assert_int_equal(hf_client_delete(b->client, "/ok", NULL, NULL), HF_OK);
    assert_int_equal(hf_client_post(b->client, "/ok", "text/plain", "a=1", 3, NULL, NULL), HF_OK);
    assert_int_equal(hf_client_put(b->client, "/ok", NULL, "b", 1, NULL, NULL), HF_OK);
    assert_int_equal(hf_client_post(b->client, "/ok", NULL, NULL, 0, &b->response, NULL), HF_OK);
    assert_int_equal(status(b), 200);
    assert_int_equal(client_bench_seen(b, "/ok"), 5);
}

static void head_and_other_methods(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER_OK);
    b->request.method = "HEAD";
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
    assert_int_equal(status(b), 200);
    assert_int_equal(body_bytes(b), 0);
    b->request.method = "OPTIONS";
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
    b->request.method = "GET"; /* nothing of the requests before is left on the handle */
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
    assert_int_equal(body_bytes(b), 10);
}

static void a_whole_url_needs_no_base(void **state) {
    struct client_bench *b = *state;
    char url[64];
    client_bench_serve(b, SERVER_OK);
    snprintf(url, sizeof url, "%s/ok", b->door.url);
    assert_int_equal(client_bench_ask(b, url), HF_OK);
    assert_int_equal(status(b), 200);
}

static void a_name_is_looked_up(void **state) {
    struct client_bench *b = *state;
    char url[64];
    client_bench_serve(b, SERVER_OK);
    snprintf(url, sizeof url, "http://localhost:%d/ok", b->door.mockd.port);
    for (int i = 0; i < 3; i++) assert_int_equal(client_bench_ask(b, url), HF_OK);
    assert_int_equal(client_bench_ask(b, "http://no-such-name.invalid/"), HF_E_FAILED);
    assert_int_equal(client_bench_code(b), 6);
    assert_int_equal(status(b), 0);
    assert_non_null(strstr(hf_response_text(b->response), "no-such-name.invalid"));
}

static void a_404_is_delivered(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, "[route /x]\nstatus = 404\nbody_bytes = 5\n");
    assert_int_equal(client_bench_ask(b, "/x"), HF_OK);
    assert_int_equal(status(b), 404);
    assert_int_equal(body_bytes(b), 5);
}

static void a_503_is_repeated_and_the_last_one_delivered(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, "[route /x]\nstatus = 503\nbody_bytes = 50\n");
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(status(b), 503);
    assert_int_equal(body_bytes(b), 50);
    const hf_result *result = hf_response_result(b->response);
    assert_int_equal(hf_result_reason(result), HF_REASON_ATTEMPTS);
    assert_int_equal(client_bench_attempts(b), 3);
    assert_int_equal(client_bench_seen(b, "/x"), 3);
    hf_attempt_record record;
    for (uint32_t i = 1; i <= 3; i++) {
        assert_true(hf_result_attempt(result, i, &record));
        assert_int_equal(record.code, 503);
        assert_int_equal(record.kind, HF_FAILURE);
    }
}

static void a_cut_off_body_is_repeated_and_never_handed_out(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, "[route /x]\nbody_bytes = 100\ntruncate = 100\n");
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(client_bench_code(b), 18);
    assert_int_equal(status(b), 0);
    assert_int_equal(body_bytes(b), 0);
    assert_int_equal(client_bench_seen(b, "/x"), 3);
}

static void a_body_beyond_the_limit_ends_the_call(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, "[route /x]\nbody_bytes = 100000\n");
    b->request.max_body_bytes = 100000;
    assert_int_equal(client_bench_ask(b, "/x"), HF_OK);
    assert_int_equal(body_bytes(b), 100000);
    b->request.max_body_bytes = 99999;
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(client_bench_code(b), 63);
    assert_int_equal(body_bytes(b), 0);
    assert_int_equal(client_bench_attempts(b), 1);
}

/* ---- streaming ---- */

struct sink {
    size_t bytes;
    int pieces;
    long status;
    bool refuse;
};

static int on_body(void *arg, const hf_response *response, const void *data, size_t bytes) {
    struct sink *sink = arg;
    assert_non_null(data);
    assert_non_null(hf_response_header(response, "Content-Length"));
    sink->status = hf_response_status(response);
    sink->bytes += bytes;
    sink->pieces++;
    return sink->refuse ? 1 : 0;
}

static void a_streamed_body_comes_in_pieces_and_commits(void **state) {
    struct client_bench *b = *state;
    struct sink sink = {0};
    client_bench_serve(b, "[route /x]\nbody_bytes = 100000\n[route /cut]\nbody_bytes = 100\ntruncate = 100\n");
    b->request.on_body = on_body;
    b->request.on_body_arg = &sink;
    assert_int_equal(client_bench_ask(b, "/x"), HF_OK);
    assert_int_equal(sink.bytes, 100000);
    assert_int_equal(sink.status, 200);
    assert_true(sink.pieces > 1);
    assert_int_equal(status(b), 200);
    assert_int_equal(body_bytes(b), 0);
    assert_int_equal(client_bench_ask(b, "/cut"), HF_E_FAILED);
    assert_int_equal(status(b), 0);                    /* no whole response */
    assert_int_equal(client_bench_seen(b, "/cut"), 1); /* no second attempt after the first byte */
    sink = (struct sink){.refuse = true};
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(sink.pieces, 1);
    assert_int_equal(client_bench_code(b), 23);
}

/* ---- bodies ---- */

struct source {
    size_t left, total;
    int rewinds;
};

static size_t read_body(void *arg, void *out, size_t size) {
    struct source *source = arg;
    size_t bytes = size < source->left ? size : source->left;
    memset(out, 'x', bytes);
    source->left -= bytes;
    return bytes;
}

static int rewind_body(void *arg) {
    struct source *source = arg;
    source->left = source->total;
    source->rewinds++;
    return 0;
}

static void a_callback_body_is_repeated_only_with_a_rewind(void **state) {
    struct client_bench *b = *state;
    struct source source = {.left = 5000, .total = 5000};
    client_bench_serve(b, "[route /x]\nlose_answer = 100\n[route /ok]\nstatus = 200\n");
    b->request.method = "PUT";
    b->request.body_read = read_body;
    b->request.body_arg = &source;
    b->request.body_bytes = 5000;
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(client_bench_seen(b, "/x"), 1);
    source.left = 5000;
    b->request.body_rewind = rewind_body;
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(client_bench_attempts(b), 3);
    assert_int_equal(source.rewinds, 2);
    source.left = 5000;
    b->request.body_bytes = HF_BODY_UNKNOWN; /* in chunks */
    assert_int_equal(client_bench_ask(b, "/ok"), HF_OK);
    assert_int_equal(source.left, 0);
}

static void a_file_is_sent_again_from_its_start(void **state) {
    struct client_bench *b = *state;
    char path[] = "/tmp/hf_client_test_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "0123456789", 10), 10);
    close(file);
    client_bench_serve(b, "[route /x]\nlose_answer = 100\n");
    b->request.method = "PUT";
    b->request.body_file = path;
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(client_bench_attempts(b), 3);
    unlink(path);
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_SYSTEM);
    assert_null(b->response);
}

static void a_post_is_repeated_only_with_a_key(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, "[route /x]\nlose_answer = 100\nledger = on\nidempotent = on\n");
    b->request.method = "POST";
    b->request.body = "amount=1";
    b->request.body_bytes = 8;
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(client_bench_seen(b, "/x"), 1);
    b->request.make_key = 1;
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(client_bench_seen(b, "/x"), 1 + 3);
}

/* ---- many at once ---- */

struct tally {
    pthread_mutex_t mutex;
    int ok, other;
};

static void count_one(void *arg, hf_response *response) {
    struct tally *tally = arg;
    pthread_mutex_lock(&tally->mutex);
    if (hf_response_status(response) == 200) tally->ok++;
    else tally->other++;
    pthread_mutex_unlock(&tally->mutex);
    hf_response_free(response);
}

static int done_count(struct tally *tally) {
    pthread_mutex_lock(&tally->mutex);
    int count = tally->ok + tally->other;
    pthread_mutex_unlock(&tally->mutex);
    return count;
}

static void submitted_requests_call_back(void **state) {
    struct client_bench *b = *state;
    struct tally tally = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    client_bench_serve(b, SERVER_OK);
    b->request.url = "/ok";
    for (int i = 0; i < 100; i++) {
        assert_int_equal(hf_client_submit(b->client, &b->request, count_one, &tally, &b->error), 0);
    }
    for (int i = 0; i < 2000 && done_count(&tally) < 100; i++) client_bench_sleep_ms(5);
    assert_int_equal(tally.ok, 100);
    assert_int_equal(hf_client_in_flight(b->client), 0);
}

static void a_queue_is_readable_while_it_holds_something(void **state) {
    struct client_bench *b = *state;
    hf_completions *queue;
    int tags[20], seen = 0;
    client_bench_serve(b, SERVER_OK);
    assert_int_equal(hf_completions_new(&queue, NULL), 0);
    struct pollfd waiting = {.fd = hf_completions_fd(queue), .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 0), 0);
    b->request.url = "/ok";
    for (int i = 0; i < 20; i++) {
        tags[i] = 0;
        assert_int_equal(hf_client_submit_queued(b->client, &b->request, queue, &tags[i], NULL), 0);
    }
    while (seen < 20) {
        void *tag;
        hf_response *response;
        assert_int_equal(poll(&waiting, 1, 10000), 1);
        while (hf_completions_next(queue, &tag, &response)) {
            assert_int_equal(hf_response_status(response), 200);
            hf_response_free(response);
            (*(int *)tag)++;
            seen++;
        }
    }
    assert_int_equal(poll(&waiting, 1, 0), 0);
    for (int i = 0; i < 20; i++) assert_int_equal(tags[i], 1);
    hf_completions_free(queue);
}

static void freeing_a_client_ends_what_is_under_way(void **state) {
    struct client_bench *b = *state;
    hf_completions *queue;
    void *tag;
    hf_response *response;
    client_bench_serve(b, "[route /hang]\nhang = 100\n");
    assert_int_equal(hf_completions_new(&queue, NULL), 0);
    b->request.url = "/hang";
    for (int i = 0; i < 5; i++) assert_int_equal(hf_client_submit_queued(b->client, &b->request, queue, NULL, NULL), 0);
    client_bench_sleep_ms(20);
    hf_client_free(b->client);
    b->client = NULL;
    for (int i = 0; i < 5; i++) {
        assert_true(hf_completions_next(queue, &tag, &response));
        assert_int_equal(hf_result_status(hf_response_result(response)), HF_E_CANCELLED);
        hf_response_free(response);
    }
    hf_completions_free(queue);
}

struct resubmits {
    struct client_bench *b;
    _Atomic int accepted, ended, refused;
};

static void submit_again(void *arg, hf_response *response) {
    struct resubmits *r = arg;
    hf_response_free(response);
    r->ended++;
    int rc = hf_client_submit(r->b->client, &r->b->request, submit_again, r, NULL);
    if (rc == 0) r->accepted++;
    else if (rc == HF_E_STATE) r->refused++;
}

/* A callback that makes its call again kept hf_client_free going for ever, or gave it to a loop that had ended. */
static void callbacks_cannot_submit_to_a_client_that_is_being_freed(void **state) {
    struct client_bench *b = *state;
    struct resubmits r = {.b = b, .accepted = 20};
    client_bench_serve(b, "[route /hang]\nhang = 100\n");
    b->request.url = "/hang";
    for (int i = 0; i < 20; i++) {
        assert_int_equal(hf_client_submit(b->client, &b->request, submit_again, &r, NULL), 0);
    }
    client_bench_sleep_ms(20);
    hf_client_free(b->client);
    b->client = NULL;
    assert_int_equal(r.accepted, 20);
    assert_int_equal(r.ended, 20);
    assert_int_equal(r.refused, 20);
}

static void wait_inside(void *arg, hf_response *response) {
    struct client_bench *b = arg;
    hf_response_free(response);
    b->door.rewinds = hf_client_get(b->client, "/ok", NULL, NULL); /* would wait for itself */
    hf_cancel_raise(b->door.options.cancel);
}

static void waiting_on_a_loop_thread_is_refused(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER_OK);
    assert_int_equal(hf_cancel_new(&b->door.options.cancel, NULL), 0);
    b->request.url = "/ok";
    assert_int_equal(hf_client_submit(b->client, &b->request, wait_inside, b, NULL), 0);
    for (int i = 0; i < 2000 && !hf_cancel_raised(b->door.options.cancel); i++) client_bench_sleep_ms(5);
    assert_int_equal(b->door.rewinds, HF_E_STATE);
    hf_client_free(b->client);
    b->client = NULL;
    hf_cancel_free(b->door.options.cancel);
}

#define THREADS 8
#define REQUESTS 40

static void *ask_often(void *arg) {
    hf_client *client = arg;
    uintptr_t answered = 0;
    for (int i = 0; i < REQUESTS; i++) answered += hf_client_get(client, "/ok", NULL, NULL) == HF_OK;
    return (void *)answered;
}

static void many_threads_share_a_client(void **state) {
    struct client_bench *b = *state;
    pthread_t threads[THREADS];
    uintptr_t answered = 0;
    client_bench_serve(b, SERVER_OK);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask_often, b->client), 0);
    for (int i = 0; i < THREADS; i++) {
        void *count;
        pthread_join(threads[i], &count);
        answered += (uintptr_t)count;
    }
    assert_int_equal(answered, THREADS * REQUESTS);
    assert_int_equal(client_bench_seen(b, "/ok"), THREADS * REQUESTS);
}

/* ---- hooks ---- */

static void add_number(void *arg, hf_sending *sending) {
    char value[32];
    uint32_t *numbers = arg;
    numbers[0]++;
    numbers[1] = hf_sending_number(sending);
    assert_true(hf_sending_remaining_ns(sending) <= 5 * HF_SECOND);
    snprintf(value, sizeof value, "%u", numbers[1]);
    assert_int_equal(hf_sending_add(sending, "X-Number", value), 0);
    assert_int_equal(hf_sending_add(sending, "bad name", value), HF_E_INVALID);
    assert_int_equal(hf_sending_add(sending, "X-Bad", "a\r\nb"), HF_E_INVALID);
}

static void a_hook_sees_every_attempt(void **state) {
    struct client_bench *b = *state;
    uint32_t numbers[2] = {0, 0};
    b->config.attempt_header = "X-Attempt";
    b->config.deadline_header = "X-Deadline-Ms";
    client_bench_serve(b, "[route /x]\nstatus = 503\n");
    b->request.timeout_ms = 5000;
    b->request.hook = add_number;
    b->request.hook_arg = numbers;
    assert_int_equal(client_bench_ask(b, "/x"), HF_E_FAILED);
    assert_int_equal(numbers[0], 3);
    assert_int_equal(numbers[1], 3);
}

static void the_priority_travels_if_asked(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, "[route /x]\necho = on\n");
    assert_int_equal(client_bench_ask(b, "/x"), 0);
    assert_null(strstr(hf_response_body(b->response, NULL), "X-Priority"));
    b->config.priority_header = "X-Priority";
    client_bench_serve(b, "[route /x]\necho = on\n");
    b->request.priority = HF_PRIORITY_SHEDDABLE;
    assert_int_equal(client_bench_ask(b, "/x"), 0);
    assert_non_null(strstr(hf_response_body(b->response, NULL), "X-Priority: 5\n"));
}

/* The standard pipeline: one call is told to come back later, the next is not even sent. */
static void a_retry_after_holds_other_calls_back_too(void **state) {
    struct client_bench *b = *state;
    hf_pipeline *standard;
    hf_client *client;
    hf_response *response;
    client_bench_serve(b, "[route /x]\nstatus = 429\nretry_after = seconds 60\n[route /ok]\nstatus = 200\n");
    assert_int_equal(hf_pipeline_standard(&standard, "std", NULL), 0);
    assert_int_equal(hf_client_new(&client, "std", standard, &b->config, NULL), 0);
    assert_int_equal(hf_client_get(client, "/x", &response, NULL), HF_E_FAILED);
    assert_int_equal(hf_response_status(response), 429);
    hf_response_free(response);
    assert_int_equal(hf_client_get(client, "/ok", &response, NULL), HF_E_REJECTED);
    assert_int_equal(hf_result_reason(hf_response_result(response)), HF_REASON_NOT_BEFORE);
    hf_time retry_at = hf_result_retry_at(hf_response_result(response));
    assert_true(retry_at > hf_clock_now(NULL) + 50 * HF_SECOND && retry_at < hf_clock_now(NULL) + 61 * HF_SECOND);
    hf_response_free(response);
    hf_client_free(client);
    hf_pipeline_free(standard);
    assert_int_equal(client_bench_seen(b, "/ok"), 0);
}

/* The key of the call reaches the policies, as a copy, and so does its weight. */
static void limits_are_kept_by_key(void **state) {
    struct client_bench *b = *state;
    hf_rate_limit_config config;
    hf_rate_limit *limit;
    hf_pipeline *pipeline;
    hf_client *client;
    static const struct {
        const char *key;
        uint32_t weight;
        int rc;
    } rows[] = {
        {"ann", 1, HF_OK}, {"ann", 1, HF_OK}, {"ann", 1, HF_E_REJECTED}, {"bob", 2, HF_OK}, {"bob", 1, HF_E_REJECTED}};
    client_bench_serve(b, SERVER_OK);
    hf_rate_limit_config_init(&config);
    config.tier[0].permits = 2;
    config.tier[0].burst = 2;
    config.tier[0].period_ms = 60000;
    config.max_keys = 16;
    assert_int_equal(hf_rate_limit_new(&limit, "limit", &config, NULL), 0);
    hf_policy *order[] = {hf_rate_limit_policy(limit)};
    assert_int_equal(hf_pipeline_new(&pipeline, "limited", order, 1, NULL), 0);
    assert_int_equal(hf_client_new(&client, "limited", pipeline, &b->config, NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        b->request.url = "/ok";
        b->request.key = rows[i].key;
        b->request.weight = rows[i].weight;
        assert_int_equal(hf_client_request(client, &b->request, NULL, NULL), rows[i].rc);
    }
    hf_client_free(client);
    hf_pipeline_free(pipeline);
    hf_rate_limit_free(limit);
}

/* ---- what is refused ---- */

static void check_refused(struct client_bench *b, const char *word) {
    assert_int_equal(client_bench_ask(b, b->request.url), HF_E_INVALID);
    assert_null(b->response);
    if (strstr(hf_error_text(&b->error), word) == NULL) fail_msg("\"%s\" lacks %s", hf_error_text(&b->error), word);
    hf_request_init(&b->request);
    b->request.url = "/ok";
}

static void bad_requests_are_refused_with_a_sentence(void **state) {
    struct client_bench *b = *state;
    client_bench_serve(b, SERVER_OK);
    b->request.url = NULL;
    check_refused(b, "url");
    b->request.url = "ftp://host/";
    check_refused(b, "url");
    b->request.url = "/a b";
    check_refused(b, "url");
    b->request.method = "G T";
    check_refused(b, "method");
    hf_header split = {"X-A", "a\r\nX-B: b"};
    b->request.headers = &split;
    b->request.header_count = 1;
    check_refused(b, "headers[0]");
    b->request.body = "x";
    b->request.body_file = "/etc/hostname";
    check_refused(b, "body");
    b->request.timeout_ms = -1;
    check_refused(b, "timeout_ms");
    b->request.idempotency_key = "a\"b";
    check_refused(b, "request: idempotency_key");
    b->request.idempotency_key = "a";
    b->request.make_key = 1;
    check_refused(b, "request: make_key is 1");
    b->request.make_key = 2;
    check_refused(b, "request: make_key is neither");
    b->request.idempotent = 3;
    check_refused(b, "request: idempotent ");
    b->request.priority = 8;
    check_refused(b, "request: priority");
    b->request.max_body_bytes = 0;
    check_refused(b, "max_body_bytes");
    b->request.weight = 131072;
    check_refused(b, "weight");
    b->request.priority = 8;
    check_refused(b, "priority");
    b->request.struct_size = 0;
    check_refused(b, "struct_size");
    assert_int_equal(client_bench_seen(b, "/ok"), 0);
}

static void bad_configurations_are_refused_with_a_sentence(void **state) {
    struct client_bench *b = *state;
    hf_client *client = NULL;
    client_bench_serve(b, SERVER_OK);
    struct {
        uint32_t *field;
        uint32_t value;
        const char *word;
    } rows[] = {
        {&b->config.threads, 0, "threads"},
        {&b->config.threads, 65, "threads"},
        {&b->config.connect_timeout_ms, 0, "connect_timeout_ms"},
        {&b->config.idle_timeout_ms, 999, "idle_timeout_ms"},
        {&b->config.max_redirects, 21, "max_redirects"},
        {&b->config.struct_size, 4000, "struct_size"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t before = *rows[i].field;
        *rows[i].field = rows[i].value;
        assert_int_equal(hf_client_new(&client, "c", b->door.pipeline, &b->config, &b->error), HF_E_INVALID);
        assert_non_null(strstr(hf_error_text(&b->error), rows[i].word));
        *rows[i].field = before;
    }
    const char *bases[] = {"ftp://x", "http://x/", "http://x?q", "x", "http://"};
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        b->config.base_url = bases[i];
        assert_int_equal(hf_client_new(&client, "c", b->door.pipeline, &b->config, &b->error), HF_E_INVALID);
        assert_null(client);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, client_bench_setup, client_bench_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_get_brings_status_headers_and_body),
        T(dead_connections_are_got_past_however_many),
        T(having_no_descriptor_left_says_nothing_about_the_dependency),
        T(the_short_forms_do_what_they_say),
        T(head_and_other_methods),
        T(a_whole_url_needs_no_base),
        T(a_name_is_looked_up),
        T(a_404_is_delivered),
        T(a_503_is_repeated_and_the_last_one_delivered),
        T(a_cut_off_body_is_repeated_and_never_handed_out),
        T(a_body_beyond_the_limit_ends_the_call),
        T(a_streamed_body_comes_in_pieces_and_commits),
        T(a_callback_body_is_repeated_only_with_a_rewind),
        T(a_file_is_sent_again_from_its_start),
        T(a_post_is_repeated_only_with_a_key),
        T(submitted_requests_call_back),
        T(a_queue_is_readable_while_it_holds_something),
        T(freeing_a_client_ends_what_is_under_way),
        T(callbacks_cannot_submit_to_a_client_that_is_being_freed),
        T(waiting_on_a_loop_thread_is_refused),
        T(many_threads_share_a_client),
        T(a_hook_sees_every_attempt),
        T(the_priority_travels_if_asked),
        T(a_retry_after_holds_other_calls_back_too),
        T(limits_are_kept_by_key),
        T(bad_requests_are_refused_with_a_sentence),
        T(bad_configurations_are_refused_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
