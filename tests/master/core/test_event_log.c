/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>
#include "master/core/event_log.h"
#include "master/core/hours.h"

#define EPOCH 7

static struct event_log *l;
static struct event_page p;
static const struct event_filter any;

static void setup(void)
{
    l = event_log_create(EPOCH);
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
    return event_log_add(l, &e)->key.id;
}

static void after(uint64_t id, const struct event_filter *f, unsigned limit)
{
    event_page_fini(&p);
    event_log_after(l, (struct event_key){EPOCH, id}, f, limit, &p);
}

START_TEST(test_events_come_back_in_order_from_the_cursor_on)
{
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(add("kind", "a", "x"), (uint64_t)i + 1);
    after(2, &any, 2);
    ck_assert_uint_eq(p.n, 2);
    ck_assert_uint_eq(p.events[0].key.id, 3);
    ck_assert_uint_eq(p.last.id, 4);
    ck_assert_str_eq(p.events[0].detail, "x");
    ck_assert_str_eq(p.events[0].evidence, "{\"n\":1}");
    after(p.last.id, &any, 2);
    ck_assert_uint_eq(p.n, 1);
    after(p.last.id, &any, 2);
    ck_assert_uint_eq(p.n, 0);
    ck_assert_uint_eq(p.last.id, 5);
    ck_assert(!p.lost);
}
END_TEST

START_TEST(test_what_is_overwritten_shows_as_lost)
{
    for (int i = 0; i < EVENTS_KEPT + 10; i++)
        add("kind", "a", NULL);
    after(9, &any, 1);
    ck_assert(p.lost && p.older);
    ck_assert_uint_eq(p.events[0].key.id, 11);
    after(10, &any, 1);
    ck_assert(!p.lost);
    ck_assert_uint_eq(p.events[0].key.id, 11);
    ck_assert_ptr_null(p.events[0].detail);
    event_page_fini(&p);
    event_log_newest(l, &any, EVENTS_PAGE_MAX, &p);
    ck_assert_uint_eq(p.n, EVENTS_PAGE_MAX);
    ck_assert_uint_eq(p.events[p.n - 1].key.id, EVENTS_KEPT + 10);
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
    ck_assert_uint_eq(p.events[0].key.id, 2);
    ck_assert_uint_eq(p.last.id, 3);
    event_page_fini(&p);
    event_log_newest(l, &f, 10, &p);
    ck_assert_uint_eq(p.n, 1);
    ck_assert_uint_eq(p.last.id, 3);
}
END_TEST

START_TEST(test_the_newest_of_none_is_a_place_to_go_on_from)
{
    event_log_newest(l, &any, 10, &p);
    ck_assert_uint_eq(p.n, 0);
    ck_assert_uint_eq(p.last.id, 0);
    event_page_fini(&p);
    add("kind", "a", NULL);
    event_log_newest(l, &any, 0, &p);
    ck_assert_uint_eq(p.n, 0);
    ck_assert_uint_eq(p.last.id, 1);
    ck_assert(!p.lost);
}
END_TEST

static void load(uint64_t epoch, uint64_t id)
{
    struct event e = {.key = {epoch, id}, .kind = "old"};
    event_log_load(l, &e);
}

static bool lost_after(uint64_t epoch, uint64_t id, uint64_t next_epoch, uint64_t next_id)
{
    event_page_fini(&p);
    event_log_after(l, (struct event_key){epoch, id}, &any, 1, &p);
    ck_assert_uint_eq(p.n, 1);
    ck_assert_uint_eq(p.events[0].key.epoch, next_epoch);
    ck_assert_uint_eq(p.events[0].key.id, next_id);
    ck_assert_uint_eq(p.last.id, next_id);
    return p.lost;
}

START_TEST(test_what_earlier_starts_left_is_gone_on_from)
{
    load(5, 3);
    load(5, 4);
    load(6, 1);
    load(6, 2);
    load(6, 2); /* not in order: left out, as is what claims to be of this start */
    load(5, 9);
    load(EPOCH, 1);
    ck_assert_uint_eq(event_log_last(l)->key.id, 2);
    ck_assert_uint_eq(add("kind", "a", NULL), 1);
    ck_assert(lost_after(4, 8, 5, 3)); /* nothing is known of what was before */
    ck_assert(!lost_after(5, 2, 5, 3));
    ck_assert(!lost_after(5, 3, 5, 4));
    ck_assert(!lost_after(5, 4, 6, 1));
    ck_assert(!lost_after(6, 2, EPOCH, 1));
    ck_assert(!lost_after(6, 9, EPOCH, 1));    /* seen, and then not stored: nothing lies between */
    ck_assert(lost_after(EPOCH + 1, 1, 5, 3)); /* of a store that was put back */
    event_page_fini(&p);
    event_log_newest(l, &any, 3, &p);
    ck_assert_uint_eq(p.n, 3);
    ck_assert_uint_eq(p.events[0].key.epoch, 6);
    ck_assert_uint_eq(p.last.epoch, EPOCH);
}
END_TEST

START_TEST(test_gaps_in_what_was_kept_show_as_lost)
{
    load(5, 1);
    load(5, 2);
    load(5, 7); /* the store was behind */
    load(6, 2);
    ck_assert(!lost_after(5, 1, 5, 2));
    ck_assert(lost_after(5, 2, 5, 7));
    ck_assert(!lost_after(5, 6, 5, 7)); /* it was told of those, which were not stored */
    ck_assert(lost_after(5, 7, 6, 2));
    event_page_fini(&p);
    event_log_after(l, (struct event_key){5, 1}, &any, 10, &p);
    ck_assert(p.lost && !p.older);
    ck_assert_uint_eq(p.n, 3);
}
END_TEST

START_TEST(test_a_full_log_knows_what_precedes_it)
{
    for (uint64_t i = 1; i <= EVENTS_KEPT + 1; i++)
        load(6, i);
    ck_assert(!lost_after(6, 1, 6, 2));
    ck_assert(!p.older);
    ck_assert(lost_after(5, 100, 6, 2));
    ck_assert(p.older);
    add("kind", "a", NULL);
    ck_assert(lost_after(6, 1, 6, 3));
    ck_assert(p.older);
}
END_TEST

START_TEST(test_a_gap_before_the_oldest_shows_too)
{
    load(6, 1);
    for (uint64_t i = 3; i <= EVENTS_KEPT + 2; i++)
        load(6, i);
    ck_assert(lost_after(6, 1, 6, 3));
    ck_assert(!p.older);
    ck_assert(!lost_after(6, 2, 6, 3));
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
      test_the_newest_of_none_is_a_place_to_go_on_from,
      test_what_earlier_starts_left_is_gone_on_from, test_gaps_in_what_was_kept_show_as_lost,
      test_a_full_log_knows_what_precedes_it, test_a_gap_before_the_oldest_shows_too,
      test_long_texts_are_cut_between_characters, test_what_peers_wrote_is_made_fit_to_be_shown,
      test_hours_forget_what_is_a_day_old)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, setup, done);
    return tc;
}
CHECK_MAIN("event_log", all)
