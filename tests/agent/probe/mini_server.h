/* SPDX-License-Identifier: MIT */
#pragma once
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * mini_server - a server on 127.0.0.1 for the probe tests: one thread per connection, the path
 * chooses the answer. It lives until the test's process ends.
 */
struct mini;
struct mini_conn {
    int fd;
    SSL *ssl; /* NULL = plain */
    char request[16384];
    struct mini *server;
};
typedef void mini_answer_f(struct mini_conn *c);
struct mini {
    int fd;
    uint16_t port;
    SSL_CTX *tls; /* NULL = plain */
    enum { MINI_SERVE, MINI_HANG, MINI_RESET, MINI_CLOSE } mode;
    mini_answer_f *answer;
};

static inline bool mini_write(struct mini_conn *c, const void *p, size_t n)
{
    if (c->ssl)
        return SSL_write(c->ssl, p, (int)n) == (int)n;
    for (size_t done = 0; done < n;) {
        ssize_t w = send(c->fd, (const char *)p + done, n - done, MSG_NOSIGNAL);
        if (w <= 0)
            return false;
        done += (size_t)w;
    }
    return true;
}

static inline bool mini_puts(struct mini_conn *c, const char *s)
{
    return mini_write(c, s, strlen(s));
}

static inline void mini_read_request(struct mini_conn *c)
{
    size_t len = 0;
    while (len < sizeof(c->request) - 1) {
        ssize_t n = c->ssl ? SSL_read(c->ssl, c->request + len, (int)(sizeof(c->request) - 1 - len))
                           : read(c->fd, c->request + len, sizeof(c->request) - 1 - len);
        if (n <= 0)
            return;
        len += (size_t)n;
        c->request[len] = '\0';
        if (strstr(c->request, "\r\n\r\n") || c->request[0] == 0x16)
            return; /* a whole request, or TLS where none is spoken */
    }
}

/* Until the peer goes away. */
static inline void mini_hang(struct mini_conn *c)
{
    char sink[4096];
    while (read(c->fd, sink, sizeof(sink)) > 0)
        ;
}

static inline void mini_reset(struct mini_conn *c)
{
    struct linger hard = {.l_onoff = 1};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static inline void *mini_serve(void *arg)
{
    struct mini_conn *c = arg;
    struct mini *s = c->server;
    bool ready = true;
    if (s->mode == MINI_HANG) {
        mini_hang(c);
    } else if (s->mode == MINI_RESET) {
        char first;
        ready = read(c->fd, &first, 1) == 1;
        mini_reset(c);
    } else if (s->mode == MINI_CLOSE) { /* a FIN, not the RST that unread bytes would make */
        mini_read_request(c);
        shutdown(c->fd, SHUT_WR);
        mini_hang(c);
    } else {
        if (s->tls) {
            c->ssl = SSL_new(s->tls);
            SSL_set_fd(c->ssl, c->fd);
            ready = SSL_accept(c->ssl) == 1;
        }
        if (ready) {
            mini_read_request(c);
            s->answer(c);
        }
        if (c->ssl && ready)
            SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    close(c->fd);
    free(c);
    return NULL;
}

static inline void *mini_accept(void *arg)
{
    struct mini *s = arg;
    for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;) {
        struct mini_conn *c = calloc(1, sizeof(*c));
        pthread_t t;
        c->fd = fd;
        c->server = s;
        pthread_create(&t, NULL, mini_serve, c);
        pthread_detach(t);
    }
    return NULL;
}

/* The server's threads still run when the test's process ends: OpenSSL must not clean up beneath
 * them. */
static inline void mini_init(void)
{
    ck_assert_int_eq(OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL), 1);
    signal(SIGPIPE, SIG_IGN);
}

static inline void mini_start(struct mini *s)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    pthread_t t;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    ck_assert_int_eq(listen(s->fd, 64), 0);
    ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&sa, &len), 0);
    s->port = ntohs(sa.sin_port);
    ck_assert_int_eq(pthread_create(&t, NULL, mini_accept, s), 0);
    pthread_detach(t);
}

/* ---- certificates */
struct mini_ca {
    X509 *cert;
    EVP_PKEY *key;
    char file[64];
};

static inline X509 *mini_cert(EVP_PKEY *key, const char *cn, const char *san, long from_s,
                              long to_s, X509 *issuer, EVP_PKEY *issuer_key)
{
    static long serial = 1;
    X509 *x = X509_new();
    X509V3_CTX ctx;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), to_s);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    X509V3_set_ctx(&ctx, issuer ? issuer : x, x, NULL, NULL, 0);
    X509_EXTENSION *e =
        X509V3_EXT_conf_nid(NULL, &ctx, san ? NID_subject_alt_name : NID_basic_constraints,
                            san ? san : "critical,CA:TRUE");
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    ck_assert_int_gt(X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256()), 0);
    return x;
}

static inline void mini_ca_init(struct mini_ca *ca)
{
    ca->key = EVP_EC_gen("P-256");
    ca->cert = mini_cert(ca->key, "mini root", NULL, -3600, 86400L * 30, NULL, NULL);
    snprintf(ca->file, sizeof(ca->file), "/tmp/mini-ca-XXXXXX");
    int fd = mkstemp(ca->file);
    FILE *f = fdopen(fd, "w");
    PEM_write_X509(f, ca->cert);
    fclose(f);
}

static inline void mini_ca_fini(struct mini_ca *ca)
{
    unlink(ca->file);
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

/* ca NULL: self-signed. */
static inline SSL_CTX *mini_tls(const struct mini_ca *ca, const char *san, long from_s, long to_s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x =
        mini_cert(key, "mini leaf", san, from_s, to_s, ca ? ca->cert : NULL, ca ? ca->key : NULL);
    ck_assert_int_eq(SSL_CTX_use_certificate(ctx, x), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(x);
    EVP_PKEY_free(key);
    return ctx;
}
