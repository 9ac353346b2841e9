/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/outbox/spool.h"
#include "common/random.h"
#include "tests/support/sim_seen.h"
#include <errno.h>
#include <stdlib.h>

/*
 * sim_disk - the spool of an agent on a disk in memory, which outlives the agent's processes.
 *
 * It carries out the spool's jobs as spool_dir does, after a random time, in random failures, and
 * at the end of the process half-way: a write is torn at any byte.
 */
#define SIM_FILES_MAX 256

struct sim_file {
    uint64_t number;
    struct strbuf bytes;
};
struct sim_disk {
    struct spool *spool; /* NULL: no process */
    size_t max_bytes;    /* 0: there is no spool */
    struct sim_file files[SIM_FILES_MAX];
    unsigned n_files;
    struct spool_job job;
    bool busy, sick;
    struct mono done_at;
};

static inline struct spool *sim_disk_open(struct sim_disk *d, const char *agent,
                                          const char *instance)
{
    REQUIRE(!d->spool && !d->busy);
    d->spool = spool_create(d->max_bytes, agent, instance);
    strbuf_init(&d->job.bytes, SPOOL_JOB_MAX);
    return d->spool;
}

static inline void sim_disk_remove(struct sim_disk *d, uint64_t number)
{
    unsigned i = 0;
    while (i < d->n_files && d->files[i].number != number)
        i++;
    if (i == d->n_files)
        return;
    strbuf_fini(&d->files[i].bytes);
    for (d->n_files--; i < d->n_files; i++)
        d->files[i] = d->files[i + 1];
}

/* The last file is the only one that is written to. */
static inline void sim_disk_write(struct sim_disk *d, size_t n)
{
    const struct spool_job *j = &d->job;
    if (j->fresh) {
        REQUIRE(d->n_files < SIM_FILES_MAX);
        REQUIRE(d->n_files == 0 || d->files[d->n_files - 1].number < j->number);
        d->files[d->n_files].number = j->number;
        strbuf_init(&d->files[d->n_files++].bytes, 64 << 20);
    }
    struct sim_file *f = &d->files[d->n_files - 1];
    REQUIRE(f->number == j->number && f->bytes.len == j->offset && n <= j->bytes.len);
    strbuf_append(&f->bytes, j->bytes.data, n);
}

static inline void sim_disk_run(struct sim_disk *d, unsigned ends, size_t n)
{
    for (unsigned i = 0; i < ends; i++)
        sim_disk_remove(d, d->job.ends[i].number);
    if (d->job.number)
        sim_disk_write(d, n);
}

/* True: a job has ended. */
static inline bool sim_disk_done(struct sim_disk *d, struct mono at)
{
    if (!d->spool || !d->busy || mono_before(at, d->done_at))
        return false;
    d->busy = false;
    SEEN_IF(d->sick, spool_sick);
    if (!d->sick)
        sim_disk_run(d, d->job.n_ends, d->job.bytes.len);
    spool_done(d->spool, d->sick ? ENOSPC : 0, at);
    return true;
}

/* True: a job begins. */
static inline bool sim_disk_next(struct sim_disk *d, struct rng *rng, struct mono at)
{
    if (!d->spool || d->busy || !spool_next(d->spool, &d->job, at))
        return false;
    d->busy = true;
    d->done_at = mono_add_ms(at, (int64_t)rng_below(rng, rng_below(rng, 4) ? 20 : 3000));
    return true;
}

static inline void sim_disk_turn(struct sim_disk *d, struct rng *rng, struct mono at)
{
    (void)sim_disk_done(d, at);
    (void)sim_disk_next(d, rng, at);
}

/* The process ends, wherever its job is. */
static inline void sim_disk_cut(struct sim_disk *d, struct rng *rng)
{
    if (!d->spool)
        return;
    if (d->busy && rng_below(rng, 4) == 0) {
        sim_disk_run(d, d->job.n_ends, d->job.bytes.len);
        SEEN(spool_whole);
    } else if (d->busy && rng_below(rng, 3)) {
        unsigned ends = (unsigned)rng_below(rng, d->job.n_ends + 1);
        bool all = ends == d->job.n_ends;
        if (!all)
            d->job.number = 0;
        sim_disk_run(d, ends, all ? rng_below(rng, d->job.bytes.len + 1) : 0);
        SEEN(spool_torn);
    } else if (d->busy) {
        SEEN(spool_none);
    }
    d->busy = false;
    strbuf_fini(&d->job.bytes);
    spool_destroy(&d->spool);
}

static inline void sim_disk_free(struct sim_disk *d)
{
    while (d->n_files > 0)
        sim_disk_remove(d, d->files[0].number);
}

static inline void sim_disk_audit(const struct sim_disk *d)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < d->n_files; i++)
        bytes += d->files[i].bytes.len;
    REQUIRE(bytes <= d->max_bytes);
    if (!d->spool)
        return;
    struct spool_stats st;
    spool_stats(d->spool, &st);
    SEEN_IF(st.full, spool_full);
}
