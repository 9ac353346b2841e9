/* SPDX-License-Identifier: MIT */
#include "agent/outbox/spool.h"
#include "common/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file is a sixteenth of the whole, so that one result that nobody acknowledges holds little
 * else, and a few MiB at most. */
#define FILES_WANTED   16
#define FILE_BYTES_MIN (64 * 1024)
#define FILE_BYTES_MAX (4 * 1024 * 1024)
/* Where files go whose head says nothing. */
#define STORE_UNKNOWN "unknown"

/*
 *             job made          all acknowledged         job done
 *   current ───────────► full or failed ─────────► done with ─────► gone
 *      └───────── of another store, agent or release ────► aside ──┘
 */
struct spool_file {
    struct list_node node;
    uint64_t number;
    size_t bytes; /* with those of the job under way */
    size_t live;  /* results in it that are not acknowledged */
    bool aside, leaving;
    char store[MESSAGE_ID_MAX + 1];
};

/* A place is in `waiting`, then in `writing`, then in no list but of a file. */
struct spool {
    struct segment_head head; /* of the next file; the number is the last one's */
    size_t max_bytes, file_bytes, job_bytes;
    struct list files; /* by number */
    struct spool_file *current;
    size_t bytes; /* of all files */
    struct list waiting, writing;
    size_t waiting_bytes;
    uint64_t notes[SPOOL_NOTES_MAX];
    size_t n_notes, n_noted; /* noted: those that the job under way holds */
    struct mono dull_since;  /* since when notes and ends alone wait; unset: they do not */

    bool busy, closing; /* a job is under way; the process ends */
    struct {
        struct spool_file *file;
        size_t bytes;
        bool fresh;
    } job;
    struct mono retry_at, busy_since;
    int errnum;
    bool full;
    uint64_t failures, written, notes_lost;
};

static size_t clamp(size_t n, size_t least, size_t most)
{
    return n < least ? least : n > most ? most : n;
}

struct spool *spool_create(size_t max_bytes, const char *agent, const char *instance)
{
    REQUIRE(max_bytes > 0 && strlen(agent) <= AGENT_NAME_MAX &&
            strlen(instance) <= INSTANCE_ID_LEN);
    struct spool *s = mem_zalloc(sizeof(*s));
    s->max_bytes = max_bytes;
    s->file_bytes = clamp(max_bytes / FILES_WANTED, FILE_BYTES_MIN, FILE_BYTES_MAX);
    s->job_bytes = clamp(s->file_bytes / 4, 1, SPOOL_JOB_BYTES);
    snprintf(s->head.agent, sizeof(s->head.agent), "%s", agent);
    snprintf(s->head.instance, sizeof(s->head.instance), "%s", instance);
    list_init(&s->files);
    list_init(&s->waiting);
    list_init(&s->writing);
    return s;
}

static struct spool_file *file_add(struct spool *s, uint64_t number, size_t bytes,
                                   const char *store)
{
    struct spool_file *f = mem_zalloc(sizeof(*f));
    f->number = number;
    f->bytes = bytes;
    snprintf(f->store, sizeof(f->store), "%s", store);
    list_push_back(&s->files, &f->node);
    s->bytes += bytes;
    if (number > s->head.number)
        s->head.number = number;
    return f;
}

static void file_free(struct spool *s, struct spool_file *f)
{
    REQUIRE(f != s->current && s->bytes >= f->bytes);
    s->bytes -= f->bytes;
    list_remove(&s->files, &f->node);
    free(f);
}

void spool_destroy(struct spool **sp)
{
    struct spool *s = *sp;
    if (!s)
        return;
    REQUIRE(list_empty(&s->waiting) && list_empty(&s->writing));
    s->current = NULL;
    LIST_EACH_SAFE (&s->files, n, tmp)
        file_free(s, CONTAINER_OF(n, struct spool_file, node));
    free(s);
    *sp = NULL;
}

void spool_set_store(struct spool *s, const char *store)
{
    if (strcmp(s->head.store, store) == 0)
        return;
    if (s->head.store[0] != '\0') {
        LIST_EACH (&s->files, n)
            CONTAINER_OF(n, struct spool_file, node)->aside = true;
        s->current = NULL;
        s->n_notes = s->n_noted = 0;
    }
    snprintf(s->head.store, sizeof(s->head.store), "%s", store);
}

const char *spool_store(const struct spool *s)
{
    return s->head.store;
}

/* ---- results come and go */

static size_t size_of(const struct spool_place *p)
{
    return SEGMENT_RECORD_BYTES + strlen(p->item.ticket) + p->item.record_len;
}

static void enlist(struct spool_place *p, struct list *l, bool first)
{
    REQUIRE(!p->in);
    p->in = l;
    if (first)
        list_push_front(l, &p->node);
    else
        list_push_back(l, &p->node);
}

static void unlist(struct spool *s, struct spool_place *p)
{
    if (!p->in)
        return;
    list_remove(p->in, &p->node);
    if (p->in == &s->waiting)
        s->waiting_bytes -= size_of(p);
    p->in = NULL;
}

static void await(struct spool *s, struct spool_place *p, bool first)
{
    enlist(p, &s->waiting, first);
    s->waiting_bytes += size_of(p);
}

void spool_add(struct spool *s, struct spool_place *p)
{
    REQUIRE(!p->file && !list_linked(&p->node));
    await(s, p, false);
}

void spool_forget(struct spool *s, struct spool_place *p)
{
    unlist(s, p);
    if (p->file) {
        REQUIRE(p->file->live > 0);
        p->file->live--;
    }
    p->file = NULL;
}

/* The last result of a file that is not written to any more takes the file with it: no note. */
void spool_remove(struct spool *s, struct spool_place *p)
{
    struct spool_file *f = p->file;
    spool_forget(s, p);
    if (!f || f->aside || (f->live == 0 && f != s->current))
        return;
    if (s->n_notes < SPOOL_NOTES_MAX)
        s->notes[s->n_notes++] = p->item.task;
    else
        s->notes_lost++;
}

/* ---- at start */

void spool_pin(struct spool_file *f)
{
    f->live++;
}

struct spool_file *spool_found(struct spool *s, uint64_t number, const char *p, size_t n)
{
    struct segment_head h;
    if (!p) {
        spool_pin(file_add(s, number, 0, STORE_UNKNOWN));
        return NULL;
    }
    bool known = segment_read_head(p, n, &h) == ERR_NONE;
    bool ours = known && h.store[0] != '\0' && strcmp(h.agent, s->head.agent) == 0 &&
                strcmp(h.instance, s->head.instance) == 0;
    if (ours)
        spool_set_store(s, h.store);
    struct spool_file *f = file_add(s, number, n, known ? h.store : STORE_UNKNOWN);
    f->aside = !ours && !segment_is_empty(p, n);
    return ours ? f : NULL;
}

void spool_adopt(struct spool *s, struct spool_place *p, struct spool_file *f)
{
    REQUIRE(!p->file && !p->in && !f->aside);
    p->file = f;
    f->live++;
}

/* ---- jobs */

static bool done_with(const struct spool *s, const struct spool_file *f)
{
    return f != s->current && (f->aside || f->live == 0);
}

static void put_ends(struct spool *s, struct spool_job *j)
{
    LIST_EACH (&s->files, n) {
        struct spool_file *f = CONTAINER_OF(n, struct spool_file, node);
        if (!done_with(s, f))
            continue;
        if (j->n_ends == SPOOL_ENDS_MAX)
            return;
        struct spool_end *e = &j->ends[j->n_ends++];
        e->number = f->number;
        e->aside = f->aside;
        memcpy(e->store, f->store, sizeof(e->store));
        f->leaving = true;
    }
}

static bool any_done_with(const struct spool *s)
{
    LIST_EACH (&s->files, n)
        if (done_with(s, CONTAINER_OF(n, struct spool_file, node)))
            return true;
    return false;
}

/* Notes precede results: one may be of an earlier result of a task that has another now. */
static void put_notes(struct spool *s, struct spool_job *j)
{
    s->n_noted = s->n_notes;
    if (s->n_noted > 0)
        segment_put_acks(&j->bytes, s->notes, s->n_noted);
}

static bool fits(const struct spool *s, const struct spool_job *j, size_t more)
{
    return s->bytes + j->bytes.len + more <= s->max_bytes;
}

static struct spool_place *first_waiting(const struct spool *s)
{
    struct list_node *n = list_first(&s->waiting);
    return n ? CONTAINER_OF(n, struct spool_place, node) : NULL;
}

static void put_results(struct spool *s, struct spool_job *j, struct spool_file *f)
{
    for (struct spool_place *p; (p = first_waiting(s)) != NULL;) {
        if (j->bytes.len >= s->job_bytes || !fits(s, j, size_of(p)))
            break;
        segment_put_result(&j->bytes, p->item.task, p->item.ticket, p->item.record,
                           p->item.record_len);
        unlist(s, p);
        enlist(p, &s->writing, false);
        p->file = f;
        f->live++;
    }
}

/* The file to write to: a new one when the last is full, or failed. */
static struct spool_file *pick_file(struct spool *s, struct spool_job *j)
{
    if (s->current && s->current->bytes < s->file_bytes) {
        j->offset = s->current->bytes;
        return s->current;
    }
    struct spool_file *f = file_add(s, s->head.number + 1, 0, s->head.store);
    s->current = f;
    j->fresh = true;
    segment_put_head(&j->bytes, &s->head);
    return f;
}

/* A full spool takes nothing, but files may be done with. The last one, if nothing in it is
 * needed, is the room that is missing. */
static bool may_write(struct spool *s, const struct spool_job *j)
{
    const struct spool_place *p = first_waiting(s);
    size_t notes = s->n_notes * 8 + SEGMENT_RECORD_BYTES;
    size_t least = SEGMENT_HEAD_BYTES + notes + (p ? size_of(p) : 0);
    s->full = !fits(s, j, least) && p;
    if (s->full && s->current && s->current->live == 0)
        s->current = NULL;
    return (p || s->n_notes > 0 || s->errnum) && fits(s, j, least);
}

static void put_writes(struct spool *s, struct spool_job *j)
{
    struct spool_file *f = pick_file(s, j);
    put_notes(s, j);
    put_results(s, j, f);
    REQUIRE(!j->bytes.overflow);
    j->number = f->number;
    s->job.file = f;
    s->job.fresh = j->fresh;
    s->job.bytes = j->bytes.len;
    f->bytes += j->bytes.len;
    s->bytes += j->bytes.len;
}

/* Results go at once. A disk that failed is tried with or without one: only what it takes proves
 * that it is well. What is only to be tidied up waits a moment for company. */
static bool due(struct spool *s, struct mono now)
{
    if (s->busy || mono_before(now, s->retry_at))
        return false;
    if (s->errnum)
        return true;
    if (!list_empty(&s->waiting) && !s->full)
        return true;
    if (s->n_notes == 0 && !any_done_with(s)) {
        s->dull_since = (struct mono){0};
        return !list_empty(&s->waiting);
    }
    if (!mono_is_set(s->dull_since))
        s->dull_since = now;
    return s->closing || mono_diff_ms(now, s->dull_since) >= SPOOL_NOTES_MS;
}

bool spool_next(struct spool *s, struct spool_job *j, struct mono now)
{
    if (!due(s, now))
        return false;
    strbuf_reset(&j->bytes);
    j->n_ends = 0;
    j->number = j->offset = 0;
    j->fresh = false;
    s->job.file = NULL;
    bool write = may_write(s, j);
    put_ends(s, j);
    if (write)
        put_writes(s, j);
    s->busy = j->n_ends > 0 || write;
    s->busy_since = now;
    return s->busy;
}

static void file_wrote(struct spool *s)
{
    while (!list_empty(&s->writing))
        unlist(s, CONTAINER_OF(list_first(&s->writing), struct spool_place, node));
    s->n_notes -= s->n_noted;
    memmove(s->notes, s->notes + s->n_noted, s->n_notes * sizeof(s->notes[0]));
}

/* What it was to hold waits again, in its old order, for another file. */
static void file_failed(struct spool *s)
{
    struct spool_file *f = s->job.file;
    for (struct list_node *n; (n = list_last(&s->writing)) != NULL;) {
        struct spool_place *p = CONTAINER_OF(n, struct spool_place, node);
        spool_forget(s, p);
        await(s, p, true);
    }
    f->bytes -= s->job.bytes;
    s->bytes -= s->job.bytes;
    s->current = NULL;
}

static void free_ended(struct spool *s, bool gone)
{
    LIST_EACH_SAFE (&s->files, n, tmp) {
        struct spool_file *f = CONTAINER_OF(n, struct spool_file, node);
        if (f->leaving && gone)
            file_free(s, f);
        else
            f->leaving = false;
    }
}

void spool_done(struct spool *s, int errnum, struct mono now)
{
    REQUIRE(s->busy);
    bool wrote = s->job.file != NULL;
    s->busy = false;
    s->dull_since = (struct mono){0};
    free_ended(s, errnum == 0);
    if (s->job.file && errnum == 0)
        file_wrote(s);
    else if (s->job.file)
        file_failed(s);
    s->written += errnum == 0 ? s->job.bytes : 0;
    s->job.file = NULL;
    s->job.bytes = s->n_noted = 0;
    if (errnum || wrote)
        s->errnum = errnum;
    s->failures += errnum != 0;
    s->retry_at = errnum ? mono_add_ms(now, SPOOL_RETRY_MS) : (struct mono){0};
}

void spool_close(struct spool *s)
{
    REQUIRE(!s->busy);
    s->closing = true;
    LIST_EACH (&s->files, n)
        if (CONTAINER_OF(n, struct spool_file, node)->live > 0)
            return;
    if (!list_empty(&s->waiting))
        return;
    s->current = NULL;
    s->n_notes = 0;
}

/* ---- figures */

void spool_stats(const struct spool *s, struct spool_stats *out)
{
    *out = (struct spool_stats){.bytes = s->bytes,
                                .files = s->files.count,
                                .waiting = s->waiting.count + s->writing.count,
                                .max_bytes = s->max_bytes,
                                .errnum = s->errnum,
                                .full = s->full && !list_empty(&s->waiting),
                                .busy_since = s->busy ? s->busy_since : (struct mono){0},
                                .failures = s->failures,
                                .written = s->written,
                                .notes_lost = s->notes_lost};
}

const char *spool_trouble(const struct spool_stats *st, struct mono now,
                          char buf[SPOOL_TROUBLE_MAX])
{
    buf[0] = '\0';
    if (mono_is_set(st->busy_since) && mono_diff_ms(now, st->busy_since) >= SPOOL_SLOW_MS)
        snprintf(buf, SPOOL_TROUBLE_MAX,
                 "the disk of the data directory has not answered for %lld s: %zu results live in "
                 "memory alone",
                 (long long)mono_diff_ms(now, st->busy_since) / 1000, st->waiting);
    else if (st->errnum)
        snprintf(buf, SPOOL_TROUBLE_MAX,
                 "the spool in the data directory cannot be written (%s): %zu results live in "
                 "memory alone",
                 strerror(st->errnum), st->waiting);
    else if (st->full)
        snprintf(buf, SPOOL_TROUBLE_MAX,
                 "the spool is full (%zu of %zu bytes, --spool-bytes): no new tasks until the "
                 "master takes results",
                 st->bytes, st->max_bytes);
    return buf;
}

size_t spool_room(const struct spool *s)
{
    size_t used = s->bytes + s->waiting_bytes + SEGMENT_HEAD_BYTES;
    return used < s->max_bytes ? s->max_bytes - used : 0;
}
