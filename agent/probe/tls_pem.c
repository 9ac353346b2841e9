/* SPDX-License-Identifier: MIT */
#include "agent/probe/tls_pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

/* OpenSSL's own would ask at the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    return -1;
}

static bool at_end_of_pem(void)
{
    unsigned long e = ERR_peek_last_error();
    return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

STACK_OF(X509) * tls_pem_certs(const char *pem)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x = NULL;
    bool ok = certs && bio;
    ERR_clear_error();
    while (ok && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
        ok = sk_X509_push(certs, x) > 0;
    if (ok)
        ok = at_end_of_pem() && sk_X509_num(certs) > 0;
    else
        X509_free(x);
    if (!ok) {
        sk_X509_pop_free(certs, X509_free);
        certs = NULL;
    }
    BIO_free(bio);
    ERR_clear_error();
    return certs;
}

EVP_PKEY *tls_pem_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}
