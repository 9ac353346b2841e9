/* SPDX-License-Identifier: MIT */
#include "tests/master/store/fixture.h"

#define DAY_US INT64_C(86400000000)

static uint32_t ended_batch(unsigned n)
{
    uint32_t num = fx_batch(n);
    fx_results(num, 0, n / 2, CAUSE_NONE, ACK_STORED);
    fx_results(num, n / 2, n - n / 2, CAUSE_http_5xx, ACK_STORED);
    return num;
}

static void ended_days_ago(uint32_t num, int64_t days)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "UPDATE batches SET ended_at = %lld WHERE num = %u",
             (long long)(wall_now().us - days * DAY_US), num);
    fx_sql(sql);
}

static void reopen_with(int64_t days, int64_t bytes)
{
    fx_days = days;
    fx_bytes = bytes;
    fx_reopen();
}

static uint64_t purged(void)
{
    return counter_get(&store_stats(fx)->batches_purged);
}

static void wait_purged(uint64_t n)
{
    for (int ms = 0; purged() < n; ms++) {
        ck_assert_int_lt(ms, FIXTURE_WAIT_S * 1000);
        usleep(1000);
    }
}

static bool is_kept(uint32_t num)
{
    struct store_req *r = fx_req(STORE_RESULTS_PAGE);
    r->results_page.batch = num;
    r->results_page.limit = 1;
    enum err e = fx_run(r);
    ck_assert(e == ERR_NOT_FOUND || r->results_page.n == 1);
    store_req_destroy(&r);
    ck_assert_int_eq(e == ERR_NOT_FOUND, fx_info(num).purged_at.us != 0);
    return e == ERR_NONE;
}

START_TEST(what_ended_long_ago_goes_and_keeps_its_row_and_counts)
{
    uint32_t old = ended_batch(1500), young = ended_batch(20);
    ended_days_ago(old, 31);
    ended_days_ago(young, 29);
    reopen_with(30, 0);
    wait_purged(1);
    ck_assert(!is_kept(old));
    ck_assert(is_kept(young));
    struct batch_info now = fx_info(old);
    ck_assert_uint_eq(now.total, 1500);
    ck_assert_uint_eq(now.ended[OUTCOME_OK], 750);
    ck_assert_uint_eq(now.ended[OUTCOME_FAILED], 750);
    struct store_req *r = fx_req(STORE_BATCH_GET);
    memcpy(r->batch_get.uuid, now.uuid, UUID_TEXT_MAX);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->batch_get.n_causes, 1);
    ck_assert_uint_eq(r->batch_get.causes[0].count, 750);
    store_req_destroy(&r);
    ck_assert_uint_eq(counter_get(&store_stats(fx)->tasks_purged), 1500);
    fx_check_green();
    reopen_with(30, 0);
    fx_check_green();
    ck_assert(is_kept(young));
}
END_TEST

START_TEST(without_a_bound_all_is_kept)
{
    uint32_t old = ended_batch(10);
    ended_days_ago(old, 9999);
    reopen_with(0, 0);
    usleep(50000);
    ck_assert_uint_eq(purged(), 0);
    ck_assert(is_kept(old));
}
END_TEST

/* However small the bound and however old they are. */
START_TEST(unfinished_work_is_never_touched)
{
    uint32_t open = fx_batch(100), ended = ended_batch(10), received = fx_begin(CLASS_BULK);
    fx_results(open, 0, 99, CAUSE_NONE, ACK_STORED);
    fx_sql("UPDATE batches SET created_at = 1, opened_at = 1, deadline_at = 2");
    fx_days = 1;
    fx_bytes = 1;
    fx_reopen();
    wait_purged(1);
    ck_assert(!is_kept(ended));
    received = fx_begin(CLASS_BULK);
    fx_rows(received, 0, 50);
    uint32_t other = ended_batch(5);
    wait_purged(2);
    ck_assert(!is_kept(other));
    ck_assert(is_kept(open));
    ck_assert_uint_eq(fx_results(open, 99, 1, CAUSE_NONE, ACK_STORED), 1);
    ck_assert_int_eq(fx_end_upload(received, STORE_UPLOAD_COMMIT), ERR_NONE);
    ck_assert_uint_eq(fx_info(received).total, 50);
    fx_check_green();
}
END_TEST

START_TEST(by_size_the_oldest_go_first_until_it_fits)
{
    uint32_t num[4];
    for (int i = 0; i < 4; i++)
        num[i] = ended_batch(12000);
    ended_days_ago(num[0], 1); /* the order of their ends, not of their numbers */
    ended_days_ago(num[1], 4);
    ended_days_ago(num[2], 2);
    ended_days_ago(num[3], 3);
    reopen_with(0, INT64_MAX);
    while (gauge_get(&store_stats(fx)->used_bytes) == 0)
        usleep(1000);
    int64_t used = gauge_get(&store_stats(fx)->used_bytes);
    reopen_with(0, used * 6 / 10);
    wait_purged(2);
    ck_assert(!is_kept(num[1]) && !is_kept(num[3]));
    while (gauge_get(&store_stats(fx)->used_bytes) > used * 6 / 10)
        usleep(1000);
    ck_assert_uint_eq(purged(), 2);
    ck_assert(is_kept(num[0]) && is_kept(num[2]));
    fx_check_green();
}
END_TEST

START_TEST(a_batch_that_ends_in_a_full_store_makes_room)
{
    reopen_with(0, 1);
    uint32_t first = ended_batch(700);
    wait_purged(1);
    uint32_t second = ended_batch(300);
    wait_purged(2);
    ck_assert(!is_kept(first) && !is_kept(second));
    fx_check_green();
}
END_TEST

START_TEST(a_purge_that_was_cut_short_goes_on_at_the_next_start)
{
    uint32_t num = ended_batch(40000);
    reopen_with(0, 1);
    while (counter_get(&store_stats(fx)->tasks_purged) == 0)
        usleep(100);
    fx_days = fx_bytes = 0; /* whatever the bound is now */
    fx_reopen();
    ck_assert(!is_kept(num));
    wait_purged(1);
    fx_check_green();
    fx_sql("UPDATE batches SET state = 3");
    fx_check_green(); /* a batch in the midst of it is fine */
}
END_TEST

START_TEST(a_late_result_of_a_purged_batch_is_a_duplicate)
{
    uint32_t num = ended_batch(10);
    reopen_with(0, 1);
    wait_purged(1);
    ck_assert_uint_eq(fx_results(num, 0, 10, CAUSE_NONE, ACK_DUPLICATE), 10);
    ck_assert_uint_eq(fx_results(num, 10, 5, CAUSE_NONE, ACK_REJECTED), 5);
    fx_check_green();
}
END_TEST

START_TEST(what_ended_lately_stays_whatever_the_size)
{
    uint32_t old = ended_batch(10), young = ended_batch(10);
    fx_sql("UPDATE batches SET ended_at = ended_at - 3600 * 1000000 WHERE num = 1");
    fx_grace_s = 600;
    reopen_with(0, 1);
    wait_purged(1);
    while (gauge_get(&store_stats(fx)->used_bytes) == 0)
        usleep(1000);
    ck_assert_uint_eq(ended_batch(10), 3);
    ck_assert(!is_kept(old) && is_kept(young));
    fx_reopen();
    ck_assert(is_kept(young) && is_kept(3));
}
END_TEST

static struct store_req *retry_req(uint32_t of)
{
    struct batch_info old = fx_info(of);
    struct store_req *r = fx_begin_req(CLASS_BULK);
    memcpy(r->upload.info.retry_of, old.uuid, UUID_TEXT_MAX);
    return r;
}

START_TEST(a_batch_that_is_being_retried_stays_so_long)
{
    reopen_with(0, 1);
    uint32_t old = fx_batch(5);
    struct store_req *r = retry_req(old);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint32_t retry = r->upload.info.num;
    store_req_destroy(&r);
    fx_results(old, 0, 5, CAUSE_http_5xx, ACK_STORED);
    ended_batch(5);
    wait_purged(1);
    ck_assert(is_kept(old));
    fx_rows(retry, 0, 5);
    ck_assert_int_eq(fx_end_upload(retry, STORE_UPLOAD_COMMIT), ERR_NONE);
    ended_batch(5);
    wait_purged(3);
    ck_assert(!is_kept(old));
    r = retry_req(old);
    ck_assert_int_eq(fx_run(r), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(r->why, "purged"));
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

TESTS(purge_tests, what_ended_long_ago_goes_and_keeps_its_row_and_counts,
      without_a_bound_all_is_kept, unfinished_work_is_never_touched,
      by_size_the_oldest_go_first_until_it_fits, a_batch_that_ends_in_a_full_store_makes_room,
      a_purge_that_was_cut_short_goes_on_at_the_next_start,
      a_late_result_of_a_purged_batch_is_a_duplicate, what_ended_lately_stays_whatever_the_size,
      a_batch_that_is_being_retried_stays_so_long)
static TCase *purge(void)
{
    TCase *tc = purge_tests();
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    return tc;
}
CHECK_MAIN("retention", purge)
