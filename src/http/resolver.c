/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* struct addrinfo under -std=c11 with everything in it */
#include "http/resolver.h"

#include "base/num.h"
#include "os/monotonic.h"
#include "os/must.h"
#include "os/thread.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define NAMES_MAX 256 /* remembered; more are looked up each time */
#define IDLE_S 10     /* a thread without work ends after this */

enum name_state { NAME_IDLE, NAME_QUEUED, NAME_RUNNING };

/* A name that is known, or asked for, or both. */
struct hf__resolver_name {
    struct hf__resolver_name *next;       /* of all */
    struct hf__resolver_name *queue_next; /* of those that wait for a thread */
    struct hf__lookup *waiting;
    enum name_state state;
    hf_time good_until; /* `addresses` may be used; 0: never known */
    char host[HF__HOST_SIZE];
    char addresses[HF__ADDRESSES_SIZE];
};

/* Lock: `mutex` guards all of `locked` and the lookups; held for list work and copying only. `ready` of a lookup is
 * called under it, which is what makes hf__resolver_drop a promise. Threads hold no pointer into a name while they
 * look it up. */
struct hf__resolver {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    uint32_t max_threads;
    int64_t ttl_ns;
    struct {
        struct hf__resolver_name *names;
        uint32_t count;
        struct hf__resolver_name *queue, **queue_end;
        uint32_t threads, idle, queued;
        bool closed; /* the owner has gone */
    } locked;
};

static void lock(struct hf__resolver *r) { HF_MUST(pthread_mutex_lock(&r->mutex) == 0); }
static void unlock(struct hf__resolver *r) { HF_MUST(pthread_mutex_unlock(&r->mutex) == 0); }

bool hf__host_is_address(const char *host) {
    unsigned char address[sizeof(struct in6_addr)];
    return host[0] == '[' || inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

struct hf__resolver *hf__resolver_new(uint32_t max_threads, int64_t ttl_ns) {
    struct hf__resolver *r = calloc(1, sizeof *r);
    pthread_condattr_t monotonic;
    if (r == NULL) return NULL;
    if (pthread_condattr_init(&monotonic) != 0) {
        free(r);
        return NULL;
    }
    HF_MUST(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    bool has_cond = pthread_cond_init(&r->work, &monotonic) == 0;
    HF_MUST(pthread_condattr_destroy(&monotonic) == 0);
    if (!has_cond || pthread_mutex_init(&r->mutex, NULL) != 0) {
        if (has_cond) HF_MUST(pthread_cond_destroy(&r->work) == 0);
        free(r);
        return NULL;
    }
    r->max_threads = max_threads;
    r->ttl_ns = ttl_ns;
    r->locked.queue_end = &r->locked.queue;
    return r;
}

static void destroy(struct hf__resolver *r) {
    for (struct hf__resolver_name *name = r->locked.names, *next; name != NULL; name = next) {
        next = name->next;
        free(name);
    }
    HF_MUST(pthread_cond_destroy(&r->work) == 0);
    HF_MUST(pthread_mutex_destroy(&r->mutex) == 0);
    free(r);
}

void hf__resolver_free(struct hf__resolver *r) {
    if (r == NULL) return;
    lock(r);
    r->locked.closed = true;
    bool last = r->locked.threads == 0;
    HF_MUST(pthread_cond_broadcast(&r->work) == 0);
    unlock(r);
    if (last) destroy(r);
}

/* ---- looking up ---- */

/* Appends one address; leaves it out when it does not fit. */
static void append(char *out, const struct addrinfo *info) {
    char text[INET6_ADDRSTRLEN];
    const void *address = NULL;
    if (info->ai_family == AF_INET) address = &((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr;
    if (info->ai_family == AF_INET6) address = &((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr;
    if (address == NULL || inet_ntop(info->ai_family, address, text, sizeof text) == NULL) return;
    bool six = info->ai_family == AF_INET6;
    size_t have = strlen(out), room = HF__ADDRESSES_SIZE - have;
    int need = snprintf(out + have, room, "%s%s%s%s", have > 0 ? "," : "", six ? "[" : "", text, six ? "]" : "");
    if (need < 0 || (size_t)need >= room) out[have] = '\0';
}

static int look_up(const char *host, char addresses[HF__ADDRESSES_SIZE]) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG},
                    *list = NULL;
    addresses[0] = '\0';
    int code = getaddrinfo(host, NULL, &hints, &list);
    if (code != 0) return code;
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) append(addresses, info);
    freeaddrinfo(list);
    return addresses[0] == '\0' ? EAI_NONAME : 0;
}

static void answer_locked(struct hf__lookup *lookup, int code, const char *addresses) {
    lookup->name = NULL;
    lookup->code = code;
    memcpy(lookup->addresses, addresses, strlen(addresses) + 1);
    lookup->done = true;
}

static void remove_name_locked(struct hf__resolver *r, struct hf__resolver_name *name) {
    struct hf__resolver_name **link = &r->locked.names;
    while (*link != name) link = &(*link)->next;
    *link = name->next;
    r->locked.count--;
    free(name);
}

static void finish_locked(struct hf__resolver *r, struct hf__resolver_name *name, int code, const char *addresses) {
    name->state = NAME_IDLE;
    if (code == 0) {
        memcpy(name->addresses, addresses, strlen(addresses) + 1);
        name->good_until = hf__add(hf__monotonic_now(), r->ttl_ns);
    }
    struct hf__lookup *lookup = name->waiting;
    name->waiting = NULL;
    while (lookup != NULL) {
        struct hf__lookup *next = lookup->next;
        answer_locked(lookup, code, addresses);
        lookup->ready(lookup->arg);
        lookup = next;
    }
    if (code != 0) remove_name_locked(r, name);
}

/* Waits for work; NULL when the thread shall end. */
static struct hf__resolver_name *take_work_locked(struct hf__resolver *r) {
    struct timespec until;
    HF_MUST(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += IDLE_S;
    int rc = 0;
    while (r->locked.queue == NULL && !r->locked.closed && rc == 0) {
        r->locked.idle++;
        rc = pthread_cond_timedwait(&r->work, &r->mutex, &until);
        r->locked.idle--;
    }
    struct hf__resolver_name *name = r->locked.queue;
    if (name == NULL || r->locked.closed) return NULL;
    r->locked.queue = name->queue_next;
    if (r->locked.queue == NULL) r->locked.queue_end = &r->locked.queue;
    r->locked.queued--;
    name->state = NAME_RUNNING;
    return name;
}

static void *work(void *arg) {
    struct hf__resolver *r = arg;
    struct hf__resolver_name *name;
    lock(r);
    while ((name = take_work_locked(r)) != NULL) {
        char host[HF__HOST_SIZE], addresses[HF__ADDRESSES_SIZE];
        memcpy(host, name->host, sizeof host);
        unlock(r);
        int code = look_up(host, addresses);
        lock(r);
        if (!r->locked.closed) finish_locked(r, name, code, addresses);
    }
    bool last = --r->locked.threads == 0 && r->locked.closed;
    unlock(r);
    if (last) destroy(r);
    return NULL;
}

/* ---- asking ---- */

static void forget_oldest_locked(struct hf__resolver *r) {
    struct hf__resolver_name *oldest = NULL;
    for (struct hf__resolver_name *n = r->locked.names; n != NULL; n = n->next) {
        if (n->state == NAME_IDLE && (oldest == NULL || n->good_until < oldest->good_until)) oldest = n;
    }
    if (oldest != NULL) remove_name_locked(r, oldest);
}

static struct hf__resolver_name *find_locked(struct hf__resolver *r, const char *host) {
    for (struct hf__resolver_name *n = r->locked.names; n != NULL; n = n->next) {
        if (strcmp(n->host, host) == 0) return n;
    }
    if (r->locked.count >= NAMES_MAX) forget_oldest_locked(r);
    struct hf__resolver_name *name = calloc(1, sizeof *name);
    if (name == NULL) return NULL;
    memcpy(name->host, host, strlen(host) + 1);
    name->next = r->locked.names;
    r->locked.names = name;
    r->locked.count++;
    return name;
}

/* Queues the name and sees to it that there is a thread; false when there is none and none can be had. */
static bool queue_locked(struct hf__resolver *r, struct hf__resolver_name *name) {
    if (name->state != NAME_IDLE) return true;
    if (r->locked.queued >= r->locked.idle && r->locked.threads < r->max_threads) {
        if (hf__thread_start(NULL, "hf-resolve", work, r)) r->locked.threads++;
    }
    if (r->locked.threads == 0) return false;
    name->state = NAME_QUEUED;
    name->queue_next = NULL;
    r->locked.queued++;
    *r->locked.queue_end = name;
    r->locked.queue_end = &name->queue_next;
    HF_MUST(pthread_cond_signal(&r->work) == 0);
    return true;
}

bool hf__resolver_ask(struct hf__resolver *r, struct hf__lookup *lookup, const char *host) {
    lookup->done = false;
    lookup->name = NULL;
    lock(r);
    struct hf__resolver_name *name = strlen(host) < HF__HOST_SIZE ? find_locked(r, host) : NULL;
    if (name == NULL) {
        answer_locked(lookup, EAI_MEMORY, "");
    } else if (name->good_until > hf__monotonic_now()) {
        answer_locked(lookup, 0, name->addresses);
    } else if (!queue_locked(r, name)) {
        answer_locked(lookup, EAI_AGAIN, "");
    } else {
        lookup->name = name;
        lookup->next = name->waiting;
        name->waiting = lookup;
    }
    bool done = lookup->done;
    unlock(r);
    return done;
}

bool hf__resolver_done(struct hf__resolver *r, const struct hf__lookup *lookup) {
    lock(r);
    bool done = lookup->done;
    unlock(r);
    return done;
}

void hf__resolver_drop(struct hf__resolver *r, struct hf__lookup *lookup) {
    lock(r);
    if (lookup->name != NULL) {
        struct hf__lookup **link = &lookup->name->waiting;
        while (*link != lookup) link = &(*link)->next;
        *link = lookup->next;
        lookup->name = NULL;
    }
    unlock(r);
}
