/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>
#include "master/core/event_log.h"
#include "master/core/hours.h"

static struct event_log *l;
static struct event_page p;
static const struct event_filter any;

static void setup(void)
{
    l = event_log_create();
    memset(&p, 0, sizeof(p));
}
static void done(void)
{
    event_page_fini(&p);
    event_log_destroy(&l);
}

static uint64_t add(const char *kind, const char *agent, const char *detail)
{
    struct event e = {.at = {1000}, .detail = (char *)detail, .evidence = (char *)"{\"n\":1}"};
    snprintf(e.kind, sizeof(e.kind), "%s", kind);
    snprintf(e.agent, sizeof(e.agent), "%s", agent);
    return event_log_add(l, &e);
}

static void after(uint64_t id, const struct event_filter *f, unsigned limit)
{
    event_page_fini(&p);
    event_log_after(l, id, f, limit, &p);
}

START_TEST(test_events_come_back_in_order_from_the_cursor_on)
{
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(add("kind", "a", "x"), (uint64_t)i + 1);
    after(2, &any, 2);
    ck_assert_uint_eq(p.n, 2);
    ck_assert_uint_eq(p.events[0].id, 3);
    ck_assert_uint_eq(p.last, 4);
    ck_assert_str_eq(p.events[0].detail, "x");
    ck_assert_str_eq(p.events[0].evidence, "{\"n\":1}");
    after(p.last, &any, 2);
    ck_assert_uint_eq(p.n, 1);
    after(p.last, &any, 2);
    ck_assert_uint_eq(p.n, 0);
    ck_assert_uint_eq(p.last, 5);
    ck_assert(!p.lost);
}
END_TEST

START_TEST(test_what_is_overwritten_shows_as_lost)
{
    for (int i = 0; i < EVENTS_KEPT + 10; i++)
        add("kind", "a", NULL);
    after(9, &any, 1);
    ck_assert(p.lost);
    ck_assert_uint_eq(p.events[0].id, 11);
    after(10, &any, 1);
    ck_assert(!p.lost);
    ck_assert_uint_eq(p.events[0].id, 11);
    ck_assert_ptr_null(p.events[0].detail);
    event_page_fini(&p);
    event_log_newest(l, &any, EVENTS_PAGE_MAX, &p);
    ck_assert_uint_eq(p.n, EVENTS_PAGE_MAX);
    ck_assert_uint_eq(p.events[p.n - 1].id, EVENTS_KEPT + 10);
}
END_TEST

START_TEST(test_filters_pass_by_agent_and_kind_and_the_cursor_moves_on)
{
    static const struct event_filter f = {.agent = "b", .kind = "gone"};
    add("gone", "a", NULL);
    add("gone", "b", NULL);
    add("come", "b", NULL);
    after(0, &f, 10);
    ck_assert_uint_eq(p.n, 1);
    ck_assert_uint_eq(p.events[0].id, 2);
    ck_assert_uint_eq(p.last, 3);
    event_page_fini(&p);
    event_log_newest(l, &f, 10, &p);
    ck_assert_uint_eq(p.n, 1);
    ck_assert_uint_eq(p.last, 3);
}
END_TEST

START_TEST(test_the_newest_of_none_is_a_place_to_go_on_from)
{
    event_log_newest(l, &any, 10, &p);
    ck_assert_uint_eq(p.n, 0);
    ck_assert_uint_eq(p.last, 0);
    event_page_fini(&p);
    add("kind", "a", NULL);
    event_log_newest(l, &any, 0, &p);
    ck_assert_uint_eq(p.n, 0);
    ck_assert_uint_eq(p.last, 1);
    ck_assert(!p.lost);
}
END_TEST

START_TEST(test_long_texts_are_cut_between_characters)
{
    char text[2 * EVENT_DETAIL_MAX + 1] = "x";
    for (size_t i = 1; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa4", 3); /* ä: the bound falls inside one */
    add("kind", "a", text);
    after(0, &any, 1);
    ck_assert_uint_eq(strlen(p.events[0].detail), EVENT_DETAIL_MAX - 1);
}
END_TEST

START_TEST(test_what_peers_wrote_is_made_fit_to_be_shown)
{
    add("kind", "a", "\xff\x1b[2J\xc3");
    after(0, &any, 1);
    ck_assert_str_eq(p.events[0].detail, "\xef\xbf\xbd [2J\xef\xbf\xbd");
}
END_TEST

START_TEST(test_hours_forget_what_is_a_day_old)
{
    struct hours h = {0};
    struct mono t = {5 * 3600 * NS_PER_SEC};
    for (int i = 0; i < 10; i++)
        hours_add(&h, t);
    ck_assert_uint_eq(hours_sum(&h, t), 10);
    hours_add(&h, mono_add_ms(t, 23 * 3600 * 1000LL));
    ck_assert_uint_eq(hours_sum(&h, mono_add_ms(t, 23 * 3600 * 1000LL)), 11);
    ck_assert_uint_eq(hours_sum(&h, mono_add_ms(t, 24 * 3600 * 1000LL)), 1);
    hours_add(&h, mono_add_ms(t, 24 * 3600 * 1000LL));
    ck_assert_uint_eq(hours_sum(&h, mono_add_ms(t, 24 * 3600 * 1000LL)), 2);
    ck_assert_uint_eq(hours_sum(&h, mono_add_ms(t, 100 * 3600 * 1000LL)), 0);
    hours_add(&h, mono_add_ms(t, 100 * 3600 * 1000LL));
    ck_assert_uint_eq(hours_sum(&h, mono_add_ms(t, 100 * 3600 * 1000LL)), 1);
}
END_TEST

TESTS(each, test_events_come_back_in_order_from_the_cursor_on,
      test_what_is_overwritten_shows_as_lost,
      test_filters_pass_by_agent_and_kind_and_the_cursor_moves_on,
      test_the_newest_of_none_is_a_place_to_go_on_from, test_long_texts_are_cut_between_characters,
      test_what_peers_wrote_is_made_fit_to_be_shown, test_hours_forget_what_is_a_day_old)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, setup, done);
    return tc;
}
CHECK_MAIN("event_log", all)
