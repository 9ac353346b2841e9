/* SPDX-License-Identifier: MIT */
#include "master/hub/chronicle.h"
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"
#include "master/alert/alert.h"

#define BACK_MAX  65536 /* told in the mailbox's figures; answers pass it */
#define FACTS_MAX (16u * 1024)

struct note {
    struct list_node node;
    struct store_entry entry;
};

static struct note *note_of(struct list_node *n)
{
    return CONTAINER_OF(n, struct note, node);
}

void chronicle_init(struct chronicle *c, mailbox_wake_f *wake, void *wake_arg)
{
    *c = (struct chronicle){.store = NULL};
    list_init(&c->waiting);
    idmap_init(&c->gaps);
    c->answers = mailbox_create("hub-chronicle", BACK_MAX, SIZE_MAX, wake, wake_arg);
}

void chronicle_start(struct chronicle *c, struct store *s)
{
    REQUIRE(c->store == NULL && s != NULL);
    c->store = s;
}

static void note_free(struct note *n)
{
    store_entry_fini(&n->entry);
    free(n);
}

void chronicle_fini(struct chronicle *c)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    mailbox_take_all(c->answers, &got);
    while ((n = list_pop_front(&got)) != NULL) {
        struct store_req *q = CONTAINER_OF(n, struct store_req, letter.node);
        c->under_way = q == c->under_way ? NULL : c->under_way;
        store_req_destroy(&q);
    }
    if (c->under_way != NULL)
        store_req_destroy(&c->under_way);
    while ((n = list_pop_front(&c->waiting)) != NULL)
        note_free(note_of(n));
    idmap_fini(&c->gaps);
    mailbox_destroy(&c->answers);
}

/* ---- entries */

static char *dup_or_null(const char *s)
{
    return s != NULL && s[0] != '\0' ? mem_strdup(s) : NULL;
}

static void copy_alerts(struct store_entry *to, const char *const *alerts, unsigned n)
{
    if (n == 0)
        return;
    to->alerts = mem_array(n, sizeof(*to->alerts));
    for (to->n_alerts = 0; to->n_alerts < n; to->n_alerts++)
        to->alerts[to->n_alerts] = mem_strdup(alerts[to->n_alerts]);
}

/* What the channels are told, as it is known now. */
static void put_facts(struct store_entry *to, const struct scheduler_entry *e)
{
    struct strbuf b;
    struct alert_facts f = {.schedule = e->schedule, .target = e->key};
    if (to->n_alerts == 0)
        return;
    if (e->kind == ENTRY_INCIDENT) {
        f.action = e->incident.action;
        f.incident = e->incident.incident;
    } else {
        f.days_left = e->certificate.days_left;
        f.not_after = e->certificate.not_after;
    }
    strbuf_init(&b, FACTS_MAX);
    alert_facts_put(&f, &b);
    strbuf_putc(&b, '\0');
    REQUIRE(!b.overflow);
    to->delivery = mem_strdup(b.data);
    strbuf_fini(&b);
}

static void copy_kind(struct store_entry *to, const struct scheduler_entry *e)
{
    switch (e->kind) {
    case ENTRY_TRANSITION:
        to->from = e->transition.from;
        to->to = e->transition.to;
        to->cause = e->transition.cause;
        to->slot = e->transition.slot;
        to->task = e->transition.task;
        to->flapping = e->transition.flapping;
        to->advice = dup_or_null(e->transition.advice);
        break;
    case ENTRY_GAP:
        to->gap = e->gap;
        break;
    case ENTRY_INCIDENT:
        to->action = e->incident.action;
        to->incident = *e->incident.incident;
        copy_alerts(to, e->incident.alerts, e->incident.n_alerts);
        break;
    case ENTRY_CERTIFICATE:
        to->days_left = e->certificate.days_left;
        to->threshold = e->certificate.threshold;
        to->not_after = e->certificate.not_after;
        copy_alerts(to, e->certificate.alerts, e->certificate.n_alerts);
        break;
    }
}

/* True: it took the place of one that waits. */
static bool grow_gap(struct chronicle *c, const struct scheduler_entry *e)
{
    struct note *n = idmap_find(&c->gaps, e->check);
    if (n == NULL || n->entry.gap.first_seq != e->gap.first_seq)
        return false;
    n->entry.gap = e->gap;
    n->entry.at = e->at;
    return true;
}

static void lose(struct chronicle *c)
{
    c->lost++;
    LOG(LOG_ERROR, "hub", "history_lost", LU("lost", c->lost),
        LS("meaning", "the store takes nothing for long: this change of a check is in no history"));
}

void chronicle_add(struct chronicle *c, const struct scheduler_entry *e)
{
    if (e->kind == ENTRY_GAP && grow_gap(c, e))
        return;
    if (c->waiting.count >= CHRONICLE_WAIT_MAX && e->kind != ENTRY_INCIDENT) {
        lose(c);
        return;
    }
    struct note *n = mem_zalloc(sizeof(*n));
    n->entry = (struct store_entry){.kind = e->kind,
                                    .at = e->at,
                                    .check = e->check,
                                    .schedule = dup_or_null(e->schedule),
                                    .key = dup_or_null(e->key)};
    copy_kind(&n->entry, e);
    put_facts(&n->entry, e);
    list_push_back(&c->waiting, &n->node);
    if (e->kind != ENTRY_GAP)
        return;
    if (idmap_find(&c->gaps, e->check) != NULL)
        idmap_remove(&c->gaps, e->check);
    idmap_add(&c->gaps, e->check, n);
}

/* ---- to the store */

static void on_answer(struct store_req *q)
{
    struct chronicle *c = q->arg;
    REQUIRE(mailbox_post_reply(c->answers, &q->letter) == ERR_NONE);
}

static struct store_req *gather(struct chronicle *c)
{
    struct store_req *q = store_req_create(STORE_JOURNAL, on_answer, c);
    struct list_node *node;
    q->journal.items = mem_array(CHRONICLE_ONCE, sizeof(*q->journal.items));
    while (q->journal.n < CHRONICLE_ONCE && (node = list_pop_front(&c->waiting)) != NULL) {
        struct note *n = note_of(node);
        if (n->entry.kind == ENTRY_GAP && idmap_find(&c->gaps, n->entry.check) == n)
            idmap_remove(&c->gaps, n->entry.check);
        q->journal.items[q->journal.n++] = n->entry;
        free(n);
    }
    return q;
}

void chronicle_flush(struct chronicle *c)
{
    if (c->store == NULL || c->held || (c->under_way == NULL && list_empty(&c->waiting)))
        return;
    if (c->under_way != NULL) /* at the store */
        return;
    c->under_way = gather(c);
    c->held = store_post(c->store, c->under_way) != ERR_NONE;
}

static void on_entries(struct chronicle *c, struct store_req *q)
{
    REQUIRE(q == c->under_way);
    if (q->err) {
        LOG(LOG_WARN, "hub", "journal_not_stored", LERR("err", q->err), LS("why", q->why));
        c->held = true;
        return;
    }
    c->under_way = NULL;
    if (q->journal.queued > 0 && c->on_queued != NULL)
        c->on_queued(c->arg);
    store_req_destroy(&q);
}

void chronicle_take(struct chronicle *c)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    mailbox_take_all(c->answers, &got);
    while ((n = list_pop_front(&got)) != NULL) {
        struct store_req *q = CONTAINER_OF(n, struct store_req, letter.node);
        if (q->op == STORE_JOURNAL) {
            on_entries(c, q);
            continue;
        }
        if (q->err)
            LOG(LOG_WARN, "hub", "snapshot_not_stored", LERR("err", q->err), LS("why", q->why));
        c->snapshots--;
        store_req_destroy(&q);
    }
}

void chronicle_tick(struct chronicle *c)
{
    if (!c->held)
        return;
    c->held = false;
    if (c->under_way == NULL)
        return;
    c->under_way->err = ERR_NONE;
    c->held = store_post(c->store, c->under_way) != ERR_NONE;
}

/* ---- snapshots */

struct taking {
    struct chronicle *chronicle;
    struct wall at;
};

static void take_chunk(void *arg, const struct scheduler_saved *items, size_t n)
{
    struct taking *t = arg;
    struct store_req *q = store_req_create(STORE_SNAPSHOT, on_answer, t->chronicle);
    q->snapshot.items = mem_dup(items, n * sizeof(*items));
    q->snapshot.n = (unsigned)n;
    q->snapshot.chunk = items[0].check / SCHEDULER_CHUNK;
    q->snapshot.at = t->at;
    if (store_post(t->chronicle->store, q) == ERR_NONE)
        t->chronicle->snapshots++;
    else
        store_req_destroy(&q);
}

void chronicle_snapshot(struct chronicle *c, const struct scheduler *x, struct wall at)
{
    struct taking t = {c, at};
    REQUIRE(chronicle_idle(c));
    if (c->store != NULL && c->snapshots == 0)
        scheduler_snapshot(x, take_chunk, &t);
}

bool chronicle_idle(const struct chronicle *c)
{
    return c->under_way == NULL && list_empty(&c->waiting);
}

bool chronicle_done(const struct chronicle *c)
{
    return chronicle_idle(c) && c->snapshots == 0;
}
