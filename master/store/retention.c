/* SPDX-License-Identifier: MIT */
#include "master/store/retention.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"

#define LOOK_MS 60000
/* One-shots end by the hundred a second: they are not looked after one by one. */
#define LOOK_LEAST_MS 1000
/* Records may be large, and so is what their pages cost. */
#define TASKS_AT_ONCE 250
#define DAY_US        INT64_C(86400000000)
#define HOUR_US       INT64_C(3600000000)

struct retention {
    int64_t days, lane_hours, bytes, grace_us;
    struct mono look_at, looked_at;
    uint32_t victim; /* being purged, as of the last commit; 0 = none */
    uint64_t used;
    /* of the transaction under way */
    bool ran, over; /* over: nothing is left to purge */
    uint32_t at;
    bool by_size;
    struct retention_report report;
};

struct retention *retention_create(const struct store_config *c, struct mono now)
{
    REQUIRE(c->retention_days >= 0 && c->retention_bytes >= 0 && c->retention_grace_s >= 0);
    REQUIRE(c->schedule_retention_hours >= 0);
    struct retention *r = mem_zalloc(sizeof(*r));
    r->days = c->retention_days;
    r->lane_hours = c->schedule_retention_hours;
    r->bytes = c->retention_bytes;
    r->grace_us = c->retention_grace_s * 1000000;
    r->look_at = now;
    return r;
}

void retention_destroy(struct retention **rp)
{
    free(*rp);
    *rp = NULL;
}

bool retention_due(const struct retention *r, struct mono now)
{
    return !mono_before(now, r->look_at);
}

int64_t retention_wait_ms(const struct retention *r, struct mono now)
{
    return retention_due(r, now) ? 0 : mono_diff_ms(r->look_at, now) + 1;
}

void retention_hint(struct retention *r, struct mono now)
{
    struct mono soon = mono_add_ms(r->looked_at, LOOK_LEAST_MS);
    if (r->bytes > 0 && mono_before(soon, r->look_at))
        r->look_at = soon;
}

uint64_t retention_used_bytes(const struct retention *r)
{
    return r->used;
}

/* ---- a chunk */

/* What ended before this may go. */
static struct wall cutoff(const struct retention *r, const struct apply *a)
{
    if (r->by_size)
        return (struct wall){a->patient.us - r->grace_us};
    return (struct wall){r->days > 0 ? a->patient.us - r->days * DAY_US : 0};
}

/* Lanes whose hours are not rolled up stay, whatever their size or age: nothing else has them. */
static struct wall lanes_cutoff(const struct retention *r, const struct apply *a,
                                struct wall rolled_until)
{
    struct wall by = cutoff(r, a);
    if (!r->by_size)
        by.us = r->lane_hours > 0 ? a->patient.us - r->lane_hours * HOUR_US : 0;
    return by.us < rolled_until.us ? by : rolled_until;
}

/* *num 0: nobody is to go. */
static enum err pick(struct retention *r, struct apply *a, uint32_t *num)
{
    struct wall rolled = {0};
    enum err e = sqlite_used_bytes(a->db, &r->used);
    if (!e)
        e = sqlite_rolled_until(a->db, &rolled);
    if (e)
        return e;
    r->by_size = r->bytes > 0 && r->used > (uint64_t)r->bytes;
    e = sqlite_purge_pick(a->db, cutoff(r, a), lanes_cutoff(r, a, rolled), num);
    return e || *num == 0 ? e : sqlite_purge_begin(a->db, *num, a->now);
}

static enum err purge_some(struct retention *r, struct apply *a, unsigned *rows)
{
    unsigned n = 0, most = *rows / 2 < TASKS_AT_ONCE ? *rows / 2 : TASKS_AT_ONCE;
    enum err e = sqlite_purge_tasks(a->db, r->at, most, &n);
    if (e)
        return e;
    r->report.tasks += n;
    *rows -= 2 * n;
    if (n == most)
        return ERR_NONE;
    e = sqlite_purge_end(a->db, r->at, r->report.last);
    r->report.batches++;
    r->report.by_size = r->by_size;
    r->at = 0;
    *rows -= *rows > 0;
    return e;
}

enum err retention_run(struct retention *r, struct apply *a, unsigned rows)
{
    REQUIRE(!r->ran && rows > 0);
    r->ran = true;
    r->over = false;
    r->at = r->victim;
    r->report = (struct retention_report){0};
    while (rows >= 2) {
        enum err e = r->at == 0 ? pick(r, a, &r->at) : ERR_NONE;
        if (!e && r->at == 0) {
            r->over = true;
            return ERR_NONE;
        }
        if (!e)
            e = purge_some(r, a, &rows);
        if (e)
            return e;
    }
    return ERR_NONE;
}

struct retention_report retention_committed(struct retention *r, struct mono now)
{
    if (!r->ran)
        return (struct retention_report){0};
    r->ran = false;
    r->victim = r->at;
    if (r->over) {
        r->looked_at = now;
        r->look_at = mono_add_ms(now, LOOK_MS);
    }
    return r->report;
}

void retention_rolled_back(struct retention *r)
{
    r->ran = false;
}
