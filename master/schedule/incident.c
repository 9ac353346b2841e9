/* SPDX-License-Identifier: MIT */
#include "master/schedule/incident.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/list.h"
#include "common/mem.h"

#define uthash_fatal(msg) UNREACHABLE("uthash: " msg)
#include <uthash.h>

struct node {
    struct incident pub;
    struct list_node link;
    struct list members;
    struct mono since, calm; /* calm: since when all are up; 0: they are not */
    struct mono back;        /* of a system event: since when most are; 0: they are not */
    unsigned told;           /* checks, when it was last told that it grew */
    unsigned host_checks;
    struct windows maintenance; /* n = 0: none, or somebody without any has joined */
    bool unmutable;             /* restored: somebody without any was in it */
};
struct member {
    uint64_t check;
    struct node *in;
    struct list_node link;
    bool up;
    struct incident_evidence seen; /* the last failure: what it opens an incident with, if left */
    char host[INCIDENT_HOST_MAX];
    unsigned host_checks;
    struct windows maintenance;
    UT_hash_handle hh;
};
struct action {
    struct list_node link;
    struct incident_action what;
};
struct incidents {
    uint64_t last_id;
    struct list nodes, actions;
    struct member *members; /* by check */
    struct node *system;
    struct zone_set zones; /* of maintenance: an incident outlives the definition that has it */
};

const char *incident_state_word(enum incident_state s)
{
    static const char *const words[] = {"open", "confirmed", "resolved", "withdrawn"};
    REQUIRE((unsigned)s < INCIDENT_STATES);
    return words[s];
}

const char *incident_action_word(enum incident_action_kind k)
{
    static const char *const words[] = {"opened",       "confirmed", "grown",
                                        "acknowledged", "muted",     "unmuted",
                                        "resolved",     "withdrawn", "system_event"};
    REQUIRE((unsigned)k < INCIDENT_ACTIONS);
    return words[k];
}

struct incidents *incidents_create(uint64_t last_id)
{
    struct incidents *x = mem_zalloc(sizeof(*x));
    x->last_id = last_id;
    list_init(&x->nodes);
    list_init(&x->actions);
    return x;
}

static void member_free(struct incidents *x, struct member *m)
{
    list_remove(&m->in->members, &m->link);
    HASH_DEL(x->members, m);
    free(m);
}

static void node_free(struct incidents *x, struct node *n)
{
    LIST_EACH_SAFE (&n->members, l, tmp)
        member_free(x, CONTAINER_OF(l, struct member, link));
    list_remove(&x->nodes, &n->link);
    if (x->system == n)
        x->system = NULL;
    free(n);
}

void incidents_destroy(struct incidents **xp)
{
    struct incidents *x = *xp;
    if (!x)
        return;
    LIST_EACH_SAFE (&x->nodes, l, tmp)
        node_free(x, CONTAINER_OF(l, struct node, link));
    LIST_EACH_SAFE (&x->actions, a, next)
        free(CONTAINER_OF(a, struct action, link));
    zone_set_fini(&x->zones);
    free(x);
    *xp = NULL;
}

static void tell(struct incidents *x, const struct node *n, enum incident_action_kind kind)
{
    struct action *a = mem_zalloc(sizeof(*a));
    a->what = (struct incident_action){kind, n->pub};
    list_push_back(&x->actions, &a->link);
}

static void enter(struct incidents *x, struct node *n, enum incident_state state,
                  struct check_now now)
{
    REQUIRE(n->pub.state < INCIDENT_RESOLVED && state > n->pub.state);
    n->pub.state = state;
    if (state == INCIDENT_CONFIRMED) {
        n->pub.confirmed_at = now.wall;
        tell(x, n, n->pub.kind == INCIDENT_TARGET ? INCIDENT_DID_CONFIRM : INCIDENT_SYSTEM_EVENT);
        return;
    }
    n->pub.ended_at = now.wall;
    tell(x, n, state == INCIDENT_RESOLVED ? INCIDENT_DID_RESOLVE : INCIDENT_DID_WITHDRAW);
}

static struct node *begin(struct incidents *x, enum incident_kind kind, const char *host,
                          struct check_now now)
{
    struct node *n = mem_zalloc(sizeof(*n));
    n->pub = (struct incident){.id = ++x->last_id, .kind = kind, .since = now.wall};
    snprintf(n->pub.host, sizeof(n->pub.host), "%s", host);
    n->since = now.mono;
    list_init(&n->members);
    list_push_back(&x->nodes, &n->link);
    return n;
}

static struct node *node_find(const struct incidents *x, uint64_t id)
{
    LIST_EACH (&x->nodes, l) {
        if (CONTAINER_OF(l, struct node, link)->pub.id == id)
            return CONTAINER_OF(l, struct node, link);
    }
    return NULL;
}

/* ---- members */

static struct member *member_find(const struct incidents *x, uint64_t check)
{
    struct member *m = NULL;
    HASH_FIND(hh, x->members, &check, sizeof(check), m);
    return m;
}

static bool has_cause(const struct node *n, enum cause cause)
{
    for (unsigned i = 0; i < n->pub.n_causes; i++)
        if (n->pub.causes[i] == cause)
            return true;
    return false;
}

/* An agent's own event stays its own, whoever sees the same later. */
static void note_agent(struct node *n, const struct incident_evidence *e)
{
    if (n->pub.kind == INCIDENT_AGENT)
        return;
    if (n->pub.first.check == 0)
        memcpy(n->pub.agent, e->agent, sizeof(n->pub.agent));
    else if (strcmp(n->pub.agent, e->agent) != 0)
        n->pub.agent[0] = '\0';
}

static void note(struct node *n, const struct incident_evidence *e)
{
    note_agent(n, e);
    n->pub.last = *e;
    if (n->pub.first.check == 0)
        n->pub.first = *e;
    if (!has_cause(n, e->cause) && n->pub.n_causes < INCIDENT_CAUSES_MAX)
        n->pub.causes[n->pub.n_causes++] = e->cause;
}

static void enlist(struct node *n, struct member *m)
{
    m->in = n;
    list_push_back(&n->members, &m->link);
    n->pub.checks++;
    n->pub.not_up += !m->up;
    if (!m->up)
        n->calm = (struct mono){0};
    note(n, &m->seen);
}

static void move_all(struct node *from, struct node *to)
{
    LIST_EACH_SAFE (&from->members, l, tmp) {
        list_remove(&from->members, l);
        enlist(to, CONTAINER_OF(l, struct member, link));
    }
}

static void calm_down(struct node *n, struct check_now now)
{
    if (n->pub.not_up == 0 && !mono_is_set(n->calm))
        n->calm = now.mono;
}

/* ---- maintenance */

static struct windows keep_windows(struct incidents *x, const struct windows *ws)
{
    if (!ws || ws->n == 0)
        return (struct windows){0};
    struct windows kept = *ws;
    kept.zone = zone_set_keep(&x->zones, ws->zone);
    return kept;
}

static bool in_maintenance(const struct windows *ws, struct check_now now)
{
    int64_t until;
    return ws && ws->n > 0 && window_open(ws, now.wall.us / 1000000, &until);
}

static void judge_mute(struct incidents *x, struct node *n, struct check_now now)
{
    bool muted = in_maintenance(&n->maintenance, now);
    if (muted == n->pub.muted)
        return;
    n->pub.muted = muted;
    tell(x, n, muted ? INCIDENT_DID_MUTE : INCIDENT_UNMUTED);
}

/* ---- is it we? */

static bool percent_of(unsigned part, unsigned whole, unsigned percent)
{
    return (uint64_t)part * 100 >= (uint64_t)whole * percent;
}

static bool fallen(const struct node *n)
{
    return n->pub.state == INCIDENT_OPEN && (uint64_t)n->pub.not_up * 2 > n->host_checks;
}

static unsigned count_fallen(const struct incidents *x, const char *agent)
{
    unsigned sum = 0;
    LIST_EACH (&x->nodes, l) {
        const struct node *n = CONTAINER_OF(l, struct node, link);
        sum += fallen(n) && (!agent || strcmp(n->pub.agent, agent) == 0);
    }
    return sum;
}

/* All that are open, or those by the word of this agent, were no incidents. */
static void withdraw_open(struct incidents *x, struct node *s, struct check_now now)
{
    LIST_EACH_SAFE (&x->nodes, l, tmp) {
        struct node *n = CONTAINER_OF(l, struct node, link);
        if (n->pub.state != INCIDENT_OPEN || n == s ||
            (s->pub.kind == INCIDENT_AGENT && strcmp(n->pub.agent, s->pub.agent) != 0))
            continue;
        move_all(n, s);
        n->pub.cause_id = s->pub.id;
        enter(x, n, INCIDENT_WITHDRAWN, now);
        node_free(x, n);
    }
}

static struct node *system_event(struct incidents *x, enum incident_kind kind, struct check_now now)
{
    struct node *s = x->system;
    if (s && kind == INCIDENT_FLEET)
        s->pub.kind = kind;
    if (!s)
        s = x->system = begin(x, kind, "", now);
    withdraw_open(x, s, now);
    s->told = s->pub.checks > 0 ? s->pub.checks : 1;
    if (s->pub.state == INCIDENT_OPEN)
        enter(x, s, INCIDENT_CONFIRMED, now);
    return s;
}

static void judge_fleet(struct incidents *x, const struct incident_change *c, struct check_now now)
{
    unsigned all = count_fallen(x, NULL);
    if (all < INCIDENT_MANY_LEAST)
        return;
    unsigned its = c->agent ? count_fallen(x, c->agent) : 0;
    bool fleet = percent_of(all, c->hosts_judged, INCIDENT_FLEET_PERCENT);
    bool agent = its >= INCIDENT_MANY_LEAST &&
                 (percent_of(its, c->agent_hosts, INCIDENT_AGENT_PERCENT) || (fleet && its == all));
    if (agent && !x->system) {
        x->system = begin(x, INCIDENT_AGENT, "", now);
        snprintf(x->system->pub.agent, sizeof(x->system->pub.agent), "%s", c->agent);
        system_event(x, INCIDENT_AGENT, now);
    } else if (fleet) {
        system_event(x, INCIDENT_FLEET, now);
    }
}

/* ---- a check goes down */

static bool system_takes(const struct node *s, const char *agent)
{
    if (!s || mono_is_set(s->calm))
        return false;
    return s->pub.kind == INCIDENT_FLEET || strcmp(s->pub.agent, agent) == 0;
}

static struct node *node_for(struct incidents *x, const char *host,
                             const struct incident_evidence *e, struct check_now now)
{
    struct node *near = NULL;
    LIST_EACH (&x->nodes, l) {
        struct node *n = CONTAINER_OF(l, struct node, link);
        if (n->pub.kind != INCIDENT_TARGET || strcmp(n->pub.host, host) != 0)
            continue;
        if (has_cause(n, e->cause))
            return n;
        if (mono_diff_ms(now.mono, n->since) < INCIDENT_JOIN_MS)
            near = n;
    }
    if (near)
        return near;
    if (x->nodes.count >= INCIDENTS_MAX)
        return system_event(x, INCIDENT_FLEET, now);
    return begin(x, INCIDENT_TARGET, host, now);
}

static struct incident_evidence evidence_of(const struct incident_change *c, struct check_now now)
{
    struct incident_evidence e = {c->check, c->result, "", c->cause, now.wall};
    snprintf(e.agent, sizeof(e.agent), "%s", c->agent ? c->agent : "");
    return e;
}

static void tell_opened(struct incidents *x, struct node *n)
{
    n->told = 1;
    tell(x, n, INCIDENT_DID_OPEN);
}

static void join(struct incidents *x, struct node *n, struct member *m, struct check_now now)
{
    enlist(n, m);
    n->host_checks = m->host_checks;
    if (n->told == 0) {
        n->maintenance = m->maintenance;
        n->pub.muted = in_maintenance(&n->maintenance, now);
        tell_opened(x, n);
    } else if (m->maintenance.n == 0 || (n->pub.muted && !in_maintenance(&m->maintenance, now))) {
        n->maintenance.n = 0;
        judge_mute(x, n, now);
    }
    if (n->pub.checks >= 2 * n->told) {
        n->told = n->pub.checks;
        tell(x, n, INCIDENT_DID_GROW);
    }
}

static struct member *member_create(struct incidents *x, const struct incident_change *c,
                                    const struct incident_evidence *e)
{
    struct member *m = mem_zalloc(sizeof(*m));
    m->check = c->check;
    m->seen = *e;
    m->host_checks = c->host_checks;
    m->maintenance = keep_windows(x, c->maintenance);
    snprintf(m->host, sizeof(m->host), "%s", c->host);
    HASH_ADD(hh, x->members, check, sizeof(m->check), m);
    return m;
}

static void fall(struct incidents *x, const struct incident_change *c, struct check_now now)
{
    struct incident_evidence e = evidence_of(c, now);
    struct node *n = system_takes(x->system, e.agent) ? x->system : node_for(x, c->host, &e, now);
    if (HASH_COUNT(x->members) >= INCIDENT_CHECKS_MAX) {
        n->pub.untracked++;
        note(n, &e);
        if (n->told == 0)
            tell_opened(x, n);
        return;
    }
    join(x, n, member_create(x, c, &e), now);
    judge_fleet(x, c, now);
}

static void still_bad(struct member *m, const struct incident_change *c, struct check_now now)
{
    struct node *n = m->in;
    if (m->up) {
        m->up = false;
        n->pub.not_up++;
        n->pub.relapses++;
    }
    n->calm = (struct mono){0};
    if (c->state <= VERDICT_UP) /* it only flaps */
        return;
    m->seen = evidence_of(c, now);
    note(n, &m->seen);
}

/* ---- after a start */

/* Monotonic clocks of two processes have nothing in common. What is longer ago than anything that
 * counts is as good as that, and no clock of the wall makes it younger than now. */
static struct mono began(const struct incident *i, struct check_now now)
{
    int64_t age_ms = (now.wall.us - i->since.us) / 1000;
    age_ms = age_ms < 0 ? 0 : age_ms > INCIDENT_JOIN_MS ? INCIDENT_JOIN_MS : age_ms;
    return mono_add_ms(now.mono, -age_ms);
}

void incidents_restore(struct incidents *x, const struct incident *i, struct check_now now)
{
    REQUIRE(i->id > 0 && i->state < INCIDENT_RESOLVED && !incidents_find(x, i->id));
    struct node *n = mem_zalloc(sizeof(*n));
    n->pub = *i;
    n->pub.checks = n->pub.not_up = n->pub.untracked = 0;
    n->since = began(i, now);
    n->told = i->checks > 0 ? i->checks : 1;
    n->host_checks = UINT_MAX; /* of how many: says its first check */
    list_init(&n->members);
    list_push_back(&x->nodes, &n->link);
    if (i->kind != INCIDENT_TARGET)
        x->system = n;
    if (i->id > x->last_id)
        x->last_id = i->id;
}

/* Whose windows mute it, as join() has it: those of the check that opened it, unless others have
 * joined without any. */
static void restore_maintenance(struct node *n, const struct member *m)
{
    if (m->check == n->pub.first.check && !n->unmutable)
        n->maintenance = m->maintenance;
    if (m->maintenance.n == 0) {
        n->unmutable = true;
        n->maintenance.n = 0;
    }
}

bool incidents_restore_check(struct incidents *x, uint64_t id, const struct incident_change *c,
                             struct check_now now)
{
    struct node *n = node_find(x, id);
    if (!n || member_find(x, c->check) || HASH_COUNT(x->members) >= INCIDENT_CHECKS_MAX)
        return false;
    struct incident_evidence e = evidence_of(c, now);
    struct member *m = member_create(x, c, &e);
    m->up = c->state == VERDICT_UP && !c->flapping;
    m->in = n;
    list_push_back(&n->members, &m->link);
    n->pub.checks++;
    n->pub.not_up += !m->up;
    n->host_checks = m->host_checks;
    restore_maintenance(n, m);
    return true;
}

/* What is left of a system event was not of it. */
static void release_rest(struct incidents *x, struct node *s, struct check_now now)
{
    LIST_EACH_SAFE (&s->members, l, tmp) {
        struct member *m = CONTAINER_OF(l, struct member, link);
        if (m->up)
            continue;
        struct node *n = node_for(x, m->host, &m->seen, now);
        if (n == s)
            return;
        list_remove(&s->members, l);
        s->pub.not_up--;
        s->pub.checks--;
        join(x, n, m, now);
    }
    calm_down(s, now);
}

/* The last of those that come back are slow, not broken: they get the time of a beginning. */
static void judge_rest(struct incidents *x, struct node *s, struct check_now now)
{
    unsigned up = s->pub.checks - s->pub.not_up;
    if (s->pub.not_up == 0 || !percent_of(up, s->pub.checks, INCIDENT_BACK_PERCENT))
        s->back = (struct mono){0};
    else if (!mono_is_set(s->back))
        s->back = now.mono;
    else if (mono_diff_ms(now.mono, s->back) >= INCIDENT_SETTLE_MS)
        release_rest(x, s, now);
}

static void recover(struct incidents *x, struct member *m, struct check_now now)
{
    struct node *n = m->in;
    if (m->up)
        return;
    REQUIRE(n->pub.not_up > 0);
    m->up = true;
    n->pub.not_up--;
    calm_down(n, now);
}

void incidents_change(struct incidents *x, const struct incident_change *c, struct check_now now)
{
    REQUIRE(c->check > 0 && c->host && c->host[0] && strlen(c->host) < INCIDENT_HOST_MAX);
    REQUIRE(mono_is_set(now.mono) && (unsigned)c->state < VERDICT_STATES);
    struct member *m = member_find(x, c->check);
    if (c->state == VERDICT_UNKNOWN)
        return;
    if (m && (c->state > VERDICT_UP || c->flapping))
        still_bad(m, c, now);
    else if (m)
        recover(x, m, now);
    else if (c->state == VERDICT_DOWN)
        fall(x, c, now);
}

void incidents_forget(struct incidents *x, uint64_t check, struct check_now now)
{
    struct member *m = member_find(x, check);
    if (!m)
        return;
    struct node *n = m->in;
    n->pub.not_up -= !m->up;
    member_free(x, m);
    calm_down(n, now);
}

void incidents_tick(struct incidents *x, struct check_now now)
{
    if (x->system)
        judge_rest(x, x->system, now);
    LIST_EACH_SAFE (&x->nodes, l, tmp) {
        struct node *n = CONTAINER_OF(l, struct node, link);
        calm_down(n, now); /* all its failures were untracked */
        judge_mute(x, n, now);
        if (n->pub.state == INCIDENT_OPEN && n->pub.not_up > 0 &&
            mono_diff_ms(now.mono, n->since) >= INCIDENT_SETTLE_MS)
            enter(x, n, INCIDENT_CONFIRMED, now);
        if (mono_is_set(n->calm) && mono_diff_ms(now.mono, n->calm) >= INCIDENT_CALM_MS) {
            enter(x, n, INCIDENT_RESOLVED, now);
            node_free(x, n);
        }
    }
}

enum err incidents_ack(struct incidents *x, uint64_t id, const char *who, const char *text,
                       struct check_now now)
{
    struct node *n = node_find(x, id);
    if (!n)
        return ERR_NOT_FOUND;
    if (n->pub.acked_at.us != 0)
        return ERR_EXISTS;
    n->pub.acked_at = now.wall;
    snprintf(n->pub.acked_by, sizeof(n->pub.acked_by), "%s", who);
    snprintf(n->pub.note, sizeof(n->pub.note), "%s", text ? text : "");
    tell(x, n, INCIDENT_DID_ACK);
    return ERR_NONE;
}

bool incidents_take(struct incidents *x, struct incident_action *out)
{
    struct list_node *l = list_pop_front(&x->actions);
    if (!l)
        return false;
    *out = CONTAINER_OF(l, struct action, link)->what;
    free(CONTAINER_OF(l, struct action, link));
    return true;
}

const struct incident *incidents_find(const struct incidents *x, uint64_t id)
{
    struct node *n = node_find(x, id);
    return n ? &n->pub : NULL;
}

uint64_t incidents_of(const struct incidents *x, uint64_t check)
{
    const struct member *m = member_find(x, check);
    return m ? m->in->pub.id : 0;
}

size_t incidents_count(const struct incidents *x)
{
    return x->nodes.count;
}
