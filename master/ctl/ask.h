/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/ids.h"
#include "master/ctl/client.h"
#include "common/node.h"

/*
 * ask - an answer of the master, read as JSON. One thread. All return an exit code, and have said
 * in one sentence what was wrong when it is not 0.
 */
#define API "/api/v1"

struct answer {
    struct client_reply reply;
    struct json_doc *doc;
};
void answer_init(struct answer *a);
void answer_fini(struct answer *a);
const struct json_node *answer_root(const struct answer *a);

/* GET of what client_path() and client_query() named. */
int ask_get(struct ctl *c, struct answer *a);
/* Reads a good reply that is there already. */
int ask_parse(struct ctl *c, struct answer *a);

/* An id, a beginning of just one id, or "latest". */
int ask_batch_id(struct ctl *c, const char *ref, char id[UUID_TEXT_MAX]);

/* The reply as it came, on standard output. */
int ask_print(const struct answer *a);
/* Ends a listing; its exit code. */
struct listing;
int ask_finish(struct listing *l);
/* The reply of one thing, in any form but a table: as it came, or as a row. */
struct list_kind;
int ask_row(const struct answer *a, const struct list_kind *kind, enum form form);

/* The master has refused for now and asks for patience: waits as long as it said, and says so. */
#define ASK_BUSY_TRIES 30
void ask_wait(const struct client_reply *r);
