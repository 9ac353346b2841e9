/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"

/*
 * node - looks into an answer of the master by a path of member names ("counts.total").
 *
 * Pure. An absent member, a null and a member of another type are all "not there", so that a newer
 * or older master never breaks a view.
 */
const struct json_node *node_at(const struct json_node *n, const char *path); /* NULL: not there */
const char *node_str(const struct json_node *n, const char *path);            /* NULL: not there */
double node_num(const struct json_node *n, const char *path, double dflt);
uint64_t node_count(const struct json_node *n, const char *path); /* 0 when not there */
bool node_true(const struct json_node *n, const char *path);

/* First element of the array there; NULL when there is none. Go on with json_next(). */
const struct json_node *node_first(const struct json_node *n, const char *path);
