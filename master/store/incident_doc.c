/* SPDX-License-Identifier: MIT */
#include "master/store/incident_doc.h"

#include <stdio.h>

#include "common/json.h"
#include "common/utf8.h"
#include "proto/limits.h"

/* ---- writing */

/* What people wrote was cut by its bytes. */
static void put_text(struct json_out *w, const char *key, const char *text)
{
    size_t n = strlen(text);
    while (n > 0 && !utf8_valid(text, n))
        n--;
    json_key(w, key);
    json_put_strn(w, text, n);
}

static void put_cause(struct json_out *w, const char *key, enum cause c)
{
    json_str(w, key, cause_word(c));
}

static void put_evidence(struct json_out *w, const char *key, const struct incident_evidence *e)
{
    json_key(w, key);
    json_obj_begin(w);
    json_id(w, "check", e->check);
    json_id(w, "result", e->result);
    json_str(w, "agent", e->agent);
    put_cause(w, "cause", e->cause);
    json_int(w, "at", e->at.us);
    json_obj_end(w);
}

static void put_causes(struct json_out *w, const struct incident *i)
{
    json_key(w, "causes");
    json_arr_begin(w);
    for (unsigned n = 0; n < i->n_causes; n++)
        json_put_str(w, cause_word(i->causes[n]));
    json_arr_end(w);
}

void incident_doc_put(const struct incident *i, struct strbuf *b)
{
    struct json_out w;
    json_out_init(&w, b);
    json_obj_begin(&w);
    json_id(&w, "id", i->id);
    json_int(&w, "kind", i->kind);
    json_int(&w, "state", i->state);
    put_text(&w, "host", i->host);
    put_causes(&w, i);
    json_int(&w, "since", i->since.us);
    json_int(&w, "confirmed_at", i->confirmed_at.us);
    json_int(&w, "ended_at", i->ended_at.us);
    json_int(&w, "checks", i->checks);
    json_int(&w, "not_up", i->not_up);
    json_int(&w, "untracked", i->untracked);
    json_int(&w, "relapses", i->relapses);
    put_evidence(&w, "first", &i->first);
    put_evidence(&w, "last", &i->last);
    json_bool(&w, "muted", i->muted);
    json_str(&w, "agent", i->agent);
    json_id(&w, "cause_id", i->cause_id);
    json_int(&w, "acked_at", i->acked_at.us);
    put_text(&w, "acked_by", i->acked_by);
    put_text(&w, "note", i->note);
    json_obj_end(&w);
}

/* ---- reading */

static void get_text(struct json_cur *c, const char *name, char *out, size_t max)
{
    snprintf(out, max, "%s", json_need_str(c, name, max - 1));
}

static struct wall get_time(struct json_cur *c, const char *name)
{
    return (struct wall){json_need_int(c, name, 0, JSON_COUNT_MAX)};
}

static unsigned get_count(struct json_cur *c, const char *name)
{
    return (unsigned)json_need_int(c, name, 0, UINT32_MAX);
}

/* A word of another release is none. */
static enum cause cause_of(const char *word)
{
    enum cause cause = CAUSE_NONE;
    return word && cause_parse(word, &cause) == ERR_NONE ? cause : CAUSE_NONE;
}

static void get_evidence(struct json_cur *c, const char *name, struct incident_evidence *e)
{
    struct json_cur in;
    json_cur_init(&in, json_get_obj(c, name));
    e->check = json_need_id(&in, "check");
    e->result = json_need_id(&in, "result");
    get_text(&in, "agent", e->agent, sizeof(e->agent));
    e->cause = cause_of(json_get_str(&in, "cause", CAUSE_MAX, NULL));
    e->at = get_time(&in, "at");
    if (json_cur_end_lenient(&in) != ERR_NONE)
        json_cur_fail(c, "in '%s': %s", name, in.problem);
}

static void get_causes(struct json_cur *c, struct incident *i)
{
    const struct json_node *arr = json_get_arr(c, "causes", INCIDENT_CAUSES_MAX);
    for (const struct json_node *n = arr ? json_first(arr) : NULL; n; n = json_next(n))
        if (json_type(n) == JSON_STRING && i->n_causes < INCIDENT_CAUSES_MAX)
            i->causes[i->n_causes++] = cause_of(json_node_str(n));
}

static enum err read_members(const struct json_node *root, struct incident *i)
{
    struct json_cur c;
    json_cur_init(&c, root);
    i->id = json_need_id(&c, "id");
    i->kind = (enum incident_kind)json_need_int(&c, "kind", INCIDENT_TARGET, INCIDENT_AGENT);
    i->state = (enum incident_state)json_need_int(&c, "state", 0, INCIDENT_STATES - 1);
    get_text(&c, "host", i->host, sizeof(i->host));
    get_causes(&c, i);
    i->since = get_time(&c, "since");
    i->confirmed_at = get_time(&c, "confirmed_at");
    i->ended_at = get_time(&c, "ended_at");
    i->checks = get_count(&c, "checks");
    i->not_up = get_count(&c, "not_up");
    i->untracked = get_count(&c, "untracked");
    i->relapses = get_count(&c, "relapses");
    get_evidence(&c, "first", &i->first);
    get_evidence(&c, "last", &i->last);
    i->muted = json_get_bool(&c, "muted", false);
    get_text(&c, "agent", i->agent, sizeof(i->agent));
    i->cause_id = json_need_id(&c, "cause_id");
    i->acked_at = get_time(&c, "acked_at");
    get_text(&c, "acked_by", i->acked_by, sizeof(i->acked_by));
    get_text(&c, "note", i->note, sizeof(i->note));
    return json_cur_end_lenient(&c);
}

enum err incident_doc_read(const char *text, size_t len, struct incident *out)
{
    struct json_doc *doc = NULL;
    struct incident i = {0};
    if (json_parse(text, len, &doc, NULL, 0) != ERR_NONE)
        return ERR_CORRUPT;
    enum err e = read_members(json_root(doc), &i);
    json_free(&doc);
    if (e)
        return ERR_CORRUPT;
    *out = i;
    return ERR_NONE;
}
