/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOUR (time_t)3600

struct party {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
};

/* The first failure of many steps; the later ones are skipped. */
static int failure;
#define STEP(call) (failure = failure < 0 ? failure : (call))

static void party_new(struct party *party, const char *name, int serial, time_t from, time_t to) {
    unsigned char number[1] = {(unsigned char)serial};
    STEP(gnutls_x509_privkey_init(&party->key));
    STEP(
        gnutls_x509_privkey_generate(party->key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    STEP(gnutls_x509_crt_init(&party->certificate));
    STEP(gnutls_x509_crt_set_version(party->certificate, 3));
    STEP(gnutls_x509_crt_set_serial(party->certificate, number, sizeof number));
    STEP(gnutls_x509_crt_set_dn_by_oid(party->certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                       (unsigned)strlen(name)));
    STEP(gnutls_x509_crt_set_activation_time(party->certificate, from));
    STEP(gnutls_x509_crt_set_expiration_time(party->certificate, to));
    STEP(gnutls_x509_crt_set_key(party->certificate, party->key));
}

static void party_free(struct party *party) {
    if (party->certificate != NULL) gnutls_x509_crt_deinit(party->certificate);
    if (party->key != NULL) gnutls_x509_privkey_deinit(party->key);
}

static void make_authority(struct party *ca, const char *name) {
    party_new(ca, name, 1, time(NULL) - HOUR, time(NULL) + 24 * HOUR);
    STEP(gnutls_x509_crt_set_basic_constraints(ca->certificate, 1, 0));
    STEP(gnutls_x509_crt_set_key_usage(ca->certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
    STEP(gnutls_x509_crt_sign2(ca->certificate, ca->certificate, ca->key, GNUTLS_DIG_SHA256, 0));
}

static void make_server(struct party *server, const struct party *ca, enum tls_flaw flaw) {
    static const unsigned char loopback[4] = {127, 0, 0, 1};
    const char *host = flaw == TLS_WRONG_HOST ? "elsewhere.example" : "localhost";
    time_t now = time(NULL);
    party_new(server, host, 2, now - 2 * HOUR, flaw == TLS_EXPIRED ? now - HOUR : now + 24 * HOUR);
    STEP(gnutls_x509_crt_set_subject_alt_name(server->certificate, GNUTLS_SAN_DNSNAME, host, (unsigned)strlen(host),
                                              GNUTLS_FSAN_SET));
    if (flaw != TLS_WRONG_HOST) {
        STEP(gnutls_x509_crt_set_subject_alt_name(server->certificate, GNUTLS_SAN_IPADDRESS, loopback, sizeof loopback,
                                                  GNUTLS_FSAN_APPEND));
    }
    STEP(gnutls_x509_crt_set_key_usage(server->certificate, GNUTLS_KEY_DIGITAL_SIGNATURE));
    STEP(gnutls_x509_crt_set_key_purpose_oid(server->certificate, GNUTLS_KP_TLS_WWW_SERVER, 0));
    STEP(gnutls_x509_crt_sign2(server->certificate, ca->certificate, ca->key, GNUTLS_DIG_SHA256, 0));
}

/* As a string, malloc'd; NULL after a failure. */
static char *pem_of_certificate(const struct party *party) {
    gnutls_datum_t pem = {NULL, 0};
    STEP(gnutls_x509_crt_export2(party->certificate, GNUTLS_X509_FMT_PEM, &pem));
    char *text = pem.data == NULL ? NULL : strndup((const char *)pem.data, pem.size);
    gnutls_free(pem.data);
    return text;
}

static char *pem_of_key(const struct party *party) {
    gnutls_datum_t pem = {NULL, 0};
    STEP(gnutls_x509_privkey_export2(party->key, GNUTLS_X509_FMT_PEM, &pem));
    char *text = pem.data == NULL ? NULL : strndup((const char *)pem.data, pem.size);
    gnutls_free(pem.data);
    return text;
}

static bool write_text(const char *file, const char *text) {
    FILE *out = fopen(file, "w");
    bool ok = out != NULL && fputs(text, out) >= 0;
    if (out != NULL && fclose(out) != 0) ok = false;
    if (!ok) fprintf(stderr, "mockd: cannot write %s\n", file);
    return ok;
}

bool tls_flaw_of(const char *name, enum tls_flaw *out_flaw) {
    static const char *const names[] = {[TLS_GOOD] = "good",
                                        [TLS_EXPIRED] = "expired",
                                        [TLS_WRONG_HOST] = "wrong-host",
                                        [TLS_UNKNOWN_CA] = "unknown-ca"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) return *out_flaw = (enum tls_flaw)i, true;
    }
    return false;
}

bool tls_make_identity(struct tls_identity *out_identity, enum tls_flaw flaw, const char *ca_file) {
    struct party ca = {0}, shown = {0}, server = {0};
    make_authority(&ca, "mockd throw-away authority");
    make_authority(&shown, "another authority");
    make_server(&server, &ca, flaw);
    char *ca_pem = pem_of_certificate(flaw == TLS_UNKNOWN_CA ? &shown : &ca);
    *out_identity = (struct tls_identity){pem_of_certificate(&server), pem_of_key(&server)};
    party_free(&ca);
    party_free(&shown);
    party_free(&server);
    if (failure < 0) fprintf(stderr, "mockd: cannot make a certificate: %s\n", gnutls_strerror(failure));
    bool ok = failure >= 0 && ca_pem != NULL && write_text(ca_file, ca_pem);
    free(ca_pem);
    return ok;
}

bool tls_send(void *session, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t sent = gnutls_record_send(session, bytes, size);
        if (sent <= 0) return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}
