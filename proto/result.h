/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/json.h"
#include "proto/cause.h"
#include "proto/limits.h"
#include <stdint.h>

/*
 * result - what one probe found, and its JSON record.
 *
 * Pure; a result belongs to one thread at a time. The agent fills the struct and encodes it; the
 * master checks the record, keeps the words it needs (result_head) and stores the bytes as they
 * came. All strings are valid UTF-8 and bounded by who fills them. A time that never happened is
 * negative here and null in JSON.
 */
struct result_timings {
    double dns_ms, connect_ms, proxy_ms, tls_ms, send_ms, wait_ms, download_ms, total_ms;
};
void result_timings_init(struct result_timings *t); /* all "never happened" */

struct result_hop { /* one redirect that was followed */
    char *url;
    int status;
    char *ip;
    uint16_t port;
    struct result_timings t;
};
struct result_header {
    char *name, *value;
};
struct result_cert {
    char *subject, *issuer;            /* NULL = not known */
    struct wall not_before, not_after; /* unset = not known */
};
#define RESULT_CHAIN_MAX 10
enum result_staple { STAPLE_UNKNOWN, STAPLE_NONE, STAPLE_SEEN };
struct result_tls {
    char *version, *cipher, *subject, *issuer, *fingerprint_sha256; /* NULL = not known */
    char *alpn;                                                     /* NULL = none agreed on */
    char *key_type, *signature; /* of the leaf: "RSA" "EC" …; "ecdsa-with-SHA256" … */
    int key_bits;               /* 0 = not known */
    enum result_staple staple;  /* an OCSP answer came along with the certificate */
    bool verified;
    char *verify_error;                /* OpenSSL's words, NULL when verified */
    struct wall not_before, not_after; /* unset = not known */
    char **alt_names;
    unsigned n_alt_names;
    struct result_cert *chain; /* as the peer sent it, the leaf first; at most RESULT_CHAIN_MAX */
    unsigned n_chain, sent_chain; /* sent_chain: how many it sent */
};
struct result_http {
    int status;    /* 0 = none */
    char *version; /* "1.0" "1.1" "2", NULL = none */
    char *ip;      /* the target's, through a proxy too */
    uint16_t port;
    char *proxy;        /* "HOST:PORT", NULL = none was asked for */
    int64_t size_bytes; /* decoded body bytes read, −1 = none */
    struct result_hop *hops;
    unsigned n_hops;
    char *url; /* of the last hop; NULL = no redirect was followed */
    struct result_header *headers;
    unsigned n_headers;
    char *body_sha256, *title, *body; /* NULL = none */
    struct result_tls *tls;           /* NULL = no TLS was seen */
};
struct result_rr {
    char *name, *type, *data; /* presentation form (RFC 1035 §5, RFC 3597) */
    uint32_t ttl;
};
struct result_ede { /* an extended DNS error (RFC 8914) */
    uint16_t code;
    char *text; /* the server's own words, NULL = none */
};
#define RESULT_EDE_MAX 4
struct result_edns { /* what the reply's OPT said */
    uint16_t udp_size;
    uint8_t version;
    bool dnssec_ok;
    struct result_ede ede[RESULT_EDE_MAX]; /* the first ones */
    unsigned n_ede;
};
void result_edns_destroy(struct result_edns **ep);
struct result_dns {
    char *server;    /* "1.1.1.1:53" */
    char *transport; /* "udp" "tcp" */
    bool truncated;  /* a UDP answer had TC, so TCP was asked */
    int rcode;       /* −1 = no answer */
    bool qr, aa, tc, rd, ra, ad, cd;
    struct result_rr *sections[3]; /* answer, authority, additional */
    unsigned n_sections[3];
    int64_t size_bytes;       /* of the reply, −1 = none */
    struct result_edns *edns; /* NULL: the reply had none */
};
struct result_check {
    const char *check; /* literal: "status" "body_regex" … */
    bool ok;
    char *detail; /* NULL = none */
};
#define RESULT_CHECKS_MAX 32

struct result_try { /* one that failed and was followed by another */
    struct wall started_at;
    double total_ms;
    enum cause cause;
    char *message;
};
/* A failure that mere silence caused may be the agent's own: what it casts doubt on. For the agent
 * alone, never in the record. */
struct result_doubt {
    unsigned vital;    /* enum vital of the agent; 0 = none: the failure stands */
    struct mono since; /* when the silence began */
};
struct result {
    uint64_t task;
    char *ticket; /* NULL for a probe without a master */
    enum outcome outcome;
    enum cause cause;
    char *message;          /* one sentence with the particulars; NULL when ok */
    struct wall started_at; /* unset = never started */
    int64_t clock_skew_ms;  /* of the clock that tells it, less the master's; 0 = it is right */
    double queue_ms;
    struct result_timings t;
    struct result_http *http; /* at most one of the two */
    struct result_dns *dns;
    struct result_check checks[RESULT_CHECKS_MAX];
    unsigned n_checks;
    struct result_try tries[RETRIES_MAX]; /* before the last one, which is all the rest */
    unsigned n_tries;
    struct result_doubt doubt;
};
struct result *result_create(uint64_t task, const char *ticket);
void result_destroy(struct result **rp);

/* Sets outcome, cause and message; the outcome follows from the cause. CAUSE_NONE is ok. fmt may be
 * NULL: the table's sentence. */
void result_end(struct result *r, enum cause c, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* What has been found becomes a try that failed; the result is as new for the next one. */
void result_try_over(struct result *r, struct wall started_at, double total_ms);
void result_check_add(struct result *r, const char *check, bool ok, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends the record:
 * {"outcome":…,"cause":…,"message":…,"started_at":…,"queue_ms":…,"timings":{…},"http":…,"dns":…,
 * "checks":[…],"tries":[…]}, the last only when there was more than one try. now gives the
 * days_left of certificates. Cut to fit RESULT_MAX_BYTES less the envelope: headers, then body, go
 * first, and it says "cut":true. */
void result_encode(const struct result *r, struct wall now, struct strbuf *b);

/* The record of an end that no agent saw (expired, cancelled, undetermined by the master). */
void result_encode_verdict(enum cause c, const char *message, struct strbuf *b);

/* What the master keeps in columns. ERR_INVALID (with why) when it is not a record: outcome and
 * cause words that do not belong together included. A cause word unknown here but well-formed is
 * kept (a newer agent). */
struct result_head {
    enum outcome outcome;
    char cause[CAUSE_MAX]; /* "" when ok */
    double total_ms;       /* negative = none */
};
MUST_USE enum err result_head_parse(const struct json_node *record, struct result_head *out,
                                    char *why, size_t why_max);
