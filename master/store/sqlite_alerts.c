/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_timetable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "master/store/sqlite_db.h"

/* Who is alerted: channels, and the queue of deliveries, which is also their log. */

#define CHANNELS_MAX 256 /* more services nobody has; the list is one answer */
#define DEDUP_MAX    96

/* ---- channels */

static enum err is_there(struct sqlite_db *d, const char *channel, bool *there)
{
    int64_t one = 0;
    sqlite3_stmt *st = sqlite_use(d, SQL_CHANNEL_THERE);
    sqlite_bind_str(st, 1, channel);
    enum err e = sqlite_number(d, st, 0, &one);
    *there = one != 0;
    return e;
}

enum err sqlite_channel_put(struct sqlite_db *d, struct store_req *r, struct wall now)
{
    int64_t n = 0;
    bool there = false;
    REQUIRE(r->channel.name != NULL && r->channel.doc != NULL);
    enum err e = is_there(d, r->channel.name, &there);
    if (!e)
        e = sqlite_number(d, sqlite_use(d, SQL_CHANNELS_FULL), 0, &n);
    if (e)
        return e;
    if (!there && n >= CHANNELS_MAX)
        return sqlite_refuse(r, ERR_FULL,
                             "there are as many channels as this master takes: remove one");
    sqlite3_stmt *st = sqlite_use(d, SQL_CHANNEL_PUT);
    sqlite_bind_str(st, 1, r->channel.name);
    sqlite_bind_str(st, 2, r->channel.doc);
    sqlite3_bind_int64(st, 3, now.us);
    return sqlite_run(d, st);
}

enum err sqlite_channel_remove(struct sqlite_db *d, struct store_req *r, struct wall now)
{
    bool there = false;
    enum err e = is_there(d, r->channel.name, &there);
    if (e)
        return e;
    if (!there)
        return sqlite_refuse(r, ERR_NOT_FOUND, "there is no channel of this name");
    sqlite3_stmt *st = sqlite_use(d, SQL_CHANNEL_ENDS);
    sqlite_bind_str(st, 1, r->channel.name);
    sqlite3_bind_int64(st, 2, now.us);
    e = sqlite_run(d, st);
    if (e)
        return e;
    st = sqlite_use(d, SQL_CHANNEL_DELETE);
    sqlite_bind_str(st, 1, r->channel.name);
    return sqlite_run(d, st);
}

/* Both statements answer the same columns. */
enum err sqlite_channels(struct sqlite_db *d, struct store_req *r)
{
    bool one = r->channels.name[0] != '\0', row = false, whole = true;
    sqlite3_stmt *st = sqlite_use(d, one ? SQL_CHANNEL_GET : SQL_CHANNELS);
    if (one)
        sqlite_bind_str(st, 1, r->channels.name);
    r->channels.items = mem_array(CHANNELS_MAX, sizeof(*r->channels.items));
    enum err e = ERR_NONE;
    while (r->channels.n < CHANNELS_MAX && !(e = sqlite_step(d, st, &row)) && row) {
        struct store_channel *c = &r->channels.items[r->channels.n];
        *c = (struct store_channel){
            .name = sqlite_dup_column(st, 0, false, &whole),
            .doc = sqlite_dup_column(st, 1, true, &whole),
            .created_at = {sqlite3_column_int64(st, 2)},
            .changed_at = {sqlite3_column_int64(st, 3)},
        };
        if (c->name && c->doc)
            r->channels.n++;
        else
            store_channel_fini(c); /* counted below */
    }
    sqlite3_reset(st);
    d->damaged += !whole;
    return e ? e : one && r->channels.n == 0 ? ERR_NOT_FOUND : ERR_NONE;
}

/* ---- the queue */

static enum err add(struct sqlite_db *d, const struct store_delivery *x, struct wall now,
                    bool *added)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_DELIVERY_ADD);
    sqlite_bind_str(st, 1, x->channel);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)x->incident);
    sqlite_bind_str(st, 3, x->dedup);
    sqlite_bind_str(st, 4, x->facts);
    sqlite3_bind_int64(st, 5, now.us);
    sqlite3_bind_int64(st, 6, x->next_at.us ? x->next_at.us : now.us);
    sqlite3_bind_int(st, 7, (int)x->state);
    sqlite3_bind_int64(st, 8, x->ended_at.us);
    sqlite_bind_str(st, 9, x->error);
    enum err e = sqlite_run(d, st);
    *added = !e && sqlite3_changes(d->c) > 0;
    return e;
}

/* What may happen to an incident again is told by when, or how large it is by then. */
static void dedup_of(const struct store_entry *x, char out[DEDUP_MAX])
{
    if (x->kind == ENTRY_CERTIFICATE) {
        snprintf(out, DEDUP_MAX, "certificate %" PRIu64 " %" PRId64 " %d", x->check,
                 x->not_after.us / 1000000, x->threshold);
        return;
    }
    int n = snprintf(out, DEDUP_MAX, "incident %" PRIu64 " %s", x->incident.id,
                     incident_action_word(x->action));
    if (x->action == INCIDENT_DID_GROW)
        snprintf(out + n, DEDUP_MAX - (size_t)n, " %u", x->incident.checks);
    else if (x->action == INCIDENT_DID_MUTE || x->action == INCIDENT_UNMUTED)
        snprintf(out + n, DEDUP_MAX - (size_t)n, " %" PRId64, x->at.us);
}

enum err sqlite_deliveries_queue(struct sqlite_db *d, const struct store_entry *entry,
                                 struct wall now, unsigned *queued)
{
    char dedup[DEDUP_MAX];
    enum err e = ERR_NONE;
    REQUIRE(entry->delivery != NULL);
    REQUIRE(entry->kind == ENTRY_INCIDENT || entry->kind == ENTRY_CERTIFICATE);
    dedup_of(entry, dedup);
    for (unsigned i = 0; !e && i < entry->n_alerts; i++) {
        struct store_delivery x = {.channel = entry->alerts[i],
                                   .facts = entry->delivery,
                                   .dedup = dedup,
                                   .incident =
                                       entry->kind == ENTRY_INCIDENT ? entry->incident.id : 0};
        bool there = false, added = false;
        e = is_there(d, entry->alerts[i], &there);
        if (!e && there)
            e = add(d, &x, now, &added);
        *queued += added;
    }
    return e;
}

enum err sqlite_delivery_add(struct sqlite_db *d, struct store_req *r, struct wall now)
{
    bool there = false, added = false;
    REQUIRE(r->delivery.channel != NULL && r->delivery.facts != NULL);
    REQUIRE((r->delivery.state == DELIVERY_PENDING) == (r->delivery.ended_at.us == 0));
    enum err e = is_there(d, r->delivery.channel, &there);
    if (e)
        return e;
    if (!there)
        return sqlite_refuse(r, ERR_NOT_FOUND, "there is no channel of this name");
    e = add(d, &r->delivery, now, &added);
    if (!e && !added)
        return sqlite_refuse(r, ERR_EXISTS, "this has been queued for the channel already");
    if (!e)
        r->delivery.id = (uint64_t)sqlite3_last_insert_rowid(d->c);
    return e;
}

enum err sqlite_delivery_tell(struct sqlite_db *d, struct store_req *r)
{
    const struct store_delivery *x = &r->delivery;
    REQUIRE(x->id != 0 && x->state <= DELIVERY_SKIPPED);
    REQUIRE((x->state == DELIVERY_PENDING) == (x->ended_at.us == 0));
    sqlite3_stmt *st = sqlite_use(d, SQL_DELIVERY_TELL);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)x->id);
    sqlite3_bind_int(st, 2, (int)x->state);
    sqlite3_bind_int64(st, 3, x->attempts);
    sqlite3_bind_int64(st, 4, x->next_at.us);
    sqlite3_bind_int64(st, 5, x->ended_at.us);
    sqlite3_bind_int(st, 6, x->status);
    sqlite_bind_str(st, 7, x->error);
    enum err e = sqlite_run(d, st);
    if (!e && sqlite3_changes(d->c) == 0)
        return sqlite_refuse(r, ERR_NOT_FOUND, "there is no such delivery");
    return e;
}

/* ---- reading it */

static bool delivery_row(sqlite3_stmt *st, struct store_delivery *x)
{
    bool whole = true;
    unsigned state = (unsigned)sqlite3_column_int(st, 5);
    *x = (struct store_delivery){
        .id = (uint64_t)sqlite3_column_int64(st, 0),
        .channel = sqlite_dup_column(st, 1, false, &whole),
        .incident = (uint64_t)sqlite3_column_int64(st, 2),
        .dedup = sqlite_dup_column(st, 3, false, &whole),
        .facts = sqlite_dup_column(st, 4, true, &whole),
        .state = state <= DELIVERY_SKIPPED ? (enum delivery_state)state : DELIVERY_FAILED,
        .attempts = (unsigned)sqlite3_column_int64(st, 6),
        .created_at = {sqlite3_column_int64(st, 7)},
        .next_at = {sqlite3_column_int64(st, 8)},
        .ended_at = {sqlite3_column_int64(st, 9)},
        .status = sqlite3_column_int(st, 10),
        .error = sqlite_dup_column(st, 11, false, &whole),
    };
    if (whole && x->channel && x->facts && state <= DELIVERY_SKIPPED)
        return true;
    store_delivery_fini(x);
    return false;
}

static sqlite3_stmt *deliveries_statement(struct sqlite_db *d, const struct store_req *r,
                                          unsigned limit)
{
    const char *channel = r->deliveries.channel[0] ? r->deliveries.channel : NULL;
    if (r->deliveries.due) {
        sqlite3_stmt *st = sqlite_use(d, SQL_DELIVERIES_DUE);
        sqlite_bind_str(st, 1, channel);
        sqlite3_bind_int64(st, 2, limit + INT64_C(1));
        return st;
    }
    sqlite3_stmt *st = sqlite_use(d, r->deliveries.incident     ? SQL_DELIVERIES_OF
                                     : channel                  ? SQL_DELIVERIES_TO
                                     : r->deliveries.state >= 0 ? SQL_DELIVERIES_STATE
                                                                : SQL_DELIVERIES);
    uint64_t before = r->deliveries.before;
    sqlite3_bind_int64(st, 1, before && before < INT64_MAX ? (sqlite3_int64)before : INT64_MAX);
    sqlite3_bind_int64(st, 2, limit + INT64_C(1));
    sqlite_bind_str(st, 3, channel);
    sqlite3_bind_int(st, 4, r->deliveries.state);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)r->deliveries.incident);
    return st;
}

enum err sqlite_deliveries(struct sqlite_db *d, struct store_req *r)
{
    unsigned limit = r->deliveries.limit;
    bool row = false;
    limit = limit < 1 ? 1 : limit > STORE_PAGE_ROWS ? STORE_PAGE_ROWS : limit;
    sqlite3_stmt *st = deliveries_statement(d, r, limit);
    r->deliveries.items = mem_array(limit, sizeof(*r->deliveries.items));
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        r->deliveries.more = r->deliveries.n == limit;
        if (r->deliveries.more)
            break;
        if (delivery_row(st, &r->deliveries.items[r->deliveries.n]))
            r->deliveries.n++;
        else
            d->damaged++;
    }
    sqlite3_reset(st);
    return e;
}
