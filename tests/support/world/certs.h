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

/* ---- what certificates of other kinds are made of (tls_ill.c) */
#define CERTS_OK_NAMES "DNS:ok.test,DNS:*.ok.test,DNS:localhost,IP:127.0.0.1,IP:::1"

/* Without issuer, extensions and signature. */
X509 *certs_new(EVP_PKEY *key, const char *subject, long from_day, long to_day);
void certs_extend(X509 *cert, X509 *issuer, int nid, const char *value);
void certs_sign(X509 *cert, X509 *issuer, EVP_PKEY *issuer_key, const EVP_MD *md);
X509 *certs_authority(void); /* borrowed */
EVP_PKEY *certs_authority_key(void);
/* Takes neither; whatever their strength. */
SSL_CTX *certs_serve(X509 *cert, EVP_PKEY *key);
