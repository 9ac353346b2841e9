/* SPDX-License-Identifier: MIT */
#include "master/schedule/census.h"

#include "tests/support/check_main.h"

#define WINDOW 30000

static struct census c;
static struct mono now;
static struct census_host *h1, *h2;
static struct census_agent *a, *b;

static void setup(void)
{
    now = (struct mono){1000 * NS_PER_SEC};
    census_init(&c, WINDOW);
    h1 = census_host_get(&c, "h1");
    h2 = census_host_get(&c, "h2");
    a = census_agent_get(&c, "a");
    b = census_agent_get(&c, "b");
}

static void teardown(void)
{
    census_host_put(&c, h1);
    census_host_put(&c, h2);
    ck_assert_uint_eq(a->hosts + b->hosts, 0);
    census_agent_put(&c, a);
    census_agent_put(&c, b);
    census_fini(&c);
}

static void pass(int64_t ms)
{
    now = mono_add_ms(now, ms);
}

START_TEST(test_a_name_is_there_once)
{
    ck_assert_ptr_eq(census_host_get(&c, "h1"), h1);
    ck_assert_uint_eq(h1->checks, 2);
    census_host_put(&c, h1);
    ck_assert_ptr_eq(census_agent_get(&c, "a"), a);
    census_agent_put(&c, a);
    ck_assert_ptr_ne(a, b);
}
END_TEST

START_TEST(test_hosts_are_judged_for_a_window)
{
    census_verdict(&c, h1, a, now);
    pass(20000);
    census_verdict(&c, h2, a, now);
    census_verdict(&c, h2, a, now);
    ck_assert_uint_eq(census_judged(&c, now), 2);
    ck_assert_uint_eq(a->hosts, 2);
    pass(WINDOW - 20000);
    ck_assert_uint_eq(census_judged(&c, now), 2);
    pass(1);
    ck_assert_uint_eq(census_judged(&c, now), 1);
    ck_assert_uint_eq(a->hosts, 1);
    pass(WINDOW);
    ck_assert_uint_eq(census_judged(&c, now), 0);
    ck_assert_uint_eq(a->hosts, 0);
}
END_TEST

START_TEST(test_a_host_is_nobodys_alone_while_others_speak)
{
    census_verdict(&c, h1, a, now);
    pass(1000);
    census_verdict(&c, h1, b, now);
    ck_assert_uint_eq(a->hosts + b->hosts, 0);
    for (int i = 0; i < 3; i++) {
        pass(10000);
        census_verdict(&c, h1, b, now);
    }
    ck_assert_uint_eq(b->hosts, 1); /* a's word is a window old */
    pass(1000);
    census_verdict(&c, h1, NULL, now);
    ck_assert_uint_eq(b->hosts, 0);
}
END_TEST

START_TEST(test_what_is_guessed_is_nobodys_word)
{
    census_guess(&c, h1, now);
    ck_assert_uint_eq(census_judged(&c, now), 1);
    pass(1000);
    census_verdict(&c, h1, a, now);
    ck_assert_uint_eq(a->hosts, 1);
    census_guess(&c, h1, now);
    ck_assert_uint_eq(a->hosts, 1);
}
END_TEST

START_TEST(test_a_host_that_goes_takes_its_figures_along)
{
    struct census_host *h = census_host_get(&c, "gone");
    struct census_agent *x = census_agent_get(&c, "x");
    census_verdict(&c, h, x, now);
    census_agent_put(&c, x);
    census_host_put(&c, h); /* and with it the last who knew x */
    ck_assert_uint_eq(census_judged(&c, now), 0);
    ck_assert_uint_eq(HASH_COUNT(c.agents), 2);
}
END_TEST

static TCase *fixture(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
TESTS(figures_, test_a_name_is_there_once, test_hosts_are_judged_for_a_window,
      test_a_host_is_nobodys_alone_while_others_speak, test_what_is_guessed_is_nobodys_word,
      test_a_host_that_goes_takes_its_figures_along)
static TCase *figures(void)
{
    return fixture(figures_());
}
CHECK_MAIN("census", figures)
