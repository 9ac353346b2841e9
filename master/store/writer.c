/* SPDX-License-Identifier: MIT */
#include "master/store/pace.h"
#include "master/store/writer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/store/apply.h"
#include "master/store/retention.h"
#include "master/store/sweep.h"

/* A commit is also bounded in bytes, so that a thousand large records do not hold up the others. */
#define COMMIT_BYTES (8u << 20)
/* Uploads are refused from here on; results and marks may use the whole bound. */
#define ROOM_LETTERS (STORE_WRITER_LETTERS / 2)
#define ROOM_BYTES   (STORE_WRITER_BYTES / 2)
#define BULK_SHARE   (STORE_COMMIT_ROWS / 2)
/* A sweep that was passed over so many times gets a small chunk, whatever else waits. */
#define SWEEP_PATIENCE 16
#define SWEEP_MIN      100
#define RETRY_MS       1000
#define EXIT_DISK      3

struct writer {
    struct anchor born;
    struct pace pace;
    struct store_config c;
    struct store_stats *stats;
    struct mailbox *box;
    pthread_t thread;
    /* Requests and bytes that are not answered yet, in the box or behind it: the bound of
     * store_post(). */
    _Atomic size_t letters, bytes;
    _Atomic uint64_t refused;

    /* the thread's own */
    struct sqlite_db *db;
    struct ledger *ledger;
    struct sweep *sweep;
    struct retention *retention;
    struct list urgent, interactive, bulk; /* waiting, by priority */
    struct list taken;                     /* part of the transaction under way */
    unsigned bulk_allowed;                 /* rows that bulk may take while others wait */
    unsigned sweep_passed;
    enum err stuck; /* ERR_NO_SPACE or ERR_BUSY: nothing can be committed until retry_at */
    struct mono retry_at;
};

struct commit_plan { /* what is left of the transaction under way */
    unsigned rows;
    unsigned held; /* of those, kept for bulk */
    size_t bytes;
};

static struct store_req *req_of(struct list_node *n)
{
    return CONTAINER_OF(n, struct store_req, letter.node);
}

static bool is_upload(const struct store_req *r)
{
    return r->op <= STORE_UPLOAD_ABORT;
}

/* ---- bounds */

bool writer_has_room(struct writer *w)
{
    return atomic_load(&w->letters) < ROOM_LETTERS && atomic_load(&w->bytes) < ROOM_BYTES;
}

/* What ends or frees things is never refused; it is bounded by the batches there are. */
static bool may_enter(struct writer *w, const struct store_req *r)
{
    if (r->op == STORE_UPLOAD_ABORT || r->op == STORE_MARK)
        return true;
    if (is_upload(r))
        return writer_has_room(w);
    return atomic_load(&w->letters) < STORE_WRITER_LETTERS &&
           atomic_load(&w->bytes) < STORE_WRITER_BYTES;
}

static void leave(struct writer *w, size_t weight)
{
    bool had_room = writer_has_room(w);
    atomic_fetch_sub(&w->letters, 1);
    atomic_fetch_sub(&w->bytes, weight);
    if (!had_room && writer_has_room(w) && w->c.on_room)
        w->c.on_room(w->c.arg);
}

enum err writer_post(struct writer *w, struct store_req *r)
{
    if (!may_enter(w, r)) {
        atomic_fetch_add(&w->refused, 1);
        return ERR_FULL;
    }
    size_t weight = r->letter.weight_bytes;
    atomic_fetch_add(&w->letters, 1);
    atomic_fetch_add(&w->bytes, weight);
    enum err e = mailbox_post_reply(w->box, &r->letter);
    if (e) {
        atomic_fetch_sub(&w->letters, 1);
        atomic_fetch_sub(&w->bytes, weight);
    }
    return e;
}

void writer_mailbox_stats(struct writer *w, struct mailbox_stats *out)
{
    mailbox_stats(w->box, out);
    out->letters = atomic_load(&w->letters);
    out->bytes = atomic_load(&w->bytes);
    out->max_letters = STORE_WRITER_LETTERS;
    out->max_bytes = STORE_WRITER_BYTES;
    out->refused = atomic_load(&w->refused);
}

/* ---- answers */

static void answer(struct writer *w, struct store_req *r)
{
    size_t weight = r->letter.weight_bytes;
    r->done(r);
    leave(w, weight);
}

static void answer_failed(struct writer *w, struct store_req *r, enum err e)
{
    r->err = e;
    snprintf(r->why, sizeof(r->why), "%s",
             e == ERR_NO_SPACE ? "the disk of the store is full" : sqlite_why(w->db));
    answer(w, r);
}

static void count_results(struct writer *w, const struct store_req *r)
{
    uint64_t stored = 0, duplicate = 0;
    for (unsigned i = 0; i < r->results.n; i++) {
        stored += r->results.items[i].verdict == ACK_STORED;
        duplicate += r->results.items[i].verdict == ACK_DUPLICATE;
    }
    counter_add(&w->stats->results, stored);
    counter_add(&w->stats->duplicates, duplicate);
}

/* A batch that has ended gets a job too: it reports at once that nothing is left. */
static void start_sweep(struct writer *w, const struct store_req *r)
{
    if (sweep_has_mark(w->sweep, r->mark.batch))
        return;
    const struct ledger_batch *b = ledger_find(w->ledger, r->mark.batch);
    sweep_add_mark(w->sweep, r->mark.batch, b ? b->info.mark_cause : r->mark.cause,
                   b ? b->info.low_water : 0);
}

/* What a committed request sets going; before its done(), which may free it. */
static void follow_up(struct writer *w, struct store_req *r)
{
    if (r->err)
        return;
    if (r->op == STORE_UPLOAD_ROWS)
        counter_add(&w->stats->rows, apply_rows(r));
    else if (r->op == STORE_RESULTS)
        count_results(w, r);
    else if (r->op == STORE_EVENTS_ADD)
        counter_add(&w->stats->events, r->events.n);
    else if (r->op == STORE_MARK)
        start_sweep(w, r);
    else if (r->op == STORE_UPLOAD_ABORT) {
        ledger_forget(w->ledger, ledger_find(w->ledger, r->upload.info.num));
        sweep_add_delete(w->sweep, r->upload.info.num);
    }
}

/* ---- one commit */

static bool others_wait(const struct writer *w)
{
    return !list_empty(&w->urgent) || !list_empty(&w->interactive);
}

/* The first of a transaction may be as large as the transaction, unless bulk's turn has come. */
static bool fits(const struct writer *w, const struct commit_plan *p, const struct store_req *r)
{
    unsigned rows = apply_rows(r);
    if (list_empty(&w->taken))
        return rows <= p->rows && p->held < STORE_COMMIT_ROWS;
    return rows <= p->rows - p->held && r->letter.weight_bytes <= p->bytes;
}

static enum err take_one(struct writer *w, struct apply *a, struct commit_plan *p,
                         struct list *from)
{
    struct store_req *r = req_of(list_pop_front(from));
    list_push_back(&w->taken, &r->letter.node);
    p->rows -= apply_rows(r);
    if (p->held > p->rows)
        p->held = p->rows;
    p->bytes -= r->letter.weight_bytes < p->bytes ? r->letter.weight_bytes : p->bytes;
    r->err = ERR_NONE;
    return apply_request(a, r);
}

static enum err take_queue(struct writer *w, struct apply *a, struct commit_plan *p,
                           struct list *from)
{
    enum err e = ERR_NONE;
    while (!e && !list_empty(from) && fits(w, p, req_of(list_first(from))))
        e = take_one(w, a, p, from);
    return e;
}

/* Half of the rows are bulk's on average: a request of a whole commit enters every second time. */
static unsigned bulk_hold(struct writer *w)
{
    if (list_empty(&w->bulk) || !others_wait(w))
        return 0;
    w->bulk_allowed += BULK_SHARE;
    if (w->bulk_allowed > STORE_COMMIT_ROWS)
        w->bulk_allowed = STORE_COMMIT_ROWS;
    unsigned rows = 0;
    LIST_EACH (&w->bulk, n) {
        unsigned more = apply_rows(req_of(n));
        if (rows + more > w->bulk_allowed)
            break;
        rows += more;
    }
    return rows;
}

static enum err take_bulk(struct writer *w, struct apply *a, struct commit_plan *p, bool others)
{
    p->held = 0;
    if (!others)
        return take_queue(w, a, p, &w->bulk);
    unsigned left = w->bulk_allowed < p->rows ? w->bulk_allowed : p->rows;
    struct commit_plan share = {.rows = left, .bytes = p->bytes};
    enum err e = take_queue(w, a, &share, &w->bulk);
    unsigned used = left - share.rows;
    w->bulk_allowed -= used;
    p->rows -= used;
    return e;
}

/* Work of the writer's own. */
static bool has_chores(const struct writer *w)
{
    return !sweep_idle(w->sweep) || retention_due(w->retention, mono_now());
}

static enum err take_sweep(struct writer *w, struct apply *a, unsigned rows, bool others)
{
    if (!has_chores(w))
        return ERR_NONE;
    if (rows < SWEEP_MIN) {
        w->sweep_passed++;
        return ERR_NONE;
    }
    w->sweep_passed = 0;
    unsigned most = others ? BULK_SHARE : STORE_COMMIT_ROWS;
    rows = rows < most ? rows : most;
    return sweep_idle(w->sweep) ? retention_run(w->retention, a, rows)
                                : sweep_run(w->sweep, a, rows);
}

static enum err fill(struct writer *w, struct apply *a)
{
    unsigned kept = w->sweep_passed >= SWEEP_PATIENCE ? SWEEP_MIN : 0;
    struct commit_plan p = {.rows = STORE_COMMIT_ROWS - kept, .bytes = COMMIT_BYTES};
    bool others = others_wait(w);
    unsigned held = bulk_hold(w);
    p.held = held < p.rows ? held : p.rows;
    enum err e = take_queue(w, a, &p, &w->urgent);
    if (!e)
        e = take_queue(w, a, &p, &w->interactive);
    if (!e)
        e = take_bulk(w, a, &p, others);
    if (!e && list_empty(&w->taken) && w->stuck)
        e = sqlite_try_room(w->db);
    return e ? e : take_sweep(w, a, p.rows + kept, !list_empty(&w->taken));
}

static enum err transaction(struct writer *w)
{
    enum err e = sqlite_begin(w->db);
    if (e)
        return e;
    struct apply a = {
        .db = w->db, .ledger = w->ledger, .now = wall_now(), .patient = anchor_patient(w->born)};
    e = fill(w, &a);
    if (!e)
        e = ledger_write(w->ledger, w->db, a.now);
    return e ? e : sqlite_commit(w->db);
}

_Noreturn static void die(struct writer *w, enum err e)
{
    LOG(LOG_ERROR, "store", "disk_failed", LERR("err", e), LS("why", sqlite_why(w->db)),
        LS("dir", w->c.dir),
        LS("meaning", "the disk or the file of the store cannot be trusted any "
                      "more: nothing further is acknowledged, the master stops"));
    _exit(EXIT_DISK);
}

static void checkpoint(struct writer *w, bool all)
{
    enum err e = sqlite_checkpoint(w->db, all);
    if (e && e != ERR_NO_SPACE)
        die(w, e);
}

static void report_sweep(struct writer *w)
{
    struct sweep_report rep = sweep_committed(w->sweep);
    counter_add(&w->stats->results, rep.count);
    if (rep.batch != 0 && w->c.on_swept)
        w->c.on_swept(w->c.arg, rep.batch, rep.outcome, rep.count, rep.finished);
}

static void report_retention(struct writer *w)
{
    struct retention_report rep = retention_committed(w->retention, mono_now());
    gauge_set(&w->stats->used_bytes, (int64_t)retention_used_bytes(w->retention));
    counter_add(&w->stats->batches_purged, rep.batches);
    counter_add(&w->stats->tasks_purged, rep.tasks);
    if (rep.batches > 0)
        LOG(LOG_INFO, "store", "batches_purged", LU("batches", rep.batches), LU("tasks", rep.tasks),
            LS("last", rep.last), LS("why", rep.by_size ? "size" : "age"));
}

static void note_pace(struct writer *w, double took_ms, struct mono now)
{
    pace_add(&w->pace, took_ms, now);
    gauge_set(&w->stats->commit_p99_ms, (int64_t)pace_p99_ms(&w->pace, now));
    gauge_set(&w->stats->commit_p99_at_ns, now.ns);
}

static void committed(struct writer *w, double took_ms)
{
    if (ledger_committed(w->ledger) > 0)
        retention_hint(w->retention, mono_now());
    histogram_add(&w->stats->commit_ms, took_ms);
    note_pace(w, took_ms, mono_now());
    counter_add(&w->stats->commits, 1);
    if (w->stuck)
        LOG(LOG_INFO, "store", "writes_again");
    w->stuck = ERR_NONE;
    gauge_set(&w->stats->disk_full, 0);
    report_sweep(w);
    report_retention(w);
    struct list_node *n;
    while ((n = list_pop_front(&w->taken))) {
        struct store_req *r = req_of(n);
        follow_up(w, r);
        answer(w, r);
    }
    checkpoint(w, false);
}

/* Somebody waits for it and can be told that the disk is full. */
static bool is_users(const struct store_req *r)
{
    return (r->op >= STORE_SCHEDULE_PUT && r->op <= STORE_SCHEDULE_PAUSE) ||
           (r->op >= STORE_CHANNEL_PUT && r->op <= STORE_DELIVERY_ADD);
}

static struct list *queue_of(struct writer *w, const struct store_req *r)
{
    if (!is_upload(r))
        return is_users(r) ? &w->interactive : &w->urgent;
    enum task_class cls = r->upload.info.cls;
    const struct ledger_batch *b = NULL;
    if (r->op != STORE_UPLOAD_BEGIN)
        b = ledger_find(w->ledger, r->upload.info.num);
    return (b ? b->info.cls : cls) == CLASS_INTERACTIVE ? &w->interactive : &w->bulk;
}

/* Nothing of the transaction is there: all go back to the front of their queues, in order. */
static void put_back(struct writer *w)
{
    struct list_node *n;
    while ((n = list_last(&w->taken))) {
        list_remove(&w->taken, n);
        list_push_front(queue_of(w, req_of(n)), n);
    }
}

/* Giving an upload up needs no room. */
static void refuse(struct writer *w, struct store_req *r, enum err e)
{
    if (r->op != STORE_UPLOAD_ABORT) {
        answer_failed(w, r, e);
        return;
    }
    const struct ledger_batch *b = ledger_find(w->ledger, r->upload.info.num);
    r->err = b && b->receiving ? ERR_NONE : ERR_NOT_FOUND;
    follow_up(w, r);
    answer(w, r);
}

static void refuse_all(struct writer *w, struct list *queue, enum err e)
{
    struct list_node *n;
    while ((n = list_pop_front(queue)))
        refuse(w, req_of(n), e);
}

/* While the disk is full, uploads are told so at once; at the end so is everything. */
static void refuse_stuck(struct writer *w, bool closing)
{
    if (w->stuck == ERR_NO_SPACE || closing) {
        refuse_all(w, &w->interactive, w->stuck);
        refuse_all(w, &w->bulk, w->stuck);
    }
    if (closing)
        refuse_all(w, &w->urgent, w->stuck);
}

static void rolled_back(struct writer *w, enum err e)
{
    sqlite_rollback(w->db);
    ledger_rolled_back(w->ledger);
    sweep_rolled_back(w->sweep);
    retention_rolled_back(w->retention);
    put_back(w);
    if (e != ERR_NO_SPACE && e != ERR_BUSY)
        die(w, e);
    if (w->stuck != e)
        LOG(LOG_WARN, "store", e == ERR_NO_SPACE ? "disk_full" : "locked",
            LS("why", sqlite_why(w->db)), LS("dir", w->c.dir));
    w->stuck = e;
    w->retry_at = mono_add_ms(mono_now(), RETRY_MS);
    if (e == ERR_NO_SPACE) {
        gauge_set(&w->stats->disk_full, 1);
        checkpoint(w, true); /* a WAL that shrinks may be room enough */
    }
    refuse_stuck(w, false);
}

static void commit_round(struct writer *w)
{
    struct mono start = mono_now();
    gauge_set(&w->stats->commit_since_ns, start.ns);
    enum err e = transaction(w);
    if (e)
        rolled_back(w, e);
    else
        committed(w, mono_diff_ms_f(mono_now(), start));
    gauge_set(&w->stats->commit_since_ns, 0);
}

/* ---- the thread */

static bool has_requests(const struct writer *w)
{
    return others_wait(w) || !list_empty(&w->bulk);
}

static int wait_ms(const struct writer *w)
{
    if (w->stuck) {
        int64_t left = mono_diff_ms(w->retry_at, mono_now()) + 1;
        return left > 0 ? (int)left : 0;
    }
    if (has_requests(w) || !sweep_idle(w->sweep))
        return 0;
    return (int)retention_wait_ms(w->retention, mono_now());
}

static void sort_letters(struct writer *w)
{
    struct list in;
    list_init(&in);
    mailbox_wait(w->box, &in, wait_ms(w));
    struct list_node *n;
    while ((n = list_pop_front(&in)))
        list_push_back(queue_of(w, req_of(n)), n);
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    REQUIRE(w != NULL && w->db != NULL);
    for (;;) {
        sort_letters(w);
        bool closing = mailbox_finished(w->box);
        if (w->stuck)
            refuse_stuck(w, closing);
        if (closing && !has_requests(w))
            return NULL;
        if (w->stuck && mono_before(mono_now(), w->retry_at))
            continue;
        if (w->stuck || has_requests(w) || has_chores(w))
            commit_round(w);
    }
}

static void load(struct writer *w, const struct store_boot *boot, const uint32_t *receiving,
                 unsigned n_receiving)
{
    for (unsigned i = 0; i < boot->n_open; i++) {
        const struct batch_info *b = &boot->open[i];
        ledger_add(w->ledger, b, false);
        if (b->mark != MARK_NONE)
            sweep_add_mark(w->sweep, b->num, b->mark_cause, b->low_water);
    }
    for (unsigned i = 0; i < n_receiving; i++)
        sweep_add_delete(w->sweep, receiving[i]);
}

struct writer *writer_start(const struct store_config *c, struct store_stats *stats,
                            struct sqlite_db *db, const struct store_boot *boot, uint64_t last_seq,
                            const uint32_t *receiving, unsigned n_receiving)
{
    struct writer *w = mem_zalloc(sizeof(*w));
    w->c = *c;
    w->c.dir = mem_strdup(c->dir);
    w->stats = stats;
    w->db = db;
    w->ledger = ledger_create(last_seq);
    w->sweep = sweep_create();
    w->born = anchor_now();
    w->retention = retention_create(c, w->born.mono);
    list_init(&w->urgent);
    list_init(&w->interactive);
    list_init(&w->bulk);
    list_init(&w->taken);
    w->box = mailbox_create("store-writer", STORE_WRITER_LETTERS, STORE_WRITER_BYTES, NULL, NULL);
    load(w, boot, receiving, n_receiving);
    PTOK(pthread_create(&w->thread, NULL, writer_main, w));
    pthread_setname_np(w->thread, "store-writer");
    return w;
}

void writer_stop(struct writer **wp)
{
    struct writer *w = *wp;
    *wp = NULL;
    mailbox_close(w->box);
    PTOK(pthread_join(w->thread, NULL));
    REQUIRE(!has_requests(w) && list_empty(&w->taken));
    checkpoint(w, true);
    mailbox_destroy(&w->box);
    sweep_destroy(&w->sweep);
    retention_destroy(&w->retention);
    ledger_destroy(&w->ledger);
    sqlite_close(&w->db);
    free((char *)w->c.dir);
    free(w);
}
