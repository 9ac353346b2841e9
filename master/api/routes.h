/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/auth/tokens.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * routes - one table: method, path, scope, handler. Pure; any thread.
 *
 * A pattern is a path in which "{}" stands for one segment without '/', at most one in a pattern.
 */
#define ROUTE_PARAM_MAX 80

struct http_req;

/* What a handler says: its reply is set; or the request is suspended and wants to be called again;
 * or it wants more of the body. */
enum step { STEP_DONE, STEP_WAIT, STEP_MORE };

struct route {
    const char *method, *pattern;
    enum token_scope scope; /* SCOPE_NONE: no token is asked for */
    /* Once the head is known and the token is good. STEP_MORE, or STEP_DONE to refuse. NULL =
     * nothing to do. */
    enum step (*begin)(struct http_req *r);
    /* Takes bytes of the body: *n says how many are there, and afterwards how many are left. NULL =
     * a body is thrown away. */
    enum step (*body)(struct http_req *r, const char *p, size_t *n);
    /* The body is complete. Called again after each resume until STEP_DONE. */
    enum step (*run)(struct http_req *r);
};
#define SCOPE_NONE ((enum token_scope)0)

enum route_verdict { ROUTE_FOUND, ROUTE_NOT_FOUND, ROUTE_WRONG_METHOD };
/* HEAD finds what GET finds. param: the segment of "{}", "" without one. allow: on
 * ROUTE_WRONG_METHOD the methods of this path, as in the Allow header. */
enum route_verdict route_find(const char *method, const char *path, const struct route **out,
                              char param[ROUTE_PARAM_MAX], char *allow, size_t allow_max);
