/* SPDX-License-Identifier: MIT */
#include "common/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/mem.h"

/* `lock` guards everything below it; what stands above is set once. */
struct mailbox {
    char *name;
    size_t max_letters, max_bytes;
    mailbox_wake_f *wake;
    void *arg;

    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct list letters;
    size_t bytes;
    bool closed;
    uint64_t posted, refused;
};

struct mailbox *mailbox_create(const char *name, size_t max_letters, size_t max_bytes,
                               mailbox_wake_f *wake, void *arg)
{
    REQUIRE(name != NULL && max_letters > 0 && max_bytes > 0);
    struct mailbox *m = mem_zalloc(sizeof(*m));
    m->name = mem_strdup(name);
    m->max_letters = max_letters;
    m->max_bytes = max_bytes;
    m->wake = wake;
    m->arg = arg;
    list_init(&m->letters);
    PTOK(pthread_mutex_init(&m->lock, NULL));
    pthread_condattr_t attr;
    PTOK(pthread_condattr_init(&attr));
    PTOK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    PTOK(pthread_cond_init(&m->arrived, &attr));
    PTOK(pthread_condattr_destroy(&attr));
    return m;
}

void mailbox_destroy(struct mailbox **mp)
{
    struct mailbox *m = *mp;
    if (!m)
        return;
    *mp = NULL;
    REQUIRE(list_empty(&m->letters));
    PTOK(pthread_cond_destroy(&m->arrived));
    PTOK(pthread_mutex_destroy(&m->lock));
    free(m->name);
    free(m);
}

static bool has_room(const struct mailbox *m, const struct letter *l)
{
    return m->letters.count < m->max_letters && m->bytes <= m->max_bytes &&
           l->weight_bytes <= m->max_bytes - m->bytes;
}

/* Under the lock, before the first letter is in. The wake that is due, or NULL. */
static mailbox_wake_f *note_arrival(struct mailbox *m)
{
    if (!list_empty(&m->letters))
        return NULL;
    PTOK(pthread_cond_signal(&m->arrived));
    return m->wake;
}

static enum err post(struct mailbox *m, struct letter *l, bool bounded)
{
    REQUIRE(m != NULL && l != NULL);
    /* Once the lock is released the receiver may take the letter and destroy the box. */
    mailbox_wake_f *wake = NULL;
    void *arg = m->arg;
    enum err e = ERR_NONE;

    PTOK(pthread_mutex_lock(&m->lock));
    if (m->closed) {
        e = ERR_CLOSED;
    } else if (bounded && !has_room(m, l)) {
        m->refused++;
        e = ERR_FULL;
    } else {
        wake = note_arrival(m);
        list_push_back(&m->letters, &l->node);
        m->bytes += l->weight_bytes;
        m->posted++;
    }
    PTOK(pthread_mutex_unlock(&m->lock));

    if (wake)
        wake(arg);
    return e;
}

enum err mailbox_post(struct mailbox *m, struct letter *l)
{
    return post(m, l, true);
}

enum err mailbox_post_reply(struct mailbox *m, struct letter *l)
{
    return post(m, l, false);
}

static size_t weight_of(const struct list *letters)
{
    size_t bytes = 0;
    LIST_EACH (letters, n)
        bytes += CONTAINER_OF(n, struct letter, node)->weight_bytes;
    return bytes;
}

enum err mailbox_post_replies(struct mailbox *m, struct list *letters)
{
    REQUIRE(m != NULL && !list_empty(letters));
    size_t bytes = weight_of(letters);
    mailbox_wake_f *wake = NULL; /* as in post() */
    void *arg = m->arg;
    enum err e = ERR_CLOSED;

    PTOK(pthread_mutex_lock(&m->lock));
    if (!m->closed) {
        wake = note_arrival(m);
        m->bytes += bytes;
        m->posted += letters->count;
        list_splice_back(&m->letters, letters);
        e = ERR_NONE;
    }
    PTOK(pthread_mutex_unlock(&m->lock));

    if (wake)
        wake(arg);
    return e;
}

/* Under the lock. */
static size_t detach(struct mailbox *m, struct list *out)
{
    size_t n = m->letters.count;
    list_splice_back(out, &m->letters);
    m->bytes = 0;
    return n;
}

size_t mailbox_take_all(struct mailbox *m, struct list *out)
{
    REQUIRE(m != NULL && out != NULL);
    PTOK(pthread_mutex_lock(&m->lock));
    size_t n = detach(m, out);
    PTOK(pthread_mutex_unlock(&m->lock));
    return n;
}

/* Under the lock. False: the deadline has passed (NULL: there is none). */
static bool wait_arrived(struct mailbox *m, const struct timespec *deadline)
{
    if (!deadline) {
        PTOK(pthread_cond_wait(&m->arrived, &m->lock));
        return true;
    }
    int rc = pthread_cond_timedwait(&m->arrived, &m->lock, deadline);
    REQUIRE(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

size_t mailbox_wait(struct mailbox *m, struct list *out, int timeout_ms)
{
    REQUIRE(m != NULL && out != NULL && timeout_ms >= -1);
    struct mono at = mono_add_ms(mono_now(), timeout_ms);
    struct timespec deadline = {.tv_sec = at.ns / NS_PER_SEC, .tv_nsec = at.ns % NS_PER_SEC};

    PTOK(pthread_mutex_lock(&m->lock));
    bool waiting = timeout_ms != 0;
    while (waiting && list_empty(&m->letters) && !m->closed)
        waiting = wait_arrived(m, timeout_ms < 0 ? NULL : &deadline);
    size_t n = detach(m, out);
    PTOK(pthread_mutex_unlock(&m->lock));
    return n;
}

void mailbox_close(struct mailbox *m)
{
    REQUIRE(m != NULL);
    PTOK(pthread_mutex_lock(&m->lock));
    bool first = !m->closed;
    m->closed = true;
    PTOK(pthread_cond_broadcast(&m->arrived));
    mailbox_wake_f *wake = first ? m->wake : NULL;
    void *arg = m->arg;
    PTOK(pthread_mutex_unlock(&m->lock));
    if (wake)
        wake(arg);
}

bool mailbox_finished(struct mailbox *m)
{
    PTOK(pthread_mutex_lock(&m->lock));
    bool finished = m->closed && list_empty(&m->letters);
    PTOK(pthread_mutex_unlock(&m->lock));
    return finished;
}

void mailbox_stats(struct mailbox *m, struct mailbox_stats *out)
{
    PTOK(pthread_mutex_lock(&m->lock));
    *out = (struct mailbox_stats){
        .letters = m->letters.count,
        .bytes = m->bytes,
        .max_letters = m->max_letters,
        .max_bytes = m->max_bytes,
        .posted = m->posted,
        .refused = m->refused,
    };
    PTOK(pthread_mutex_unlock(&m->lock));
}
