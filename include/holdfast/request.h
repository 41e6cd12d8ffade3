/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_REQUEST_H
#define HOLDFAST_REQUEST_H

/* hf_request: one HTTP request for an hf_client (client.h), as a plain struct that you fill in.
 *
 *     hf_request request;
 *     hf_request_init(&request);
 *     request.method = "POST";
 *     request.url = "/charges";                 // a path on the client's base URL, or a whole URL
 *     request.body = json;
 *     request.body_bytes = strlen(json);
 *     request.content_type = "application/json";
 *     request.make_key = 1;                     // an Idempotency-Key: safe to repeat
 *     request.timeout_ms = 2000;
 *
 * The client copies everything that the struct points to before the function it is given to returns, bodies
 * in memory too. Only callbacks with their arguments, and the cancel token, must outlive the call.
 *
 * What may be repeated is decided as for the curl door (curl.h): the method must be idempotent, or a key be
 * sent, or `idempotent` say so, unless nothing of the request reached the server; and the body must be
 * readable again. Bodies in memory and files are. A body from a callback is when there is a `body_rewind`.
 */

#include <holdfast/cancel.h>
#include <holdfast/run.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_response hf_response;

typedef struct hf_header {
    const char *name;
    const char *value;
} hf_header;

typedef enum hf_request_idempotent {
    HF_REQUEST_BY_METHOD = 0,
    HF_REQUEST_IDEMPOTENT = 1,    /* whatever the method: repeating has no further effect */
    HF_REQUEST_NOT_IDEMPOTENT = 2 /* whatever the method */
} hf_request_idempotent;

#define HF_BODY_UNKNOWN UINT64_MAX /* as body_bytes of a callback: sent in chunks until it returns 0 */
#define HF_BODY_ABORT SIZE_MAX     /* returned by a body callback: it cannot go on */

/* Writes the next bytes of the request body to `out`, at most `size`, and returns how many; 0 is the end,
 * HF_BODY_ABORT ends the call as neutral (CURLE_ABORTED_BY_CALLBACK). Runs on a loop thread: do not block. */
typedef size_t hf_body_read(void *arg, void *out, size_t size);

/* Makes the body readable from its start again; 0, or anything else when it cannot. Runs on a loop thread. */
typedef int hf_body_rewind(void *arg);

/* Takes a piece of the response body; returns 0, or anything else to end the call as neutral
 * (CURLE_WRITE_ERROR). `response` has the status and the headers. Runs on a loop thread: do not block. */
typedef int hf_body_write(void *arg, const hf_response *response, const void *data, size_t bytes);

/* One attempt, as a hook sees it before it is sent. */
typedef struct hf_sending hf_sending;

/* Called before each attempt, on a loop thread; may add headers. */
typedef void hf_request_hook(void *arg, hf_sending *sending);

/* hf_sending_number is the number of the attempt, 1 = the first.
 * Threads: inside the hook. */
HF_API uint32_t hf_sending_number(const hf_sending *sending);

/* hf_sending_remaining_ns is the time left to the attempt; HF_NEVER when it has no deadline.
 * Threads: inside the hook. */
HF_API int64_t hf_sending_remaining_ns(const hf_sending *sending);

/* hf_sending_add adds a header to this attempt. Both strings are copied.
 *
 * Errors:   HF_E_INVALID (no token as name, a line break in the value), HF_E_NOMEM; the header is not sent.
 * Threads:  inside the hook.
 */
HF_API int hf_sending_add(hf_sending *sending, const char *name, const char *value);

typedef struct hf_request {
    uint32_t struct_size;        /* set by hf_request_init */
    int32_t idempotent;          /* hf_request_idempotent. Default HF_REQUEST_BY_METHOD. */
    const char *method;          /* a token, 1 to 31 bytes; case counts. Default "GET". */
    const char *url;             /* "http://...", "https://...", or a path that begins with / and follows the
                                    client's base URL. Up to 8000 bytes. Default NULL, which is an error. */
    const hf_header *headers;    /* `header_count` of them. Default NULL. */
    size_t header_count;         /* Default 0. 0 to 200. */
    const char *content_type;    /* sent as Content-Type. Default NULL: none. */
    const void *body;            /* the body in memory. At most one of body, body_file and body_read is not NULL.
                                    Default NULL. */
    uint64_t body_bytes;         /* of body; of body_read's, or HF_BODY_UNKNOWN. Default 0. */
    const char *body_file;       /* the body is this file as it is when the call begins. Default NULL. */
    hf_body_read *body_read;     /* the body comes from a callback. Default NULL. */
    hf_body_rewind *body_rewind; /* NULL: body_read can be read once, and is never repeated. Default NULL. */
    void *body_arg;              /* of body_read and body_rewind. Default NULL. */
    hf_body_write *on_body;      /* the response body goes here as it comes, instead of into memory. The first byte
                                    commits the call: no retry and no hedge after it. Default NULL. */
    void *on_body_arg;           /* Default NULL. */
    uint64_t max_body_bytes;     /* longest response body kept in memory; a longer one ends the call as neutral
                                    (CURLE_FILESIZE_EXCEEDED). Default 16777216. 1 to 2^40. */
    int64_t timeout_ms;          /* the whole call from the start. Default HF_NEVER. 0 or more. */
    hf_time deadline_at;         /* the same as an instant; the nearer counts. Default HF_NEVER. */
    hf_cancel *cancel;           /* ends the call when raised; must outlive it. Default NULL. */
    const char *idempotency_key; /* sent with every attempt as Idempotency-Key: "...", quotes added. Printable
                                    ASCII without quote and backslash, 1 to 200 bytes. Default NULL. */
    uint32_t make_key;           /* 1: send an Idempotency-Key made for this call; `idempotency_key` is NULL then.
                                    Default 0. 0 or 1. */
    uint32_t priority;           /* hf_priority. Default 3, HF_PRIORITY_NORMAL. 0 to 7. */
    uint64_t seed;               /* replays the call's random numbers. Default HF_SEED_AUTO. */
    hf_request_hook *hook;       /* called before each attempt. Default NULL. */
    void *hook_arg;              /* Default NULL. */
    void *fallback_arg;          /* for the function of a fallback policy, which runs on a loop thread.
                                    Default NULL. */
    const void *tag;             /* names the call to hf_bulkhead_line; never followed. Default NULL. */
    const char *key;             /* whom the call is made for, where limits are kept for each user, address or host.
                                    Default NULL: the same as "". */
    uint32_t weight;             /* permits of a rate limit that it takes. Default 1. 0 to 131071. */
    uint32_t reserved;           /* 0 */
} hf_request;

/* hf_request_init fills `request` with the defaults named at each field.
 * Threads: any thread; never blocks. */
HF_API void hf_request_init(hf_request *request);

#ifdef __cplusplus
}
#endif
#endif
