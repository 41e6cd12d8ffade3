/* SPDX-License-Identifier: MIT */
#include "http/client_setup.h"

#include "base/given.h"
#include "http/client_request.h"
#include "os/error_text.h"

#include <holdfast/version.h>

#include <curl/curl.h>

#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000

void hf_client_config_init(hf_client_config *config) {
    *config = (hf_client_config){
        .struct_size = (uint32_t)sizeof *config,
        .threads = 2,
        .resolver_threads = 4,
        .resolver_ttl_ms = 60000,
        .connect_timeout_ms = 5000,
        .max_connections_kept = 64,
        .idle_timeout_ms = 55000,
        .connection_lifetime_ms = 300000,
        .http_version = HF_HTTP_AUTO,
    };
}

static void put_host(char host[HF__HOST_SIZE], const char *name, size_t length) {
    memcpy(host, name, length);
    host[length] = '\0';
    if (hf__host_is_address(host)) host[0] = '\0';
}

/* Most URLs are plain enough to be read without libcurl's parser, which takes as long as a tenth of a request: nothing
 * before the path but a scheme in small letters, a name of letters, digits, dots and hyphens, and digits as the port. */
static bool plain_origin(const char *url, char host[HF__HOST_SIZE], uint16_t *out_port) {
    bool tls = strncmp(url, "https://", 8) == 0;
    if (!tls && strncmp(url, "http://", 7) != 0) return false;
    const char *name = url + (tls ? 8 : 7), *at = name;
    while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || *at == '.' ||
           *at == '-') {
        at++;
    }
    size_t length = (size_t)(at - name);
    unsigned long port = tls ? 443 : 80;
    if (*at == ':') {
        char *end;
        if (at[1] < '0' || at[1] > '9') return false;
        port = strtoul(at + 1, &end, 10);
        at = end;
    }
    if (length == 0 || length >= HF__HOST_SIZE || port > 65535 || (*at != '/' && *at != '\0')) return false;
    put_host(host, name, length);
    *out_port = (uint16_t)port;
    return true;
}

bool hf__url_origin(const char *url, char host[HF__HOST_SIZE], uint16_t *out_port) {
    if (plain_origin(url, host, out_port)) return true;
    char *scheme = NULL, *name = NULL, *port = NULL;
    CURLU *parsed = curl_url();
    bool ok = parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(parsed, CURLUPART_HOST, &name, 0) == CURLUE_OK &&
              curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              strlen(name) < HF__HOST_SIZE;
    if (ok) {
        put_host(host, name, strlen(name));
        *out_port = (uint16_t)strtoul(port, NULL, 10);
    }
    curl_free(scheme);
    curl_free(name);
    curl_free(port);
    curl_url_cleanup(parsed);
    return ok;
}

/* ---- checks: one sentence each ---- */

static int check_range(const char *name, const char *field, uint64_t value, uint64_t low, uint64_t high,
                       hf_error *error) {
    if (value >= low && value <= high) return 0;
    return hf__error_set(error, HF_E_INVALID, "client \"%s\": %s is %llu, expected %llu to %llu", name, field,
                         (unsigned long long)value, (unsigned long long)low, (unsigned long long)high);
}

static int check_numbers(const char *name, const hf_client_config *c, hf_error *error) {
    int rc = check_range(name, "threads", c->threads, 1, 64, error);
    if (rc == 0) rc = check_range(name, "resolver_threads", c->resolver_threads, 1, 64, error);
    if (rc == 0) rc = check_range(name, "resolver_ttl_ms", c->resolver_ttl_ms, 0, DAY_MS, error);
    if (rc == 0) rc = check_range(name, "connect_timeout_ms", c->connect_timeout_ms, 1, 300000, error);
    if (rc == 0) rc = check_range(name, "max_connections_kept", c->max_connections_kept, 0, 10000, error);
    if (rc == 0) rc = check_range(name, "idle_timeout_ms", c->idle_timeout_ms, 1000, DAY_MS, error);
    if (rc == 0) rc = check_range(name, "connection_lifetime_ms", c->connection_lifetime_ms, 1000, DAY_MS, error);
    if (rc == 0)
        rc = check_range(name, "http_version", (uint32_t)c->http_version, HF_HTTP_AUTO, HF_HTTP_2_PRIOR, error);
    if (rc == 0) rc = check_range(name, "max_redirects", c->max_redirects, 0, 20, error);
    if (rc == 0) rc = check_range(name, "proxy_from_environment", c->proxy_from_environment, 0, 1, error);
    return rc;
}

static bool is_http(const char *url) { return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0; }

static int check_urls(const char *name, const hf_client_config *c, hf_error *error) {
    char host[HF__HOST_SIZE];
    uint16_t port;
    const char *base = c->base_url;
    if (base != NULL && (!is_http(base) || strpbrk(base, "?# ") != NULL || base[strlen(base) - 1] == '/' ||
                         strlen(base) > 2000 || !hf__url_origin(base, host, &port))) {
        return hf__error_set(error, HF_E_INVALID,
                             "client \"%s\": base_url is not http:// or https:// with a host and no trailing slash, "
                             "query or fragment",
                             name);
    }
    if (c->proxy != NULL && !hf__url_origin(c->proxy, host, &port)) {
        return hf__error_set(error, HF_E_INVALID, "client \"%s\": proxy is no URL with a host and a port", name);
    }
    if (c->proxy != NULL && c->proxy_from_environment) {
        return hf__error_set(error, HF_E_INVALID, "client \"%s\": proxy and proxy_from_environment exclude each other",
                             name);
    }
    return 0;
}

static int check_name_of_header(const char *name, const char *field, const char *value, hf_error *error) {
    if (value == NULL || hf__is_token(value)) return 0;
    return hf__error_set(error, HF_E_INVALID, "client \"%s\": %s is no name of a header", name, field);
}

static int check(const char *name, const hf_client_config *c, hf_error *error) {
    int rc = check_numbers(name, c, error);
    if (rc == 0) rc = check_urls(name, c, error);
    if (rc == 0) rc = check_name_of_header(name, "attempt_header", c->attempt_header, error);
    if (rc == 0) rc = check_name_of_header(name, "deadline_header", c->deadline_header, error);
    if (rc == 0) rc = check_name_of_header(name, "priority_header", c->priority_header, error);
    for (size_t i = 0; rc == 0 && c->secret_headers != NULL && c->secret_headers[i] != NULL; i++) {
        rc = check_name_of_header(name, "secret_headers", c->secret_headers[i], error);
    }
    if (rc == 0 && c->user_agent != NULL && !hf__is_field_value(c->user_agent)) {
        rc = hf__error_set(error, HF_E_INVALID, "client \"%s\": user_agent has a control character", name);
    }
    const hf_client_hooks *hooks = c->hooks;
    if (rc == 0 && hooks != NULL &&
        (hooks->struct_size != sizeof *hooks || hooks->watch == NULL || hooks->set_timer == NULL)) {
        rc =
            hf__error_set(error, HF_E_INVALID, "client \"%s\": hooks needs its struct_size, watch and set_timer", name);
    }
    return rc;
}

/* ---- copies ---- */

static size_t count_secrets(const hf_client_config *c) {
    size_t count = 0;
    while (c->secret_headers != NULL && c->secret_headers[count] != NULL) count++;
    return count;
}

static size_t bytes_of(const char *text) { return text == NULL ? 0 : strlen(text) + 1; }

static void keep(char **at, const char **text) {
    if (*text == NULL) return;
    size_t bytes = strlen(*text) + 1;
    memcpy(*at, *text, bytes);
    *text = *at;
    *at += bytes;
}

/* Moves all strings of the configuration into one piece of memory. */
static bool copy_strings(struct hf__client_setup *setup) {
    hf_client_config *c = &setup->config;
    const char **texts[] = {&c->base_url, &c->proxy,          &c->user_agent,      &c->ca_file,        &c->cert_file,
                            &c->key_file, &c->attempt_header, &c->deadline_header, &c->priority_header};
    size_t secrets = count_secrets(c), total = (secrets + 1) * sizeof(char *);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) total += bytes_of(*texts[i]);
    for (size_t i = 0; i < secrets; i++) total += bytes_of(c->secret_headers[i]);
    setup->copies = malloc(total);
    if (setup->copies == NULL) return false;
    const char **list = (const char **)(void *)setup->copies;
    char *at = setup->copies + (secrets + 1) * sizeof(char *);
    for (size_t i = 0; i < secrets; i++) {
        list[i] = c->secret_headers[i];
        keep(&at, &list[i]);
    }
    list[secrets] = NULL;
    c->secret_headers = list;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) keep(&at, texts[i]);
    return true;
}

static bool printable(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') return false;
    }
    return true;
}

int hf__client_setup_init(struct hf__client_setup *setup, const char *name, const hf_client_config *config,
                          hf_error *error) {
    memset(setup, 0, sizeof *setup);
    if (name == NULL || name[0] == '\0' || strlen(name) > HF_NAME_MAX || !printable(name)) {
        return hf__error_set(error, HF_E_INVALID, "client: the name is not 1 to %d printable characters", HF_NAME_MAX);
    }
    memcpy(setup->name, name, strlen(name) + 1);
    hf_client_config_init(&setup->config);
    if (!hf__given_copy(&setup->config, sizeof setup->config, config)) {
        return hf__error_set(error, HF_E_INVALID,
                             "client \"%s\": struct_size is %u, expected at most %zu: fill the configuration with "
                             "hf_client_config_init first",
                             name, config->struct_size, sizeof *config);
    }
    hf_client_config *c = &setup->config;
    int rc = check(name, c, error);
    if (rc < 0) return rc;
    if (c->user_agent == NULL) c->user_agent = "holdfast/" HF_VERSION;
    if (!copy_strings(setup)) return hf__error_set(error, HF_E_NOMEM, "client \"%s\": no memory", name);
    if (c->hooks != NULL) {
        setup->hooks = *c->hooks;
        c->hooks = &setup->hooks;
    }
    setup->has_proxy = c->proxy != NULL || c->proxy_from_environment;
    const char *fixed = c->proxy != NULL ? c->proxy : c->proxy_from_environment ? NULL : c->base_url;
    setup->base_host_known = setup->has_proxy || fixed != NULL;
    if (fixed != NULL) (void)hf__url_origin(fixed, setup->host, &setup->port);
    return 0;
}

void hf__client_setup_fini(struct hf__client_setup *setup) { free(setup->copies); }
