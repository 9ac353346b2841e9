/* SPDX-License-Identifier: MIT */
#pragma once
#include <openssl/ssl.h>

/*
 * tls_ill - TLS servers that are wrong in one way each: weak, incomplete, forged, out of date, or
 * meant for something else. After certs_init().
 */
struct tls_ill {
    const char *name; /* of its port in the world's JSON */
    SSL_CTX *(*make)(void);
};
extern const struct tls_ill tls_ills[];
extern const size_t n_tls_ills;

/* Nothing is wrong with it: what others start from. */
SSL_CTX *tls_ill_good(void);
