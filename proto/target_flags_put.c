/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/file_text.h"
#include "common/ids.h"
#include "common/mem.h"
#include "proto/limits.h"
#include "proto/target_flags_parts.h"

#define FILE_MAX (SPEC_MAX_BYTES + 1) /* the validator's own bound of a member is lower */

static const char *text_of(const void *value)
{
    char *const *slot = value;
    REQUIRE(*slot != NULL);
    return *slot;
}

void flag_put_text(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    json_put_str(&w->out, text_of(value));
}

static void put_number_or_text(struct json_out *out, const char *s, size_t n)
{
    int64_t number;
    if (i64_parse(s, n, &number) == ERR_NONE)
        json_put_int(out, number);
    else
        json_put_strn(out, s, n);
}

void flag_put_number(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    put_number_or_text(&w->out, text_of(value), strlen(text_of(value)));
}

void flag_put_constant(struct flag_writer *w, const char *member, const void *value,
                       const char *text)
{
    json_put_raw(&w->out, text, strlen(text));
}

/* ---- files */

/* The text of the file; the caller frees it. "" after a failure. */
static char *slurp(struct flag_writer *w, const char *path)
{
    char why[512];
    struct strbuf b;
    strbuf_init(&b, FILE_MAX);
    enum err e = file_text(path, &b, why, sizeof(why));
    if (e == ERR_NONE)
        return strbuf_take(&b, NULL);
    flag_fail(w, ": %s", why);
    strbuf_fini(&b);
    return mem_strdup("");
}

static char *text_or_file(struct flag_writer *w, const char *given)
{
    return given[0] == '@' ? slurp(w, given + 1) : mem_strdup(given);
}

/* The first line: editors end it. */
static char *line_or_file(struct flag_writer *w, const char *given)
{
    char *s = text_or_file(w, given);
    if (given[0] == '@')
        s[strcspn(s, "\r\n")] = '\0';
    return s;
}

void flag_put_file(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    char *s = slurp(w, text_of(value));
    json_put_str(&w->out, s);
    mem_free_secret(s, strlen(s));
}

void flag_put_text_or_file(struct flag_writer *w, const char *member, const void *value,
                           const char *text)
{
    char *s = text_or_file(w, text_of(value));
    json_put_str(&w->out, s);
    free(s);
}

void flag_put_line(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    char *s = line_or_file(w, text_of(value));
    json_put_str(&w->out, s);
    mem_free_secret(s, strlen(s));
}

void flag_put_user(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    char *s = line_or_file(w, text_of(value));
    size_t len = strlen(s), user = strcspn(s, ":");
    if (s[user] != ':')
        flag_fail(w, " must be NAME:PASSWORD, or @FILE that holds it");
    json_obj_begin(&w->out);
    json_key(&w->out, "basic");
    json_obj_begin(&w->out);
    json_key(&w->out, "user");
    json_put_strn(&w->out, s, user);
    json_str(&w->out, "password", s[user] == ':' ? s + user + 1 : "");
    json_obj_end(&w->out);
    json_obj_end(&w->out);
    mem_free_secret(s, len);
}

void flag_put_bearer(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    char *s = line_or_file(w, text_of(value));
    json_obj_begin(&w->out);
    json_str(&w->out, "bearer", s);
    json_obj_end(&w->out);
    mem_free_secret(s, strlen(s));
}

/* ---- lists */

void flag_put_texts(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    const struct option_list *l = value;
    json_arr_begin(&w->out);
    for (size_t i = 0; i < l->count; i++)
        json_put_str(&w->out, l->items[i]);
    json_arr_end(&w->out);
}

void flag_put_status(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    const struct option_list *l = value;
    json_arr_begin(&w->out);
    for (size_t i = 0; i < l->count; i++) {
        const char *s = l->items[i];
        for (size_t n = strcspn(s, ","); *s != '\0'; n = strcspn(s, ",")) {
            put_number_or_text(&w->out, s, n);
            s += n + (s[n] == ',');
        }
    }
    json_arr_end(&w->out);
}

/* The length of the name before the colon. */
static size_t name_bytes(const char *pair)
{
    size_t n = strcspn(pair, ":");
    while (n > 0 && (pair[n - 1] == ' ' || pair[n - 1] == '\t'))
        n--;
    return n;
}

static bool named(const struct option_list *l, size_t before, const char *name, size_t len)
{
    for (size_t i = 0; i < before; i++)
        if (name_bytes(l->items[i]) == len && strncasecmp(l->items[i], name, len) == 0)
            return true;
    return false;
}

static void put_pair(struct flag_writer *w, const char *pair)
{
    const char *colon = strchr(pair, ':');
    if (colon == NULL || name_bytes(pair) == 0) {
        flag_fail(w, " must be 'NAME: VALUE', got '%s'", pair);
        return;
    }
    char *name = mem_strndup(pair, name_bytes(pair));
    json_key_str(&w->out, name);
    json_put_str(&w->out, colon + 1 + strspn(colon + 1, " \t"));
    free(name);
}

/* What base has under that name stays, unless a flag names the same header. */
void flag_put_pairs(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    const struct option_list *l = value;
    const struct json_node *old = w->base ? json_first(w->base) : NULL;
    while (old && strcmp(json_node_key(old), member) != 0)
        old = json_next(old);
    json_obj_begin(&w->out);
    bool object = old && json_type(old) == JSON_OBJECT;
    for (const struct json_node *m = object ? json_first(old) : NULL; m; m = json_next(m)) {
        if (named(l, l->count, json_node_key(m), strlen(json_node_key(m))))
            continue;
        json_key_str(&w->out, json_node_key(m));
        json_print(&w->out, m);
    }
    for (size_t i = 0; i < l->count; i++) {
        if (named(l, i, l->items[i], name_bytes(l->items[i])))
            flag_fail(w, " names '%.*s' twice", (int)name_bytes(l->items[i]), l->items[i]);
        put_pair(w, l->items[i]);
    }
    json_obj_end(&w->out);
}

/* ---- expect.json */

/* Where the path ends: at '=' or '~' outside of its brackets and quotes, or at the end. */
static size_t path_bytes(const char *s)
{
    char quote = '\0';
    bool bracket = false;
    size_t i = 0;
    for (; s[i] != '\0'; i++) {
        if (quote != '\0') {
            if (s[i] == '\\' && s[i + 1] != '\0')
                i++;
            else if (s[i] == quote)
                quote = '\0';
        } else if (bracket) {
            quote = s[i] == '\'' || s[i] == '"' ? s[i] : '\0';
            bracket = s[i] != ']';
        } else if (s[i] == '[') {
            bracket = true;
        } else if (s[i] == '=' || s[i] == '~') {
            break;
        }
    }
    return i;
}

/* A value that is JSON is that; anything else is a string without its quotes. */
static void put_value(struct json_out *out, const char *s)
{
    struct json_doc *d = NULL;
    json_key(out, "equals");
    if (json_parse(s, strlen(s), &d, NULL, 0) == ERR_NONE)
        json_print(out, json_root(d));
    else
        json_put_str(out, s);
    json_free(&d);
}

static void put_json_item(struct json_out *out, const char *s)
{
    bool absent = s[0] == '!';
    s += absent;
    size_t n = path_bytes(s);
    json_obj_begin(out);
    json_key(out, "path");
    json_put_strn(out, s, n);
    if (s[n] == '=')
        put_value(out, s + n + 1);
    else if (s[n] == '~')
        json_str(out, "regex", s + n + 1);
    if (absent)
        json_bool(out, "exists", false);
    json_obj_end(out);
}

void flag_put_json(struct flag_writer *w, const char *member, const void *value, const char *text)
{
    const struct option_list *l = value;
    json_arr_begin(&w->out);
    for (size_t i = 0; i < l->count; i++)
        put_json_item(&w->out, l->items[i]);
    json_arr_end(&w->out);
}
