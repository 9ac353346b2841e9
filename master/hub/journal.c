/* SPDX-License-Identifier: MIT */
#include "master/hub/journal.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/bucket.h"
#include "common/human.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/core/ages.h"

struct journal {
    uint64_t epoch;
    struct event_log *log;
    struct ages ages;
    struct bucket refusals;
    uint64_t refusals_left_out; /* since the last one that was kept */
    struct list readers;        /* by core_req.wait_node */
    bool fresh;                 /* something was added since the readers were looked at */
    journal_keep_f *keep;       /* NULL: nobody keeps more */
    void *keep_arg;
    struct wall left_at; /* the last word of a start that did not say that it ended; unset: none */
};

struct journal *journal_create(uint64_t epoch, struct mono now)
{
    struct journal *j = mem_zalloc(sizeof(*j));
    REQUIRE(epoch != 0);
    j->epoch = epoch;
    j->log = event_log_create(epoch);
    bucket_init(&j->refusals, JOURNAL_REFUSALS_RATE, JOURNAL_REFUSALS_BURST, now);
    list_init(&j->readers);
    return j;
}

void journal_destroy(struct journal **jp)
{
    struct journal *j = *jp;
    if (j == NULL)
        return;
    REQUIRE(list_empty(&j->readers));
    event_log_destroy(&j->log);
    free(j);
    *jp = NULL;
}

/* ---- starts and ends */

#define KIND_STARTED "master_started"
#define KIND_STOPPED "master_stopped"
#define KIND_UNCLEAN "master_unclean_stop"

static void load(struct journal *j, const struct store_event *s)
{
    struct event e = {.key = {s->epoch, s->number},
                      .at = s->at,
                      .cause = s->cause,
                      .detail = s->detail,
                      .evidence = s->evidence};
    snprintf(e.kind, sizeof(e.kind), "%s", s->kind);
    snprintf(e.agent, sizeof(e.agent), "%s", s->agent != NULL ? s->agent : "");
    event_log_load(j->log, &e);
}

void journal_load(struct journal *j, const struct store_event *events, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        load(j, &events[i]);
    const struct event *last = event_log_last(j->log);
    if (last != NULL && strcmp(last->kind, KIND_STOPPED) != 0)
        j->left_at = last->at;
}

void journal_keep(struct journal *j, journal_keep_f *keep, void *arg)
{
    j->keep = keep;
    j->keep_arg = arg;
}

/* ---- what is told */

static const char *or_null(const char *s)
{
    return s != NULL && s[0] != '\0' ? s : NULL;
}

static void add(struct journal *j, const char *kind, const char *agent, enum end cause,
                const char *detail, struct strbuf *evidence)
{
    struct event e = {.at = wall_now(), .cause = cause, .detail = (char *)detail};
    snprintf(e.kind, sizeof(e.kind), "%s", kind);
    if (agent != NULL && agent_name_valid(agent)) /* one that was refused may be anything */
        snprintf(e.agent, sizeof(e.agent), "%s", agent);
    REQUIRE(evidence == NULL || !evidence->overflow);
    e.evidence = evidence != NULL ? evidence->data : NULL;
    const struct event *kept = event_log_add(j->log, &e);
    if (j->keep)
        j->keep(j->keep_arg, kept);
    j->fresh = true;
}

/* Trouble of the whole, and not of one agent. */
static bool is_of_all(const char *kind)
{
    static const char *const kinds[] = {"bulk_loss",         "bulk_loss_over",
                                        "bulk_loss_story",   "master_overslept",
                                        "master_overloaded", "master_overload_over"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

void journal_started(struct journal *j)
{
    char at[WALL_TEXT_MAX], detail[EVENT_DETAIL_MAX];
    if (j->left_at.us != 0) {
        snprintf(detail, sizeof(detail),
                 "the master before this one did not end in order: it was killed, its host went "
                 "down, or its last events could not be stored; its last one is of %s",
                 wall_format(j->left_at, at));
        journal_event(j, KIND_UNCLEAN, NULL, detail);
    }
    journal_event(j, KIND_STARTED, NULL, "version " SONDE_VERSION);
}

void journal_stopped(struct journal *j)
{
    journal_event(j, KIND_STOPPED, NULL, "in order");
}

void journal_event(struct journal *j, const char *kind, const char *agent, const char *detail)
{
    if (is_of_all(kind)) /* a place of its own: it comes amid many others */
        LOG(LOG_WARN, "core", kind, LS("detail", detail));
    else
        LOG(LOG_INFO, "core", kind, LS("agent", agent), LS("detail", or_null(detail)));
    add(j, kind, agent, END_NONE, or_null(detail), NULL);
}

static void put_link(struct json_out *w, const struct sockinfo *link)
{
    if (link == NULL)
        return;
    json_int(w, "sendq_bytes", link->sendq_bytes);
    json_int(w, "recvq_bytes", link->recvq_bytes);
    json_u64(w, "unacked_segments", link->unacked);
    json_u64(w, "retransmits", link->retransmits);
}

static void put_end(struct json_out *w, const struct core_session_end *e,
                    const struct sockinfo *link)
{
    char id[24];
    snprintf(id, sizeof(id), "%016" PRIx64, e->id);
    json_obj_begin(w);
    json_str(w, "session", id);
    json_str(w, "peer", e->peer);
    json_int(w, "age_ms", e->age_ms);
    json_int(w, "silent_ms", e->silent_ms);
    json_int(w, "heartbeat_gap_max_ms", e->heartbeat_gap_max_ms);
    if (e->rtt_ms >= 0)
        json_ms(w, "rtt_ms", e->rtt_ms);
    json_u64(w, "sent_tasks", e->sent_tasks);
    json_u64(w, "received_tasks", e->received_tasks);
    json_int(w, "untaken_ms", e->untaken_ms);
    json_u64(w, "leases", e->leases);
    put_link(w, link);
    json_obj_end(w);
}

/* Ages that pile up at one value: something between counts the time. */
static void tell_pile(struct journal *j, const struct ages_pile *p)
{
    struct strbuf b;
    struct json_out w;
    char text[EVENT_DETAIL_MAX];
    snprintf(
        text, sizeof(text),
        "%u of %u sessions ended at %" PRId64 " ± %" PRId64
        " s: check proxy_read_timeout and proxy_send_timeout (nginx -T | sonde-master "
        "check-nginx -), or what else limits the life of a connection on the way to the agents",
        p->n, p->of, (p->age_ms + 500) / 1000, (p->near_ms + 500) / 1000);
    strbuf_init(&b, EVENT_EVIDENCE_MAX);
    json_out_init(&w, &b);
    json_obj_begin(&w);
    json_u64(&w, "sessions", p->n);
    json_u64(&w, "of", p->of);
    json_int(&w, "age_ms", p->age_ms);
    json_int(&w, "within_ms", p->near_ms);
    json_obj_end(&w);
    LOG(LOG_WARN, "core", "proxy_timeout", LS("detail", text));
    add(j, "proxy_timeout", NULL, END_NONE, text, &b);
    strbuf_fini(&b);
}

void journal_session_ended(struct journal *j, const struct core_session_end *e,
                           const struct sockinfo *link, struct mono now)
{
    struct strbuf b;
    struct json_out w;
    struct ages_pile pile;
    const char *kind = e->agent != NULL ? "agent_disconnected" : "session_ended";
    LOG(LOG_INFO, "core", kind, LS("agent", e->agent), LS("cause", end_word(e->cause)),
        LS("detail", or_null(e->detail)), LS("peer", e->peer), LI("age_ms", e->age_ms));
    strbuf_init(&b, EVENT_EVIDENCE_MAX);
    json_out_init(&w, &b);
    put_end(&w, e, link);
    add(j, kind, e->agent, e->cause, or_null(e->detail), &b);
    strbuf_fini(&b);
    if (end_may_be_proxy(e->cause) && ages_add(&j->ages, e->age_ms, now, &pile))
        tell_pile(j, &pile);
}

void journal_pile(const struct journal *j, struct mono now, struct ages_pile *out)
{
    if (!ages_look(&j->ages, now, out))
        *out = (struct ages_pile){.of = out->of};
}

void journal_refused(struct journal *j, const char *peer, int status, const char *why,
                     struct mono now)
{
    struct strbuf b;
    struct json_out w;
    if (!bucket_take(&j->refusals, now)) {
        j->refusals_left_out++;
        return;
    }
    strbuf_init(&b, EVENT_EVIDENCE_MAX);
    json_out_init(&w, &b);
    json_obj_begin(&w);
    json_str(&w, "peer", peer);
    json_int(&w, "status", status);
    json_u64(&w, "left_out_before", j->refusals_left_out);
    json_obj_end(&w);
    add(j, "upgrade_refused", NULL, END_NONE, why, &b);
    strbuf_fini(&b);
    j->refusals_left_out = 0;
}

/* ---- who reads */

static void read_page(struct journal *j, struct core_req *r)
{
    struct event_filter f = {.agent = r->agent, .kind = r->events.kind};
    event_page_fini(&r->events.page);
    if (r->events.after.epoch == 0)
        r->events.after.epoch = j->epoch;
    if (r->events.newest)
        event_log_newest(j->log, &f, r->events.limit, &r->events.page);
    else
        event_log_after(j->log, r->events.after, &f, r->events.limit, &r->events.page);
    r->events.after = r->events.page.last;
    r->events.newest = false;
    r->events.served = true;
    r->found = r->events.page.n > 0 || r->events.page.lost;
}

void journal_serve(struct journal *j, struct core_req *r, struct mono now)
{
    bool begins = r->events.newest;
    REQUIRE(r->events.limit <= EVENTS_PAGE_MAX);
    read_page(j, r);
    if (r->found || begins || r->wait_ms <= 0) {
        r->done(r);
        return;
    }
    r->wait_until = mono_add_ms(now, r->wait_ms);
    list_push_back(&j->readers, &r->wait_node);
}

void journal_tick(struct journal *j, struct mono now)
{
    LIST_EACH_SAFE (&j->readers, n, tmp) {
        struct core_req *r = CONTAINER_OF(n, struct core_req, wait_node);
        if (j->fresh)
            read_page(j, r);
        if (!r->found && mono_before(now, r->wait_until))
            continue;
        list_remove(&j->readers, n);
        r->done(r);
    }
    j->fresh = false;
}

void journal_close(struct journal *j)
{
    struct list_node *n;
    while (j != NULL && (n = list_pop_front(&j->readers)) != NULL) {
        struct core_req *r = CONTAINER_OF(n, struct core_req, wait_node);
        r->done(r);
    }
}
