/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/master/store/timetable.h"

#include "master/hub/courier.h"
#include "master/hub/desk.h"

/*
 * edge - a core, a courier and a real store on this one thread, for the courier and what lives
 * beside the core. Agents are played, if there are any.
 */
static struct core *core;
static struct courier courier;

static void edge_want(void *arg, session_id s)
{
}
static void edge_close(void *arg, session_id s, int code, const char *reason)
{
}
static void edge_refill(void *arg, const struct core_refill *q)
{
    courier_refill(&courier, q);
}
static void edge_store(void *arg, const struct core_result *r)
{
    courier_store(&courier, r);
}
static void edge_mark(void *arg, uint32_t batch, bool cancel, enum cause cause, void *waiter)
{
    courier_mark(&courier, batch, cancel, cause, waiter);
}
static void edge_pause(void *arg, uint32_t batch, bool paused, void *waiter)
{
    courier_pause(&courier, batch, paused, waiter);
}
static void edge_agent_seen(void *arg, const char *name, const char *tags, const char *instance)
{
    courier_agent_seen(&courier, name, tags, instance);
}
static void edge_agent_empty(void *arg, const char *name)
{
    courier_agent_empty(&courier, name);
}
static void edge_event(void *arg, const char *kind, const char *of, const char *detail)
{
}
static void edge_ended(void *arg, uint32_t batch, void *waiter)
{
}
static void edge_session_ended(void *arg, const struct core_session_end *e)
{
}
static int64_t edge_unread(void *arg, session_id s)
{
    return 0;
}
static double edge_cpu(void *arg)
{
    return -1;
}
static void edge_step(void *arg, const struct core_told *t)
{
}
static void edge_bear(void *arg, session_id s, bool on)
{
}
static struct wall edge_wall(void *arg)
{
    return wall_now();
}
/* A test may put its own before edge_boot(). */
static struct core_ops edge_ops = {edge_want,  edge_close, edge_refill,        edge_store,
                                   edge_mark,  edge_pause, edge_agent_seen,    edge_agent_empty,
                                   edge_event, edge_ended, edge_session_ended, edge_unread,
                                   edge_cpu,   edge_step,  edge_bear,          edge_wall};

static void edge_committed(void *arg, void *waiter)
{
}

static void edge_swept(void *arg, uint32_t batch, enum outcome o, uint64_t n, bool finished)
{
    courier_on_swept(&courier, batch, o, n, finished);
}

/* Opens the store and makes a core; the courier has no store yet. */
static void edge_boot(void)
{
    struct store_config c = {.dir = fx_dir, .on_swept = edge_swept, .roll_grace_ms = -1};
    struct mono now = mono_now();
    courier_init(&courier, NULL, NULL);
    courier.on_committed = edge_committed;
    ck_assert_int_eq(store_open(&c, &fx, &fx_boot, fx_why, sizeof(fx_why)), ERR_NONE);
    struct core_config cfg = {.store_id = fx_boot.store_id,
                              .boot_epoch = fx_boot.boot_epoch,
                              .keys = fx_boot.keys,
                              .n_keys = fx_boot.n_keys};
    courier.core = core = core_create(&cfg, &edge_ops, NULL, now);
    for (unsigned i = 0; i < fx_boot.n_open; i++)
        desk_open_batch(core, &fx_boot.open[i], true, now);
}

/* Whoever lives beside the core is torn down between the two. */
static void edge_close_store(void)
{
    store_boot_fini(&fx_boot);
    store_close(&fx);
    courier_fini(&courier);
}

static void edge_destroy_core(void)
{
    core_destroy(&core);
}

static void edge_make_dir(void)
{
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    snprintf(fx_dir, sizeof(fx_dir), "/tmp/test_edge.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fx_dir));
}

static void edge_remove_dir(void)
{
    char cmd[96];
    snprintf(cmd, sizeof(cmd), "rm -rf %s", fx_dir);
    ck_assert_int_eq(system(cmd), 0);
}

/* One number that the store's file holds. */
static FIXTURE_UNUSED int64_t edge_count(const char *sql)
{
    char path[96];
    sqlite3 *c = NULL;
    sqlite3_stmt *st = NULL;
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    sqlite3_busy_timeout(c, 10000);
    ck_assert_msg(sqlite3_prepare_v2(c, sql, -1, &st, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(c));
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(c);
    return n;
}
