/* SPDX-License-Identifier: MIT */
#include "http/response_state.h"

#include "engine/result.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

hf_response *hf__response_new(void) {
    hf_response *response =
        malloc(sizeof *response); /* not calloc, which passes by the cache of the thread (glibc 2.36) */
    if (response == NULL) return NULL;
    *response = (hf_response){.body = NULL};
    hf__result_init(&response->result, HF_E_CANCELLED);
    return response;
}

void hf__response_clear(hf_response *response) {
    free(response->head.data);
    free(response->body);
    response->head = (struct hf__head){0};
    atomic_store_explicit(&response->walked, 0, memory_order_relaxed);
    response->body = NULL;
    response->body_bytes = 0;
    response->status = 0;
}

void hf_response_free(hf_response *response) {
    if (response == NULL) return;
    hf__response_clear(response);
    free(response);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool hf__head_add(struct hf__head *head, const char *line, size_t length) {
    const char *colon = memchr(line, ':', length);
    if (colon == NULL) return true;
    const char *value = colon + 1, *end = line + length;
    while (value < end && is_blank(*value)) value++;
    while (end > value && is_blank(end[-1])) end--;
    size_t name_bytes = (size_t)(colon - line), value_bytes = (size_t)(end - value);
    size_t needed = head->length + name_bytes + value_bytes + 2;
    if (needed > head->size) {
        size_t roomy = needed < 512 ? 512 : needed * 2;
        char *longer = realloc(head->data, roomy);
        if (longer == NULL) return false;
        head->data = longer;
        head->size = roomy;
    }
    char *out = head->data + head->length;
    memcpy(out, line, name_bytes);
    out[name_bytes] = '\0';
    memcpy(out + name_bytes + 1, value, value_bytes);
    out[name_bytes + 1 + value_bytes] = '\0';
    head->length = needed;
    head->count++;
    return true;
}

long hf_response_status(const hf_response *response) { return response->status; }

/* Walks on from the header that was asked for last, so that going through all of them takes time in proportion: a server
 * decides how many there are. The hint is one word, so that readers in other threads do no harm. */
bool hf_response_header_at(const hf_response *response, size_t index, hf_header *out_header) {
    if (index >= response->head.count) return false;
    _Atomic uint64_t *walked = (_Atomic uint64_t *)(uintptr_t)&response->walked;
    uint64_t hint = atomic_load_explicit(walked, memory_order_relaxed);
    if (hint >> 32 > index) hint = 0;
    const char *name = response->head.data + (uint32_t)hint;
    for (size_t at = hint >> 32; at < index; at++) {
        name += strlen(name) + 1; /* the value */
        name += strlen(name) + 1;
    }
    *out_header = (hf_header){name, name + strlen(name) + 1};
    uint64_t offset = (uint64_t)(name - response->head.data);
    atomic_store_explicit(walked, (uint64_t)index << 32 | offset, memory_order_relaxed);
    return true;
}

const char *hf_response_header(const hf_response *response, const char *name) {
    const char *at = response->head.data;
    for (uint32_t i = 0; i < response->head.count; i++) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

const char *hf_response_body(const hf_response *response, size_t *out_bytes) {
    if (out_bytes != NULL) *out_bytes = response->body_bytes;
    return response->body != NULL ? response->body : "";
}

const hf_result *hf_response_result(const hf_response *response) { return &response->result; }

const char *hf_response_text(const hf_response *response) { return response->text; }
