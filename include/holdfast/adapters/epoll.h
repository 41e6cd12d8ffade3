/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_ADAPTERS_EPOLL_H
#define HOLDFAST_ADAPTERS_EPOLL_H

/* An hf_client in a loop of epoll, poll or select (Linux): header only, C11 and C++. All that the client watches is behind
 * one descriptor, which is readable when there is something to do; put it into your loop and call hf_epoll_run then.
 *
 *     hf_epoll loop;
 *     hf_epoll_init(&loop);                              // 0, or -1 and errno
 *     hf_client_hooks hooks = hf_epoll_hooks(&loop);
 *     hf_client_config config;
 *     hf_client_config_init(&config);
 *     config.hooks = &hooks;
 *     hf_client_new(&loop.client, "search", pipeline, &config, &error);
 *     // poll hf_epoll_fd(&loop) with your other descriptors; when it is readable:
 *     hf_epoll_run(&loop, 0);
 *     hf_client_free(loop.client);
 *     hf_epoll_fini(&loop);
 *
 * One thread, the loop's. `loop` must not move between init and fini.
 */

#include <holdfast/client_loop.h>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_epoll {
    hf_client *client; /* set it with hf_client_new */
    int epoll;
    int timer;
} hf_epoll;

/* The hook: registers, changes or removes a descriptor. */
static inline void hf_epoll_watch(void *arg, int fd, uint32_t events) {
    hf_epoll *loop = (hf_epoll *)arg;
    struct epoll_event event = {0, {0}};
    event.data.fd = fd;
    if (events & HF_LOOP_READ) event.events |= EPOLLIN;
    if (events & HF_LOOP_WRITE) event.events |= EPOLLOUT;
    if (events == 0) {
        (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, &event);
    } else if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) != 0) {
        (void)epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* The hook: one timer for the whole client. */
static inline void hf_epoll_set_timer(void *arg, int64_t after_ms) {
    hf_epoll *loop = (hf_epoll *)arg;
    struct itimerspec when = {{0, 0}, {0, 0}}; /* zero switches it off */
    if (after_ms >= 0) {
        when.it_value.tv_sec = (time_t)(after_ms / 1000);
        when.it_value.tv_nsec = after_ms == 0 ? 1 : (long)(after_ms % 1000) * 1000000;
    }
    (void)timerfd_settime(loop->timer, 0, &when, NULL);
}

/* Returns 0, or -1 with errno set. */
static inline int hf_epoll_init(hf_epoll *loop) {
    struct epoll_event event = {EPOLLIN, {0}};
    loop->client = NULL;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    event.data.fd = loop->timer;
    if (loop->epoll >= 0 && loop->timer >= 0 && epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->timer, &event) == 0)
        return 0;
    if (loop->epoll >= 0) (void)close(loop->epoll);
    if (loop->timer >= 0) (void)close(loop->timer);
    return -1;
}

/* When the client has been freed. */
static inline void hf_epoll_fini(hf_epoll *loop) {
    (void)close(loop->timer);
    (void)close(loop->epoll);
}

static inline hf_client_hooks hf_epoll_hooks(hf_epoll *loop) {
    hf_client_hooks hooks = {sizeof(hf_client_hooks), 0, hf_epoll_watch, hf_epoll_set_timer, loop};
    return hooks;
}

/* The descriptor to wait on: readable when hf_epoll_run has something to do. */
static inline int hf_epoll_fd(const hf_epoll *loop) { return loop->epoll; }

/* Waits at most `timeout_ms` (-1: without end) for something to do and does it; completion callbacks run inside. */
static inline void hf_epoll_run(hf_epoll *loop, int timeout_ms) {
    struct epoll_event events[64];
    uint64_t expirations;
    int count = epoll_wait(loop->epoll, events, 64, timeout_ms);
    for (int i = 0; i < count; i++) {
        uint32_t ready = 0;
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) ready |= HF_LOOP_READ;
        if (events[i].events & (EPOLLOUT | EPOLLERR)) ready |= HF_LOOP_WRITE;
        if (events[i].data.fd != loop->timer) {
            (void)hf_client_on_event(loop->client, events[i].data.fd, ready);
        } else if (read(loop->timer, &expirations, sizeof expirations) == (ssize_t)sizeof expirations) {
            (void)hf_client_on_timer(loop->client);
        }
    }
}

#ifdef __cplusplus
}
#endif
#endif
