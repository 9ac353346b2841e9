/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "proto/target_parts.h"

/* {"basic":{"user":…,"password":…}} or {"bearer":…}. No problem quotes what was given: any of it
 * may be the secret. */
#define WANTED                                                                                     \
    "'auth' must be {\"basic\":{\"user\":\"…\",\"password\":\"…\"}} or {\"bearer\":\"…\"}"

static const struct json_node *only_member(const struct json_node *obj, const char *name)
{
    const struct json_node *m = json_first(obj);
    return m != NULL && json_next(m) == NULL && strcmp(json_node_key(m), name) == 0 ? m : NULL;
}

static bool is_text(const struct json_node *n)
{
    return n != NULL && json_type(n) == JSON_STRING;
}

/* A colon ends the user, and control characters have no place in either (RFC 7617 §2). */
static bool credential_ok(const char *s, const char *without)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f || strchr(without, *s) != NULL)
            return false;
    return true;
}

static void set(struct target_auth *a, enum auth_kind kind, const char *user, const char *secret)
{
    target_auth_free(a);
    *a = (struct target_auth){kind, mem_strdup(user), mem_strdup(secret)};
}

static void read_basic(struct json_cur *c, const struct json_node *basic, struct target_auth *a)
{
    const struct json_node *user = NULL, *password = NULL;
    bool object = json_type(basic) == JSON_OBJECT && json_count(basic) == 2;
    for (const struct json_node *m = object ? json_first(basic) : NULL; m; m = json_next(m)) {
        user = strcmp(json_node_key(m), "user") == 0 ? m : user;
        password = strcmp(json_node_key(m), "password") == 0 ? m : password;
    }
    if (!is_text(user) || !is_text(password)) {
        json_cur_fail(c, WANTED);
        return;
    }
    const char *u = json_node_str(user), *p = json_node_str(password);
    if (*u == '\0' || strlen(u) > AUTH_USER_MAX || !credential_ok(u, ":"))
        json_cur_fail(c,
                      "'user' in 'auth' must be 1 to %d bytes without ':' and control characters",
                      AUTH_USER_MAX);
    else if (strlen(p) > AUTH_SECRET_MAX || !credential_ok(p, ""))
        json_cur_fail(c, "'password' in 'auth' must be at most %d bytes without control characters",
                      AUTH_SECRET_MAX);
    else
        set(a, AUTH_BASIC, u, p);
}

/* Visible ASCII: more than RFC 6750 allows, for what servers really take, and safe in a header. */
static bool bearer_ok(const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] >= 0x7f)
            return false;
    return n > 0 && n <= AUTH_SECRET_MAX;
}

static void read_bearer(struct json_cur *c, const struct json_node *bearer, struct target_auth *a)
{
    if (!is_text(bearer))
        json_cur_fail(c, WANTED);
    else if (!bearer_ok(json_node_str(bearer)))
        json_cur_fail(c, "'bearer' in 'auth' must be 1 to %d visible ASCII characters",
                      AUTH_SECRET_MAX);
    else
        set(a, AUTH_BEARER, NULL, json_node_str(bearer));
}

bool target_auth_read(struct json_cur *c, struct target_auth *a)
{
    const struct json_node *n = json_get(c, "auth");
    if (n == NULL || json_type(n) == JSON_NULL)
        return false;
    bool object = json_type(n) == JSON_OBJECT;
    const struct json_node *basic = object ? only_member(n, "basic") : NULL;
    const struct json_node *bearer = object ? only_member(n, "bearer") : NULL;
    if (basic != NULL)
        read_basic(c, basic, a);
    else if (bearer != NULL)
        read_bearer(c, bearer, a);
    else
        json_cur_fail(c, WANTED);
    return true;
}

void target_auth_put(struct json_out *w, const struct target_auth *a)
{
    if (a->kind == AUTH_NONE)
        return;
    json_key(w, "auth");
    json_obj_begin(w);
    if (a->kind == AUTH_BASIC) {
        json_key(w, "basic");
        json_obj_begin(w);
        json_str(w, "user", a->user);
        json_str(w, "password", a->secret);
        json_obj_end(w);
    } else {
        json_str(w, "bearer", a->secret);
    }
    json_obj_end(w);
}

void target_auth_copy(struct target_auth *to, const struct target_auth *from)
{
    *to = (struct target_auth){from->kind, mem_strdup(from->user), mem_strdup(from->secret)};
}

void target_auth_free(struct target_auth *a)
{
    free(a->user);
    if (a->secret != NULL)
        mem_free_secret(a->secret, strlen(a->secret));
    *a = (struct target_auth){.kind = AUTH_NONE};
}
