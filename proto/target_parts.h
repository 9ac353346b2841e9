/* SPDX-License-Identifier: MIT */
#pragma once
#include "proto/target.h"

/*
 * target_parts - what the files of target share; only target*.c include it. Pure; any thread.
 *
 * The parsers fill a target that came from target_new(); on failure the caller destroys it. Nothing
 * that may hold a password is quoted in a problem.
 */

/* Fills p and returns ERR_INVALID. */
enum err target_problem(struct target_problem *p, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* At most SHOWN_MAX bytes of s as a person may see them, with "…" where they were cut. Returns buf.
 */
#define SHOWN_MAX 80
const char *target_show(const char *s, size_t n, char buf[SHOWN_MAX + 4]);

/* t->uri is "http://…" or "https://…": fills https, host, port. */
MUST_USE enum err target_read_url(struct target *t, struct target_problem *p);

/* "HOST", "HOST:PORT" or either with an address in place of HOST: fills *host, as that of a target,
 * and *port when there is one. */
MUST_USE enum err target_read_host_port(const char *s, size_t n, char **host, uint16_t *port,
                                        struct target_problem *p);

/* What the URI itself said, so that an option beside it cannot contradict it. */
struct dns_given {
    bool type, resolver;
};
/* t->uri is "dns:…": fills name, and type and resolver where it names them. */
MUST_USE enum err target_read_dns_uri(struct target *t, struct dns_given *given,
                                      struct target_problem *p);
/* A name as it stands in a DNS URI: percent-encoded, maybe IDN. */
MUST_USE enum err target_read_dns_name(struct target *t, const char *text, size_t len,
                                       struct target_problem *p);
/* "ADDR" or "ADDR:PORT" to its one form, port 53 by default; NULL when it is neither. Caller frees.
 */
char *target_resolver(const char *text);
/* "expect.answers". read: the list `name` of c in place of *out, when it is there. */
void target_answers_read(struct json_cur *c, const char *name, struct dns_data_list *out);
void target_answers_put(struct json_out *w, const struct dns_answers *a);
void target_answers_copy(struct dns_answers *to, const struct dns_answers *from);
void target_answers_free(struct dns_answers *a);
/* RR types that ask for a transfer or belong to the transport cannot be probed. */
bool rrtype_probeable(uint16_t type);

/* IDN to ASCII, lower case, one trailing dot off, lengths checked; NULL with the problem. Caller
 * frees. */
char *target_ascii_name(const char *s, size_t n, struct target_problem *p);
/* The same for the name of a host, which no address is. */
char *target_host_name(const char *s, size_t n, struct target_problem *p);

/* A target of this kind with the defaults' options, or the built-in ones. */
struct target *target_new(enum target_kind kind, const struct target_defaults *d);

/*
 * The options of this kind, read over those that t has; fields of the other kind are passed over.
 * c's first problem stays in c.
 */
void target_read_http_options(struct json_cur *c, struct target *t);
void target_read_dns_options(struct json_cur *c, struct target *t, const struct dns_given *given);

/* Does the pattern compile? Else c fails and says where `name` is wrong. */
void target_check_regex(struct json_cur *c, const char *name, const char *text);
bool target_header_name_ok(const char *name);

/* target_auth.c. read: was `auth` given? */
bool target_auth_read(struct json_cur *c, struct target_auth *a);
void target_auth_put(struct json_out *w, const struct target_auth *a); /* nothing for AUTH_NONE */
void target_auth_copy(struct target_auth *to, const struct target_auth *from);
void target_auth_free(struct target_auth *a);

/* target_tls.c */
void target_tls_read(struct json_cur *c, struct target_tls *t);
void target_tls_put(struct json_out *w, const struct target_tls *t);
void target_tls_copy(struct target_tls *to, const struct target_tls *from);
void target_tls_free(struct target_tls *t);

/* target_proxy.c */
void target_proxy_read(struct json_cur *c, struct target_proxy *x);
void target_proxy_put(struct json_out *w,
                      const struct target_proxy *x); /* nothing for PROXY_NONE */
void target_proxy_copy(struct target_proxy *to, const struct target_proxy *from);
void target_proxy_free(struct target_proxy *x);

/* target_expect.c. c stands in `expect`. */
void target_expect_read(struct json_cur *c, struct target_expect *e);
void target_expect_put_headers(struct json_out *w, const struct target_expect *e);
void target_expect_put_json(struct json_out *w, const struct target_expect *e);
void target_expect_copy(struct target_expect *e, const struct target_expect *from);
void target_expect_free(struct target_expect *e);

/* Which fields an object may have. */
enum field_scope { FIELDS_HTTP = 1, FIELDS_DNS = 2, FIELDS_TARGET = 4 };
/* Refuses the first field that is unknown, or known only to the other kind. */
MUST_USE enum err target_check_fields(const struct json_node *obj, unsigned scope,
                                      struct target_problem *p);
