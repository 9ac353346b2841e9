/* SPDX-License-Identifier: MIT */
#include "agent/run/watchdog.h"

#include "tests/support/check_main.h"

static struct watchdog d;
static struct watch_loop loop;
static struct mono now;

static void setup(void)
{
    now = (struct mono){INT64_C(1000) * NS_PER_SEC};
    watchdog_init(&d, now);
    loop = (struct watch_loop){0};
}

/* So much time passes in steps of 100 ms, in which the loop is in this turn. */
static void pass(int64_t ms, struct mono turn)
{
    for (int64_t at = 0; at < ms; at += 100) {
        now = mono_add_ms(now, 100);
        watch_loop_seen(&loop, turn, watchdog_step(&d, now));
    }
}

static enum watch_verdict judge(int64_t stood, int64_t overdue, int64_t still)
{
    enum watch_fault fault;
    struct watch_figures f = {stood, overdue, still};
    return watchdog_judge(&f, &fault);
}

START_TEST(a_loop_that_turns_or_waits_does_not_stand)
{
    setup();
    for (int i = 0; i < 100; i++)
        pass(900, mono_add_ms(now, i)); /* a new turn each time */
    ck_assert_int_lt(loop.stood_ms, 1000);
    pass(60000, (struct mono){0});
    ck_assert_int_eq(loop.stood_ms, 0);
}
END_TEST

START_TEST(one_and_the_same_turn_is_added_up)
{
    setup();
    struct mono turn = now;
    pass(7000, turn);
    ck_assert_int_eq(loop.stood_ms, 6900); /* since it was first seen */
    pass(100, mono_add_ms(now, 1));
    ck_assert_int_eq(loop.stood_ms, 0);
}
END_TEST

START_TEST(a_process_that_was_stopped_convicts_nobody)
{
    setup();
    struct mono turn = now, began = now;
    pass(200, turn);
    now = mono_add_ms(now, 600000); /* SIGSTOP, SIGCONT */
    watch_loop_seen(&loop, turn, watchdog_step(&d, now));
    ck_assert_int_le(loop.stood_ms, 200 + WATCHDOG_STEP_MS);
    ck_assert_int_eq(watchdog_age_ms(&d, began, now), 0);
    pass(3000, turn);
    ck_assert_int_eq(watchdog_age_ms(&d, began, now), 3000);
    ck_assert_int_eq(watchdog_age_ms(&d, mono_add_ms(now, -500), now), 500);
}
END_TEST

START_TEST(each_fault_makes_ill_and_later_ends)
{
    enum watch_fault fault;
    ck_assert_int_eq(judge(0, -1, -1), WATCH_WELL);
    ck_assert_int_eq(judge(WATCHDOG_ILL_MS - 1, WATCHDOG_OVERDUE_MS - 1, STALLED_STILL_MS - 1),
                     WATCH_WELL);
    ck_assert_int_eq(judge(WATCHDOG_ILL_MS, -1, -1), WATCH_ILL);
    ck_assert_int_eq(judge(0, WATCHDOG_OVERDUE_MS, -1), WATCH_ILL);
    ck_assert_int_eq(judge(0, -1, STALLED_STILL_MS), WATCH_ILL);
    ck_assert_int_eq(judge(WATCHDOG_END_MS, -1, -1), WATCH_END);
    ck_assert_int_eq(judge(0, WATCHDOG_END_MS, -1), WATCH_END);
    ck_assert_int_eq(judge(0, -1, WATCHDOG_END_MS), WATCH_WELL);
    ck_assert_int_eq(judge(0, -1, STALLED_STILL_MS + WATCHDOG_END_MS), WATCH_END);
    struct watch_figures f = {WATCHDOG_ILL_MS, WATCHDOG_END_MS, -1};
    ck_assert_int_eq(watchdog_judge(&f, &fault), WATCH_END);
    ck_assert_int_eq(fault, FAULT_PROBE); /* the worst one */
    f.overdue_ms = WATCHDOG_OVERDUE_MS;
    ck_assert_int_eq(watchdog_judge(&f, &fault), WATCH_ILL);
    ck_assert_int_eq(fault, FAULT_LOOP); /* which is why */
}
END_TEST

/* Agent and master judge by the same figures: who is ill here is stalled there. */
START_TEST(the_longest_time_out_is_no_fault)
{
    ck_assert_int_gt(STALLED_STILL_MS, TIMEOUT_MS_MAX);
    ck_assert_int_ge(WATCHDOG_END_MS, TIMEOUT_MS_MAX);
    ck_assert_int_lt(WATCHDOG_OVERDUE_MS, STALLED_OVERDUE_MS);
    ck_assert_int_eq(judge(0, -1, TIMEOUT_MS_MAX), WATCH_WELL);
}
END_TEST

TESTS(watchdog, a_loop_that_turns_or_waits_does_not_stand, one_and_the_same_turn_is_added_up,
      a_process_that_was_stopped_convicts_nobody, each_fault_makes_ill_and_later_ends,
      the_longest_time_out_is_no_fault)
CHECK_MAIN("watchdog", watchdog)
