/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/incident.h"
#include "common/json.h"
#include "common/strbuf.h"

/*
 * alert - whom to tell, and how: channels, the facts of a message, and the bodies that each
 * service wants.
 *
 * Pure. A channel in JSON:
 *
 * - kind: webhook, slack, dingtalk, wecom, feishu, pagerduty, alertmanager or email
 * - url: of the service (http, https); not of email. Of slack, dingtalk, wecom and feishu it is a
 *   secret, since who knows it may write
 * - secret: of webhook the key of the HMAC-SHA256 in X-Sonde-Signature; of dingtalk and feishu that
 *   of their signature
 * - headers: {name: value} of webhook and alertmanager; the values are secrets
 * - routing_key: of pagerduty
 * - smtp: "smtp://HOST:PORT" or "smtps://HOST:PORT"; user, password; from, to: [address]; of email
 * - template: of webhook, the text of a JSON value with {{name}} for facts in its strings; default:
 *   the facts themselves
 * - send: what is told, words of incident_action_word() and "certificate"; default: confirmed,
 *   resolved, unmuted, system_event, certificate
 * - tls_verify (true), ca (PEM), timeout_ms (1000 to 30000, default 10000)
 *
 * What is a secret is never logged and reads back as "(set)". A webhook's X-Sonde-Delivery is the
 * same at each try of one message, so that what arrives twice is seen to be one.
 */
#define ALERT_CHANNELS_MAX 256
#define ALERT_NAME_MAX     64
#define ALERT_BODY_MAX     (64u * 1024)
#define ALERT_WHY_MAX      320

struct alert_channel;
MUST_USE enum err alert_channel_parse(const char *name, const struct json_node *obj,
                                      const char *old_doc_or_null, /* where "(set)" stands */
                                      struct alert_channel **out, char why[ALERT_WHY_MAX]);
MUST_USE enum err alert_channel_load(const char *name, const char *doc, struct alert_channel **out,
                                     char why[ALERT_WHY_MAX]);
void alert_channel_free(struct alert_channel **cp);
const char *alert_channel_doc(const struct alert_channel *c); /* with its secrets: for the store */
void alert_channel_put_json(const struct alert_channel *c, struct strbuf *out); /* without */

/* The facts of a message, as JSON text: what is stored with a delivery, and all that templates
 * know. */
struct alert_facts {
    enum incident_action_kind action;
    const struct incident *incident; /* NULL: of a certificate, or a test */
    const char *schedule, *target;   /* target: the check that opened it */
    int days_left;                   /* of a certificate */
    struct wall not_after;
    bool test;
    const char *text; /* one sentence for people */
};
void alert_facts_put(const struct alert_facts *f, struct strbuf *out);
/* Whether this channel is told of that at all. */
bool alert_channel_wants(const struct alert_channel *c, const char *facts);

/* One request to make: of HTTP, or a mail. */
struct alert_message {
    char *url;
    char **headers; /* "Name: value" */
    unsigned n_headers;
    struct strbuf body;
    char *from, **to; /* email */
    unsigned n_to;
};
/* now: for signatures that hold the time. dedup: of this message, the same at each try; what makes
 * one thread of all that is told of an incident is made of the incident. */
MUST_USE enum err alert_render(const struct alert_channel *c, const char *facts, const char *dedup,
                               struct wall now, struct alert_message *out, char why[ALERT_WHY_MAX]);
void alert_message_fini(struct alert_message *m);
/* Whether this answer means that it was taken: some say so in the body (errcode). */
bool alert_accepted(const struct alert_channel *c, long status, const char *body, size_t len,
                    char why[ALERT_WHY_MAX]);
