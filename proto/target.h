/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "common/strbuf.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * target - one thing to probe: parsing, validation, defaults, and the canonical spec that travels
 * and is stored.
 *
 * Pure; a target belongs to one thread. Everything a user gives is checked here, once, at the
 * master; the agent runs the same parser over the spec of a TASK. Bounds: limits.h.
 *
 * A target in JSON is a URI string, or an object with exactly one of "url" (http, https) or "dns"
 * (an RFC 4501 URI, or a bare name when "type" is given beside it) and options.
 *
 * - both: timeout_ms (1..30000), user_id, expect {max_total_ms}
 * - http: method, headers {name: value}, body, follow_redirects, max_redirects (0..5), ip_version
 *   (4, 6, "any"), http_version ("auto", "1.1", or for https "2"), verify_tls, body_limit,
 * keep_body (bytes, 0..65536)
 * - wire_limit: bytes that one connection may receive, headers and TLS included (1..67108864;
 *   default: body_limit, an eighth of it and 512 KiB); over TLS at most 512 KiB before an answer
 *   begins
 * - compression: true asks with Accept-Encoding for all that is decoded here; one layer of it is
 *   undone, and more than one is a protocol_error
 * - auth: {basic: {user, password}} or {bearer}; sent as Authorization, not to another origin after
 *   a redirect, and never shown again
 * - sni: the name that TLS asks for and that the certificate must be for, instead of the URL's host
 *   (international names become ASCII; no address); Host stays the URL's unless `headers` has
 *   another. Like client_cert not used for another origin after a redirect
 * - ca: PEM of the authorities to trust instead of the agent's, after redirects too (16 KiB)
 * - client_cert: {cert, key}: PEM of a certificate, with those between it and its authority (16
 *   KiB), and of its private key (8 KiB, no passphrase), which is never shown again
 * - http expect: status [200, "2xx", …], body_regex, body_not_regex, tls_min_days, header {name:
 *   regex that one value of it must match}, json [{path, equals, regex, exists (true)}] with the
 *   path of json_path.h, equals any scalar (null too), regex over a string's text or else the JSON
 * - proxy: "http://[USER:PASSWORD@]HOST[:PORT]" (port 3128) or "socks5://…" (port 1080): whom the
 *   agent asks for a tunnel to the address that it has resolved and checked itself, for http and
 *   https, at each redirect anew. USER and PASSWORD are percent-encoded, 255 bytes each, and never
 *   shown again; HOST is asked of the agent's own resolvers. "" = none, in spite of the defaults
 * - resolver: "ADDR" or "ADDR:PORT", instead of the agent's own; both kinds
 * - retries: 0..5 more tries when one fails at the target or its proxy, within the same timeout_ms:
 *   each has an even share of what is left of it (http: at least a second); both kinds
 * - dns: type (name or number), transport ("udp", "tcp"), recursion, dnssec, edns_size (0 = no
 * EDNS, or 512..4096)
 * - dns expect: rcode ("NOERROR"), min_answers, answers {contains: [data, …], equals: [data, …],
 *   regex}
 *
 * A DNS URI is `dns:NAME?type=T` or `dns://ADDR[:PORT]/NAME?type=T` (class IN only; type defaults
 * to A).
 */
enum target_kind { TARGET_HTTP, TARGET_DNS };
enum ip_version { IP_ANY, IP_V4, IP_V6 };
enum http_version { HTTP_AUTO, HTTP_1_1, HTTP_2 };

struct target_header {
    char *name, *value;
};
struct status_set {
    uint8_t classes;    /* bit c: any c·100 … c·100+99, c = 1..5 */
    uint16_t codes[32]; /* and these */
    unsigned n_codes;
};
enum auth_kind { AUTH_NONE, AUTH_BASIC, AUTH_BEARER };
struct target_auth {
    enum auth_kind kind;
    char *user, *secret; /* user: AUTH_BASIC only */
};
struct target_tls { /* each NULL = not given; cert and key go together */
    char *sni;      /* as `host` */
    char *ca, *cert, *key;
};
enum proxy_kind { PROXY_NONE, PROXY_HTTP, PROXY_SOCKS5 };
struct target_proxy {
    enum proxy_kind kind;
    char *host; /* as `host` of a target */
    uint16_t port;
    char *user, *password; /* both or neither; NULL = none */
};
struct expect_header {
    char *name, *regex; /* PCRE2 */
};
struct expect_json {
    char *path;
    char *equals, *regex; /* NULL = not asked; equals is the JSON text of a scalar */
    bool exists;          /* false: the path must lead nowhere */
};
struct target_expect {
    struct expect_header *headers;
    struct expect_json *json;
    unsigned n_headers, n_json;
};
struct target_http {
    bool https;
    char *host; /* ASCII (IDN converted), lower case, no brackets, no trailing dot: the key of
                   politeness */
    uint16_t port;
    char *method; /* upper case, default GET */
    struct target_header *headers;
    unsigned n_headers;
    char *body; /* NULL = none */
    size_t body_len;
    struct target_auth auth;
    struct target_tls tls;
    struct target_proxy proxy;
    char *resolver; /* as of a dns target */
    bool follow_redirects, verify_tls, compression;
    int max_redirects;
    enum ip_version ip_version;
    enum http_version http_version;
    int64_t body_limit, keep_body;
    int64_t wire_limit;     /* −1 = not given: target_wire_limit() derives it */
    bool expect_status_set; /* else: any status under 400 is good */
    struct status_set expect_status;
    char *expect_body_regex,
        *expect_body_not_regex; /* PCRE2, compiled once here to see that they are valid */
    int tls_min_days;           /* −1 = not asked */
    struct target_expect expect;
};
struct dns_data_list {
    char **data; /* record data in presentation form */
    unsigned n;
    bool set; /* given, maybe empty */
};
struct dns_answers { /* of the data of answers of the type asked for, each when given: */
    struct dns_data_list contains; /* all of these are among them */
    struct dns_data_list equals;   /* they are these and no others, in any order */
    char *regex;                   /* PCRE2: at least one matches */
};
struct target_dns {
    char *name; /* ASCII, lower case, no trailing dot ("" is the root) */
    uint16_t type;
    char *resolver; /* "ADDR:PORT" normalised, or NULL = the agent's */
    bool tcp, recursion, dnssec;
    int edns_size;    /* the UDP size that EDNS offers (RFC 6891); 0 = a question without EDNS */
    int expect_rcode; /* −1 = NOERROR is good, NXDOMAIN and others fail */
    int expect_min_answers; /* −1 = not asked; then NODATA fails with dns_nodata */
    struct dns_answers expect_answers;
};
struct target {
    enum target_kind kind;
    char *uri;               /* as the user gave it, trimmed */
    char *user_id;           /* NULL = none; never sent to agents */
    int timeout_ms;          /* of all tries together */
    int retries;             /* more tries when one fails at the target */
    int64_t max_total_ms;    /* −1 = not asked */
    struct target_http http; /* kind says which of the two is filled */
    struct target_dns dns;
};

struct target_problem {
    const char *code; /* "bad_uri" "unknown_scheme" "bare_name" "unknown_field" "bad_value"
                         "too_long" "bad_utf8" "bad_json" "empty" */
    char detail[JSON_PROBLEM_MAX]; /* one sentence that names the thing and the fix */
};

/* Options that a batch gives to all its targets: the "defaults" object. NULL means the built-in
 * ones. */
struct target_defaults;
MUST_USE enum err target_defaults_parse(const struct json_node *obj, struct target_defaults **out,
                                        struct target_problem *p);
void target_defaults_destroy(struct target_defaults **dp);

/* One line of a text file, without its newline; surrounding blanks are trimmed. */
MUST_USE enum err target_from_text(const char *line, size_t len, const struct target_defaults *d,
                                   struct target **out, struct target_problem *p);
/* A string or an object. */
MUST_USE enum err target_from_json(const struct json_node *n, const struct target_defaults *d,
                                   struct target **out, struct target_problem *p);
void target_destroy(struct target **tp);

/* Is anything expected of the data of answers? */
bool target_answers_given(const struct dns_answers *a);

/* The canonical spec: an object that target_from_json reads back to the same target (user_id left
 * out); options that have their built-in value are left out. ERR_TOO_BIG over SPEC_MAX_BYTES leaves
 * a partial text behind in b. */
MUST_USE enum err target_encode(const struct target *t, struct strbuf *b);

/* The key of the per-host budget: URL host, or the resolver that a DNS target names, or its name's
 * own when none is named. */
uint64_t target_host_hash(const struct target *t);
const char *target_host(const struct target *t); /* the text of that key */

/* Of whom an agent talks to: the proxy that an http target names, else as above. */
uint64_t target_peer_hash(const struct target *t);

/* May it run twice at once without harm (GET, HEAD, OPTIONS, DNS)? */
bool target_safe(const struct target *t);

/* "HOST:PORT" of a proxy: all of it that may be shown. Returns buf. */
#define PROXY_NAME_MAX 264
const char *target_proxy_name(const struct target_proxy *x, char buf[PROXY_NAME_MAX]);

/* Bytes that one connection may receive. */
int64_t target_wire_limit(const struct target_http *h);

bool status_set_has(const struct status_set *s, int status);

/* RR types by name or number (RFC 3597 TYPEnnn too). */
MUST_USE enum err rrtype_parse(const char *text, uint16_t *out);
/* "AAAA", or "TYPE65280" for what has no name here; returns buf. */
#define RRTYPE_TEXT_MAX 16
const char *rrtype_format(uint16_t type, char buf[RRTYPE_TEXT_MAX]);
MUST_USE enum err rcode_parse(const char *text, int *out); /* "NOERROR" … or a number 0..23 */
const char *rcode_text(int rcode);                         /* NULL for an unknown one */
const char *ede_text(int code); /* of an extended DNS error (RFC 8914); NULL for an unknown one */
