/* SPDX-License-Identifier: MIT */
#ifndef MOCKD_TLS_H
#define MOCKD_TLS_H

/* TLS with a certificate authority that lives as long as the process: made at the start, in memory. */

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with the server's certificate. */
enum tls_flaw { TLS_GOOD, TLS_EXPIRED, TLS_WRONG_HOST, TLS_UNKNOWN_CA };

struct tls_identity {
    char *certificate, *key; /* PEM, malloc'd; they last as long as the server */
};

/* The flaw of that name: good, expired, wrong-host, unknown-ca. False when there is none. */
bool tls_flaw_of(const char *name, enum tls_flaw *out_flaw);

/* Makes an authority and a certificate for 127.0.0.1 and localhost, and writes the authority's certificate as PEM to
 * `ca_file`. On failure returns false with a message on stderr. */
bool tls_make_identity(struct tls_identity *out_identity, enum tls_flaw flaw, const char *ca_file);

/* Sends bytes through the session of a connection; false when it does not take them all. */
bool tls_send(void *session, const char *bytes, size_t size);

#endif
