/* SPDX-License-Identifier: MIT */
#include "master/api/schedule_put.h"
#include "common/node.h"
#include "common/require.h"
#include <math.h>
#include <string.h>

#define DAY_S 86400

void json_wall(struct json_out *w, const char *key, struct wall t)
{
    char text[WALL_TEXT_MAX];
    json_str(w, key, t.us ? wall_format(t, text) : NULL);
}

void json_seconds(struct json_out *w, const char *key, int64_t s)
{
    json_wall(w, key, (struct wall){s * 1000000});
}

void json_ref(struct json_out *w, const char *key, uint64_t id)
{
    if (id)
        json_id(w, key, id);
    else
        json_null(w, key);
}

/* Nine digits: a millisecond of ten days. */
void json_part(struct json_out *w, const char *key, double part)
{
    json_key(w, key);
    if (part < 0)
        json_put_null(w);
    else
        json_put_num(w, round(part * 1e9) / 1e9);
}

void put_missed(struct json_out *w, const uint64_t missed[PLAN_MISS_COUNT])
{
    json_obj_begin(w);
    for (int m = PLAN_MISS_NONE + 1; m < PLAN_MISS_COUNT; m++)
        if (missed[m] > 0)
            json_u64(w, plan_miss_name((enum plan_miss)m), missed[m]);
    json_obj_end(w);
}

/* ---- schedules */

/* A definition that the store has was checked when it came. */
static struct json_doc *read_doc(const struct store_schedule *s)
{
    struct json_doc *d = NULL;
    if (!s->doc || json_parse(s->doc, strlen(s->doc), &d, NULL, 0) != ERR_NONE)
        return NULL;
    return d;
}

static void put_node(struct json_out *w, const char *key, const struct json_node *n)
{
    json_key(w, key);
    if (n)
        json_print(w, n);
    else
        json_put_null(w);
}

static void put_when(struct json_out *w, const struct json_node *definition)
{
    static const char *const names[] = {"every", "cron", "zone"};
    json_key(w, "when");
    json_obj_begin(w);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        put_node(w, names[i], node_at(definition, names[i]));
    json_obj_end(w);
}

static void put_counts(struct json_out *w, const struct store_schedule *s,
                       const struct scheduler_view *v)
{
    static const enum verdict_state order[] = {VERDICT_UP, VERDICT_DEGRADED, VERDICT_DOWN,
                                               VERDICT_UNKNOWN};
    static const struct scheduler_view none;
    json_u64(w, "checks", s->n_checks);
    v = v ? v : &none;
    json_key(w, "states");
    json_obj_begin(w);
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        json_u64(w, verdict_word(order[i]), v->by_state[order[i]]);
    json_obj_end(w);
    json_u64(w, "unconfirmed", v->unconfirmed);
    json_u64(w, "flapping", v->flapping);
    json_u64(w, "runs", v->runs);
    json_key(w, "missed");
    put_missed(w, v->missed);
    json_wall(w, "next_at", v->next);
}

void schedule_put_members(struct json_out *w, const struct store_schedule *s,
                          const struct scheduler_view *v)
{
    struct json_doc *d = read_doc(s);
    const struct json_node *definition = d ? json_root(d) : NULL;
    json_str(w, "name", s->name);
    json_id(w, "id", s->id);
    json_u64(w, "version", s->version);
    json_str(w, "owner", s->owner);
    put_node(w, "labels", node_at(definition, "labels"));
    json_bool(w, "paused", s->paused);
    put_when(w, definition);
    put_counts(w, s, v);
    json_wall(w, "created_at", s->created_at);
    json_wall(w, "changed_at", s->changed_at);
    json_free(&d);
}

bool schedule_has_label(const struct store_schedule *s, const char *label)
{
    struct json_doc *d = read_doc(s);
    const struct json_node *labels = d ? node_at(json_root(d), "labels") : NULL;
    size_t n = strcspn(label, ":=");
    bool found = false;
    if (labels && json_type(labels) == JSON_OBJECT && label[n] != '\0')
        for (const struct json_node *l = json_first(labels); l && !found; l = json_next(l))
            found = strlen(json_node_key(l)) == n && memcmp(json_node_key(l), label, n) == 0 &&
                    json_type(l) == JSON_STRING && strcmp(json_node_str(l), label + n + 1) == 0;
    json_free(&d);
    return found;
}

void schedule_put_definition(struct json_out *w, const struct store_schedule *s)
{
    struct json_doc *d = read_doc(s);
    json_str(w, "name", s->name);
    for (const struct json_node *n = d ? json_first(json_root(d)) : NULL; n; n = json_next(n)) {
        if (strcmp(json_node_key(n), "name") == 0 || strcmp(json_node_key(n), "paused") == 0)
            continue;
        json_key_str(w, json_node_key(n));
        json_print(w, n);
    }
    json_bool(w, "paused", s->paused);
    json_free(&d);
}

/* ---- checks */

static void put_last(struct json_out *w, const struct scheduler_check_view *c)
{
    json_key(w, "last");
    if (c->recent[0] == 0) {
        json_put_null(w);
        return;
    }
    json_obj_begin(w);
    json_ms(w, "total_ms", c->total_ms);
    json_id(w, "task", c->recent[0]);
    json_obj_end(w);
}

/* Whole days, of one that has ended below 0. */
static int64_t days_left(int64_t not_after, struct wall now)
{
    int64_t s = not_after - now.us / 1000000;
    return s >= 0 ? s / DAY_S : -((-s + DAY_S - 1) / DAY_S);
}

static void put_certificate(struct json_out *w, int64_t not_after, struct wall now)
{
    json_key(w, "certificate");
    if (not_after == 0) {
        json_put_null(w);
        return;
    }
    json_obj_begin(w);
    json_seconds(w, "not_after", not_after);
    json_int(w, "days_left", days_left(not_after, now));
    json_obj_end(w);
}

void check_put_members(struct json_out *w, const struct scheduler_check_view *c, struct wall now)
{
    json_id(w, "id", c->id);
    json_str(w, "schedule", c->schedule);
    json_str(w, "target", c->key);
    json_str(w, "host", c->host);
    json_str(w, "state", verdict_word(c->state));
    json_wall(w, "since", c->since);
    json_str(w, "cause", cause_word(c->cause));
    json_bool(w, "confirmed", c->confirmed);
    json_bool(w, "flapping", c->flapping);
    json_bool(w, "paused", c->paused);
    json_str(w, "advice", c->advice && c->advice[0] ? c->advice : NULL);
    json_wall(w, "next_at", c->next);
    json_bool(w, "running", c->running);
    json_u64(w, "slot", c->slot);
    json_ref(w, "incident", c->incident);
    put_last(w, c);
    put_certificate(w, c->cert_not_after, now);
}

void put_transition(struct json_out *w, const struct store_transition *t)
{
    json_obj_begin(w);
    json_wall(w, "at", t->at);
    json_str(w, "from", verdict_word(t->from));
    json_str(w, "to", verdict_word(t->to));
    json_str(w, "cause", cause_word(t->cause));
    json_u64(w, "slot", t->slot);
    json_ref(w, "task", t->task);
    json_bool(w, "flapping", t->flapping);
    json_str(w, "advice", t->advice && t->advice[0] ? t->advice : NULL);
    json_obj_end(w);
}

void put_miss(struct json_out *w, const struct plan_gap *g)
{
    json_obj_begin(w);
    json_str(w, "reason", plan_miss_name(g->why));
    json_str(w, "meaning", plan_miss_text(g->why));
    json_u64(w, "count", g->count);
    json_u64(w, "first_slot", g->first_seq);
    json_wall(w, "first_at", g->first_at);
    json_u64(w, "last_slot", g->last.seq);
    json_wall(w, "last_at", g->last.at);
    json_obj_end(w);
}

/* ---- incidents and deliveries */

static const char *kind_word(enum incident_kind k)
{
    static const char *const words[] = {
        [INCIDENT_TARGET] = "target", [INCIDENT_FLEET] = "fleet", [INCIDENT_AGENT] = "agent"};
    REQUIRE((size_t)k < ARRAY_LEN(words));
    return words[k];
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static void put_evidence(struct json_out *w, const char *key, const struct incident_evidence *e)
{
    json_key(w, key);
    if (e->check == 0) {
        json_put_null(w);
        return;
    }
    json_obj_begin(w);
    json_id(w, "check", e->check);
    json_ref(w, "task", e->result);
    json_str(w, "agent", or_null(e->agent));
    json_str(w, "cause", cause_word(e->cause));
    json_wall(w, "at", e->at);
    json_obj_end(w);
}

static void put_causes(struct json_out *w, const struct incident *i)
{
    json_key(w, "causes");
    json_arr_begin(w);
    for (unsigned c = 0; c < i->n_causes && c < INCIDENT_CAUSES_MAX; c++)
        json_put_str(w, cause_word(i->causes[c]));
    json_arr_end(w);
}

static void put_ack(struct json_out *w, const struct incident *i)
{
    json_key(w, "acked");
    if (i->acked_at.us == 0) {
        json_put_null(w);
        return;
    }
    json_obj_begin(w);
    json_wall(w, "at", i->acked_at);
    json_str(w, "by", i->acked_by);
    json_str(w, "note", or_null(i->note));
    json_obj_end(w);
}

void incident_put_members(struct json_out *w, const struct incident *i, const char *schedule)
{
    json_id(w, "id", i->id);
    json_str(w, "kind", kind_word(i->kind));
    json_str(w, "state", incident_state_word(i->state));
    json_str(w, "schedule", schedule);
    json_str(w, "host", or_null(i->host));
    put_causes(w, i);
    json_wall(w, "since", i->since);
    json_wall(w, "confirmed_at", i->confirmed_at);
    json_wall(w, "ended_at", i->ended_at);
    json_u64(w, "checks", i->checks);
    json_u64(w, "not_up", i->not_up);
    json_u64(w, "untracked", i->untracked);
    json_u64(w, "relapses", i->relapses);
    json_str(w, "agent", or_null(i->agent));
    json_bool(w, "muted", i->muted);
    put_ack(w, i);
    json_ref(w, "withdrawn_for", i->cause_id);
    json_key(w, "evidence");
    json_obj_begin(w);
    put_evidence(w, "first", &i->first);
    put_evidence(w, "last", &i->last);
    json_obj_end(w);
}

const char *delivery_state_word(enum delivery_state s)
{
    static const char *const words[] = {[DELIVERY_PENDING] = "pending",
                                        [DELIVERY_DONE] = "delivered",
                                        [DELIVERY_FAILED] = "failed",
                                        [DELIVERY_SKIPPED] = "skipped"};
    REQUIRE((size_t)s < ARRAY_LEN(words));
    return words[s];
}

void delivery_put(struct json_out *w, const struct store_delivery *d)
{
    json_obj_begin(w);
    json_id(w, "id", d->id);
    json_str(w, "channel", d->channel);
    json_str(w, "state", delivery_state_word(d->state));
    json_str(w, "about", d->dedup);
    if (d->facts)
        json_raw(w, "facts", d->facts, strlen(d->facts));
    else
        json_null(w, "facts");
    json_u64(w, "attempts", d->attempts);
    if (d->status)
        json_int(w, "status", d->status);
    else
        json_null(w, "status");
    json_str(w, "error", d->error);
    json_wall(w, "created_at", d->created_at);
    json_wall(w, "next_at", d->state == DELIVERY_PENDING ? d->next_at : (struct wall){0});
    json_wall(w, "ended_at", d->ended_at);
    json_obj_end(w);
}
