/* SPDX-License-Identifier: MIT */
#include "tests/master/api/world.h"
#include <semaphore.h>
#include <stdlib.h>

#define TASKS 2500 /* three pages */

static void expect(struct answer a, int status, const char *text)
{
    ck_assert_msg(a.status == status && has(&a, text), "%d %s, wanted %d and %s", a.status, a.body,
                  status, text);
    answer_free(&a);
}

static sem_t stored;
static void on_stored(struct store_req *s)
{
    ck_assert_int_eq(s->err, ERR_NONE);
    store_req_destroy(&s);
    sem_post(&stored);
}

/* Every third task failed, every third is undetermined, the others are ok. */
static struct store_req *some_results(uint32_t num, uint32_t from, uint32_t to)
{
    struct store_req *s = store_req_create(STORE_RESULTS, on_stored, NULL);
    s->results.items = mem_array(to - from, sizeof(*s->results.items));
    for (uint32_t i = from; i < to; i++) {
        enum cause c = i % 3 == 0 ? CAUSE_http_5xx : i % 3 == 1 ? CAUSE_agent_lost : CAUSE_NONE;
        s->results.items[s->results.n++] =
            (struct store_result){.task = task_id(num, i),
                                  .agent = "a1",
                                  .attempt = 1,
                                  .outcome = c == CAUSE_NONE ? OUTCOME_OK : cause_outcome(c),
                                  .cause = c == CAUSE_NONE ? "" : cause_word(c),
                                  .record = "{}",
                                  .record_len = 2};
    }
    return s;
}

static void end_all(uint32_t num, uint32_t total)
{
    sem_init(&stored, 0, 0);
    for (uint32_t at = 0; at < total; at += 500) {
        uint32_t to = at + 500 < total ? at + 500 : total;
        ck_assert_int_eq(store_post(w.store, some_results(num, at, to)), ERR_NONE);
        sem_wait(&stored);
    }
    for (unsigned i = 0; i < w.n_open; i++)
        w.open[i].ended |= w.open[i].num == num;
}

static void submit(unsigned n, char id[UUID_TEXT_MAX])
{
    struct strbuf b;
    strbuf_init(&b, 1u << 20);
    strbuf_puts(&b, "{\"name\":\"nightly\",\"labels\":{\"team\":\"net\"},\"per_host\":3,"
                    "\"deadline_s\":77,\"agents\":{\"names\":[\"a1\"]},\"targets\":[");
    for (unsigned i = 0; i < n; i++)
        strbuf_printf(&b,
                      "%s{\"url\":\"http://h%u.test/\",\"timeout_ms\":%u,\"user_id\":\"row-%u\"}",
                      i ? "," : "", i % 7, 1000 + i, i);
    strbuf_puts(&b, "]}");
    struct answer a = post("/api/v1/batches", "application/json", b.data);
    strbuf_fini(&b);
    id_of(&a, id);
}

static struct answer retry(const char *id, const char *query, const char *extra)
{
    char path[160];
    snprintf(path, sizeof(path), "/api/v1/batches/%s/retry-failed%s", id, query);
    return ask_as(w.token, "POST", path, extra, "", 0);
}

static struct answer batch(const char *id)
{
    char path[100];
    snprintf(path, sizeof(path), "/api/v1/batches/%s", id);
    return get(path);
}

START_TEST(test_failed_and_undetermined_tasks_become_a_batch)
{
    world_start();
    char old[UUID_TEXT_MAX], new[UUID_TEXT_MAX], text[160];
    submit(TASKS, old);
    end_all(1, TASKS);
    struct answer a = retry(old, "", "");
    ck_assert_msg(a.status == 202, "%d %s", a.status, a.body);
    ck_assert(has(&a, "\"accepted\":1667,\"rejected\":0"));
    snprintf(text, sizeof(text), "Location: /api/v1/batches/%.36s",
             strstr(a.body, "\"id\":\"") + 6);
    ck_assert_msg(strstr(a.head, text), "%s", a.head);
    id_of(&a, new);
    a = batch(new);
    snprintf(text, sizeof(text), "\"retry_of\":\"%s\"", old);
    ck_assert_msg(has(&a, text), "%s", a.body);
    ck_assert(has(&a, "\"name\":\"nightly\"") && has(&a, "\"labels\":{\"team\":\"net\"}"));
    ck_assert(has(&a, "\"per_host\":3") && has(&a, "\"deadline_s\":77"));
    ck_assert(has(&a, "\"agents\":{\"names\":[\"a1\"]") && has(&a, "\"total\":1667"));
    answer_free(&a);
    snprintf(text, sizeof(text), "\"retry_of\":null,\"retried_by\":[\"%s\"]", new);
    expect(batch(old), 200, text);
    expect(get("/api/v1/batches"), 200, "\"retry_of\":null");
    world_stop();
}
END_TEST

/* The specs, the users' own ids and the order are those of the old batch. */
START_TEST(test_targets_are_the_same_in_the_same_order)
{
    world_start();
    char old[UUID_TEXT_MAX], new[UUID_TEXT_MAX], path[100];
    submit(9, old);
    end_all(1, 9);
    struct answer a = retry(old, "?outcomes=ok", "");
    id_of(&a, new);
    static const char *const same[] = {"row-2", "row-5", "row-8"};
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "/api/v1/tasks/%llu", (2ull << 32) + i);
        a = get(path);
        ck_assert_msg(has(&a, same[i]), "%s", a.body);
        answer_free(&a);
    }
    snprintf(path, sizeof(path), "/api/v1/tasks/%llu", (2ull << 32) + 1);
    expect(get(path), 200, "http://h5.test/");
    snprintf(path, sizeof(path), "/api/v1/tasks/%llu", (2ull << 32) + 3);
    expect(get(path), 404, "no_such_task");
    world_stop();
}
END_TEST

START_TEST(test_what_cannot_be_retried_is_said)
{
    world_start();
    char id[UUID_TEXT_MAX];
    submit(9, id);
    expect(retry(id, "", ""), 409, "9 of the 9 tasks of batch");
    end_all(1, 9);
    expect(retry(id, "?outcomes=refused,expired", ""), 422,
           "ended refused or expired; ?outcomes= chooses others");
    expect(retry(id, "?outcomes=failed,lost", ""), 400, "got \\\"lost\\\"");
    expect(retry(id, "?outcomes=", ""), 400, "outcomes");
    expect(retry(id, "?outcome=failed", ""), 400, "'outcome'");
    expect(retry("0190b5f0-0000-7000-8000-0000000000ff", "", ""), 404, "no_such_batch");
    expect(batch(id), 200, "\"retried_by\":[]");
    world_stop();
}
END_TEST

START_TEST(test_unlimited_hosts_are_for_admins_again)
{
    world_start();
    char id[UUID_TEXT_MAX], path[100];
    struct answer a =
        post("/api/v1/batches?per_host=0", "text/plain", "http://a.test/\nhttp://b.test/\n");
    id_of(&a, id);
    end_all(1, 2);
    snprintf(path, sizeof(path), "/api/v1/batches/%s/retry-failed", id);
    expect(ask_as(w.submit_token, "POST", path, "", "", 0), 403, "per_host");
    expect(ask_as(w.read_token, "POST", path, "", "", 0), 403, "submit");
    expect(ask_as(w.token, "POST", path, "", "", 0), 202, "\"accepted\":2");
    world_stop();
}
END_TEST

START_TEST(test_the_same_key_makes_one_batch)
{
    static const char key[] = "Idempotency-Key: again-1\r\n";
    world_start();
    char old[UUID_TEXT_MAX], first[UUID_TEXT_MAX], second[UUID_TEXT_MAX], text[80];
    submit(9, old);
    end_all(1, 9);
    struct answer a = retry(old, "", key);
    id_of(&a, first);
    a = retry(old, "", key);
    id_of(&a, second);
    ck_assert_str_eq(first, second);
    expect(retry(old, "?outcomes=ok", key), 422, "idempotency_mismatch");
    snprintf(text, sizeof(text), "\"retried_by\":[\"%s\"]", first);
    expect(batch(old), 200, text);
    world_stop();
}
END_TEST

/* Here because it needs results that failed: row i is of host h(i % 7), and every third failed. */
START_TEST(test_failures_by_host_name_the_worst_first)
{
    world_start();
    char id[UUID_TEXT_MAX], path[100];
    submit(TASKS, id);
    snprintf(path, sizeof(path), "/api/v1/batches/%s?by=host", id);
    expect(get(path), 200, "\"failures_by_host\":[],\"failures_by_host_exact\":true");
    end_all(1, TASKS);
    expect(get(path), 200,
           "\"failures_by_host\":[{\"host\":\"h0.test\",\"failed\":120,"
           "\"causes\":{\"http_5xx\":120}},"
           "{\"host\":\"h3.test\",\"failed\":119,\"causes\":{\"http_5xx\":119}},{\"host\":\"h6."
           "test\",\"failed\":119,\"causes\":{\"http_5xx\":119}},");
    expect(get(path), 200,
           "\"failed\":119,\"causes\":{\"http_5xx\":119}}],\"failures_by_host_exact\":true");
    struct answer a = batch(id);
    ck_assert(a.status == 200 && !has(&a, "failures_by_host"));
    answer_free(&a);
    snprintf(path, sizeof(path), "/api/v1/batches/%s?by=agent", id);
    expect(get(path), 400, "'by' must be host");
    world_stop();
}
END_TEST

TESTS(retries, test_failures_by_host_name_the_worst_first,
      test_failed_and_undetermined_tasks_become_a_batch,
      test_targets_are_the_same_in_the_same_order, test_what_cannot_be_retried_is_said,
      test_unlimited_hosts_are_for_admins_again, test_the_same_key_makes_one_batch)
CHECK_MAIN("retry", retries)
