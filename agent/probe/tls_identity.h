/* SPDX-License-Identifier: MIT */
#pragma once
#include <openssl/ssl.h>
#include <stdbool.h>

/* tls_identity - a certificate and its key, to show to a server that asks. One thread at a time. */
struct tls_identity;

/* From PEM. NULL: not usable, and *why (a literal) says what is wrong, without quoting. */
struct tls_identity *tls_identity_create(const char *cert_pem, const char *key_pem,
                                         const char **why);
void tls_identity_destroy(struct tls_identity **ip);
/* The context takes references of its own. False: no memory. */
bool tls_identity_use(const struct tls_identity *i, SSL_CTX *ctx);
