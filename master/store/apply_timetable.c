/* SPDX-License-Identifier: MIT */
#include "master/store/apply_timetable.h"

#include "master/store/sqlite_timetable.h"

#define SNAPSHOT_ROWS 10 /* a chunk is as large as so many rows */

enum err apply_timetable(struct apply *a, struct store_req *r)
{
    switch (r->op) {
    case STORE_SCHEDULE_PUT:
        return sqlite_schedule_put(a->db, r, a->now);
    case STORE_SCHEDULE_REMOVE:
        return sqlite_schedule_remove(a->db, r, a->now);
    case STORE_SCHEDULE_PAUSE:
        return sqlite_schedule_pause(a->db, r, a->now);
    case STORE_JOURNAL:
        return sqlite_journal(a->db, r, a->now);
    case STORE_SNAPSHOT:
        return sqlite_snapshot_put(a->db, r);
    case STORE_HOURS_PUT:
        return sqlite_hours_put(a->db, r);
    case STORE_HISTORY_PURGE:
        return sqlite_history_purge(a->db, r);
    case STORE_CHANNEL_PUT:
        return sqlite_channel_put(a->db, r, a->now);
    case STORE_CHANNEL_REMOVE:
        return sqlite_channel_remove(a->db, r, a->now);
    case STORE_DELIVERY_ADD:
        return sqlite_delivery_add(a->db, r, a->now);
    case STORE_DELIVERY_TELL:
        return sqlite_delivery_tell(a->db, r);
    default:
        UNREACHABLE("a reader's request in the writer");
    }
}

/* A definition is one transaction, however large: it is as much as one may hold. */
static unsigned at_most(size_t n)
{
    return n < 1 ? 1 : n > STORE_COMMIT_ROWS ? STORE_COMMIT_ROWS : (unsigned)n;
}

unsigned apply_timetable_rows(const struct store_req *r)
{
    switch (r->op) {
    case STORE_SCHEDULE_PUT:
        return at_most(r->put.n_targets);
    case STORE_JOURNAL:
        return at_most(r->journal.n);
    case STORE_SNAPSHOT:
        return SNAPSHOT_ROWS;
    case STORE_HOURS_PUT:
        return at_most(r->hours.n);
    case STORE_HISTORY_PURGE:
        return at_most(r->history_purge.limit);
    default:
        return 1;
    }
}
