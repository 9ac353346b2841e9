/* SPDX-License-Identifier: MIT */
#include "master/hub/load.h"
#include "common/err.h"
#include "tests/support/check_main.h"

/* When a master is overloaded, by its own lateness. */

#define TICK_MS 250

static struct load load;
static struct mono now;

static void setup(void)
{
    load = (struct load){.debt_ms = 0};
    now = (struct mono){NS_PER_SEC};
}

/* Ticks for so long, each so late. How often the verdict changed. */
static unsigned ticks(int64_t ms, int64_t late_ms)
{
    unsigned changes = 0;
    for (; ms > 0; ms -= TICK_MS + late_ms) {
        now = mono_add_ms(now, TICK_MS + late_ms);
        changes += load_tick(&load, (double)late_ms, now);
    }
    return changes;
}

START_TEST(test_a_loop_that_keeps_up_is_fine)
{
    ck_assert_uint_eq(ticks(600000, 20), 0);
    ck_assert(!load.overloaded);
}
END_TEST

START_TEST(test_a_busy_host_is_no_overload)
{
    for (int i = 0; i < 400; i++) { /* 40 % of the time it waits for a CPU */
        now = mono_add_ms(now, TICK_MS);
        ck_assert(!load_tick(&load, 0.4 * TICK_MS, now));
    }
}
END_TEST

START_TEST(test_a_cpu_that_is_never_free_is_overload)
{
    unsigned n = 0;
    for (; n < 400 && !load.overloaded; n++) {
        now = mono_add_ms(now, TICK_MS);
        load_tick(&load, 0.85 * TICK_MS, now);
    }
    ck_assert_uint_lt(n * TICK_MS, 8000);
}
END_TEST

START_TEST(test_one_stall_of_any_length_is_no_overload)
{
    ticks(5000, 0);
    now = mono_add_ms(now, 20000);
    ck_assert(!load_tick(&load, 20000, now));
    ck_assert_uint_eq(ticks(10000, 0), 0);
    ck_assert(!load.overloaded);
}
END_TEST

START_TEST(test_late_again_and_again_is_overload_within_seconds)
{
    ck_assert_uint_eq(ticks(2000, 750), 0);
    ck_assert_uint_eq(ticks(8000, 750), 1);
    ck_assert(load.overloaded);
    ck_assert_int_lt(mono_diff_ms(now, load.since), 8000);
}
END_TEST

START_TEST(test_stalls_that_follow_each_other_are_overload)
{
    ck_assert_uint_eq(ticks(10000, 3000), 1);
    ck_assert(load.overloaded);
}
END_TEST

START_TEST(test_it_is_over_only_when_the_debt_is_paid)
{
    ticks(30000, 1000);
    ck_assert(load.overloaded);
    ck_assert_uint_eq(ticks(5000, 0), 0);
    ck_assert(load.overloaded);
    ck_assert_uint_eq(ticks(4000, 0), 1);
    ck_assert(!load.overloaded);
}
END_TEST

START_TEST(test_between_the_bounds_nothing_changes)
{
    ticks(30000, 1000);
    for (int i = 0; i < 20; i++) {
        ck_assert_uint_eq(ticks(4000, 0), 0);
        ck_assert_uint_eq(ticks(5000, 1000), 0);
    }
    ck_assert(load.overloaded);
}
END_TEST

TESTS(each, test_a_busy_host_is_no_overload, test_a_cpu_that_is_never_free_is_overload,
      test_a_loop_that_keeps_up_is_fine, test_one_stall_of_any_length_is_no_overload,
      test_late_again_and_again_is_overload_within_seconds,
      test_stalls_that_follow_each_other_are_overload, test_it_is_over_only_when_the_debt_is_paid,
      test_between_the_bounds_nothing_changes)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, setup, NULL);
    return tc;
}
CHECK_MAIN("load", all)
