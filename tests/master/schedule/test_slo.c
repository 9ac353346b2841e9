/* SPDX-License-Identifier: MIT */
#include "master/schedule/slo.h"

#include "tests/support/check_main.h"

static const struct slo_goal three_nines = {999000, SLO_PERIOD_HOURS, false};

START_TEST(test_unknown_is_neither_up_nor_down)
{
    struct slo_time t = {.up_ms = 75, .down_ms = 25, .unknown_ms = 900};
    ck_assert_double_eq(slo_uptime(&t), 0.75);
    t = (struct slo_time){.unknown_ms = 900};
    ck_assert_double_lt(slo_uptime(&t), 0);
    ck_assert_double_eq(slo_burn(&t, &three_nines), 0);
}
END_TEST

START_TEST(test_degraded_is_what_the_goal_says)
{
    struct slo_goal strict = {999000, SLO_PERIOD_HOURS, true};
    struct slo_time t = {.up_ms = 50, .degraded_ms = 50};
    ck_assert_double_eq(slo_availability(&t, &three_nines), 1);
    ck_assert_double_eq(slo_availability(&t, &strict), 0.5);
}
END_TEST

START_TEST(test_three_nines_of_30_days_are_43_minutes)
{
    struct slo_time t = {.up_ms = 1, .down_ms = 1296000};
    struct slo_budget b = slo_budget(&t, &three_nines);
    ck_assert_int_eq(b.total_ms, 2592000);
    ck_assert_int_eq(b.left_ms, 1296000);
    ck_assert_double_eq(b.left_part, 0.5);
    t.down_ms = 2 * 2592000;
    ck_assert_double_eq(slo_budget(&t, &three_nines).left_part, -1);
}
END_TEST

START_TEST(test_thresholds_are_the_workbooks)
{
    static const double want[SLO_RULES] = {14.4, 6, 1};
    for (unsigned i = 0; i < SLO_RULES; i++) {
        ck_assert_double_eq_tol(slo_threshold(&slo_rules[i], &three_nines), want[i], 1e-9);
        ck_assert_int_eq(slo_rules[i].short_ms * 12, slo_rules[i].long_ms);
    }
}
END_TEST

START_TEST(test_it_burns_only_while_both_windows_do)
{
    struct slo_time good = {.up_ms = 1000000}, bad = {.up_ms = 900000, .down_ms = 100000};
    struct slo_time longs[SLO_RULES] = {bad, good, bad}, shorts[SLO_RULES] = {bad, bad, bad};
    struct slo_burning b[SLO_RULES];
    ck_assert_int_eq(slo_judge(longs, shorts, &three_nines, b), SLO_PAGE);
    ck_assert(b[0].burns && !b[1].burns && b[2].burns);
    ck_assert_double_eq_tol(b[0].long_rate, 100, 1e-9);
    shorts[0] = good; /* it has ended */
    ck_assert_int_eq(slo_judge(longs, shorts, &three_nines, NULL), SLO_TICKET);
    shorts[2] = good;
    ck_assert_int_eq(slo_judge(longs, shorts, &three_nines, NULL), SLO_QUIET);
}
END_TEST

START_TEST(test_windows_take_their_part_of_a_span_and_all_of_a_rollup)
{
    struct slo_time t = {0};
    struct rollup r;
    slo_add_span(&t, VERDICT_DOWN, (struct wall){1000000}, (struct wall){9000000},
                 (struct wall){4000000}, (struct wall){99000000});
    ck_assert_int_eq(t.down_ms, 5000);
    slo_add_span(&t, VERDICT_DOWN, (struct wall){1000000}, (struct wall){2000000},
                 (struct wall){4000000}, (struct wall){99000000});
    ck_assert_int_eq(t.down_ms, 5000);
    rollup_init_hour(&r, (struct wall){0});
    for (int s = 0; s < VERDICT_STATES; s++)
        rollup_state(&r, (enum verdict_state)s, (struct wall){0}, (struct wall){(s + 1) * 1000000});
    slo_add_rollup(&t, &r);
    ck_assert_int_eq(t.unknown_ms, 1000);
    ck_assert_int_eq(t.up_ms, 2000);
    ck_assert_int_eq(t.degraded_ms, 3000);
    ck_assert_int_eq(t.down_ms, 9000);
    rollup_fini(&r);
}
END_TEST

TESTS(slo, test_unknown_is_neither_up_nor_down, test_degraded_is_what_the_goal_says,
      test_three_nines_of_30_days_are_43_minutes, test_thresholds_are_the_workbooks,
      test_it_burns_only_while_both_windows_do,
      test_windows_take_their_part_of_a_span_and_all_of_a_rollup)
CHECK_MAIN("slo", slo)
