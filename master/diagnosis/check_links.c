/* SPDX-License-Identifier: MIT */
#include "master/diagnosis/checks.h"
#include "proto/limits.h"
#include <stdio.h>

/* The connections to the agents: who is silent, where what was sent waits, and why sessions end. */

#define LATE_MS          (HEARTBEAT_MS * 3 / 2) /* without a heartbeat; suspect comes later */
#define RECVQ_WARN_BYTES 65536                  /* unread: an agent that reads never has so much */
#define CUT_NEWS_MS      600000                 /* who was cut for being slow is news for so long */
#define CUTS_HOUR_WARN   3 /* sessions of one agent that were cut: so often is no chance … */
#define CUTS_DAY_WARN    12
#define CUTS_HOUR_BAD    20 /* … and so it is as good as away */

static void half_open(const struct agent_view *v, struct diag_finding *out)
{
    char age[HUMAN_MAX];
    int64_t silent_ms = v->has_hb ? v->heartbeat_age_ms : v->connected_ms;
    if (!diag_connected(v) || silent_ms < LATE_MS)
        return;
    diag_item(out, DIAG_WARN, v->name, "%s for %s%s; %llu tasks there",
              v->has_hb ? "no heartbeat" : "connected, and no heartbeat",
              human_duration(silent_ms / 1000, age), v->state == AGENT_SUSPECT ? ", suspect" : "",
              (unsigned long long)v->leases);
}

void check_half_open(const struct diag_facts *f, struct diag_finding *out)
{
    for (unsigned i = 0; i < f->n_agents; i++)
        half_open(&f->agents[i], out);
    unsigned n = diag_items(out), of = diag_count_connected(f);
    diag_figure(out, "silent", n);
    diag_say(out, diag_is_bulk(n, of) ? DIAG_BAD : DIAG_OK, "%u of %u connected are silent", n, of);
}

/* ---- slow consumers: a byte that was sent and not received is in one of three places */

struct places {
    int64_t sendq; /* of the master's socket, with what that does not take; −1: not known */
    int64_t recvq; /* of the agent's; −1: not known */
    int64_t way;   /* in neither: a proxy's buffers, or the network */
};

static int64_t known(int64_t v)
{
    return v > 0 ? v : 0;
}

/* The queues hold other lines, too, and TLS adds to them: what they hold beyond what is missing is
 * none of it. */
static struct places places_of(const struct agent_view *v)
{
    struct places p = {.sendq = v->has_link ? v->link.sendq_bytes : -1, .recvq = v->hb.recvq_bytes};
    int64_t left = (int64_t)v->untaken_bytes - known(p.sendq) - known(p.recvq);
    int64_t held = left < v->held_bytes ? known(left) : v->held_bytes;
    if (held > 0)
        p.sendq = known(p.sendq) + held;
    p.way = known(left - held);
    return p;
}

static const char *side_of(const struct places *p)
{
    if (p->recvq > 0 && p->recvq >= p->way && p->recvq >= p->sendq)
        return "in its Recv-Q";
    return p->sendq > p->way ? "in the master's Send-Q" : "on the way";
}

static const char *queue_text(int64_t bytes, char buf[HUMAN_MAX])
{
    return bytes < 0 ? "not known" : bytes == 0 ? "empty" : human_bytes((uint64_t)bytes, buf);
}

static void slow_consumer(const struct agent_view *v, struct diag_finding *out)
{
    char missing[HUMAN_MAX], s[HUMAN_MAX], w[HUMAN_MAX], r[HUMAN_MAX];
    struct places p = places_of(v);
    diag_item(out, DIAG_WARN, v->name,
              "%s: %llu tasks, %s not received; the master's Send-Q %s, on the way %s, its Recv-Q "
              "%s; %lld of %lld slots run%s",
              side_of(&p), (unsigned long long)v->untaken, human_bytes(v->untaken_bytes, missing),
              queue_text(p.sendq, s), queue_text(p.way, w), queue_text(p.recvq, r),
              (long long)v->hb.running, (long long)v->hb.slots,
              v->slow && p.recvq > 0 ? "; it does not read" : "");
}

static bool is_slow(const struct agent_view *v)
{
    return diag_tells(v) && (v->slow || v->hb.recvq_bytes >= RECVQ_WARN_BYTES);
}

/* A sixteenth of the slots, and one at least, is not for bulk: with that left and tasks that wait,
 * bulk has them all. */
static bool pool_is_full(const struct agent_view *v)
{
    int64_t kept = v->hb.slots >= 32 ? v->hb.slots / 16 : 1;
    if (!diag_tells(v) || v->hb.slots <= 0)
        return false;
    return v->hb.running >= v->hb.slots - (v->hb.queue > 0 ? kept : 0);
}

/* What waits there waits for targets, under a bound that the agent tells: it is named, and well. */
static void full_pool(const struct agent_view *v, struct diag_finding *out)
{
    diag_item(out, DIAG_OK, v->name, "in its pool: %lld of %lld slots run, %lld tasks wait for one",
              (long long)v->hb.running, (long long)v->hb.slots, (long long)known(v->hb.queue));
}

/* It may be back, and read well for the moment: the cause is not gone by that. */
static bool cut_while_slow(const struct agent_view *v, struct diag_finding *out)
{
    char age[HUMAN_MAX];
    bool slow = v->last_end.cause == END_slow_consumer || v->last_end.cause == END_write_stalled;
    if (!slow || v->last_end.ago_ms > CUT_NEWS_MS)
        return false;
    diag_item(out, DIAG_WARN, v->name, "cut %s ago as %s: %s",
              human_duration(v->last_end.ago_ms / 1000, age), end_word(v->last_end.cause),
              v->last_end.detail ? v->last_end.detail : "");
    return true;
}

void check_slow_consumers(const struct diag_facts *f, struct diag_finding *out)
{
    unsigned slow = 0, full = 0, cut = 0;
    int64_t sendq = 0, way = 0, recvq = 0, pool = 0;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        if (is_slow(v)) {
            struct places p = places_of(v);
            slow_consumer(v, out);
            slow++;
            sendq += known(p.sendq);
            way += p.way;
            recvq += known(p.recvq);
        } else if (pool_is_full(v)) {
            full_pool(v, out);
        }
        cut += cut_while_slow(v, out);
        full += pool_is_full(v);
        pool += diag_tells(v) ? known(v->hb.queue) : 0;
    }
    diag_figure(out, "slow", slow);
    diag_figure(out, "cut_while_slow", cut);
    diag_figure(out, "full_pools", full);
    diag_figure(out, "sendq_bytes", (double)sendq);
    diag_figure(out, "way_bytes", (double)way);
    diag_figure(out, "recvq_bytes", (double)recvq);
    diag_figure(out, "pool_tasks", (double)pool);
    diag_say(out, DIAG_OK, "%u of %u connected%s; %u with no slot to spare", slow,
             diag_count_connected(f), cut > 0 ? ", others were cut for it" : "", full);
}

/* ---- why sessions end */

static void put_causes(const struct cuts_sum *c, char *text, size_t max)
{
    size_t len = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < CUTS_CAUSES && c->causes[i].cause != END_NONE && len < max; i++)
        len += (size_t)snprintf(text + len, max - len, "%s%s %u", i > 0 ? ", " : "",
                                end_word(c->causes[i].cause), c->causes[i].n);
}

static enum diag_state cuts_state(const struct cuts_sum *c)
{
    enum diag_state s = diag_over(c->hour, CUTS_HOUR_WARN, CUTS_HOUR_BAD);
    return s == DIAG_OK && c->day >= CUTS_DAY_WARN ? DIAG_WARN : s;
}

void check_reconnects(const struct diag_facts *f, struct diag_finding *out)
{
    char causes[160];
    unsigned hour = 0, day = 0;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct cuts_sum *c = &f->agents[i].cuts;
        enum diag_state s = cuts_state(c);
        hour += c->hour;
        day += c->day;
        if (s == DIAG_OK)
            continue;
        put_causes(c, causes, sizeof(causes));
        diag_item(out, s, f->agents[i].name, "cut %u times in the last hour, %u%s in 24 h: %s",
                  c->hour, c->day, c->more ? " or more" : "", causes);
    }
    diag_figure(out, "hour", hour);
    diag_figure(out, "day", day);
    diag_say(out, DIAG_OK, "%u sessions were cut in the last hour, %u in 24 h; %u agents stand out",
             hour, day, diag_items(out));
}

void check_session_ages(const struct diag_facts *f, struct diag_finding *out)
{
    const struct ages_pile *p = &f->pile;
    diag_figure(out, "ended", p->of);
    diag_figure(out, "piled_up", p->n);
    diag_figure(out, "age_s", p->n > 0 ? (double)p->age_ms / 1000 : -1);
    diag_figure(out, "heartbeat_s", HEARTBEAT_MS / 1000.0);
    if (p->n == 0)
        diag_say(out, DIAG_OK, "the ages of the %u that ended in 24 h do not pile up", p->of);
    else if (p->age_ms < 3 * HEARTBEAT_MS)
        diag_say(out, DIAG_BAD,
                 "%u of %u sessions ended at %.1f s: a time-out of less than three heartbeats of "
                 "%d s each",
                 p->n, p->of, (double)p->age_ms / 1000, HEARTBEAT_MS / 1000);
    else
        diag_say(out, DIAG_WARN,
                 "%u of %u sessions ended at %.0f s, with heartbeats every %d s: something limits "
                 "their age or hears one side alone",
                 p->n, p->of, (double)p->age_ms / 1000, HEARTBEAT_MS / 1000);
}
