/* SPDX-License-Identifier: MIT */
#include "master/store/timings.h"
#include "tests/master/store/timetable.h"

/* The roller makes hours and days of what is raw; what it made is read, and goes when it is old. */

static uint64_t first; /* of three checks */
static int64_t begin;  /* three hours ago: the first hour of theirs */

static void setup(void)
{
    fx_roll_grace_ms = -1;
    fx_history_days = 0;
    fx_setup();
    first = tt_schedule("s", 3);
    begin = tt_hours_ago(3);
    tt_born(begin);
}

static void teardown(void)
{
    fx_roll_grace_ms = 0;
    fx_teardown();
}

static uint32_t hour_of(int64_t us)
{
    return (uint32_t)(us / TT_HOUR_US);
}

static void wait_rolled(void)
{
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    while (gauge_get(&store_stats(fx)->rolled_until_s) < tt_hours_ago(0) / 1000000) {
        ck_assert_msg(mono_before(mono_now(), until), "the roller is not done");
        usleep(1000);
    }
}

/* Starts anew with a roller that waits for nothing. */
static void roll(void)
{
    fx_close();
    fx_roll_grace_ms = 1;
    fx_open();
    wait_rolled();
}

static struct store_req *history(uint64_t check, int64_t from, int64_t to, bool days, bool current)
{
    struct store_req *r = fx_req(STORE_HISTORY);
    r->history.check = check;
    r->history.from = hour_of(from);
    r->history.to = hour_of(to);
    r->history.days = days;
    r->history.current = current;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    return r;
}

/* The hour of a check, which is there. */
static struct rollup hour(uint64_t check, int64_t at, bool current)
{
    struct rollup x;
    struct store_req *r = history(check, at, at + TT_HOUR_US, false, current);
    ck_assert_uint_eq(r->history.n, 1);
    ck_assert_uint_eq(r->history.items[0].check, check);
    ck_assert_uint_eq(r->history.items[0].hour, hour_of(at));
    ck_assert_int_eq(rollup_decode(&x, r->history.items[0].bytes, r->history.items[0].len),
                     ERR_NONE);
    store_req_destroy(&r);
    return x;
}

/* ---- an hour */

START_TEST(an_hour_is_made_of_its_runs)
{
    fx_close();
    tt_lane(1, first, 3, 60, begin, 2);
    roll();
    struct rollup x = hour(first + 1, begin, false);
    ck_assert_uint_eq(x.runs[OUTCOME_OK], 30);
    ck_assert_uint_eq(x.runs[OUTCOME_FAILED], 30);
    ck_assert_uint_eq(x.phases[ROLLUP_total].count, 60);
    ck_assert_uint_eq(x.phases[ROLLUP_total].min_us, 11500);
    ck_assert_uint_eq(x.phases[ROLLUP_dns].count, 0); /* null: it never happened */
    ck_assert_int_eq(x.state_ms[VERDICT_UNKNOWN], ROLLUP_HOUR_MS);
    rollup_fini(&x);
    ck_assert_uint_ge(counter_get(&store_stats(fx)->hours_rolled), 9);
    fx_check_green();
}
END_TEST

START_TEST(a_run_belongs_to_the_hour_of_its_slot)
{
    fx_close();
    tt_lane(1, first, 3, 90, begin, 0); /* an hour and a half, in one lane */
    tt_lane(2, first, 3, 20, begin + TT_HOUR_US + TT_HOUR_US / 2, 0);
    roll();
    struct rollup a = hour(first, begin, false), b = hour(first, begin + TT_HOUR_US, false);
    ck_assert_uint_eq(a.runs[OUTCOME_OK], 60);
    ck_assert_uint_eq(b.runs[OUTCOME_OK], 50);
    rollup_fini(&a);
    rollup_fini(&b);
}
END_TEST

START_TEST(the_time_in_each_state_adds_up)
{
    int64_t at = begin + TT_HOUR_US;
    struct store_entry e[] = {
        tt_transition(first, begin + 60000000, VERDICT_UNKNOWN, VERDICT_UP),
        tt_transition(first, at + 600 * INT64_C(1000000), VERDICT_UP, VERDICT_DOWN),
        tt_transition(first, at + 900 * INT64_C(1000000), VERDICT_DOWN, VERDICT_UP)};
    tt_journal(e, 3);
    roll();
    struct rollup x = hour(first, at, false);
    ck_assert_int_eq(x.state_ms[VERDICT_DOWN], 300000);
    ck_assert_int_eq(x.state_ms[VERDICT_UP], ROLLUP_HOUR_MS - 300000);
    rollup_fini(&x);
    x = hour(first, begin, false);
    ck_assert_int_eq(x.state_ms[VERDICT_UNKNOWN], 60000);
    rollup_fini(&x);
}
END_TEST

START_TEST(a_check_is_watched_from_its_beginning_to_its_end)
{
    tt_sql("UPDATE checks SET created_at = %lld WHERE id = %llu;"
           "UPDATE checks SET removed_at = %lld WHERE id = %llu;"
           "UPDATE schedules SET n_checks = 2",
           begin + 600 * INT64_C(1000000), first, begin + 900 * INT64_C(1000000), first + 1);
    roll();
    struct rollup x = hour(first, begin, false);
    ck_assert_int_eq(rollup_watched_ms(&x), ROLLUP_HOUR_MS - 600000);
    rollup_fini(&x);
    x = hour(first + 1, begin, false);
    ck_assert_int_eq(rollup_watched_ms(&x), 900000);
    rollup_fini(&x);
    struct store_req *r = history(first + 1, begin + TT_HOUR_US, tt_hours_ago(0), false, false);
    ck_assert_uint_eq(r->history.n, 0);
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

START_TEST(missed_slots_lie_in_their_hours)
{
    struct store_entry e[] = {
        tt_gap(first, PLAN_MISS_overloaded, 10, 90, begin + 30 * INT64_C(60000000)),
        tt_gap(first, PLAN_MISS_no_agent, 3, 1, begin + 5)};
    tt_journal(e, 2);
    roll();
    struct rollup a = hour(first, begin, false), b = hour(first, begin + TT_HOUR_US, false);
    ck_assert_uint_eq(a.missed[PLAN_MISS_overloaded], 30);
    ck_assert_uint_eq(b.missed[PLAN_MISS_overloaded], 60);
    ck_assert_uint_eq(a.missed[PLAN_MISS_no_agent], 1);
    ck_assert_uint_eq(b.missed[PLAN_MISS_no_agent], 0);
    rollup_fini(&a);
    rollup_fini(&b);
}
END_TEST

START_TEST(while_the_master_was_down_nothing_is_known)
{
    struct store_entry e[] = {
        tt_transition(first, begin, VERDICT_UNKNOWN, VERDICT_UP),
        tt_gap(first, PLAN_MISS_master_down, 10, 31, begin + 10 * INT64_C(60000000)),
        tt_gap(first + 1, PLAN_MISS_master_down, 10, 2, begin + 10 * INT64_C(60000000))};
    tt_journal(e, 3);
    roll();
    struct rollup x = hour(first, begin, false);
    ck_assert_int_eq(x.state_ms[VERDICT_UNKNOWN], 29 * INT64_C(60000)); /* the first was news */
    ck_assert_int_eq(x.state_ms[VERDICT_UP], 31 * INT64_C(60000));
    rollup_fini(&x);
}
END_TEST

/* ---- again */

START_TEST(what_is_rolled_up_again_is_the_same)
{
    fx_close();
    tt_lane(1, first, 3, 60, begin, 2);
    roll();
    fx_close();
    tt_sql("CREATE TABLE before AS SELECT * FROM hours; "
           "UPDATE meta SET value = %lld WHERE key = 'rolled_until'",
           begin);
    fx_open();
    wait_rolled();
    fx_close();
    fx_sql("CREATE TABLE differs AS SELECT hour, check_id, rollup FROM hours EXCEPT SELECT hour, "
           "check_id, rollup FROM before; CREATE TABLE none(a CHECK(a = 0)); "
           "INSERT INTO none SELECT count(*) FROM differs; "
           "INSERT INTO none SELECT count(*) - 9 FROM hours; DROP TABLE before;"
           "DROP TABLE differs; DROP TABLE none");
    fx_open();
}
END_TEST

START_TEST(a_mark_of_a_clock_that_was_wrong_is_set_back)
{
    tt_sql("UPDATE meta SET value = %lld WHERE key = 'rolled_until'", tt_hours_ago(-100));
    fx_close();
    fx_roll_grace_ms = 1;
    fx_open();
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    while (gauge_get(&store_stats(fx)->rolled_until_s) != tt_hours_ago(0) / 1000000) {
        ck_assert(mono_before(mono_now(), until));
        usleep(1000);
    }
}
END_TEST

START_TEST(a_close_does_not_wait_for_the_roller)
{
    fx_close();
    for (unsigned i = 0; i < 8; i++)
        tt_lane(i + 1, first, 3, 60, begin - i * TT_HOUR_US, 0);
    tt_born(begin - 7 * TT_HOUR_US);
    fx_roll_grace_ms = 1;
    for (unsigned i = 0; i < 20; i++) {
        fx_open();
        usleep(i * 500);
        fx_close();
    }
    fx_open();
    wait_rolled();
    fx_check_green();
}
END_TEST

/* ---- days */

static int64_t day_begin(void)
{
    int64_t now = tt_hours_ago(0);
    return now - now % (24 * TT_HOUR_US) - 24 * TT_HOUR_US;
}

START_TEST(a_day_is_made_of_its_hours)
{
    int64_t day = day_begin();
    fx_close();
    tt_lane(1, first, 3, 24 * 60, day, 0);
    tt_born(day);
    roll();
    struct store_req *r = history(first, day, day + 24 * TT_HOUR_US, true, false);
    struct rollup x;
    ck_assert_uint_eq(r->history.n, 1);
    ck_assert_int_eq(rollup_decode(&x, r->history.items[0].bytes, r->history.items[0].len),
                     ERR_NONE);
    ck_assert_uint_eq(x.cells, 24);
    ck_assert_uint_eq(x.runs[OUTCOME_OK], 24 * 60);
    rollup_fini(&x);
    store_req_destroy(&r);
    /* An hour before and one behind are no days. */
    r = history(first, day + TT_HOUR_US, day + 24 * TT_HOUR_US, true, false);
    ck_assert_uint_eq(r->history.n, 23);
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

START_TEST(an_overview_has_the_heads_of_days)
{
    int64_t day = day_begin();
    fx_close();
    tt_lane(1, first, 3, 24 * 60, day, 0);
    tt_born(day);
    roll();
    uint64_t other = tt_schedule("t", 1);
    struct store_req *r = fx_req(STORE_OVERVIEW);
    r->overview.from = hour_of(day) - 24;
    r->overview.to = hour_of(day) + 24;
    r->overview.limit = 2;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->overview.n, 2);
    ck_assert(r->overview.more);
    ck_assert_uint_eq(r->overview.last, first + 1);
    struct rollup x;
    ck_assert_uint_eq(r->overview.items[1].check, first + 1);
    ck_assert_int_eq(rollup_decode_head(&x, r->overview.items[1].bytes, r->overview.items[1].len),
                     ERR_NONE);
    ck_assert_uint_eq(x.runs[OUTCOME_OK], 24 * 60);
    rollup_fini(&x);
    store_req_destroy(&r);
    r = fx_req(STORE_OVERVIEW);
    r->overview.after = first + 1;
    r->overview.from = hour_of(day);
    r->overview.to = hour_of(day) + 24;
    r->overview.limit = 100;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->overview.n, 1); /* the other one has no days yet */
    ck_assert_uint_eq(r->overview.last, other);
    ck_assert(!r->overview.more);
    store_req_destroy(&r);
}
END_TEST

/* ---- what is raw */

START_TEST(what_is_not_rolled_up_is_made_on_the_way)
{
    fx_close();
    tt_lane(1, first, 3, 60, begin, 2);
    fx_open(); /* without a roller */
    struct rollup x = hour(first + 2, begin, true);
    ck_assert_uint_eq(x.runs[OUTCOME_FAILED], 30);
    ck_assert_uint_eq(x.phases[ROLLUP_total].min_us, 12500);
    rollup_fini(&x);
    struct store_req *r = history(first, begin, tt_hours_ago(-1), false, true);
    ck_assert_uint_eq(r->history.n, 4); /* and the hour that is not over */
    ck_assert(!r->history.partial);
    store_req_destroy(&r);
    r = history(first, begin, tt_hours_ago(-1), false, false);
    ck_assert_uint_eq(r->history.n, 0);
    store_req_destroy(&r);
    r = history(first + 77, begin, tt_hours_ago(-1), false, true);
    ck_assert_uint_eq(r->history.n, 0);
    store_req_destroy(&r);
}
END_TEST

START_TEST(over_the_bound_there_are_states_alone)
{
    struct store_entry e = tt_gap(first, PLAN_MISS_overloaded, 10, 5, begin);
    tt_journal(&e, 1);
    fx_close();
    tt_lane(1, first, 3, 60, begin, 0);
    /* As if many rows lay between: they are counted by their ids. */
    tt_sql("UPDATE tasks SET task = task + (task & 4294967295) * 3000");
    fx_open();
    struct store_req *r = history(first, begin, begin + TT_HOUR_US, false, true);
    struct rollup x;
    ck_assert(r->history.partial);
    ck_assert_uint_eq(r->history.n, 1);
    ck_assert_int_eq(rollup_decode(&x, r->history.items[0].bytes, r->history.items[0].len),
                     ERR_NONE);
    ck_assert_uint_eq(x.runs[OUTCOME_OK], 0);
    ck_assert_uint_eq(x.missed[PLAN_MISS_overloaded], 5);
    ck_assert_int_eq(x.state_ms[VERDICT_UNKNOWN], ROLLUP_HOUR_MS);
    rollup_fini(&x);
    store_req_destroy(&r);
}
END_TEST

START_TEST(runs_of_a_check_are_found_newest_first)
{
    fx_close();
    tt_lane(1, first, 3, 120, begin, 0);
    roll();
    struct store_req *r = fx_req(STORE_CHECK_RUNS);
    r->check_runs.check = first + 1;
    r->check_runs.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->check_runs.n, 60); /* of an hour, for it was not looked for less */
    ck_assert_uint_eq(r->check_runs.tasks[0], task_id(1, 119 * 3 + 1));
    ck_assert_uint_eq(r->check_runs.tasks[59], task_id(1, 60 * 3 + 1));
    ck_assert(r->check_runs.more);
    uint32_t before = r->check_runs.last;
    store_req_destroy(&r);
    r = fx_req(STORE_CHECK_RUNS);
    r->check_runs.check = first + 1;
    r->check_runs.limit = 1000;
    r->check_runs.before = before;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->check_runs.n, 60);
    ck_assert_uint_eq(r->check_runs.tasks[59], task_id(1, 1));
    ck_assert(!r->check_runs.more);
    struct store_req *q = fx_req(STORE_TASKS_RESULTS);
    r->check_runs.tasks[1] = task_id(9, 9);
    q->tasks_results.tasks = r->check_runs.tasks;
    q->tasks_results.n_tasks = 3;
    ck_assert_int_eq(fx_run(q), ERR_NONE);
    ck_assert_uint_eq(q->tasks_results.n, 2);
    ck_assert_uint_eq(q->tasks_results.looked, 3);
    ck_assert_uint_eq(q->tasks_results.rows[0].task, r->check_runs.tasks[0]);
    ck_assert_str_eq(q->tasks_results.rows[1].agent, "a1");
    ck_assert_ptr_nonnull(strstr(q->tasks_results.rows[1].record, "11.5"));
    store_req_destroy(&r);
    store_req_destroy(&q);
}
END_TEST

/* ---- what goes */

static int64_t rows(const char *table)
{
    char path[96], sql[96];
    sqlite3 *c = NULL;
    sqlite3_stmt *st = NULL;
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    sqlite3_busy_timeout(c, 10000);
    ck_assert_int_eq(sqlite3_prepare_v2(c, sql, -1, &st, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(c);
    return n;
}

static void purge(int64_t before, int64_t runs_before, bool checks)
{
    unsigned rows = 1;
    while (rows > 0) {
        struct store_req *r = fx_req(STORE_HISTORY_PURGE);
        r->history_purge.before = (struct wall){before};
        r->history_purge.runs_before = (struct wall){runs_before};
        r->history_purge.checks = checks;
        r->history_purge.limit = 2;
        ck_assert_int_eq(fx_run(r), ERR_NONE);
        rows = r->history_purge.rows;
        store_req_destroy(&r);
    }
}

START_TEST(what_is_old_enough_goes)
{
    struct store_entry e[] = {
        tt_transition(first, begin + 1, VERDICT_UNKNOWN, VERDICT_UP),
        tt_transition(first, begin + 2, VERDICT_UP, VERDICT_DOWN),
        tt_transition(first, begin + TT_HOUR_US + 3, VERDICT_DOWN, VERDICT_UP),
        tt_transition(first + 1, begin + 1, VERDICT_UNKNOWN, VERDICT_UP),
        tt_gap(first, PLAN_MISS_overloaded, 10, 5, begin),
        tt_gap(first, PLAN_MISS_overloaded, 20, 5, begin + TT_HOUR_US),
        tt_incident(1, INCIDENT_RESOLVED, INCIDENT_DID_RESOLVE, first),
        tt_incident(2, INCIDENT_OPEN, INCIDENT_DID_OPEN, first)};
    tt_journal(e, 8);
    fx_close();
    tt_lane(1, first, 3, 120, begin, 0);
    roll();
    ck_assert_int_eq(rows("hours"), 9);
    ck_assert_int_eq(rows("hour_tasks"), 6);
    purge(0, begin + TT_HOUR_US, true);
    ck_assert_int_eq(rows("hours"), 9);
    ck_assert_int_eq(rows("hour_tasks"), 3);
    purge(begin + TT_HOUR_US, 0, true);
    ck_assert_int_eq(rows("hours"), 6);
    ck_assert_int_eq(rows("misses"), 1);
    ck_assert_int_eq(rows("incidents"), 1);
    /* The last of each check stays, however old: it is its state. */
    ck_assert_int_eq(rows("transitions"), 2);
    ck_assert_int_eq(rows("checks"), 3);
    fx_check_green();
}
END_TEST

START_TEST(a_removed_check_goes_with_its_history)
{
    tt_sql("UPDATE checks SET removed_at = %lld WHERE id = %llu; UPDATE schedules SET n_checks = 2",
           begin + 5, first);
    struct store_entry e[] = {tt_transition(first, begin + 1, VERDICT_UNKNOWN, VERDICT_UP)};
    tt_journal(e, 1);
    purge(begin + 6, 0, false);
    ck_assert_int_eq(rows("checks"), 3);
    ck_assert_int_eq(rows("transitions"), 1);
    purge(begin + 6, 0, true);
    ck_assert_int_eq(rows("checks"), 2);
    ck_assert_int_eq(rows("transitions"), 0);
    fx_check_green();
}
END_TEST

START_TEST(a_snapshot_goes_when_none_of_its_checks_is_left)
{
    tt_sql("INSERT INTO snapshots(chunk, at, transition, marks, saved) VALUES"
           "(0, %lld, 0, X'00', X'0100'), (1, %lld, 0, X'00', X'0100'), "
           "(2, %lld, 0, X'00', X'0100')",
           begin, begin, begin + 2);
    purge(begin + 1, 0, false);
    ck_assert_int_eq(rows("snapshots WHERE chunk <> 1"), 2);
    ck_assert_int_eq(rows("snapshots"), 2);
    fx_check_green();
}
END_TEST

START_TEST(the_roller_purges_by_itself)
{
    fx_history_days = 1;
    tt_sql("INSERT INTO days VALUES(%u, %llu, X'01')", hour_of(begin) - 480, first);
    fx_reopen();
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    while (counter_get(&store_stats(fx)->history_purged) == 0) {
        ck_assert(mono_before(mono_now(), until));
        usleep(1000);
    }
    ck_assert_int_eq(rows("days"), 0);
}
END_TEST

START_TEST(damage_is_found_and_passed_over)
{
    char text[4096] = "";
    int64_t day = day_begin();
    fx_close();
    tt_lane(1, first, 3, 60, day, 0);
    tt_born(day);
    roll();
    fx_close();
    tt_sql("UPDATE hours SET rollup = X'01ff' WHERE hour = %u AND check_id = %llu;"
           "UPDATE hour_tasks SET tasks = X'ff' WHERE check_id = %llu;"
           "UPDATE meta SET value = %lld WHERE key = 'rolled_until'",
           hour_of(day), first, first + 1, day + 23 * TT_HOUR_US);
    fx_open();
    wait_rolled();
    ck_assert(!fx_check(text, sizeof(text)));
    ck_assert_ptr_nonnull(strstr(text, "the rollup of the hour"));
    ck_assert_ptr_nonnull(strstr(text, "the list of its runs of hour"));
    struct store_req *r = history(first, day, day + 24 * TT_HOUR_US, true, false);
    struct rollup x;
    ck_assert_int_eq(rollup_decode(&x, r->history.items[0].bytes, r->history.items[0].len),
                     ERR_NONE);
    ck_assert_uint_eq(x.cells, 23);
    rollup_fini(&x);
    store_req_destroy(&r);
}
END_TEST

/* ---- timings */

static struct result_timings timings(const char *record)
{
    struct result_timings t;
    timings_read(record, strlen(record), &t);
    return t;
}

START_TEST(timings_are_found_in_a_record)
{
    struct result_timings t =
        timings("{\"outcome\":\"failed\",\"message\":\"\\\"timings\\\":{\",\"timings\":{\"dns_ms\":"
                "1.25,\"connect_ms\":null,\"tls_ms\":0,\"x\":3,\"total_ms\":100},\"http\":{}}");
    ck_assert_double_eq_tol(t.dns_ms, 1.25, 1e-9);
    ck_assert_double_lt(t.connect_ms, 0);
    ck_assert_double_eq(t.tls_ms, 0);
    ck_assert_double_lt(t.wait_ms, 0);
    ck_assert_double_eq(t.total_ms, 100);
    t = timings(" { \"timings\" : { \"total_ms\" : 7.5 } } ");
    ck_assert_double_eq(t.total_ms, 7.5);
}
END_TEST

START_TEST(no_timings_are_none)
{
    static const char *const records[] = {"",
                                          "{",
                                          "{}",
                                          "{\"timings\":null}",
                                          "{\"timings\":{\"total_ms\":-5}}",
                                          "{\"timings\":{\"total_ms\":1e9}}",
                                          "{\"timings\":{\"total_ms\"",
                                          "{\"timings\":{\"a\":{\"b\":1,\"total_ms\":5}}}",
                                          "{\"timings\":{\"total_ms\":\"7\"}}",
                                          "{\"http\":{\"timings\":{\"total_ms\":7}}}"};
    for (unsigned i = 0; i < ARRAY_LEN(records); i++)
        ck_assert_msg(timings(records[i]).total_ms < 0, "%s", records[i]);
}
END_TEST

TESTS(pure, timings_are_found_in_a_record, no_timings_are_none)
TESTS(each, an_hour_is_made_of_its_runs, a_run_belongs_to_the_hour_of_its_slot,
      the_time_in_each_state_adds_up, a_check_is_watched_from_its_beginning_to_its_end,
      missed_slots_lie_in_their_hours, while_the_master_was_down_nothing_is_known,
      what_is_rolled_up_again_is_the_same, a_mark_of_a_clock_that_was_wrong_is_set_back,
      a_close_does_not_wait_for_the_roller, a_day_is_made_of_its_hours,
      an_overview_has_the_heads_of_days, what_is_not_rolled_up_is_made_on_the_way,
      over_the_bound_there_are_states_alone, runs_of_a_check_are_found_newest_first,
      what_is_old_enough_goes, a_removed_check_goes_with_its_history,
      a_snapshot_goes_when_none_of_its_checks_is_left, the_roller_purges_by_itself,
      damage_is_found_and_passed_over)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    return tc;
}
CHECK_MAIN("history", pure, all)
