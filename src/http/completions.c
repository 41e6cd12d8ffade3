/* SPDX-License-Identifier: MIT */
#include "http/completions_queue.h"

#include "http/response_state.h"
#include "os/error_text.h"
#include "os/must.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The descriptor is written when the queue gets its first response and read when the last is taken, both under the
 * lock, so it is readable exactly while there are some. */
struct hf_completions {
    int fd;
    pthread_mutex_t mutex;
    struct {
        hf_response *first, *last;
    } locked;
};

int hf_completions_new(hf_completions **out_queue, hf_error *error) {
    if (out_queue == NULL) return hf__error_set(error, HF_E_INVALID, "hf_completions_new: out_queue is NULL");
    *out_queue = NULL;
    hf_completions *queue = calloc(1, sizeof *queue);
    if (queue == NULL) return hf__error_set(error, HF_E_NOMEM, "hf_completions_new: no memory");
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->fd < 0 || pthread_mutex_init(&queue->mutex, NULL) != 0) {
        if (queue->fd >= 0) (void)close(queue->fd);
        free(queue);
        return hf__error_set(error, HF_E_SYSTEM, "hf_completions_new: the system gives no descriptor or mutex");
    }
    *out_queue = queue;
    return 0;
}

void hf_completions_free(hf_completions *queue) {
    if (queue == NULL) return;
    for (hf_response *response = queue->locked.first, *next; response != NULL; response = next) {
        next = response->next;
        hf_response_free(response);
    }
    (void)close(queue->fd);
    HF_MUST(pthread_mutex_destroy(&queue->mutex) == 0);
    free(queue);
}

int hf_completions_fd(const hf_completions *queue) { return queue->fd; }

void hf__completions_put(hf_completions *queue, void *tag, hf_response *response) {
    response->tag = tag;
    response->next = NULL;
    HF_MUST(pthread_mutex_lock(&queue->mutex) == 0);
    if (queue->locked.first == NULL) {
        queue->locked.first = response;
        HF_MUST(eventfd_write(queue->fd, 1) == 0);
    } else {
        queue->locked.last->next = response;
    }
    queue->locked.last = response;
    HF_MUST(pthread_mutex_unlock(&queue->mutex) == 0);
}

bool hf_completions_next(hf_completions *queue, void **out_tag, hf_response **out_response) {
    HF_MUST(pthread_mutex_lock(&queue->mutex) == 0);
    hf_response *response = queue->locked.first;
    if (response != NULL) {
        queue->locked.first = response->next;
        eventfd_t count;
        if (response->next == NULL) HF_MUST(eventfd_read(queue->fd, &count) == 0);
    }
    HF_MUST(pthread_mutex_unlock(&queue->mutex) == 0);
    if (response == NULL) return false;
    if (out_tag != NULL) *out_tag = response->tag;
    *out_response = response;
    return true;
}
