/* SPDX-License-Identifier: MIT */
#include "master/hub/timekeeper.h"
#include <stdlib.h>
#include <string.h>
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

static struct check_now check_now(void)
{
    struct anchor a = anchor_now();
    return (struct check_now){a.mono, a.wall};
}

/* ---- what the scheduler asks for */

static void op_run(void *arg, const struct scheduler_run *r)
{
    struct timekeeper *t = arg;
    outgoing_run(&t->outgoing, r, mono_now());
}

static enum plan_miss op_room(void *arg, const struct schedule *s, unsigned *agents)
{
    struct timekeeper *t = arg;
    enum plan_miss m = outgoing_room(&t->outgoing, s, agents, mono_now());
    return m == PLAN_MISS_NONE && atomic_load(t->overloaded) ? PLAN_MISS_overloaded : m;
}

static void op_journal(void *arg, const struct scheduler_entry *e)
{
    struct timekeeper *t = arg;
    outgoing_entry(&t->outgoing, e);
}

static const struct scheduler_ops scheduler_ops = {
    .run = op_run, .room = op_room, .journal = op_journal};

static void on_began(void *arg, uint64_t check, uint64_t seq, uint64_t first, unsigned n,
                     struct mono now)
{
    struct timekeeper *t = arg;
    scheduler_began(t->scheduler, check, seq, first, n, check_now());
}

static void on_acked(void *arg, uint64_t incident, enum err err)
{
    struct timekeeper *t = arg;
    LIST_EACH_SAFE (&t->acks, n, tmp) {
        struct schedule_req *r = CONTAINER_OF(n, struct schedule_req, letter.node);
        if (r->incident != incident)
            continue;
        list_remove(&t->acks, n);
        r->err = err;
        r->done(r);
    }
}

/* ---- life */

void timekeeper_init(struct timekeeper *t, struct core *core, struct courier *courier,
                     const _Atomic bool *overloaded, mailbox_wake_f *wake, void *wake_arg)
{
    *t = (struct timekeeper){.overloaded = overloaded, .snapshot_at = mono_now()};
    lanes_init(&t->lanes, core, courier);
    outgoing_init(&t->outgoing, core, courier, &t->lanes);
    t->outgoing.on_began = on_began;
    t->outgoing.arg = t;
    list_init(&t->wait);
    list_init(&t->acks);
    idmap_init(&t->known);
    t->outgoing.on_acked = on_acked;
    t->box = mailbox_create("hub-schedules", SCHEDULE_REQS_MAX, SIZE_MAX, wake, wake_arg);
}

void timekeeper_fini(struct timekeeper *t)
{
    REQUIRE(list_empty(&t->wait) && list_empty(&t->acks));
    outgoing_fini(&t->outgoing);
    lanes_fini(&t->lanes);
    scheduler_destroy(&t->scheduler);
    idmap_fini(&t->known);
    mailbox_destroy(&t->box);
}

static void know(struct timekeeper *t, uint64_t id, const struct schedule *s)
{
    idmap_add(&t->known, id, lanes_join(&t->lanes, s, mono_now()));
}

static void forget(struct timekeeper *t, uint64_t id)
{
    lanes_leave(idmap_find(&t->known, id));
    idmap_remove(&t->known, id);
}

/* Those that cannot be read are not known. */
static void load_schedules(struct timekeeper *t, const struct store_timetable *table)
{
    char why[SCHEDULE_WHY_MAX];
    for (size_t i = 0; i < table->n_schedules; i++) {
        const struct store_schedule *s = &table->schedules[i];
        struct schedule *loaded = NULL;
        if (schedule_load(s->name, s->doc, s->paused, &loaded, why) != ERR_NONE) {
            LOG(LOG_ERROR, "hub", "bad_schedule", LS("schedule", s->name), LS("why", why),
                LS("fix", "put it anew with 'sonde schedule apply'; until then it does not run"));
            continue;
        }
        know(t, s->id, loaded);
        scheduler_load_schedule(t->scheduler, s->id, loaded, s->changed_at);
    }
}

/* Both are by id. Those of a schedule that cannot be read wait for it. */
static void load_checks(struct timekeeper *t, const struct store_timetable *table)
{
    size_t at = 0;
    for (size_t i = 0; i < table->n_checks; i++) {
        const struct store_check *c = &table->checks[i];
        if (idmap_find(&t->known, c->schedule) == NULL)
            continue;
        while (at < table->n_saved && table->saved[at].check < c->id)
            at++;
        bool known = at < table->n_saved && table->saved[at].check == c->id;
        scheduler_load_check(t->scheduler, c->schedule,
                             &(struct scheduler_check){.id = c->id,
                                                       .key = c->key,
                                                       .spec = c->spec,
                                                       .spec_len = c->spec_len,
                                                       .host = c->host,
                                                       .host_hash = c->host_hash,
                                                       .created = c->created},
                             known ? &table->saved[at] : NULL);
    }
}

void timekeeper_load(struct timekeeper *t, const struct store_timetable *table)
{
    struct check_now now = check_now();
    REQUIRE(t->scheduler == NULL);
    t->scheduler = scheduler_create(&scheduler_ops, t, table->last_incident, now);
    for (size_t i = 0; i < table->n_lanes; i++)
        lanes_load(&t->lanes, table->lanes[i].batch);
    load_schedules(t, table);
    for (size_t i = 0; i < table->n_incidents; i++)
        scheduler_load_incident(t->scheduler, &table->incidents[i]);
    load_checks(t, table);
    for (size_t i = 0; i < table->n_tasks; i++) {
        const struct store_open_task *o = &table->tasks[i];
        scheduler_load_task(t->scheduler, o->check, o->seq, o->at, o->task,
                            o->agent[0] ? o->agent : NULL, o->outcome, o->cause);
    }
    scheduler_loaded(t->scheduler, now);
}

/* ---- letters */

enum err timekeeper_post(struct timekeeper *t, struct schedule_req *r)
{
    REQUIRE(r != NULL && r->done != NULL);
    r->letter.weight_bytes = sizeof(*r);
    return mailbox_post(t->box, &r->letter);
}

/* The targets that the scheduler does not have as they are now. */
static struct scheduler_check *to_put(const struct store_put *put, bool known, size_t *n)
{
    struct scheduler_check *checks = mem_array(put->n_targets + 1, sizeof(*checks));
    *n = 0;
    for (size_t i = 0; i < put->n_targets; i++) {
        const struct schedule_target *x = &put->targets[i];
        if (!known || put->what[i] == PUT_NEW || put->what[i] == PUT_CHANGED)
            checks[(*n)++] = (struct scheduler_check){.id = put->ids[i],
                                                      .key = x->key,
                                                      .spec = x->spec,
                                                      .spec_len = x->spec_len,
                                                      .host = x->host,
                                                      .host_hash = x->host_hash,
                                                      .created = put->createds[i]};
    }
    return checks;
}

static void put(struct timekeeper *t, struct schedule_req *r)
{
    const struct store_put *p = r->put;
    struct schedule *s = r->schedule;
    size_t n = 0;
    REQUIRE(p != NULL && s != NULL && p->id != 0);
    bool known = idmap_find(&t->known, p->id) != NULL;
    struct scheduler_check *checks = to_put(p, known, &n);
    r->schedule = NULL;
    if (known)
        forget(t, p->id);
    know(t, p->id, s);
    scheduler_put(t->scheduler, p->id, s, checks, n, p->removed, p->n_removed, check_now());
    free(checks);
}

static void serve(struct timekeeper *t, struct schedule_req *r)
{
    if (r->op <= SREQ_PAUSE && !t->stopping) /* what was due before is as it was */
        scheduler_tick(t->scheduler, check_now());
    switch (r->op) {
    case SREQ_PUT:
        put(t, r);
        break;
    case SREQ_REMOVE:
        r->found = scheduler_remove(t->scheduler, r->id, check_now());
        if (r->found)
            forget(t, r->id);
        break;
    case SREQ_PAUSE:
        r->found = scheduler_pause(t->scheduler, r->id, r->pause, check_now());
        break;
    case SREQ_ACK:
        r->err = scheduler_ack(t->scheduler, r->incident, r->who, r->note, check_now());
        if (r->err == ERR_NONE) {
            list_push_back(&t->acks, &r->letter.node);
            return;
        }
        break;
    case SREQ_SCHEDULES:
        r->n_views = scheduler_views(t->scheduler, r->from[0] ? r->from : NULL,
                                     r->to[0] ? r->to : NULL, &r->views);
        break;
    case SREQ_CHECKS:
        r->n_checks = scheduler_checks(t->scheduler, &r->filter, &r->checks, &r->last, &r->more);
        break;
    }
    r->done(r);
}

/* Those of schedules in the order in which they came: all behind one that waits do, too. */
static bool must_wait(struct timekeeper *t, const struct schedule_req *r)
{
    if (!list_empty(&t->wait) && r->op <= SREQ_PAUSE)
        return !t->stopping;
    return r->op == SREQ_PUT && !t->stopping &&
           lanes_expect(&t->lanes, r->schedule, mono_now())->batch == 0;
}

static void serve_waiting(struct timekeeper *t)
{
    struct list again;
    struct list_node *n;
    list_init(&again);
    list_splice_back(&again, &t->wait);
    while ((n = list_pop_front(&again)) != NULL) {
        struct schedule_req *r = CONTAINER_OF(n, struct schedule_req, letter.node);
        if (must_wait(t, r))
            list_push_back(&t->wait, n);
        else
            serve(t, r);
    }
}

bool timekeeper_take(struct timekeeper *t)
{
    struct list got;
    list_init(&got);
    bool any = mailbox_take_all(t->box, &got) > 0;
    list_splice_back(&t->wait, &got);
    serve_waiting(t);
    return any;
}

/* ---- results */

/* Seconds since 1970 at which the leaf's certificate ends; 0: none. */
static int64_t cert_end(const struct json_node *record)
{
    struct json_cur root, http, tls;
    struct wall at = {0};
    json_cur_init(&root, record);
    const struct json_node *h = json_get_obj(&root, "http");
    if (h == NULL)
        return 0;
    json_cur_init(&http, h);
    const struct json_node *x = json_get_obj(&http, "tls");
    if (x == NULL)
        return 0;
    json_cur_init(&tls, x);
    const char *text = json_get_str(&tls, "not_after", WALL_TEXT_MAX, NULL);
    return text != NULL && wall_parse(text, &at) == ERR_NONE ? at.us / 1000000 : 0;
}

void timekeeper_result(void *timekeeper, const struct store_result *s)
{
    struct timekeeper *t = timekeeper;
    struct json_doc *doc = NULL;
    struct result_head head;
    char why[160];
    struct scheduler_result r = {.task = s->task, .agent = s->agent, .total_ms = -1};
    if (s->cause[0] != '\0' && cause_parse(s->cause, &r.cause) != ERR_NONE)
        r.cause = CAUSE_agent_lost; /* of a newer agent: nobody here can say whose fault it is */
    if (json_parse(s->record, s->record_len, &doc, why, sizeof(why)) == ERR_NONE) {
        if (result_head_parse(json_root(doc), &head, why, sizeof(why)) == ERR_NONE)
            r.total_ms = head.total_ms;
        r.cert_not_after = cert_end(json_root(doc));
        json_free(&doc);
    }
    scheduler_result(t->scheduler, &r, check_now());
}

void timekeeper_answer(void *timekeeper, struct store_req *q)
{
    struct timekeeper *t = timekeeper;
    if (q->op == STORE_LANE_OPEN || q->op == STORE_LANE_CLOSE)
        lanes_answer(&t->lanes, q, mono_now());
    else
        outgoing_answer(&t->outgoing, q, mono_now());
    if (q->op == STORE_LANE_OPEN)
        serve_waiting(t);
}

/* ---- the clock */

#define STANDING_MS 10 /* a commit, about */

static void snapshot(struct timekeeper *t, struct check_now now)
{
    t->snapshot_due |= mono_diff_ms(now.mono, t->snapshot_at) >= SNAPSHOT_MS;
    if (!t->snapshot_due || !outgoing_snapshot(&t->outgoing, t->scheduler, now.wall))
        return;
    t->snapshot_due = false;
    t->snapshot_at = now.mono;
}

int timekeeper_run(struct timekeeper *t)
{
    struct check_now now = check_now();
    if (t->stopping)
        return TIMEKEEPER_WAIT_MAX_MS;
    if (!lanes_ready(&t->lanes))
        return STANDING_MS;
    snapshot(t, now);
    scheduler_tick(t->scheduler, now);
    return scheduler_wait_ms(t->scheduler, now, TIMEKEEPER_WAIT_MAX_MS);
}

void timekeeper_flush(struct timekeeper *t)
{
    outgoing_flush(&t->outgoing);
}

void timekeeper_tick(struct timekeeper *t)
{
    lanes_tick(&t->lanes, mono_now());
}

/* ---- the end */

void timekeeper_stop(struct timekeeper *t)
{
    t->stopping = t->snapshot_due = true;
    lanes_stop(&t->lanes);
    serve_waiting(t);
}

bool timekeeper_stopped(struct timekeeper *t)
{
    REQUIRE(t->stopping);
    if (t->snapshot_due && outgoing_snapshot(&t->outgoing, t->scheduler, wall_now()))
        t->snapshot_due = false;
    return !t->snapshot_due && outgoing_idle(&t->outgoing);
}

void timekeeper_close(struct timekeeper *t)
{
    struct list_node *n;
    mailbox_close(t->box);
    t->stopping = true;
    (void)timekeeper_take(t);
    while ((n = list_pop_front(&t->acks)) != NULL) {
        struct schedule_req *r = CONTAINER_OF(n, struct schedule_req, letter.node);
        r->err = ERR_CLOSED; /* it may be committed yet: who asked looks again */
        r->done(r);
    }
}
