/* SPDX-License-Identifier: MIT */
#include "common/timers.h"

#include "common/mem.h"
#include "common/require.h"
#include "tests/support/check_main.h"

#define AT_MS(ms) ((struct mono){(ms)*NS_PER_MS})

static struct timers ts;
static struct timer timer[4];
static int fired[16], n_fired;
static struct timer *heap_allocated;

static void setup(void)
{
    timers_init(&ts);
    n_fired = 0;
}

static void teardown(void)
{
    timers_fini(&ts);
}

static void note(struct timer *t, struct mono now)
{
    fired[n_fired++] = (int)(t - timer);
}

static void note_and_arm_next_for_the_past(struct timer *t, struct mono now)
{
    note(t, now);
    timer_arm(&ts, &timer[3], AT_MS(1), note);
}

static void note_and_rearm_for_now(struct timer *t, struct mono now)
{
    note(t, now);
    timer_arm(&ts, t, now, note);
}

static void note_and_disarm_others(struct timer *t, struct mono now)
{
    note(t, now);
    for (int i = 1; i < 4; i++)
        timer_disarm(&ts, &timer[i]);
}

static void free_itself(struct timer *t, struct mono now)
{
    n_fired++;
    free(t);
}

static void free_the_allocated(struct timer *t, struct mono now)
{
    note(t, now);
    timer_disarm(&ts, heap_allocated);
    free(heap_allocated);
}

START_TEST(test_nothing_fires_before_its_time)
{
    timer_arm(&ts, &timer[0], AT_MS(10), note);
    ck_assert_uint_eq(timers_run(&ts, (struct mono){AT_MS(10).ns - 1}), 0);
    ck_assert(timer_armed(&timer[0]));
}
END_TEST

START_TEST(test_fires_at_its_time_once)
{
    timer_arm(&ts, &timer[0], AT_MS(10), note);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(10)), 1);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(10)), 0);
    ck_assert(!timer_armed(&timer[0]));
}
END_TEST

START_TEST(test_due_timers_fire_by_deadline_then_arming)
{
    timer_arm(&ts, &timer[0], AT_MS(20), note);
    timer_arm(&ts, &timer[1], AT_MS(10), note);
    timer_arm(&ts, &timer[2], AT_MS(20), note);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(30)), 3);
    ck_assert(fired[0] == 1 && fired[1] == 0 && fired[2] == 2);
}
END_TEST

START_TEST(test_arming_again_moves_the_deadline)
{
    timer_arm(&ts, &timer[0], AT_MS(10), note);
    timer_arm(&ts, &timer[0], AT_MS(20), note);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(15)), 0);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(20)), 1);
}
END_TEST

START_TEST(test_disarm_of_an_unarmed_timer_does_nothing)
{
    timer_disarm(&ts, &timer[0]);
    ck_assert(!timer_armed(&timer[0]));
}
END_TEST

START_TEST(test_armed_for_the_past_by_a_callback_waits_for_the_next_run)
{
    timer_arm(&ts, &timer[0], AT_MS(10), note_and_arm_next_for_the_past);
    timer_arm(&ts, &timer[1], AT_MS(20), note);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(20)), 2);
    ck_assert(timer_armed(&timer[3]));
    ck_assert_uint_eq(timers_run(&ts, AT_MS(20)), 1);
    ck_assert_int_eq(fired[2], 3);
}
END_TEST

START_TEST(test_rearming_itself_for_now_does_not_spin)
{
    timer_arm(&ts, &timer[0], AT_MS(10), note_and_rearm_for_now);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(10)), 1);
    ck_assert_int_eq(timers_wait_ms(&ts, AT_MS(10), 1000), 0);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(10)), 1);
}
END_TEST

START_TEST(test_callback_may_disarm_what_is_due)
{
    timer_arm(&ts, &timer[0], AT_MS(1), note_and_disarm_others);
    timer_arm(&ts, &timer[1], AT_MS(2), note);
    timer_arm(&ts, &timer[2], AT_MS(3), note);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(10)), 1);
}
END_TEST

START_TEST(test_callback_may_disarm_what_a_callback_armed_for_the_past)
{
    timer_arm(&ts, &timer[1], AT_MS(1), note_and_arm_next_for_the_past);
    timer_arm(&ts, &timer[0], AT_MS(2), note_and_disarm_others);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(10)), 2);
    ck_assert(!timer_armed(&timer[3]));
    ck_assert_uint_eq(timers_run(&ts, AT_MS(10)), 0);
}
END_TEST

START_TEST(test_callback_may_free_its_own_timer)
{
    struct timer *t = mem_zalloc(sizeof(*t));
    timer_arm(&ts, t, AT_MS(1), free_itself);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(1)), 1);
}
END_TEST

START_TEST(test_callback_may_free_another_that_is_due)
{
    heap_allocated = mem_zalloc(sizeof(*heap_allocated));
    timer_arm(&ts, &timer[0], AT_MS(1), free_the_allocated);
    timer_arm(&ts, heap_allocated, AT_MS(1), note);
    ck_assert_uint_eq(timers_run(&ts, AT_MS(1)), 1);
}
END_TEST

START_TEST(test_wait_without_timers_is_the_maximum)
{
    ck_assert_int_eq(timers_wait_ms(&ts, AT_MS(5), 1000), 1000);
}
END_TEST

START_TEST(test_wait_is_rounded_up)
{
    timer_arm(&ts, &timer[0], (struct mono){AT_MS(5).ns + 1}, note);
    ck_assert_int_eq(timers_wait_ms(&ts, AT_MS(5), 1000), 1);
    ck_assert_int_eq(timers_wait_ms(&ts, AT_MS(4), 1000), 2);
}
END_TEST

START_TEST(test_wait_is_capped_and_never_negative)
{
    timer_arm(&ts, &timer[0], AT_MS(5000), note);
    ck_assert_int_eq(timers_wait_ms(&ts, AT_MS(1), 1000), 1000);
    ck_assert_int_eq(timers_wait_ms(&ts, AT_MS(6000), 1000), 0);
}
END_TEST

START_TEST(test_wait_for_the_farthest_deadline_does_not_wrap)
{
    timer_arm(&ts, &timer[0], (struct mono){INT64_MAX}, note);
    ck_assert_int_eq(timers_wait_ms(&ts, AT_MS(1), 1000), 1000);
}
END_TEST

TESTS(firing, test_nothing_fires_before_its_time, test_fires_at_its_time_once,
      test_due_timers_fire_by_deadline_then_arming, test_arming_again_moves_the_deadline,
      test_disarm_of_an_unarmed_timer_does_nothing,
      test_armed_for_the_past_by_a_callback_waits_for_the_next_run,
      test_rearming_itself_for_now_does_not_spin, test_callback_may_disarm_what_is_due,
      test_callback_may_disarm_what_a_callback_armed_for_the_past,
      test_callback_may_free_its_own_timer, test_callback_may_free_another_that_is_due,
      test_wait_without_timers_is_the_maximum, test_wait_is_rounded_up,
      test_wait_is_capped_and_never_negative, test_wait_for_the_farthest_deadline_does_not_wrap)

static TCase *all(void)
{
    TCase *tc = firing();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}

CHECK_MAIN("timers", all)
