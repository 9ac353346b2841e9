/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "common/clock.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * tokens - who may do what: bearer tokens in DIR/tokens, of which only the SHA-256 is kept.
 *
 * The file (0600, one token a line: id, scope, agent names, created, hash) is changed under flock
 * by an atomic rename, so `sonde-master token` works beside a running master. A struct tokens is
 * one thread's view: each thread that checks tokens opens its own and polls it. A token is
 * "sonde_" and 43 characters of base64url (256 random bits). At most TOKENS_MAX.
 */
#define TOKENS_MAX   4096
#define TOKEN_ID_MAX 24
/* A look costs one stat(); what a revoked token has open ends within a second. */
#define TOKENS_POLL_MS 250

enum token_scope { SCOPE_READ = 1, SCOPE_SUBMIT = 2, SCOPE_ADMIN = 4, SCOPE_AGENT = 8 };
/* admin includes submit and read, submit includes read; agent stands alone. */
MUST_USE enum err token_scope_parse(const char *word, enum token_scope *out);
const char *token_scope_word(enum token_scope s);

struct token_grant {
    char id[TOKEN_ID_MAX];
    enum token_scope scope;
    char *agents; /* comma-separated names an agent token may use, NULL = any; borrowed until the
                     next poll */
};

struct tokens;
MUST_USE enum err tokens_open(const char *dir, struct tokens **out, char *why,
                              size_t why_max); /* no file yet: an empty table */
void tokens_close(struct tokens **tp);
/* Rereads when the file changed; true if it did. A file that cannot be read keeps the old table
 * (logged). */
bool tokens_poll(struct tokens *t);
/* Takes time that does not depend on which token came close. False: unknown or revoked. */
bool tokens_check(const struct tokens *t, const char *token, size_t len, struct token_grant *out);
bool tokens_has(const struct tokens *t, const char *id); /* still there? */
bool token_grant_allows(const struct token_grant *g, enum token_scope needed);

/* For the command line and the first start. token_add writes the token itself to out; it is never
 * to be had again. names: comma-separated or NULL. */
#define TOKEN_TEXT_MAX 64
MUST_USE enum err token_add(const char *dir, enum token_scope scope, const char *names,
                            char out[TOKEN_TEXT_MAX], char *why, size_t why_max);
MUST_USE enum err token_revoke(const char *dir, const char *id, char *why, size_t why_max);
MUST_USE enum err token_list(const char *dir, FILE *to, char *why, size_t why_max);
/* First start: DIR/admin.token (0600) with a new admin token, when there is none. */
MUST_USE enum err token_first_admin(const char *dir, char *why, size_t why_max);
