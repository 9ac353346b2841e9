/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include "common/json.h"

/* What the disk has changed is given as far as it can be read, never as it is, and counted. */

static uint32_t num;

static void damaged(const char *sql)
{
    num = fx_batch(5);
    fx_results(num, 0, 3, CAUSE_http_4xx, ACK_STORED);
    fx_close();
    fx_sql(sql);
    fx_open();
}

static uint64_t counted(void)
{
    return counter_get(&store_stats(fx)->damaged);
}

static struct store_req *page(void)
{
    struct store_req *r = fx_req(STORE_RESULTS_PAGE);
    r->results_page.batch = num;
    r->results_page.limit = 10;
    r->results_page.outcome = -1;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->results_page.n, 3);
    return r;
}

static void found_by_check(const char *word)
{
    char text[4096] = "";
    ck_assert(!fx_check(text, sizeof(text)));
    ck_assert_msg(strstr(text, word) != NULL, "'%s' is not in: %s", word, text);
}

START_TEST(record_that_is_no_json_is_replaced_by_what_the_row_knows)
{
    damaged("UPDATE results SET record = substr(record, 1, 9) WHERE task = (1 << 32) + 1");
    struct store_req *r = page();
    ck_assert_str_eq(r->results_page.rows[0].record, FX_RECORD);
    const char *record = r->results_page.rows[1].record;
    ck_assert(json_is_object(record, r->results_page.rows[1].record_len));
    ck_assert_ptr_nonnull(strstr(record, "\"outcome\":\"failed\",\"cause\":\"http_4xx\""));
    ck_assert_ptr_nonnull(strstr(record, "damaged"));
    ck_assert_str_eq(r->results_page.rows[2].record, FX_RECORD);
    store_req_destroy(&r);
    ck_assert_uint_eq(counted(), 1);
    found_by_check("task 4294967297: its record is damaged");
}
END_TEST

START_TEST(outcome_that_does_not_exist_is_undetermined)
{
    damaged("UPDATE results SET outcome = 4711 WHERE task = (1 << 32) + 1");
    struct store_req *r = page();
    ck_assert_int_eq(r->results_page.rows[1].outcome, OUTCOME_UNDETERMINED);
    store_req_destroy(&r);
    ck_assert_uint_eq(counted(), 1);
}
END_TEST

START_TEST(text_that_is_no_utf8_is_left_out)
{
    damaged("UPDATE results SET agent = CAST(x'ff61' AS TEXT) WHERE task = (1 << 32) + 1;"
            "UPDATE tasks SET user_id = CAST(x'c0' AS TEXT) WHERE task = (1 << 32) + 1");
    struct store_req *r = page();
    ck_assert_ptr_null(r->results_page.rows[1].agent);
    ck_assert_ptr_null(r->results_page.rows[1].user_id);
    store_req_destroy(&r);
    ck_assert_uint_eq(counted(), 2);
}
END_TEST

/* It would be a line on the wire: half a line ends the session of every agent that gets it. */
START_TEST(spec_that_is_no_json_goes_out_as_an_empty_one)
{
    damaged("UPDATE tasks SET spec = '{\"url\":\"http://x' WHERE task = (1 << 32) + 4");
    struct store_req *r = fx_req(STORE_REFILL);
    r->refill.batch = num;
    r->refill.after = task_id(num, 0) - 1;
    r->refill.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->refill.n, 2);
    ck_assert_str_eq(r->refill.tasks[1].spec, "{}");
    ck_assert_uint_eq(r->refill.tasks[1].spec_len, 2);
    store_req_destroy(&r);
    ck_assert_uint_eq(counted(), 1);
    found_by_check("task 4294967300: what the user gave is damaged");
}
END_TEST

START_TEST(labels_that_are_no_json_are_left_out)
{
    damaged("UPDATE batches SET labels = '{', name = CAST(x'fe' AS TEXT), state = 2, ended_at = 1");
    struct store_req *r = fx_req(STORE_BATCH_LIST);
    r->batch_list.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->batch_list.n, 1);
    ck_assert_ptr_null(r->batch_list.infos[0].labels);
    ck_assert_ptr_null(r->batch_list.infos[0].name);
    store_req_destroy(&r);
    ck_assert_uint_eq(counted(), 1);
    found_by_check("its labels or its selection of agents are damaged");
}
END_TEST

static void refused(const char *sql, const char *word)
{
    struct store_config c = {.dir = fx_dir};
    struct store_boot boot;
    struct store *s = NULL;
    char why[512] = "";
    (void)fx_batch(5);
    fx_close();
    fx_sql(sql);
    ck_assert_int_eq(store_open(&c, &s, &boot, why, sizeof(why)), ERR_CORRUPT);
    ck_assert_msg(strstr(why, word) && strstr(why, "restore"), "%s", why);
}

START_TEST(open_batch_that_is_damaged_is_not_served)
{
    refused("UPDATE batches SET agents = '{\"names\":'", "open batch");
}
END_TEST

START_TEST(store_without_a_good_id_is_not_served)
{
    refused("UPDATE meta SET value = 'x' WHERE key = 'store_id'", "its id");
}
END_TEST

static void remove_dir(void)
{
    if (fx)
        fx_close();
    char cmd[128];
    snprintf(cmd, sizeof(cmd), "rm -rf %s", fx_dir);
    ck_assert_int_eq(system(cmd), 0);
}

TESTS(damage_tests, record_that_is_no_json_is_replaced_by_what_the_row_knows,
      outcome_that_does_not_exist_is_undetermined, text_that_is_no_utf8_is_left_out,
      spec_that_is_no_json_goes_out_as_an_empty_one, labels_that_are_no_json_are_left_out,
      open_batch_that_is_damaged_is_not_served, store_without_a_good_id_is_not_served)

static TCase *damages(void)
{
    TCase *tc = damage_tests();
    tcase_add_checked_fixture(tc, fx_setup, remove_dir);
    return tc;
}
CHECK_MAIN("store damage", damages)
