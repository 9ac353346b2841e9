/* SPDX-License-Identifier: MIT */
#include "master/api/schedule_diff.h"
#include "common/require.h"
#include <stdio.h>
#include <string.h>

#define TEXT_MAX  (1u << 20) /* of one member: far over what a definition may hold */
#define FIELD_MAX 128

static const struct json_node *member(const struct json_node *obj, const char *name)
{
    if (!obj || json_type(obj) != JSON_OBJECT)
        return NULL;
    for (const struct json_node *n = json_first(obj); n; n = json_next(n))
        if (strcmp(json_node_key(n), name) == 0)
            return n;
    return NULL;
}

static void print(const struct json_node *n, struct strbuf *b)
{
    struct json_out w;
    strbuf_init(b, TEXT_MAX);
    json_out_init(&w, b);
    if (n && json_type(n) != JSON_NULL)
        json_print(&w, n);
}

static bool same(const struct json_node *a, const struct json_node *b)
{
    struct strbuf x, y;
    print(a, &x);
    print(b, &y);
    bool equal = x.len == y.len && (x.len == 0 || memcmp(x.data, y.data, x.len) == 0);
    strbuf_fini(&x);
    strbuf_fini(&y);
    return equal;
}

static void put_value(struct json_out *w, const char *key, const struct json_node *n)
{
    json_key(w, key);
    if (n)
        json_print(w, n);
    else
        json_put_null(w);
}

/* of: the member that it is in, NULL = it is one itself. */
static void compare(struct json_out *w, const char *of, const char *name,
                    const struct json_node *from, const struct json_node *to);

static void compare_members(struct json_out *w, const char *of, const struct json_node *from,
                            const struct json_node *to)
{
    for (const struct json_node *n = to ? json_first(to) : NULL; n; n = json_next(n))
        compare(w, of, json_node_key(n), member(from, json_node_key(n)), n);
    for (const struct json_node *n = from ? json_first(from) : NULL; n; n = json_next(n))
        if (!member(to, json_node_key(n)))
            compare(w, of, json_node_key(n), n, NULL);
}

static void compare(struct json_out *w, const char *of, const char *name,
                    const struct json_node *from, const struct json_node *to)
{
    char field[FIELD_MAX];
    if (same(from, to))
        return;
    if (!of && from && to && json_type(from) == JSON_OBJECT && json_type(to) == JSON_OBJECT) {
        compare_members(w, name, from, to);
        return;
    }
    snprintf(field, sizeof(field), "%s%s%s", of ? of : "", of ? "." : "", name);
    json_obj_begin(w);
    json_str(w, "field", field);
    put_value(w, "from", from);
    put_value(w, "to", to);
    json_obj_end(w);
}

static void put_paused(struct json_out *w, bool was_there, bool from, bool to)
{
    if (was_there && from == to)
        return;
    json_obj_begin(w);
    json_str(w, "field", "paused");
    if (was_there)
        json_bool(w, "from", from);
    else
        json_null(w, "from");
    json_bool(w, "to", to);
    json_obj_end(w);
}

void schedule_diff_put(struct json_out *w, const char *old_doc, const char *new_doc,
                       bool old_paused, bool new_paused)
{
    struct json_doc *old = NULL, *new = NULL;
    REQUIRE(new_doc != NULL);
    if (old_doc && json_parse(old_doc, strlen(old_doc), &old, NULL, 0) != ERR_NONE)
        old = NULL;
    json_arr_begin(w);
    if (json_parse(new_doc, strlen(new_doc), &new, NULL, 0) == ERR_NONE)
        compare_members(w, NULL, old ? json_root(old) : NULL, json_root(new));
    put_paused(w, old_doc != NULL, old_paused, new_paused);
    json_arr_end(w);
    json_free(&old);
    json_free(&new);
}
