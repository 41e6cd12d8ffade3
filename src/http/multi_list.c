/* SPDX-License-Identifier: MIT */
#include "http/multi_list.h"

#include "os/must.h"

#include <unistd.h>

bool hf__multi_list_init(struct hf__multi_list *list) {
    list->locked.count = 0;
    list->locked.owner = getpid();
    return pthread_mutex_init(&list->mutex, NULL) == 0;
}

/* What was inherited through a fork belongs to the parent: closing it here would say goodbye on the parent's
 * TLS connections. It is left alone. */
static void forget_inherited_locked(struct hf__multi_list *list) {
    if (list->locked.owner == getpid()) return;
    list->locked.owner = getpid();
    list->locked.count = 0;
}

void hf__multi_list_fini(struct hf__multi_list *list) {
    forget_inherited_locked(list);
    for (uint32_t i = 0; i < list->locked.count; i++) (void)curl_multi_cleanup(list->locked.multi[i]);
    HF_MUST(pthread_mutex_destroy(&list->mutex) == 0);
}

CURLM *hf__multi_list_take(struct hf__multi_list *list) {
    CURLM *multi = NULL;
    HF_MUST(pthread_mutex_lock(&list->mutex) == 0);
    forget_inherited_locked(list);
    if (list->locked.count > 0) multi = list->locked.multi[--list->locked.count];
    HF_MUST(pthread_mutex_unlock(&list->mutex) == 0);
    return multi != NULL ? multi : curl_multi_init();
}

void hf__multi_list_give(struct hf__multi_list *list, CURLM *multi) {
    HF_MUST(pthread_mutex_lock(&list->mutex) == 0);
    forget_inherited_locked(list);
    bool kept = list->locked.count < HF__MULTIS_MAX;
    if (kept) list->locked.multi[list->locked.count++] = multi;
    HF_MUST(pthread_mutex_unlock(&list->mutex) == 0);
    if (!kept) (void)curl_multi_cleanup(multi);
}
