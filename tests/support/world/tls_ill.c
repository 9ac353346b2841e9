/* SPDX-License-Identifier: MIT */
#include "tests/support/world/tls_ill.h"

#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/world/certs.h"
#include "tests/support/world/loop.h"

/* libcurl's OpenSSL reads at most 100 KB of certificates. */
enum { LONG_CHAIN = 100, HUGE_COMMENT = 120 * 1024 };

struct identity {
    X509 *cert;
    EVP_PKEY *key;
};

static struct identity authority(void)
{
    return (struct identity){certs_authority(), certs_authority_key()};
}

static struct identity issued_with(EVP_PKEY *key, const char *subject, struct identity by,
                                   const EVP_MD *md, long to_day, int nid, const char *value)
{
    struct identity i = {certs_new(key, subject, -30, to_day), key};
    if (nid != NID_undef)
        certs_extend(i.cert, by.cert, nid, value);
    certs_sign(i.cert, by.cert, by.key, md);
    return i;
}

static struct identity leaf_by(struct identity by)
{
    return issued_with(EVP_EC_gen("P-256"), "leaf.test", by, EVP_sha256(), 60, NID_subject_alt_name,
                       CERTS_OK_NAMES);
}

static struct identity middle_by(struct identity by, const char *subject, long to_day)
{
    return issued_with(EVP_EC_gen("P-256"), subject, by, EVP_sha256(), to_day,
                       NID_basic_constraints, "critical,CA:TRUE");
}

static SSL_CTX *serve(struct identity i)
{
    return certs_serve(i.cert, i.key);
}

static void send_too(SSL_CTX *ctx, X509 *cert)
{
    loop_must(SSL_CTX_add1_chain_cert(ctx, cert) == 1, "adding to a chain");
}

SSL_CTX *tls_ill_good(void)
{
    return serve(leaf_by(authority()));
}

static SSL_CTX *sha1(void)
{
    return serve(issued_with(EVP_EC_gen("P-256"), "sha1.test", authority(), EVP_sha1(), 60,
                             NID_subject_alt_name, CERTS_OK_NAMES));
}

static SSL_CTX *rsa(unsigned bits)
{
    return serve(issued_with(EVP_RSA_gen(bits), "rsa.test", authority(), EVP_sha256(), 60,
                             NID_subject_alt_name, CERTS_OK_NAMES));
}

static SSL_CTX *rsa1024(void)
{
    return rsa(1024);
}

/* TLS 1.3 signs with more than 512 bits have room for. */
static SSL_CTX *rsa512(void)
{
    SSL_CTX *ctx = rsa(512);
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    return ctx;
}

static SSL_CTX *only_version(int version)
{
    SSL_CTX *ctx = tls_ill_good();
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    return ctx;
}

static SSL_CTX *tls10(void)
{
    return only_version(TLS1_VERSION);
}

static SSL_CTX *tls11(void)
{
    return only_version(TLS1_1_VERSION);
}

static SSL_CTX *tls12(void)
{
    return only_version(TLS1_2_VERSION);
}

static SSL_CTX *no_cipher(void)
{
    SSL_CTX *ctx = tls12();
    loop_must(SSL_CTX_set_cipher_list(ctx, "eNULL") == 1, "a cipher list");
    return ctx;
}

static SSL_CTX *middle_sent(void)
{
    struct identity middle = middle_by(authority(), "middle authority", 60);
    SSL_CTX *ctx = serve(leaf_by(middle));
    send_too(ctx, middle.cert);
    return ctx;
}

static SSL_CTX *middle_missing(void)
{
    return serve(leaf_by(middle_by(authority(), "middle authority", 60)));
}

static SSL_CTX *middle_expired(void)
{
    struct identity middle = middle_by(authority(), "stale authority", -2);
    SSL_CTX *ctx = serve(leaf_by(middle));
    send_too(ctx, middle.cert);
    return ctx;
}

/* The certificate of some server has signed another. */
static SSL_CTX *middle_is_none(void)
{
    struct identity middle = issued_with(EVP_EC_gen("P-256"), "no authority", authority(),
                                         EVP_sha256(), 60, NID_basic_constraints, "CA:FALSE");
    SSL_CTX *ctx = serve(leaf_by(middle));
    send_too(ctx, middle.cert);
    return ctx;
}

/* An authority that may sign for another domain only. */
static SSL_CTX *middle_constrained(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct identity by = authority(), middle = {certs_new(key, "narrow authority", -30, 60), key};
    certs_extend(middle.cert, by.cert, NID_basic_constraints, "critical,CA:TRUE");
    certs_extend(middle.cert, by.cert, NID_name_constraints,
                 "critical,permitted;DNS:other.invalid");
    certs_sign(middle.cert, by.cert, by.key, EVP_sha256());
    SSL_CTX *ctx = serve(leaf_by(middle));
    send_too(ctx, middle.cert);
    return ctx;
}

static struct identity foreign_root(const char *subject)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct identity root = {certs_new(key, subject, -30, 60), key};
    certs_extend(root.cert, root.cert, NID_basic_constraints, "critical,CA:TRUE");
    certs_sign(root.cert, root.cert, key, EVP_sha256());
    return root;
}

static SSL_CTX *foreign(void)
{
    struct identity root = foreign_root("foreign authority");
    SSL_CTX *ctx = serve(leaf_by(root));
    send_too(ctx, root.cert);
    return ctx;
}

/* It says that our authority has signed it. */
static SSL_CTX *forged(void)
{
    return serve(leaf_by((struct identity){certs_authority(), EVP_EC_gen("P-256")}));
}

static SSL_CTX *for_clients(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct identity by = authority(), leaf = {certs_new(key, "client.test", -30, 60), key};
    certs_extend(leaf.cert, by.cert, NID_subject_alt_name, CERTS_OK_NAMES);
    certs_extend(leaf.cert, by.cert, NID_ext_key_usage, "clientAuth");
    certs_sign(leaf.cert, by.cert, by.key, EVP_sha256());
    return serve(leaf);
}

static SSL_CTX *long_chain(void)
{
    struct identity all[LONG_CHAIN], last = authority();
    for (int i = 0; i < LONG_CHAIN - 1; i++) {
        char name[32];
        snprintf(name, sizeof(name), "authority %d", i);
        last = all[i] = middle_by(last, name, 60);
    }
    SSL_CTX *ctx = serve(leaf_by(last));
    for (int i = LONG_CHAIN - 2; i >= 0; i--)
        send_too(ctx, all[i].cert);
    return ctx;
}

static SSL_CTX *huge(void)
{
    static char comment[HUGE_COMMENT];
    memset(comment, 'x', sizeof(comment) - 1);
    struct identity big = issued_with(EVP_EC_gen("P-256"), "huge.test", authority(), EVP_sha256(),
                                      60, NID_netscape_comment, comment);
    return serve(big);
}

static SSL_CTX *asks_for_client(void)
{
    SSL_CTX *ctx = tls_ill_good();
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return ctx;
}

struct staple {
    unsigned char *der;
    int len;
};

/* A fresh answer of our authority: revoked since yesterday. */
static struct staple revocation(X509 *leaf)
{
    struct identity by = authority();
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, by.cert);
    ASN1_TIME *then = X509_gmtime_adj(NULL, -86400), *now = X509_gmtime_adj(NULL, 0),
              *next = X509_gmtime_adj(NULL, 86400);
    loop_must(OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_REVOKED,
                                     OCSP_REVOKED_STATUS_KEYCOMPROMISE, then, now, next) != NULL &&
                  OCSP_basic_sign(basic, by.cert, by.key, EVP_sha256(), NULL, 0) == 1,
              "an OCSP answer");
    OCSP_RESPONSE *whole = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    struct staple s = {NULL, 0};
    s.len = i2d_OCSP_RESPONSE(whole, &s.der);
    loop_must(s.len > 0, "an OCSP answer");
    return s;
}

static int on_status(SSL *ssl, void *arg)
{
    const struct staple *s = arg;
    unsigned char *copy = OPENSSL_memdup(s->der, (size_t)s->len);
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, s->len);
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *revoked(void)
{
    static struct staple staple;
    SSL_CTX *ctx = tls_ill_good();
    staple = revocation(SSL_CTX_get0_certificate(ctx));
    SSL_CTX_set_tlsext_status_cb(ctx, on_status);
    SSL_CTX_set_tlsext_status_arg(ctx, &staple);
    return ctx;
}

const struct tls_ill tls_ills[] = {
    {"tls_sha1", sha1},
    {"tls_rsa1024", rsa1024},
    {"tls_rsa512", rsa512},
    {"tls_10", tls10},
    {"tls_11", tls11},
    {"tls_12", tls12},
    {"tls_no_cipher", no_cipher},
    {"tls_middle_sent", middle_sent},
    {"tls_middle_missing", middle_missing},
    {"tls_middle_expired", middle_expired},
    {"tls_middle_is_none", middle_is_none},
    {"tls_middle_constrained", middle_constrained},
    {"tls_foreign", foreign},
    {"tls_forged", forged},
    {"tls_for_clients", for_clients},
    {"tls_long_chain", long_chain},
    {"tls_huge", huge},
    {"tls_asks_for_client", asks_for_client},
    {"tls_revoked", revoked},
};
const size_t n_tls_ills = sizeof(tls_ills) / sizeof(tls_ills[0]);
