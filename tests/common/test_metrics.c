/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <math.h>
#include <string.h>
#include "common/metrics.h"

static struct strbuf buf;

static void fresh(void)
{
    strbuf_fini(&buf);
    strbuf_init(&buf, 1 << 16);
}

START_TEST(test_counter_and_gauge_hold_their_values)
{
    struct counter c = {0};
    struct gauge g = {0};
    counter_add(&c, 2);
    counter_add(&c, 3);
    gauge_set(&g, -7);
    ck_assert_uint_eq(counter_get(&c), 5);
    ck_assert_int_eq(gauge_get(&g), -7);
}
END_TEST

START_TEST(test_quantile_is_an_upper_bound)
{
    struct histogram h = {0};
    for (int i = 0; i < 99; i++)
        histogram_add(&h, 3);
    histogram_add(&h, 1000);
    ck_assert(histogram_quantile(&h, 0.5) == 4);
    ck_assert(histogram_quantile(&h, 0.99) == 4);
    ck_assert(histogram_quantile(&h, 1) == 1024);
}
END_TEST

START_TEST(test_quantile_of_nothing_is_zero)
{
    struct histogram h = {0};
    ck_assert(histogram_quantile(&h, 0.5) == 0);
}
END_TEST

START_TEST(test_bounds_belong_to_their_bucket)
{
    struct histogram h = {0};
    histogram_add(&h, 0.125);
    histogram_add(&h, 0);
    ck_assert_uint_eq(h.buckets[0], 2);
    histogram_add(&h, 0.126);
    ck_assert_uint_eq(h.buckets[1], 1);
    histogram_add(&h, 65536);
    ck_assert_uint_eq(h.buckets[HISTOGRAM_BUCKETS - 1], 1);
    histogram_add(&h, 65537);
    ck_assert_uint_eq(h.buckets[HISTOGRAM_BUCKETS], 1);
}
END_TEST

START_TEST(test_what_never_happened_is_not_counted)
{
    struct histogram h = {0};
    histogram_add(&h, -1);
    histogram_add(&h, NAN);
    ck_assert(histogram_quantile(&h, 1) == 0);
}
END_TEST

START_TEST(test_sample_with_escaped_labels)
{
    fresh();
    struct strbuf labels;
    strbuf_init(&labels, 200);
    metrics_label(&labels, "agent", "a\"b\\c\nd");
    metrics_label(&labels, "x", "y");
    metrics_head(&buf, "m", "gauge", "What it is.");
    metrics_sample(&buf, "m", labels.data, 1.5);
    metrics_sample(&buf, "m", NULL, 1e6);
    strbuf_fini(&labels);
    ck_assert_str_eq(buf.data, "# HELP m What it is.\n# TYPE m gauge\n"
                               "m{agent=\"a\\\"b\\\\c\\nd\",x=\"y\"} 1.5\nm 1000000\n");
}
END_TEST

START_TEST(test_histogram_text_is_cumulative)
{
    struct histogram h = {0};
    fresh();
    histogram_add(&h, 0.2);
    histogram_add(&h, 1e9);
    metrics_histogram(&buf, "lag_ms", "Lag.", &h);
    ck_assert_ptr_nonnull(strstr(buf.data, "# TYPE lag_ms histogram\n"));
    ck_assert_ptr_nonnull(strstr(buf.data, "lag_ms_bucket{le=\"0.125\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(buf.data, "lag_ms_bucket{le=\"0.25\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(buf.data, "lag_ms_bucket{le=\"65536\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(buf.data, "lag_ms_bucket{le=\"+Inf\"} 2\n"));
    ck_assert_ptr_nonnull(strstr(buf.data, "lag_ms_sum 1000000000.2\nlag_ms_count 2\n"));
}
END_TEST

TESTS(metrics, test_counter_and_gauge_hold_their_values, test_quantile_is_an_upper_bound,
      test_quantile_of_nothing_is_zero, test_bounds_belong_to_their_bucket,
      test_what_never_happened_is_not_counted, test_sample_with_escaped_labels,
      test_histogram_text_is_cumulative)
CHECK_MAIN("metrics", metrics)
