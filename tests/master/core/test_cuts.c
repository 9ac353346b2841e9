/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

static const struct mono start = {INT64_C(1000000) * NS_PER_SEC};

static struct mono after_s(int64_t s)
{
    return mono_add_ms(start, s * 1000);
}

START_TEST(an_hour_and_a_day_are_counted_by_cause)
{
    struct cuts c = {.n = 0};
    struct cuts_sum sum;
    for (int i = 0; i < 3; i++)
        cuts_add(&c, END_heartbeat_missed, after_s(i));
    for (int i = 0; i < 5; i++)
        cuts_add(&c, END_connection_reset, after_s(4000 + i));
    cuts_sum(&c, after_s(4010), &sum);
    ck_assert_uint_eq(sum.hour, 5);
    ck_assert_uint_eq(sum.day, 8);
    ck_assert(!sum.more);
    ck_assert_int_eq(sum.causes[0].cause, END_connection_reset);
    ck_assert_uint_eq(sum.causes[0].n, 5);
    ck_assert_int_eq(sum.causes[1].cause, END_heartbeat_missed);
    ck_assert_uint_eq(sum.causes[1].n, 3);
    ck_assert_int_eq(sum.causes[2].cause, END_NONE);
    cuts_sum(&c, after_s(86401), &sum); /* the first two are older than a day */
    ck_assert_uint_eq(sum.hour, 0);
    ck_assert_uint_eq(sum.day, 6);
}
END_TEST

START_TEST(the_newest_are_remembered_and_the_most_frequent_told)
{
    struct cuts c = {.n = 0};
    struct cuts_sum sum;
    for (int i = 0; i < 1000; i++)
        cuts_add(&c, (enum end)(1 + i % 6), after_s(i));
    cuts_add(&c, END_kicked, after_s(1000));
    cuts_sum(&c, after_s(1000), &sum);
    ck_assert_uint_eq(sum.day, CUTS_KEPT);
    ck_assert(sum.more);
    for (unsigned i = 0; i + 1 < CUTS_CAUSES; i++)
        ck_assert_uint_ge(sum.causes[i].n, sum.causes[i + 1].n);
    ck_assert_uint_ge(sum.causes[CUTS_CAUSES - 1].n, 10);
}
END_TEST

static struct cuts_sum cuts_of(const char *name)
{
    struct agent_view *v;
    ck_assert_uint_eq(core_agents(w->core, name, w->now, &v), 1);
    struct cuts_sum sum = v->cuts;
    core_views_free(v, 1);
    return sum;
}

START_TEST(a_leave_is_no_cut)
{
    struct strbuf b;
    setup();
    strbuf_init(&b, 1000);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_tick(w, 3000, true);
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a = world_connect(w, 0, "a", "1");
    msg_put_text(&b, MSG_BYE, "the agent ends", 0);
    w_say(w, a, &b);
    world_settle(w);
    struct cuts_sum sum = cuts_of("a");
    ck_assert_uint_eq(sum.hour, 1);
    ck_assert_int_eq(sum.causes[0].cause, END_connection_reset);
    done();
}
END_TEST

TESTS(cuts, an_hour_and_a_day_are_counted_by_cause,
      the_newest_are_remembered_and_the_most_frequent_told, a_leave_is_no_cut)
CHECK_MAIN("cuts", cuts)
