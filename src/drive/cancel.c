/* SPDX-License-Identifier: MIT */
#include "drive/cancel.h"

#include "os/error_text.h"
#include "os/must.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Lock: `mutex` guards the list, and is held while wakes run, so that a watch that was removed is
 * never woken. Wakes take at most a waiter's or libcurl's own lock inside it. `raised` is set under
 * the mutex and read without it: a reader that misses it is woken through its watch. */
struct hf_cancel {
    atomic_bool raised;
    pthread_mutex_t mutex;
    struct {
        struct hf__cancel_watch *first;
    } locked;
};

int hf_cancel_new(hf_cancel **out_cancel, hf_error *error) {
    if (out_cancel == NULL) return hf__error_set(error, HF_E_INVALID, "hf_cancel_new: out_cancel is NULL");
    *out_cancel = NULL;
    hf_cancel *cancel = calloc(1, sizeof *cancel);
    if (cancel == NULL) return hf__error_set(error, HF_E_NOMEM, "hf_cancel_new: no memory for a cancel token");
    if (pthread_mutex_init(&cancel->mutex, NULL) != 0) {
        free(cancel);
        return hf__error_set(error, HF_E_SYSTEM, "hf_cancel_new: the system gives no mutex");
    }
    *out_cancel = cancel;
    return 0;
}

void hf_cancel_free(hf_cancel *cancel) {
    if (cancel == NULL) return;
    HF_MUST(cancel->locked.first == NULL); /* a call still waits with it */
    HF_MUST(pthread_mutex_destroy(&cancel->mutex) == 0);
    free(cancel);
}

void hf_cancel_raise(hf_cancel *cancel) {
    HF_MUST(pthread_mutex_lock(&cancel->mutex) == 0);
    if (!atomic_load_explicit(&cancel->raised, memory_order_relaxed)) {
        atomic_store_explicit(&cancel->raised, true, memory_order_release);
        for (struct hf__cancel_watch *watch = cancel->locked.first; watch != NULL; watch = watch->next) {
            watch->wake(watch->arg);
        }
    }
    HF_MUST(pthread_mutex_unlock(&cancel->mutex) == 0);
}

void hf__cancel_reset(hf_cancel *cancel) {
    HF_MUST(cancel->locked.first == NULL);
    atomic_store_explicit(&cancel->raised, false, memory_order_release);
}

bool hf_cancel_raised(const hf_cancel *cancel) {
    return cancel != NULL && atomic_load_explicit(&cancel->raised, memory_order_acquire);
}

void hf__cancel_watch_add(hf_cancel *cancel, struct hf__cancel_watch *watch) {
    if (cancel == NULL) return;
    HF_MUST(pthread_mutex_lock(&cancel->mutex) == 0);
    watch->prev = NULL;
    watch->next = cancel->locked.first;
    if (watch->next != NULL) watch->next->prev = watch;
    cancel->locked.first = watch;
    if (atomic_load_explicit(&cancel->raised, memory_order_relaxed)) watch->wake(watch->arg);
    HF_MUST(pthread_mutex_unlock(&cancel->mutex) == 0);
}

void hf__cancel_watch_remove(hf_cancel *cancel, struct hf__cancel_watch *watch) {
    if (cancel == NULL) return;
    HF_MUST(pthread_mutex_lock(&cancel->mutex) == 0);
    if (watch->next != NULL) watch->next->prev = watch->prev;
    if (watch->prev != NULL) watch->prev->next = watch->next;
    else cancel->locked.first = watch->next;
    HF_MUST(pthread_mutex_unlock(&cancel->mutex) == 0);
}
