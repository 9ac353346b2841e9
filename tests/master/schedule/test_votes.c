/* SPDX-License-Identifier: MIT */
#include "master/schedule/votes.h"

#include <string.h>

#include "tests/support/check_main.h"

static struct census c;
static struct votes v;
static struct votes_streaks *streaks;
static struct verdict_vote votes[VERDICT_VOTES_MAX];
static uint64_t task;

static void setup(void)
{
    census_init(&c, 30000);
    v = (struct votes){0};
    streaks = NULL;
    task = 0;
}

static void teardown(void)
{
    votes_fini(&v, &c);
    votes_streaks_free(&streaks, &c);
    census_fini(&c);
}

static void says(const char *agent, enum cause cause)
{
    votes_add(&v, ++task);
    ck_assert(votes_result(&v, &c, task, agent, cause));
}

static struct verdict judge(void)
{
    unsigned n = votes_count(&v, streaks, votes);
    return verdict_of(votes, n, 1);
}

/* The run is over; another one begins. */
static struct verdict next_run(void)
{
    struct verdict verdict = judge();
    votes_carry(&v, &c, &verdict, &streaks);
    votes_fini(&v, &c);
    return verdict;
}

START_TEST(test_each_agent_has_one_vote_its_last_word)
{
    says("a", CAUSE_http_5xx);
    says("a", CAUSE_http_5xx);
    says("b", CAUSE_NONE);
    ck_assert_uint_eq(votes_count(&v, NULL, votes), 2);
    ck_assert_uint_eq(votes[0].tries, 2);
    says("a", CAUSE_agent_network_down); /* no word at all */
    ck_assert_uint_eq(votes_count(&v, NULL, votes), 2);
    ck_assert_uint_eq(votes[0].tries, 2);
    says("a", CAUSE_NONE);
    ck_assert_uint_eq(votes_count(&v, NULL, votes), 2);
    ck_assert_int_eq(votes[0].kind, VERDICT_VOTE_OK);
}
END_TEST

START_TEST(test_the_master_has_no_opinion)
{
    says(NULL, CAUSE_deadline);
    says(NULL, CAUSE_agent_lost);
    ck_assert_uint_eq(votes_count(&v, NULL, votes), 2);
    ck_assert_int_eq(votes[0].kind, VERDICT_VOTE_MISSING);
    ck_assert_int_eq(votes[1].kind, VERDICT_VOTE_UNDETERMINED);
    bool none;
    ck_assert_ptr_null(votes_speaker(&v, &none));
    ck_assert(none);
}
END_TEST

START_TEST(test_a_task_has_one_result)
{
    votes_add(&v, 7);
    ck_assert_uint_eq(v.open, 1);
    ck_assert(votes_result(&v, &c, 7, "a", CAUSE_NONE));
    ck_assert(!votes_result(&v, &c, 7, "a", CAUSE_http_5xx));
    ck_assert(!votes_result(&v, &c, 8, "a", CAUSE_http_5xx));
    ck_assert_uint_eq(v.open, 0);
}
END_TEST

START_TEST(test_what_is_down_stays_down_without_being_asked_about_twice)
{
    says("a", CAUSE_http_5xx);
    ck_assert_uint_eq(judge().ask, 1);
    says("a", CAUSE_http_5xx);
    ck_assert_int_eq(next_run().state, VERDICT_DOWN);
    says("a", CAUSE_http_5xx);
    ck_assert_int_eq(judge().state, VERDICT_DOWN);
    ck_assert_uint_eq(judge().ask, 0);
    next_run();
    says("a", CAUSE_NONE);
    next_run();
    ck_assert_ptr_null(streaks);
}
END_TEST

START_TEST(test_who_was_contradicted_begins_anew)
{
    says("a", CAUSE_http_5xx);
    says("b", CAUSE_NONE);
    says("c", CAUSE_NONE);
    ck_assert_int_eq(next_run().state, VERDICT_UP);
    ck_assert_ptr_null(streaks);
    says("a", CAUSE_http_5xx);
    ck_assert_int_eq(judge().state, VERDICT_UNKNOWN);
    ck_assert_uint_eq(judge().ask, 1);
}
END_TEST

START_TEST(test_what_is_degraded_counts_only_beside_who_sees_it_well)
{
    says("a", CAUSE_http_5xx);
    says("a", CAUSE_http_5xx);
    says("b", CAUSE_NONE);
    ck_assert_int_eq(next_run().state, VERDICT_DEGRADED);
    says("a", CAUSE_http_5xx);
    ck_assert_int_eq(judge().state, VERDICT_UNKNOWN); /* not down: nobody else was asked */
    says("b", CAUSE_NONE);
    ck_assert_int_eq(judge().state, VERDICT_DEGRADED);
    ck_assert_uint_eq(judge().ask, 0);
}
END_TEST

START_TEST(test_silence_changes_no_streak)
{
    says("a", CAUSE_http_5xx);
    says("a", CAUSE_http_5xx);
    next_run();
    says("a", CAUSE_agent_lost);
    next_run();
    says("a", CAUSE_http_5xx);
    ck_assert_int_eq(judge().state, VERDICT_DOWN);
}
END_TEST

START_TEST(test_who_speaks_and_what_decides)
{
    bool none;
    uint64_t shun[8];
    says("a", CAUSE_NONE);
    says("a", CAUSE_http_5xx);
    ck_assert_str_eq(votes_speaker(&v, &none)->name, "a");
    says("b", CAUSE_agent_lost);
    ck_assert_str_eq(votes_speaker(&v, &none)->name, "a");
    says("c", CAUSE_http_5xx);
    ck_assert_ptr_null(votes_speaker(&v, &none));
    ck_assert(!none);
    struct verdict down = {.state = VERDICT_DOWN}, up = {.state = VERDICT_UP};
    ck_assert_uint_eq(votes_deciding(&v, &down), 4);
    ck_assert_uint_eq(votes_deciding(&v, &up), 1);
    ck_assert_uint_eq(votes_shun(&v, shun, 8), 3);
    ck_assert_uint_eq(votes_shun(&v, shun, 2), 2);
}
END_TEST

static TCase *fixture(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
TESTS(votes_, test_each_agent_has_one_vote_its_last_word, test_the_master_has_no_opinion,
      test_a_task_has_one_result, test_what_is_down_stays_down_without_being_asked_about_twice,
      test_who_was_contradicted_begins_anew,
      test_what_is_degraded_counts_only_beside_who_sees_it_well, test_silence_changes_no_streak,
      test_who_speaks_and_what_decides)
static TCase *all(void)
{
    return fixture(votes_());
}
CHECK_MAIN("votes", all)
