/* SPDX-License-Identifier: MIT */
#ifndef HF_TESTS_SUPPORT_STALLING_GETADDRINFO_H
#define HF_TESTS_SUPPORT_STALLING_GETADDRINFO_H

/* A getaddrinfo for the program that includes this, once: it takes the place of the system's everywhere, libcurl
 * included. "stalled*" takes four seconds, "nowhere*" does not exist, everything else is 127.0.0.1. */

#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STALL_MS 4000

static atomic_int getaddrinfo_calls, getaddrinfo_stalled; /* begun; asleep at the moment */

struct one_address {
    struct addrinfo info;
    struct sockaddr_in address;
};

int getaddrinfo(const char *restrict host, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict out) {
    atomic_fetch_add(&getaddrinfo_calls, 1);
    if (strncmp(host, "stalled", 7) == 0) {
        struct timespec pause = {STALL_MS / 1000, STALL_MS % 1000 * 1000000};
        atomic_fetch_add(&getaddrinfo_stalled, 1);
        nanosleep(&pause, NULL);
        atomic_fetch_sub(&getaddrinfo_stalled, 1);
    }
    if (strncmp(host, "nowhere", 7) == 0) return EAI_NONAME;
    struct one_address *one = calloc(1, sizeof *one);
    if (one == NULL) return EAI_MEMORY;
    one->address.sin_family = AF_INET;
    one->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    one->address.sin_port = htons((uint16_t)(service == NULL ? 0 : atoi(service)));
    one->info.ai_family = AF_INET;
    one->info.ai_socktype = hints == NULL || hints->ai_socktype == 0 ? SOCK_STREAM : hints->ai_socktype;
    one->info.ai_addrlen = sizeof one->address;
    one->info.ai_addr = (struct sockaddr *)(void *)&one->address;
    *out = &one->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *info) { free(info); }

#endif
