/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "proto/json_path.h"
#include "proto/target_parts.h"

/* The expectations that are lists: `header` and `json`. A list of the target replaces that of the
 * defaults. */

/* Room for a scalar as JSON text: a string that is all escapes. */
#define SCALAR_TEXT_MAX (6 * REGEX_MAX + 3)

static void free_headers(struct expect_header *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        free(list[i].name);
        free(list[i].regex);
    }
    free(list);
}

static void free_json(struct expect_json *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        free(list[i].path);
        free(list[i].equals);
        free(list[i].regex);
    }
    free(list);
}

void target_expect_free(struct target_expect *e)
{
    free_headers(e->headers, e->n_headers);
    free_json(e->json, e->n_json);
    *e = (struct target_expect){0};
}

void target_expect_copy(struct target_expect *e, const struct target_expect *from)
{
    *e = (struct target_expect){.n_headers = from->n_headers, .n_json = from->n_json};
    if (e->n_headers > 0)
        e->headers = mem_array(e->n_headers, sizeof(*e->headers));
    if (e->n_json > 0)
        e->json = mem_array(e->n_json, sizeof(*e->json));
    for (unsigned i = 0; i < e->n_headers; i++)
        e->headers[i] = (struct expect_header){mem_strdup(from->headers[i].name),
                                               mem_strdup(from->headers[i].regex)};
    for (unsigned i = 0; i < e->n_json; i++) {
        const struct expect_json *j = &from->json[i];
        e->json[i] = (struct expect_json){mem_strdup(j->path), mem_strdup(j->equals),
                                          mem_strdup(j->regex), j->exists};
    }
}

static bool named(const struct expect_header *list, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcasecmp(list[i].name, name) == 0)
            return true;
    return false;
}

static bool header_ok(struct json_cur *c, const struct expect_header *list, unsigned n,
                      const struct json_node *m)
{
    char shown[SHOWN_MAX + 4];
    const char *name = json_node_key(m);
    target_show(name, strlen(name), shown);
    if (!target_header_name_ok(name))
        json_cur_fail(c, "in 'header': '%s' cannot be the name of a header", shown);
    else if (named(list, n, name))
        json_cur_fail(c, "in 'header': '%s' is given twice", shown);
    else if (json_type(m) != JSON_STRING)
        json_cur_fail(c, "in 'header': '%s' must be a regular expression in a string, not %s",
                      shown, json_type_name(json_type(m)));
    else
        target_check_regex(c, shown, json_node_str(m));
    return c->err == ERR_NONE;
}

static void read_headers(struct json_cur *c, struct target_expect *e)
{
    const struct json_node *obj = json_get_obj(c, "header");
    if (obj == NULL)
        return;
    if (json_count(obj) > EXPECT_HEADERS_MAX) {
        json_cur_fail(c, "'header' must have at most %d members", EXPECT_HEADERS_MAX);
        return;
    }
    unsigned n = 0;
    struct expect_header *list = mem_array(EXPECT_HEADERS_MAX, sizeof(*list));
    const struct json_node *m = json_first(obj);
    for (; m != NULL && header_ok(c, list, n, m); m = json_next(m))
        list[n++] =
            (struct expect_header){mem_strdup(json_node_key(m)), mem_strdup(json_node_str(m))};
    free_headers(e->headers, e->n_headers);
    e->headers = list;
    e->n_headers = n;
}

/* Null is a value here like any other. */
static char *read_equals(struct json_cur *c)
{
    struct json_out w;
    struct strbuf b;
    const struct json_node *n = json_get(c, "equals");
    if (n == NULL)
        return NULL;
    enum json_type type = json_type(n);
    if (type == JSON_ARRAY || type == JSON_OBJECT) {
        json_cur_fail(c, "'equals' must be a string, a number, true, false or null, not %s",
                      json_type_name(type));
        return NULL;
    }
    if (type == JSON_STRING && strlen(json_node_str(n)) > REGEX_MAX) {
        json_cur_fail(c, "'equals' must be at most %d bytes long", REGEX_MAX);
        return NULL;
    }
    strbuf_init(&b, SCALAR_TEXT_MAX);
    json_out_init(&w, &b);
    json_print(&w, n);
    REQUIRE(!b.overflow);
    return strbuf_take(&b, NULL);
}

static void check_path(struct json_cur *c, const char *text)
{
    struct json_path *path = NULL;
    char why[JSON_PATH_WHY_MAX];
    if (c->err == ERR_NONE && json_path_parse(text, &path, why) != ERR_NONE)
        json_cur_fail(c, "'path': %s", why);
    json_path_destroy(&path);
}

static struct expect_json read_one(struct json_cur *c)
{
    const char *path = json_need_str(c, "path", JSON_PATH_MAX);
    check_path(c, path);
    const char *regex = json_get_str(c, "regex", REGEX_MAX, NULL);
    if (regex != NULL)
        target_check_regex(c, "regex", regex);
    struct expect_json j = {
        .path = mem_strdup(path),
        .equals = read_equals(c),
        .regex = mem_strdup(regex),
        .exists = json_get_bool(c, "exists", true),
    };
    if (!j.exists && (j.equals != NULL || j.regex != NULL))
        json_cur_fail(c, "'exists' is false, so there is nothing for 'equals' or 'regex'");
    json_cur_end(c);
    return j;
}

static void read_json(struct json_cur *c, struct target_expect *e)
{
    const struct json_node *arr = json_get_arr(c, "json", EXPECT_JSON_MAX);
    if (arr == NULL)
        return;
    unsigned n = 0;
    struct expect_json *list = mem_array(EXPECT_JSON_MAX, sizeof(*list));
    for (const struct json_node *m = json_first(arr); m != NULL && c->err == ERR_NONE;
         m = json_next(m)) {
        struct json_cur in;
        json_cur_init(&in, m);
        list[n++] = read_one(&in);
        if (in.err != ERR_NONE)
            json_cur_fail(c, "in 'json', item %u: %s", n, in.problem);
    }
    free_json(e->json, e->n_json);
    e->json = list;
    e->n_json = n;
}

void target_expect_read(struct json_cur *c, struct target_expect *e)
{
    read_headers(c, e);
    read_json(c, e);
}

void target_expect_put_headers(struct json_out *w, const struct target_expect *e)
{
    json_key(w, "header");
    json_obj_begin(w);
    for (unsigned i = 0; i < e->n_headers; i++) {
        json_key_str(w, e->headers[i].name);
        json_put_str(w, e->headers[i].regex);
    }
    json_obj_end(w);
}

void target_expect_put_json(struct json_out *w, const struct target_expect *e)
{
    json_key(w, "json");
    json_arr_begin(w);
    for (unsigned i = 0; i < e->n_json; i++) {
        const struct expect_json *j = &e->json[i];
        json_obj_begin(w);
        json_str(w, "path", j->path);
        if (j->equals != NULL)
            json_raw(w, "equals", j->equals, strlen(j->equals));
        if (j->regex != NULL)
            json_str(w, "regex", j->regex);
        if (!j->exists)
            json_bool(w, "exists", false);
        json_obj_end(w);
    }
    json_arr_end(w);
}
