/* SPDX-License-Identifier: MIT */
#pragma once

/* schedule_hub - the small scheduler of schedule_world.h, and its start and stop. */

static inline void sk_learn(struct schedule_req *q)
{
    const struct store_put *p = q->put;
    struct fk_told *t = &sk.log[sk.n_log - 1];
    t->version = p->version;
    t->removed = p->n_removed;
    for (size_t i = 0; i < p->n_targets; i++) {
        t->changed += p->what[i] != PUT_SAME;
        if (p->what[i] != PUT_NEW || sk.n_checks == FK_CHECKS)
            continue;
        sk.checks[sk.n_checks++] =
            (struct fk_check){p->ids[i], q->id, mem_strdup(p->targets[i].key), mem_strdup(""),
                              mem_strdup(q->schedule->name)};
    }
    schedule_free(&q->schedule); /* it was taken */
}

static inline void sk_views(struct schedule_req *q)
{
    q->views = mem_array(FK_SCHEDULES, sizeof(*q->views));
    for (size_t i = 0; i < sk.n_checks; i++) {
        const struct fk_check *c = &sk.checks[i];
        size_t v = 0;
        if ((q->from[0] && strcmp(c->name, q->from) < 0) ||
            (q->to[0] && strcmp(c->name, q->to) > 0))
            continue;
        while (v < q->n_views && q->views[v].id != c->schedule)
            v++;
        if (v == q->n_views) {
            q->views[q->n_views++] = (struct scheduler_view){.id = c->schedule, .runs = 5};
            snprintf(q->views[v].name, sizeof(q->views[v].name), "%s", c->name);
            q->views[v].missed[PLAN_MISS_no_agent] = 2;
        }
        q->views[v].checks++;
        q->views[v].by_state[VERDICT_UP]++;
    }
    sk.n_views = q->n_views;
}

static inline void sk_view(const struct fk_check *c, struct scheduler_check_view *v)
{
    *v = (struct scheduler_check_view){.id = c->id,
                                       .schedule = mem_strdup(c->name),
                                       .key = mem_strdup(c->key),
                                       .host = mem_strdup("a.test"),
                                       .state = VERDICT_UP,
                                       .since = {1700000000000000},
                                       .next = {1700000060000000},
                                       .confirmed = true,
                                       .slot = 12,
                                       .total_ms = 41.5,
                                       .cert_not_after = 4102444800,
                                       .has_goal = sk.has_goal,
                                       .goal = sk.goal};
    memcpy(v->recent, sk.recent, sizeof(v->recent));
}

static inline int sk_by_id(const void *a, const void *b)
{
    const struct fk_check *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static inline void sk_check_list(struct schedule_req *q)
{
    const struct scheduler_filter *f = &q->filter;
    qsort(sk.checks, sk.n_checks, sizeof(*sk.checks), sk_by_id);
    q->checks = mem_array(f->limit + 1, sizeof(*q->checks));
    for (size_t i = 0; i < sk.n_checks; i++) {
        const struct fk_check *c = &sk.checks[i];
        if (c->id <= f->after || (f->only && c->id != f->only) ||
            (f->schedule && strcmp(f->schedule, c->name) != 0) ||
            (f->state >= 0 && f->state != VERDICT_UP) || (f->host && strcmp(f->host, "a.test")))
            continue;
        if (q->n_checks == f->limit) {
            q->more = true;
            return;
        }
        sk_view(c, &q->checks[q->n_checks++]);
        q->last = c->id;
    }
}

static inline bool sk_changes(const struct schedule_req *q)
{
    return q->op == SREQ_PUT || q->op == SREQ_REMOVE || q->op == SREQ_PAUSE;
}

static inline void sk_serve(struct schedule_req *q)
{
    bool change = sk_changes(q);
    PTOK(pthread_mutex_lock(&sk.lock));
    unsigned slow_ms = change ? sk.slow_ms : 0;
    if (change) {
        ck_assert_uint_lt(sk.n_log, FK_LOG);
        sk.log[sk.n_log++] = (struct fk_told){.op = q->op, .id = q->id, .pause = q->pause};
    }
    q->found = true;
    if (q->op == SREQ_PUT)
        sk_learn(q);
    else if (q->op == SREQ_SCHEDULES)
        sk_views(q);
    else if (q->op == SREQ_CHECKS)
        sk_check_list(q);
    else if (q->op == SREQ_ACK) {
        q->err = sk.ack;
        memcpy(sk.acked_by, q->who, sizeof(sk.acked_by));
        memcpy(sk.note, q->note, sizeof(sk.note));
    }
    PTOK(pthread_mutex_unlock(&sk.lock));
    usleep(slow_ms * 1000);
    if (change)
        atomic_fetch_sub(&sk.changing, 1);
    q->done(q);
}

static void *sk_run(void *arg)
{
    struct list got;
    while (!mailbox_finished(sk.box)) {
        list_init(&got);
        mailbox_wait(sk.box, &got, -1);
        for (struct list_node *n; (n = list_pop_front(&got)) != NULL;)
            sk_serve(CONTAINER_OF(n, struct schedule_req, letter.node));
    }
    return arg;
}

static enum err sk_ask(void *arg, struct schedule_req *q)
{
    if (atomic_load(&sk.full) > 0) {
        atomic_fetch_sub(&sk.full, 1);
        return ERR_FULL;
    }
    unsigned n = sk_changes(q) ? atomic_fetch_add(&sk.changing, 1) + 1 : 0;
    if (n > atomic_load(&sk.changing_most))
        atomic_store(&sk.changing_most, n);
    return mailbox_post(arg, &q->letter);
}

/* ---- the sender of alerts */

static enum err sk_test_alert(void *arg, struct alert_test *t)
{
    t->found = strcmp(t->name, "ops") == 0;
    t->status = 500;
    t->took_ms = 12;
    snprintf(t->error, sizeof(t->error), "the service said no");
    t->done(t);
    return ERR_NONE;
}

/* ---- start and stop */

static inline void schedule_world_start(void)
{
    memset(&fk, 0, sizeof(fk));
    fk.runs_page = FK_ITEMS;
    strbuf_init(&fk.hour_bytes, 1 << 20);
    strbuf_grow(&fk.hour_bytes, 1 << 19); /* hours point into it */
    sk.n_log = 0;
    sk.box = mailbox_create("scheduler", 1000, SIZE_MAX, NULL, NULL);
    PTOK(pthread_create(&sk.thread, NULL, sk_run, NULL));
    w.more = (struct api_config){.ask_schedule = sk_ask,
                                 .schedule_arg = sk.box,
                                 .test_alert = sk_test_alert,
                                 .check_metrics = w.more.check_metrics,
                                 .schedule_stats = w.more.schedule_stats};
    world_start();
}

static inline void schedule_world_stop(void)
{
    world_stop();
    mailbox_close(sk.box);
    PTOK(pthread_join(sk.thread, NULL));
    mailbox_destroy(&sk.box);
    for (size_t i = 0; i < sk.n_checks; i++)
        fk_check_free(&sk.checks[i]);
    sk.n_checks = 0;
    for (size_t i = 0; i < fk.n_checks; i++)
        fk_check_free(&fk.checks[i]);
    for (unsigned i = 0; i < fk.n_schedules; i++) {
        free(fk.schedules[i].doc);
        free(fk.schedules[i].owner);
    }
    for (unsigned i = 0; i < fk.n_channels; i++)
        store_channel_fini(&fk.channels[i]);
    strbuf_fini(&fk.hour_bytes);
}

/* Adds an hour in one state, with one run. */
static inline void fk_hour(uint64_t check, uint32_t hour, enum verdict_state s)
{
    struct rollup r;
    struct wall at = {hour * INT64_C(3600000000)};
    struct result_timings t;
    result_timings_init(&t);
    t.total_ms = 40;
    rollup_init_hour(&r, at);
    rollup_state(&r, s, at, (struct wall){at.us + INT64_C(3600000000)});
    rollup_run(&r, s == VERDICT_UP ? OUTCOME_OK : OUTCOME_FAILED, &t);
    size_t begin = fk.hour_bytes.len;
    rollup_encode(&r, &fk.hour_bytes);
    ck_assert_uint_lt(fk.n_hours, FK_ITEMS);
    fk.hours[fk.n_hours++] = (struct store_hour){.check = check,
                                                 .hour = hour,
                                                 .bytes = fk.hour_bytes.data + begin,
                                                 .len = fk.hour_bytes.len - begin};
    rollup_fini(&r);
}

static inline struct answer send_as(const char *token, const char *method, const char *path,
                                    const char *body)
{
    return ask_as(token, method, path, "", body, body ? strlen(body) : 0);
}
static inline struct answer put(const char *path, const char *body)
{
    return send_as(w.token, "PUT", path, body);
}

static inline void expect(struct answer a, int status, const char *text)
{
    ck_assert_msg(a.status == status, "%d %s", a.status, a.body ? a.body : "");
    ck_assert_msg(text == NULL || has(&a, text), "no %s in %s", text, a.body);
    answer_free(&a);
}
