/* SPDX-License-Identifier: MIT */
#include "tests/master/store/fixture.h"

/*
 * Stores as former versions left them, opened by this one. The steps are copies: should a released
 * step of the schema ever be edited, these stores tell.
 */
static const char *const former_steps[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE ticket_keys(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL, created_at INTEGER NOT "
    "NULL);"
    "CREATE TABLE batches(num INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,"
    " uuid TEXT NOT NULL UNIQUE, trace TEXT NOT NULL, cls INTEGER NOT NULL,"
    " deadline_s INTEGER NOT NULL, per_host INTEGER NOT NULL, name TEXT, labels TEXT, agents TEXT,"
    " created_at INTEGER NOT NULL, opened_at INTEGER NOT NULL DEFAULT 0,"
    " deadline_at INTEGER NOT NULL DEFAULT 0, ended_at INTEGER NOT NULL DEFAULT 0,"
    " total INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,"
    " duplicates INTEGER NOT NULL DEFAULT 0, ok INTEGER NOT NULL DEFAULT 0,"
    " failed INTEGER NOT NULL DEFAULT 0, undetermined INTEGER NOT NULL DEFAULT 0,"
    " refused INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0,"
    " cancelled INTEGER NOT NULL DEFAULT 0, low_water INTEGER NOT NULL DEFAULT 0,"
    " last_seq INTEGER NOT NULL DEFAULT 0, mark INTEGER NOT NULL DEFAULT 0, mark_cause TEXT);"
    "CREATE INDEX batches_live ON batches(num) WHERE state < 2;"
    "CREATE TABLE tasks(task INTEGER PRIMARY KEY, host INTEGER NOT NULL, user_id TEXT,"
    " spec TEXT NOT NULL);"
    "CREATE TABLE results(task INTEGER PRIMARY KEY, seq INTEGER NOT NULL, batch INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, outcome INTEGER NOT NULL, agent TEXT, cause TEXT NOT NULL,"
    " record TEXT NOT NULL);"
    "CREATE INDEX results_seq ON results(batch, seq);"
    "CREATE TABLE causes(batch INTEGER NOT NULL, cause TEXT NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY(batch, cause)) WITHOUT ROWID;"
    "CREATE TABLE agents(name TEXT PRIMARY KEY, instance TEXT, tags TEXT,"
    " first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL) WITHOUT ROWID;",
    "ALTER TABLE agents ADD COLUMN holds INTEGER NOT NULL DEFAULT 0;",
    "CREATE TABLE idempotency(id INTEGER PRIMARY KEY, token TEXT NOT NULL, key TEXT NOT NULL,"
    " digest BLOB NOT NULL, batch INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " answer TEXT NOT NULL, UNIQUE(token, key));"
    "CREATE INDEX idempotency_age ON idempotency(created_at);",
};

/* One batch that has ended, and one that runs. */
static const char content[] =
    "INSERT INTO agents(name, instance, tags, first_seen, last_seen) VALUES('a1','i','{}',1,2);"
    "INSERT INTO batches(num, state, uuid, trace, cls, deadline_s, per_host, created_at, opened_at,"
    " deadline_at, ended_at, total, ok, failed, low_water, last_seq) VALUES"
    "(1, 2, '0190b5f0-0000-7000-8000-000000000001', '4bf92f3577b34da6a3ce929d0e0e4736', 2, 60, 8,"
    " 1000000, 1000000, 61000000, 2000000, 2, 1, 1, 2, 2),"
    "(2, 1, '0190b5f0-0000-7000-8000-000000000002', '4bf92f3577b34da6a3ce929d0e0e4737', 2, 60, 8,"
    " 3000000, 3000000, 63000000, 0, 2, 1, 0, 0, 3);"
    "INSERT INTO tasks VALUES(4294967296, 1, 'u', '{\"url\":\"http://a/\"}'),"
    "(4294967297, 1, NULL, '{\"url\":\"http://a/\"}'), (8589934592, 1, NULL, '{}'),"
    "(8589934593, 1, NULL, '{}');"
    "INSERT INTO results VALUES(4294967296, 1, 1, 1, 0, 'a1', '', '{\"outcome\":\"ok\"}'),"
    "(4294967297, 2, 1, 1, 1, 'a1', 'http_4xx', '{}'), (8589934592, 3, 2, 1, 0, 'a1', '', '{}');"
    "INSERT INTO causes VALUES(1, 'http_4xx', 1);";

static void make_former(unsigned version)
{
    char text[96];
    fx_close();
    snprintf(text, sizeof(text), "rm -f %s/sonde.db*", fx_dir);
    ck_assert_int_eq(system(text), 0);
    for (unsigned i = 0; i < version; i++)
        fx_sql(former_steps[i]);
    fx_sql(content);
    snprintf(text, sizeof(text), "PRAGMA user_version = %u; PRAGMA application_id = 0x536f6e64",
             version);
    fx_sql(text);
}

/* _i: the version less one. */
START_TEST(store_of_a_former_version_goes_on)
{
    make_former((unsigned)_i + 1);
    fx_open();
    ck_assert_uint_eq(fx_boot.n_open, 1);
    ck_assert_uint_eq(fx_boot.open[0].num, 2);
    ck_assert(!fx_boot.open[0].paused);
    ck_assert_uint_eq(fx_boot.n_holders, 0);
    fx_check_green();
    ck_assert_uint_eq(fx_info(1).ended[OUTCOME_FAILED], 1);
    ck_assert_uint_eq(fx_results(2, 0, 2, CAUSE_NONE, ACK_STORED), 1);
    ck_assert_int_ne(fx_info(2).ended_at.us, 0);
    ck_assert_uint_eq(fx_batch(3), 3);
    fx_check_green();
    fx_reopen();
    fx_check_green();
}
END_TEST

static TCase *former(void)
{
    TCase *tc = tcase_create("former");
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, store_of_a_former_version_goes_on, 0, (int)ARRAY_LEN(former_steps));
    return tc;
}
CHECK_MAIN("migrate", former)
