/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "common/json_scan.h"

#define NAME_SHOWN_MAX 60

static void explain(char *why, size_t why_max, const struct json_scan *s)
{
    if (why != NULL)
        snprintf(why, why_max, "%s at byte %zu", s->why, (size_t)(s->p - s->start));
}

static void explain_duplicate(char *why, size_t why_max, const char *name)
{
    if (why == NULL)
        return;
    struct strbuf shown;
    strbuf_init(&shown, 4 * NAME_SHOWN_MAX);
    struct json_out w;
    json_out_init(&w, &shown);
    size_t n = strnlen(name, NAME_SHOWN_MAX);
    while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
        n--; /* never half a character */
    json_put_strn(&w, name, n);
    snprintf(why, why_max, "duplicate name %s", shown.data);
    strbuf_fini(&shown);
}

static enum err fault(const struct json_scan *s, char *why, size_t why_max)
{
    if (s->no_memory && why != NULL)
        snprintf(why, why_max, "%s", err_text(ERR_NOMEM));
    else if (s->duplicate != NULL)
        explain_duplicate(why, why_max, s->duplicate);
    else
        explain(why, why_max, s);
    return s->no_memory ? ERR_NOMEM : ERR_INVALID;
}

enum err json_parse(const char *text, size_t len, struct json_doc **out, char *why, size_t why_max)
{
    REQUIRE(out != NULL && (text != NULL || len == 0));
    struct json_doc *d = json_tree_create(text, len);
    if (d == NULL) {
        if (why != NULL)
            snprintf(why, why_max, "%s", err_text(ERR_NOMEM));
        return ERR_NOMEM;
    }
    struct json_scan s;
    json_scan_init_doc(&s, d, len);
    enum err e = json_scan_document(&s) ? ERR_NONE : fault(&s, why, why_max);
    if (e == ERR_NONE)
        *out = d;
    else
        json_tree_destroy(&d);
    return e;
}

bool json_is_object(const char *text, size_t len)
{
    struct json_scan s;
    json_scan_init(&s, text, len);
    return len > 0 && text[0] == '{' && json_scan_document(&s);
}

void json_free(struct json_doc **dp)
{
    json_tree_destroy(dp);
}

const struct json_node *json_root(const struct json_doc *d)
{
    REQUIRE(d != NULL);
    return d->root;
}

enum json_type json_type(const struct json_node *n)
{
    REQUIRE(n != NULL);
    switch (n->item.type & 0xff) { /* without cJSON's flags */
    case cJSON_NULL:
        return JSON_NULL;
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        UNREACHABLE("a value without a type");
    }
}

const char *json_type_name(enum json_type t)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
    };
    REQUIRE((size_t)t < ARRAY_LEN(names));
    return names[t];
}

const char *json_node_str(const struct json_node *n)
{
    const char *text = cJSON_GetStringValue(&n->item);
    REQUIRE(text != NULL);
    return text;
}

double json_node_num(const struct json_node *n)
{
    REQUIRE(cJSON_IsNumber(&n->item));
    return cJSON_GetNumberValue(&n->item);
}

bool json_node_bool(const struct json_node *n)
{
    REQUIRE(cJSON_IsBool(&n->item));
    return cJSON_IsTrue(&n->item);
}

const char *json_node_key(const struct json_node *n)
{
    return n->item.string;
}

void json_node_span(const struct json_node *n, size_t *at, size_t *len)
{
    *at = n->at;
    *len = n->len;
}

const struct json_node *json_first(const struct json_node *container)
{
    return json_tree_node(container->item.child);
}

const struct json_node *json_next(const struct json_node *n)
{
    return json_tree_node(n->item.next);
}

size_t json_count(const struct json_node *container)
{
    return (size_t)cJSON_GetArraySize(&container->item);
}

static void print_container(struct json_out *w, const struct json_node *n, bool object)
{
    (object ? json_obj_begin : json_arr_begin)(w);
    for (const struct json_node *c = json_first(n); c != NULL; c = json_next(c)) {
        if (object)
            json_key_str(w, json_node_key(c));
        json_print(w, c);
    }
    (object ? json_obj_end : json_arr_end)(w);
}

void json_print(struct json_out *w, const struct json_node *n)
{
    switch (json_type(n)) {
    case JSON_NULL:
        json_put_null(w);
        break;
    case JSON_BOOL:
        json_put_bool(w, json_node_bool(n));
        break;
    case JSON_NUMBER:
        json_put_num(w, json_node_num(n));
        break;
    case JSON_STRING:
        json_put_str(w, json_node_str(n));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        print_container(w, n, json_type(n) == JSON_OBJECT);
        break;
    }
}

/* Whether a member name as it stands in the text (quotes included) says `name`. */
static bool raw_name_is(const char *raw, size_t n, const char *name)
{
    if (memchr(raw, '\\', n) == NULL)
        return n == strlen(name) + 2 && memcmp(raw + 1, name, n - 2) == 0;
    struct json_doc *d = NULL;
    if (json_parse(raw, n, &d, NULL, 0) != ERR_NONE)
        return false;
    bool same = strcmp(json_node_str(json_root(d)), name) == 0;
    json_free(&d);
    return same;
}

bool json_member_span(const char *text, size_t len, const char *name, const char **start,
                      size_t *span_len)
{
    struct json_scan s;
    json_scan_init(&s, text, len);
    json_scan_space(&s);
    if (!json_scan_char(&s, '{', "object expected"))
        return false;
    for (json_scan_space(&s); s.p < s.end && *s.p == '"'; json_scan_space(&s)) {
        const char *key = s.p;
        if (!json_scan_string(&s))
            return false;
        bool found = raw_name_is(key, (size_t)(s.p - key), name);
        json_scan_space(&s);
        if (!json_scan_char(&s, ':', "':' expected"))
            return false;
        json_scan_space(&s);
        const char *value = s.p;
        if (!json_scan_value(&s, &s.unread))
            return false;
        if (found) {
            *start = value;
            *span_len = (size_t)(s.p - value);
            return true;
        }
        json_scan_space(&s);
        if (s.p < s.end && *s.p == ',')
            s.p++;
    }
    return false;
}
