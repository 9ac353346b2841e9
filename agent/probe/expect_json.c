/* SPDX-License-Identifier: MIT */
#include "agent/probe/expect_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/json_path.h"
#include "proto/json_walk.h"

/* Every path walks the body from its start, and the loop waits meanwhile: large bodies are refused,
 * and what the time of all patterns does not suffice for is given up. */
#define JSON_BODY_MAX (4 * 1024 * 1024)
/* Of a value that is not the one expected, so much is told. */
#define SHOWN_BYTES 60

struct place {
    const char *path;
    struct json_value v;
};

/* The text that a string means, else the JSON as it stands. False: memory. */
static bool plain_text(struct json_value v, struct strbuf *b)
{
    if (*v.p == '"')
        json_walk_unescape(v.p + 1, v.len - 2, '"', true, b);
    else
        strbuf_append(b, v.p, v.len);
    return !b->overflow;
}

static bool same_string(struct json_value v, const char *want, size_t want_len)
{
    struct strbuf a, b;
    strbuf_init(&a, v.len + 1);
    strbuf_init(&b, want_len + 1);
    bool same = plain_text(v, &a) && plain_text((struct json_value){want, want_len}, &b) &&
                a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
    strbuf_fini(&a);
    strbuf_fini(&b);
    return same;
}

static bool same_number(struct json_value v, const char *want)
{
    char *text = mem_try(v.len + 1); /* the body does not end with the number */
    if (!text)
        return false;
    memcpy(text, v.p, v.len);
    text[v.len] = '\0';
    bool same = strtod(text, NULL) == strtod(want, NULL);
    free(text);
    return same;
}

static bool is_number(char c)
{
    return c == '-' || (c >= '0' && c <= '9');
}

static bool same_value(struct json_value v, const char *want)
{
    size_t n = strlen(want);
    if (*v.p == '"' && *want == '"')
        return same_string(v, want, n);
    if (is_number(*v.p) && is_number(*want))
        return same_number(v, want);
    return v.len == n && memcmp(v.p, want, n) == 0; /* true, false, null, or of different types */
}

static void add(struct expecting *x, bool ok, const char *path, const char *what,
                const struct json_value *v)
{
    char detail[JSON_PATH_MAX + SHOWN_BYTES + 120];
    int shown = v == NULL ? 0 : (int)(v->len < SHOWN_BYTES ? v->len : SHOWN_BYTES);
    snprintf(detail, sizeof(detail), "%s%s%.*s%s", path, what, shown, v == NULL ? "" : v->p,
             v != NULL && v->len > SHOWN_BYTES ? "…" : "");
    expect_add(x, "json", ok, CAUSE_json_mismatch, detail);
}

static enum expect_match value_matches(struct expecting *x, const char *regex, struct json_value v)
{
    struct strbuf b;
    strbuf_init(&b, v.len + 1);
    enum expect_match m =
        plain_text(v, &b) ? expect_regex_until(regex, b.data, b.len, x->until) : EXPECT_GAVE_UP;
    strbuf_fini(&b);
    return m;
}

/* One check for one path: the first of its conditions that does not hold is told. */
static void check_value(struct expecting *x, const struct expect_json *e, struct json_value v)
{
    enum expect_match m = EXPECT_MATCH;
    if (!e->exists)
        add(x, false, e->path, " should not be there, and is ", &v);
    else if (e->equals && !same_value(v, e->equals))
        add(x, false, e->path, " is another value: ", &v);
    else if (e->regex && (m = value_matches(x, e->regex, v)) == EXPECT_NO_MATCH)
        add(x, false, e->path, " does not match: ", &v);
    else if (m == EXPECT_GAVE_UP)
        add(x, false, e->path, ": the pattern took too long and was given up", NULL);
    else
        add(x, true, e->path, "", NULL);
}

static void check_one(struct expecting *x, const struct expect_json *e, const struct json_walk *w)
{
    char why[JSON_PATH_WHY_MAX];
    struct json_path *path = NULL;
    struct json_value v;
    enum err made = json_path_parse(e->path, &path, why);
    REQUIRE(made == ERR_NONE); /* it was read once already when it was accepted */
    if (json_path_find(path, w, &v))
        check_value(x, e, v);
    else
        add(x, !e->exists, e->path, e->exists ? " is not there" : "", NULL);
    json_path_destroy(&path);
}

void expect_json(struct expecting *x)
{
    const struct target_expect *e = &x->target->http.expect;
    struct json_walk w;
    const char *fault = NULL;
    if (e->n_json == 0)
        return;
    if (x->facts->body_len > JSON_BODY_MAX)
        fault = ": the body is too large to be read as JSON";
    else if (!json_walk_check(&w, x->facts->body ? x->facts->body : "", x->facts->body_len))
        fault = ": the body is not JSON";
    for (unsigned i = 0; i < e->n_json; i++)
        if (fault)
            add(x, false, e->json[i].path, fault, NULL);
        else if (!mono_before(mono_now(), x->until))
            add(x, false, e->json[i].path, ": reading the JSON took too long and was given up",
                NULL);
        else
            check_one(x, &e->json[i], &w);
}
