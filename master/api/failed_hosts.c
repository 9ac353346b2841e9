/* SPDX-License-Identifier: MIT */
#include "master/api/failed_hosts.h"
#include "common/mem.h"
#include "proto/target.h"
#include <stdlib.h>
#include <uthash.h>

#define HOST_NAME_MAX 255

struct entry {
    struct store_host host; /* hash first: the key */
    uint32_t by_cause[CAUSE_COUNT];
    UT_hash_handle hh;
};
struct shown {
    struct store_host host;
    uint32_t by_cause[CAUSE_COUNT];
    char name[HOST_NAME_MAX + 1]; /* "" = not known */
};
struct failed_hosts {
    uint32_t batch;
    uint64_t next;
    bool asked, exhausted, ranked, inexact, gone;
    struct entry *all; /* by host.hash */
    struct shown top[FAILED_HOSTS_SHOWN];
    unsigned n_top, n_named;
};

struct failed_hosts *failed_hosts_create(uint32_t batch, uint64_t n_failed)
{
    struct failed_hosts *h = mem_zalloc(sizeof(*h));
    h->batch = batch;
    h->exhausted = n_failed == 0;
    return h;
}

static void forget_all(struct failed_hosts *h)
{
    struct entry *e, *tmp;
    HASH_ITER(hh, h->all, e, tmp)
    {
        HASH_DEL(h->all, e);
        free(e);
    }
}

void failed_hosts_destroy(struct failed_hosts **hp)
{
    if (!*hp)
        return;
    forget_all(*hp);
    free(*hp);
    *hp = NULL;
}

/* ---- counting */

static void count(struct failed_hosts *h, const struct store_host *in)
{
    struct entry *e = NULL;
    HASH_FIND(hh, h->all, &in->hash, sizeof(in->hash), e);
    if (e) {
        e->host.failed += in->failed;
        e->host.task = in->task < e->host.task ? in->task : e->host.task;
        e->by_cause[in->cause] += (uint32_t)in->failed;
        return;
    }
    if (HASH_COUNT(h->all) == FAILED_HOSTS_MAX) {
        h->inexact = true;
        return;
    }
    e = mem_zalloc(sizeof(*e));
    e->host = *in;
    e->by_cause[in->cause] = (uint32_t)in->failed;
    HASH_ADD(hh, h->all, host.hash, sizeof(e->host.hash), e);
}

static bool before(const struct store_host *a, const struct store_host *b)
{
    return a->failed != b->failed ? a->failed > b->failed : a->task < b->task;
}

static void rank(struct failed_hosts *h)
{
    struct entry *e, *tmp;
    HASH_ITER(hh, h->all, e, tmp)
    {
        unsigned at = h->n_top;
        while (at > 0 && before(&e->host, &h->top[at - 1].host))
            at--;
        if (at == FAILED_HOSTS_SHOWN)
            continue;
        unsigned last = h->n_top < FAILED_HOSTS_SHOWN ? h->n_top++ : FAILED_HOSTS_SHOWN - 1;
        memmove(&h->top[at + 1], &h->top[at], (last - at) * sizeof(h->top[0]));
        h->top[at] = (struct shown){.host = e->host};
        memcpy(h->top[at].by_cause, e->by_cause, sizeof(e->by_cause));
    }
    h->ranked = true;
    forget_all(h);
}

/* ---- naming */

static void name(struct shown *s, const struct store_result_row *row)
{
    struct json_doc *d = NULL;
    struct target *t = NULL;
    struct target_problem p;
    if (json_parse(row->spec, row->spec_len, &d, NULL, 0) == ERR_NONE &&
        target_from_json(json_root(d), NULL, &t, &p) == ERR_NONE) {
        snprintf(s->name, sizeof(s->name), "%s", target_host(t));
        target_destroy(&t);
    }
    json_free(&d);
}

/* ---- the way of it */

static enum step ask_stretch(struct failed_hosts *h, struct http_req *r)
{
    struct store_req *s = http_store_req(r, STORE_FAILED_HOSTS);
    s->failed_hosts.batch = h->batch;
    s->failed_hosts.after = h->next;
    h->asked = true;
    return http_ask_store(r, s);
}

static enum step ask_name(struct failed_hosts *h, struct http_req *r)
{
    struct store_req *s = http_store_req(r, STORE_TASK_GET);
    s->task_get.task = h->top[h->n_named].host.task;
    h->asked = true;
    return http_ask_store(r, s);
}

static void take_answer(struct failed_hosts *h, const struct store_req *s)
{
    if (s->op == STORE_TASK_GET) {
        name(&h->top[h->n_named++], &s->task_get.row);
        return;
    }
    for (unsigned i = 0; i < s->failed_hosts.n; i++)
        count(h, &s->failed_hosts.hosts[i]);
    h->next = s->failed_hosts.next;
    h->exhausted = s->failed_hosts.exhausted;
}

enum step failed_hosts_step(struct failed_hosts *h, struct http_req *r)
{
    if (h->asked) {
        h->asked = false;
        if (r->sreq->err == ERR_NOT_FOUND) { /* purged */
            h->gone = true;
            return STEP_MORE;
        }
        if (r->sreq->err != ERR_NONE)
            return reply_store_error(r, r->sreq->err, r->sreq->why);
        take_answer(h, r->sreq);
    }
    if (!h->exhausted)
        return ask_stretch(h, r);
    if (!h->ranked)
        rank(h);
    return h->n_named < h->n_top ? ask_name(h, r) : STEP_MORE;
}

static void put_causes(struct json_out *w, const struct shown *s)
{
    json_key(w, "causes");
    json_obj_begin(w);
    for (int c = 0; c < CAUSE_COUNT; c++)
        if (c != CAUSE_NONE && s->by_cause[c] > 0)
            json_u64(w, cause_word((enum cause)c), s->by_cause[c]);
    json_obj_end(w);
}

void failed_hosts_put(const struct failed_hosts *h, struct json_out *w)
{
    json_key(w, "failures_by_host");
    if (h->gone) {
        json_put_null(w);
        return;
    }
    json_arr_begin(w);
    for (unsigned i = 0; i < h->n_top; i++) {
        json_obj_begin(w);
        json_str(w, "host", h->top[i].name[0] ? h->top[i].name : NULL);
        json_u64(w, "failed", h->top[i].host.failed);
        put_causes(w, &h->top[i]);
        json_obj_end(w);
    }
    json_arr_end(w);
    json_bool(w, "failures_by_host_exact", !h->inexact);
}
