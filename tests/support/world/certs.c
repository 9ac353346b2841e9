/* SPDX-License-Identifier: MIT */
#include "tests/support/world/certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tests/support/world/loop.h"

enum { CERTS_DAY_S = 86400 };

struct plan {
    const char *names; /* the subjectAltName extension */
    const char *subject;
    long from_day, to_day; /* relative to now */
    bool self_signed;
};

static const struct plan plans[CERTS_KINDS] = {
    [CERTS_GOOD] = {CERTS_OK_NAMES, "ok.test", -1, 90, false},
    [CERTS_EXPIRED] = {CERTS_OK_NAMES, "expired.test", -30, -2, false},
    [CERTS_FUTURE] = {CERTS_OK_NAMES, "future.test", 2, 30, false},
    [CERTS_WRONG_NAME] = {"DNS:other.invalid", "other.invalid", -1, 90, false},
    [CERTS_SELF_SIGNED] = {CERTS_OK_NAMES, "self.test", -1, 90, true},
};

static EVP_PKEY *ca_key;
static X509 *ca_cert;

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    loop_must(key != NULL, "making a key");
    return key;
}

void certs_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    loop_must(ext != NULL && X509_add_ext(cert, ext, -1) == 1, "adding a certificate extension");
    X509_EXTENSION_free(ext);
}

X509 *certs_new(EVP_PKEY *key, const char *subject, long from_day, long to_day)
{
    static long serial = 1000;
    X509 *cert = X509_new();
    loop_must(cert != NULL, "making a certificate");
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), from_day * CERTS_DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(cert), to_day * CERTS_DAY_S);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                               (const unsigned char *)subject, -1, -1, 0);
    return cert;
}

void certs_sign(X509 *cert, X509 *issuer, EVP_PKEY *issuer_key, const EVP_MD *md)
{
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    loop_must(X509_sign(cert, issuer_key, md) > 0, "signing a certificate");
}

void certs_init(const char *dir)
{
    ca_key = make_key();
    ca_cert = certs_new(ca_key, "Sonde test authority", -60, 365);
    certs_extend(ca_cert, ca_cert, NID_basic_constraints, "critical,CA:TRUE");
    certs_extend(ca_cert, ca_cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    certs_extend(ca_cert, ca_cert, NID_subject_key_identifier, "hash");
    certs_sign(ca_cert, ca_cert, ca_key, EVP_sha256());

    char path[4096];
    snprintf(path, sizeof(path), "%s/ca.pem", dir);
    FILE *f = fopen(path, "w");
    loop_must(f != NULL, path);
    loop_must(PEM_write_X509(f, ca_cert) == 1, "writing ca.pem");
    fclose(f);
}

X509 *certs_authority(void)
{
    return ca_cert;
}

EVP_PKEY *certs_authority_key(void)
{
    return ca_key;
}

SSL_CTX *certs_serve(X509 *cert, EVP_PKEY *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    loop_must(ctx != NULL, "making a TLS context");
    SSL_CTX_set_security_level(ctx, 0);
    loop_must(SSL_CTX_use_certificate(ctx, cert) == 1, "using a certificate");
    loop_must(SSL_CTX_use_PrivateKey(ctx, key) == 1, "using a key");
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_num_tickets(ctx, 0);
    return ctx;
}

SSL_CTX *certs_context(enum certs_kind kind)
{
    const struct plan *p = &plans[kind];
    EVP_PKEY *key = make_key();
    X509 *cert = certs_new(key, p->subject, p->from_day, p->to_day);
    X509 *issuer = p->self_signed ? cert : ca_cert;
    certs_extend(cert, issuer, NID_subject_alt_name, p->names);
    certs_sign(cert, issuer, p->self_signed ? key : ca_key, EVP_sha256());
    SSL_CTX *ctx = certs_serve(cert, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}
