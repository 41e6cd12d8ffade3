/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_CURL_H
#define HOLDFAST_CURL_H

/* The curl door (libholdfast-curl): hf_curl_perform in place of curl_easy_perform protects a program
 * that owns its CURL handles. Every transfer runs under a pipeline: deadlines and cancels are kept
 * promptly, what is safe to repeat is repeated, and no body of a repeated response reaches your
 * write callback.
 *
 *     hf_curl *door;
 *     hf_curl_new(&door, payments, &error);                // once, shared by all threads
 *     CURLcode code = hf_curl_perform(door, easy, NULL);   // was: curl_easy_perform(easy)
 *
 * What the door sets on the handle: HEADERFUNCTION, HEADERDATA, PREREQFUNCTION and PREREQDATA, all NULL
 * again afterwards; HTTPHEADER only when `headers` or a key is given, and then `headers` afterwards;
 * WRITEFUNCTION and WRITEDATA only when buffering. libcurl's options cannot be read back: if your
 * program uses one of these, hand it over in hf_curl_options and the door chains it. All else is yours,
 * TIMEOUT_MS and XFERINFOFUNCTION too. Do not set FAILONERROR or HEADER: they act before the door can.
 *
 * What is repeated (docs/http.md has the tables):
 * - A request of which nothing reached the server may be repeated whatever its method.
 * - Otherwise the method must be idempotent (RFC 9110, 9.2.2), or an Idempotency-Key be sent, or
 *   `idempotent` say so; and a body must be declared replayable in `body`: libcurl would upload an empty
 *   body from a read callback that was consumed before, and call that a success.
 * - A response to be repeated is cut off at the end of its headers. Otherwise the first byte of its body
 *   commits the call, unless the body is buffered.
 * - libcurl's own silent resends on a dead kept-alive connection are counted, charged to the retry
 *   budget, and vetoed (CURLE_ABORTED_BY_CALLBACK) where they could repeat a side effect.
 *
 * Not covered: with libcurl's threaded resolver a stalled name look-up can hold the calling thread
 * beyond its deadline. As with libcurl itself, set CURLOPT_NOSIGNAL in threads and ignore SIGPIPE.
 */

#include <holdfast/cancel.h>
#include <holdfast/clock.h>
#include <holdfast/error.h>
#include <holdfast/pipeline.h>
#include <holdfast/result.h>
#include <holdfast/run.h>
#include <holdfast/types.h>

#include <curl/curl.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_curl hf_curl;

/* ---- what a response or an error means ---- */

/* Who may repeat a request that the server may have seen. */
typedef enum hf_curl_repeat {
    HF_CURL_REPEAT_NEVER = 0,
    HF_CURL_REPEAT_SAFE = 1,       /* GET, HEAD, OPTIONS, TRACE, QUERY */
    HF_CURL_REPEAT_KEYED = 2,      /* requests with an Idempotency-Key */
    HF_CURL_REPEAT_IDEMPOTENT = 3, /* the safe ones, PUT, DELETE, and requests with a key */
    HF_CURL_REPEAT_ANY = 4         /* every request: the server has not acted on it */
} hf_curl_repeat;

#define HF_CURL_HINT 0x1u          /* obey a Retry-After */
#define HF_CURL_HINT_REQUIRED 0x2u /* repeat only when there is a Retry-After */

/* One row of the classification. */
typedef struct hf_curl_rule {
    int32_t kind;         /* hf_kind */
    int32_t repeat;       /* hf_curl_repeat */
    uint32_t max_repeats; /* further attempts that this rule grants a call; 0: as many as the retry does */
    uint32_t flags;       /* HF_CURL_HINT, HF_CURL_HINT_REQUIRED */
} hf_curl_rule;

/* ---- options of one call ---- */

typedef enum hf_curl_idempotent {
    HF_CURL_BY_METHOD = 0,
    HF_CURL_IDEMPOTENT = 1,    /* whatever the method: repeating has no further effect */
    HF_CURL_NOT_IDEMPOTENT = 2 /* whatever the method */
} hf_curl_idempotent;

/* How often the request body can be read. */
typedef enum hf_curl_body {
    HF_CURL_BODY_ONCE = 0,   /* READFUNCTION is consumed; also right for requests without a body */
    HF_CURL_BODY_MEMORY = 1, /* POSTFIELDS, COPYPOSTFIELDS or MIMEPOST: libcurl begins anew by itself */
    HF_CURL_BODY_REWIND = 2  /* `rewind` makes READFUNCTION begin anew */
} hf_curl_body;

/* Makes the body readable from its start again; 0, or anything else when it cannot. */
typedef int hf_curl_rewind(void *arg);

typedef struct hf_curl_options {
    uint32_t struct_size;                 /* set by hf_curl_options_init */
    int32_t idempotent;                   /* hf_curl_idempotent. Default HF_CURL_BY_METHOD. */
    int32_t body;                         /* hf_curl_body. Default HF_CURL_BODY_ONCE. */
    uint32_t make_key;                    /* 1: send an Idempotency-Key made for this call; then `idempotency_key`
                                          is NULL. Default 0. 0 or 1. */
    const char *idempotency_key;          /* sent with every attempt as Idempotency-Key: "...", quotes added
                                          (draft-ietf-httpapi-idempotency-key-header). Printable ASCII
                                          without quote and backslash, 1 to 200 bytes. Default NULL. */
    struct curl_slist *headers;           /* instead of CURLOPT_HTTPHEADER. Read only. Default NULL. */
    hf_time deadline_at;                  /* the caller's deadline, on `clock`. Default HF_NEVER. */
    int64_t timeout_ns;                   /* the same from the start; the nearer counts. Default HF_NEVER. */
    hf_cancel *cancel;                    /* ends the call when raised. Default NULL. */
    const hf_clock *clock;                /* Default NULL: the default clock of the process. */
    uint64_t seed;                        /* replays the call's random numbers. Default HF_SEED_AUTO. */
    hf_curl_rewind *rewind;               /* needed for HF_CURL_BODY_REWIND. Default NULL. */
    void *rewind_arg;                     /* Default NULL. */
    curl_write_callback header_function;  /* instead of CURLOPT_HEADERFUNCTION; sees the headers of every
                                          attempt. Default NULL. */
    void *header_data;                    /* Default NULL. */
    curl_prereq_callback prereq_function; /* instead of CURLOPT_PREREQFUNCTION. Default NULL. */
    void *prereq_data;                    /* Default NULL. */
    size_t buffer_max_bytes;              /* above 0: the response body is kept back, up to this size, and
                                          given to `write_function` in one piece when it is complete, so
                                          that a cut-off response can be repeated. Default 0. */
    curl_write_callback write_function;   /* buffering: instead of CURLOPT_WRITEFUNCTION; NULL writes to
                                          the FILE in `write_data` as libcurl does. Default NULL. */
    void *write_data;                     /* Default NULL: standard output. */
    void *fallback_arg;                   /* for the function of a fallback policy. Default NULL. */
    hf_result *out_result;                /* receives the truth about the call. Default NULL. */
    uint32_t priority;                    /* hf_priority. Default 3, HF_PRIORITY_NORMAL. 0 to 7. */
    uint32_t weight;                      /* permits of a rate limit that it takes. Default 1. 0 to 131071. */
    const void *tag;                      /* names the call to hf_bulkhead_line; never followed. Default NULL. */
    const char *key;                      /* whom the call is made for, where limits are kept for each user, address
                                             or host. Default NULL: the same as "". */
} hf_curl_options;

/* hf_curl_options_init fills `options` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_curl_options_init(hf_curl_options *options);

/* ---- the door ---- */

/* hf_curl_new makes a door to `pipeline`, of which it keeps a reference. It initialises libcurl when
 * nobody has (curl_global_init is thread-safe from 7.84 on) and never cleans it up.
 *
 * Errors:   HF_E_INVALID, HF_E_NOMEM, HF_E_SYSTEM, HF_E_UNSUPPORTED (libcurl found at run time is older
 *           than 7.84).
 * Threads:  any thread; the door is shared by any number of threads.
 * Memory:   given back by hf_curl_free. Each thread that is inside at the same time uses one curl
 *           multi handle, of which at most 64 are kept for their connections.
 */
HF_API int hf_curl_new(hf_curl **out_door, hf_pipeline *pipeline, hf_error *error);

/* hf_curl_free closes the kept connections and gives the pipeline back. No call may be under way. NULL
 * is fine.
 * Blocks:  for as long as closing connections does.
 * Threads: one thread, last. */
HF_API void hf_curl_free(hf_curl *door);

/* hf_curl_status_rule is what the door makes of a final HTTP status.
 * Threads: any thread; never blocks. */
HF_API hf_curl_rule hf_curl_status_rule(const hf_curl *door, long status);

/* hf_curl_code_rule is what the door makes of a failed transfer; `reached` tells whether the request
 * may have reached the server.
 * Threads: any thread; never blocks. */
HF_API hf_curl_rule hf_curl_code_rule(const hf_curl *door, CURLcode code, bool reached);

/* hf_curl_set_status_rule and hf_curl_set_code_rule replace a row, usually a changed copy of what the
 * functions above return. A transfer that failed after its status gets the stricter of both.
 *
 * Errors:   HF_E_INVALID (the text names field and range), HF_E_STATE (more than 64 rows replaced).
 * Threads:  before the door is shared.
 */
HF_API int hf_curl_set_status_rule(hf_curl *door, long status, const hf_curl_rule *rule, hf_error *error);
HF_API int hf_curl_set_code_rule(hf_curl *door, CURLcode code, bool reached, const hf_curl_rule *rule, hf_error *error);

/* hf_curl_perform makes the request of `easy` under the pipeline of `door`. `options` may be NULL.
 *
 * Returns CURLE_OK when a response was delivered, whatever its status, or a fallback took its place. Else:
 *   CURLE_COULDNT_CONNECT         a policy rejected the call
 *   CURLE_OPERATION_TIMEDOUT      a timeout policy or the caller's deadline passed
 *   CURLE_ABORTED_BY_CALLBACK     cancelled, or a dangerous silent resend was vetoed
 *   CURLE_HTTP_RETURNED_ERROR     the response was withheld for an attempt that was then not made
 *   CURLE_PARTIAL_FILE            also: the headers were cut off, which libcurl takes for a success
 *   CURLE_SEND_FAIL_REWIND        `rewind` failed
 *   CURLE_FILESIZE_EXCEEDED       the body is longer than buffer_max_bytes
 *   CURLE_BAD_FUNCTION_ARGUMENT   an argument or option is not as described here: nothing was sent
 *   otherwise                     the code of the last attempt
 * The result tells which; the codes of its attempts are HTTP statuses from 200 on and CURLcodes below.
 * When no attempt was made, curl_easy_getinfo still answers for the transfer before.
 * Blocks:   until the pipeline says so; not beyond the deadline.
 * Threads:  any thread, each with its own handle; runs your callbacks and fallbacks on this thread, with
 *           no lock held. They must not touch `easy` but through curl_easy_getinfo and curl_easy_header.
 */
HF_API CURLcode hf_curl_perform(hf_curl *door, CURL *easy, const hf_curl_options *options);

#ifdef __cplusplus
}
#endif
#endif
