/* SPDX-License-Identifier: MIT */
#include "tests/master/diagnosis/facts.h"

START_TEST(a_store_that_takes_no_writes)
{
    well();
    facts.store.writable = false;
    only(DIAG_store, DIAG_BAD);
}
END_TEST

START_TEST(commits_by_their_limit)
{
    static const struct {
        int64_t p99;
        enum diag_state state;
    } cases[] = {{0, DIAG_OK}, {249, DIAG_OK}, {250, DIAG_WARN}, {1000, DIAG_BAD}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.store.commit_p99_ms = cases[i].p99;
        only(DIAG_store_latency, cases[i].state);
    }
}
END_TEST

START_TEST(a_full_queue_is_named_with_what_fills_it)
{
    well();
    facts.store.queues[0].bytes = 9500;
    names(only(DIAG_queues, DIAG_WARN), "store-writer", "95 % full");
    well();
    facts.store.queues[1].letters = 900;
    names(only(DIAG_queues, DIAG_WARN), "store-reader", "90 % full: 900 letters");
    well();
    facts.store.queues[0].refused = 7;
    names(only(DIAG_queues, DIAG_WARN), "store-writer", "7 times somebody had to wait");
    facts.store.queues[1].refused = 2;
    const struct diag_finding *f = only(DIAG_queues, DIAG_BAD);
    names(f, "store-reader", "2 requests were refused");
    says(f->evidence, "2 of 2 full; 20 letters wait");
}
END_TEST

START_TEST(open_tasks_by_their_limit)
{
    static const struct {
        int64_t open;
        enum diag_state state;
    } cases[] = {
        {7900000, DIAG_OK}, {8000000, DIAG_WARN}, {10000000, DIAG_BAD}, {-1, DIAG_UNKNOWN}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.store.open_tasks = cases[i].open;
        only(DIAG_open_tasks, cases[i].state);
    }
}
END_TEST

START_TEST(the_hub_is_late)
{
    static const struct {
        double lag;
        enum diag_state state;
    } cases[] = {{249, DIAG_OK}, {250, DIAG_WARN}, {1000, DIAG_BAD}, {-1, DIAG_UNKNOWN}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.hub.lag_ms = cases[i].lag;
        only(DIAG_loop_lag, cases[i].state);
    }
    well();
    facts.hub.silent_ms = 6000;
    says(only(DIAG_loop_lag, DIAG_BAD)->evidence, "has not turned for 6 s");
}
END_TEST

START_TEST(sessions_by_their_limit_and_those_that_say_nothing)
{
    static const struct {
        int64_t sessions, max;
        enum diag_state state;
    } cases[] = {{3, 4, DIAG_OK},       {4, 5, DIAG_WARN},
                 {5, 5, DIAG_BAD},      {34, 1000, DIAG_OK}, /* 31 without HELLO */
                 {35, 1000, DIAG_WARN}, {3, 0, DIAG_UNKNOWN}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.hub.sessions = cases[i].sessions;
        facts.hub.sessions_max = cases[i].max;
        only(DIAG_sessions, cases[i].state);
    }
    ck_assert_double_eq(figure(only(DIAG_sessions, DIAG_UNKNOWN), "without_hello"), 0);
}
END_TEST

/* It is the master that lets them wait. */
START_TEST(who_waits_for_a_turn_is_no_stranger)
{
    well();
    facts.hub.sessions = 403;
    facts.hub.hellos_waiting = 390;
    const struct diag_finding *f = only(DIAG_sessions, DIAG_OK);
    ck_assert_double_eq(figure(f, "without_hello"), 10);
    ck_assert_double_eq(figure(f, "hellos_waiting"), 390);
    says(f->evidence, "10 without HELLO, 390 that wait for their turn");
    facts.hub.hellos_waiting = 300;
    only(DIAG_sessions, DIAG_WARN);
}
END_TEST

TESTS(store, a_store_that_takes_no_writes, commits_by_their_limit,
      a_full_queue_is_named_with_what_fills_it, open_tasks_by_their_limit)
START_TEST(the_master_stood_still)
{
    static const struct {
        int64_t ms, ago_ms;
        enum diag_state state;
        const char *words;
    } cases[] = {{20000, 35000, DIAG_WARN, "stood still for 20s, 35s ago"},
                 {1200, 35000, DIAG_OK, "for 1.2s, 35s ago"},
                 {20000, 601000, DIAG_OK, "not for a second in the last 10 min"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        well();
        facts.hub.stood = 1;
        facts.hub.stood_ms = cases[i].ms;
        facts.hub.stood_ago_ms = cases[i].ago_ms;
        says(only(DIAG_stood_still, cases[i].state)->evidence, cases[i].words);
    }
    facts.hub.stood = -1;
    only(DIAG_stood_still, DIAG_UNKNOWN);
}
END_TEST

START_TEST(the_master_cannot_keep_up)
{
    well();
    facts.hub.overloaded = true;
    says(only(DIAG_overload, DIAG_BAD)->evidence, "new work is refused");
}
END_TEST

TESTS(hub, the_master_stood_still, the_master_cannot_keep_up, the_hub_is_late,
      sessions_by_their_limit_and_those_that_say_nothing, who_waits_for_a_turn_is_no_stranger)
CHECK_MAIN("diagnosis of store and hub", store, hub)
