/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <string.h>
#include "master/core/ages.h"

#define MINUTE_MS 60000

static struct ages a;
static struct ages_pile pile;

static void setup(void)
{
    memset(&a, 0, sizeof(a));
    memset(&pile, 0, sizeof(pile));
}

static struct mono at_ms(int64_t ms)
{
    return (struct mono){(ms + 1000) * NS_PER_MS};
}

START_TEST(test_twelve_of_fourteen_at_one_value_pile_up)
{
    int64_t now = 0;
    unsigned told = 0;
    ck_assert(!ages_add(&a, 7 * MINUTE_MS, at_ms(now += 5000), &pile));
    ck_assert(!ages_add(&a, 11 * MINUTE_MS, at_ms(now += 5000), &pile));
    for (int i = 0; i < 12; i++)
        told += ages_add(&a, MINUTE_MS + (i % 3 - 1) * 900, at_ms(now += 5000), &pile);
    ck_assert_uint_eq(told, 1);
    ck_assert_uint_eq(pile.n, 5); /* 5 of 7: told as soon as it is seen */
    ck_assert_uint_eq(pile.of, 7);
    ck_assert_int_eq(pile.age_ms / 1000, 60);
}
END_TEST

START_TEST(test_too_few_or_too_scattered_is_no_pile)
{
    int64_t now = 0;
    for (int i = 0; i < 4; i++)
        ck_assert(!ages_add(&a, MINUTE_MS, at_ms(now += 5000), &pile));
    setup();
    for (int i = 0; i < AGES_KEPT; i++) /* each far from the others */
        ck_assert(!ages_add(&a, 5000 + (int64_t)i * 7000, at_ms(now += 5000), &pile));
    setup();
    for (int i = 0; i < 4; i++) /* never 60 % */
        for (int k = 0; k < 2; k++)
            ck_assert(!ages_add(&a, k ? 10000 + i * 7000 : MINUTE_MS, at_ms(now += 5000), &pile));
}
END_TEST

START_TEST(test_what_ends_at_once_is_one_event)
{
    for (int i = 0; i < 40; i++) /* a proxy restarts: all agents came and go together */
        ck_assert(!ages_add(&a, 10 * MINUTE_MS, at_ms(5000 + i), &pile));
    for (int i = 0; i < 40; i++)
        ck_assert(!ages_add(&a, 10 * MINUTE_MS, at_ms(700000 + i), &pile));
    ck_assert(ages_add(&a, 10 * MINUTE_MS, at_ms(1400000), &pile));
}
END_TEST

START_TEST(test_a_value_is_told_once_an_hour_and_others_too)
{
    int64_t now = 0;
    unsigned told = 0;
    for (; now < 3500000; now += 5000)
        told += ages_add(&a, MINUTE_MS, at_ms(now), &pile);
    ck_assert_uint_eq(told, 1);
    for (; now < 3700000; now += 5000)
        told += ages_add(&a, MINUTE_MS, at_ms(now), &pile);
    ck_assert_uint_eq(told, 2);
    for (int i = 0; i < AGES_KEPT; i++)
        told += ages_add(&a, 2 * MINUTE_MS, at_ms(now += 5000), &pile);
    ck_assert_uint_eq(told, 3);
    ck_assert_int_eq(pile.age_ms, 2 * MINUTE_MS);
}
END_TEST

START_TEST(test_more_values_than_are_remembered_are_told)
{
    int64_t now = 0;
    unsigned told = 0;
    for (int v = 0; v < 2 * AGES_TOLD; v++) {
        memset(a.kept, 0, sizeof(a.kept));
        a.n = a.next = 0;
        for (int i = 0; i < AGES_LEAST; i++)
            told += ages_add(&a, (v + 1) * MINUTE_MS, at_ms(now += 5000), &pile);
    }
    ck_assert_uint_eq(told, 2 * AGES_TOLD);
    ck_assert_uint_eq(a.n_told, AGES_TOLD);
}
END_TEST

START_TEST(test_two_percent_of_a_long_life_is_near)
{
    int64_t now = 0;
    bool told = false;
    for (int i = 0; i < 5; i++)
        told |= ages_add(&a, 3600000 + i * 15000, at_ms(now += 5000), &pile);
    ck_assert(told);
    ck_assert_int_eq(pile.near_ms, pile.age_ms / 50);
}
END_TEST

START_TEST(test_the_old_and_the_young_do_not_count)
{
    int64_t now = 0;
    for (int i = 0; i < 20; i++)
        ck_assert(!ages_add(&a, 1000, at_ms(now += 5000), &pile));
    for (int i = 0; i < 4; i++)
        ck_assert(!ages_add(&a, MINUTE_MS, at_ms(now += 5000), &pile));
    ck_assert(!ages_add(&a, MINUTE_MS, at_ms(now + AGES_WINDOW_MS + 5000), &pile));
}
END_TEST

TESTS(each, test_twelve_of_fourteen_at_one_value_pile_up, test_too_few_or_too_scattered_is_no_pile,
      test_what_ends_at_once_is_one_event, test_a_value_is_told_once_an_hour_and_others_too,
      test_more_values_than_are_remembered_are_told, test_two_percent_of_a_long_life_is_near,
      test_the_old_and_the_young_do_not_count)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, setup, NULL);
    return tc;
}
CHECK_MAIN("ages", all)
