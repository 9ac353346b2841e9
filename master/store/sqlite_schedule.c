/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_timetable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "master/store/sqlite_db.h"
#include "proto/limits.h"

/* Schedules and their checks: put with the difference to what is there, removed, paused, read. */

/* A row of SCHEDULE_COLUMNS. False: damaged. */
bool sqlite_schedule_row(sqlite3_stmt *st, struct store_schedule *s)
{
    bool whole = true;
    *s = (struct store_schedule){
        .id = (uint64_t)sqlite3_column_int64(st, 0),
        .version = (uint64_t)sqlite3_column_int64(st, 1),
        .n_checks = (uint64_t)sqlite3_column_int64(st, 2),
        .name = sqlite_dup_column(st, 3, false, &whole),
        .doc = sqlite_dup_column(st, 4, true, &whole),
        .owner = sqlite_dup_column(st, 5, false, &whole),
        .paused = sqlite3_column_int(st, 6) != 0,
        .created_at = {sqlite3_column_int64(st, 7)},
        .changed_at = {sqlite3_column_int64(st, 8)},
    };
    if (s->name == NULL)
        s->name = mem_strdup("damaged");
    if (s->doc == NULL)
        s->doc = mem_strdup("{}");
    return whole;
}

static enum err find(struct sqlite_db *d, const char *name, struct store_schedule *out)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_SCHEDULE_FIND);
    bool row = false;
    sqlite_bind_str(st, 1, name);
    enum err e = sqlite_step(d, st, &row);
    if (!e && row)
        d->damaged += !sqlite_schedule_row(st, out);
    sqlite3_reset(st);
    return e ? e : row ? ERR_NONE : ERR_NOT_FOUND;
}

/* ---- the difference */

struct old_check { /* one that there is, or was */
    uint64_t id, host_hash;
    char *key, *spec, *user_id, *host;
    struct wall created;
    bool removed, kept;
};
struct diff {
    struct sqlite_db *d;
    struct store_put *p;
    struct wall now;
    struct old_check *old; /* by key */
    size_t n_old, n_live;
    uint64_t bytes; /* of the targets, as in a start's arena */
};

static void diff_fini(struct diff *x)
{
    for (size_t i = 0; i < x->n_old; i++) {
        free(x->old[i].key);
        free(x->old[i].spec);
        free(x->old[i].user_id);
        free(x->old[i].host);
    }
    free(x->old);
}

static char *text_of(sqlite3_stmt *st, int i)
{
    return mem_strdup((const char *)sqlite3_column_text(st, i));
}

static int by_key(const void *a, const void *b)
{
    const struct old_check *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static void old_row(sqlite3_stmt *st, struct old_check *o)
{
    *o = (struct old_check){
        .id = (uint64_t)sqlite3_column_int64(st, 0),
        .key = text_of(st, 1),
        .spec = text_of(st, 2),
        .user_id = text_of(st, 3),
        .host = text_of(st, 4),
        .host_hash = (uint64_t)sqlite3_column_int64(st, 5),
        .created = {sqlite3_column_int64(st, 6)},
        .removed = sqlite3_column_int64(st, 7) != 0,
    };
    if (o->key == NULL) /* damaged: nobody's */
        o->key = mem_strdup("");
}

static enum err read_old(struct diff *x, uint64_t schedule)
{
    sqlite3_stmt *st = sqlite_use(x->d, SQL_CHECKS_OF);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)schedule);
    bool row = false;
    size_t cap = 0;
    enum err e;
    while (!(e = sqlite_step(x->d, st, &row)) && row) {
        if (x->n_old == cap) {
            cap = cap ? cap * 2 : 64;
            x->old = mem_realloc(x->old, cap * sizeof(*x->old));
        }
        old_row(st, &x->old[x->n_old]);
        x->n_live += !x->old[x->n_old++].removed;
    }
    sqlite3_reset(st);
    if (x->n_old > 0)
        qsort(x->old, x->n_old, sizeof(*x->old), by_key);
    return e;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same(const struct old_check *o, const struct schedule_target *t)
{
    return o->host_hash == t->host_hash && same_text(o->spec, t->spec) &&
           same_text(o->user_id, t->user_id) && same_text(o->host, t->host);
}

/* Each target becomes one of the four; what is left of the old ones is removed. */
static void compare(struct diff *x)
{
    struct store_put *p = x->p;
    p->ids = mem_array(p->n_targets + 1, sizeof(*p->ids));
    p->what = mem_array(p->n_targets + 1, sizeof(*p->what));
    p->createds = mem_array(p->n_targets + 1, sizeof(*p->createds));
    for (size_t i = 0; i < p->n_targets; i++) {
        struct old_check wanted = {.key = p->targets[i].key};
        struct old_check *o =
            x->n_old ? bsearch(&wanted, x->old, x->n_old, sizeof(wanted), by_key) : NULL;
        bool there = o != NULL && !o->removed;
        REQUIRE(o == NULL || !o->kept); /* keys are different */
        p->createds[i] = there ? o->created : x->now;
        p->what[i] = !there ? PUT_NEW : same(o, &p->targets[i]) ? PUT_SAME : PUT_CHANGED;
        p->n_new += p->what[i] == PUT_NEW;
        p->n_changed += p->what[i] == PUT_CHANGED;
        if (o == NULL)
            continue;
        p->ids[i] = o->id;
        o->kept = true;
    }
}

static void collect_removed(struct diff *x)
{
    struct store_put *p = x->p;
    size_t n = p->n_new + x->n_live - p->n_targets;
    p->removed = mem_array(n + 1, sizeof(*p->removed));
    p->removed_keys = mem_array(STORE_PUT_DIFF, sizeof(*p->removed_keys));
    for (size_t i = 0; i < x->n_old; i++) {
        if (x->old[i].removed || x->old[i].kept)
            continue;
        if (p->n_removed < STORE_PUT_DIFF)
            p->removed_keys[p->n_removed] = mem_strdup(x->old[i].key);
        p->removed[p->n_removed++] = x->old[i].id;
    }
    REQUIRE(p->n_removed == n);
}

/* ---- writing it */

static enum err check_insert(struct sqlite_db *d, uint64_t schedule,
                             const struct schedule_target *t, struct wall now, uint64_t *id)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_CHECK_INSERT);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)schedule);
    sqlite_bind_str(st, 2, t->key);
    sqlite_bind_bytes(st, 3, t->spec, t->spec_len);
    sqlite_bind_str(st, 4, t->user_id);
    sqlite_bind_str(st, 5, t->host);
    sqlite3_bind_int64(st, 6, (sqlite3_int64)t->host_hash);
    sqlite3_bind_int64(st, 7, now.us);
    enum err e = sqlite_run(d, st);
    if (!e)
        *id = (uint64_t)sqlite3_last_insert_rowid(d->c);
    return e;
}

static enum err check_update(struct sqlite_db *d, uint64_t id, const struct schedule_target *t,
                             struct wall created)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_CHECK_UPDATE);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
    sqlite_bind_bytes(st, 2, t->spec, t->spec_len);
    sqlite_bind_str(st, 3, t->user_id);
    sqlite_bind_str(st, 4, t->host);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)t->host_hash);
    sqlite3_bind_int64(st, 6, created.us);
    return sqlite_run(d, st);
}

static enum err check_remove(struct sqlite_db *d, uint64_t id, struct wall now)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_CHECK_REMOVE);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
    sqlite3_bind_int64(st, 2, now.us);
    return sqlite_run(d, st);
}

static enum err write_checks(struct diff *x)
{
    struct store_put *p = x->p;
    enum err e = ERR_NONE;
    for (size_t i = 0; !e && i < p->n_targets; i++) {
        if (p->what[i] == PUT_SAME)
            continue;
        if (p->ids[i] == 0)
            e = check_insert(x->d, p->id, &p->targets[i], x->now, &p->ids[i]);
        else
            e = check_update(x->d, p->ids[i], &p->targets[i], p->createds[i]);
    }
    for (size_t i = 0; !e && i < p->n_removed; i++)
        e = check_remove(x->d, p->removed[i], x->now);
    return e;
}

/* Before the first schedule there is nothing to be rolled up. */
static enum err begin_rolling(struct sqlite_db *d, struct wall now)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_ROLL_BEGINS);
    sqlite3_bind_int64(st, 1, now.us - now.us % (ROLLUP_HOUR_MS * 1000));
    return sqlite_run(d, st);
}

static enum err write_new(struct diff *x)
{
    struct store_put *p = x->p;
    sqlite3_stmt *st = sqlite_use(x->d, SQL_SCHEDULE_INSERT);
    sqlite_bind_str(st, 1, p->name);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)p->version);
    sqlite_bind_str(st, 3, p->doc);
    sqlite_bind_str(st, 4, p->owner);
    sqlite3_bind_int(st, 5, p->paused);
    sqlite3_bind_int64(st, 6, (sqlite3_int64)p->n_targets);
    sqlite3_bind_int64(st, 7, x->now.us);
    sqlite3_bind_int64(st, 8, (sqlite3_int64)x->bytes);
    enum err e = sqlite_run(x->d, st);
    if (!e)
        p->id = (uint64_t)sqlite3_last_insert_rowid(x->d->c);
    return e ? e : begin_rolling(x->d, x->now);
}

static enum err write_schedule(struct diff *x)
{
    struct store_put *p = x->p;
    if (p->created)
        return write_new(x);
    sqlite3_stmt *st = sqlite_use(x->d, SQL_SCHEDULE_UPDATE);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)p->id);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)p->version);
    sqlite_bind_str(st, 3, p->doc);
    sqlite_bind_str(st, 4, p->owner);
    sqlite3_bind_int(st, 5, p->paused);
    sqlite3_bind_int64(st, 6, (sqlite3_int64)p->n_targets);
    sqlite3_bind_int64(st, 7, x->now.us);
    sqlite3_bind_int64(st, 8, (sqlite3_int64)x->bytes);
    return sqlite_run(x->d, st);
}

/* ---- put */

static uint64_t targets_bytes(const struct store_put *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < p->n_targets; i++) {
        const struct schedule_target *t = &p->targets[i];
        n += strlen(t->key) + t->spec_len + strlen(t->host) + 3;
    }
    return n;
}

/* Of all schedules together, this one as it will be: what is over them no start could read. */
static enum err within_bounds(struct diff *x, struct store_req *r)
{
    sqlite3_stmt *st = sqlite_use(x->d, SQL_SCHEDULE_SUMS);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)x->p->id);
    bool row = false;
    enum err e = sqlite_step(x->d, st, &row);
    uint64_t others = row ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    uint64_t checks = row ? (uint64_t)sqlite3_column_int64(st, 1) : 0;
    uint64_t bytes = row ? (uint64_t)sqlite3_column_int64(st, 2) : 0;
    sqlite3_reset(st);
    if (e)
        return e;
    if (x->p->created && others >= SCHEDULES_MAX)
        return sqlite_refuse(r, ERR_FULL,
                             "there are as many schedules as this master takes: remove one");
    if (checks + x->p->n_targets > SCHEDULE_TARGETS_MAX)
        return sqlite_refuse(
            r, ERR_FULL,
            "with these all schedules would have more than %d targets together: remove some",
            SCHEDULE_TARGETS_MAX);
    if (bytes + x->bytes > STORE_TARGETS_BYTES)
        return sqlite_refuse(r, ERR_FULL,
                             "with these all targets would take more than %u MiB, options and all: "
                             "shorten their options",
                             STORE_TARGETS_BYTES >> 20);
    return ERR_NONE;
}

/* The version that is wanted is there; nothing was asked: whichever is. */
static enum err right_version(struct store_req *r, bool there, uint64_t version)
{
    uint64_t wanted = r->put.if_version;
    if (wanted == 0 || (there && wanted == version))
        return ERR_NONE;
    if (!there)
        return sqlite_refuse(r, ERR_EXISTS, "there is no schedule of this name");
    return sqlite_refuse(r, ERR_EXISTS, "it is at version %" PRIu64 ": read it, and put it anew",
                         version);
}

static void put_head(struct store_put *p, bool there, struct store_schedule *s)
{
    p->created = !there;
    p->id = there ? s->id : 0;
    p->version = there ? s->version : 1;
    p->doc_changed = !there || strcmp(s->doc, p->doc) != 0 || !same_text(s->owner, p->owner);
    if (there) {
        p->old_paused = s->paused;
        p->old_doc = s->doc;
        s->doc = NULL;
    }
}

static enum err put_diff(struct diff *x, struct store_req *r, bool was_paused)
{
    struct store_put *p = x->p;
    compare(x);
    collect_removed(x);
    x->bytes = targets_bytes(p);
    enum err e = within_bounds(x, r);
    if (e || r->err)
        return e;
    bool changed = p->doc_changed || p->n_new + p->n_changed + p->n_removed > 0;
    p->version += !p->created && changed;
    if (p->dry_run || (!changed && was_paused == p->paused))
        return ERR_NONE;
    e = write_schedule(x);
    return e ? e : write_checks(x);
}

enum err sqlite_schedule_put(struct sqlite_db *d, struct store_req *r, struct wall now)
{
    struct diff x = {.d = d, .p = &r->put, .now = now};
    struct store_schedule s = {0};
    REQUIRE(r->put.name != NULL && r->put.doc != NULL);
    store_put_forget(&r->put); /* of a try that was rolled back */
    enum err e = find(d, r->put.name, &s);
    bool there = e == ERR_NONE, was_paused = s.paused;
    if (e && e != ERR_NOT_FOUND)
        return e;
    e = right_version(r, there, s.version);
    if (!e && !r->err) {
        put_head(&r->put, there, &s);
        e = there ? read_old(&x, s.id) : ERR_NONE;
    }
    if (!e && !r->err)
        e = put_diff(&x, r, was_paused);
    diff_fini(&x);
    store_schedule_fini(&s);
    return e;
}

/* ---- remove, pause */

enum err sqlite_schedule_remove(struct sqlite_db *d, struct store_req *r, struct wall now)
{
    struct store_put none = {0};
    struct diff x = {.d = d, .p = &none, .now = now};
    struct store_schedule s = {0};
    enum err e = find(d, r->name.name, &s);
    if (e == ERR_NOT_FOUND)
        return sqlite_refuse(r, e, "there is no schedule of this name");
    if (!e)
        e = read_old(&x, s.id);
    free(r->name.removed);
    r->name.removed = mem_array(x.n_live + 1, sizeof(*r->name.removed));
    r->name.n_removed = 0;
    r->name.id = s.id;
    for (size_t i = 0; !e && i < x.n_old; i++) {
        if (x.old[i].removed)
            continue;
        r->name.removed[r->name.n_removed++] = x.old[i].id;
        e = check_remove(d, x.old[i].id, now);
    }
    if (!e) {
        sqlite3_stmt *st = sqlite_use(d, SQL_SCHEDULE_DELETE);
        sqlite3_bind_int64(st, 1, (sqlite3_int64)s.id);
        e = sqlite_run(d, st);
    }
    diff_fini(&x);
    store_schedule_fini(&s);
    return e;
}

enum err sqlite_schedule_pause(struct sqlite_db *d, struct store_req *r, struct wall now)
{
    struct store_schedule s = {0};
    enum err e = find(d, r->name.name, &s);
    if (e == ERR_NOT_FOUND)
        return sqlite_refuse(r, e, "there is no schedule of this name");
    r->name.id = s.id;
    store_schedule_fini(&s);
    if (e || s.paused == r->name.paused)
        return e;
    sqlite3_stmt *st = sqlite_use(d, SQL_SCHEDULE_PAUSE);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)s.id);
    sqlite3_bind_int(st, 2, r->name.paused);
    sqlite3_bind_int64(st, 3, now.us);
    return sqlite_run(d, st);
}

/* ---- reading */

enum err sqlite_schedule_list(struct sqlite_db *d, struct store_req *r)
{
    unsigned limit = r->schedules.limit;
    limit = limit < 1 ? 1 : limit > STORE_PAGE_ROWS ? STORE_PAGE_ROWS : limit;
    r->schedules.items = mem_array(limit, sizeof(*r->schedules.items));
    sqlite3_stmt *st = sqlite_use(d, SQL_SCHEDULE_LIST);
    sqlite_bind_str(st, 1, r->schedules.after);
    sqlite_bind_str(st, 2, r->schedules.owner);
    sqlite3_bind_int64(st, 3, limit + INT64_C(1));
    bool row = false;
    size_t bytes = 0;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        r->schedules.more = r->schedules.n == limit || bytes >= STORE_PAGE_BYTES;
        if (r->schedules.more)
            break;
        struct store_schedule *s = &r->schedules.items[r->schedules.n++];
        d->damaged += !sqlite_schedule_row(st, s);
        bytes += strlen(s->doc);
    }
    sqlite3_reset(st);
    return e;
}

void sqlite_check_row(struct sqlite_db *d, sqlite3_stmt *st, struct strbuf *arena,
                      struct store_check *c)
{
    uint32_t len = 0;
    *c = (struct store_check){
        .id = (uint64_t)sqlite3_column_int64(st, 0),
        .schedule = (uint64_t)sqlite3_column_int64(st, 1),
        .key = (char *)sqlite_put_text(d, arena, st, 2),
        .spec = (char *)sqlite_put_object(d, arena, st, 3, "{}", &len),
        .host = (char *)sqlite_put_text(d, arena, st, 4),
        .host_hash = (uint64_t)sqlite3_column_int64(st, 5),
        .created = {sqlite3_column_int64(st, 6)},
    };
    c->spec_len = len;
}

void sqlite_rebase_check(const struct strbuf *arena, struct store_check *c)
{
    char **texts[] = {&c->key, &c->spec, &c->host};
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        const char *p = *texts[i];
        sqlite_rebase(arena, &p);
        *texts[i] = p ? (char *)p : (char *)"";
    }
}

static enum err read_targets(struct sqlite_db *d, struct store_req *r)
{
    struct store_schedule *s = &r->schedule_get.schedule;
    sqlite3_stmt *st = sqlite_use(d, SQL_SCHEDULE_CHECKS);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)s->id);
    bool row = false;
    enum err e = ERR_NONE;
    r->schedule_get.checks = mem_array(s->n_checks + 1, sizeof(*r->schedule_get.checks));
    while (r->schedule_get.n_checks < s->n_checks && !(e = sqlite_step(d, st, &row)) && row)
        sqlite_check_row(d, st, &r->arena, &r->schedule_get.checks[r->schedule_get.n_checks++]);
    sqlite3_reset(st);
    if (r->arena.overflow) {
        snprintf(d->why, sizeof(d->why), "its targets are over the bound of an answer");
        return ERR_TOO_BIG;
    }
    for (size_t i = 0; i < r->schedule_get.n_checks; i++)
        sqlite_rebase_check(&r->arena, &r->schedule_get.checks[i]);
    return e;
}

enum err sqlite_schedule_get(struct sqlite_db *d, struct store_req *r)
{
    enum err e = find(d, r->schedule_get.name, &r->schedule_get.schedule);
    if (e || !r->schedule_get.targets)
        return e;
    if (r->schedule_get.schedule.n_checks > SCHEDULE_TARGETS_MAX)
        r->schedule_get.schedule.n_checks = SCHEDULE_TARGETS_MAX;
    return read_targets(d, r);
}
