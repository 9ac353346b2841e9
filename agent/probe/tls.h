/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/probe/tls_identity.h"
#include "common/clock.h"
#include "proto/cause.h"
#include "proto/result.h"
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>

/*
 * tls - whom we trust, what a handshake showed, and why it failed.
 *
 * One store per worker, loaded once: loading it per probe costs 20 ms each. A tls_seen
 * belongs to one handshake at a time. All texts from certificates come out as bounded, valid UTF-8.
 */
struct tls_store;
/* ca_file NULL: the system's bundle. NULL: none to be had (logged). */
struct tls_store *tls_store_create(const char *ca_file);
/* Of these authorities alone; NULL: the PEM cannot be read. */
struct tls_store *tls_store_of_pem(const char *pem);
void tls_store_destroy(struct tls_store **sp);

#define TLS_ERROR_TEXT_MAX 192
struct tls_seen { /* caller-owned, zeroed */
    bool verify;  /* a bad certificate ends the handshake */
    const struct tls_store *store;
    const struct tls_identity *identity; /* NULL = none to show */
    X509 *chain[RESULT_CHAIN_MAX]; /* as the peer sent it, the leaf first; kept until the reset */
    unsigned n_chain, sent_chain;  /* 0 until it has sent one */
    int error;                     /* the first X509_V_ERR_*, X509_V_OK = none */
    char error_text[TLS_ERROR_TEXT_MAX]; /* of it, and whose certificate it is about */
    bool name_mismatch;                  /* told by tls_seen_name() */
    const char *alert; /* fatal, of the peer, maybe only after the handshake; a literal */
    bool no_version;   /* one side has told the other that it speaks no such version */
    int64_t received, received_max; /* bytes of records; max: from the owner, 0 = no end to them */
    bool cut;                     /* there was more: the connection has been made to look closed */
    unsigned handshakes;          /* begun on this connection: the first, and renegotiations */
    const char *version, *cipher; /* literals of OpenSSL, NULL until the handshake is done */
    char alpn[32];                /* the peer's bytes; "" = none */
    enum result_staple staple;
};
void tls_seen_reset(struct tls_seen *s); /* forgets the handshake, keeps what it is to use */

/* Makes a fresh context of libcurl use the store, ask for a stapled OCSP answer and report into s,
 * which must outlive the connection. As browsers, it speaks TLS 1.2 and 1.3 alone; a server that
 * renegotiates without end is not followed. False: no memory. */
bool tls_watch(struct tls_seen *s, SSL_CTX *ctx);
void tls_seen_session(struct tls_seen *s, SSL *ssl); /* after the handshake */
/* Checks the leaf's names against host (a name, or an address literal). */
void tls_seen_name(struct tls_seen *s, const char *host);

/* Why a handshake failed: one of the tls_* causes that are about certificates, tls_version, or
 * tls_handshake. */
enum cause tls_cause(const struct tls_seen *s);
const char *tls_verify_text(const struct tls_seen *s); /* NULL when nothing is wrong */

/* When the leaf ends: what tls_min_days looks at. Unset when there is none. */
struct wall tls_not_after(const struct tls_seen *s);
/* Certificate facts for a result; NULL when no TLS was seen. Caller owns. */
struct result_tls *tls_facts(const struct tls_seen *s);
