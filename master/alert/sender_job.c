/* SPDX-License-Identifier: MIT */
#include "master/alert/sender_impl.h"
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/require.h"

#define RETRY_BASE_S  2
#define RETRY_DOUBLED 12 /* times; by then SENDER_RETRY_MAX_S is what counts */

struct job *sender_job_create(struct sender *s, const struct alert_channel *channel)
{
    struct job *j = mem_zalloc(sizeof(*j));
    char why[ALERT_WHY_MAX];
    j->sender = s;
    if (channel != NULL)
        REQUIRE(alert_channel_load(channel->name, channel->doc, &j->channel, why) == ERR_NONE);
    list_push_back(&s->jobs, &j->node);
    return j;
}

void sender_job_free(struct job *j)
{
    REQUIRE(j->test == NULL);
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

static struct job *job_find(struct sender *s, uint64_t delivery)
{
    LIST_EACH (&s->jobs, n) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (j->d.id == delivery)
            return j;
    }
    return NULL;
}

/* ---- its end */

/* What became of it, as the store is to keep it. */
static void tell(struct job *j)
{
    struct store_req *q = sender_request(j->sender, STORE_DELIVERY_TELL);
    struct store_delivery *d = &q->delivery;
    REQUIRE(!j->running && !j->over && j->d.id != 0);
    *d = j->d;
    d->channel = d->facts = d->dedup = NULL;
    d->error = j->d.error ? mem_strdup(j->d.error) : NULL;
    j->told = sender_ask(j->sender, q); /* else at a later turn */
}

static void set_error(struct job *j, const char *why)
{
    free(j->d.error);
    j->d.error = why != NULL && why[0] != '\0' ? mem_strdup(why) : NULL;
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
    return j->trial || j->hopeless || s == 400 || s == 413 || s == 422;
}

/* Half of it at least: not all of those that failed together come back together. */
static int64_t retry_in_ms(unsigned attempts)
{
    int64_t delay_s = RETRY_BASE_S << (attempts < RETRY_DOUBLED ? attempts : RETRY_DOUBLED);
    delay_s = delay_s < SENDER_RETRY_MAX_S ? delay_s : SENDER_RETRY_MAX_S;
    return delay_s * 500 + (int64_t)(random_u64() % (uint64_t)(delay_s * 500));
}

static void end(struct job *j, enum delivery_state state, const char *why, struct mono now)
{
    struct sender_stats *stats = &j->sender->stats;
    struct wall wall = wall_now();
    bool again = state == DELIVERY_FAILED && !is_final(j) &&
                 wall.us - j->d.created_at.us < SENDER_GIVE_UP_S * INT64_C(1000000);
    set_error(j, why);
    j->d.state = again ? DELIVERY_PENDING : state;
    if (again)
        j->d.next_at = (struct wall){wall.us + retry_in_ms(j->d.attempts) * 1000};
    else
        j->d.ended_at = wall;
    counter_add(again                      ? &stats->retried
                : state == DELIVERY_DONE   ? &stats->delivered
                : state == DELIVERY_FAILED ? &stats->failed
                                           : &stats->skipped,
                1);
    if (state != DELIVERY_SKIPPED)
        log_end(j,
                again                    ? "not_delivered"
                : state == DELIVERY_DONE ? "delivered"
                                         : "given_up",
                now);
    sender_trial_end(j, now);
    tell(j);
}

/* ---- its beginning */

/* Of one incident, so that the later one waits. */
static bool same_incident(const struct store_delivery *a, const struct store_delivery *b)
{
    return a->incident != 0 && a->incident == b->incident;
}

bool sender_job_may_start(struct sender *s, const struct store_delivery *d)
{
    unsigned of_channel = 0;
    if (s->jobs.count >= SENDER_ACTIVE_MAX)
        return false;
    LIST_EACH (&s->jobs, n) {
        const struct job *j = CONTAINER_OF(n, struct job, node);
        if (j->d.id == d->id)
            return false;
        if (j->d.channel == NULL || strcmp(j->d.channel, d->channel) != 0)
            continue;
        of_channel += !j->over;
        if (same_incident(&j->d, d))
            return false;
    }
    return of_channel < SENDER_CHANNEL_MAX;
}

static void give_up(struct job *j, const char *why, struct mono now)
{
    j->hopeless = true;
    end(j, DELIVERY_FAILED, why, now);
}

void sender_job_start(struct job *j, struct mono now)
{
    struct sender *s = j->sender;
    struct alert_message m;
    char why[ALERT_WHY_MAX];
    REQUIRE(!j->running && !mono_is_set(j->began));
    j->began = now;
    if (j->channel == NULL) {
        give_up(j, "there is no such channel any more", now);
        return;
    }
    if (!j->trial && !alert_channel_wants(j->channel, j->d.facts)) {
        end(j, DELIVERY_SKIPPED, NULL, now);
        return;
    }
    j->d.attempts++;
    j->d.status = 0;
    if (alert_render(j->channel, j->d.facts, j->d.dedup, wall_now(), &m, why) != ERR_NONE) {
        give_up(j, why, now);
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

/* ---- what happens meanwhile */

void sender_jobs_end(struct sender *s)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
        struct mono now = mono_now();
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

void sender_jobs_tell(struct sender *s)
{
    LIST_EACH (&s->jobs, n) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (!j->running && !j->told && !j->over && mono_is_set(j->began))
            tell(j);
    }
}

/* What a look that began before has read of it is old: it stays known until that look has ended. */
void sender_job_told(struct sender *s, const struct store_req *q)
{
    struct job *j = job_find(s, q->delivery.id);
    REQUIRE(j != NULL && j->told);
    j->told = false;
    if (q->err != ERR_NONE && q->err != ERR_NOT_FOUND)
        return; /* once more, at a later turn */
    j->over = true;
    if (!s->looking)
        sender_jobs_forget(s);
    s->again = true; /* what waited behind it may go */
}

void sender_jobs_forget(struct sender *s)
{
    LIST_EACH_SAFE (&s->jobs, n, tmp) {
        struct job *j = CONTAINER_OF(n, struct job, node);
        if (j->over)
            sender_job_free(j);
    }
}
