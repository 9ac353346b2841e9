/* SPDX-License-Identifier: MIT */
#include "agent/probe/tls_identity.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "agent/probe/tls_pem.h"
#include "common/mem.h"

struct tls_identity {
    X509 *leaf;
    STACK_OF(X509) * above; /* between the leaf and its authority */
    EVP_PKEY *key;
};

bool tls_identity_use(const struct tls_identity *i, SSL_CTX *ctx)
{
    REQUIRE(i->leaf != NULL && i->key != NULL);
    return SSL_CTX_use_cert_and_key(ctx, i->leaf, i->key, i->above, 1) == 1;
}

/* OpenSSL refuses a key that is too weak for it: better now than in the handshake. */
static bool usable(const struct tls_identity *i)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    bool ok = ctx && tls_identity_use(i, ctx);
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

static const char *problem_of(const struct tls_identity *i)
{
    if (!i->leaf)
        return "the certificate of client_cert cannot be read";
    if (!i->key)
        return "the key of client_cert cannot be read";
    if (X509_check_private_key(i->leaf, i->key) != 1)
        return "the key of client_cert is not that of its first certificate";
    return usable(i) ? NULL : "OpenSSL refuses client_cert: its key or signature is too weak";
}

struct tls_identity *tls_identity_create(const char *cert_pem, const char *key_pem,
                                         const char **why)
{
    struct tls_identity *i = mem_zalloc(sizeof(*i));
    i->above = tls_pem_certs(cert_pem);
    i->leaf = i->above ? sk_X509_shift(i->above) : NULL;
    i->key = tls_pem_key(key_pem);
    *why = problem_of(i);
    ERR_clear_error();
    if (*why)
        tls_identity_destroy(&i);
    return i;
}

void tls_identity_destroy(struct tls_identity **ip)
{
    struct tls_identity *i = *ip;
    if (!i)
        return;
    X509_free(i->leaf);
    sk_X509_pop_free(i->above, X509_free);
    EVP_PKEY_free(i->key); /* wipes it */
    free(i);
    *ip = NULL;
}
