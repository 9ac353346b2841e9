/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#define PAGE_BYTES 16384 /* of a new store */

static char text[8192];

/* A batch that has ended, one that is open, one that is cancelled. */
static void three_batches(void)
{
    uint32_t num = fx_batch(30);
    fx_results(num, 0, 20, CAUSE_NONE, ACK_STORED);
    fx_results(num, 20, 10, CAUSE_http_4xx, ACK_STORED);
    num = fx_batch(30);
    fx_results(num, 0, 10, CAUSE_NONE, ACK_STORED);
    num = fx_batch(30);
    ck_assert_int_eq(fx_mark(num, MARK_CANCEL, CAUSE_cancelled_by_user), ERR_NONE);
    fx_wait(&fx_swept.finished, 1);
}

/* Plants the damage in a closed store; the check must find it and say so. */
static void planted(const char *sql, const char *word)
{
    three_batches();
    fx_close();
    ck_assert_msg(fx_check(text, sizeof(text)), "before: %s", text);
    fx_sql(sql);
    ck_assert(!fx_check(text, sizeof(text)));
    ck_assert_msg(strstr(text, word) != NULL, "'%s' is not in: %s", word, text);
}

START_TEST(whole_store_is_green_beside_the_writer)
{
    three_batches();
    fx_check_green();
    fx_close();
}
END_TEST

START_TEST(directory_without_a_store_is_not_green)
{
    fx_close();
    char keep[sizeof(fx_dir)];
    memcpy(keep, fx_dir, sizeof(keep));
    snprintf(fx_dir, sizeof(fx_dir), "/tmp/no-such-sonde");
    ck_assert(!fx_check(text, sizeof(text)));
    ck_assert_ptr_nonnull(strstr(text, "/tmp/no-such-sonde"));
    memcpy(fx_dir, keep, sizeof(keep));
}
END_TEST

START_TEST(lost_task_is_found)
{
    planted("DELETE FROM tasks WHERE task = (2 << 32) + 25", "total = 30, but it has 29");
}
END_TEST

START_TEST(task_of_no_batch_is_found)
{
    planted("INSERT INTO tasks(task, host, spec) VALUES((9 << 32), 0, '{}')",
            "belongs to no batch");
}
END_TEST

START_TEST(gap_in_the_numbers_is_found)
{
    planted("UPDATE tasks SET task = (2 << 32) + 99 WHERE task = (2 << 32) + 25", "not numbered");
}
END_TEST

START_TEST(lost_result_is_found)
{
    planted("DELETE FROM results WHERE task = (1 << 32) + 5", "1 of its tasks have no result");
}
END_TEST

START_TEST(result_without_a_task_is_found)
{
    planted(
        "INSERT INTO results VALUES((1 << 32) + 77, 999, 1, 1, 0, 'a', '', '{}', NULL, 0, 0, 0)",
        "has a result, but does not exist");
}
END_TEST

START_TEST(result_of_another_batch_is_found)
{
    planted("UPDATE results SET batch = 2 WHERE task = (1 << 32) + 5",
            "filed under batch number 2");
}
END_TEST

START_TEST(seq_used_twice_is_found)
{
    planted("UPDATE results SET seq = 1 WHERE seq = 2", "share seq 1");
}
END_TEST

START_TEST(seq_past_the_last_is_found)
{
    planted("UPDATE results SET seq = 5000 WHERE seq = 2", "past its last_seq");
}
END_TEST

START_TEST(unknown_outcome_is_found)
{
    planted("UPDATE results SET outcome = 17 WHERE seq = 2", "outcome 17");
}
END_TEST

START_TEST(wrong_count_is_found)
{
    planted("UPDATE batches SET ok = ok + 1, failed = failed - 1 WHERE num = 1",
            "counts ok = 21, but its results say 20");
}
END_TEST

START_TEST(batch_that_should_have_ended_is_found)
{
    planted("UPDATE batches SET state = 1 WHERE num = 1", "all of its tasks have ended");
}
END_TEST

START_TEST(low_water_above_an_open_task_is_found)
{
    planted("UPDATE batches SET low_water = 20 WHERE num = 2", "low_water = 20");
}
END_TEST

START_TEST(wrong_count_of_a_cause_is_found)
{
    planted("UPDATE causes SET count = 3 WHERE batch = 1", "counts 3 times http_4xx");
}
END_TEST

START_TEST(cause_that_is_not_counted_is_found)
{
    planted("DELETE FROM causes WHERE batch = 1", "does not count the cause http_4xx");
}
END_TEST

#define PURGE_1                                                                                    \
    "DELETE FROM results WHERE batch = 1; DELETE FROM tasks WHERE task >> 32 = 1; "                \
    "UPDATE batches SET state = 4, purged_at = 5 WHERE num = 1;"

START_TEST(purged_batch_must_still_add_up)
{
    planted(PURGE_1 "UPDATE batches SET ok = ok - 1 WHERE num = 1",
            "was purged, but its counts make 29 of total = 30");
}
END_TEST

START_TEST(rest_of_a_purged_batch_is_found)
{
    planted(PURGE_1 "INSERT INTO tasks(task, host, spec) VALUES((1 << 32) + 3, 0, '{}')",
            "some of its tasks or results are left");
}
END_TEST

START_TEST(purge_of_what_has_not_ended_is_found)
{
    planted("UPDATE batches SET purged_at = 5 WHERE num = 2", "purged_at does not fit its state 1");
}
END_TEST

START_TEST(damaged_page_is_found)
{
    three_batches();
    fx_close();
    char path[96];
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    /* Every page but the first, so that no rule can step around it. */
    fseek(f, PAGE_BYTES, SEEK_SET);
    for (int i = 0; i < PAGE_BYTES * 40; i++)
        fputc(0x55, f);
    fclose(f);
    ck_assert(!fx_check(text, sizeof(text)));
    ck_assert_str_ne(text, "");
}
END_TEST

static void remove_dir(void)
{
    char cmd[96];
    snprintf(cmd, sizeof(cmd), "rm -rf %s", fx_dir);
    ck_assert_int_eq(system(cmd), 0);
}

TESTS(check_tests, whole_store_is_green_beside_the_writer, directory_without_a_store_is_not_green,
      lost_task_is_found, task_of_no_batch_is_found, gap_in_the_numbers_is_found,
      lost_result_is_found, result_without_a_task_is_found, result_of_another_batch_is_found,
      seq_used_twice_is_found, seq_past_the_last_is_found, unknown_outcome_is_found,
      wrong_count_is_found, batch_that_should_have_ended_is_found,
      low_water_above_an_open_task_is_found, wrong_count_of_a_cause_is_found,
      cause_that_is_not_counted_is_found, purged_batch_must_still_add_up,
      rest_of_a_purged_batch_is_found, purge_of_what_has_not_ended_is_found, damaged_page_is_found)

static TCase *checks(void)
{
    TCase *tc = check_tests();
    tcase_add_checked_fixture(tc, fx_setup, remove_dir);
    return tc;
}
CHECK_MAIN("store check", checks)
