/* SPDX-License-Identifier: MIT */
#include "master/store/sweep.h"

#include <stdlib.h>

#include "common/list.h"
#include "common/mem.h"
#include "proto/result.h"

struct job {
    struct list_node node;
    uint32_t batch;
    bool delete;
    enum cause cause;
    struct strbuf record; /* of every verdict of this job */
    uint64_t next;        /* the first ordinal to look at, as of the last commit */
    /* of the transaction under way */
    uint64_t reached, count;
    bool finished;
};
struct sweep {
    struct list jobs;
    struct job *running; /* the job of this transaction, first in the list */
};

struct sweep *sweep_create(void)
{
    struct sweep *s = mem_zalloc(sizeof(*s));
    list_init(&s->jobs);
    return s;
}

static void job_free(struct sweep *s, struct job *j)
{
    list_remove(&s->jobs, &j->node);
    strbuf_fini(&j->record);
    free(j);
}

static struct job *first_job(const struct sweep *s)
{
    struct list_node *n = list_first(&s->jobs);
    return n ? CONTAINER_OF(n, struct job, node) : NULL;
}

void sweep_destroy(struct sweep **sp)
{
    struct sweep *s = *sp;
    if (!s)
        return;
    *sp = NULL;
    struct job *j;
    while ((j = first_job(s)))
        job_free(s, j);
    free(s);
}

static struct job *job_add(struct sweep *s, uint32_t batch)
{
    REQUIRE(batch != 0);
    struct job *j = mem_zalloc(sizeof(*j));
    j->batch = batch;
    strbuf_init(&j->record, RESULT_MAX_BYTES);
    list_push_back(&s->jobs, &j->node);
    return j;
}

void sweep_add_mark(struct sweep *s, uint32_t batch, enum cause cause, uint64_t from)
{
    REQUIRE(cause != CAUSE_NONE);
    struct job *j = job_add(s, batch);
    j->cause = cause;
    j->next = from;
    result_encode_verdict(cause, NULL, &j->record);
    REQUIRE(!j->record.overflow);
}

void sweep_add_delete(struct sweep *s, uint32_t batch)
{
    job_add(s, batch)->delete = true;
}

bool sweep_has_mark(const struct sweep *s, uint32_t batch)
{
    LIST_EACH (&s->jobs, n) {
        const struct job *j = CONTAINER_OF(n, struct job, node);
        if (j->batch == batch && !j->delete)
            return true;
    }
    return false;
}

bool sweep_idle(const struct sweep *s)
{
    return list_empty(&s->jobs);
}

static enum err delete_chunk(struct job *j, struct apply *a, unsigned rows)
{
    unsigned n = 0;
    enum err e = sqlite_tasks_delete(a->db, j->batch, rows, &n);
    if (e || n == rows)
        return e;
    j->finished = true;
    return sqlite_batch_delete(a->db, j->batch);
}

static enum err verdict(struct job *j, struct apply *a, struct store_result *x)
{
    x->task = task_id(j->batch, (uint32_t)j->reached);
    enum err e = apply_result(a, x);
    if (e)
        return e;
    REQUIRE(x->verdict != ACK_REJECTED);
    j->reached++;
    if (x->verdict == ACK_STORED)
        j->count++;
    return ERR_NONE;
}

/* The ordinals of a batch are dense, so its tasks need not be read; those that have a result refuse
 * the second one. */
static enum err mark_chunk(struct job *j, struct apply *a, unsigned rows)
{
    const struct ledger_batch *b = ledger_find(a->ledger, j->batch);
    uint64_t total = b ? b->info.total : 0; /* no b: the last result came in before us */
    struct store_result x = {
        .outcome = cause_outcome(j->cause),
        .cause = cause_word(j->cause),
        .record = j->record.data,
        .record_len = (uint32_t)j->record.len,
    };
    for (unsigned i = 0; i < rows && j->reached < total; i++) {
        enum err e = verdict(j, a, &x);
        if (e)
            return e;
    }
    j->finished = j->reached >= total;
    return ERR_NONE;
}

enum err sweep_run(struct sweep *s, struct apply *a, unsigned rows)
{
    REQUIRE(!s->running && rows > 0);
    struct job *j = first_job(s);
    if (!j)
        return ERR_NONE;
    s->running = j;
    j->reached = j->next;
    j->count = 0;
    j->finished = false;
    return j->delete ? delete_chunk(j, a, rows) : mark_chunk(j, a, rows);
}

struct sweep_report sweep_committed(struct sweep *s)
{
    struct job *j = s->running;
    s->running = NULL;
    struct sweep_report report = {0};
    if (!j)
        return report;
    if (!j->delete &&(j->count > 0 || j->finished))
        report = (struct sweep_report){j->batch, cause_outcome(j->cause), j->count, j->finished};
    j->next = j->reached;
    if (j->finished) {
        job_free(s, j);
        return report;
    }
    list_remove(&s->jobs, &j->node);
    list_push_back(&s->jobs, &j->node);
    return report;
}

void sweep_rolled_back(struct sweep *s)
{
    s->running = NULL;
}
