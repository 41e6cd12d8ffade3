/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_ADAPTERS_UV_H
#define HOLDFAST_ADAPTERS_UV_H

/* An hf_client in a libuv loop: header only, C11 and C++. Link -luv.
 *
 *     hf_uv loop;
 *     hf_uv_init(&loop, uv_default_loop());
 *     hf_client_hooks hooks = hf_uv_hooks(&loop);
 *     hf_client_config config;
 *     hf_client_config_init(&config);
 *     config.hooks = &hooks;
 *     hf_client_new(&loop.client, "search", pipeline, &config, &error);
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);         // until uv_stop
 *     hf_client_free(loop.client);                       // not from a callback of the client
 *     hf_uv_close(&loop);
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);         // libuv closes its handles here
 *
 * As long as the client lives it keeps the loop alive. One thread, the loop's; `loop` must not move, and must stay until
 * libuv has closed its handles.
 */

#include <holdfast/client_loop.h>

#include <uv.h>

#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_uv_poll hf_uv_poll;

typedef struct hf_uv {
    hf_client *client; /* set it with hf_client_new */
    uv_loop_t *loop;
    uv_timer_t timer;
    hf_uv_poll *polls; /* one for each descriptor that is watched */
} hf_uv;

struct hf_uv_poll {
    uv_poll_t handle;
    hf_uv *owner;
    hf_uv_poll *next;
    int fd;
};

static inline void hf_uv_on_poll(uv_poll_t *handle, int status, int events) {
    hf_uv_poll *poll = (hf_uv_poll *)handle->data;
    uint32_t ready = 0;
    if (status < 0 || (events & UV_READABLE)) ready |= HF_LOOP_READ;
    if (status < 0 || (events & UV_WRITABLE)) ready |= HF_LOOP_WRITE;
    (void)hf_client_on_event(poll->owner->client, poll->fd, ready);
}

static inline void hf_uv_on_timer(uv_timer_t *timer) { (void)hf_client_on_timer(((hf_uv *)timer->data)->client); }

static inline void hf_uv_on_closed(uv_handle_t *handle) { free(handle->data); }

/* The hook. When there is no memory the descriptor is not watched, and its transfer ends at its deadline. */
static inline void hf_uv_watch(void *arg, int fd, uint32_t events) {
    hf_uv *loop = (hf_uv *)arg;
    hf_uv_poll **link = &loop->polls;
    while (*link != NULL && (*link)->fd != fd) link = &(*link)->next;
    hf_uv_poll *poll = *link;
    if (events == 0) {
        if (poll == NULL) return;
        *link = poll->next;
        uv_close((uv_handle_t *)&poll->handle, hf_uv_on_closed); /* stops at once, frees later */
        return;
    }
    if (poll == NULL) {
        poll = (hf_uv_poll *)calloc(1, sizeof *poll);
        if (poll == NULL) return;
        if (uv_poll_init(loop->loop, &poll->handle, fd) != 0) {
            free(poll);
            return;
        }
        poll->handle.data = poll;
        poll->owner = loop;
        poll->fd = fd;
        *link = poll;
    }
    int wanted = ((events & HF_LOOP_READ) ? UV_READABLE : 0) | ((events & HF_LOOP_WRITE) ? UV_WRITABLE : 0);
    (void)uv_poll_start(&poll->handle, wanted, hf_uv_on_poll);
}

/* The hook: one timer for the whole client. */
static inline void hf_uv_set_timer(void *arg, int64_t after_ms) {
    hf_uv *loop = (hf_uv *)arg;
    if (after_ms < 0) (void)uv_timer_stop(&loop->timer);
    else (void)uv_timer_start(&loop->timer, hf_uv_on_timer, (uint64_t)after_ms, 0);
}

static inline void hf_uv_init(hf_uv *loop, uv_loop_t *uv) {
    loop->client = NULL;
    loop->loop = uv;
    loop->polls = NULL;
    (void)uv_timer_init(uv, &loop->timer);
    loop->timer.data = loop;
}

static inline hf_client_hooks hf_uv_hooks(hf_uv *loop) {
    hf_client_hooks hooks = {sizeof(hf_client_hooks), 0, hf_uv_watch, hf_uv_set_timer, loop};
    return hooks;
}

/* When the client has been freed. */
static inline void hf_uv_close(hf_uv *loop) { uv_close((uv_handle_t *)&loop->timer, NULL); }

#ifdef __cplusplus
}
#endif
#endif
