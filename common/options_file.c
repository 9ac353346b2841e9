/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "common/mem.h"
#include "common/options_impl.h"

#define SUBJECT_MAX 400

/* Reads one mapping of names to scalars, or to sequences of scalars for lists. */
struct yaml_reader {
    struct options *o;
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; freed by next() and at the end */
    bool have_event;
    bool *seen; /* which options the file named */
    struct options_why *why;
};

static enum err fail_at(struct yaml_reader *r, yaml_mark_t mark, const char *what, const char *name)
{
    return options_fail(r->why, "%s:%zu:%zu: %s%s%s%s", r->path, mark.line + 1, mark.column + 1,
                        what, name != NULL ? " '" : "", name != NULL ? name : "",
                        name != NULL ? "'" : "");
}

static enum err next(struct yaml_reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = yaml_parser_parse(&r->parser, &r->event) != 0;
    if (r->have_event)
        return ERR_NONE;
    const char *problem = r->parser.problem != NULL ? r->parser.problem : "cannot be read";
    return fail_at(r, r->parser.problem_mark, problem, NULL);
}

/* The scalar's text, or NULL when it holds a NUL. */
static const char *scalar(const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    return strlen(text) == e->data.scalar.length ? text : NULL;
}

/* `key:`, `key: ~` and `key: null` leave the option unset. */
static bool is_null(const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static enum err take_scalar(struct yaml_reader *r, size_t i)
{
    char subject[SUBJECT_MAX];
    const char *text = scalar(&r->event);
    if (text == NULL)
        return fail_at(r, r->event.start_mark, "NUL character in", r->o->table[i].name);
    snprintf(subject, sizeof(subject), "%s:%zu:%zu: %s", r->path, r->event.start_mark.line + 1,
             r->event.start_mark.column + 1, r->o->table[i].name);
    return options_set(r->o, i, SOURCE_FILE, text, subject, r->why);
}

static enum err take_sequence(struct yaml_reader *r, size_t i)
{
    enum err e = next(r);
    while (e == ERR_NONE && r->event.type == YAML_SCALAR_EVENT) {
        e = take_scalar(r, i);
        if (e == ERR_NONE)
            e = next(r);
    }
    if (e == ERR_NONE && r->event.type != YAML_SEQUENCE_END_EVENT)
        e = fail_at(r, r->event.start_mark, "only plain values may stand in the list",
                    r->o->table[i].name);
    return e;
}

static enum err take_value(struct yaml_reader *r, size_t i)
{
    const struct option *t = &r->o->table[i];
    enum err e = next(r);
    if (e != ERR_NONE)
        return e;
    if (r->event.type == YAML_SCALAR_EVENT)
        return is_null(&r->event) ? ERR_NONE : take_scalar(r, i);
    if (r->event.type == YAML_SEQUENCE_START_EVENT && t->kind == OPT_LIST)
        return take_sequence(r, i);
    return fail_at(r, r->event.start_mark,
                   t->kind == OPT_LIST ? "a value or a list expected for"
                                       : "a single value expected for",
                   t->name);
}

static enum err unknown_key(struct yaml_reader *r, const char *key)
{
    yaml_mark_t mark = r->event.start_mark;
    const char *near = options_nearest(r->o, key, false);
    if (near == NULL)
        return fail_at(r, mark, "unknown key", key);
    return options_fail(r->why, "%s:%zu:%zu: unknown key '%s'; did you mean '%s'?", r->path,
                        mark.line + 1, mark.column + 1, key, near);
}

static enum err take_pair(struct yaml_reader *r)
{
    const char *key = r->event.type == YAML_SCALAR_EVENT ? scalar(&r->event) : NULL;
    if (key == NULL)
        return fail_at(r, r->event.start_mark, "option name expected", NULL);
    size_t i = options_find(r->o, key, false);
    if (i == r->o->n)
        return unknown_key(r, key);
    if (r->seen[i])
        return fail_at(r, r->event.start_mark, "given twice:", key);
    r->seen[i] = true;
    return take_value(r, i);
}

static enum err take_mapping(struct yaml_reader *r)
{
    enum err e = next(r);
    while (e == ERR_NONE && r->event.type != YAML_MAPPING_END_EVENT) {
        e = take_pair(r);
        if (e == ERR_NONE)
            e = next(r);
    }
    return e;
}

/* An empty file, or one of comments only, is a good one. */
static enum err take_stream(struct yaml_reader *r)
{
    enum err e = next(r); /* stream start */
    if (e == ERR_NONE)
        e = next(r);
    if (e != ERR_NONE || r->event.type == YAML_STREAM_END_EVENT)
        return e;
    e = next(r);
    if (e == ERR_NONE && r->event.type == YAML_MAPPING_START_EVENT)
        e = take_mapping(r);
    else if (e == ERR_NONE && !(r->event.type == YAML_SCALAR_EVENT && is_null(&r->event)))
        e = fail_at(r, r->event.start_mark, "'name: value' lines expected", NULL);
    if (e == ERR_NONE)
        e = next(r); /* document end */
    if (e == ERR_NONE)
        e = next(r);
    if (e == ERR_NONE && r->event.type != YAML_STREAM_END_EVENT)
        e = fail_at(r, r->event.start_mark, "only one document expected", NULL);
    return e;
}

enum err options_load_file(struct options *o, const char *path, char *why, size_t why_max)
{
    struct options_why w = {why, why_max};
    struct yaml_reader r = {.o = o, .path = path, .why = &w};
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        enum err e = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        (void)options_fail(&w, "cannot open the configuration '%s': %s", path, strerror(errno));
        return e;
    }
    REQUIRE(yaml_parser_initialize(&r.parser) != 0);
    yaml_parser_set_input_file(&r.parser, f);
    r.seen = mem_array(o->n + 1, sizeof(*r.seen));
    enum err e = take_stream(&r);
    if (r.have_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    free(r.seen);
    fclose(f);
    return e;
}
