/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_COMPLETIONS_QUEUE_H
#define HF_HTTP_COMPLETIONS_QUEUE_H

#include <holdfast/completions.h>

/* Puts a response behind the others; the queue owns it then. Any thread. */
void hf__completions_put(hf_completions *queue, void *tag, hf_response *response);

#endif
