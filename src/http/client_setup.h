/* SPDX-License-Identifier: MIT */
#ifndef HF_HTTP_CLIENT_SETUP_H
#define HF_HTTP_CLIENT_SETUP_H

/* The configuration of a client as it keeps it: checked, with copies of all strings, constant afterwards. */

#include "http/classify.h"
#include "http/resolver.h"

#include <holdfast/client.h>
#include <holdfast/client_loop.h>

struct hf__client_setup {
    hf_client_config config; /* strings point into copies; hooks NULL or &hooks */
    hf_client_hooks hooks;
    char name[HF_NAME_MAX + 1];
    struct hf__rules rules;
    char host[HF__HOST_SIZE]; /* what must be looked up for every request: the proxy, or the base URL's host; "": it
                                 depends on the request, or nothing must */
    uint16_t port;
    bool has_proxy;
    bool base_host_known; /* `host` is right for paths on the base URL, "" included */
    char *copies;         /* memory of the strings */
};

/* Returns 0 or the code of the sentence in `error`; on success give it back with _fini. */
int hf__client_setup_init(struct hf__client_setup *setup, const char *name, const hf_client_config *config,
                          hf_error *error);
void hf__client_setup_fini(struct hf__client_setup *setup);

/* Writes the host that must be looked up for `url` ("" when it is an address) and its port; false: no URL for http. */
bool hf__url_origin(const char *url, char host[HF__HOST_SIZE], uint16_t *out_port);

#endif
