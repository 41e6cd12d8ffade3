/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_CLIENT_H
#define HOLDFAST_CLIENT_H

/* hf_client (libholdfast-curl): an HTTP client for one upstream, on libcurl, whose promises hold when name
 * look-ups stall, peers vanish and processes fork. Every request runs under a pipeline. One client is made once
 * and shared by all threads; make one for each dependency, as you make one breaker for each.
 *
 *     hf_client_config config;
 *     hf_client_config_init(&config);
 *     config.base_url = "https://payments.example";
 *     hf_client *payments;
 *     hf_client_new(&payments, "payments", pipeline, &config, &error);
 *
 *     hf_response *response;
 *     int rc = hf_client_get(payments, "/balance", &response, &error);
 *     if (rc == 0) puts(hf_response_body(response, NULL));
 *     hf_response_free(response);
 *
 * Three ways to call:
 * - hf_client_request and its short forms wait for the end. The caller is released at its deadline whatever
 *   libcurl is doing then; what is left is cleaned up by the loop thread.
 * - hf_client_submit returns at once and calls you back on a loop thread.
 * - hf_client_submit_queued returns at once and puts the response on a completion queue (completions.h), which has a
 *   descriptor for poll.
 *
 * Threads of its own: `threads` loop threads named "hf-NAME", started by hf_client_new, and up to
 * `resolver_threads` named "hf-resolve", started when a host name must be looked up and ended when idle. All signals
 * are blocked in them, so SIGPIPE never reaches the program. client_loop.h is the form without loop threads,
 * for programs that have an event loop.
 *
 * Names are looked up with getaddrinfo on the resolver threads, once for all who wait, and never inside libcurl:
 * its own resolver would stall every transfer of a loop when one of them is cancelled.
 *
 * TLS verifies peers as libcurl does by default. Redirects are off by default; when they are on they are bounded,
 * and Authorization, Cookie and the headers of `secret_headers` are dropped on the way to another origin. Only
 * http and https are spoken. Environment proxies are ignored unless `proxy_from_environment` is set.
 *
 * After fork the client works in the child: it leaves what it inherited alone and starts threads of its own at
 * the first call. Calls that were under way belong to the parent; fork while none is, or the child's policies keep
 * their slots taken.
 */

#include <holdfast/completions.h>
#include <holdfast/error.h>
#include <holdfast/pipeline.h>
#include <holdfast/request.h>
#include <holdfast/response.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_client hf_client;

typedef enum hf_http_version {
    HF_HTTP_AUTO = 0, /* HTTP/2 over TLS when the server offers it, else HTTP/1.1 */
    HF_HTTP_1_1 = 1,
    HF_HTTP_2_PRIOR = 2 /* HTTP/2 without asking, also without TLS */
} hf_http_version;

struct hf_client_hooks; /* client_loop.h */

typedef struct hf_client_config {
    uint32_t struct_size;                /* set by hf_client_config_init */
    uint32_t threads;                    /* loop threads; a request goes to the least busy. Default 2. 1 to 64. */
    const char *base_url;                /* what paths follow: scheme, host, optional port and path, no trailing slash.
                                         Default NULL: every request names a whole URL. */
    const struct hf_client_hooks *hooks; /* not NULL: no loop threads, your loop drives (client_loop.h). Copied.
                                         Default NULL. */
    uint32_t resolver_threads;           /* look-ups at the same time. Default 4. 1 to 64. */
    uint32_t resolver_ttl_ms;            /* an answer is used for this long. Default 60000. 0 to 86400000. */
    uint32_t connect_timeout_ms;         /* name to TLS, in each attempt. Default 5000. 1 to 300000. */
    uint32_t max_connections_kept;       /* idle connections that each loop keeps. Default 64. 0 to 10000. */
    uint32_t idle_timeout_ms;          /* an older idle connection is not used again: stay below the idle timeout of the
                                         servers and balancers in between. Default 55000. 1000 to 86400000. */
    uint32_t connection_lifetime_ms;   /* no connection is used for longer, so that changes of DNS and of the hosts
                                         behind a balancer are noticed. Default 300000. 1000 to 86400000. */
    int32_t http_version;              /* hf_http_version. Default HF_HTTP_AUTO. */
    uint32_t max_redirects;            /* redirects that one attempt follows. Default 0. 0 to 20. */
    uint32_t proxy_from_environment;   /* 1: obey http_proxy, https_proxy, NO_PROXY. Default 0. 0 or 1. */
    uint32_t reserved;                 /* 0 */
    const char *proxy;                 /* URL of a proxy for all requests. Default NULL: none. */
    const char *user_agent;            /* Default NULL: "holdfast/VERSION". */
    const char *ca_file;               /* PEM of the authorities to trust. Default NULL: libcurl's. */
    const char *cert_file;             /* PEM of a client certificate. Default NULL: none. */
    const char *key_file;              /* PEM of its key. Default NULL: in cert_file. */
    const char *attempt_header;        /* name of a header that carries the attempt number. Default NULL: not sent. */
    const char *deadline_header;       /* name of a header that carries the milliseconds left to the attempt.
                                         Default NULL: not sent. */
    const char *priority_header;       /* name of a header that carries the call's priority, 0 to 7, so that who serves
                                         it can shed the same calls first. Default NULL: not sent. */
    const char *const *secret_headers; /* ends with NULL; names that must not follow a redirect to another origin,
                                         besides Authorization and Cookie. Default NULL. */
} hf_client_config;

/* hf_client_config_init fills `config` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_client_config_init(hf_client_config *config);

/* hf_client_new makes a client whose calls run under `pipeline`, of which it keeps a reference, and starts its loop
 * threads. `name` and `config` (NULL: defaults) are copied. libcurl is initialised when nobody has, and never
 * cleaned up.
 *
 * Errors:   HF_E_INVALID (the text names field, value and range), HF_E_NOMEM, HF_E_SYSTEM (no thread, no descriptor),
 *           HF_E_UNSUPPORTED (libcurl found at run time is older than 7.84).
 * Threads:  any thread; the client is shared by any number of threads.
 * Memory:   given back by hf_client_free.
 */
HF_API int hf_client_new(hf_client **out_client, const char *name, hf_pipeline *pipeline,
                         const hf_client_config *config, hf_error *error);

/* hf_client_free cancels what is under way (its callbacks run), ends the threads and closes the connections.
 * Nobody may be inside a function of the client, and it must not be called from a callback. NULL is fine.
 *
 * Threads:  one thread, last.
 * Blocks:   until the loop threads have ended; not for name look-ups.
 */
HF_API void hf_client_free(hf_client *client);

/* hf_client_request makes `request` and waits for its end. When the request was accepted, `*out_response` is not
 * NULL, whatever came of it, and belongs to the caller; `out_response` itself may be NULL.
 *
 * Returns 0 when a response was delivered that is a success to the policies, or a fallback took its place; else the
 * status of the result: HF_E_FAILED (also with a delivered 5xx), HF_E_REJECTED, HF_E_TIMEOUT, HF_E_CANCELLED.
 * Errors:   HF_E_INVALID (the text names the field), HF_E_NOMEM, HF_E_SYSTEM (body_file cannot be opened), HF_E_STATE
 *           (from a callback on a loop thread of this client, or the client has hooks): nothing was sent,
 *           `*out_response` is NULL.
 * Blocks:   until the pipeline says so; not beyond the deadline of the request.
 * Threads:  any thread. Callbacks and fallbacks of the request run on a loop thread, with no lock held; none runs after
 *           this function has returned.
 */
HF_API int hf_client_request(hf_client *client, const hf_request *request, hf_response **out_response, hf_error *error);

/* hf_client_get, hf_client_delete, hf_client_post and hf_client_put are hf_client_request for the usual cases.
 * `content_type` may be NULL. For a post that carries an Idempotency-Key use hf_client_request.
 *
 * Errors:   as hf_client_request.
 * Blocks:   as hf_client_request.
 * Threads:  as hf_client_request.
 */
HF_API int hf_client_get(hf_client *client, const char *url, hf_response **out_response, hf_error *error);
HF_API int hf_client_delete(hf_client *client, const char *url, hf_response **out_response, hf_error *error);
HF_API int hf_client_post(hf_client *client, const char *url, const char *content_type, const void *body, size_t bytes,
                          hf_response **out_response, hf_error *error);
HF_API int hf_client_put(hf_client *client, const char *url, const char *content_type, const void *body, size_t bytes,
                         hf_response **out_response, hf_error *error);

/* Receives the response of a submitted request, which now belongs to it. Runs once, on a loop thread, with no lock
 * held; it may call the library, submit more, but must not wait. */
typedef void hf_client_done(void *arg, hf_response *response);

/* hf_client_submit begins `request` and returns; `done` is called with `arg` when it has ended.
 *
 * Errors:   as hf_client_request, but HF_E_STATE only after hf_client_free has begun, for its callbacks; `done` is then
 *           not called.
 * Threads:  any thread, callbacks too; never blocks but for short locks.
 */
HF_API int hf_client_submit(hf_client *client, const hf_request *request, hf_client_done *done, void *arg,
                            hf_error *error);

/* hf_client_submit_queued begins `request` and returns; the response comes out of `queue` with `tag`.
 *
 * Errors:   as hf_client_submit; nothing comes out of the queue then.
 * Threads:  any thread; never blocks but for short locks.
 */
HF_API int hf_client_submit_queued(hf_client *client, const hf_request *request, hf_completions *queue, void *tag,
                                   hf_error *error);

/* hf_client_in_flight is the number of calls that were accepted and have not ended.
 * Threads: any thread; never blocks. */
HF_API uint32_t hf_client_in_flight(const hf_client *client);

#ifdef __cplusplus
}
#endif
#endif
