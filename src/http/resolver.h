/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_RESOLVER_H
#define HF_HTTP_RESOLVER_H

/* Name look-ups that nobody has to wait for. libcurl's threaded resolver joins its thread when a transfer is
 * cancelled, and so stalls every transfer of that multi for as long as getaddrinfo does (4 s measured, facts 4).
 * Here getaddrinfo runs on threads of ours; a look-up that is given up is forgotten, its thread goes on alone.
 *
 * One look-up serves all who ask for the same name meanwhile, and its answer for `ttl_ns` after. Failures are not
 * remembered. A name that stalls keeps one thread busy; others are looked up as long as there are more. */

#include <holdfast/types.h>

#define HF__ADDRESSES_SIZE 512 /* "10.0.0.1,[2001:db8::1],...": what CURLOPT_RESOLVE takes after the port */
#define HF__HOST_SIZE 256

struct hf__resolver;
struct hf__resolver_name;

/* One who asks. Caller-owned, must stay until it is done or dropped. */
struct hf__lookup {
    struct hf__lookup *next;
    struct hf__resolver_name *name; /* NULL: not under way */
    void (*ready)(void *arg);       /* called by a resolver thread, under its lock, when it is done; must be short */
    void *arg;
    bool done; /* guarded by the resolver's lock; read it with hf__resolver_done */
    int code;  /* 0, or an EAI_* code */
    char addresses[HF__ADDRESSES_SIZE];
};

/* Makes a resolver; NULL when there is no memory. It starts threads when it needs them, at most `max_threads`. */
struct hf__resolver *hf__resolver_new(uint32_t max_threads, int64_t ttl_ns);

/* Nobody may be asking. Does not wait for getaddrinfo: the last thread to end frees what is left. */
void hf__resolver_free(struct hf__resolver *resolver);

/* Asks for `host`. True: it was known, `lookup` is done. False: `ready` will be called. */
bool hf__resolver_ask(struct hf__resolver *resolver, struct hf__lookup *lookup, const char *host);

/* Whether it is done by now. */
bool hf__resolver_done(struct hf__resolver *resolver, const struct hf__lookup *lookup);

/* After it returned, `ready` does not run and will not run. */
void hf__resolver_drop(struct hf__resolver *resolver, struct hf__lookup *lookup);

/* A host that needs no look-up: an address in text form, IPv6 in brackets or not. */
bool hf__host_is_address(const char *host);

#endif
