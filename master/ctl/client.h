/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include "master/ctl/ctl.h"
#include <stdio.h>

/*
 * client - the master's HTTP API over one connection that is kept.
 *
 * One thread; calls block. What an answer means in words and exit codes is decided here too, once
 * for all verbs: client_verdict().
 */
struct client_reply {
    long status;   /* 0: no answer */
    int curl;      /* CURLcode of what went wrong, 0: nothing */
    char why[256]; /* curl's words for it */
    long os_errno;
    int out_errno;         /* of the stream that an export goes to */
    int64_t retry_after_s; /* -1: not said */
    bool interrupted;      /* by SIGINT, see interrupt.h */
    bool is_json;
    struct strbuf body; /* bounded */
};
void client_reply_init(struct client_reply *r);
void client_reply_fini(struct client_reply *r);

/* Reads URL, token and CA file from c->o and the environment. On failure the sentence is printed
 * and *code set. */
struct client *client_create(const struct ctl *c, int *code);
void client_destroy(struct client **cp);
const char *client_url(const struct client *cl);
bool client_has_token(const struct client *cl);

/*
 * Query parameters are escaped. path and query of a call: "/batches", then any number of
 * client_query(), then the call, which forgets them.
 */
void client_path(struct client *cl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void client_query(struct client *cl, const char *name,
                  const char *value); /* NULL value: left out */

/* Sent with the next upload, then forgotten; NULL: none. Borrowed until then. */
void client_idempotency_key(struct client *cl, const char *key);

void client_get(struct client *cl, struct client_reply *r);
void client_post(struct client *cl, const char *json, struct client_reply *r); /* NULL: no body */

/* PUT of a body, DELETE of none. */
void client_put(struct client *cl, const char *json, size_t len, struct client_reply *r);
void client_delete(struct client *cl, struct client_reply *r);

/* Streams what `read` gives (bytes, 0 at the end, -1 to give up). */
typedef ssize_t client_read_f(void *arg, char *buf, size_t max);
void client_upload(struct client *cl, const char *type, client_read_f *read, void *arg,
                   struct client_reply *r);

/* The body of a good answer goes to `to` as it comes; that of a bad one into r. */
void client_export(struct client *cl, FILE *to, struct client_reply *r);

/* Waiting may help: no answer, or 429, 502, 503, 504. */
bool client_is_away(const struct client_reply *r);

/* 0 for a good answer; else says it in one sentence and returns the exit code. */
int client_verdict(const struct client *cl, const struct client_reply *r);

/* The exit code of an HTTP status; 0 for 2xx. */
int client_exit_code(long status);
