/* SPDX-License-Identifier: MIT */
#include "fixture.h"

/* ---- opening */

START_TEST(directory_is_made_private)
{
    char dir[96];
    snprintf(dir, sizeof(dir), "%s/data", fx_dir);
    struct store *s = NULL;
    struct store_boot boot;
    ck_assert_int_eq(fx_try_open(dir, &s, &boot), ERR_NONE);
    struct stat st;
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    store_boot_fini(&boot);
    store_close(&s);
}
END_TEST

START_TEST(missing_parent_is_named)
{
    struct store *s = NULL;
    struct store_boot boot;
    ck_assert_int_eq(fx_try_open("/tmp/no/such/parent", &s, &boot), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(fx_why, "/tmp/no/such/parent"));
    ck_assert_ptr_nonnull(strstr(fx_why, "parent"));
}
END_TEST

START_TEST(directory_that_is_a_file_is_refused)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    struct store *s = NULL;
    struct store_boot boot;
    ck_assert_int_eq(fx_try_open(path, &s, &boot), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(fx_why, path));
}
END_TEST

/* In a process without root's rights. */
static void open_unwritable(void)
{
    struct store *s = NULL;
    struct store_boot boot;
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        _exit(2);
    enum err e = fx_try_open(fx_dir, &s, &boot);
    _exit(e == ERR_DENIED && strstr(fx_why, fx_dir) && strstr(fx_why, "not writable") ? 0 : 1);
}

START_TEST(unwritable_directory_is_named)
{
    fx_close();
    char path[96];
    snprintf(path, sizeof(path), "%s/lock", fx_dir);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(chmod(fx_dir, 0555), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        open_unwritable();
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(chmod(fx_dir, 0700), 0);
    fx_open();
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(second_open_is_refused_with_the_pid)
{
    struct store *s = NULL;
    struct store_boot boot;
    ck_assert_int_eq(fx_try_open(fx_dir, &s, &boot), ERR_BUSY);
    char pid[24];
    snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
    ck_assert_ptr_nonnull(strstr(fx_why, pid));
}
END_TEST

START_TEST(epoch_counts_up_and_id_and_key_stay)
{
    char id[UUID_TEXT_MAX];
    struct ticket_key key = fx_boot.keys[0];
    snprintf(id, sizeof(id), "%s", fx_boot.store_id);
    ck_assert_uint_eq(fx_boot.boot_epoch, 1);
    ck_assert_uint_eq(fx_boot.n_keys, 1);
    ck_assert(uuid_valid(id));
    fx_reopen();
    ck_assert_uint_eq(fx_boot.boot_epoch, 2);
    ck_assert_str_eq(fx_boot.store_id, id);
    ck_assert_uint_eq(fx_boot.n_keys, 1);
    ck_assert_mem_eq(fx_boot.keys[0].bytes, key.bytes, TICKET_KEY_BYTES);
}
END_TEST

static enum err open_again(void)
{
    struct store *s = NULL;
    struct store_boot boot;
    enum err e = fx_try_open(fx_dir, &s, &boot);
    ck_assert_ptr_null(s);
    return e;
}

static int64_t count_of(const char *sql)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    sqlite3 *c = NULL;
    sqlite3_stmt *st = NULL;
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(c, sql, -1, &st, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(c);
    return n;
}

START_TEST(newer_schema_is_refused)
{
    char back[64];
    fx_close();
    snprintf(back, sizeof(back), "PRAGMA user_version = %d", (int)count_of("PRAGMA user_version"));
    fx_sql("PRAGMA user_version = 99");
    ck_assert_int_eq(open_again(), ERR_VERSION);
    ck_assert_ptr_nonnull(strstr(fx_why, "schema version 99"));
    fx_sql(back);
    fx_open();
}
END_TEST

START_TEST(foreign_database_is_refused)
{
    fx_close();
    fx_sql("PRAGMA application_id = 7");
    ck_assert_int_eq(open_again(), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(fx_why, "no store of Sonde"));
    fx_sql("PRAGMA application_id = 0x536f6e64");
    fx_open();
}
END_TEST

START_TEST(garbage_file_is_refused_with_clear_words)
{
    fx_close();
    char path[96];
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 5000; i++)
        fputs("garbage ", f);
    fclose(f);
    ck_assert_int_eq(open_again(), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(fx_why, path));
    ck_assert_ptr_nonnull(strstr(fx_why, "damaged"));
    ck_assert_ptr_nonnull(strstr(fx_why, "backup"));
    ck_assert_int_eq(unlink(path), 0);
    fx_open();
}
END_TEST

/* ---- uploads */

START_TEST(upload_opens_with_its_totals)
{
    uint32_t num = fx_begin(CLASS_BULK);
    fx_rows(num, 0, 2500);
    struct store_req *r = fx_req(STORE_UPLOAD_COMMIT);
    r->upload.info.num = num;
    r->upload.info.rejected = 3;
    r->upload.info.duplicates = 4;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->upload.info.total, 2500);
    ck_assert_int_ne(r->upload.info.opened_at.us, 0);
    ck_assert_int_eq(r->upload.info.deadline_at.us - r->upload.info.opened_at.us, 3600000000LL);
    store_req_destroy(&r);
    struct batch_info info = fx_info(num);
    ck_assert_uint_eq(info.total, 2500);
    ck_assert_uint_eq(info.rejected, 3);
    ck_assert_uint_eq(info.duplicates, 4);
    ck_assert_int_eq(info.ended_at.us, 0);
    fx_check_green();
}
END_TEST

START_TEST(batch_keeps_what_it_was_given)
{
    struct store_req *r = fx_begin_req(CLASS_INTERACTIVE);
    char uuid[UUID_TEXT_MAX], trace[TRACE_TEXT_MAX];
    snprintf(uuid, sizeof(uuid), "%s", r->upload.info.uuid);
    snprintf(trace, sizeof(trace), "%s", r->upload.info.trace);
    r->upload.info.name = mem_strdup("nightly \"import\"");
    r->upload.info.log_tasks = true;
    r->upload.info.labels = mem_strdup("{\"team\":\"a\"}");
    r->upload.info.agents = mem_strdup("{\"names\":[\"bj-1\"]}");
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint32_t num = r->upload.info.num;
    store_req_destroy(&r);
    fx_rows(num, 0, 1);
    ck_assert_int_eq(fx_end_upload(num, STORE_UPLOAD_COMMIT), ERR_NONE);
    fx_reopen();
    ck_assert_uint_eq(fx_boot.n_open, 1);
    const struct batch_info *b = &fx_boot.open[0];
    ck_assert_uint_eq(b->num, num);
    ck_assert_str_eq(b->uuid, uuid);
    ck_assert_str_eq(b->trace, trace);
    ck_assert_str_eq(b->name, "nightly \"import\"");
    ck_assert_str_eq(b->labels, "{\"team\":\"a\"}");
    ck_assert_str_eq(b->agents, "{\"names\":[\"bj-1\"]}");
    ck_assert_int_eq(b->cls, CLASS_INTERACTIVE);
    ck_assert_int_eq(b->deadline_s, 3600);
    ck_assert_int_eq(b->per_host, 8);
    ck_assert(b->per_host_rate == 0.25);
    ck_assert(b->log_tasks);
}
END_TEST

START_TEST(uuid_is_unique)
{
    struct store_req *first = fx_begin_req(CLASS_BULK), *second = fx_begin_req(CLASS_BULK);
    memcpy(second->upload.info.uuid, first->upload.info.uuid, UUID_TEXT_MAX);
    ck_assert_int_eq(fx_run_free(first), ERR_NONE);
    ck_assert_int_eq(fx_run(second), ERR_EXISTS);
    ck_assert_str_ne(second->why, "");
    store_req_destroy(&second);
}
END_TEST

START_TEST(upload_is_invisible_until_it_is_committed)
{
    struct store_req *r = fx_begin_req(CLASS_BULK);
    char uuid[UUID_TEXT_MAX];
    snprintf(uuid, sizeof(uuid), "%s", r->upload.info.uuid);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint32_t num = r->upload.info.num;
    store_req_destroy(&r);
    fx_rows(num, 0, 10);

    r = fx_req(STORE_BATCH_GET);
    snprintf(r->batch_get.uuid, sizeof(r->batch_get.uuid), "%s", uuid);
    ck_assert_int_eq(fx_run_free(r), ERR_NOT_FOUND);
    r = fx_req(STORE_BATCH_LIST);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->batch_list.n, 0);
    store_req_destroy(&r);
    r = fx_req(STORE_REFILL);
    r->refill.batch = num;
    r->refill.limit = 10;
    ck_assert_int_eq(fx_run_free(r), ERR_NOT_FOUND);
    r = fx_req(STORE_TASK_GET);
    r->task_get.task = task_id(num, 0);
    ck_assert_int_eq(fx_run_free(r), ERR_NOT_FOUND);
    ck_assert_uint_eq(fx_results(num, 0, 1, CAUSE_NONE, ACK_REJECTED), 1);
}
END_TEST

/* The deletion is the writer's own work: nothing tells of its end, so it is polled for. */
static void wait_no_rows(void)
{
    for (int i = 0; i < 6000; i++) {
        if (count_of("SELECT (SELECT count(*) FROM tasks) + (SELECT count(*) FROM batches)") == 0)
            return;
        usleep(10000);
    }
    ck_abort_msg("the rows of the upload are still there");
}

START_TEST(aborted_upload_leaves_nothing)
{
    uint32_t num = fx_begin(CLASS_BULK);
    fx_rows(num, 0, 3000);
    ck_assert_int_eq(fx_end_upload(num, STORE_UPLOAD_ABORT), ERR_NONE);
    ck_assert_int_eq(fx_run_free(fx_rows_req(num, 3000, 1)), ERR_NOT_FOUND);
    ck_assert_int_eq(fx_end_upload(num, STORE_UPLOAD_COMMIT), ERR_NOT_FOUND);
    wait_no_rows();
    uint32_t next = fx_begin(CLASS_BULK);
    ck_assert_uint_gt(next, num); /* never the same number again */
}
END_TEST

START_TEST(upload_of_a_dead_master_is_swept_away_at_start)
{
    uint32_t num = fx_begin(CLASS_BULK);
    fx_rows(num, 0, 3000);
    fx_reopen();
    ck_assert_uint_eq(fx_boot.n_open, 0);
    wait_no_rows();
}
END_TEST

START_TEST(empty_batch_has_ended_when_it_opens)
{
    uint32_t num = fx_batch(0);
    ck_assert_int_ne(fx_info(num).ended_at.us, 0);
    fx_check_green();
}
END_TEST

/* ---- results */

START_TEST(results_are_stored_once)
{
    uint32_t num = fx_batch(100);
    ck_assert_uint_eq(fx_results(num, 0, 60, CAUSE_NONE, ACK_STORED), 60);
    ck_assert_uint_eq(fx_results(num, 0, 60, CAUSE_dns_nxdomain, ACK_DUPLICATE), 60);
    struct batch_info info = fx_info(num);
    ck_assert_uint_eq(info.ended[OUTCOME_OK], 60);
    ck_assert_uint_eq(info.ended[OUTCOME_FAILED], 0);
    ck_assert_int_eq(info.ended_at.us, 0);
    ck_assert_uint_eq(counter_get(&store_stats(fx)->results), 60);
    ck_assert_uint_eq(counter_get(&store_stats(fx)->duplicates), 60);
    fx_check_green();
}
END_TEST

START_TEST(same_task_twice_in_one_request_counts_once)
{
    uint32_t num = fx_batch(2);
    struct store_req *r = fx_results_req(num, 0, 2, CAUSE_NONE);
    r->results.items[1].task = r->results.items[0].task;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_int_eq(r->results.items[0].verdict, ACK_STORED);
    ck_assert_int_eq(r->results.items[1].verdict, ACK_DUPLICATE);
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

START_TEST(results_of_unknown_tasks_are_rejected)
{
    uint32_t num = fx_batch(10);
    ck_assert_uint_eq(fx_results(num, 10, 5, CAUSE_NONE, ACK_REJECTED), 5);
    ck_assert_uint_eq(fx_results(num + 1, 0, 5, CAUSE_NONE, ACK_REJECTED), 5);
    ck_assert_uint_eq(fx_results(UINT32_MAX, 0, 5, CAUSE_NONE, ACK_REJECTED), 5);
    fx_check_green();
}
END_TEST

START_TEST(batch_ends_with_its_last_result)
{
    uint32_t num = fx_batch(1500);
    ck_assert_uint_eq(fx_results(num, 0, 1499, CAUSE_NONE, ACK_STORED), 1499);
    ck_assert_int_eq(fx_info(num).ended_at.us, 0);
    ck_assert_uint_eq(fx_results(num, 1499, 1, CAUSE_connect_refused, ACK_STORED), 1);
    struct batch_info info = fx_info(num);
    ck_assert_int_ne(info.ended_at.us, 0);
    ck_assert_uint_eq(info.low_water, 1500);
    ck_assert_uint_eq(info.ended[OUTCOME_OK], 1499);
    ck_assert_uint_eq(info.ended[OUTCOME_FAILED], 1);
    fx_check_green();
    fx_reopen();
    ck_assert_uint_eq(fx_boot.n_open, 0);
}
END_TEST

START_TEST(late_result_of_an_ended_batch_is_a_duplicate)
{
    uint32_t num = fx_batch(5);
    ck_assert_uint_eq(fx_results(num, 0, 5, CAUSE_NONE, ACK_STORED), 5);
    ck_assert_uint_eq(fx_results(num, 0, 5, CAUSE_NONE, ACK_DUPLICATE), 5);
    ck_assert_uint_eq(fx_results(num, 5, 1, CAUSE_NONE, ACK_REJECTED), 1);
}
END_TEST

START_TEST(low_water_follows_the_results)
{
    uint32_t num = fx_batch(10000);
    fx_results(num, 0, 5000, CAUSE_NONE, ACK_STORED);
    uint64_t low = fx_info(num).low_water;
    ck_assert_uint_gt(low, 0);
    ck_assert_uint_le(low, 5000);
    fx_check_green();
}
END_TEST

START_TEST(low_water_stops_at_the_first_task_without_a_result)
{
    uint32_t num = fx_batch(10000);
    fx_results(num, 0, 7, CAUSE_NONE, ACK_STORED);
    fx_results(num, 8, 9000, CAUSE_NONE, ACK_STORED);
    ck_assert_uint_eq(fx_info(num).low_water, 7);
    fx_check_green();
}
END_TEST

START_TEST(seq_goes_on_after_a_restart)
{
    uint32_t num = fx_batch(20);
    fx_results(num, 0, 10, CAUSE_NONE, ACK_STORED);
    fx_reopen();
    fx_results(num, 10, 10, CAUSE_NONE, ACK_STORED);
    ck_assert_int_eq(count_of("SELECT max(seq) FROM results"), 20);
    ck_assert_int_eq(count_of("SELECT count(DISTINCT seq) FROM results"), 20);
    fx_check_green();
}
END_TEST

START_TEST(counts_survive_a_restart)
{
    uint32_t num = fx_batch(30);
    fx_results(num, 0, 10, CAUSE_NONE, ACK_STORED);
    fx_results(num, 10, 5, CAUSE_http_5xx, ACK_STORED);
    fx_reopen();
    ck_assert_uint_eq(fx_boot.n_open, 1);
    ck_assert_uint_eq(fx_boot.open[0].ended[OUTCOME_OK], 10);
    ck_assert_uint_eq(fx_boot.open[0].ended[OUTCOME_FAILED], 5);
    fx_results(num, 15, 15, CAUSE_http_5xx, ACK_STORED);
    struct batch_info info = fx_info(num);
    ck_assert_uint_eq(info.ended[OUTCOME_FAILED], 20);
    ck_assert_int_ne(info.ended_at.us, 0);
    fx_check_green();
}
END_TEST

START_TEST(agent_is_remembered)
{
    for (int i = 0; i < 2; i++) {
        struct store_req *r = fx_req(STORE_AGENT_SEEN);
        r->agent.name = mem_strdup("bj-1");
        r->agent.tags_json = mem_strdup(i ? "{\"city\":\"b\"}" : "{}");
        r->agent.instance = mem_strdup("0123");
        r->agent.at = (struct wall){1000 + i};
        ck_assert_int_eq(fx_run_free(r), ERR_NONE);
    }
    ck_assert_int_eq(count_of("SELECT count(*) FROM agents"), 1);
    ck_assert_int_eq(count_of("SELECT first_seen FROM agents"), 1000);
    ck_assert_int_eq(count_of("SELECT last_seen FROM agents WHERE tags LIKE '%city%'"), 1001);
}
END_TEST

START_TEST(agents_that_may_hold_tasks_are_told_at_the_next_start)
{
    for (int i = 0; i < 3; i++) {
        struct store_req *r = fx_req(i < 2 ? STORE_AGENT_SEEN : STORE_AGENT_EMPTY);
        r->agent.name = mem_strdup(i == 0 ? "bj-1" : "bj-2");
        ck_assert_int_eq(fx_run_free(r), ERR_NONE);
    }
    fx_close();
    fx_open();
    ck_assert_uint_eq(fx_boot.n_holders, 1);
    ck_assert_str_eq(fx_boot.holders[0], "bj-1");
}
END_TEST

static TCase *fixed(TCase *tc)
{
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    return tc;
}

TESTS(opening_tests, directory_is_made_private, missing_parent_is_named,
      directory_that_is_a_file_is_refused, unwritable_directory_is_named,
      second_open_is_refused_with_the_pid, epoch_counts_up_and_id_and_key_stay,
      newer_schema_is_refused, foreign_database_is_refused,
      garbage_file_is_refused_with_clear_words)
TESTS(upload_tests, upload_opens_with_its_totals, batch_keeps_what_it_was_given, uuid_is_unique,
      upload_is_invisible_until_it_is_committed, aborted_upload_leaves_nothing,
      upload_of_a_dead_master_is_swept_away_at_start, empty_batch_has_ended_when_it_opens)
TESTS(result_tests, results_are_stored_once, same_task_twice_in_one_request_counts_once,
      results_of_unknown_tasks_are_rejected, batch_ends_with_its_last_result,
      late_result_of_an_ended_batch_is_a_duplicate, low_water_follows_the_results,
      low_water_stops_at_the_first_task_without_a_result, seq_goes_on_after_a_restart,
      counts_survive_a_restart, agent_is_remembered,
      agents_that_may_hold_tasks_are_told_at_the_next_start)
static TCase *opening(void)
{
    return fixed(opening_tests());
}
static TCase *uploads(void)
{
    return fixed(upload_tests());
}
static TCase *results(void)
{
    return fixed(result_tests());
}
CHECK_MAIN("store", opening, uploads, results)
