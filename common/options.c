/* SPDX-License-Identifier: MIT */
#include "common/options.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "common/ids.h"
#include "common/mem.h"
#include "common/near.h"
#include "common/options_impl.h"
#include "common/utf8.h"

#define NAME_MAX_BYTES 48
#define SUBJECT_MAX    80

/* One flag of argv, before it is applied. */
struct flag {
    size_t option;
    const char *text;
};

enum err options_fail(struct options_why *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (why->text != NULL)
        vsnprintf(why->text, why->max, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

size_t options_find(const struct options *o, const char *name, bool from_argv)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct option *t = &o->table[i];
        if (t->kind != OPT_SECTION && (from_argv || !t->cli_only) && strcmp(t->name, name) == 0)
            return i;
    }
    return o->n;
}

const char *options_nearest(const struct options *o, const char *name, bool from_argv)
{
    struct near x;
    near_init(&x, name);
    for (size_t i = 0; i < o->n; i++) {
        const struct option *t = &o->table[i];
        if (t->kind != OPT_SECTION && (from_argv || !t->cli_only))
            near_offer(&x, t->name);
    }
    return x.best;
}

static void list_clear(struct option_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct option_list){0};
}

static void list_add(struct option_list *l, const char *text)
{
    l->items = mem_realloc(l->items, (l->count + 1) * sizeof(*l->items));
    l->items[l->count++] = mem_strdup(text);
}

static enum err parse_int(const struct option *t, const char *text, const char *subject, int64_t *v,
                          struct options_why *why)
{
    if (i64_parse(text, strlen(text), v) == ERR_NONE && *v >= t->min && *v <= t->max)
        return ERR_NONE;
    return options_fail(why, "%s must be an integer from %" PRId64 " to %" PRId64 ", got '%s'",
                        subject, t->min, t->max, text);
}

static enum err parse_bool(const char *text, const char *subject, bool *v, struct options_why *why)
{
    *v = strcmp(text, "true") == 0;
    if (*v || strcmp(text, "false") == 0)
        return ERR_NONE;
    return options_fail(why, "%s must be true or false, got '%s'", subject, text);
}

enum err options_set(struct options *o, size_t i, enum option_source from, const char *text,
                     const char *subject, struct options_why *why)
{
    const struct option *t = &o->table[i];
    int64_t number = 0;
    bool flag = false;
    enum err e = ERR_NONE;
    REQUIRE(i < o->n && t->kind != OPT_SECTION);
    if (!utf8_valid(text, strlen(text)))
        return options_fail(why, "%s is not valid UTF-8", subject);
    if (t->kind == OPT_INT)
        e = parse_int(t, text, subject, &number, why);
    else if (t->kind == OPT_FLAG)
        e = parse_bool(text, subject, &flag, why);
    if (e != ERR_NONE || from < o->source[i])
        return e;

    void *field = options_field(o, i);
    if (t->kind == OPT_INT) {
        *(int64_t *)field = number;
    } else if (t->kind == OPT_FLAG) {
        *(bool *)field = flag;
    } else if (t->kind == OPT_STRING) {
        free(*(char **)field);
        *(char **)field = mem_strdup(text);
    } else {
        if (from > o->source[i])
            list_clear(field);
        list_add(field, text);
    }
    o->source[i] = from;
    return ERR_NONE;
}

struct options *options_create(const struct option *table, size_t n, void *values)
{
    REQUIRE(table != NULL && values != NULL);
    struct options *o = mem_zalloc(sizeof(*o));
    *o = (struct options){.table = table, .n = n, .values = values};
    o->source = mem_array(n, sizeof(*o->source));
    char problem[200] = "";
    struct options_why why = {problem, sizeof(problem)};
    for (size_t i = 0; i < n; i++) {
        if (table[i].kind == OPT_SECTION)
            continue;
        REQUIRE(strlen(table[i].name) <= NAME_MAX_BYTES);
        if (table[i].dflt != NULL)
            REQUIRE(options_set(o, i, SOURCE_DEFAULT, table[i].dflt, table[i].name, &why) ==
                    ERR_NONE);
    }
    return o;
}

void options_destroy(struct options **op)
{
    struct options *o = *op;
    if (o == NULL)
        return;
    for (size_t i = 0; i < o->n; i++) {
        if (o->table[i].kind == OPT_LIST)
            list_clear(options_field(o, i));
        if (o->table[i].kind == OPT_STRING) {
            char **field = options_field(o, i);
            free(*field);
            *field = NULL;
        }
    }
    free(o->source);
    free(o);
    *op = NULL;
}

/* ---- the environment */

static void env_name(const char *name, char out[NAME_MAX_BYTES + 8])
{
    size_t n = (size_t)snprintf(out, NAME_MAX_BYTES + 8, "SONDE_%s", name);
    REQUIRE(n < NAME_MAX_BYTES + 8);
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

/* A list in the environment is separated by commas. */
static enum err set_env_list(struct options *o, size_t i, const char *text, const char *subject,
                             struct options_why *why)
{
    enum err e = ERR_NONE;
    char *copy = mem_strdup(text), *rest = copy, *item;
    while (e == ERR_NONE && (item = strsep(&rest, ",")) != NULL)
        if (*item != '\0')
            e = options_set(o, i, SOURCE_ENV, item, subject, why);
    free(copy);
    return e;
}

static enum err load_env(struct options *o, struct options_why *why)
{
    char subject[NAME_MAX_BYTES + 8];
    for (size_t i = 0; i < o->n; i++) {
        const struct option *t = &o->table[i];
        if (t->kind == OPT_SECTION || t->cli_only)
            continue;
        env_name(t->name, subject);
        const char *text = getenv(subject);
        if (text == NULL || *text == '\0')
            continue;
        enum err e = t->kind == OPT_LIST ? set_env_list(o, i, text, subject, why)
                                         : options_set(o, i, SOURCE_ENV, text, subject, why);
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

/* ---- argv */

struct argv_scan {
    const struct options *o;
    int argc, at;
    char **argv;
    struct flag *flags; /* room for argc */
    size_t n_flags;
    const char **positional;
    size_t max_positional, n_positional;
    struct options_why *why;
};

static enum err unknown_flag(struct argv_scan *s, const char *name)
{
    const char *near = options_nearest(s->o, name, true);
    if (near != NULL)
        return options_fail(s->why, "unknown flag '--%s'; did you mean '--%s'?", name, near);
    return options_fail(s->why, "unknown flag '--%s'; --help lists them", name);
}

/* text: the value behind '=', or NULL: then the next word, if the option takes a value. */
static enum err take_flag(struct argv_scan *s, size_t i, const char *text)
{
    const struct option *t = &s->o->table[i];
    if (t->kind == OPT_FLAG) {
        if (text != NULL)
            return options_fail(s->why, "--%s takes no value", t->name);
        text = "true";
    } else if (text == NULL) {
        const char *next = s->at + 1 < s->argc ? s->argv[s->at + 1] : NULL;
        if (next == NULL || (strncmp(next, "--", 2) == 0 && next[2] != '\0'))
            return options_fail(s->why, "--%s needs a value (%s)", t->name,
                                t->value_name != NULL ? t->value_name : "VALUE");
        text = next;
        s->at++;
    }
    s->flags[s->n_flags++] = (struct flag){i, text};
    return ERR_NONE;
}

static enum err take_long(struct argv_scan *s, const char *word)
{
    char name[NAME_MAX_BYTES + 1];
    const char *equals = strchr(word, '=');
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    if (len > NAME_MAX_BYTES)
        return options_fail(s->why, "unknown flag '--%.*s…'; --help lists them", 20, word);
    memcpy(name, word, len);
    name[len] = '\0';
    size_t i = options_find(s->o, name, true);
    if (i == s->o->n)
        return unknown_flag(s, name);
    return take_flag(s, i, equals != NULL ? equals + 1 : NULL);
}

static enum err take_short(struct argv_scan *s, const char *word)
{
    for (size_t i = 0; word[1] == '\0' && i < s->o->n; i++)
        if (s->o->table[i].kind != OPT_SECTION && s->o->table[i].short_name == word[0])
            return take_flag(s, i, NULL);
    return options_fail(s->why, "unknown flag '-%s'; --help lists them", word);
}

static enum err take_positional(struct argv_scan *s, const char *word)
{
    if (s->positional == NULL || s->n_positional == s->max_positional)
        return options_fail(s->why, "unexpected argument '%s'", word);
    s->positional[s->n_positional++] = word;
    return ERR_NONE;
}

static enum err scan_argv(struct argv_scan *s)
{
    bool flags_over = false;
    enum err e = ERR_NONE;
    for (s->at = 1; e == ERR_NONE && s->at < s->argc; s->at++) {
        const char *word = s->argv[s->at];
        if (flags_over || word[0] != '-' || word[1] == '\0')
            e = take_positional(s, word);
        else if (strcmp(word, "--") == 0)
            flags_over = true;
        else if (word[1] == '-')
            e = take_long(s, word + 2);
        else
            e = take_short(s, word + 1);
    }
    return e;
}

/* The file named in argv, else in the environment, else NULL; only where the table has "config". */
static const char *config_path(struct options *o, const struct argv_scan *s)
{
    size_t config = options_find(o, "config", true);
    const char *path = config < o->n ? getenv("SONDE_CONFIG") : NULL;
    for (size_t i = 0; i < s->n_flags; i++)
        if (s->flags[i].option == config)
            path = s->flags[i].text;
    return path != NULL && *path != '\0' ? path : NULL;
}

static enum err load_all(struct options *o, const struct argv_scan *s)
{
    char subject[SUBJECT_MAX];
    const char *path = config_path(o, s);
    enum err e = ERR_NONE;
    if (path != NULL) {
        e = options_set(o, options_find(o, "config", true), SOURCE_ENV, path, "--config", s->why);
        if (e == ERR_NONE)
            e = options_load_file(o, path, s->why->text, s->why->max);
    }
    if (e == ERR_NONE)
        e = load_env(o, s->why);
    for (size_t i = 0; e == ERR_NONE && i < s->n_flags; i++) {
        size_t option = s->flags[i].option;
        snprintf(subject, sizeof(subject), "--%s", o->table[option].name);
        e = options_set(o, option, SOURCE_ARGV, s->flags[i].text, subject, s->why);
    }
    return e;
}

enum err options_load(struct options *o, int argc, char **argv, const char **positional,
                      size_t max_positional, size_t *n_positional, char *why, size_t why_max)
{
    struct options_why w = {why, why_max};
    struct argv_scan s = {.o = o,
                          .argc = argc,
                          .argv = argv,
                          .positional = positional,
                          .max_positional = max_positional,
                          .why = &w};
    REQUIRE(argc >= 0 && (positional == NULL || n_positional != NULL));
    s.flags = mem_array((size_t)argc + 1, sizeof(*s.flags));
    enum err e = scan_argv(&s);
    if (e == ERR_NONE)
        e = load_all(o, &s);
    if (e == ERR_NONE && n_positional != NULL)
        *n_positional = s.n_positional;
    free(s.flags);
    return e;
}
