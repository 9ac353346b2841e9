/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/history_sum.h"
#include "tests/support/check_main.h"

#define HOUR_US (3600 * INT64_C(1000000))
#define HOUR_MS 3600000
#define DAY     480000 /* an hour that begins a day */

static struct strbuf bytes;
static struct store_hour items[8];
static size_t n;

static void begin(void)
{
    strbuf_init(&bytes, 1 << 16);
    strbuf_grow(&bytes, 1 << 15); /* items point into it */
    n = 0;
}

static void add(uint32_t hour, enum verdict_state s)
{
    struct rollup r;
    struct wall at = {hour * HOUR_US};
    rollup_init_hour(&r, at);
    rollup_state(&r, s, at, (struct wall){at.us + HOUR_US});
    rollup_run(&r, OUTCOME_OK, NULL);
    rollup_missed(&r, PLAN_MISS_no_agent, 2);
    size_t from = bytes.len;
    rollup_encode(&r, &bytes);
    items[n++] =
        (struct store_hour){.hour = hour, .bytes = bytes.data + from, .len = bytes.len - from};
    rollup_fini(&r);
}

START_TEST(test_points_are_hours_or_days)
{
    struct history_sum x;
    begin();
    add(DAY + 1, VERDICT_UP);
    add(DAY + 23, VERDICT_DOWN);
    add(DAY + 24, VERDICT_UP);
    history_sum_make(&x, items, n, false);
    ck_assert_uint_eq(x.n, 3);
    ck_assert_uint_eq(x.points[1].hour, DAY + 23);
    ck_assert_int_eq(x.points[1].time.down_ms, HOUR_MS);
    history_sum_fini(&x);
    history_sum_make(&x, items, n, true);
    ck_assert_uint_eq(x.n, 2);
    ck_assert_uint_eq(x.points[0].hour, DAY);
    ck_assert_uint_eq(x.points[0].runs, 2);
    ck_assert_uint_eq(x.points[0].missed, 4);
    ck_assert_int_eq(x.points[0].time.up_ms, HOUR_MS);
    ck_assert_int_eq(x.points[0].time.down_ms, HOUR_MS);
    ck_assert_uint_eq(x.points[1].hour, DAY + 24);
    ck_assert_uint_eq(x.total.runs[OUTCOME_OK], 3);
    ck_assert_uint_eq(x.unreadable, 0);
    history_sum_fini(&x);
    strbuf_fini(&bytes);
}
END_TEST

START_TEST(test_what_cannot_be_read_is_counted_and_left_out)
{
    struct history_sum x;
    begin();
    add(DAY, VERDICT_UP);
    add(DAY + 1, VERDICT_UP);
    items[0].len = 1;
    history_sum_make(&x, items, n, true);
    ck_assert_uint_eq(x.unreadable, 1);
    ck_assert_uint_eq(x.total.runs[OUTCOME_OK], 1);
    history_sum_fini(&x);
    history_sum_make(&x, NULL, 0, true);
    ck_assert_uint_eq(x.n, 0);
    history_sum_fini(&x);
    strbuf_fini(&bytes);
}
END_TEST

START_TEST(test_time_is_added_from_an_hour_on_and_says_where_it_ends)
{
    struct slo_time t = {0};
    begin();
    add(DAY, VERDICT_UP);
    add(DAY + 1, VERDICT_UP);
    add(DAY + 2, VERDICT_UP);
    ck_assert_uint_eq(history_time(&t, items, n, DAY + 1), DAY + 3);
    ck_assert_int_eq(t.up_ms, 2 * HOUR_MS);
    ck_assert_uint_eq(history_time(&t, items, n, DAY + 9), DAY + 9);
    ck_assert_int_eq(t.up_ms, 2 * HOUR_MS);
    strbuf_fini(&bytes);
}
END_TEST

static const struct store_transition changes[] = {
    {.at = {50000000}, .from = VERDICT_DOWN, .to = VERDICT_UP},
    {.at = {30000000}, .from = VERDICT_DOWN, .to = VERDICT_DOWN}, /* it began to flap */
    {.at = {20000000}, .from = VERDICT_UP, .to = VERDICT_DOWN}};

static struct slo_time spans(const struct history_state *s, int64_t begin_s, int64_t end_s)
{
    struct slo_time t = {0};
    history_spans(&t, s, (struct wall){begin_s * 1000000}, (struct wall){end_s * 1000000});
    return t;
}

START_TEST(test_spans_are_cut_to_the_window)
{
    const struct history_state s = {.state = VERDICT_UP, .ts = changes, .n = 3};
    struct slo_time t = spans(&s, 10, 60);
    ck_assert_int_eq(t.up_ms, 20000); /* 10 before, 10 after */
    ck_assert_int_eq(t.down_ms, 30000);
    t = spans(&s, 25, 45);
    ck_assert_int_eq(t.up_ms, 0);
    ck_assert_int_eq(t.down_ms, 20000);
    t = spans(&s, 55, 60);
    ck_assert_int_eq(t.up_ms, 5000);
    ck_assert_int_eq(t.down_ms, 0);
}
END_TEST

START_TEST(test_what_lies_before_the_oldest_known_change_is_left_out)
{
    const struct history_state more = {.state = VERDICT_UP, .ts = changes, .n = 3, .more = true};
    struct slo_time t = spans(&more, 10, 60);
    ck_assert_int_eq(t.up_ms, 10000);
    ck_assert_int_eq(t.down_ms, 30000);
    const struct history_state none = {.state = VERDICT_DOWN, .since = {40000000}};
    t = spans(&none, 10, 60);
    ck_assert_int_eq(t.down_ms, 20000);
    ck_assert_int_eq(t.up_ms + t.unknown_ms, 0);
}
END_TEST

TESTS(sums, test_points_are_hours_or_days, test_what_cannot_be_read_is_counted_and_left_out,
      test_time_is_added_from_an_hour_on_and_says_where_it_ends)
TESTS(windows, test_spans_are_cut_to_the_window,
      test_what_lies_before_the_oldest_known_change_is_left_out)
CHECK_MAIN("history_sum", sums, windows)
