/* SPDX-License-Identifier: MIT */
#include "tests/master/store/fixture.h"

#define EXPIRED_US ((IDEMPOTENCY_KEEP_S + 60) * INT64_C(1000000))

static struct store_idempotency *first_of(const char *token, const char *key, const char *answer)
{
    struct store_idempotency *x = mem_zalloc(sizeof(*x));
    snprintf(x->token, sizeof(x->token), "%s", token);
    snprintf(x->key, sizeof(x->key), "%s", key);
    memset(x->digest, answer ? answer[2] : 0, sizeof(x->digest));
    x->answer = mem_strdup(answer);
    return x;
}

static uint32_t upload(const char *key, const char *answer, enum err wanted)
{
    uint32_t num = fx_begin(CLASS_BULK);
    fx_rows(num, 0, 1);
    struct store_req *r = fx_req(STORE_UPLOAD_COMMIT);
    r->upload.info.num = num;
    r->upload.first = first_of("t1", key, answer);
    ck_assert_int_eq(fx_run_free(r), wanted);
    return num;
}

/* Kept answers of this key and token, looked up so much later. */
static struct store_req *look_up(const char *token, const char *key, int64_t later_us,
                                 enum err wanted)
{
    struct store_req *r = fx_req(STORE_IDEMPOTENCY_GET);
    r->idempotency.first = first_of(token, key, NULL);
    r->idempotency.at = (struct wall){wall_now().us + later_us};
    ck_assert_int_eq(fx_run(r), wanted);
    return r;
}

static void expect_none(const char *token, const char *key, int64_t later_us)
{
    struct store_req *r = look_up(token, key, later_us, ERR_NOT_FOUND);
    store_req_destroy(&r);
}

static void expect_answer(const char *key, uint32_t num, const char *answer)
{
    struct store_req *r = look_up("t1", key, 0, ERR_NONE);
    ck_assert_uint_eq(r->idempotency.batch, num);
    ck_assert_str_eq(r->idempotency.first->answer, answer);
    ck_assert_int_eq(r->idempotency.first->digest[31], answer[2]);
    ck_assert(uuid_valid(r->idempotency.uuid));
    store_req_destroy(&r);
}

static int64_t rows(void)
{
    char path[96];
    sqlite3 *c = NULL;
    sqlite3_stmt *st = NULL;
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(c, "SELECT count(*) FROM idempotency", -1, &st, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(c);
    return n;
}

/* As if all that is kept had been answered a day ago. */
static void grow_old(void)
{
    char path[96], sql[128];
    sqlite3 *c = NULL;
    fx_close();
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    snprintf(sql, sizeof(sql), "UPDATE idempotency SET created_at = created_at - %lld",
             (long long)EXPIRED_US);
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(c, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(c);
    fx_open();
}

START_TEST(answer_is_kept_with_its_batch_and_over_a_restart)
{
    uint32_t num = upload("k", "{\"a\":1}", ERR_NONE);
    expect_answer("k", num, "{\"a\":1}");
    fx_reopen();
    expect_answer("k", num, "{\"a\":1}");
}
END_TEST

START_TEST(key_of_another_token_is_another_key)
{
    upload("k", "{\"a\":1}", ERR_NONE);
    expect_none("t2", "k", 0);
    expect_none("t1", "K", 0);
}
END_TEST

START_TEST(aborted_upload_keeps_no_answer)
{
    uint32_t num = fx_begin(CLASS_BULK);
    fx_rows(num, 0, 1);
    struct store_req *r = fx_req(STORE_UPLOAD_ABORT);
    r->upload.info.num = num;
    r->upload.first = first_of("t1", "k", "{\"a\":1}");
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
    expect_none("t1", "k", 0);
}
END_TEST

START_TEST(second_upload_of_a_key_is_not_opened)
{
    uint32_t num = upload("k", "{\"a\":1}", ERR_NONE);
    uint32_t second = upload("k", "{\"b\":1}", ERR_EXISTS);
    expect_answer("k", num, "{\"a\":1}");
    ck_assert_int_eq(fx_end_upload(second, STORE_UPLOAD_ABORT), ERR_NONE);
    ck_assert_uint_eq(fx_results(second, 0, 1, CAUSE_NONE, ACK_REJECTED), 1);
}
END_TEST

START_TEST(answer_is_forgotten_after_its_time)
{
    upload("k", "{\"a\":1}", ERR_NONE);
    expect_none("t1", "k", EXPIRED_US);
    grow_old();
    expect_none("t1", "k", 0);
    uint32_t num = upload("k", "{\"b\":1}", ERR_NONE);
    expect_answer("k", num, "{\"b\":1}");
}
END_TEST

START_TEST(expired_answers_are_purged_by_later_ones)
{
    char key[16];
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        upload(key, "{\"a\":1}", ERR_NONE);
    }
    grow_old();
    upload("x", "{\"a\":1}", ERR_NONE);
    ck_assert_int_eq(rows(), 5);
    upload("y", "{\"a\":1}", ERR_NONE);
    ck_assert_int_eq(rows(), 2);
}
END_TEST

static TCase *fixed(TCase *tc)
{
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    return tc;
}

TESTS(idempotency_tests, answer_is_kept_with_its_batch_and_over_a_restart,
      key_of_another_token_is_another_key, aborted_upload_keeps_no_answer,
      second_upload_of_a_key_is_not_opened, answer_is_forgotten_after_its_time,
      expired_answers_are_purged_by_later_ones)
static TCase *idempotency(void)
{
    return fixed(idempotency_tests());
}
CHECK_MAIN("store idempotency", idempotency)
