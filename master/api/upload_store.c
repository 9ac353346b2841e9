/* SPDX-License-Identifier: MIT */
#include "master/api/upload_store.h"
#include "common/mem.h"
#include "master/api/upload.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- groups */

struct group {
    bool fixed;            /* the rows point where they should */
    struct store_req *req; /* rows point into its arena by offset until it is posted: the arena
                              moves as it grows */
    struct {
        size_t spec, user_id; /* SIZE_MAX = no user_id */
    } at[STORE_COMMIT_ROWS];
};

static void rows_done(struct store_req *s);

struct group *group_create(void)
{
    struct group *g = mem_alloc(sizeof(*g));
    g->fixed = false;
    g->req = store_req_create(STORE_UPLOAD_ROWS, rows_done, NULL);
    g->req->upload.rows = mem_array(STORE_COMMIT_ROWS, sizeof(struct store_row));
    return g;
}

struct group *group_take(struct store_req *s)
{
    REQUIRE(s->op == STORE_ENDED_TASKS && s->ended_tasks.n > 0);
    struct group *g = mem_alloc(sizeof(*g));
    g->fixed = true;
    g->req = store_req_create(STORE_UPLOAD_ROWS, rows_done, NULL);
    g->req->upload.rows = s->ended_tasks.rows;
    g->req->upload.n_rows = s->ended_tasks.n;
    strbuf_fini(&g->req->arena);
    g->req->arena = s->arena;
    strbuf_init(&s->arena, STORE_ARENA_BYTES);
    s->ended_tasks.rows = NULL;
    s->ended_tasks.n = 0;
    return g;
}

void group_destroy(struct group **gp)
{
    if (!*gp)
        return;
    if ((*gp)->req)
        store_req_destroy(&(*gp)->req);
    free(*gp);
    *gp = NULL;
}

bool group_full(const struct group *g, uint32_t expand)
{
    return (g->req->upload.n_rows + 1) * expand > STORE_COMMIT_ROWS ||
           g->req->arena.len >= UPLOAD_GROUP_BYTES;
}

bool group_add(struct group *g, const struct target *t, const char **spec, size_t *len)
{
    struct strbuf *b = &g->req->arena;
    unsigned i = g->req->upload.n_rows;
    size_t start = b->len;
    REQUIRE(!group_full(g, 1));
    if (target_encode(t, b) != ERR_NONE) {
        strbuf_truncate(b, start);
        return false;
    }
    *len = b->len - start;
    strbuf_putc(b, '\0');
    g->at[i].spec = start;
    g->at[i].user_id = t->user_id ? b->len : SIZE_MAX;
    if (t->user_id)
        strbuf_append(b, t->user_id, strlen(t->user_id) + 1);
    REQUIRE(!b->overflow);
    g->req->upload.rows[i].spec_len = (uint32_t)*len;
    g->req->upload.rows[i].host_hash = target_host_hash(t);
    g->req->upload.n_rows++;
    *spec = b->data + start;
    return true;
}

static void group_fix(struct group *g)
{
    struct store_req *s = g->req;
    if (g->fixed)
        return;
    for (unsigned i = 0; i < s->upload.n_rows; i++) {
        s->upload.rows[i].spec = s->arena.data + g->at[i].spec;
        s->upload.rows[i].user_id =
            g->at[i].user_id == SIZE_MAX ? NULL : s->arena.data + g->at[i].user_id;
    }
}

/* ---- the tally */

struct tally {
    pthread_mutex_t lock;
    struct api *api;
    unsigned under_way;
    bool left; /* the upload is gone */
    enum err err;
    char why[TALLY_WHY_MAX];
    struct http_req *waiter;
    struct store_req *abort;
};

struct tally *tally_create(struct api *a)
{
    struct tally *t = mem_zalloc(sizeof(*t));
    PTOK(pthread_mutex_init(&t->lock, NULL));
    t->api = a;
    atomic_fetch_add(&a->tallies, 1);
    return t;
}

static void abort_done(struct store_req *s)
{
    store_req_destroy(&s);
}

static void post_abort(struct api *a, struct store_req *s)
{
    if (store_post(a->conf.store, s) == ERR_NONE)
        return;
    PTOK(pthread_mutex_lock(&a->lock));
    list_push_back(&a->aborts, &s->letter.node);
    PTOK(pthread_mutex_unlock(&a->lock));
}

void upload_aborts_retry(struct api *a)
{
    struct list mine;
    list_init(&mine);
    PTOK(pthread_mutex_lock(&a->lock));
    list_splice_back(&mine, &a->aborts);
    PTOK(pthread_mutex_unlock(&a->lock));
    for (struct list_node *n; (n = list_pop_front(&mine)) != NULL;)
        post_abort(a, CONTAINER_OF(n, struct store_req, letter.node));
}

/* Nobody refers to it any more. The counter goes down last: at zero the api may be freed. */
static void tally_free(struct tally *t)
{
    struct api *a = t->api;
    REQUIRE(t->left && t->under_way == 0 && t->waiter == NULL);
    if (t->abort)
        post_abort(a, t->abort);
    PTOK(pthread_mutex_destroy(&t->lock));
    free(t);
    atomic_fetch_sub(&a->tallies, 1);
}

/* Store thread. */
static void rows_done(struct store_req *s)
{
    struct tally *t = s->arg;
    REQUIRE(t != NULL && s->op == STORE_UPLOAD_ROWS);
    PTOK(pthread_mutex_lock(&t->lock));
    REQUIRE(t->under_way > 0);
    t->under_way--;
    if (s->err != ERR_NONE && t->err == ERR_NONE) {
        t->err = s->err;
        snprintf(t->why, sizeof(t->why), "%s", s->why);
    }
    if (t->waiter)
        http_resume(t->waiter);
    t->waiter = NULL;
    bool last = t->left && t->under_way == 0;
    PTOK(pthread_mutex_unlock(&t->lock));
    store_req_destroy(&s);
    if (last)
        tally_free(t);
}

enum err tally_post(struct tally *t, struct group **gp, uint32_t batch, uint32_t expand)
{
    struct store_req *s = (*gp)->req;
    REQUIRE(batch != 0 && s->upload.n_rows > 0);
    group_fix(*gp);
    s->arg = t;
    s->upload.info.num = batch;
    s->upload.expand = (*gp)->fixed ? 0 : expand; /* what the store has read has its slots */
    PTOK(pthread_mutex_lock(&t->lock));
    t->under_way++;
    PTOK(pthread_mutex_unlock(&t->lock));
    enum err e = store_post(t->api->conf.store, s);
    if (e == ERR_NONE) {
        (*gp)->req = NULL;
        group_destroy(gp);
        return ERR_NONE;
    }
    PTOK(pthread_mutex_lock(&t->lock));
    t->under_way--;
    PTOK(pthread_mutex_unlock(&t->lock));
    return e;
}

bool tally_wait(struct tally *t, unsigned limit, struct http_req *r)
{
    REQUIRE(limit > 0);
    PTOK(pthread_mutex_lock(&t->lock));
    bool wait = t->under_way >= limit;
    if (wait) {
        http_suspend(r);
        t->waiter = r;
    }
    PTOK(pthread_mutex_unlock(&t->lock));
    return wait;
}

void tally_unwait(struct tally *t)
{
    PTOK(pthread_mutex_lock(&t->lock));
    t->waiter = NULL;
    PTOK(pthread_mutex_unlock(&t->lock));
}

bool tally_failed(struct tally *t)
{
    PTOK(pthread_mutex_lock(&t->lock));
    bool failed = t->err != ERR_NONE;
    PTOK(pthread_mutex_unlock(&t->lock));
    return failed;
}

enum err tally_err(struct tally *t, char why[TALLY_WHY_MAX])
{
    PTOK(pthread_mutex_lock(&t->lock));
    enum err e = t->err;
    memcpy(why, t->why, TALLY_WHY_MAX);
    PTOK(pthread_mutex_unlock(&t->lock));
    return e;
}

void tally_leave(struct tally **tp, struct store_req **main)
{
    struct tally *t = *tp;
    *tp = NULL;
    PTOK(pthread_mutex_lock(&t->lock));
    t->left = true;
    t->waiter = NULL;
    if (main) {
        t->abort = *main;
        t->abort->op = STORE_UPLOAD_ABORT;
        t->abort->done = abort_done;
        t->abort->arg = NULL;
        *main = NULL;
    }
    bool last = t->under_way == 0;
    PTOK(pthread_mutex_unlock(&t->lock));
    if (last)
        tally_free(t);
}
