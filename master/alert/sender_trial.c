/* SPDX-License-Identifier: MIT */
#include "master/alert/sender_impl.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "common/mem.h"
#include "common/random.h"
#include "common/require.h"

/*
 * Messages that somebody wants to see arrive now:
 *
 *      taken ──channels are read──► stored ──committed──► a job as any other, tried once
 *
 * Its row is in the log of deliveries and no part of the queue: who finds it after a crash does not
 * send it.
 */
#define TESTED_TEXT "it was a test, and the master stopped before its answer came"

static void refuse(struct job *j, const char *why)
{
    struct alert_test *t = j->test;
    if (t == NULL)
        return;
    j->test = NULL;
    t->found = true;
    snprintf(t->error, sizeof(t->error), "%s", why);
    t->done(t);
}

static void give_up(struct job *j, const char *why)
{
    refuse(j, why);
    sender_job_free(j);
}

void sender_trials_take(struct sender *s, struct mono now)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    s->again |= mailbox_take_all(s->tests, &got) > 0;
    while ((n = list_pop_front(&got)) != NULL) {
        struct job *j = sender_job_create(s, NULL);
        j->trial = true;
        j->test = CONTAINER_OF(n, struct alert_test, letter.node);
        j->until = mono_add_ms(now, j->test->wait_ms < ALERT_TEST_WAIT_MS ? j->test->wait_ms
                                                                          : ALERT_TEST_WAIT_MS);
    }
}

static char *test_facts(void)
{
    struct strbuf b;
    strbuf_init(&b, ALERT_BODY_MAX);
    alert_facts_put(&(struct alert_facts){.test = true}, &b);
    strbuf_putc(&b, '\0');
    REQUIRE(!b.overflow);
    return strbuf_take(&b, NULL);
}

/* The caller's word with a number of ours: nobody's is used twice. */
static char *test_dedup(const struct alert_test *t)
{
    char text[sizeof(t->dedup) + 32];
    snprintf(text, sizeof(text), "%s %016" PRIx64, t->dedup[0] ? t->dedup : "test", random_u64());
    return mem_strdup(text);
}

/* False: the store has no room for it. */
static bool store(struct job *j)
{
    struct store_req *q = sender_request(j->sender, STORE_DELIVERY_ADD);
    j->d = (struct store_delivery){.channel = mem_strdup(j->channel->name),
                                   .facts = test_facts(),
                                   .dedup = test_dedup(j->test),
                                   .state = DELIVERY_FAILED,
                                   .created_at = wall_now()};
    q->delivery = j->d;
    q->delivery.channel = mem_strdup(j->d.channel);
    q->delivery.facts = mem_strdup(j->d.facts);
    q->delivery.dedup = mem_strdup(j->d.dedup);
    q->delivery.error = mem_strdup(TESTED_TEXT);
    q->delivery.ended_at = j->d.created_at;
    j->stored = true;
    return sender_ask(j->sender, q);
}

static void begin(struct job *j)
{
    const struct alert_channel *c = sender_channel(j->sender, j->test->name);
    char why[ALERT_WHY_MAX];
    if (c == NULL) {
        struct alert_test *t = j->test;
        j->test = NULL;
        sender_job_free(j);
        t->found = false;
        t->done(t);
        return;
    }
    REQUIRE(alert_channel_load(c->name, c->doc, &j->channel, why) == ERR_NONE);
    if (!store(j))
        give_up(j, "the store has no room now: try again");
}

void sender_trials_look(struct sender *s)
{
    LIST_EACH (&s->jobs, n)
        CONTAINER_OF(n, struct job, node)->looked = true;
}

void sender_trials_begin(struct sender *s, const char *problem)
{
    LIST_EACH_SAFE (&s->jobs, n, tmp) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (!j->trial || j->stored || !j->looked)
            continue;
        if (problem != NULL)
            give_up(j, problem);
        else
            begin(j);
    }
}

void sender_trial_added(struct sender *s, const struct store_req *q, struct mono now)
{
    LIST_EACH_SAFE (&s->jobs, n, tmp) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (!j->stored || strcmp(j->d.dedup, q->delivery.dedup) != 0)
            continue;
        if (q->err != ERR_NONE || j->test == NULL) {
            give_up(j, q->why);
            return;
        }
        j->d.id = q->delivery.id;
        sender_job_start(j, now);
        return;
    }
}

void sender_trial_end(struct job *j, struct mono now)
{
    struct alert_test *t = j->test;
    if (t == NULL)
        return;
    j->test = NULL;
    t->found = true;
    t->delivered = j->d.state == DELIVERY_DONE;
    t->status = j->d.status;
    t->took_ms = mono_diff_ms(now, j->began);
    snprintf(t->error, sizeof(t->error), "%s", j->d.error ? j->d.error : "");
    t->done(t);
}

/* One that is stored ends by itself, and is in the log. */
int64_t sender_trials_expire(struct sender *s, struct mono now, int64_t max_ms)
{
    LIST_EACH_SAFE (&s->jobs, n, tmp) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (j->test == NULL)
            continue;
        if (mono_before(now, j->until)) {
            int64_t left_ms = mono_diff_ms(j->until, now) + 1;
            max_ms = left_ms < max_ms ? left_ms : max_ms;
            continue;
        }
        refuse(j, "no answer came in time: the log of deliveries will tell");
        if (!j->stored)
            sender_job_free(j);
    }
    return max_ms;
}

void sender_trials_refuse(struct sender *s, const char *why)
{
    LIST_EACH_SAFE (&s->jobs, n, tmp) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        refuse(j, why);
        if (j->trial && !j->stored)
            sender_job_free(j);
    }
}
