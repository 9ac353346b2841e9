/* SPDX-License-Identifier: MIT */
#include "master/store/store.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "master/store/dirlock.h"
#include "master/store/pace.h"
#include "master/store/reader.h"
#include "master/store/roller.h"
#include "master/store/sqlite.h"
#include "master/store/writer.h"

struct store {
    int lock_fd;
    struct writer *writer;
    struct readers *readers;
    struct roller *roller;
    struct store_stats stats;
};

/* ---- values */

void batch_info_fini(struct batch_info *b)
{
    free(b->name);
    free(b->labels);
    free(b->agents);
    b->name = b->labels = b->agents = NULL;
}

uint64_t batch_info_ended(const struct batch_info *b)
{
    uint64_t n = 0;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        n += b->ended[o];
    return n;
}

enum batch_phase batch_info_phase(const struct batch_info *b)
{
    if (b->ended_at.us != 0)
        return PHASE_ENDED;
    if (b->mark != MARK_NONE)
        return b->mark == MARK_CANCEL ? PHASE_CANCELLING : PHASE_EXPIRING;
    return b->paused ? PHASE_PAUSED : PHASE_RUNNING;
}

void store_event_fini(struct store_event *e)
{
    free(e->kind);
    free(e->agent);
    free(e->detail);
    free(e->evidence);
}

static void events_free(struct store_event *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        store_event_fini(&items[i]);
    free(items);
}

void store_idempotency_free(struct store_idempotency **ip)
{
    if (!*ip)
        return;
    free((*ip)->answer);
    free(*ip);
    *ip = NULL;
}

void store_boot_fini(struct store_boot *b)
{
    for (unsigned i = 0; i < b->n_open; i++)
        batch_info_fini(&b->open[i]);
    free(b->open);
    for (unsigned i = 0; i < b->n_holders; i++)
        free(b->holders[i]);
    free(b->holders);
    events_free(b->events, b->n_events);
    b->events = NULL;
    b->n_events = 0;
    b->holders = NULL;
    b->n_holders = 0;
    store_timetable_fini(&b->timetable);
    explicit_bzero(b->keys, sizeof(b->keys));
    b->open = NULL;
    b->n_open = b->n_keys = 0;
}

/* ---- requests */

static bool is_writers(enum store_op op)
{
    return op <= STORE_AGENT_SEEN;
}

struct store_req *store_req_create(enum store_op op, void (*done)(struct store_req *), void *arg)
{
    REQUIRE(op <= STORE_DELIVERIES && done != NULL);
    struct store_req *r = mem_zalloc(sizeof(*r));
    r->op = op;
    r->done = done;
    r->arg = arg;
    strbuf_init(&r->arena, STORE_ARENA_BYTES);
    if (op == STORE_RESULTS_PAGE) {
        r->results_page.outcome = -1;
        r->results_page.max_bytes = STORE_PAGE_BYTES;
    }
    return r;
}

static void list_free(struct store_req *r)
{
    for (unsigned i = 0; i < r->batch_list.n; i++)
        batch_info_fini(&r->batch_list.infos[i]);
    free(r->batch_list.infos);
}

static void agent_free(struct store_req *r)
{
    free(r->agent.name);
    free(r->agent.tags_json);
    free(r->agent.instance);
}

static void upload_free(struct store_req *r)
{
    batch_info_fini(&r->upload.info);
    free(r->upload.rows);
    store_idempotency_free(&r->upload.first);
}

static void members_free(struct store_req *r)
{
    switch (r->op) {
    case STORE_UPLOAD_BEGIN:
    case STORE_UPLOAD_ROWS:
    case STORE_UPLOAD_COMMIT:
    case STORE_UPLOAD_ABORT:
        upload_free(r);
        break;
    case STORE_RESULTS:
        free(r->results.items);
        break;
    case STORE_AGENT_EMPTY:
    case STORE_AGENT_SEEN:
        agent_free(r);
        break;
    case STORE_EVENTS_ADD:
        events_free(r->events.items, r->events.n);
        break;
    case STORE_EVENTS_PAGE:
        events_free(r->events_page.items, r->events_page.n);
        free(r->events_page.agent);
        free(r->events_page.kind);
        break;
    case STORE_REFILL:
        free(r->refill.tasks);
        free(r->refill.answers);
        break;
    case STORE_ENDED_TASKS:
        free(r->ended_tasks.rows);
        break;
    case STORE_FAILED_HOSTS:
        free(r->failed_hosts.hosts);
        break;
    case STORE_BATCH_GET:
        batch_info_fini(&r->batch_get.info);
        break;
    case STORE_BATCH_LIST:
        list_free(r);
        break;
    case STORE_RESULTS_PAGE:
        free(r->results_page.rows);
        break;
    case STORE_IDEMPOTENCY_GET:
        store_idempotency_free(&r->idempotency.first);
        break;
    case STORE_MARK:
    case STORE_PAUSE:
    case STORE_TASK_GET:
        break;
    default:
        store_timetable_req_free(r);
    }
}

void store_req_destroy(struct store_req **rp)
{
    struct store_req *r = *rp;
    if (!r)
        return;
    *rp = NULL;
    REQUIRE(!list_linked(&r->letter.node));
    members_free(r);
    strbuf_fini(&r->arena);
    free(r);
}

#define EVENT_WEIGHT 1700 /* its texts, at most */

static size_t weight(const struct store_req *r)
{
    size_t n = sizeof(*r) + r->arena.len;
    if (r->op == STORE_UPLOAD_ROWS)
        n += r->upload.n_rows * sizeof(*r->upload.rows);
    if (r->op == STORE_RESULTS)
        n += r->results.n * sizeof(*r->results.items);
    if (r->op == STORE_RUNS_ADD)
        n += r->runs.n * sizeof(*r->runs.items);
    if (r->op == STORE_EVENTS_ADD)
        n += r->events.n * (sizeof(*r->events.items) + EVENT_WEIGHT);
    return n + store_timetable_weight(r);
}

enum err store_post(struct store *s, struct store_req *r)
{
    REQUIRE(s != NULL && r != NULL && r->done != NULL && !r->arena.overflow);
    r->letter.weight_bytes = weight(r);
    return is_writers(r->op) ? writer_post(s->writer, r) : readers_post(s->readers, r);
}

/* ---- life */

/* The last connection to close is the writer's: only it may take the WAL away. What the writer's
 * answers still ask of the readers is refused. */
static void stop(struct store *s)
{
    roller_stop(s->roller);
    readers_stop(s->readers);
    writer_stop(&s->writer);
    readers_destroy(&s->readers);
    roller_destroy(&s->roller);
}

static enum err start(struct store *s, const struct store_config *c, struct sqlite_db **db,
                      const struct store_boot *boot, char *why, size_t why_max)
{
    uint64_t last_seq = 0;
    uint32_t *receiving = NULL;
    unsigned n_receiving = 0;
    enum err e = sqlite_last_seq(*db, &last_seq);
    if (!e)
        e = sqlite_receiving(*db, &receiving, &n_receiving);
    if (e)
        snprintf(why, why_max, "%s/sonde.db: %s", c->dir, sqlite_why(*db));
    else
        e = readers_start(c->dir, &s->stats, &s->readers, why, why_max);
    if (!e) {
        s->writer = writer_start(c, &s->stats, *db, boot, last_seq, receiving, n_receiving);
        *db = NULL;
        e = roller_start(c, &s->stats, s->writer, &s->roller, why, why_max);
    }
    if (e && s->writer)
        stop(s);
    free(receiving);
    return e;
}

/*
 * What the last process left in the log goes into the file and is synced there before anything is
 * built on it: after a sync that failed, the log may be whole in memory and not on the disk, and no
 * later sync of it would tell. Without room that must wait; nothing is lost by it.
 */
static enum err settle(struct sqlite_db *db)
{
    enum err e = sqlite_checkpoint(db, true);
    return e == ERR_NO_SPACE ? ERR_NONE : e;
}

static enum err open_locked(struct store *s, const struct store_config *c, struct store_boot *boot,
                            char *why, size_t why_max)
{
    struct sqlite_db *db = NULL;
    enum err e = sqlite_open_writer(c->dir, &db, why, why_max);
    if (e)
        return e;
    e = settle(db);
    if (!e)
        e = sqlite_boot(db, boot);
    if (e == ERR_NO_SPACE)
        snprintf(
            why, why_max,
            "data directory %s has no room (%s): make room on its disk, or give another --data "
            "directory",
            c->dir, sqlite_why(db));
    else if (e)
        snprintf(why, why_max, "%s/sonde.db: %s", c->dir, sqlite_why(db));
    else
        e = start(s, c, &db, boot, why, why_max);
    sqlite_close(&db);
    return e;
}

enum err store_open(const struct store_config *c, struct store **out, struct store_boot *boot,
                    char *why, size_t why_max)
{
    REQUIRE(c != NULL && c->dir != NULL && out != NULL && boot != NULL);
    int fd = -1;
    enum err e = dirlock_take(c->dir, &fd, why, why_max);
    if (e)
        return e;
    struct store *s = mem_zalloc(sizeof(*s));
    s->lock_fd = fd;
    struct store_boot read = {0};
    e = open_locked(s, c, &read, why, why_max);
    if (e) {
        store_boot_fini(&read);
        close(fd);
        free(s);
        return e;
    }
    LOG(LOG_INFO, "store", "open", LS("dir", c->dir), LS("store", read.store_id),
        LU("epoch", read.boot_epoch), LU("open_batches", read.n_open));
    *boot = read;
    *out = s;
    return ERR_NONE;
}

void store_close(struct store **sp)
{
    struct store *s = *sp;
    if (!s)
        return;
    *sp = NULL;
    stop(s);
    close(s->lock_fd);
    free(s);
}

/* ---- looking in */

bool store_writer_has_room(struct store *s)
{
    return writer_has_room(s->writer);
}

struct store_stats *store_stats(struct store *s)
{
    return &s->stats;
}

void store_mailbox_stats(struct store *s, struct mailbox_stats *writer,
                         struct mailbox_stats *reader)
{
    writer_mailbox_stats(s->writer, writer);
    readers_mailbox_stats(s->readers, reader);
}

int64_t store_commit_p99_ms(struct store *s, struct mono now)
{
    struct mono at = {gauge_get(&s->stats.commit_p99_at_ns)};
    struct mono since = {gauge_get(&s->stats.commit_since_ns)};
    return pace_told_ms(gauge_get(&s->stats.commit_p99_ms), at, since, now);
}

bool store_writable(struct store *s)
{
    return gauge_get(&s->stats.disk_full) == 0;
}
