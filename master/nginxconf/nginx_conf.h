/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"

/*
 * nginx_conf - a configuration of nginx as a tree of directives.
 *
 * Pure; one thread. It knows nginx's syntax and no directive but `include`, and reads no file: what
 * `nginx -T` prints holds all files, and there includes are put where they stand; in the text of a
 * single file they are left alone and counted. The text may be anybody's: its length is the
 * caller's bound, and what includes may make of it is bounded below.
 */
#define NGINX_TEXT_MAX       (4u << 20) /* of all files; large sites have some hundred KiB */
#define NGINX_DEPTH_MAX      32         /* blocks within blocks, and includes within includes */
#define NGINX_DIRECTIVES_MAX 65536
#define NGINX_WORDS_MAX      4096 /* of one directive: lists of names are long */
#define NGINX_FILES_MAX      4096
#define NGINX_SCAN_MAX       (32u << 20) /* bytes read: files may be included again and again */

struct nginx_node {
    char **words; /* [0] is the directive; without quotes and escapes */
    unsigned n_words;
    bool is_block;
    const char *file; /* where it stands */
    unsigned line;
    struct nginx_node *parent, *first, *last, *next; /* in the order of the text */
    struct nginx_node *made_before;
};
struct nginx_conf;

/* name: what a single file is called; a dump says its files' names. ERR_INVALID, ERR_TOO_BIG: why
 * is one sentence with file and line. */
MUST_USE enum err nginx_conf_parse(const char *text, size_t len, const char *name,
                                   struct nginx_conf **out, char *why, size_t why_max);
void nginx_conf_destroy(struct nginx_conf **cp);

/* A block without words, which holds the top level. */
const struct nginx_node *nginx_conf_root(const struct nginx_conf *c);
/* Includes whose files are not in the text. */
unsigned nginx_conf_unread(const struct nginx_conf *c);

/* The node after n in the whole tree; NULL after the last one. */
const struct nginx_node *nginx_node_after(const struct nginx_node *n);
bool nginx_node_is(const struct nginx_node *n, const char *directive);
