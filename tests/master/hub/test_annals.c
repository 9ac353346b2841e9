/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "common/log.h"
#include "master/hub/annals.h"

static char dir[64];
static struct store *st;
static struct store_boot boot;
static struct annals a;
static struct event_log *l;

static void open_store(void)
{
    char why[256];
    struct store_config c = {.dir = dir};
    ck_assert_msg(store_open(&c, &st, &boot, why, sizeof(why)) == ERR_NONE, "%s", why);
}

static void setup(void)
{
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    snprintf(dir, sizeof(dir), "/tmp/sonde-annals-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    open_store();
    l = event_log_create(boot.boot_epoch);
    annals_init(&a);
}

static void done(void)
{
    char cmd[96];
    store_boot_fini(&boot);
    store_close(&st);
    annals_fini(&a);
    event_log_destroy(&l);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

static void happen(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct event e = {.kind = "agent_connected", .agent = "a", .detail = (char *)"x"};
        annals_add(&a, event_log_add(l, &e));
    }
}

START_TEST(all_that_waits_is_stored_at_the_end)
{
    happen(250);
    annals_flush(&a); /* not yet: there is no store */
    ck_assert_uint_eq(a.n, 250);
    annals_start(&a, st);
    annals_flush(&a);
    ck_assert_uint_eq(a.n, 150);
    annals_close(&a);
    ck_assert_uint_eq(a.n, 0);
    store_boot_fini(&boot);
    store_close(&st);
    ck_assert_uint_eq(atomic_load(&a.under_way), 0);
    open_store();
    ck_assert_uint_eq(boot.n_events, 250);
    ck_assert_uint_eq(boot.events[249].number, 250);
    ck_assert_str_eq(boot.events[249].agent, "a");
}
END_TEST

START_TEST(one_request_is_under_way_at_a_time)
{
    happen(1);
    annals_start(&a, st);
    atomic_store(&a.under_way, 1);
    annals_flush(&a);
    ck_assert_uint_eq(a.n, 1);
    atomic_store(&a.under_way, 0);
    annals_flush(&a);
    ck_assert_uint_eq(a.n, 0);
}
END_TEST

START_TEST(a_store_that_is_behind_costs_events_and_no_time)
{
    annals_start(&a, st);
    atomic_store(&a.under_way, 1);
    happen(ANNALS_WAIT_MAX + 7);
    ck_assert_uint_eq(a.n, ANNALS_WAIT_MAX);
    ck_assert_uint_eq(counter_get(&store_stats(st)->events_dropped), 7);
    atomic_store(&a.under_way, 0);
}
END_TEST

TESTS(each, all_that_waits_is_stored_at_the_end, one_request_is_under_way_at_a_time,
      a_store_that_is_behind_costs_events_and_no_time)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, setup, done);
    return tc;
}
CHECK_MAIN("annals", all)
