/* SPDX-License-Identifier: MIT */
#include "http/response_state.h"

#include "engine/result.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

hf_response *hf__response_new(void) {
    hf_response *response = calloc(1, sizeof *response);
    if (response != NULL) hf__result_init(&response->result, HF_E_CANCELLED);
    return response;
}

void hf__response_clear(hf_response *response) {
    free(response->head.data);
    free(response->body);
    response->head = (struct hf__head){0};
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

bool hf_response_header_at(const hf_response *response, size_t index, hf_header *out_header) {
    if (index >= response->head.count) return false;
    const char *name = response->head.data;
    for (;; index--) {
        const char *value = name + strlen(name) + 1;
        if (index == 0) {
            *out_header = (hf_header){name, value};
            return true;
        }
        name = value + strlen(value) + 1;
    }
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
