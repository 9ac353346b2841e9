/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "master/core/bulk.h"
#include "tests/support/check_main.h"

/* Ten agents, four of them in trouble, nothing wrong with ourselves. */
static struct bulk_figures some(void)
{
    return (struct bulk_figures){.agents = 10, .troubled = 4, .sockets = 4, .cpu = 0.1};
}
static struct mono at_s(int64_t s)
{
    return (struct mono){(1000 + s) * NS_PER_SEC};
}

START_TEST(few_or_a_small_part_are_single)
{
    static const struct {
        unsigned troubled, agents;
        bool many;
    } cases[] = {{0, 0, false},   {1, 1, false},  {2, 2, false},     {3, 3, true},
                 {3, 10, true},   {3, 11, false}, {29, 100, false},  {30, 100, true},
                 {0, 100, false}, {2, 6, false},  {300, 1000, true}, {299, 1000, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_msg(bulk_is_many(cases[i].troubled, cases[i].agents) == cases[i].many, "%u of %u",
                      cases[i].troubled, cases[i].agents);
        struct bulk_figures f = {.agents = cases[i].agents, .troubled = cases[i].troubled};
        ck_assert((bulk_classify(&f) != BULK_SINGLE) == cases[i].many);
    }
}
END_TEST

START_TEST(our_own_lag_cpu_sleep_and_commit_are_our_fault)
{
    struct bulk_figures f = some();
    f.lag_ms = 1000;
    ck_assert_int_eq(bulk_classify(&f), BULK_MASTER_OVERLOAD);
    f.lag_ms = 999;
    ck_assert_int_eq(bulk_classify(&f), BULK_NETWORK_GROUP);
    f.overslept_ms = 20000;
    ck_assert_int_eq(bulk_classify(&f), BULK_MASTER_OVERLOAD);
    f = some();
    f.cpu = 0.95;
    ck_assert_int_eq(bulk_classify(&f), BULK_MASTER_OVERLOAD);
    f.cpu = -1; /* not known is not busy */
    ck_assert_int_eq(bulk_classify(&f), BULK_NETWORK_GROUP);
    f.commit_ms = 5000;
    ck_assert_int_eq(bulk_classify(&f), BULK_MASTER_OVERLOAD);
    f.troubled = f.sockets = f.agents; /* even when all are away */
    ck_assert_int_eq(bulk_classify(&f), BULK_MASTER_OVERLOAD);
}
END_TEST

START_TEST(unread_bytes_of_half_of_them_are_our_handlers_fault)
{
    struct bulk_figures f = some();
    f.unread = 1;
    ck_assert_int_eq(bulk_classify(&f), BULK_NETWORK_GROUP);
    f.unread = 2;
    ck_assert_int_eq(bulk_classify(&f), BULK_HANDLER_SLOW);
    f.sockets = 0; /* no socket is left to look at */
    f.unread = 0;
    ck_assert_int_eq(bulk_classify(&f), BULK_NETWORK_GROUP);
}
END_TEST

START_TEST(nine_of_ten_are_all)
{
    struct bulk_figures f = some();
    f.troubled = 8;
    ck_assert_int_eq(bulk_classify(&f), BULK_NETWORK_GROUP);
    f.troubled = 9;
    ck_assert_int_eq(bulk_classify(&f), BULK_NETWORK_ALL);
    f = (struct bulk_figures){.agents = 3, .troubled = 3};
    ck_assert_int_eq(bulk_classify(&f), BULK_NETWORK_ALL);
}
END_TEST

/* n agents with this key, lost or well. */
static void add(struct bulk_groups *g, unsigned lost, unsigned well, const char *key)
{
    for (unsigned i = 0; i < lost; i++)
        bulk_groups_lost(g, key);
    for (unsigned i = 0; i < well; i++)
        bulk_groups_well(g, key);
}

START_TEST(the_group_is_what_most_of_the_lost_and_few_others_have)
{
    struct bulk_groups *g = bulk_groups_create();
    struct bulk_group best;
    add(g, 5, 5, "the address 10.0.0.1"); /* all go through the one proxy */
    bulk_groups_best(g, 5, &best);
    ck_assert_str_eq(best.key, "");
    add(g, 4, 1, "the tag isp=a");
    bulk_groups_best(g, 5, &best);
    ck_assert_str_eq(best.key, "the tag isp=a");
    add(g, 5, 1, "the tag site=b");
    add(g, 3, 0, "the tag rack=c"); /* too few of the lost */
    add(g, 0, 4, "the tag well=d");
    bulk_groups_best(g, 5, &best);
    ck_assert_str_eq(best.key, "the tag site=b");
    ck_assert_uint_eq(best.lost, 5);
    ck_assert_uint_eq(best.well, 1);
    bulk_groups_destroy(&g);
    ck_assert_ptr_null(g);
}
END_TEST

START_TEST(keys_are_bounded_in_number_and_length)
{
    struct bulk_groups *g = bulk_groups_create();
    struct bulk_group best;
    char key[BULK_KEY_MAX + 1];
    for (unsigned i = 0; i < BULK_KEYS_MAX; i++) {
        snprintf(key, sizeof(key), "the tag n=%u", i);
        bulk_groups_lost(g, key);
    }
    bulk_groups_lost(g, "the tag one=more");
    memset(key, 'x', BULK_KEY_MAX);
    key[BULK_KEY_MAX] = '\0';
    bulk_groups_lost(g, key);
    bulk_groups_best(g, 1, &best);
    ck_assert_uint_eq(best.lost, 1);
    ck_assert_ptr_nonnull(strstr(best.key, "the tag n="));
    bulk_groups_destroy(&g);
}
END_TEST

START_TEST(the_verdict_names_its_evidence)
{
    char text[BULK_TEXT_MAX];
    struct bulk_figures f = some();
    f.unread = 1;
    f.overslept_ms = 20123;
    f.lag_ms = 1500;
    f.commit_ms = 77;
    bulk_tell(BULK_MASTER_OVERLOAD, &f, NULL, text, sizeof(text));
    ck_assert_str_eq(text, "master_overload: 4 of 10 agents suspect or lost; 1 of 4 connections "
                           "hold unread bytes; own lag 1500 ms, overslept 20123 ms, CPU 10 %, "
                           "commit waits 77 ms");
    struct bulk_group group = {.key = "the tag isp=a", .lost = 4, .well = 1};
    bulk_tell(BULK_NETWORK_GROUP, &f, &group, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "; 4 of them have the tag isp=a, as have 1 that are fine;"));
    group.key[0] = '\0';
    f.cpu = -1;
    bulk_tell(BULK_NETWORK_GROUP, &f, &group, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "no address, prefix or tag in common"));
    ck_assert_ptr_nonnull(strstr(text, "CPU unknown"));
}
END_TEST

START_TEST(a_network_loss_settles_for_a_heartbeat_before_it_is_told)
{
    struct bulk b = {0};
    struct bulk_figures f = some();
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(0)), UINT_MAX);
    ck_assert_int_eq(bulk_step(&b, &f, at_s(0)), BULK_NO_NEWS);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(0)), 0);
    ck_assert_int_eq(bulk_step(&b, &f, at_s(5)), BULK_NO_NEWS);
    f.troubled = f.sockets = 10; /* the rest has become suspect, too */
    ck_assert_int_eq(bulk_step(&b, &f, at_s(6)), BULK_FOUND);
    ck_assert_int_eq(b.cls, BULK_NETWORK_ALL);
    ck_assert(!bulk_holds_deaths(&b));
    ck_assert_int_eq(bulk_step(&b, &f, at_s(7)), BULK_NO_NEWS);
}
END_TEST

START_TEST(a_loss_of_all_freezes_for_sixty_seconds_and_no_longer)
{
    struct bulk b = {0};
    struct bulk_figures f = {.agents = 20, .troubled = 20};
    ck_assert_int_eq(bulk_step(&b, &f, at_s(0)), BULK_NO_NEWS);
    ck_assert_int_eq(bulk_step(&b, &f, at_s(6)), BULK_FOUND);
    ck_assert_int_eq(bulk_step(&b, &f, at_s(59)), BULK_NO_NEWS);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(59)), 0);
    ck_assert_int_eq(bulk_step(&b, &f, at_s(60)), BULK_OVER);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(60)), 2);
    ck_assert_int_eq(bulk_step(&b, &f, at_s(74)), BULK_NO_NEWS);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(74)), 2);
    ck_assert_int_eq(bulk_step(&b, &f, at_s(75)), BULK_NO_NEWS);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(75)), UINT_MAX);
}
END_TEST

START_TEST(a_group_is_paced_and_freezes_when_the_rest_follows)
{
    struct bulk b = {0};
    struct bulk_figures f = {.agents = 50, .troubled = 25};
    bulk_step(&b, &f, at_s(0));
    ck_assert_int_eq(bulk_step(&b, &f, at_s(6)), BULK_FOUND);
    ck_assert_int_eq(b.cls, BULK_NETWORK_GROUP);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(6)), 3);
    f.troubled = 50;
    ck_assert_int_eq(bulk_step(&b, &f, at_s(8)), BULK_NO_NEWS);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(8)), 0);
    f.troubled = 25; /* some came back: there is somebody to give the tasks to */
    ck_assert_int_eq(bulk_step(&b, &f, at_s(10)), BULK_NO_NEWS);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(20)), 5);
    f.troubled = 2;
    ck_assert_int_eq(bulk_step(&b, &f, at_s(21)), BULK_OVER);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(21)), UINT_MAX);
}
END_TEST

/* All are lost from 0 s on; at that second so many of them still are. */
static struct bulk all_lost_until(int second, unsigned left)
{
    struct bulk b = {0};
    struct bulk_figures f = {.agents = 50, .troubled = 50};
    bulk_step(&b, &f, at_s(0));
    ck_assert_int_eq(bulk_step(&b, &f, at_s(6)), BULK_FOUND);
    f.troubled = left;
    bulk_step(&b, &f, at_s(second));
    return b;
}

START_TEST(when_the_first_are_back_the_rest_have_the_time_to_follow)
{
    struct bulk b = all_lost_until(20, 2), half = all_lost_until(20, 25);
    ck_assert_int_eq(b.state, BULK_QUIET);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(29)), 0);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(30)), UINT_MAX);
    ck_assert_int_eq(half.cls, BULK_NETWORK_GROUP);
    ck_assert_uint_eq(bulk_may_requeue(&half, at_s(29)), 0);
    ck_assert_uint_eq(bulk_may_requeue(&half, at_s(30)), 5);
}
END_TEST

START_TEST(the_time_to_follow_ends_with_the_freeze)
{
    struct bulk b = all_lost_until(58, 2);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(59)), 0);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(60)), UINT_MAX);
}
END_TEST

START_TEST(our_own_fault_is_told_at_once_and_withholds_deaths)
{
    struct bulk b = {0};
    struct bulk_figures f = some();
    f.lag_ms = 3000;
    ck_assert_int_eq(bulk_step(&b, &f, at_s(0)), BULK_FOUND);
    ck_assert_double_eq(b.seen.lag_ms, 3000);
    ck_assert(bulk_holds_deaths(&b));
    f.lag_ms = 0; /* that it was our fault stays true */
    ck_assert_int_eq(bulk_step(&b, &f, at_s(10)), BULK_NO_NEWS);
    ck_assert_int_eq(b.cls, BULK_MASTER_OVERLOAD);
    ck_assert(bulk_holds_deaths(&b));
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(10)), 0);
    ck_assert_int_eq(bulk_step(&b, &f, at_s(60)), BULK_OVER);
    ck_assert(!bulk_holds_deaths(&b));
}
END_TEST

START_TEST(who_is_back_before_it_settles_is_told_once)
{
    struct bulk b = {0};
    struct bulk_figures f = some(), fine = {.agents = 10};
    ck_assert_int_eq(bulk_step(&b, &f, at_s(0)), BULK_NO_NEWS);
    f.troubled = 5;
    ck_assert_int_eq(bulk_step(&b, &f, at_s(1)), BULK_NO_NEWS);
    ck_assert_int_eq(bulk_step(&b, &fine, at_s(2)), BULK_FOUND);
    ck_assert_uint_eq(b.worst, 5);
    ck_assert_uint_eq(b.seen.troubled, 5); /* and not with what is well now */
    ck_assert_int_eq(bulk_step(&b, &fine, at_s(3)), BULK_NO_NEWS);
    ck_assert_uint_eq(bulk_may_requeue(&b, at_s(3)), UINT_MAX);
}
END_TEST

START_TEST(while_it_lasts_its_window_stays)
{
    struct bulk b = {0};
    struct bulk_figures f = some();
    ck_assert_int_eq(bulk_window(&b, at_s(40)).ns, at_s(10).ns);
    bulk_step(&b, &f, at_s(40));
    ck_assert_int_eq(bulk_window(&b, at_s(70)).ns, at_s(10).ns);
}
END_TEST

TESTS(bulk, few_or_a_small_part_are_single, our_own_lag_cpu_sleep_and_commit_are_our_fault,
      unread_bytes_of_half_of_them_are_our_handlers_fault, nine_of_ten_are_all,
      the_group_is_what_most_of_the_lost_and_few_others_have, keys_are_bounded_in_number_and_length,
      the_verdict_names_its_evidence, a_network_loss_settles_for_a_heartbeat_before_it_is_told,
      a_loss_of_all_freezes_for_sixty_seconds_and_no_longer,
      a_group_is_paced_and_freezes_when_the_rest_follows,
      when_the_first_are_back_the_rest_have_the_time_to_follow,
      the_time_to_follow_ends_with_the_freeze, our_own_fault_is_told_at_once_and_withholds_deaths,
      who_is_back_before_it_settles_is_told_once, while_it_lasts_its_window_stays)
CHECK_MAIN("bulk", bulk)
