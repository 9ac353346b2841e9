/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include "common/digest.h"

/* Several tasks a target, each for another agent. */

static uint32_t slots_batch(unsigned targets, uint32_t slots)
{
    struct store_req *r = fx_begin_req(CLASS_BULK);
    r->upload.info.slots = slots;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint32_t num = r->upload.info.num;
    store_req_destroy(&r);
    r = fx_rows_req(num, 0, targets);
    r->upload.expand = slots;
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
    ck_assert_int_eq(fx_end_upload(num, STORE_UPLOAD_COMMIT), ERR_NONE);
    return num;
}

static struct store_result answer(uint32_t num, unsigned ordinal, const char *agent)
{
    struct store_req *r = fx_results_req(num, ordinal, 1, CAUSE_NONE);
    r->results.items[0].agent = agent;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    struct store_result x = r->results.items[0];
    store_req_destroy(&r);
    return x;
}

START_TEST(a_row_becomes_so_many_tasks)
{
    uint32_t num = slots_batch(10, 3);
    struct batch_info b = fx_info(num);
    ck_assert_uint_eq(b.total, 30);
    ck_assert_uint_eq(b.slots, 3);
    batch_info_fini(&b);
    struct store_req *r = fx_req(STORE_REFILL);
    r->refill.batch = num;
    r->refill.after = task_id(num, 0) - 1;
    r->refill.limit = 100;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->refill.n, 30);
    for (unsigned i = 0; i < 30; i++) {
        char spec[64];
        snprintf(spec, sizeof(spec), "{\"url\":\"http://host-%u.example/\"}", i / 3);
        ck_assert_str_eq(r->refill.tasks[i].spec, spec);
        ck_assert_uint_eq(r->refill.tasks[i].slot, i % 3);
    }
    ck_assert_uint_eq(r->refill.n_answers, 0);
    store_req_destroy(&r);
}
END_TEST

START_TEST(an_agent_answers_a_target_once)
{
    uint32_t num = slots_batch(2, 3);
    struct store_result x = answer(num, 0, "a");
    ck_assert(x.verdict == ACK_STORED && !x.again);
    x = answer(num, 1, "a");
    ck_assert(x.verdict == ACK_DUPLICATE && x.again);
    x = answer(num, 0, "a"); /* the same once more is nothing but that */
    ck_assert(x.verdict == ACK_DUPLICATE && !x.again);
    x = answer(num, 1, "b");
    ck_assert(x.verdict == ACK_STORED);
    x = answer(num, 3, "a"); /* another target */
    ck_assert(x.verdict == ACK_STORED);
    x = answer(num, 2, NULL); /* the master's verdict is nobody's */
    ck_assert(x.verdict == ACK_STORED);
    struct batch_info b = fx_info(num);
    ck_assert_uint_eq(batch_info_ended(&b), 4);
    batch_info_fini(&b);
}
END_TEST

START_TEST(a_refill_tells_who_has_answered_the_others)
{
    uint32_t num = slots_batch(3, 3);
    answer(num, 1, "a");
    answer(num, 3, "b");
    answer(num, 5, "c");
    for (unsigned i = 6; i < 9; i++) /* a target with nothing left */
        answer(num, i, i == 6 ? "a" : i == 7 ? "b" : "c");
    struct store_req *r = fx_req(STORE_REFILL);
    r->refill.batch = num;
    r->refill.after = task_id(num, 0) - 1;
    r->refill.limit = 100;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->refill.n, 3);
    ck_assert_uint_eq(r->refill.n_answers, 3);
    ck_assert_uint_eq(r->refill.answers[0].task, task_id(num, 1));
    ck_assert_uint_eq(r->refill.answers[0].agent, hash64("a", 1));
    ck_assert_uint_eq(r->refill.answers[1].task, task_id(num, 3));
    ck_assert_uint_eq(r->refill.answers[2].agent, hash64("c", 1));
    store_req_destroy(&r);
}
END_TEST

START_TEST(what_ended_tells_its_target)
{
    uint32_t num = slots_batch(2, 3);
    ck_assert_uint_eq(fx_results(num, 0, 2, CAUSE_connect_refused, ACK_STORED), 2);
    answer(num, 5, "c");
    struct store_req *r = fx_req(STORE_ENDED_TASKS);
    r->ended_tasks.batch = num;
    r->ended_tasks.outcomes = 1u << OUTCOME_FAILED | 1u << OUTCOME_OK;
    r->ended_tasks.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->ended_tasks.n, 3);
    ck_assert_uint_eq(r->ended_tasks.rows[0].target, 0);
    ck_assert_uint_eq(r->ended_tasks.rows[1].target, 0);
    ck_assert_uint_eq(r->ended_tasks.rows[2].target, 3);
    store_req_destroy(&r);
}
END_TEST

/* ---- all agents */

static void seen(const char *name, const char *tags, int64_t hours_ago, bool gone)
{
    struct store_req *r = fx_req(gone ? STORE_AGENT_EMPTY : STORE_AGENT_SEEN);
    r->agent.name = mem_strdup(name);
    r->agent.tags_json = mem_strdup(tags);
    r->agent.instance = mem_strdup("i");
    r->agent.at = (struct wall){wall_now().us - hours_ago * 3600 * INT64_C(1000000)};
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
}

/* As many as `all` means now; 0: it was refused. */
static uint32_t all_of(const char *agents)
{
    struct store_req *r = fx_begin_req(CLASS_BULK);
    r->upload.info.all_agents = true;
    r->upload.info.agents = agents ? mem_strdup(agents) : NULL;
    enum err e = fx_run(r);
    uint32_t n = e == ERR_NONE ? r->upload.info.slots : 0;
    ck_assert(e == ERR_NONE || e == ERR_INVALID);
    store_req_destroy(&r);
    return n;
}

START_TEST(all_are_those_that_match_and_were_seen_within_a_day)
{
    ck_assert_uint_eq(all_of(NULL), 0);
    seen("here", "{\"zone\":\"eu\"}", 50, false); /* connected for two days */
    seen("there", "{\"zone\":\"us\"}", 1, false);
    seen("left", "{\"zone\":\"eu\"}", 40, false);
    seen("left", "", 23, true);
    seen("gone", "{\"zone\":\"eu\"}", 40, false);
    seen("gone", "", 25, true);
    ck_assert_uint_eq(all_of(NULL), 3);
    ck_assert_uint_eq(all_of("{\"count\":\"all\",\"tags\":{\"zone\":\"eu\"}}"), 2);
    ck_assert_uint_eq(all_of("{\"names\":[\"here\",\"gone\",\"nobody\"]}"), 1);
    ck_assert_uint_eq(all_of("{\"names\":[],\"tags\":{}}"), 3);
    ck_assert_uint_eq(all_of("{\"tags\":{\"zone\":\"mars\"}}"), 0);
}
END_TEST

START_TEST(more_agents_than_a_target_can_have_are_refused)
{
    for (int i = 0; i <= AGENTS_COUNT_MAX; i++) {
        char name[16];
        snprintf(name, sizeof(name), "a%d", i);
        seen(name, i % 2 ? "{\"odd\":\"yes\"}" : "{}", 0, false);
    }
    ck_assert_uint_eq(all_of(NULL), 0);
    ck_assert_uint_eq(all_of("{\"tags\":{\"odd\":\"yes\"}}"), AGENTS_COUNT_MAX / 2);
}
END_TEST

TESTS(slots_tests, a_row_becomes_so_many_tasks, an_agent_answers_a_target_once,
      a_refill_tells_who_has_answered_the_others, what_ended_tells_its_target,
      all_are_those_that_match_and_were_seen_within_a_day,
      more_agents_than_a_target_can_have_are_refused)
static TCase *slots(void)
{
    TCase *tc = slots_tests();
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    return tc;
}
CHECK_MAIN("store slots", slots)
