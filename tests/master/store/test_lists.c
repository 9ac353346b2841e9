/* SPDX-License-Identifier: MIT */
#include "tests/master/store/fixture.h"

/* Lists of batches with filters, and what a retry reads. */

static uint32_t labelled(const char *labels)
{
    struct store_req *r = fx_begin_req(CLASS_BULK);
    r->upload.info.labels = labels ? mem_strdup(labels) : NULL;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint32_t num = r->upload.info.num;
    store_req_destroy(&r);
    fx_rows(num, 0, 1);
    ck_assert_int_eq(fx_end_upload(num, STORE_UPLOAD_COMMIT), ERR_NONE);
    return num;
}

/* The numbers in the list, as digits, newest first. */
static const char *listed(unsigned phases, const char *key, const char *value)
{
    static char text[64];
    struct store_req *r = fx_req(STORE_BATCH_LIST);
    r->batch_list.limit = 50;
    r->batch_list.phases = phases;
    r->batch_list.n_labels = key ? 1 : 0;
    if (key)
        r->batch_list.labels[0] = (struct store_label){key, value, strlen(key), strlen(value)};
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert(!r->batch_list.more);
    text[0] = '\0';
    for (unsigned i = 0; i < r->batch_list.n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u",
                 r->batch_list.infos[i].num);
    store_req_destroy(&r);
    return text;
}

START_TEST(list_by_what_the_rows_say)
{
    for (int i = 0; i < 5; i++)
        labelled(NULL);
    fx_results(1, 0, 1, CAUSE_NONE, ACK_STORED);
    struct store_req *r = fx_req(STORE_PAUSE);
    r->pause.batch = 2;
    r->pause.paused = true;
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
    fx_sql("UPDATE batches SET mark = 1 WHERE num = 3; UPDATE batches SET mark = 2 WHERE num = 4");
    ck_assert_str_eq(listed(0, NULL, NULL), "54321");
    ck_assert_str_eq(listed(1u << PHASE_ENDED, NULL, NULL), "1");
    ck_assert_str_eq(listed(1u << PHASE_PAUSED, NULL, NULL), "2");
    ck_assert_str_eq(listed(1u << PHASE_CANCELLING, NULL, NULL), "3");
    ck_assert_str_eq(listed(1u << PHASE_EXPIRING, NULL, NULL), "4");
    ck_assert_str_eq(listed(1u << PHASE_RUNNING, NULL, NULL), "5");
    ck_assert_str_eq(listed(1u << PHASE_RUNNING | 1u << PHASE_ENDED, NULL, NULL), "51");
}
END_TEST

START_TEST(list_by_label_is_exact)
{
    labelled("{\"team\":\"net\",\"x\":\"a=b\"}");
    labelled("{\"team\":\"network\"}");
    labelled("{\"teams\":\"net\"}");
    labelled(NULL);
    ck_assert_str_eq(listed(0, "team", "net"), "1");
    ck_assert_str_eq(listed(0, "team", "network"), "2");
    ck_assert_str_eq(listed(0, "x", "a=b"), "1");
    ck_assert_str_eq(listed(0, "te", "net"), "");
    ck_assert_str_eq(listed(1u << PHASE_ENDED, "team", "net"), "");
}
END_TEST

static uint32_t retry_of(const char *uuid)
{
    struct store_req *r = fx_begin_req(CLASS_BULK);
    snprintf(r->upload.info.retry_of, UUID_TEXT_MAX, "%s", uuid);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint32_t num = r->upload.info.num;
    store_req_destroy(&r);
    fx_rows(num, 0, 1);
    return num;
}

START_TEST(retries_are_told_with_the_batch_newest_first)
{
    uint32_t num = fx_batch(1), open[2] = {0};
    struct batch_info old = fx_info(num);
    ck_assert_str_eq(old.retry_of, "");
    for (int i = 0; i < 2; i++) {
        open[i] = retry_of(old.uuid);
        ck_assert_int_eq(fx_end_upload(open[i], STORE_UPLOAD_COMMIT), ERR_NONE);
    }
    retry_of(old.uuid); /* still received: invisible */
    ck_assert_str_eq(fx_info(open[0]).retry_of, old.uuid);
    struct store_req *r = fx_req(STORE_BATCH_GET);
    memcpy(r->batch_get.uuid, old.uuid, UUID_TEXT_MAX);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->batch_get.n_retries, 2);
    ck_assert_str_eq(r->batch_get.retries[0], fx_info(open[1]).uuid);
    ck_assert_str_eq(r->batch_get.retries[1], fx_info(open[0]).uuid);
    store_req_destroy(&r);
}
END_TEST

static struct store_req *ended_tasks(uint32_t num, uint64_t after, unsigned outcomes)
{
    struct store_req *r = fx_req(STORE_ENDED_TASKS);
    r->ended_tasks.batch = num;
    r->ended_tasks.after = after;
    r->ended_tasks.outcomes = outcomes;
    r->ended_tasks.limit = 7;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    return r;
}

START_TEST(ended_tasks_are_read_by_ordinal_whatever_the_order_of_their_ends)
{
    uint32_t num = fx_batch(30);
    fx_results(num, 20, 10, CAUSE_connect_refused, ACK_STORED);
    fx_results(num, 0, 10, CAUSE_connect_refused, ACK_STORED);
    fx_results(num, 10, 5, CAUSE_NONE, ACK_STORED);
    unsigned seen = 0;
    uint64_t at = 0;
    for (bool exhausted = false; !exhausted;) {
        struct store_req *r = ended_tasks(num, at, 1u << OUTCOME_FAILED);
        for (unsigned i = 0; i < r->ended_tasks.n; i++, seen++) {
            const struct store_row *row = &r->ended_tasks.rows[i];
            unsigned ordinal = seen < 10 ? seen : seen + 10;
            char user_id[16];
            snprintf(user_id, sizeof(user_id), "row-%u", ordinal);
            ck_assert_str_eq(row->user_id, user_id);
            ck_assert_uint_eq(row->host_hash, UINT64_MAX - ordinal);
            ck_assert_uint_eq(strlen(row->spec), row->spec_len);
        }
        at = r->ended_tasks.next;
        exhausted = r->ended_tasks.exhausted;
        store_req_destroy(&r);
    }
    ck_assert_uint_eq(seen, 20);
}
END_TEST

START_TEST(few_ended_tasks_are_sought_in_bounded_steps)
{
    uint32_t num = fx_batch(45000);
    fx_results(num, 44990, 1, CAUSE_connect_refused, ACK_STORED);
    unsigned steps = 1;
    struct store_req *r = ended_tasks(num, 0, 1u << OUTCOME_FAILED);
    for (; !r->ended_tasks.exhausted; steps++) {
        ck_assert_uint_eq(r->ended_tasks.n, 0);
        uint64_t next = r->ended_tasks.next;
        store_req_destroy(&r);
        r = ended_tasks(num, next, 1u << OUTCOME_FAILED);
    }
    ck_assert_uint_eq(steps, 3);
    ck_assert_uint_eq(r->ended_tasks.n, 1);
    ck_assert_str_eq(r->ended_tasks.rows[0].user_id, "row-44990");
    store_req_destroy(&r);
}
END_TEST

START_TEST(failures_are_counted_by_host_in_stretches)
{
    uint32_t num = fx_batch(45000);
    fx_results(num, 5, 3, CAUSE_connect_refused, ACK_STORED);
    fx_results(num, 100, 3, CAUSE_NONE, ACK_STORED);
    fx_results(num, 44000, 1, CAUSE_http_5xx, ACK_STORED);
    fx_results(num, 44001, 1, CAUSE_agent_lost, ACK_STORED); /* undetermined */
    fx_sql("UPDATE tasks SET host = 7 WHERE task IN ((1 << 32) + 5, (1 << 32) + 7)");
    unsigned stretches = 0, hosts = 0;
    uint64_t failed = 0, of_7 = 0;
    struct store_req *r = NULL;
    do {
        uint64_t next = r ? r->failed_hosts.next : 0;
        store_req_destroy(&r);
        r = fx_req(STORE_FAILED_HOSTS);
        r->failed_hosts.batch = num;
        r->failed_hosts.after = next;
        ck_assert_int_eq(fx_run(r), ERR_NONE);
        for (unsigned i = 0; i < r->failed_hosts.n; i++, hosts++) {
            const struct store_host *h = &r->failed_hosts.hosts[i];
            failed += h->failed;
            of_7 += h->hash == 7 ? h->failed : 0;
            ck_assert(h->hash != 7 || h->task == task_id(num, 5));
        }
        stretches++;
    } while (!r->failed_hosts.exhausted);
    store_req_destroy(&r);
    ck_assert_uint_eq(stretches, 9);
    ck_assert_uint_eq(hosts, 3);
    ck_assert_uint_eq(failed, 4);
    ck_assert_uint_eq(of_7, 2);
}
END_TEST

TESTS(list_tests, failures_are_counted_by_host_in_stretches,
      retries_are_told_with_the_batch_newest_first, list_by_what_the_rows_say,
      list_by_label_is_exact, ended_tasks_are_read_by_ordinal_whatever_the_order_of_their_ends,
      few_ended_tasks_are_sought_in_bounded_steps)
static TCase *lists(void)
{
    TCase *tc = list_tests();
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    return tc;
}
CHECK_MAIN("store lists", lists)
