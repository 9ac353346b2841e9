/* SPDX-License-Identifier: MIT */
#include "master/alert/sender_impl.h"
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"
#include "common/require.h"

#define BACK_MAX     4096 /* told in the mailbox's figures; answers pass it */
#define WAIT_MAX_MS  1000
#define TELL_TURNS   8 /* what the store took no word of is told anew so often */
#define STOP_LOOK_MS 50

/*
 * A look at the queue: channels are read anew, then what is due. One at a time.
 *
 *      poked, or it is time ──► CHANNELS ──► DUE of all ──► (jobs)
 *                                              │ more are due than were looked at
 *                                              ▼
 *                               DUE of each channel that could do more
 *
 * So a channel that is slow, with many deliveries before it, does not hold up the others.
 */

static void wake(void *arg)
{
    struct sender *s = arg;
    curl_multi_wakeup(s->multi);
}

/* ---- the store */

static void on_answer(struct store_req *q)
{
    struct sender *s = q->arg;
    REQUIRE(mailbox_post_reply(s->answers, &q->letter) == ERR_NONE);
}

struct store_req *sender_request(struct sender *s, enum store_op op)
{
    return store_req_create(op, on_answer, s);
}

bool sender_ask(struct sender *s, struct store_req *q)
{
    if (store_post(s->store, q) != ERR_NONE) {
        store_req_destroy(&q);
        return false;
    }
    s->asked++;
    return true;
}

/* ---- looking */

static void look_ended(struct sender *s)
{
    s->looking = false;
    sender_jobs_forget(s);
}

static void look(struct sender *s, struct mono now)
{
    s->look_at = mono_add_ms(now, SENDER_LOOK_MS);
    s->again = false;
    s->seen_before = s->seen;
    sender_trials_look(s);
    s->looking = sender_ask(s, sender_request(s, STORE_CHANNELS));
}

/* channel "": of all. */
static void look_for_due(struct sender *s, const char *channel)
{
    struct store_req *q = sender_request(s, STORE_DELIVERIES);
    snprintf(q->deliveries.channel, sizeof(q->deliveries.channel), "%s", channel);
    q->deliveries.due = true;
    q->deliveries.state = DELIVERY_PENDING;
    q->deliveries.limit = SENDER_LOOK;
    if (!sender_ask(s, q))
        look_ended(s);
}

static bool has_room(struct sender *s, const char *channel)
{
    return sender_job_may_start(
        s, &(struct store_delivery){.channel = (char *)(uintptr_t)channel, .id = UINT64_MAX});
}

static void look_for_next(struct sender *s)
{
    while (s->next < s->n_channels) {
        const char *name = s->channels[s->next++]->name;
        if (!has_room(s, name))
            continue;
        look_for_due(s, name);
        return;
    }
    look_ended(s);
}

struct alert_channel *sender_channel(struct sender *s, const char *name)
{
    for (unsigned i = 0; i < s->n_channels; i++)
        if (strcmp(s->channels[i]->name, name) == 0)
            return s->channels[i];
    return NULL;
}

static void forget_channels(struct sender *s)
{
    while (s->n_channels > 0)
        alert_channel_free(&s->channels[--s->n_channels]);
}

static void on_channels(struct sender *s, struct store_req *q)
{
    char why[ALERT_WHY_MAX];
    forget_channels(s);
    for (unsigned i = 0; q->err == ERR_NONE && i < q->channels.n && i < ALERT_CHANNELS_MAX; i++) {
        const struct store_channel *c = &q->channels.items[i];
        if (alert_channel_load(c->name, c->doc, &s->channels[s->n_channels], why) == ERR_NONE)
            s->n_channels++;
        else
            LOG(LOG_ERROR, "alert", "bad_channel", LS("channel", c->name), LS("why", why));
    }
    sender_trials_begin(s, q->err ? "the store could not be read: try again" : NULL);
    s->next = s->n_channels;
    if (q->err == ERR_NONE)
        look_for_due(s, "");
    else
        look_ended(s);
}

static void consider(struct sender *s, const struct store_delivery *d, struct mono now,
                     struct wall wall)
{
    if (d->next_at.us > wall.us) {
        struct mono at = mono_add_ms(now, (d->next_at.us - wall.us) / 1000 + 1);
        if (mono_before(at, s->look_at))
            s->look_at = at;
        return;
    }
    if (d->id > s->seen)
        s->seen = d->id;
    if (sender_channel(s, d->channel) == NULL && d->id > s->seen_before) {
        s->again = true;
        return;
    }
    if (!sender_job_may_start(s, d))
        return;
    struct job *j = sender_job_create(s, sender_channel(s, d->channel));
    j->d = *d;
    j->d.channel = mem_strdup(d->channel);
    j->d.facts = mem_strdup(d->facts);
    j->d.dedup = mem_strdup(d->dedup ? d->dedup : "");
    j->d.error = NULL;
    sender_job_start(j, now);
}

static void on_due(struct sender *s, struct store_req *q, struct mono now)
{
    struct wall wall = wall_now();
    unsigned n = q->deliveries.n;
    bool of_all = q->deliveries.channel[0] == '\0';
    if (q->err || atomic_load(&s->stopping)) {
        look_ended(s);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        consider(s, &q->deliveries.items[i], now, wall);
    if (of_all)
        gauge_set(&s->stats.waiting, n);
    if (of_all && n > 0 && q->deliveries.more && q->deliveries.items[n - 1].next_at.us <= wall.us)
        s->next = 0;
    look_for_next(s);
}

/* ---- the thread */

static void take_answers(struct sender *s, struct mono now)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    mailbox_take_all(s->answers, &got);
    while ((n = list_pop_front(&got)) != NULL) {
        struct store_req *q = CONTAINER_OF(n, struct store_req, letter.node);
        s->asked--;
        if (q->op == STORE_CHANNELS)
            on_channels(s, q);
        else if (q->op == STORE_DELIVERIES)
            on_due(s, q, now);
        else if (q->op == STORE_DELIVERY_ADD)
            sender_trial_added(s, q, now);
        else
            sender_job_told(s, q);
        store_req_destroy(&q);
    }
}

static void turn(struct sender *s)
{
    struct mono now = mono_now();
    int running;
    sender_trials_take(s, now);
    take_answers(s, now);
    s->again |= atomic_exchange(&s->poked, false);
    if (!s->looking && (s->again || !mono_before(now, s->look_at)))
        look(s, now);
    curl_multi_perform(s->multi, &running);
    sender_jobs_end(s);
    int64_t wait_ms = s->looking ? WAIT_MAX_MS : mono_diff_ms(s->look_at, now);
    wait_ms = wait_ms < 0 ? 0 : wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
    wait_ms = sender_trials_expire(s, now, wait_ms);
    curl_multi_poll(s->multi, NULL, 0, (int)wait_ms, NULL);
}

static bool busy(struct sender *s)
{
    LIST_EACH (&s->jobs, n) {
        const struct job *j = CONTAINER_OF(n, struct job, node);
        if (j->running || j->told)
            return true;
    }
    return false;
}

/* What is under way may still end, and be told. */
static void wind_up(struct sender *s)
{
    struct mono until = mono_add_ms(mono_now(), SENDER_STOP_MS);
    int running;
    mailbox_close(s->tests);
    sender_trials_take(s, mono_now());
    sender_trials_refuse(s, "the master is stopping");
    while (busy(s) && mono_before(mono_now(), until)) {
        take_answers(s, mono_now());
        curl_multi_perform(s->multi, &running);
        sender_jobs_end(s);
        curl_multi_poll(s->multi, NULL, 0, STOP_LOOK_MS, NULL);
    }
}

static void *sender_main(void *arg)
{
    struct sender *s = arg;
    REQUIRE(s != NULL && s->store != NULL);
    pthread_setname_np(pthread_self(), "sender");
    for (unsigned turns = 1; !atomic_load(&s->stopping); turns++) {
        turn(s);
        if (turns % TELL_TURNS == 0)
            sender_jobs_tell(s);
    }
    wind_up(s);
    return NULL;
}

/* ---- life */

struct sender *sender_create(struct store *store)
{
    struct sender *s = mem_zalloc(sizeof(*s));
    REQUIRE(store != NULL);
    s->store = store;
    s->multi = curl_multi_init();
    REQUIRE(s->multi != NULL);
    s->tests = mailbox_create("alert-tests", ALERT_TESTS_MAX, SIZE_MAX, wake, s);
    s->answers = mailbox_create("alert-answers", BACK_MAX, SIZE_MAX, wake, s);
    list_init(&s->jobs);
    PTOK(pthread_create(&s->thread, NULL, sender_main, s));
    return s;
}

void sender_stop(struct sender *s)
{
    if (s == NULL)
        return;
    REQUIRE(!atomic_load(&s->stopping));
    atomic_store(&s->stopping, true);
    curl_multi_wakeup(s->multi);
    PTOK(pthread_join(s->thread, NULL));
}

/* What the store answered when it closed. */
static void drop_answers(struct sender *s)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    mailbox_take_all(s->answers, &got);
    while ((n = list_pop_front(&got)) != NULL) {
        struct store_req *q = CONTAINER_OF(n, struct store_req, letter.node);
        store_req_destroy(&q);
        s->asked--;
    }
    REQUIRE(s->asked == 0);
}

void sender_destroy(struct sender **sp)
{
    struct sender *s = *sp;
    struct list_node *n;
    if (s == NULL)
        return;
    *sp = NULL;
    REQUIRE(atomic_load(&s->stopping));
    drop_answers(s);
    while ((n = list_first(&s->jobs)) != NULL)
        sender_job_free(CONTAINER_OF(n, struct job, node));
    forget_channels(s);
    curl_multi_cleanup(s->multi);
    mailbox_destroy(&s->tests);
    mailbox_destroy(&s->answers);
    free(s);
}

void sender_poke(void *sender)
{
    struct sender *s = sender;
    if (s == NULL)
        return;
    atomic_store(&s->poked, true);
    curl_multi_wakeup(s->multi);
}

enum err sender_test(void *sender, struct alert_test *t)
{
    struct sender *s = sender;
    REQUIRE(t != NULL && t->done != NULL);
    t->letter.weight_bytes = sizeof(*t);
    return mailbox_post(s->tests, &t->letter);
}

struct sender_stats *sender_stats(struct sender *s)
{
    return &s->stats;
}
