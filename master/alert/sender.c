/* SPDX-License-Identifier: MIT */
#include "master/alert/sender.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/require.h"
#include "master/alert/transfer.h"

#define BACK_MAX     4096
#define RETRY_BASE_S 2
#define WAIT_MAX_MS  1000
#define TESTED_TEXT  "it was a test, and the master stopped before its answer came"

/*
 * A look at the queue: channels are read anew, then what is due. One at a time.
 *
 *      poked, or it is time ──► CHANNELS ──► DUE ──► (jobs)
 */
struct job {
    struct list_node node;
    struct sender *sender;
    struct store_delivery d;
    struct alert_channel *channel; /* as it was at the look */
    struct transfer transfer;
    bool running, told; /* told: its end is on its way to the store */
    struct mono began;
    struct alert_test *test; /* NULL: a real one */
};

struct sender {
    struct store *store;
    pthread_t thread;
    CURLM *multi;
    struct mailbox *tests, *answers;
    _Atomic bool poked, stopping;
    bool looking, again; /* again: poked during a look */
    struct mono look_at;
    struct alert_channel *channels[ALERT_CHANNELS_MAX];
    unsigned n_channels;
    struct list jobs;      /* all that are not in the store as they are now */
    struct list test_wait; /* tests that wait for the channels */
    unsigned asked;        /* store requests under way */
    struct sender_stats stats;
};

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

/* False: the store has no room now; q is gone. */
static bool ask(struct sender *s, struct store_req *q)
{
    if (store_post(s->store, q) != ERR_NONE) {
        store_req_destroy(&q);
        return false;
    }
    s->asked++;
    return true;
}

static void look(struct sender *s, struct mono now)
{
    struct store_req *q = store_req_create(STORE_CHANNELS, on_answer, s);
    s->look_at = mono_add_ms(now, SENDER_LOOK_MS);
    s->again = false;
    s->looking = ask(s, q);
}

static void look_for_due(struct sender *s)
{
    struct store_req *q = store_req_create(STORE_DELIVERIES, on_answer, s);
    q->deliveries.due = true;
    q->deliveries.state = DELIVERY_PENDING;
    q->deliveries.limit = SENDER_LOOK;
    s->looking = ask(s, q);
}

/* What became of it, as the store is to keep it. */
static void tell(struct sender *s, struct job *j)
{
    struct store_req *q = store_req_create(STORE_DELIVERY_TELL, on_answer, s);
    struct store_delivery *d = &q->delivery;
    *d = j->d;
    d->channel = d->facts = d->dedup = NULL;
    d->error = j->d.error ? mem_strdup(j->d.error) : NULL;
    j->told = ask(s, q); /* else at the next turn */
}

/* ---- jobs */

static void job_free(struct job *j)
{
    if (j->running) {
        curl_multi_remove_handle(j->sender->multi, j->transfer.easy);
        j->sender->stats.active.v--;
    }
    transfer_fini(&j->transfer);
    list_remove(&j->sender->jobs, &j->node);
    store_delivery_fini(&j->d);
    alert_channel_free(&j->channel);
    free(j);
}

static struct job *job_find(struct sender *s, uint64_t id)
{
    LIST_EACH (&s->jobs, n) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (j->d.id == id)
            return j;
    }
    return NULL;
}

static struct alert_channel *channel_find(struct sender *s, const char *name)
{
    for (unsigned i = 0; i < s->n_channels; i++)
        if (strcmp(s->channels[i]->name, name) == 0)
            return s->channels[i];
    return NULL;
}

static void set_error(struct job *j, const char *why)
{
    free(j->d.error);
    j->d.error = why != NULL && why[0] != '\0' ? mem_strdup(why) : NULL;
}

static void answer_test(struct job *j, struct mono now)
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

static void log_end(const struct job *j, const char *what, struct mono now)
{
    LOG(j->d.state == DELIVERY_DONE ? LOG_INFO : LOG_WARN, "alert", what,
        LS("channel", j->d.channel), LU("delivery", j->d.id), LS("of", j->d.dedup),
        LU("attempt", j->d.attempts), LI("status", j->d.status),
        LI("took_ms", mono_diff_ms(now, j->began)), LS("error", j->d.error));
}

/* Whatever the service says of the message itself will be said again. */
static bool is_final(const struct job *j)
{
    int s = j->d.status;
    return j->test != NULL || s == 400 || s == 413 || s == 422;
}

static void end(struct job *j, enum delivery_state state, const char *why, struct mono now)
{
    struct sender *s = j->sender;
    struct wall wall = wall_now();
    int64_t delay_s = RETRY_BASE_S << (j->d.attempts < 12 ? j->d.attempts : 12);
    bool again = state == DELIVERY_FAILED && !is_final(j) && j->d.attempts > 0 &&
                 wall.us - j->d.created_at.us < SENDER_GIVE_UP_S * INT64_C(1000000);
    set_error(j, why);
    j->d.state = again ? DELIVERY_PENDING : state;
    if (delay_s > SENDER_RETRY_MAX_S)
        delay_s = SENDER_RETRY_MAX_S;
    /* Half of it at least: not all of those that failed together come back together. */
    int64_t delay_ms = delay_s * 500 + (int64_t)(random_u64() % (uint64_t)(delay_s * 500));
    if (again)
        j->d.next_at = (struct wall){wall.us + delay_ms * 1000};
    else
        j->d.ended_at = wall;
    counter_add(again                      ? &s->stats.retried
                : state == DELIVERY_DONE   ? &s->stats.delivered
                : state == DELIVERY_FAILED ? &s->stats.failed
                                           : &s->stats.skipped,
                1);
    if (state != DELIVERY_SKIPPED)
        log_end(j,
                again                    ? "not_delivered"
                : state == DELIVERY_DONE ? "delivered"
                                         : "given_up",
                now);
    answer_test(j, now);
    tell(s, j);
}

/* True: it is under way; else it has ended already. */
static void start(struct job *j, struct mono now)
{
    struct sender *s = j->sender;
    struct alert_message m;
    char why[ALERT_WHY_MAX];
    j->began = now;
    if (j->channel == NULL) {
        end(j, DELIVERY_FAILED, "there is no such channel any more", now);
        return;
    }
    if (j->test == NULL && !alert_channel_wants(j->channel, j->d.facts)) {
        end(j, DELIVERY_SKIPPED, NULL, now);
        return;
    }
    j->d.attempts++;
    j->d.status = 0;
    if (alert_render(j->channel, j->d.facts, j->d.dedup, wall_now(), &m, why) != ERR_NONE) {
        j->d.status = 400;
        end(j, DELIVERY_FAILED, why, now);
        return;
    }
    if (transfer_init(&j->transfer, j->channel, &m, j) != ERR_NONE ||
        curl_multi_add_handle(s->multi, j->transfer.easy) != CURLM_OK) {
        end(j, DELIVERY_FAILED, "the master has no memory for it", now);
        return;
    }
    j->running = true;
    s->stats.active.v++;
}

static struct job *job_new(struct sender *s, const struct alert_channel *channel)
{
    struct job *j = mem_zalloc(sizeof(*j));
    char why[ALERT_WHY_MAX];
    j->sender = s;
    if (channel != NULL &&
        alert_channel_load(channel->name, channel->doc, &j->channel, why) != ERR_NONE)
        j->channel = NULL;
    list_push_back(&s->jobs, &j->node);
    return j;
}

/* "incident 17 confirmed": all of one incident have the same beginning. */
static bool same_subject(const struct store_delivery *a, const struct store_delivery *b)
{
    const char *end_a = strrchr(a->dedup, ' '), *end_b = strrchr(b->dedup, ' ');
    size_t n = end_a ? (size_t)(end_a - a->dedup) : strlen(a->dedup);
    return (end_b ? (size_t)(end_b - b->dedup) : strlen(b->dedup)) == n &&
           strncmp(a->dedup, b->dedup, n) == 0;
}

static bool may_start(struct sender *s, const struct store_delivery *d)
{
    unsigned of_channel = 0;
    if (s->jobs.count >= SENDER_ACTIVE_MAX)
        return false;
    LIST_EACH (&s->jobs, n) {
        const struct job *j = CONTAINER_OF(n, struct job, node);
        if (j->d.channel == NULL || strcmp(j->d.channel, d->channel) != 0)
            continue;
        of_channel++;
        if (j->d.id == d->id || same_subject(&j->d, d))
            return false;
    }
    return of_channel < SENDER_CHANNEL_MAX;
}

/* An older one of the same incident waits for its next try. */
static bool is_behind(const struct store_delivery *items, unsigned n,
                      const struct store_delivery *d)
{
    for (unsigned i = 0; i < n; i++)
        if (items[i].id < d->id && strcmp(items[i].channel, d->channel) == 0 &&
            same_subject(&items[i], d))
            return true;
    return false;
}

static void on_due(struct sender *s, struct store_req *q, struct mono now)
{
    struct wall wall = wall_now();
    struct store_delivery *items = q->deliveries.items;
    unsigned n = q->err ? 0 : q->deliveries.n;
    s->looking = false;
    gauge_set(&s->stats.waiting, n);
    for (unsigned i = 0; i < n; i++) {
        struct store_delivery *d = &items[i];
        if (d->channel == NULL || is_behind(items, n, d))
            continue;
        if (d->next_at.us > wall.us) {
            struct mono at = mono_add_ms(now, (d->next_at.us - wall.us) / 1000 + 1);
            if (mono_before(at, s->look_at))
                s->look_at = at;
            continue;
        }
        if (!may_start(s, d))
            continue;
        struct job *j = job_new(s, channel_find(s, d->channel));
        j->d = *d;
        j->d.channel = mem_strdup(d->channel);
        j->d.facts = mem_strdup(d->facts);
        j->d.dedup = mem_strdup(d->dedup);
        j->d.error = NULL;
        start(j, now);
    }
}

/* ---- tests */

static void refuse_test(struct alert_test *t, const char *why)
{
    snprintf(t->error, sizeof(t->error), "%s", why);
    t->done(t);
}

static void begin_test(struct sender *s, struct alert_test *t)
{
    struct alert_channel *c = channel_find(s, t->name);
    struct strbuf facts;
    if (c == NULL) {
        t->found = false;
        t->done(t);
        return;
    }
    struct job *j = job_new(s, c);
    struct store_req *q = store_req_create(STORE_DELIVERY_ADD, on_answer, s);
    char dedup[64];
    snprintf(dedup, sizeof(dedup), "test %016llx", (unsigned long long)random_u64());
    strbuf_init(&facts, ALERT_BODY_MAX);
    alert_facts_put(&(struct alert_facts){.test = true}, &facts);
    strbuf_putc(&facts, '\0');
    /* It is no part of the queue: who finds it after a crash does not send it. */
    j->d = (struct store_delivery){.channel = mem_strdup(c->name),
                                   .facts = strbuf_take(&facts, NULL),
                                   .dedup = mem_strdup(dedup),
                                   .state = DELIVERY_FAILED,
                                   .created_at = wall_now()};
    snprintf(t->dedup, sizeof(t->dedup), "%s", dedup);
    j->test = t;
    q->delivery = j->d;
    q->delivery.channel = mem_strdup(j->d.channel);
    q->delivery.facts = mem_strdup(j->d.facts);
    q->delivery.dedup = mem_strdup(j->d.dedup);
    q->delivery.error = mem_strdup(TESTED_TEXT);
    q->delivery.ended_at = j->d.created_at;
    if (ask(s, q))
        return;
    j->test = NULL;
    job_free(j);
    refuse_test(t, "the store has no room now: try again");
}

static void on_added(struct sender *s, struct store_req *q, struct mono now)
{
    LIST_EACH_SAFE (&s->jobs, n, tmp) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (j->test == NULL || j->d.id != 0 || strcmp(j->d.dedup, q->delivery.dedup) != 0)
            continue;
        if (q->err == ERR_NONE) {
            j->d.id = q->delivery.id;
            start(j, now);
            return;
        }
        struct alert_test *t = j->test;
        j->test = NULL;
        job_free(j);
        refuse_test(t, q->why);
        return;
    }
}

static void take_tests(struct sender *s)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    mailbox_take_all(s->tests, &got);
    if (got.count > 0)
        s->again = true;
    while ((n = list_pop_front(&got)) != NULL)
        list_push_back(&s->test_wait, n);
}

/* ---- the answers of the store */

static void forget_channels(struct sender *s)
{
    while (s->n_channels > 0)
        alert_channel_free(&s->channels[--s->n_channels]);
}

static void on_channels(struct sender *s, struct store_req *q)
{
    char why[ALERT_WHY_MAX];
    struct list_node *n;
    forget_channels(s);
    for (unsigned i = 0; q->err == ERR_NONE && i < q->channels.n && i < ALERT_CHANNELS_MAX; i++) {
        const struct store_channel *c = &q->channels.items[i];
        if (alert_channel_load(c->name, c->doc, &s->channels[s->n_channels], why) == ERR_NONE)
            s->n_channels++;
        else
            LOG(LOG_ERROR, "alert", "bad_channel", LS("channel", c->name), LS("why", why));
    }
    while ((n = list_pop_front(&s->test_wait)) != NULL)
        begin_test(s, CONTAINER_OF(n, struct alert_test, letter.node));
    if (q->err == ERR_NONE)
        look_for_due(s);
    else
        s->looking = false;
}

static void on_told(struct sender *s, struct store_req *q)
{
    struct job *j = job_find(s, q->delivery.id);
    if (j == NULL)
        return;
    if (q->err) {
        j->told = false; /* once more, at the next turn */
        return;
    }
    job_free(j);
    s->again = true; /* what waited behind it may go */
}

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
            on_added(s, q, now);
        else
            on_told(s, q);
        store_req_destroy(&q);
    }
}

/* ---- the thread */

static void take_ends(struct sender *s, struct mono now)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
        struct job *j = NULL;
        char why[ALERT_WHY_MAX];
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &j);
        REQUIRE(j != NULL && j->running);
        curl_multi_remove_handle(s->multi, j->transfer.easy);
        j->running = false;
        s->stats.active.v--;
        histogram_add(&s->stats.took_ms, mono_diff_ms_f(now, j->began));
        bool ok = transfer_done(&j->transfer, j->channel, code, &j->d.status, why);
        end(j, ok ? DELIVERY_DONE : DELIVERY_FAILED, why, now);
    }
}

/* What the store took no word of yet: the disk is full, or it was busy. */
static void tell_again(struct sender *s)
{
    LIST_EACH (&s->jobs, n) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (!j->running && !j->told && j->d.id != 0 && mono_is_set(j->began))
            tell(s, j);
    }
}

static void turn(struct sender *s)
{
    struct mono now = mono_now();
    int running;
    take_tests(s);
    take_answers(s, now);
    s->again |= atomic_exchange(&s->poked, false);
    if (!s->looking && (s->again || !mono_before(now, s->look_at)))
        look(s, now);
    curl_multi_perform(s->multi, &running);
    take_ends(s, mono_now());
    int64_t wait_ms = mono_diff_ms(s->look_at, now);
    wait_ms = wait_ms < 0 ? 0 : wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
    curl_multi_poll(s->multi, NULL, 0, s->looking ? WAIT_MAX_MS : (int)wait_ms, NULL);
}

static void finish_tests(struct sender *s)
{
    struct list_node *n;
    take_tests(s);
    while ((n = list_pop_front(&s->test_wait)) != NULL)
        refuse_test(CONTAINER_OF(n, struct alert_test, letter.node), "the master is stopping");
    LIST_EACH (&s->jobs, x) {
        struct job *j = CONTAINER_OF(x, struct job, node);
        if (j->test != NULL)
            refuse_test(j->test, "the master is stopping");
        j->test = NULL;
    }
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

/* What is under way may still end; then every answer of the store has come. */
static void wind_up(struct sender *s)
{
    struct mono until = mono_add_ms(mono_now(), SENDER_STOP_MS);
    int running;
    mailbox_close(s->tests);
    finish_tests(s);
    while (busy(s) && mono_before(mono_now(), until)) {
        take_answers(s, mono_now());
        curl_multi_perform(s->multi, &running);
        take_ends(s, mono_now());
        curl_multi_poll(s->multi, NULL, 0, 50, NULL);
    }
    while (s->asked > 0) {
        take_answers(s, mono_now());
        if (s->asked > 0)
            curl_multi_poll(s->multi, NULL, 0, 50, NULL);
    }
}

static void *sender_main(void *arg)
{
    struct sender *s = arg;
    unsigned turns = 0;
    pthread_setname_np(pthread_self(), "sender");
    while (!atomic_load(&s->stopping)) {
        turn(s);
        if (++turns % 8 == 0)
            tell_again(s);
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
    list_init(&s->test_wait);
    PTOK(pthread_create(&s->thread, NULL, sender_main, s));
    return s;
}

void sender_destroy(struct sender **sp)
{
    struct sender *s = *sp;
    struct list_node *n;
    if (s == NULL)
        return;
    *sp = NULL;
    atomic_store(&s->stopping, true);
    curl_multi_wakeup(s->multi);
    PTOK(pthread_join(s->thread, NULL));
    while ((n = list_first(&s->jobs)) != NULL)
        job_free(CONTAINER_OF(n, struct job, node));
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
