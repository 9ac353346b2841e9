/* SPDX-License-Identifier: MIT */
#include "agent/outbox/spooler.h"
#include "agent/outbox/spool_dir.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STOP_MS 2000

struct errand {
    struct letter letter;
    struct spool_job job;
    int errnum;
};

/* The one errand lies in one of the boxes, or is the thread's, or (`idle`) the link's. */
struct spooler {
    struct spool *spool;
    char dir[SPOOL_PATH_MAX];
    size_t aside_max;
    struct mailbox *to_do, *done;
    pthread_mutex_t lock; /* guards wake, and is held while it runs: its arg may go away after */
    void (*wake)(void *arg);
    void *arg;
    pthread_t thread;
    struct errand errand;
    bool idle;
    int errnum; /* as it was logged */
};

static void wake_link(void *arg)
{
    struct spooler *p = arg;
    PTOK(pthread_mutex_lock(&p->lock));
    if (p->wake)
        p->wake(p->arg);
    PTOK(pthread_mutex_unlock(&p->lock));
}

static void *run(void *arg)
{
    struct spooler *p = arg;
    struct list l;
    list_init(&l);
    PTOK(pthread_setname_np(pthread_self(), "spool"));
    while (mailbox_wait(p->to_do, &l, -1) > 0) {
        struct errand *e = CONTAINER_OF(list_pop_front(&l), struct errand, letter.node);
        REQUIRE(list_empty(&l) && e == &p->errand);
        e->errnum = spool_dir_run(p->dir, p->aside_max, &e->job);
        if (mailbox_post_reply(p->done, &e->letter) != ERR_NONE)
            UNREACHABLE("nobody closes this box");
    }
    return NULL;
}

static void destroy(struct spooler *p)
{
    mailbox_destroy(&p->to_do);
    mailbox_destroy(&p->done);
    PTOK(pthread_mutex_destroy(&p->lock));
    strbuf_fini(&p->errand.job.bytes);
    free(p);
}

struct spooler *spooler_start(struct spool *s, const char *dir, void (*wake)(void *arg), void *arg)
{
    struct spool_stats stats;
    struct spooler *p = mem_zalloc(sizeof(*p));
    spool_stats(s, &stats);
    p->spool = s;
    p->aside_max = stats.max_bytes;
    p->idle = true;
    REQUIRE(strlen(dir) < sizeof(p->dir) - 128);
    snprintf(p->dir, sizeof(p->dir), "%s", dir);
    strbuf_init(&p->errand.job.bytes, SPOOL_JOB_MAX);
    p->to_do = mailbox_create("spool", 1, SPOOL_JOB_MAX, NULL, NULL);
    p->done = mailbox_create("spooled", 1, SPOOL_JOB_MAX, wake_link, p);
    p->wake = wake;
    p->arg = arg;
    PTOK(pthread_mutex_init(&p->lock, NULL));
    if (pthread_create(&p->thread, NULL, run, p) == 0)
        return p;
    LOG(LOG_ERROR, "spool", "no_thread", LS("fix", "raise the limit of processes (ulimit -u)"));
    destroy(p);
    return NULL;
}

static void tell(struct spooler *p)
{
    struct spool_stats st;
    spool_stats(p->spool, &st);
    int errnum = st.errnum;
    if (errnum != 0 && errnum != p->errnum)
        LOG(LOG_WARN, "spool", "cannot_write", LS("path", p->dir), LS("problem", strerror(errnum)),
            LS("effect", "results live in memory alone until it can"));
    else if (errnum == 0 && p->errnum != 0)
        LOG(LOG_INFO, "spool", "writes_again", LS("path", p->dir));
    p->errnum = errnum;
}

static void take_done(struct spooler *p, struct list *l, struct mono now)
{
    struct list_node *n = list_pop_front(l);
    if (!n)
        return;
    REQUIRE(!p->idle && list_empty(l));
    p->idle = true;
    spool_done(p->spool, p->errand.errnum, now);
    tell(p);
}

static void give(struct spooler *p, struct mono now)
{
    if (!p->idle || !spool_next(p->spool, &p->errand.job, now))
        return;
    p->idle = false;
    p->errand.letter.weight_bytes = p->errand.job.bytes.len;
    if (mailbox_post(p->to_do, &p->errand.letter) != ERR_NONE)
        UNREACHABLE("the box has room for the one errand");
}

void spooler_pump(struct spooler *p, struct mono now)
{
    struct list l;
    list_init(&l);
    (void)mailbox_take_all(p->done, &l);
    take_done(p, &l, now);
    give(p, now);
}

/* False: the disk has not answered in time. */
static bool settle(struct spooler *p, struct mono until)
{
    struct list l;
    list_init(&l);
    while (!p->idle) {
        int64_t ms = mono_diff_ms(until, mono_now());
        if (ms <= 0 || mailbox_wait(p->done, &l, (int)ms) == 0)
            return false;
        take_done(p, &l, mono_now());
    }
    return true;
}

void spooler_stop(struct spooler **pp)
{
    struct spooler *p = *pp;
    if (!p)
        return;
    *pp = NULL;
    struct mono until = mono_add_ms(mono_now(), STOP_MS);
    bool settled = settle(p, until);
    if (settled)
        spool_close(p->spool);
    while (settled && p->idle) {
        give(p, mono_now());
        if (p->idle)
            break;
        settled = settle(p, until);
    }
    mailbox_close(p->to_do);
    if (!settled) {
        PTOK(pthread_mutex_lock(&p->lock));
        p->wake = NULL;
        PTOK(pthread_mutex_unlock(&p->lock));
        LOG(LOG_WARN, "spool", "disk_hangs", LS("path", p->dir));
        PTOK(pthread_detach(p->thread));
        return;
    }
    PTOK(pthread_join(p->thread, NULL));
    destroy(p);
}
