/* SPDX-License-Identifier: MIT */
#include "tests/master/store/fixture.h"

/* Events of the fleet: appended, bounded, read on from any of their names. */

static void add(uint64_t epoch, uint64_t from, unsigned n)
{
    struct store_req *r = fx_req(STORE_EVENTS_ADD);
    r->events.items = mem_array(n, sizeof(*r->events.items));
    r->events.n = n;
    for (unsigned i = 0; i < n; i++)
        r->events.items[i] =
            (struct store_event){.epoch = epoch,
                                 .number = from + i,
                                 .at = {(int64_t)(1000 * epoch + from + i)},
                                 .kind = mem_strdup("agent_disconnected"),
                                 .agent = mem_strdup(i % 2 ? "b" : "a"),
                                 .cause = END_connection_reset,
                                 .detail = mem_strdup("why"),
                                 .evidence = i == 0 ? NULL : mem_strdup("{\"n\":1}")};
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
}

static struct store_req *page(uint64_t epoch, uint64_t number, unsigned limit, const char *agent)
{
    struct store_req *r = fx_req(STORE_EVENTS_PAGE);
    r->events_page.epoch = epoch;
    r->events_page.number = number;
    r->events_page.limit = limit;
    r->events_page.agent = mem_strdup(agent);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    return r;
}

START_TEST(they_come_back_whole_and_in_order)
{
    add(5, 1, 3);
    struct store_req *r = page(5, 1, 10, NULL);
    ck_assert_uint_eq(r->events_page.n, 2);
    ck_assert(!r->events_page.more && !r->events_page.lost);
    const struct store_event *e = &r->events_page.items[0];
    ck_assert_uint_eq(e->epoch, 5);
    ck_assert_uint_eq(e->number, 2);
    ck_assert_int_eq(e->at.us, 5002);
    ck_assert_str_eq(e->kind, "agent_disconnected");
    ck_assert_str_eq(e->agent, "b");
    ck_assert_int_eq(e->cause, END_connection_reset);
    ck_assert_str_eq(e->detail, "why");
    ck_assert_str_eq(e->evidence, "{\"n\":1}");
    ck_assert_uint_eq(r->events_page.number, 3);
    store_req_destroy(&r);
    r = page(5, 3, 10, NULL);
    ck_assert_uint_eq(r->events_page.n, 0);
    ck_assert_uint_eq(r->events_page.epoch, 5);
    ck_assert_uint_eq(r->events_page.number, 3);
    store_req_destroy(&r);
}
END_TEST

START_TEST(what_is_there_already_is_left)
{
    add(5, 1, 3);
    add(5, 2, 3);
    struct store_req *r = page(5, 1, 10, NULL);
    ck_assert_uint_eq(r->events_page.n, 3);
    store_req_destroy(&r);
}
END_TEST

START_TEST(a_filter_passes_on_and_the_cursor_moves)
{
    add(5, 1, 10);
    struct store_req *r = page(5, 1, 2, "b");
    ck_assert_uint_eq(r->events_page.n, 2);
    ck_assert_uint_eq(r->events_page.items[1].number, 4);
    ck_assert_uint_eq(r->events_page.number, 4);
    ck_assert(r->events_page.more);
    store_req_destroy(&r);
    r = page(5, 1, 2, "c");
    ck_assert_uint_eq(r->events_page.n, 0);
    ck_assert_uint_eq(r->events_page.number, 10);
    ck_assert(!r->events_page.more);
    store_req_destroy(&r);
}
END_TEST

static bool lost(uint64_t epoch, uint64_t number)
{
    struct store_req *r = page(epoch, number, 1, NULL);
    bool is = r->events_page.lost;
    ck_assert_uint_eq(r->events_page.n, 1);
    store_req_destroy(&r);
    return is;
}

START_TEST(what_is_missing_shows)
{
    add(5, 3, 2);
    add(5, 9, 1);
    add(6, 1, 1);
    add(8, 1, 1);
    ck_assert(lost(4, 7));
    ck_assert(lost(5, 1));
    ck_assert(!lost(5, 2));
    ck_assert(!lost(5, 3));
    ck_assert(lost(5, 4));
    ck_assert(!lost(5, 8)); /* told, and not stored, and the next one was */
    ck_assert(!lost(5, 9));
    ck_assert(!lost(5, 12)); /* told, and then not stored */
    ck_assert(lost(6, 1));   /* nothing at all of a start */
}
END_TEST

START_TEST(the_oldest_go_when_there_are_too_many)
{
    for (unsigned i = 0; i < 40; i++)
        add(5, 1 + 100 * (uint64_t)i, 100);
    /* As if 100,000 more lay between: seq counts them. */
    fx_close();
    fx_sql("UPDATE events SET seq = seq + 98000 WHERE number > 2000");
    fx_open();
    add(6, 1, 100);
    struct store_req *r = page(4, 1, 1, NULL);
    ck_assert(r->events_page.lost);
    ck_assert_uint_eq(r->events_page.items[0].number, 2001);
    store_req_destroy(&r);
}
END_TEST

START_TEST(a_start_gets_the_newest)
{
    add(5, 1, 100);
    add(6, 1, 2);
    fx_reopen();
    ck_assert_uint_eq(fx_boot.n_events, 102);
    ck_assert_uint_eq(fx_boot.events[0].epoch, 5);
    ck_assert_uint_eq(fx_boot.events[0].number, 1);
    ck_assert_uint_eq(fx_boot.events[101].epoch, 6);
    ck_assert_uint_eq(fx_boot.events[101].number, 2);
    ck_assert_str_eq(fx_boot.events[101].agent, "b");
}
END_TEST

START_TEST(what_the_disk_has_changed_is_shown_as_far_as_it_can_be)
{
    add(5, 1, 2);
    fx_close();
    fx_sql("UPDATE events SET kind = X'ff', agent = 'a b', cause = 'no_such', detail = X'c3', "
           "evidence = '[1' WHERE number = 2");
    fx_open();
    struct store_req *r = page(5, 1, 10, NULL);
    const struct store_event *e = &r->events_page.items[0];
    ck_assert_str_eq(e->kind, "damaged");
    ck_assert(e->agent == NULL && e->detail == NULL && e->evidence == NULL);
    ck_assert_int_eq(e->cause, END_NONE);
    ck_assert_uint_gt(counter_get(&store_stats(fx)->damaged), 0);
    store_req_destroy(&r);
}
END_TEST

TESTS(each, they_come_back_whole_and_in_order, what_is_there_already_is_left,
      a_filter_passes_on_and_the_cursor_moves, what_is_missing_shows,
      the_oldest_go_when_there_are_too_many, a_start_gets_the_newest,
      what_the_disk_has_changed_is_shown_as_far_as_it_can_be)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    tcase_set_timeout(tc, 60);
    return tc;
}
CHECK_MAIN("fleet_events", all)
