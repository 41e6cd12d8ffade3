/* SPDX-License-Identifier: MIT */
#include "http/client_thread.h"

#include "base/num.h"
#include "os/monotonic.h"
#include "os/must.h"
#include "os/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS 64

static struct hf__slot *slot_of(struct hf__lane_thread *t, int fd) {
    uint32_t index = (uint32_t)fd;
    if (index < t->slot_count) return &t->slots[index];
    uint32_t count = t->slot_count == 0 ? 64 : t->slot_count;
    while (count <= index) count *= 2;
    struct hf__slot *slots = realloc(t->slots, count * sizeof *slots);
    if (slots == NULL) return NULL;
    memset(slots + t->slot_count, 0, (count - t->slot_count) * sizeof *slots);
    t->slots = slots;
    t->slot_count = count;
    return &t->slots[index];
}

static bool control(struct hf__lane_thread *t, int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = ((events & HF_LOOP_READ) ? (uint32_t)EPOLLIN : 0u) |
                                          ((events & HF_LOOP_WRITE) ? (uint32_t)EPOLLOUT : 0u)};
    event.data.fd = fd;
    return epoll_ctl(t->epoll, operation, fd, &event) == 0;
}

/* When the system refuses, the transfer runs into its deadline: there is no way to say it here. */
static void watch(void *arg, int fd, uint32_t events) {
    struct hf__lane_thread *t = arg;
    struct hf__slot *slot = slot_of(t, fd);
    if (slot == NULL) return;
    slot->wanted = (uint8_t)events;
    if (events == 0 || events == slot->registered) return;
    if (control(t, slot->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events)) slot->registered = (uint8_t)events;
}

static void forget(struct hf__lane_thread *t, int fd) {
    struct hf__slot *slot = slot_of(t, fd);
    if (slot == NULL) return;
    if (slot->registered) (void)control(t, EPOLL_CTL_DEL, fd, 0);
    *slot = (struct hf__slot){0};
}

/* libcurl's CURLOPT_CLOSESOCKETFUNCTION: a closed descriptor leaves epoll by itself. */
static int on_close(void *arg, curl_socket_t fd) {
    struct hf__lane_thread *t = arg;
    if ((uint32_t)fd < t->slot_count) t->slots[fd] = (struct hf__slot){0};
    return close(fd);
}

static void no_timer(void *arg, int64_t after_ms) { (void)arg, (void)after_ms; } /* the loop asks the lane itself */

static int left_ms(const struct hf__lane *lane) {
    hf_time at = hf__lane_next_at(lane);
    if (at == HF_NEVER) return -1;
    return (int)hf__min(hf__ns_to_ms_up(hf__left(at, hf__monotonic_now())), 3600000);
}

static void take_event(struct hf__lane_thread *t, const struct epoll_event *event) {
    int fd = event->data.fd;
    struct hf__slot *slot = slot_of(t, fd);
    if (slot == NULL || slot->wanted == 0) {
        forget(t, fd); /* an idle connection was closed by its peer, or says something unasked */
        return;
    }
    uint32_t events = 0;
    if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) events |= HF_LOOP_READ;
    if (event->events & (EPOLLOUT | EPOLLERR)) events |= HF_LOOP_WRITE;
    hf__lane_event(&t->lane, fd, events);
}

static void *run(void *arg) {
    struct hf__lane_thread *t = arg;
    struct epoll_event events[EVENTS];
    hf__lane_turn(&t->lane);
    while (atomic_load_explicit(&t->stop, memory_order_acquire) == 0) {
        int count = epoll_wait(t->epoll, events, EVENTS, left_ms(&t->lane));
        HF_MUST(count >= 0 || errno == EINTR);
        for (int i = 0; i < count; i++) take_event(t, &events[i]);
        hf__lane_turn(&t->lane);
    }
    hf__lane_fini(&t->lane);
    return NULL;
}

/* A transfer that could not be watched runs into its deadline; a lane that cannot be woken would never end. */
static bool hears_wakes(struct hf__lane_thread *t) {
    const struct hf__slot *slot = slot_of(t, t->lane.wake_fd);
    return slot != NULL && slot->registered != 0;
}

bool hf__lane_thread_start(struct hf__lane_thread *t, const struct hf__client_setup *setup,
                           struct hf__resolver *resolver, CURLSH *share) {
    const hf_client_hooks hooks = {sizeof hooks, 0, watch, no_timer, t};
    char name[HF_NAME_MAX + 4];
    snprintf(name, sizeof name, "hf-%s", setup->name);
    memset(t, 0, sizeof *t);
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (t->epoll < 0) return false;
    if (hf__lane_init(&t->lane, setup, resolver, share, &hooks, on_close)) {
        if (hears_wakes(t) && hf__thread_start(&t->thread, name, run, t)) return true;
        hf__lane_fini(&t->lane);
        hf__lane_close(&t->lane);
    }
    (void)close(t->epoll);
    free(t->slots);
    return false;
}

void hf__lane_thread_stop(struct hf__lane_thread *t) {
    atomic_store_explicit(&t->stop, 1, memory_order_release);
    HF_MUST(eventfd_write(t->lane.wake_fd, 1) == 0);
    HF_MUST(pthread_join(t->thread, NULL) == 0);
    hf__lane_close(&t->lane);
    (void)close(t->epoll);
    free(t->slots);
}
