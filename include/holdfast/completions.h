/* SPDX-License-Identifier: MIT */
#ifndef HOLDFAST_COMPLETIONS_H
#define HOLDFAST_COMPLETIONS_H

/* Completion queue: responses of submitted requests (client.h) wait here until a thread of yours takes them. Its
 * descriptor is readable while there are some, for poll, epoll or select.
 *
 *     hf_completions_new(&queue, &error);
 *     hf_client_submit_queued(client, &request, queue, tag, &error);
 *     // later, in your loop
 *     poll(&(struct pollfd){hf_completions_fd(queue), POLLIN, 0}, 1, -1);
 *     while (hf_completions_next(queue, &tag, &response)) {
 *         answer(tag, response);
 *         hf_response_free(response);
 *     }
 *
 * One queue may serve several clients.
 */

#include <holdfast/error.h>
#include <holdfast/request.h>
#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_completions hf_completions;

/* hf_completions_new makes an empty queue.
 *
 * Errors:   HF_E_INVALID, HF_E_NOMEM, HF_E_SYSTEM (no descriptor).
 * Threads:  any thread; the queue is shared by any number of threads.
 * Memory:   one allocation and one descriptor, given back by hf_completions_free.
 */
HF_API int hf_completions_new(hf_completions **out_queue, hf_error *error);

/* hf_completions_free frees the queue and the responses in it. No call may still be about to put one there. NULL is
 * fine.
 * Threads: one thread, last. */
HF_API void hf_completions_free(hf_completions *queue);

/* hf_completions_fd is a descriptor that is readable while the queue is not empty. Do not read from it.
 * Threads: any thread; never blocks. */
HF_API int hf_completions_fd(const hf_completions *queue);

/* hf_completions_next takes the oldest response, which now belongs to the caller, and the tag it was submitted with;
 * false and nothing written when there is none.
 * Threads: any thread; never blocks but for a short lock. */
HF_API bool hf_completions_next(hf_completions *queue, void **out_tag, hf_response **out_response);

#ifdef __cplusplus
}
#endif
#endif
