/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include "master/store/sqlite.h"

/* ---- refill */

static struct store_req *refill(uint32_t num, uint64_t after, unsigned limit)
{
    struct store_req *r = fx_req(STORE_REFILL);
    r->refill.batch = num;
    r->refill.after = after;
    r->refill.limit = limit;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    return r;
}

START_TEST(refill_reads_every_task_once_in_order)
{
    uint32_t num = fx_batch(2500);
    uint64_t after = task_id(num, 0) - 1;
    unsigned seen = 0;
    for (bool exhausted = false; !exhausted;) {
        struct store_req *r = refill(num, after, 700);
        for (unsigned i = 0; i < r->refill.n; i++, seen++) {
            char spec[64];
            snprintf(spec, sizeof(spec), "{\"url\":\"http://host-%u.example/\"}", seen);
            ck_assert_uint_eq(r->refill.tasks[i].task, task_id(num, seen));
            ck_assert_uint_eq(r->refill.tasks[i].host_hash, UINT64_MAX - seen);
            ck_assert_uint_eq(r->refill.tasks[i].spec_len, strlen(spec));
            ck_assert_str_eq(r->refill.tasks[i].spec, spec);
        }
        after = r->refill.last;
        exhausted = r->refill.exhausted;
        store_req_destroy(&r);
    }
    ck_assert_uint_eq(seen, 2500);
}
END_TEST

START_TEST(refill_skips_what_has_ended)
{
    uint32_t num = fx_batch(100);
    fx_results(num, 0, 40, CAUSE_NONE, ACK_STORED);
    fx_results(num, 50, 50, CAUSE_NONE, ACK_STORED);
    struct store_req *r = refill(num, task_id(num, 0) - 1, 1000);
    ck_assert_uint_eq(r->refill.n, 10);
    ck_assert_uint_eq(r->refill.tasks[0].task, task_id(num, 40));
    ck_assert_uint_eq(r->refill.last, task_id(num, 99));
    ck_assert(r->refill.exhausted);
    store_req_destroy(&r);
}
END_TEST

/* fx_batch gives each task a host of its own: UINT64_MAX - ordinal. */
START_TEST(refill_leaves_hosts_out_and_tells_their_last_task)
{
    uint32_t num = fx_batch(100);
    fx_results(num, 20, 10, CAUSE_NONE, ACK_STORED);
    struct store_req *r = fx_req(STORE_REFILL);
    r->refill.batch = num;
    r->refill.after = task_id(num, 9);
    r->refill.limit = 1000;
    r->refill.n_hosts = 3;
    r->refill.hosts[0] = UINT64_MAX - 50;
    r->refill.hosts[1] = UINT64_MAX - 5; /* before the cursor */
    r->refill.hosts[2] = UINT64_MAX - 99;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->refill.n, 90 - 10 - 2);
    ck_assert_uint_eq(r->refill.passed[0], task_id(num, 50));
    ck_assert_uint_eq(r->refill.passed[1], 0);
    ck_assert_uint_eq(r->refill.passed[2], task_id(num, 99));
    ck_assert_uint_eq(r->refill.last, task_id(num, 99));
    ck_assert(r->refill.exhausted);
    store_req_destroy(&r);
}
END_TEST

START_TEST(refill_reads_only_the_hosts_that_are_named)
{
    uint32_t num = fx_batch(100);
    fx_results(num, 20, 1, CAUSE_NONE, ACK_STORED);
    struct store_req *r = fx_req(STORE_REFILL);
    r->refill.batch = num;
    r->refill.after = task_id(num, 0) - 1;
    r->refill.to = task_id(num, 60);
    r->refill.limit = 1000;
    r->refill.only = true;
    r->refill.n_hosts = 4;
    r->refill.hosts[0] = UINT64_MAX - 20; /* has ended */
    r->refill.hosts[1] = UINT64_MAX - 60;
    r->refill.hosts[2] = UINT64_MAX - 61; /* behind the end that was asked for */
    r->refill.hosts[3] = UINT64_MAX - 3;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->refill.n, 2);
    ck_assert_uint_eq(r->refill.tasks[0].task, task_id(num, 3));
    ck_assert_uint_eq(r->refill.tasks[1].task, task_id(num, 60));
    ck_assert_uint_eq(r->refill.last, task_id(num, 60));
    ck_assert(!r->refill.exhausted);
    store_req_destroy(&r);
}
END_TEST

START_TEST(refill_behind_the_end_is_exhausted)
{
    uint32_t num = fx_batch(10);
    struct store_req *r = refill(num, task_id(num, 9), 10);
    ck_assert_uint_eq(r->refill.n, 0);
    ck_assert(r->refill.exhausted);
    store_req_destroy(&r);
    r = refill(num, UINT64_MAX >> 1, 10);
    ck_assert_uint_eq(r->refill.n, 0);
    ck_assert(r->refill.exhausted);
    store_req_destroy(&r);
}
END_TEST

START_TEST(refill_that_meets_the_limit_exactly_at_the_end_is_exhausted)
{
    uint32_t num = fx_batch(10);
    struct store_req *r = refill(num, task_id(num, 0) - 1, 10);
    ck_assert_uint_eq(r->refill.n, 10);
    ck_assert(r->refill.exhausted);
    store_req_destroy(&r);
}
END_TEST

START_TEST(refill_of_a_long_ended_stretch_goes_on_by_its_cursor)
{
    uint32_t num = fx_batch(30000);
    fx_results(num, 0, 29999, CAUSE_NONE, ACK_STORED);
    struct store_req *r = refill(num, task_id(num, 0) - 1, 10);
    ck_assert_uint_eq(r->refill.n, 0);
    ck_assert(!r->refill.exhausted);
    uint64_t last = r->refill.last;
    store_req_destroy(&r);
    r = refill(num, last, 10);
    ck_assert_uint_eq(r->refill.n, 1);
    ck_assert_uint_eq(r->refill.tasks[0].task, task_id(num, 29999));
    ck_assert(r->refill.exhausted);
    store_req_destroy(&r);
}
END_TEST

/* n rows of 50 KB each. */
static uint32_t wide_batch(unsigned n)
{
    uint32_t num = fx_begin(CLASS_BULK);
    struct store_req *r = fx_req(STORE_UPLOAD_ROWS);
    r->upload.info.num = num;
    r->upload.rows = mem_array(n, sizeof(*r->upload.rows));
    r->upload.n_rows = n;
    strbuf_puts(&r->arena, "{\"url\":\"");
    while (r->arena.len < 50000 - 2)
        strbuf_putc(&r->arena, 'x');
    strbuf_puts(&r->arena, "\"}");
    for (unsigned i = 0; i < n; i++)
        r->upload.rows[i] = (struct store_row){.spec = r->arena.data, .spec_len = 50000};
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
    ck_assert_int_eq(fx_end_upload(num, STORE_UPLOAD_COMMIT), ERR_NONE);
    return num;
}

START_TEST(refill_is_bounded_in_bytes)
{
    uint32_t num = wide_batch(200);
    struct store_req *r = refill(num, task_id(num, 0) - 1, 1000);
    ck_assert_uint_ge(r->refill.n, 1);
    ck_assert_uint_lt(r->refill.n, 200);
    ck_assert_uint_le(r->arena.len, STORE_PAGE_BYTES + 60000);
    ck_assert(!r->refill.exhausted);
    ck_assert_uint_eq(r->refill.last, r->refill.tasks[r->refill.n - 1].task);
    store_req_destroy(&r);
}
END_TEST

START_TEST(refill_of_an_unknown_batch_is_not_found)
{
    struct store_req *r = fx_req(STORE_REFILL);
    r->refill.batch = 77;
    r->refill.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NOT_FOUND);
    ck_assert_str_ne(r->why, "");
    store_req_destroy(&r);
}
END_TEST

/* ---- batches */

START_TEST(batch_is_found_by_uuid_with_its_causes)
{
    uint32_t num = fx_batch(60);
    fx_results(num, 0, 10, CAUSE_NONE, ACK_STORED);
    fx_results(num, 10, 5, CAUSE_dns_nxdomain, ACK_STORED);
    fx_results(num, 15, 20, CAUSE_connect_refused, ACK_STORED);
    fx_results(num, 35, 3, CAUSE_dns_nxdomain, ACK_STORED);
    fx_results(num, 35, 3, CAUSE_tls_expired, ACK_DUPLICATE);
    struct batch_info info = fx_info(num);
    struct store_req *r = fx_req(STORE_BATCH_GET);
    memcpy(r->batch_get.uuid, info.uuid, UUID_TEXT_MAX);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->batch_get.info.num, num);
    ck_assert_uint_eq(r->batch_get.n_causes, 2);
    ck_assert_str_eq(r->batch_get.causes[0].cause, "connect_refused");
    ck_assert_uint_eq(r->batch_get.causes[0].count, 20);
    ck_assert_str_eq(r->batch_get.causes[1].cause, "dns_nxdomain");
    ck_assert_uint_eq(r->batch_get.causes[1].count, 8);
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

START_TEST(unknown_uuid_is_not_found)
{
    struct store_req *r = fx_req(STORE_BATCH_GET);
    snprintf(r->batch_get.uuid, UUID_TEXT_MAX, "'; DROP TABLE tasks; --");
    ck_assert_int_eq(fx_run_free(r), ERR_NOT_FOUND);
}
END_TEST

START_TEST(batches_are_listed_newest_first_by_cursor)
{
    uint32_t nums[5], before = 0;
    for (int i = 0; i < 5; i++)
        nums[i] = fx_batch(1);
    int left = 5;
    while (left > 0) {
        struct store_req *r = fx_req(STORE_BATCH_LIST);
        r->batch_list.before = before;
        r->batch_list.limit = 2;
        ck_assert_int_eq(fx_run(r), ERR_NONE);
        ck_assert_uint_ge(r->batch_list.n, 1);
        for (unsigned i = 0; i < r->batch_list.n; i++)
            ck_assert_uint_eq(r->batch_list.infos[i].num, nums[--left]);
        before = r->batch_list.infos[r->batch_list.n - 1].num;
        store_req_destroy(&r);
    }
}
END_TEST

/* ---- results */

static struct store_req *page_req(uint32_t num, uint64_t after, unsigned limit)
{
    struct store_req *r = fx_req(STORE_RESULTS_PAGE);
    r->results_page.batch = num;
    r->results_page.after = after;
    r->results_page.limit = limit;
    return r;
}

START_TEST(pages_give_every_result_once_in_seq_order)
{
    uint32_t other = fx_batch(100), num = fx_batch(1000);
    fx_results(num, 500, 500, CAUSE_NONE, ACK_STORED);
    fx_results(other, 0, 100, CAUSE_NONE, ACK_STORED);
    fx_results(num, 0, 500, CAUSE_http_4xx, ACK_STORED);
    uint64_t after = 0;
    unsigned seen = 0;
    for (bool more = true; more;) {
        struct store_req *r = page_req(num, after, 300);
        ck_assert_int_eq(fx_run(r), ERR_NONE);
        for (unsigned i = 0; i < r->results_page.n; i++, seen++) {
            struct store_result_row *row = &r->results_page.rows[i];
            unsigned ordinal = (seen + 500) % 1000;
            char user_id[32];
            snprintf(user_id, sizeof(user_id), "row-%u", ordinal);
            ck_assert_uint_gt(row->seq, after);
            after = row->seq;
            ck_assert_uint_eq(row->task, task_id(num, ordinal));
            ck_assert_str_eq(row->user_id, user_id);
            ck_assert_ptr_nonnull(strstr(row->spec, user_id + 4));
            ck_assert_uint_eq(row->spec_len, strlen(row->spec));
            ck_assert_str_eq(row->record, FX_RECORD);
            ck_assert_uint_eq(row->record_len, strlen(FX_RECORD));
            ck_assert_str_eq(row->cause, seen < 500 ? "" : "http_4xx");
            ck_assert_int_eq(row->outcome, seen < 500 ? OUTCOME_OK : OUTCOME_FAILED);
            ck_assert_uint_eq(row->attempt, 1);
        }
        ck_assert_uint_eq(r->results_page.last, after);
        more = r->results_page.more;
        store_req_destroy(&r);
    }
    ck_assert_uint_eq(seen, 1000);
}
END_TEST

START_TEST(full_last_page_says_that_there_is_no_more)
{
    uint32_t num = fx_batch(10);
    fx_results(num, 0, 10, CAUSE_NONE, ACK_STORED);
    struct store_req *r = page_req(num, 0, 10);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 10);
    ck_assert(!r->results_page.more);
    store_req_destroy(&r);
}
END_TEST

START_TEST(what_is_stored_behind_a_cursor_is_seen_later)
{
    uint32_t num = fx_batch(10);
    fx_results(num, 5, 5, CAUSE_NONE, ACK_STORED);
    struct store_req *r = page_req(num, 0, 10);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint64_t last = r->results_page.last;
    store_req_destroy(&r);
    fx_results(num, 0, 5, CAUSE_NONE, ACK_STORED);
    r = page_req(num, last, 10);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 5);
    store_req_destroy(&r);
}
END_TEST

static uint32_t mixed_batch(void)
{
    uint32_t num = fx_batch(90);
    fx_results(num, 0, 30, CAUSE_NONE, ACK_STORED);
    fx_results(num, 30, 30, CAUSE_http_4xx, ACK_STORED);
    fx_results(num, 60, 30, CAUSE_dns_timeout, ACK_STORED);
    return num;
}

START_TEST(filter_by_outcome)
{
    struct store_req *r = page_req(mixed_batch(), 0, 100);
    r->results_page.outcome = OUTCOME_FAILED;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 60);
    store_req_destroy(&r);
}
END_TEST

START_TEST(filter_by_cause)
{
    struct store_req *r = page_req(mixed_batch(), 0, 100);
    snprintf(r->results_page.cause, CAUSE_MAX, "dns_timeout");
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 30);
    ck_assert_str_eq(r->results_page.rows[0].cause, "dns_timeout");
    store_req_destroy(&r);
}
END_TEST

START_TEST(filter_by_agent_and_outcome_together)
{
    struct store_req *r = page_req(mixed_batch(), 0, 100);
    r->results_page.outcome = OUTCOME_OK;
    snprintf(r->results_page.agent, sizeof(r->results_page.agent), "odd");
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 15);
    ck_assert_str_eq(r->results_page.rows[0].agent, "odd");
    store_req_destroy(&r);
}
END_TEST

START_TEST(filter_by_host_and_outcome_together)
{
    struct store_req *r = page_req(mixed_batch(), 0, 100);
    r->results_page.hosts[0] = UINT64_MAX - 3; /* of tasks 3 and 4 */
    r->results_page.hosts[1] = UINT64_MAX - 4;
    r->results_page.n_hosts = 2;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 2);
    ck_assert_uint_eq((uint32_t)r->results_page.rows[0].task, 3);
    uint32_t num = task_batch(r->results_page.rows[0].task);
    store_req_destroy(&r);
    r = page_req(num, 0, 100);
    r->results_page.hosts[0] = UINT64_MAX - 3;
    r->results_page.n_hosts = 1;
    r->results_page.outcome = OUTCOME_FAILED;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 0);
    store_req_destroy(&r);
}
END_TEST

enum { BY_OUTCOME = 1, BY_CAUSE = 2, BY_AGENT = 4, BY_HOST = 8, BY_ALL = 15 };

static struct store_req *rare_page(uint32_t num, uint64_t after, unsigned by)
{
    struct store_req *r = page_req(num, after, 10);
    if (by & BY_OUTCOME)
        r->results_page.outcome = OUTCOME_FAILED;
    if (by & BY_CAUSE)
        snprintf(r->results_page.cause, sizeof(r->results_page.cause), "http_5xx");
    if (by & BY_AGENT)
        snprintf(r->results_page.agent, sizeof(r->results_page.agent), "rare");
    if (by & BY_HOST)
        r->results_page.hosts[r->results_page.n_hosts++] = UINT64_MAX - 24999;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    return r;
}

/* Of 25,000 results the last one alone passes, by each of the filters. */
START_TEST(every_selective_filter_moves_its_cursor_in_bounded_steps)
{
    uint32_t num = fx_batch(25000);
    fx_results(num, 0, 24999, CAUSE_NONE, ACK_STORED);
    struct store_req *last = fx_results_req(num, 24999, 1, CAUSE_http_5xx);
    last->results.items[0].agent = "rare";
    ck_assert_int_eq(fx_run(last), ERR_NONE);
    store_req_destroy(&last);
    for (unsigned by = 1; by <= BY_ALL; by++) {
        struct store_req *r = rare_page(num, 0, by);
        ck_assert_uint_eq(r->results_page.n, 0);
        ck_assert(r->results_page.more);
        uint64_t at = r->results_page.last;
        ck_assert_uint_eq(at, 20000); /* seq: so many were looked at */
        store_req_destroy(&r);
        r = rare_page(num, at, by);
        ck_assert_uint_eq(r->results_page.n, 1);
        ck_assert(!r->results_page.more);
        store_req_destroy(&r);
    }
}
END_TEST

START_TEST(page_is_bounded_in_bytes)
{
    uint32_t num = wide_batch(200);
    fx_results(num, 0, 200, CAUSE_NONE, ACK_STORED);
    struct store_req *r = page_req(num, 0, 1000);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_lt(r->results_page.n, 200);
    ck_assert(r->results_page.more);
    store_req_destroy(&r);
}
END_TEST

START_TEST(page_is_as_small_as_its_reader_wants)
{
    uint32_t num = wide_batch(20);
    fx_results(num, 0, 20, CAUSE_NONE, ACK_STORED);
    struct store_req *r = page_req(num, 0, 1000);
    r->results_page.max_bytes = 60000;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 2);
    ck_assert(r->results_page.more);
    store_req_destroy(&r);
}
END_TEST

START_TEST(verdict_of_the_master_has_no_agent)
{
    uint32_t num = fx_batch(1);
    ck_assert_int_eq(fx_mark(num, MARK_EXPIRE, CAUSE_no_agent), ERR_NONE);
    fx_wait(&fx_swept.finished, 1);
    struct store_req *r = page_req(num, 0, 10);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 1);
    ck_assert_ptr_null(r->results_page.rows[0].agent);
    ck_assert_str_eq(r->results_page.rows[0].cause, "no_agent");
    ck_assert_uint_eq(r->results_page.rows[0].attempt, 0);
    ck_assert_ptr_nonnull(strstr(r->results_page.rows[0].record, "\"expired\""));
    store_req_destroy(&r);
}
END_TEST

START_TEST(task_without_a_result_has_its_spec_alone)
{
    uint32_t num = fx_batch(5);
    struct store_req *r = fx_req(STORE_TASK_GET);
    r->task_get.task = task_id(num, 3);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_str_eq(r->task_get.row.user_id, "row-3");
    ck_assert_ptr_nonnull(strstr(r->task_get.row.spec, "host-3"));
    ck_assert_ptr_null(r->task_get.row.record);
    store_req_destroy(&r);
}
END_TEST

START_TEST(task_with_a_result_has_both)
{
    uint32_t num = fx_batch(5);
    fx_results(num, 3, 1, CAUSE_http_4xx, ACK_STORED);
    struct store_req *r = fx_req(STORE_TASK_GET);
    r->task_get.task = task_id(num, 3);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_str_eq(r->task_get.row.user_id, "row-3");
    ck_assert_str_eq(r->task_get.row.cause, "http_4xx");
    ck_assert_str_eq(r->task_get.row.record, FX_RECORD);
    ck_assert_ptr_null(r->task_get.row.history);
    ck_assert_int_gt(r->task_get.row.stored_at.us, 0);
    store_req_destroy(&r);
}
END_TEST

START_TEST(task_with_a_history_tells_it)
{
    uint32_t num = fx_batch(2);
    struct store_req *r = fx_results_req(num, 1, 1, CAUSE_NONE);
    r->results.items[0].history = "{\"attempts\":[]}";
    r->results.items[0].leased_at.us = 1000001;
    r->results.items[0].arrived_at.us = 1000002;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    store_req_destroy(&r);
    r = fx_req(STORE_TASK_GET);
    r->task_get.task = task_id(num, 1);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_str_eq(r->task_get.row.history, "{\"attempts\":[]}");
    ck_assert_int_eq(r->task_get.row.leased_at.us, 1000001);
    ck_assert_int_eq(r->task_get.row.arrived_at.us, 1000002);
    store_req_destroy(&r);
}
END_TEST

START_TEST(task_past_the_end_is_not_found)
{
    uint32_t num = fx_batch(5);
    struct store_req *r = fx_req(STORE_TASK_GET);
    r->task_get.task = task_id(num, 5);
    ck_assert_int_eq(fx_run_free(r), ERR_NOT_FOUND);
    r = fx_req(STORE_TASK_GET);
    r->task_get.task = UINT64_MAX;
    ck_assert_int_eq(fx_run_free(r), ERR_NOT_FOUND);
}
END_TEST

/* ---- plans */

static void explain(sqlite3 *c, const char *sql)
{
    char *explained = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *st = NULL;
    ck_assert_int_eq(sqlite3_prepare_v2(c, explained, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(st, 3);
        ck_assert_msg(strncmp(detail, "SCAN", 4) != 0, "%s: %s", sql, detail);
    }
    sqlite3_finalize(st);
    sqlite3_free(explained);
}

START_TEST(no_statement_scans_a_table)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    sqlite3 *c = NULL;
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    unsigned n = 0;
    for (; sqlite_sql(n); n++)
        explain(c, sqlite_sql(n));
    ck_assert_uint_ge(n, 15);
    sqlite3_close(c);
}
END_TEST

static TCase *fixed(TCase *tc)
{
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    return tc;
}

TESTS(refill_tests, refill_reads_every_task_once_in_order, refill_skips_what_has_ended,
      refill_leaves_hosts_out_and_tells_their_last_task, refill_reads_only_the_hosts_that_are_named,
      refill_behind_the_end_is_exhausted,
      refill_that_meets_the_limit_exactly_at_the_end_is_exhausted,
      refill_of_a_long_ended_stretch_goes_on_by_its_cursor, refill_is_bounded_in_bytes,
      refill_of_an_unknown_batch_is_not_found)
TESTS(batch_tests, batch_is_found_by_uuid_with_its_causes, unknown_uuid_is_not_found,
      batches_are_listed_newest_first_by_cursor)
TESTS(page_tests, pages_give_every_result_once_in_seq_order,
      full_last_page_says_that_there_is_no_more, what_is_stored_behind_a_cursor_is_seen_later,
      filter_by_outcome, filter_by_cause, filter_by_agent_and_outcome_together,
      filter_by_host_and_outcome_together, every_selective_filter_moves_its_cursor_in_bounded_steps,
      page_is_bounded_in_bytes, page_is_as_small_as_its_reader_wants,
      verdict_of_the_master_has_no_agent, task_without_a_result_has_its_spec_alone,
      task_with_a_result_has_both, task_with_a_history_tells_it, task_past_the_end_is_not_found,
      no_statement_scans_a_table)

static TCase *refills(void)
{
    return fixed(refill_tests());
}
static TCase *batches(void)
{
    return fixed(batch_tests());
}
static TCase *pages(void)
{
    return fixed(page_tests());
}
CHECK_MAIN("store reads", refills, batches, pages)
