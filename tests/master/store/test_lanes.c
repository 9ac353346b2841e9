/* SPDX-License-Identifier: MIT */
#include "fixture.h"

/* Open-ended batches: runs of checks are added while they run. */

static struct store_req *refill(uint32_t num, uint64_t after)
{
    struct store_req *r = fx_req(STORE_REFILL);
    r->refill.batch = num;
    r->refill.after = after;
    r->refill.limit = 100;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    return r;
}

static bool listed(uint32_t num, bool lanes)
{
    struct store_req *r = fx_req(STORE_BATCH_LIST);
    r->batch_list.limit = 100;
    r->batch_list.lanes = lanes;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    bool found = false;
    for (unsigned i = 0; i < r->batch_list.n; i++)
        found |= r->batch_list.infos[i].num == num;
    store_req_destroy(&r);
    return found;
}

/* ---- life */

START_TEST(a_lane_is_open_at_once_and_in_no_list)
{
    uint32_t num = fx_lane(3), ordinary = fx_batch(1);
    struct batch_info b = fx_info(num);
    ck_assert(b.lane && b.growing && b.ended_at.us == 0 && b.opened_at.us != 0);
    ck_assert_uint_eq(b.total, 0);
    ck_assert_uint_eq(b.slots, 3);
    ck_assert_int_eq(b.cls, CLASS_SCHEDULE);
    ck_assert_int_eq(b.deadline_s, DEADLINE_S_MAX);
    ck_assert_int_eq(b.deadline_at.us - b.opened_at.us, DEADLINE_S_MAX * INT64_C(1000000));
    ck_assert(!listed(num, false) && listed(num, true));
    ck_assert(listed(ordinary, false) && listed(ordinary, true));
    fx_check_green();
}
END_TEST

START_TEST(a_start_is_given_the_lanes_that_grow)
{
    uint32_t kept = fx_lane(1), closed = fx_lane(1), over = fx_lane(1);
    fx_checks(1);
    fx_runs(kept, 1, 1, 1);
    fx_runs(closed, 1, 1, 1);
    ck_assert_int_eq(fx_lane_close(closed), ERR_NONE);
    ck_assert_int_eq(fx_lane_close(over), ERR_NONE);
    fx_reopen();
    ck_assert_uint_eq(fx_boot.n_open, 2);
    ck_assert(fx_boot.open[0].num == kept && fx_boot.open[0].growing);
    ck_assert(fx_boot.open[1].num == closed && !fx_boot.open[1].growing && fx_boot.open[1].lane);
    ck_assert_uint_eq(fx_boot.timetable.n_lanes, 1);
    ck_assert_uint_eq(fx_boot.timetable.lanes[0].batch, kept);
    ck_assert_str_eq(fx_boot.timetable.lanes[0].lane, "{\"count\":1}");
    ck_assert_int_eq(fx_boot.timetable.lanes[0].opened_at.us, fx_boot.open[0].opened_at.us);
    ck_assert_uint_eq(fx_runs(kept, 1, 1, 1), task_id(kept, 1)); /* it goes on */
    fx_check_green();
}
END_TEST

START_TEST(it_ends_when_it_is_closed_and_all_has_ended)
{
    uint32_t num = fx_lane(1);
    fx_checks(20);
    fx_runs(num, 1, 10, 1);
    ck_assert_uint_eq(fx_results(num, 0, 10, CAUSE_NONE, ACK_STORED), 10);
    struct batch_info b = fx_info(num);
    ck_assert(b.ended_at.us == 0 && b.low_water == 10 && b.total == 10);
    fx_check_green();
    fx_runs(num, 11, 10, 1);
    ck_assert_uint_eq(fx_results(num, 10, 4, CAUSE_NONE, ACK_STORED), 4);
    ck_assert_int_eq(fx_lane_close(num), ERR_NONE);
    b = fx_info(num);
    ck_assert(b.ended_at.us == 0 && !b.growing && b.total == 20);
    ck_assert_uint_eq(fx_results(num, 14, 6, CAUSE_http_5xx, ACK_STORED), 6);
    b = fx_info(num);
    ck_assert(b.ended_at.us != 0 && b.ended[OUTCOME_OK] == 14 && b.ended[OUTCOME_FAILED] == 6);
    fx_check_green();
    ck_assert_int_eq(fx_lane_close(num), ERR_NOT_FOUND);
}
END_TEST

START_TEST(closed_with_nothing_open_it_ends_at_once)
{
    uint32_t empty = fx_lane(1), idle = fx_lane(1);
    fx_checks(1);
    fx_runs(idle, 1, 1, 1);
    fx_results(idle, 0, 1, CAUSE_NONE, ACK_STORED);
    ck_assert_int_eq(fx_lane_close(empty), ERR_NONE);
    ck_assert_int_eq(fx_lane_close(idle), ERR_NONE);
    ck_assert(fx_info(empty).ended_at.us != 0 && fx_info(idle).ended_at.us != 0);
    fx_check_green();
}
END_TEST

START_TEST(a_lane_that_is_cancelled_takes_nothing_more_and_ends)
{
    uint32_t num = fx_lane(1);
    fx_checks(5);
    fx_runs(num, 1, 5, 1);
    fx_results(num, 1, 1, CAUSE_NONE, ACK_STORED);
    ck_assert_int_eq(fx_mark(num, MARK_CANCEL, CAUSE_cancelled_by_user), ERR_NONE);
    ck_assert_int_eq(fx_run_free(fx_runs_req(num, 1, 1, 1)), ERR_NOT_FOUND);
    fx_wait(&fx_swept.finished, 1);
    ck_assert_uint_eq(fx_swept.count, 4);
    struct batch_info b = fx_info(num);
    ck_assert(b.ended_at.us != 0 && !b.growing && b.ended[OUTCOME_CANCELLED] == 4);
    uint32_t idle = fx_lane(1); /* of one without work nothing is to be swept */
    ck_assert_int_eq(fx_mark(idle, MARK_EXPIRE, CAUSE_deadline), ERR_NONE);
    fx_wait(&fx_swept.finished, 2);
    ck_assert(fx_info(idle).ended_at.us != 0);
    fx_check_green();
}
END_TEST

/* ---- runs */

START_TEST(runs_are_numbered_on_and_read_with_their_checks_target)
{
    uint32_t num = fx_lane(3);
    fx_checks(4);
    ck_assert_uint_eq(fx_runs(num, 1, 2, 3), task_id(num, 0));
    struct store_req *r = fx_runs_req(num, 3, 1, 1);
    r->runs.items[0].deadline_at.us = r->runs.items[0].at.us + 45678900;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->runs.items[0].first, task_id(num, 6));
    store_req_destroy(&r);
    ck_assert_uint_eq(fx_info(num).total, 7);
    r = refill(num, 0);
    ck_assert_uint_eq(r->refill.n, 7);
    ck_assert(r->refill.exhausted);
    for (unsigned i = 0; i < 7; i++) {
        const struct store_task *t = &r->refill.tasks[i];
        char spec[64];
        snprintf(spec, sizeof(spec), "{\"url\":\"http://check-%u.example/\"}", 1 + i / 3);
        ck_assert_str_eq(t->spec, spec);
        ck_assert_uint_eq(t->spec_len, strlen(spec));
        ck_assert_uint_eq(t->slot, i % 3);
        ck_assert_uint_eq(t->host_hash, (1 + i / 3) * 1000);
        ck_assert_int_eq(t->at.us, FX_SLOT_US + (i / 3 == 1 ? 1000000 : 0));
        ck_assert_int_eq(t->deadline_ms, i == 6 ? 45678 : 0);
    }
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

START_TEST(ordinary_tasks_are_no_runs)
{
    uint32_t num = fx_batch(2);
    fx_checks(1);
    struct store_req *r = refill(num, 0);
    ck_assert_str_eq(r->refill.tasks[1].spec, "{\"url\":\"http://host-1.example/\"}");
    ck_assert(r->refill.tasks[1].at.us == 0 && r->refill.tasks[1].deadline_ms == 0);
    store_req_destroy(&r);
}
END_TEST

/* With busy hosts in the question another statement reads. */
START_TEST(a_refill_of_some_hosts_reads_targets_of_checks_too)
{
    uint32_t num = fx_lane(1);
    fx_checks(3);
    fx_runs(num, 1, 3, 1);
    struct store_req *r = fx_req(STORE_REFILL);
    r->refill.batch = num;
    r->refill.limit = 100;
    r->refill.only = true;
    r->refill.n_hosts = 1;
    r->refill.hosts[0] = 2000;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->refill.n, 1);
    ck_assert_str_eq(r->refill.tasks[0].spec, "{\"url\":\"http://check-2.example/\"}");
    store_req_destroy(&r);
}
END_TEST

START_TEST(one_lane_that_does_not_grow_refuses_all_of_a_request)
{
    uint32_t good = fx_lane(1), closed = fx_lane(1), ordinary = fx_batch(1);
    fx_checks(3);
    ck_assert_int_eq(fx_lane_close(closed), ERR_NONE);
    uint32_t bad[] = {closed, ordinary, 4711};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct store_req *r = fx_runs_req(good, 1, 2, 1);
        r->runs.items[1].batch = bad[i];
        ck_assert_int_eq(fx_run(r), ERR_NOT_FOUND);
        ck_assert_str_ne(r->why, "");
        store_req_destroy(&r);
    }
    ck_assert_uint_eq(fx_info(good).total, 0);
    ck_assert_uint_eq(fx_runs(good, 1, 2, 1), task_id(good, 0));
    fx_check_green();
}
END_TEST

START_TEST(a_lane_without_ordinals_says_so)
{
    uint32_t num = fx_lane(1);
    fx_checks(1);
    fx_sql("UPDATE batches SET total = 4294967295, ok = 4294967295, low_water = 4294967295");
    fx_reopen();
    ck_assert_int_eq(fx_run_free(fx_runs_req(num, 1, 1, 1)), ERR_FULL);
}
END_TEST

START_TEST(a_full_request_enters_a_commit)
{
    uint32_t num = fx_lane(AGENTS_COUNT_MAX);
    fx_checks(STORE_RUNS_ONCE);
    fx_runs(num, 1, STORE_RUNS_ONCE, 1);
    fx_runs(num, 1, 4, STORE_COMMIT_ROWS / 4);
    ck_assert_uint_eq(fx_info(num).total, 2 * STORE_COMMIT_ROWS);
    fx_check_green();
}
END_TEST

/* ---- results */

static struct store_result answer(uint32_t num, unsigned ordinal, const char *agent)
{
    struct store_req *r = fx_results_req(num, ordinal, 1, CAUSE_NONE);
    r->results.items[0].agent = agent;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    struct store_result x = r->results.items[0];
    store_req_destroy(&r);
    return x;
}

START_TEST(results_of_runs_are_told_to_be_such)
{
    uint32_t num = fx_lane(2), ordinary = fx_batch(1);
    fx_checks(2);
    fx_runs(num, 1, 1, 2);
    fx_runs(num, 2, 1, 1);
    struct store_result x = answer(num, 0, "a");
    ck_assert(x.verdict == ACK_STORED && x.lane);
    x = answer(num, 1, "a");
    ck_assert(x.verdict == ACK_DUPLICATE && x.again);
    x = answer(num, 2, "a"); /* another target, although within two of the first */
    ck_assert(x.verdict == ACK_STORED && x.lane && !x.again);
    x = answer(ordinary, 0, "a");
    ck_assert(x.verdict == ACK_STORED && !x.lane);
    ck_assert_int_eq(answer(num, 3, "a").verdict, ACK_REJECTED);
    struct store_req *r = refill(num, 0);
    ck_assert_uint_eq(r->refill.n, 1);
    ck_assert_uint_eq(r->refill.n_answers, 1); /* not that of the next target */
    ck_assert_uint_eq(r->refill.answers[0].task, task_id(num, 0));
    ck_assert_uint_eq(r->refill.answers[0].slot, 0);
    store_req_destroy(&r);
}
END_TEST

START_TEST(tasks_behind_the_slots_are_held_to_no_other_agent)
{
    uint32_t one = fx_lane(1), two = fx_lane(2);
    fx_checks(1);
    fx_runs(one, 1, 1, 3);
    fx_runs(two, 1, 1, 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(answer(one, i, "a").verdict, ACK_STORED);
    ck_assert_int_eq(answer(two, 0, "a").verdict, ACK_STORED);
    ck_assert(answer(two, 1, "a").again);
    ck_assert_int_eq(answer(two, 2, "a").verdict, ACK_STORED);
}
END_TEST

START_TEST(every_reader_knows_the_target_of_a_run)
{
    uint32_t num = fx_lane(1);
    fx_checks(3);
    fx_runs(num, 1, 3, 1);
    fx_results(num, 1, 1, CAUSE_http_5xx, ACK_STORED);
    struct store_req *r = fx_req(STORE_RESULTS_PAGE);
    r->results_page.batch = num;
    r->results_page.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 1);
    ck_assert_str_eq(r->results_page.rows[0].spec, "{\"url\":\"http://check-2.example/\"}");
    ck_assert_str_eq(r->results_page.rows[0].user_id, "user-2");
    store_req_destroy(&r);
    r = fx_req(STORE_TASK_GET);
    r->task_get.task = task_id(num, 2);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_str_eq(r->task_get.row.spec, "{\"url\":\"http://check-3.example/\"}");
    ck_assert_str_eq(r->task_get.row.user_id, "user-3");
    ck_assert_ptr_null(r->task_get.row.record);
    store_req_destroy(&r);
    r = fx_req(STORE_ENDED_TASKS);
    r->ended_tasks.batch = num;
    r->ended_tasks.outcomes = 1u << OUTCOME_FAILED;
    r->ended_tasks.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->ended_tasks.n, 1);
    ck_assert_str_eq(r->ended_tasks.rows[0].spec, "{\"url\":\"http://check-2.example/\"}");
    ck_assert_str_eq(r->ended_tasks.rows[0].user_id, "user-2");
    store_req_destroy(&r);
    r = fx_req(STORE_FAILED_HOSTS);
    r->failed_hosts.batch = num;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->failed_hosts.n, 1);
    ck_assert_uint_eq(r->failed_hosts.hosts[0].hash, 2000);
    store_req_destroy(&r);
}
END_TEST

START_TEST(a_run_whose_check_is_damaged_is_read_all_the_same)
{
    uint32_t num = fx_lane(1);
    fx_checks(2);
    fx_runs(num, 1, 2, 1);
    fx_sql("UPDATE checks SET spec = 'ouch' WHERE id = 1; DELETE FROM checks WHERE id = 2");
    struct store_req *r = refill(num, 0);
    ck_assert_uint_eq(r->refill.n, 2);
    ck_assert_str_eq(r->refill.tasks[0].spec, "{}");
    ck_assert_str_eq(r->refill.tasks[1].spec, "{}");
    store_req_destroy(&r);
    ck_assert_uint_eq(counter_get(&store_stats(fx)->damaged), 2);
}
END_TEST

/* ---- retention */

#define HOUR_US INT64_C(3600000000)

static uint32_t ended_lane(int64_t hours_ago)
{
    uint32_t num = fx_lane(1);
    fx_runs(num, 1, 10, 1);
    fx_results(num, 0, 10, CAUSE_http_5xx, ACK_STORED);
    ck_assert_int_eq(fx_lane_close(num), ERR_NONE);
    char sql[128];
    snprintf(sql, sizeof(sql), "UPDATE batches SET ended_at = %lld WHERE num = %u",
             (long long)(wall_now().us - hours_ago * HOUR_US), num);
    fx_sql(sql);
    return num;
}

static void rolled_until(int64_t hours_ago)
{
    char sql[128];
    snprintf(sql, sizeof(sql),
             "INSERT INTO meta(key, value) VALUES('rolled_until', %lld) "
             "ON CONFLICT(key) DO UPDATE SET value = excluded.value",
             (long long)(wall_now().us - hours_ago * HOUR_US));
    fx_sql(sql);
}

static void wait_purged(uint64_t n)
{
    for (int ms = 0; counter_get(&store_stats(fx)->batches_purged) < n; ms++) {
        ck_assert_int_lt(ms, FIXTURE_WAIT_S * 1000);
        usleep(1000);
    }
    ck_assert_uint_eq(counter_get(&store_stats(fx)->batches_purged), n);
}

/* The writer has looked, and found nobody. */
static void wait_looked(void)
{
    while (gauge_get(&store_stats(fx)->used_bytes) == 0)
        usleep(1000);
    ck_assert_int_eq(fx_run_free(fx_lane_req(1)), ERR_NONE);
    ck_assert_uint_eq(counter_get(&store_stats(fx)->batches_purged), 0);
}

START_TEST(lanes_have_a_retention_of_their_own_and_leave_nothing)
{
    fx_checks(10);
    uint32_t old = ended_lane(200), young = ended_lane(100);
    rolled_until(1);
    fx_days = 1; /* of batches */
    fx_lane_hours = 168;
    fx_reopen();
    wait_purged(1);
    ck_assert(!listed(old, true) && listed(young, true));
    ck_assert_int_eq(answer(old, 3, "a").verdict, ACK_REJECTED);
    fx_check_green();
    fx_reopen();
    ck_assert_uint_eq(fx_lane(1), young + 1); /* no number comes twice */
    ck_assert_uint_eq(fx_runs(young + 1, 1, 1, 1), task_id(young + 1, 0));
    fx_results(young + 1, 0, 1, CAUSE_NONE, ACK_STORED);
    fx_check_green();
}
END_TEST

START_TEST(a_lane_stays_until_its_hours_are_rolled_up)
{
    fx_checks(10);
    uint32_t old = ended_lane(200), older = ended_lane(300);
    fx_lane_hours = 168;
    fx_bytes = 1; /* nor does it go for its size */
    fx_reopen();
    wait_looked();
    rolled_until(250);
    fx_reopen();
    wait_purged(1);
    ck_assert(listed(old, true) && !listed(older, true));
}
END_TEST

START_TEST(zero_hours_are_for_ever)
{
    fx_checks(10);
    ended_lane(9000);
    rolled_until(0);
    fx_days = 1;
    fx_reopen();
    wait_looked();
}
END_TEST

START_TEST(by_size_the_older_of_both_kinds_goes_first)
{
    fx_checks(10);
    uint32_t lane = ended_lane(5), batch = fx_batch(10);
    fx_results(batch, 0, 10, CAUSE_NONE, ACK_STORED);
    rolled_until(0);
    fx_sql("CREATE TRIGGER one BEFORE UPDATE OF state ON batches WHEN NEW.state = 3 AND "
           "EXISTS (SELECT 1 FROM batches WHERE state = 2 AND ended_at < OLD.ended_at) "
           "BEGIN SELECT raise(ABORT, 'not the oldest'); END");
    fx_bytes = 1;
    fx_reopen();
    wait_purged(2);
    ck_assert(!listed(lane, true));
    ck_assert(fx_info(batch).purged_at.us != 0);
    fx_sql("DROP TRIGGER one");
    fx_check_green();
}
END_TEST

/* ---- proof */

static char text[8192];

/* Plants the damage in a closed store; the check must find it and say so. */
static void planted(const char *sql, const char *word)
{
    fx_checks(10);
    uint32_t lane = fx_lane(1), batch = fx_batch(5);
    ck_assert(lane == 1 && batch == 2);
    fx_runs(lane, 1, 10, 1);
    fx_results(lane, 0, 10, CAUSE_NONE, ACK_STORED);
    store_close(&fx);
    ck_assert_msg(fx_check(text, sizeof(text)), "before: %s", text);
    fx_sql(sql);
    ck_assert(!fx_check(text, sizeof(text)));
    ck_assert_msg(strstr(text, word) != NULL, "'%s' is not in: %s", word, text);
}

START_TEST(damage_of_lanes_is_found)
{
    static const struct {
        const char *sql, *word;
    } damage[] = {
        {"UPDATE checks SET spec = '{' WHERE id = 3", "check 3: its target is damaged"},
        {"DELETE FROM checks WHERE id = 3", "is a run of check 3, which does not exist"},
        {"UPDATE tasks SET run_at = NULL WHERE run_check = 3", "is a run without a slot"},
        {"UPDATE tasks SET spec = '{}' WHERE run_check = 3", "with a target of its own"},
        {"UPDATE tasks SET run_check = NULL WHERE run_check = 3", "is in a lane, but no run"},
        {"UPDATE tasks SET spec = '', run_check = 1, run_seq = 1, run_at = 1 "
         "WHERE task = (2 << 32) + 1",
         "is a run, but in no lane"},
        {"UPDATE batches SET growing = 0 WHERE num = 1", "all of its tasks have ended"},
        {"UPDATE batches SET growing = 1 WHERE num = 2", "grows, but is no lane"},
        {"UPDATE batches SET mark = 1 WHERE num = 1", "grows, but is being ended"},
        {"UPDATE batches SET state = 2, ended_at = 1 WHERE num = 1", "grows, but is not open"},
        {"UPDATE batches SET total = 11 WHERE num = 1", "total = 11, but it has 10 tasks"},
        {"DELETE FROM tasks WHERE run_check = 10", "has a result, but does not exist"},
    };
    ck_assert_int_eq((int)ARRAY_LEN(damage), 12);
    planted(damage[_i].sql, damage[_i].word);
}
END_TEST

static TCase *fixed(TCase *tc)
{
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    return tc;
}

TESTS(life_tests, a_lane_is_open_at_once_and_in_no_list, a_start_is_given_the_lanes_that_grow,
      it_ends_when_it_is_closed_and_all_has_ended, closed_with_nothing_open_it_ends_at_once,
      a_lane_that_is_cancelled_takes_nothing_more_and_ends)
TESTS(run_tests, runs_are_numbered_on_and_read_with_their_checks_target, ordinary_tasks_are_no_runs,
      a_refill_of_some_hosts_reads_targets_of_checks_too,
      one_lane_that_does_not_grow_refuses_all_of_a_request, a_lane_without_ordinals_says_so,
      a_full_request_enters_a_commit)
TESTS(result_tests, results_of_runs_are_told_to_be_such,
      tasks_behind_the_slots_are_held_to_no_other_agent, every_reader_knows_the_target_of_a_run,
      a_run_whose_check_is_damaged_is_read_all_the_same)
TESTS(retention_tests, lanes_have_a_retention_of_their_own_and_leave_nothing,
      a_lane_stays_until_its_hours_are_rolled_up, zero_hours_are_for_ever,
      by_size_the_older_of_both_kinds_goes_first)
static TCase *life(void)
{
    return fixed(life_tests());
}
static TCase *runs(void)
{
    return fixed(run_tests());
}
static TCase *results(void)
{
    return fixed(result_tests());
}
static TCase *retention(void)
{
    return fixed(retention_tests());
}
static TCase *proof(void)
{
    TCase *tc = tcase_create("proof");
    tcase_add_loop_test(tc, damage_of_lanes_is_found, 0, 12);
    return fixed(tc);
}
CHECK_MAIN("store lanes", life, runs, results, retention, proof)
