/* SPDX-License-Identifier: MIT */
#include "master/store/snapshot.h"

#include <stdlib.h>

#include "common/mem.h"
#include "master/schedule/sketch.h"

/* ---- numbers */

static void put_signed(struct strbuf *b, int64_t v)
{
    sketch_put_varint(b, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

static int64_t get_signed(struct sketch_cursor *c)
{
    uint64_t v = sketch_varint(c, INT64_MAX);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* 0 stands for "unset"; a time that is the snapshot's own is 1. */
static void put_time(struct strbuf *b, struct wall t, struct wall at)
{
    int64_t away = t.us - at.us;
    if (t.us == 0)
        sketch_put_varint(b, 0);
    else
        put_signed(b, away >= 0 ? away + 1 : away);
}

static struct wall get_time(struct sketch_cursor *c, struct wall at)
{
    int64_t away = get_signed(c);
    struct wall t = {0};
    if (away == 0 || c->bad)
        return t;
    if (__builtin_add_overflow(at.us, away > 0 ? away - 1 : away, &t.us)) {
        c->bad = true;
        t.us = 0;
    }
    return t;
}

static void put_cause(struct strbuf *b, enum cause cause)
{
    const char *word = cause_word(cause);
    size_t n = word ? strlen(word) : 0;
    strbuf_putc(b, (char)n);
    strbuf_append(b, word, n);
}

/* A word that this release does not know is none. */
static enum cause get_cause(struct sketch_cursor *c)
{
    char word[CAUSE_MAX];
    enum cause cause = CAUSE_NONE;
    size_t n = c->p < c->end ? *c->p : SIZE_MAX;
    if (c->bad || n >= sizeof(word) || n > (size_t)(c->end - c->p) - 1) {
        c->bad = true;
        return CAUSE_NONE;
    }
    memcpy(word, c->p + 1, n);
    word[n] = '\0';
    c->p += 1 + n;
    if (n > 0 && cause_parse(word, &cause) != ERR_NONE)
        cause = CAUSE_NONE;
    return cause;
}

/* ---- one check */

static void put_gap(struct strbuf *b, const struct plan_gap *g, struct wall at)
{
    strbuf_putc(b, (char)g->why);
    if (g->why == PLAN_MISS_NONE)
        return;
    sketch_put_varint(b, g->first_seq);
    sketch_put_varint(b, g->count);
    put_time(b, g->first_at, at);
    sketch_put_varint(b, g->last.seq);
    put_time(b, g->last.at, at);
}

static void get_gap(struct sketch_cursor *c, struct plan_gap *g, struct wall at)
{
    unsigned why = (unsigned)sketch_varint(c, PLAN_MISS_COUNT - 1);
    *g = (struct plan_gap){0};
    if (why == PLAN_MISS_NONE)
        return;
    g->why = (enum plan_miss)why;
    g->first_seq = sketch_varint(c, INT64_MAX);
    g->count = sketch_varint(c, INT64_MAX);
    g->first_at = get_time(c, at);
    g->last.seq = sketch_varint(c, INT64_MAX);
    g->last.at = get_time(c, at);
}

static void put_item(struct strbuf *b, const struct scheduler_saved *s, struct wall at)
{
    sketch_put_varint(b, s->last.seq);
    put_time(b, s->last.at, at);
    put_gap(b, &s->gap, at);
    put_time(b, s->since, at);
    strbuf_putc(b, (char)s->state);
    put_time(b, s->state_since, at);
    sketch_put_varint(b, s->slot);
    put_cause(b, s->cause);
    sketch_put_varint(b, s->incident);
    sketch_put_varint(b, s->cert_warned);
    sketch_put_varint(b, s->cert_not_after > 0 ? (uint64_t)s->cert_not_after : 0);
}

static void get_item(struct sketch_cursor *c, struct scheduler_saved *s, struct wall at)
{
    s->last.seq = sketch_varint(c, INT64_MAX);
    s->last.at = get_time(c, at);
    get_gap(c, &s->gap, at);
    s->since = get_time(c, at);
    s->state = (enum verdict_state)sketch_varint(c, VERDICT_STATES - 1);
    s->state_since = get_time(c, at);
    s->slot = sketch_varint(c, INT64_MAX);
    s->cause = get_cause(c);
    s->incident = sketch_varint(c, INT64_MAX);
    s->cert_warned = (uint16_t)sketch_varint(c, UINT16_MAX);
    s->cert_not_after = (int64_t)sketch_varint(c, INT64_MAX);
}

/* ---- a chunk */

void snapshot_encode(const struct scheduler_saved *items, size_t n, struct wall at,
                     struct strbuf *b)
{
    uint64_t before = 0;
    REQUIRE(n <= SCHEDULER_CHUNK);
    strbuf_putc(b, SNAPSHOT_VERSION);
    sketch_put_varint(b, n);
    for (size_t i = 0; i < n; i++) {
        REQUIRE(items[i].check > before);
        sketch_put_varint(b, items[i].check - before);
        put_item(b, &items[i], at);
        before = items[i].check;
    }
}

enum err snapshot_decode(const void *p, size_t len, struct wall at, struct scheduler_saved *items,
                         size_t *n)
{
    struct sketch_cursor c = {p, (const uint8_t *)p + len, false};
    uint64_t id = 0;
    if (len == 0)
        return ERR_CORRUPT;
    if (*c.p++ != SNAPSHOT_VERSION)
        return ERR_VERSION;
    size_t count = (size_t)sketch_varint(&c, SCHEDULER_CHUNK);
    for (size_t i = 0; i < count && !c.bad; i++) {
        uint64_t away = sketch_varint(&c, INT64_MAX - id);
        c.bad |= away == 0;
        id += away;
        items[i] = (struct scheduler_saved){.check = id};
        get_item(&c, &items[i], at);
    }
    if (c.bad || c.p != c.end)
        return ERR_CORRUPT;
    *n = count;
    return ERR_NONE;
}

/* ---- marks */

void snapshot_marks_encode(const struct snapshot_mark *marks, size_t n, struct strbuf *b)
{
    REQUIRE(n <= SNAPSHOT_MARKS_MAX);
    sketch_put_varint(b, n);
    for (size_t i = 0; i < n; i++) {
        sketch_put_varint(b, marks[i].batch);
        sketch_put_varint(b, marks[i].tasks);
    }
}

enum err snapshot_marks_decode(const void *p, size_t len, struct snapshot_mark **marks, size_t *n)
{
    struct sketch_cursor c = {p, (const uint8_t *)p + len, false};
    size_t count = (size_t)sketch_varint(&c, SNAPSHOT_MARKS_MAX);
    if (c.bad || count > (size_t)(c.end - c.p))
        return ERR_CORRUPT;
    struct snapshot_mark *got = mem_array(count + 1, sizeof(*got));
    for (size_t i = 0; i < count; i++) {
        got[i].batch = (uint32_t)sketch_varint(&c, UINT32_MAX);
        got[i].tasks = sketch_varint(&c, UINT64_C(1) << 32);
    }
    if (c.bad || c.p != c.end) {
        free(got);
        return ERR_CORRUPT;
    }
    *marks = got;
    *n = count;
    return ERR_NONE;
}
