/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_CLIENT_LOOP_H
#define HOLDFAST_CLIENT_LOOP_H

/* An hf_client inside your own event loop: no loop threads, no locks that wait for one. You hand two hooks to
 * hf_client_new, which tell your loop what to watch and when to come back, and call hf_client_on_event and
 * hf_client_on_timer when that happens. Ready-made for libuv and epoll: holdfast/adapters/uv.h and
 * holdfast/adapters/epoll.h.
 *
 *     hf_client_hooks hooks = {sizeof hooks, 0, watch, set_timer, my_loop};
 *     hf_client_config config;
 *     hf_client_config_init(&config);
 *     config.hooks = &hooks;
 *     hf_client_new(&client, "search", pipeline, &config, &error);
 *     hf_client_submit(client, &request, done, arg, &error);       // done runs inside on_event or on_timer
 *
 * There is one timer for the whole client, however many calls wait in back-offs. hf_client_submit and cancel
 * tokens work from any thread: the client has a descriptor that wakes your loop. Name look-ups still run on
 * resolver threads, see client.h. hf_client_request is refused, for nothing would drive it.
 *
 * SIGPIPE is blocked while libcurl works and taken back if it was raised, so the program does not see it.
 */

#include <holdfast/client.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_LOOP_READ 0x1u
#define HF_LOOP_WRITE 0x2u

/* `fd` shall be watched for `events` (HF_LOOP_READ, HF_LOOP_WRITE) from now on, instead of what was asked for
 * before; 0: no longer, and it may be closed right after. Level-triggered. Called on the loop's thread, inside
 * hf_client_new, _on_event, _on_timer and _free. It must not call the client. */
typedef void hf_loop_watch(void *arg, int fd, uint32_t events);

/* hf_client_on_timer shall be called after `after_ms` milliseconds, once, instead of what was asked for before; -1:
 * not at all. Called like hf_loop_watch. It must not call the client. */
typedef void hf_loop_set_timer(void *arg, int64_t after_ms);

typedef struct hf_client_hooks {
    uint32_t struct_size; /* sizeof(hf_client_hooks) */
    uint32_t reserved;    /* 0 */
    hf_loop_watch *watch;
    hf_loop_set_timer *set_timer;
    void *arg; /* of both */
} hf_client_hooks;

/* hf_client_on_event tells the client that `fd` is ready for `events`; HF_LOOP_READ | HF_LOOP_WRITE for an error.
 * Completion callbacks run inside.
 *
 * Errors:   HF_E_INVALID (the client has no hooks), HF_E_STATE (inside a hook or a callback of this client).
 * Threads:  the loop's thread only; never blocks.
 */
HF_API int hf_client_on_event(hf_client *client, int fd, uint32_t events);

/* hf_client_on_timer tells the client that its timer has come. Too early or once too often does no harm.
 *
 * Errors:   as hf_client_on_event.
 * Threads:  the loop's thread only; never blocks.
 */
HF_API int hf_client_on_timer(hf_client *client);

#ifdef __cplusplus
}
#endif
#endif
