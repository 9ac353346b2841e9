/* SPDX-License-Identifier: MIT */
#include "tests/master/hub/rig.h"

/* The hub, the core and the store together, with a client that speaks sonde.v1 by hand. */

static void setup(void)
{
    rig_start(100);
}

static void teardown(void)
{
    rig_stop();
}

/* ---- malformed frames: each closes its session with this code, and nothing else happens */

#define HELLO_WITH(fields)                                                                         \
    "{\"type\":\"hello\",\"proto_min\":1,\"proto_max\":1,\"agent\":\"a1\",\"instance\":\"i\","     \
    "\"run_id\":\"r\",\"version\":\"1\",\"slots\":8" fields "}\n"
#define RESULT(fields) "{\"type\":\"result\"" fields "}\n"

static const struct {
    bool joined; /* after HELLO and INFLIGHT_END */
    const char *text;
} malformed[] = {
    {false, "x\n"},
    {false, "{\n"},
    {false, "}\n"},
    {false, "[]\n"},
    {false, "null\n"},
    {false, "1\n"},
    {false, "\"hello\"\n"},
    {false, "{}\n"},
    {false, "{\"type\":1}\n"},
    {false, "{\"type\":null}\n"},
    {false, "{\"type\":\"hello\"}\n"},
    {false, "{\"type\":\"hello\"} {\n"},
    {false, "{\"type\":\"hello\",\"type\":\"hello\"}\n"},
    {false, "{\"type\":\"\\u0000\"}\n"},
    {false, "{\"type\":\"hello\",\"agent\":\"\xff\xfe\"}\n"},
    {false, "{\"type\":\"hello\",\"agent\":\"\xed\xa0\x80\"}\n"},
    {false, "{\"type\":\"heartbeat\",\"seq\":1}\n"},
    {false, "{\"type\":\"credit\",\"tasks\":1,\"bytes\":1}\n"},
    {false, "{\"type\":\"inflight_end\"}\n"},
    {false, "{\"type\":\"bye\",\"reason\":\"x\"}\n"},
    {false, HELLO_WITH(",\"tags\":[]")},
    {false, HELLO_WITH(",\"tags\":{\"a\":1}")},
    {false, HELLO_WITH(",\"tags\":{\"\":\"x\"}")},
    {false, HELLO_WITH(",\"capabilities\":{}")},
    {false, HELLO_WITH(",\"capabilities\":[1]")},
    {false, HELLO_WITH(",\"workers\":-1")},
    {false, HELLO_WITH(",\"queue\":\"many\"")},
    {false, HELLO_WITH(",\"queue\":1e999")},
    {false, HELLO_WITH(",\"slots\":0")},
    {false, HELLO_AS("a b", "r")},
    {false, HELLO_AS("", "r")},
    {false, HELLO_AS("-a", "r")},
    {false, HELLO_AS("a", "r r")},
    {false, HELLO_AS("a", "")},
    {false, HELLO HELLO},
    {false, HELLO "{\"type\":\"inflight\"}\n"},
    {false, HELLO "{\"type\":\"inflight\",\"task\":1,\"ticket\":\"x\",\"state\":\"running\"}\n"},
    {false, HELLO "{\"type\":\"inflight\",\"task\":\"1\",\"ticket\":\"x\",\"state\":\"lost\"}\n"},
    {false, HELLO "{\"type\":\"heartbeat\",\"seq\":1}\n"},
    {true, HELLO},
    {true, INFLIGHT_END},
    {true, "{\"type\":\"welcome\"}\n"},
    {true, "{\"type\":\"task\"}\n"},
    {true, "{\"type\":\"credit\"}\n"},
    {true, "{\"type\":\"credit\",\"tasks\":-1,\"bytes\":1}\n"},
    {true, "{\"type\":\"credit\",\"tasks\":1.5,\"bytes\":1}\n"},
    {true, "{\"type\":\"credit\",\"tasks\":1e300,\"bytes\":1}\n"},
    {true, "{\"type\":\"credit\",\"tasks\":\"1\",\"bytes\":1}\n"},
    {true, "{\"type\":\"heartbeat\"}\n"},
    {true, "{\"type\":\"heartbeat\",\"seq\":-1}\n"},
    {true, "{\"type\":\"heartbeat\",\"seq\":1,\"received\":5}\n"},
    {true, RESULT("")},
    {true, RESULT(",\"task\":\"1\"")},
    {true, RESULT(",\"task\":\"1\",\"ticket\":\"x\"")},
    {true, RESULT(",\"task\":\"-1\",\"ticket\":\"x\",\"record\":{}")},
    {true, RESULT(",\"task\":\"01\",\"ticket\":\"x\",\"record\":{}")},
    {true, RESULT(",\"task\":\"99999999999999999999999\",\"ticket\":\"x\",\"record\":{}")},
    {true, RESULT(",\"task\":\"1\",\"ticket\":7,\"record\":{}")},
    {true, RESULT(",\"task\":\"1\",\"ticket\":\"x\",\"record\":[]")},
    {true, RESULT(",\"task\":\"1\",\"ticket\":\"x\",\"record\":\"ok\"")},
    {true, "{\"type\":\"nack\",\"task\":\"1\"}\n"},
    {true, "{\"type\":\"release\"}\n"},
    {true, "[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]\n"},
};

#define MALFORMED_HUBS 8

static void closes_with_1008(bool joined, const char *text)
{
    struct peer p;
    if (joined)
        peer_join(&p);
    else
        peer_open(&p);
    peer_say(&p, text);
    int code = peer_wait_close(&p);
    ck_assert_msg(code == CLOSE_POLICY, "%s got %d", text, code);
    ck_assert_str_ne(p.close_reason, "");
    peer_close(&p);
}

/* Several to a hub: half a second goes by while one ends. */
START_TEST(test_malformed_line_closes_with_1008)
{
    for (size_t i = (size_t)_i; i < ARRAY_LEN(malformed); i += MALFORMED_HUBS)
        closes_with_1008(malformed[i].joined, malformed[i].text);
}
END_TEST

START_TEST(test_unknown_type_is_ignored)
{
    struct peer p;
    peer_join(&p);
    peer_say(&p, "{\"type\":\"weather\",\"sun\":true}\n{\"type\":\"heartbeat\",\"seq\":7,"
                 "\"received\":{\"count\":0,\"bytes\":0},\"credit\":{\"count\":1,\"bytes\":1}}\n");
    ck_assert_ptr_nonnull(peer_wait(&p, "heartbeat_ack"));
    peer_close(&p);
}
END_TEST

/* ---- work */

START_TEST(test_batch_runs_to_its_end)
{
    struct peer p;
    char id[32], want[64];
    peer_join(&p);
    uint32_t batch = submit(3);
    for (int i = 0; i < 3; i++) {
        const char *task = peer_wait(&p, "task");
        ck_assert_ptr_nonnull(task);
        peer_answer(&p, task);
        member(task, "task", id, sizeof(id));
    }
    struct core_req r = {.op = REQ_WAIT, .batch = batch, .wait_ms = PATIENCE_MS};
    ck_assert(core_ask(&r));
    ck_assert(r.found);
    snprintf(want, sizeof(want), "\"%s\"", id);
    const char *ack = peer_wait(&p, "results_ack");
    while (ack != NULL && strstr(ack, want) == NULL)
        ack = peer_wait(&p, "results_ack");
    ck_assert_ptr_nonnull(ack);
    peer_close(&p);
}
END_TEST

START_TEST(test_large_batch_is_refilled)
{
    struct peer p;
    peer_join(&p);
    peer_say(&p, "{\"type\":\"credit\",\"tasks\":5000,\"bytes\":900000}\n");
    uint32_t batch = submit(1000);
    for (int i = 0; i < 1000; i++) {
        const char *task = peer_wait(&p, "task");
        ck_assert_ptr_nonnull(task);
        peer_answer(&p, task);
    }
    struct core_req r = {.op = REQ_WAIT, .batch = batch, .wait_ms = PATIENCE_MS};
    ck_assert(core_ask(&r));
    ck_assert(r.found);
    peer_close(&p);
}
END_TEST

START_TEST(test_wait_times_out_while_nobody_works)
{
    uint32_t batch = submit(1);
    struct core_req r = {.op = REQ_WAIT, .batch = batch, .wait_ms = 1};
    ck_assert(core_ask(&r));
    ck_assert(!r.found);
}
END_TEST

START_TEST(test_wait_for_an_ended_batch_is_answered_at_once)
{
    struct core_req r = {.op = REQ_WAIT, .batch = 12345, .wait_ms = PATIENCE_MS};
    ck_assert(core_ask(&r));
    ck_assert(r.found);
}
END_TEST

START_TEST(test_watch_tells_the_counts_when_its_time_is_up)
{
    uint32_t batch = submit(4);
    for (int64_t ms = 0; ms < 2; ms++) {
        struct core_req r = {.op = REQ_WATCH, .batch = batch, .wait_ms = ms};
        ck_assert(core_ask(&r));
        ck_assert(r.found);
        ck_assert_uint_eq(r.counts.total, 4);
    }
    struct core_req r = {.op = REQ_WATCH, .batch = 12345, .wait_ms = 1};
    ck_assert(core_ask(&r));
    ck_assert(!r.found);
}
END_TEST

START_TEST(test_watch_ends_with_the_batch)
{
    struct peer p;
    peer_join(&p);
    uint32_t batch = submit(1);
    const char *task = peer_wait(&p, "task");
    ck_assert_ptr_nonnull(task);
    peer_answer(&p, task);
    struct core_req r = {.op = REQ_WATCH, .batch = batch, .wait_ms = PATIENCE_MS};
    ck_assert(core_ask(&r));
    ck_assert(!r.found);
    peer_close(&p);
}
END_TEST

START_TEST(test_a_task_tells_where_it_is)
{
    struct peer p;
    uint32_t batch = submit(1);
    struct core_req r = {.op = REQ_TASK, .task = task_id(batch, 0)};
    for (bool there = false; !there; there = r.found) /* it is read from the store first */
        ck_assert(core_ask(&r));
    ck_assert_str_eq(r.state, "queued");
    ck_assert_str_eq(r.history, "{\"lost\":false,\"left_out\":0,\"attempts\":[]}");
    free(r.history);
    peer_join(&p);
    ck_assert_ptr_nonnull(peer_wait(&p, "task"));
    r = (struct core_req){.op = REQ_TASK, .task = task_id(batch, 0)};
    ck_assert(core_ask(&r));
    ck_assert_str_eq(r.state, "running");
    ck_assert_ptr_nonnull(strstr(r.history, "\"leased_at\":\"20"));
    ck_assert_ptr_nonnull(strstr(r.history, "\"end\":\"running\""));
    free(r.history);
    r = (struct core_req){.op = REQ_TASK, .task = task_id(batch, 1)};
    ck_assert(core_ask(&r));
    ck_assert(!r.found);
    peer_close(&p);
}
END_TEST

START_TEST(test_counts_of_an_open_batch)
{
    struct core_counts c = counts_of(submit(5));
    ck_assert_uint_eq(c.total, 5);
    ck_assert_uint_eq(c.queued, 5);
}
END_TEST

START_TEST(test_cancel_ends_a_batch)
{
    uint32_t batch = submit(500);
    struct core_req cancel = {.op = REQ_CANCEL, .batch = batch};
    ck_assert(core_ask(&cancel));
    ck_assert(cancel.found);
    ck_assert_int_eq(committed_mark(), MARK_CANCEL); /* before the answer, not soon after */
    struct core_req wait = {.op = REQ_WAIT, .batch = batch, .wait_ms = PATIENCE_MS};
    ck_assert(core_ask(&wait));
    ck_assert(wait.found);
}
END_TEST

START_TEST(test_cancel_of_an_unknown_batch_is_not_found)
{
    struct core_req r = {.op = REQ_CANCEL, .batch = 999};
    ck_assert(core_ask(&r));
    ck_assert(!r.found);
}
END_TEST

static void pause_is(uint32_t batch, bool pause)
{
    struct core_req r = {.op = REQ_PAUSE, .batch = batch, .pause = pause};
    ck_assert(core_ask(&r));
    ck_assert(r.found);
    ck_assert_int_eq(r.counts.paused, pause);
}

START_TEST(test_paused_batch_waits_until_it_is_resumed)
{
    struct peer p;
    uint32_t batch = submit(1), other;
    pause_is(batch, true);
    peer_join(&p);
    other = submit(1); /* what came later goes first */
    const char *task = peer_wait(&p, "task");
    ck_assert_ptr_nonnull(task);
    peer_answer(&p, task);
    ck_assert_ptr_nonnull(peer_wait(&p, "results_ack"));
    struct core_req wait = {.op = REQ_WAIT, .batch = other, .wait_ms = PATIENCE_MS};
    ck_assert(core_ask(&wait));
    ck_assert(wait.found);
    ck_assert_uint_eq(counts_of(batch).queued, 1);
    pause_is(batch, false);
    ck_assert_ptr_nonnull(peer_wait(&p, "task"));
    peer_close(&p);
}
END_TEST

START_TEST(test_pause_of_an_unknown_batch_is_not_found)
{
    struct core_req r = {.op = REQ_PAUSE, .batch = 999, .pause = true};
    ck_assert(core_ask(&r));
    ck_assert(!r.found);
}
END_TEST

START_TEST(test_selection_keeps_tasks_from_other_agents)
{
    struct peer other, chosen;
    peer_join(&other);
    peer_open(&chosen);
    peer_say(&chosen, HELLO_AS("b2", "r2") INFLIGHT_END CREDIT);
    submit_for(1, "{\"names\":[\"b2\"]}");
    const char *task = peer_wait(&chosen, "task");
    ck_assert_ptr_nonnull(task);
    peer_answer(&chosen, task);
    ck_assert_ptr_nonnull(peer_wait(&chosen, "results_ack"));
    peer_close(&other);
    peer_close(&chosen);
}
END_TEST

START_TEST(test_tag_selection_finds_its_agent)
{
    struct peer p;
    peer_open(&p);
    peer_say(&p, HELLO_WITH(",\"tags\":{\"site\":\"bj\"}") INFLIGHT_END CREDIT);
    submit_for(1, "{\"tags\":{\"site\":\"bj\"}}");
    ck_assert_ptr_nonnull(peer_wait(&p, "task"));
    peer_close(&p);
}
END_TEST

START_TEST(test_agents_are_listed)
{
    struct peer p;
    peer_join(&p);
    struct core_req r = {.op = REQ_AGENTS};
    ck_assert(core_ask(&r));
    ck_assert_uint_eq(r.n_views, 1);
    ck_assert_str_eq(r.views[0].name, "a1");
    core_views_free(r.views, r.n_views);
    peer_close(&p);
}
END_TEST

START_TEST(test_a_diagnosis_gets_its_views)
{
    struct peer p;
    peer_join(&p);
    struct core_req r = {.op = REQ_DIAGNOSE};
    ck_assert(core_ask(&r));
    ck_assert_uint_eq(r.n_views, 1);
    ck_assert_uint_eq(r.n_stuck, 0);
    ck_assert_uint_eq(r.box.max_letters, CORE_REQS_MAX);
    core_views_free(r.views, r.n_views);
    free(r.stuck);
    peer_close(&p);
}
END_TEST

/* ---- life */

START_TEST(test_reset_connection_names_its_cause)
{
    static const struct linger at_once = {.l_onoff = 1};
    struct peer p;
    bool told = false;
    peer_join(&p);
    ck_assert_int_eq(setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    peer_close(&p);
    while (!told) { /* the alarm of the test ends it */
        struct core_req r = {.op = REQ_AGENTS};
        ck_assert(core_ask(&r));
        enum end cause = r.views[0].last_end.cause;
        told = cause != END_NONE;
        ck_assert(!told || cause == END_connection_reset);
        core_views_free(r.views, r.n_views);
    }
}
END_TEST

START_TEST(test_same_agent_again_replaces_its_session)
{
    struct peer first, second;
    peer_join(&first);
    peer_join(&second);
    ck_assert_int_eq(peer_wait_close(&first), CLOSE_REPLACED);
    peer_close(&first);
    peer_close(&second);
}
END_TEST

START_TEST(test_bye_closes_normally)
{
    struct peer p;
    peer_join(&p);
    peer_say(&p, "{\"type\":\"bye\",\"reason\":\"test\"}\n");
    ck_assert_int_eq(peer_wait_close(&p), CLOSE_NORMAL);
    peer_close(&p);
}
END_TEST

START_TEST(test_task_of_a_dead_process_goes_to_another)
{
    struct peer first, second;
    peer_join(&first);
    submit(1);
    ck_assert_ptr_nonnull(peer_wait(&first, "task"));
    peer_close(&first);
    peer_open(&second);
    peer_say(&second, HELLO_AS("a1", "r2") INFLIGHT_END CREDIT);
    ck_assert_ptr_nonnull(peer_wait(&second, "task"));
    peer_close(&second);
}
END_TEST

static void *stop_hub(void *arg)
{
    hub_stop(rig.hub);
    return NULL;
}

START_TEST(test_stop_says_goaway_and_closes_with_1001)
{
    struct peer p;
    pthread_t t;
    rig_start(10);
    peer_join(&p);
    PTOK(pthread_create(&t, NULL, stop_hub, NULL));
    ck_assert_ptr_nonnull(peer_wait(&p, "goaway"));
    ck_assert_int_eq(peer_wait_close(&p), CLOSE_GOING_AWAY);
    peer_close(&p);
    PTOK(pthread_join(t, NULL));
    struct core_req r = {.op = REQ_BATCH_COUNTS, .done = on_core_done};
    ck_assert_int_eq(hub_post(rig.hub, &r), ERR_CLOSED);
    store_close(&rig.store);
    hub_destroy(&rig.hub);
    nftw(rig.dir, rig_unlink, 8, FTW_DEPTH | FTW_PHYS);
}
END_TEST

START_TEST(test_stop_answers_those_who_wait)
{
    rig_start(10);
    uint32_t batch = submit(1);
    struct wait w = WAIT_INIT;
    struct core_req r = {
        .op = REQ_WAIT, .batch = batch, .wait_ms = 60000, .done = on_core_done, .arg = &w};
    ck_assert_int_eq(hub_post(rig.hub, &r), ERR_NONE);
    hub_stop(rig.hub);
    wait_for(&w);
    ck_assert(!r.found);
    store_close(&rig.store);
    hub_destroy(&rig.hub);
    nftw(rig.dir, rig_unlink, 8, FTW_DEPTH | FTW_PHYS);
}
END_TEST

/* What agents may still run is held back for their grace; the batch is there at once. */
START_TEST(test_batch_is_open_after_a_restart)
{
    rig_start(10);
    uint32_t batch = submit(2);
    rig_close();
    rig_open(10);
    ck_assert_uint_eq(counts_of(batch).queued, 2);
    rig_stop();
}
END_TEST

START_TEST(test_pause_that_was_answered_outlives_a_restart)
{
    rig_start(10);
    uint32_t batch = submit(2);
    pause_is(batch, true);
    rig_close();
    rig_open(10);
    ck_assert(counts_of(batch).paused);
    rig_stop();
}
END_TEST

static TCase *wire(void)
{
    TCase *tc = tcase_create("wire");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_malformed_line_closes_with_1008, 0, MALFORMED_HUBS);
    tcase_add_test(tc, test_unknown_type_is_ignored);
    return tc;
}

static TCase *work(void)
{
    TCase *tc = tcase_create("work");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_batch_runs_to_its_end);
    tcase_add_test(tc, test_large_batch_is_refilled);
    tcase_add_test(tc, test_wait_times_out_while_nobody_works);
    tcase_add_test(tc, test_wait_for_an_ended_batch_is_answered_at_once);
    tcase_add_test(tc, test_watch_tells_the_counts_when_its_time_is_up);
    tcase_add_test(tc, test_watch_ends_with_the_batch);
    tcase_add_test(tc, test_a_task_tells_where_it_is);
    tcase_add_test(tc, test_counts_of_an_open_batch);
    tcase_add_test(tc, test_cancel_ends_a_batch);
    tcase_add_test(tc, test_cancel_of_an_unknown_batch_is_not_found);
    tcase_add_test(tc, test_paused_batch_waits_until_it_is_resumed);
    tcase_add_test(tc, test_pause_of_an_unknown_batch_is_not_found);
    tcase_add_test(tc, test_selection_keeps_tasks_from_other_agents);
    tcase_add_test(tc, test_tag_selection_finds_its_agent);
    tcase_add_test(tc, test_agents_are_listed);
    tcase_add_test(tc, test_a_diagnosis_gets_its_views);
    tcase_add_test(tc, test_reset_connection_names_its_cause);
    tcase_add_test(tc, test_same_agent_again_replaces_its_session);
    tcase_add_test(tc, test_bye_closes_normally);
    tcase_add_test(tc, test_task_of_a_dead_process_goes_to_another);
    return tc;
}

TESTS(life, test_stop_says_goaway_and_closes_with_1001, test_stop_answers_those_who_wait,
      test_batch_is_open_after_a_restart, test_pause_that_was_answered_outlives_a_restart)
CHECK_MAIN("hub", wire, work, life)
