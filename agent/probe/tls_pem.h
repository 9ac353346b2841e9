/* SPDX-License-Identifier: MIT */
#pragma once
#include <openssl/x509.h>
#include <stdbool.h>

/* tls_pem - certificates and keys out of PEM text. Pure, any thread; leaves OpenSSL's error queue
 * empty. Caller frees. */

/* All certificates of the text; NULL: none, or one that cannot be read. */
STACK_OF(X509) * tls_pem_certs(const char *pem);
/* The first key of the text; NULL: none that can be read without a passphrase. */
EVP_PKEY *tls_pem_key(const char *pem);
