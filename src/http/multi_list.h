/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_MULTI_LIST_H
#define HF_HTTP_MULTI_LIST_H

/* Curl multi handles that nobody uses at the moment. Each holds the connections that were made in it, so
 * they are used again last in, first out, and keep-alive survives from call to call. */

#include <curl/curl.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HF__MULTIS_MAX 64

struct hf__multi_list {
    pthread_mutex_t mutex; /* guards what is in `locked`; nothing else happens under it */
    struct {
        uint32_t count;
        pid_t owner;
        CURLM *multi[HF__MULTIS_MAX];
    } locked;
};

/* False when the system gives no mutex. */
bool hf__multi_list_init(struct hf__multi_list *list);
void hf__multi_list_fini(struct hf__multi_list *list);

/* Takes one or makes one; NULL when there is no memory. */
CURLM *hf__multi_list_take(struct hf__multi_list *list);

/* Gives one back, with no transfer in it. */
void hf__multi_list_give(struct hf__multi_list *list, CURLM *multi);

#endif
