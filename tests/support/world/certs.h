/* SPDX-License-Identifier: MIT */
#pragma once
#include <openssl/ssl.h>

/*
 * certs - the test world's own certificate authority and the certificates, good and bad, that it
 * serves.
 *
 * All are made at the start, in memory; only the authority's certificate goes to disk, for the
 * agents' --ca-file.
 */
enum certs_kind {
    CERTS_GOOD,
    CERTS_EXPIRED,
    CERTS_FUTURE,
    CERTS_WRONG_NAME,
    CERTS_SELF_SIGNED,
    CERTS_KINDS
};

/* Makes the authority and writes DIR/ca.pem. */
void certs_init(const char *dir);

/* A server context with a certificate of that kind; it lives as long as the program. */
SSL_CTX *certs_context(enum certs_kind kind);
