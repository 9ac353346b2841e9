/* SPDX-License-Identifier: MIT */
#include "master/ctl/apply_file.h"
#include "common/file_text.h"
#include "common/mem.h"
#include "common/near.h"
#include "common/node.h"
#include "common/yaml_json.h"
#include "master/ctl/ctl.h"
#include "master/ctl/schedules.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (256u << 20) /* all that a master takes, with every option written out */

/* ---- where */

/* Of a byte of JSON text. */
static void place_in_text(const char *text, size_t at, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at; i++) {
        *column = text[i] == '\n' ? 1 : *column + 1;
        *line += text[i] == '\n';
    }
}

static const struct json_node *item(const struct json_node *n, const char *field, size_t len)
{
    if (*field == '[') {
        size_t i = strtoul(field + 1, NULL, 10);
        const struct json_node *x = json_type(n) == JSON_ARRAY ? json_first(n) : NULL;
        for (; x && i > 0; i--)
            x = json_next(x);
        return x;
    }
    const struct json_node *x = json_type(n) == JSON_OBJECT ? json_first(n) : NULL;
    while (x && (strlen(json_node_key(x)) != len || strncmp(json_node_key(x), field, len) != 0))
        x = json_next(x);
    return x;
}

/* As far as the path leads. */
static const struct json_node *walk(const struct json_node *n, const char *field)
{
    while (*field != '\0') {
        size_t len = *field == '[' ? strcspn(field, "]") : strcspn(field, ".[");
        const struct json_node *x = item(n, field, len);
        if (!x)
            return n;
        n = x;
        field += len;
        field += *field == ']';
        field += *field == '.';
    }
    return n;
}

const char *apply_file_where(const struct apply_file *f, const struct json_node *n,
                             const char *field, char buf[APPLY_WHERE_MAX])
{
    size_t at, len, line = 1, column = 1;
    json_node_span(walk(n, field), &at, &len);
    if (!f->marks)
        place_in_text(f->text.data, at, &line, &column);
    else
        REQUIRE(yaml_marks_find(f->marks, at, &line, &column));
    snprintf(buf, APPLY_WHERE_MAX, "%zu:%zu", line, column);
    return buf;
}

/* ---- what the file itself must be */

static enum err fail(const struct apply_file *f, const struct json_node *n, char *why,
                     const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static enum err fail(const struct apply_file *f, const struct json_node *n, char *why,
                     const char *fmt, ...)
{
    char where[APPLY_WHERE_MAX], text[APPLY_WHY_MAX - APPLY_WHERE_MAX - 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(why, APPLY_WHY_MAX, "%s: %s", apply_file_where(f, n, "", where), text);
    return ERR_INVALID;
}

static enum err unknown_member(const struct apply_file *f, const struct json_node *m, char *why)
{
    struct near x;
    near_init(&x, json_node_key(m));
    near_offer(&x, "owner");
    near_offer(&x, "schedules");
    near_offer(&x, "alerts");
    if (x.best)
        return fail(f, m, why, "unknown member '%.60s'; did you mean '%s'?", json_node_key(m),
                    x.best);
    return fail(f, m, why, "unknown member '%.60s': a file has 'owner', 'schedules' and 'alerts'",
                json_node_key(m));
}

static enum err take_members(struct apply_file *f, char *why)
{
    const struct json_node *root = json_root(f->doc);
    if (json_type(root) != JSON_OBJECT)
        return fail(f, root, why,
                    "a file has 'owner: TEXT' and 'schedules:' with a list, and this "
                    "is %s",
                    json_type_name(json_type(root)));
    for (const struct json_node *m = json_first(root); m; m = json_next(m)) {
        const char *key = json_node_key(m);
        bool owner = strcmp(key, "owner") == 0, list = strcmp(key, "schedules") == 0;
        bool alerts = strcmp(key, "alerts") == 0;
        if (!owner && !list && !alerts)
            return unknown_member(f, m, why);
        if (json_type(m) == JSON_NULL)
            continue;
        if (owner && (json_type(m) != JSON_STRING || *json_node_str(m) == '\0'))
            return fail(f, m, why, "'owner' must be a text: the file, or the team that it is of");
        if (list && json_type(m) != JSON_ARRAY)
            return fail(f, m, why, "'schedules' must be a list of definitions");
        if (alerts && json_type(m) != JSON_OBJECT)
            return fail(f, m, why, "'alerts' must be channels by name: 'NAME: {kind: ...}'");
        f->owner = owner ? json_node_str(m) : f->owner;
        f->schedules = list ? m : f->schedules;
        f->alerts = alerts ? m : f->alerts;
    }
    return ERR_NONE;
}

static enum err check_schedule(const struct apply_file *f, const struct json_node *n, char *why)
{
    const char *name = json_type(n) == JSON_OBJECT ? node_str(n, "name") : NULL;
    const char *owner = json_type(n) == JSON_OBJECT ? node_str(n, "owner") : NULL;
    if (json_type(n) != JSON_OBJECT)
        return fail(f, n, why, "a schedule is an object with 'name', not %s",
                    json_type_name(json_type(n)));
    if (!name)
        return fail(f, n, why, "this schedule has no 'name'");
    if (!schedules_name_ok(name))
        return fail(f, walk(n, "name"), why,
                    "'%.80s' cannot be the name of a schedule: letters, digits, . _ and - can",
                    name);
    if (owner && strcmp(owner, f->owner) != 0)
        return fail(f, walk(n, "owner"), why,
                    "schedule '%s' has another owner than the file: leave it out", name);
    return ERR_NONE;
}

/* By name, then as they stand in the text. */
static int by_name(const void *a, const void *b)
{
    const struct json_node *const *x = a, *const *y = b;
    size_t l, r, len;
    int d = strcmp(node_str(*x, "name"), node_str(*y, "name"));
    json_node_span(*x, &l, &len);
    json_node_span(*y, &r, &len);
    return d != 0 ? d : l < r ? -1 : 1;
}

static enum err check_twice(const struct apply_file *f, char *why)
{
    size_t n = 0;
    const struct json_node **all = mem_array(json_count(f->schedules) + 1, sizeof(*all));
    for (const struct json_node *s = json_first(f->schedules); s; s = json_next(s))
        all[n++] = s;
    qsort(all, n, sizeof(*all), by_name);
    enum err e = ERR_NONE;
    for (size_t i = 1; i < n && e == ERR_NONE; i++)
        if (strcmp(node_str(all[i - 1], "name"), node_str(all[i], "name")) == 0)
            e = fail(f, all[i], why, "schedule '%s' is there twice", node_str(all[i], "name"));
    free(all);
    return e;
}

static enum err check_parts(const struct apply_file *f, char *why)
{
    if (!f->schedules && !f->alerts)
        return fail(f, json_root(f->doc), why, "there is neither 'schedules' nor 'alerts' in it");
    if (f->schedules && !f->owner)
        return fail(f, json_root(f->doc), why,
                    "'owner' is missing: name the file, or the team that these schedules are of");
    const struct json_node *n = f->schedules ? json_first(f->schedules) : NULL;
    for (; n; n = json_next(n))
        if (check_schedule(f, n, why) != ERR_NONE)
            return ERR_INVALID;
    if (f->schedules && check_twice(f, why) != ERR_NONE)
        return ERR_INVALID;
    for (n = f->alerts ? json_first(f->alerts) : NULL; n; n = json_next(n)) {
        if (!schedules_name_ok(json_node_key(n)))
            return fail(f, n, why,
                        "'%.80s' cannot be the name of an alert channel: letters, digits, "
                        ". _ and - can",
                        json_node_key(n));
        if (json_type(n) != JSON_OBJECT)
            return fail(f, n, why, "alert channel '%s' must be an object with 'kind'",
                        json_node_key(n));
    }
    return ERR_NONE;
}

/* ---- reading */

static bool looks_like_json(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len && strchr(" \t\r\n", text[i]))
        i++;
    return i < len && text[i] == '{';
}

static enum err read_yaml(struct apply_file *f, char why[APPLY_WHY_MAX])
{
    char problem[YAML_WHY_MAX] = "", json_problem[JSON_PROBLEM_MAX] = "";
    if (yaml_to_json(f->text.data, f->text.len, &f->json, &f->marks, problem) != ERR_NONE) {
        snprintf(why, APPLY_WHY_MAX, "%s", problem);
        return ERR_INVALID;
    }
    if (json_parse(f->json.data, f->json.len, &f->doc, json_problem, sizeof(json_problem)) ==
        ERR_NONE)
        return ERR_NONE;
    snprintf(why, APPLY_WHY_MAX, "1:1: %s", json_problem);
    return ERR_INVALID;
}

/* JSON as such, for what only JSON can say; else as YAML, of which JSON is nearly a part. */
enum err apply_file_parse(struct apply_file *f, char why[APPLY_WHY_MAX])
{
    REQUIRE(f->doc == NULL && f->marks == NULL);
    bool json = looks_like_json(f->text.data, f->text.len) &&
                json_parse(f->text.data, f->text.len, &f->doc, NULL, 0) == ERR_NONE;
    if (!json && read_yaml(f, why) != ERR_NONE)
        return ERR_INVALID;
    enum err e = take_members(f, why);
    return e == ERR_NONE ? check_parts(f, why) : e;
}

void apply_file_init(struct apply_file *f, const char *name)
{
    *f = (struct apply_file){.name = name};
    strbuf_init(&f->text, FILE_MAX);
    strbuf_init(&f->json, FILE_MAX);
}

int apply_file_read(struct apply_file *f, const char *name)
{
    char why[APPLY_WHY_MAX] = "";
    apply_file_init(f, name);
    if (file_text(name, &f->text, why, sizeof(why)) != ERR_NONE)
        return ctl_fail(EXIT_USAGE, "%s", why);
    if (apply_file_parse(f, why) != ERR_NONE)
        return ctl_fail(EXIT_USAGE, "%s:%s", name, why);
    return EXIT_ALL_OK;
}

void apply_file_fini(struct apply_file *f)
{
    json_free(&f->doc);
    yaml_marks_free(&f->marks);
    strbuf_fini(&f->json);
    strbuf_fini(&f->text);
}

int apply_file_object(const char *name, struct strbuf *out)
{
    char why[APPLY_WHY_MAX] = "";
    struct strbuf text;
    int code = EXIT_ALL_OK;
    strbuf_init(&text, out->max);
    if (file_text(name, &text, why, sizeof(why)) != ERR_NONE)
        code = ctl_fail(EXIT_USAGE, "%s", why);
    else if (looks_like_json(text.data, text.len) && json_is_object(text.data, text.len))
        strbuf_append(out, text.data, text.len);
    else if (yaml_to_json(text.data, text.len, out, NULL, why) != ERR_NONE)
        code = ctl_fail(EXIT_USAGE, "%s:%s", name, why);
    else if (!json_is_object(out->data, out->len))
        code = ctl_fail(EXIT_USAGE, "%s:1:1: an object with 'kind' is expected", name);
    strbuf_fini(&text);
    return code;
}
