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
    runs_add(&t->runs, r, mono_now());
}

static enum plan_miss op_room(void *arg, const struct schedule *s, unsigned *agents)
{
    struct timekeeper *t = arg;
    enum plan_miss m = runs_room(&t->runs, s, agents);
    return m == PLAN_MISS_NONE && atomic_load(t->overloaded) ? PLAN_MISS_overloaded : m;
}

static void op_journal(void *arg, const struct scheduler_entry *e)
{
    struct timekeeper *t = arg;
    chronicle_add(&t->chronicle, e);
}

static const struct scheduler_ops scheduler_ops = {
    .run = op_run, .room = op_room, .journal = op_journal};

static void on_began(void *arg, uint64_t check, uint64_t seq, uint64_t first, unsigned n,
                     struct mono now)
{
    struct timekeeper *t = arg;
    scheduler_began(t->scheduler, check, seq, first, n, check_now());
}

/* ---- life */

void timekeeper_init(struct timekeeper *t, struct core *core, const _Atomic bool *overloaded,
                     mailbox_wake_f *wake, void *wake_arg)
{
    *t = (struct timekeeper){.core = core, .overloaded = overloaded};
    runs_init(&t->runs, core, wake, wake_arg);
    t->runs.on_began = on_began;
    t->runs.arg = t;
    chronicle_init(&t->chronicle, wake, wake_arg);
    t->box = mailbox_create("hub-schedules", SCHEDULE_REQS_MAX, SIZE_MAX, wake, wake_arg);
    t->snapshot_at = mono_now();
}

void timekeeper_fini(struct timekeeper *t)
{
    runs_fini(&t->runs);
    chronicle_fini(&t->chronicle);
    scheduler_destroy(&t->scheduler);
    mailbox_destroy(&t->box);
}

static void load_schedules(struct timekeeper *t, const struct store_timetable *table)
{
    char why[SCHEDULE_WHY_MAX];
    for (size_t i = 0; i < table->n_schedules; i++) {
        const struct store_schedule *s = &table->schedules[i];
        struct schedule *loaded = NULL;
        if (schedule_load(s->name, s->doc, s->paused, &loaded, why) == ERR_NONE)
            scheduler_load_schedule(t->scheduler, s->id, loaded);
        else
            LOG(LOG_ERROR, "hub", "bad_schedule", LS("schedule", s->name), LS("why", why),
                LS("fix", "put it anew with 'sonde schedule apply'; until then it does not run"));
    }
}

/* Both are by id. */
static void load_checks(struct timekeeper *t, const struct store_timetable *table)
{
    size_t at = 0;
    for (size_t i = 0; i < table->n_checks; i++) {
        const struct store_check *c = &table->checks[i];
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
        runs_load(&t->runs, table->lanes[i].batch, table->lanes[i].lane, table->lanes[i].opened_at,
                  now.mono);
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

void timekeeper_start(struct timekeeper *t, struct store *s)
{
    runs_start(&t->runs, s);
    chronicle_start(&t->chronicle, s);
}

/* ---- letters */

enum err timekeeper_post(struct timekeeper *t, struct schedule_req *r)
{
    REQUIRE(r != NULL && r->done != NULL);
    r->letter.weight_bytes = sizeof(*r);
    return mailbox_post(t->box, &r->letter);
}

/* The targets that are new or changed. */
static struct scheduler_check *changed(const struct store_put *put, size_t *n)
{
    struct scheduler_check *checks = mem_array(put->n_targets + 1, sizeof(*checks));
    *n = 0;
    for (size_t i = 0; i < put->n_targets; i++) {
        const struct schedule_target *x = &put->targets[i];
        if (put->what[i] == PUT_NEW || put->what[i] == PUT_CHANGED)
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
    struct scheduler_check *checks = changed(p, &n);
    r->schedule = NULL;
    runs_expect(&t->runs, s, mono_now());
    scheduler_put(t->scheduler, p->id, s, checks, n, p->removed, p->n_removed, check_now());
    free(checks);
}

static void serve(struct timekeeper *t, struct schedule_req *r)
{
    switch (r->op) {
    case SREQ_PUT:
        put(t, r);
        break;
    case SREQ_REMOVE:
        r->found = scheduler_remove(t->scheduler, r->id, check_now());
        break;
    case SREQ_PAUSE:
        r->found = scheduler_pause(t->scheduler, r->id, r->pause, check_now());
        break;
    case SREQ_ACK:
        r->err = scheduler_ack(t->scheduler, r->incident, r->who, r->note, check_now());
        break;
    case SREQ_SCHEDULES:
        r->n_views = scheduler_views(t->scheduler, r->name[0] ? r->name : NULL, &r->views);
        break;
    case SREQ_CHECKS:
        r->n_checks = scheduler_checks(t->scheduler, &r->filter, &r->checks, &r->last, &r->more);
        break;
    }
    r->done(r);
}

static bool take_letters(struct timekeeper *t)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    bool any = mailbox_take_all(t->box, &got) > 0;
    while ((n = list_pop_front(&got)) != NULL)
        serve(t, CONTAINER_OF(n, struct schedule_req, letter.node));
    return any;
}

bool timekeeper_take(struct timekeeper *t)
{
    runs_take(&t->runs, mono_now());
    chronicle_take(&t->chronicle);
    return take_letters(t);
}

void timekeeper_close(struct timekeeper *t)
{
    mailbox_close(t->box);
    (void)take_letters(t);
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

/* ---- the clock */

static bool all_committed(const struct timekeeper *t)
{
    return runs_idle(&t->runs) && chronicle_idle(&t->chronicle);
}

/* True: the clock stands, until what is under way is committed. */
static bool snapshot(struct timekeeper *t, struct mono now)
{
    bool due = mono_diff_ms(now, t->snapshot_at) >= SNAPSHOT_MS;
    if (!mono_is_set(t->wanted_at) && !due)
        return false;
    if (!mono_is_set(t->wanted_at))
        t->wanted_at = now;
    if (all_committed(t)) {
        chronicle_snapshot(&t->chronicle, t->scheduler, wall_now());
    } else if (mono_diff_ms(now, t->wanted_at) < SNAPSHOT_WAIT_MS) {
        return true;
    } /* else the store is ill: the next one */
    t->snapshot_at = now;
    t->wanted_at = (struct mono){0};
    return false;
}

#define STANDING_MS 5 /* a commit, about */

int timekeeper_run(struct timekeeper *t)
{
    struct check_now now = check_now();
    if (t->stopping)
        return TIMEKEEPER_WAIT_MAX_MS;
    if (snapshot(t, now.mono))
        return STANDING_MS;
    scheduler_tick(t->scheduler, now);
    return scheduler_wait_ms(t->scheduler, now, TIMEKEEPER_WAIT_MAX_MS);
}

void timekeeper_flush(struct timekeeper *t)
{
    runs_flush(&t->runs);
    chronicle_flush(&t->chronicle);
}

void timekeeper_tick(struct timekeeper *t)
{
    runs_tick(&t->runs, mono_now());
    chronicle_tick(&t->chronicle);
}

/* ---- the end */

void timekeeper_stop(struct timekeeper *t)
{
    t->stopping = true;
    t->wanted_at = mono_now();
    runs_stop(&t->runs);
}

bool timekeeper_stopped(struct timekeeper *t)
{
    REQUIRE(t->stopping);
    if (mono_is_set(t->wanted_at)) {
        if (!all_committed(t))
            return false;
        chronicle_snapshot(&t->chronicle, t->scheduler, wall_now());
        t->wanted_at = (struct mono){0};
    }
    return chronicle_done(&t->chronicle);
}
