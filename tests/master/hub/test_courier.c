/* SPDX-License-Identifier: MIT */
#include "tests/master/hub/edge.h"

/* With an agent that is played: the life of a lane as the scheduler's edge will lead it. */
#define ANSWERS_MAX 64

static session_id agent;
static struct mono now;
static int64_t later_ms; /* by which the core's clock is ahead */

/* What came back, in order: "open", "runs", "closed", "refused", "result:AGENT:CAUSE". */
static char told[ANSWERS_MAX][64];
static unsigned n_told;
static uint64_t first_task;
static uint32_t lane;
static int64_t deadline_ms = 60000; /* of runs, for the core */

static void tell(const char *word)
{
    ck_assert_uint_lt(n_told, ANSWERS_MAX);
    snprintf(told[n_told++], sizeof(told[0]), "%s", word);
}

/* ---- the edge */

static void add_runs(const struct store_req *r)
{
    static const char spec[] = "{\"url\":\"http://x/\"}";
    for (unsigned i = 0; i < r->runs.n; i++) {
        const struct store_run *run = &r->runs.items[i];
        for (uint32_t slot = 0; slot < run->n; slot++) {
            struct core_added a = {.task = run->first + slot,
                                   .host_hash = run->host_hash,
                                   .spec = spec,
                                   .spec_len = sizeof(spec) - 1,
                                   .slot = slot,
                                   .deadline_in_ms = deadline_ms};
            core_batch_add(core, run->batch, &a, 1, now);
        }
    }
    core_batch_added(core);
}

static void on_answer(void *arg, struct store_req *r)
{
    ck_assert_ptr_eq(arg, &courier);
    if (r->err) {
        ck_assert_int_eq(r->err, ERR_NOT_FOUND);
        tell("refused");
    } else if (r->op == STORE_LANE_OPEN) {
        desk_open_batch(core, &r->lane.info, false, now);
        lane = r->lane.info.num;
        tell("open");
    } else if (r->op == STORE_RUNS_ADD) {
        first_task = r->runs.items[0].first;
        add_runs(r);
        tell("runs");
    } else {
        tell("closed");
    }
    if (r->op == STORE_LANE_CLOSE)
        core_batch_close(core, r->lane.info.num, now);
}

static void on_result(void *arg, const struct store_result *r)
{
    char word[64];
    ck_assert_ptr_eq(arg, &courier);
    ck_assert(r->lane && r->verdict == ACK_STORED && task_batch(r->task) == lane);
    ck_assert_uint_eq(strlen(r->record), r->record_len);
    ck_assert_ptr_nonnull(strstr(r->record, r->agent ? "\"total_ms\"" : "\"expired\""));
    snprintf(word, sizeof(word), "result:%s:%s", r->agent ? r->agent : "", r->cause);
    tell(word);
}

static void on_committed(void *arg, void *waiter)
{
    tell("committed");
}

static void on_ended(void *arg, uint32_t batch, void *waiter)
{
    tell("ended");
}

static void post(struct store_req *r)
{
    r->done = courier_done;
    r->arg = &courier;
    courier_send(&courier, r);
}

static void post_close(void)
{
    struct store_req *r = fx_req(STORE_LANE_CLOSE);
    r->lane.info.num = lane;
    post(r);
}

/* ---- turns of the loop */

static void turn(void)
{
    now = mono_add_ms(mono_now(), later_ms);
    core_tick(core, 0, now);
    courier_flush(&courier);
    courier_take(&courier, now);
}

static void wait_told(unsigned n)
{
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    while (n_told < n) {
        turn();
        ck_assert_msg(mono_before(mono_now(), until), "waited in vain: %u of %u", n_told, n);
        usleep(1000);
    }
    ck_assert_uint_eq(n_told, n);
}

static struct core_counts wait_ended(uint64_t n)
{
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    for (;;) {
        struct core_counts c;
        uint64_t ended = 0;
        turn();
        if (!core_batch_counts(core, lane, &c))
            return (struct core_counts){0};
        for (int i = 0; i < OUTCOME_COUNT; i++)
            ended += c.ended[i];
        if (ended >= n)
            return c;
        ck_assert(mono_before(mono_now(), until));
        usleep(1000);
    }
}

/* So many tasks are in memory: read again, after a restart. */
static void wait_read(int64_t n)
{
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    while (gauge_get(&core_stats(core)->window_tasks) < n) {
        turn();
        ck_assert(mono_before(mono_now(), until));
        usleep(1000);
    }
}

static void say(struct strbuf *b)
{
    core_session_line(core, agent, b->data, b->len - 1, now);
    strbuf_fini(b);
    strbuf_init(b, LINE_MAX_BYTES);
}

static void join(void)
{
    struct msg_hello h = {.proto_min = 1,
                          .proto_max = 1,
                          .agent = "bj-1",
                          .instance = "00000000000000000000000000000001",
                          .run_id = "00000000000000000000000000000002",
                          .version = "t",
                          .store_id = "",
                          .slots = 512,
                          .workers = 2,
                          .queue = 128};
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    agent = core_session_open(core, NULL, "127.0.0.1", now);
    ck_assert(core_session_may_speak(core, agent, now));
    msg_put_hello(&b, &h);
    say(&b);
    msg_put_inflight_end(&b);
    say(&b);
    msg_put_credit(&b, (struct window){1000, BYTE_WINDOW_MAX});
    say(&b);
    strbuf_fini(&b);
}

/* Everything that it is given in one frame. */
static unsigned answer_all(void)
{
    static const char record[] = "{\"outcome\":\"ok\",\"cause\":null,\"timings\":{\"total_ms\":1}}";
    struct strbuf frame, b;
    unsigned n = 0;
    strbuf_init(&frame, FRAME_COALESCE_BYTES + LINE_MAX_BYTES);
    strbuf_init(&b, LINE_MAX_BYTES);
    while (core_produce(core, agent, &frame, FRAME_COALESCE_BYTES, now))
        ;
    for (size_t at = 0; at < frame.len;) {
        size_t len =
            (size_t)((char *)memchr(frame.data + at, '\n', frame.len - at) - (frame.data + at));
        struct message m;
        ck_assert_int_eq(message_decode(frame.data + at, len, &m, fx_why, sizeof(fx_why)), 0);
        if (m.type == MSG_TASK) {
            msg_put_result(&b, &(struct msg_result){.task = m.task.task,
                                                    .ticket = m.task.ticket,
                                                    .record_text = record,
                                                    .record_len = sizeof(record) - 1});
            say(&b);
            n++;
        }
        message_fini(&m);
        at += len + 1;
    }
    strbuf_fini(&b);
    strbuf_fini(&frame);
    return n;
}

static void boot(void)
{
    now = mono_now();
    edge_ops.ended = on_ended;
    edge_boot();
    courier.on_committed = on_committed;
    courier.on_answer = on_answer;
    courier.on_result = on_result;
    courier.lane_arg = &courier;
}

static void stop(void)
{
    edge_close_store();
    edge_destroy_core();
}

static void setup(void)
{
    edge_make_dir();
    boot();
    fx_checks(10);
}

static void teardown(void)
{
    stop();
    edge_remove_dir();
}

/* With a store and an open lane. */
static void open_lane(void)
{
    courier_start(&courier, fx);
    post(fx_lane_req(2));
    wait_told(1);
}

/* Slots that are due now, or were a while ago. */
static struct store_req *runs_due(unsigned n, int64_t deadline_in_ms)
{
    struct store_req *r = fx_runs_req(lane, 1, n, 1);
    for (unsigned i = 0; i < n; i++) {
        r->runs.items[i].at = wall_now();
        r->runs.items[i].deadline_at.us = r->runs.items[i].at.us + deadline_in_ms * 1000;
    }
    return r;
}

START_TEST(a_lane_from_its_opening_to_its_end)
{
    post(fx_lane_req(2)); /* before there is a store: it waits */
    turn();
    ck_assert_uint_eq(n_told, 0);
    courier_start(&courier, fx);
    wait_told(1);
    ck_assert_str_eq(told[0], "open");
    post(runs_due(3, 60000));
    wait_told(2);
    ck_assert_str_eq(told[1], "runs");
    ck_assert_uint_eq(first_task, task_id(lane, 0));
    join();
    later_ms = 2000; /* targets for two agents are looked at again, now that there is one */
    turn();
    ck_assert_uint_eq(answer_all(), 3);
    wait_told(5);
    for (unsigned i = 2; i < 5; i++)
        ck_assert_str_eq(told[i], "result:bj-1:");
    core_wait(core, lane, NULL);
    post_close();
    wait_told(7);
    ck_assert_str_eq(told[5], "closed");
    ck_assert_str_eq(told[6], "ended");
    fx_check_green();
    ck_assert(fx_info(lane).ended_at.us != 0);
}
END_TEST

START_TEST(order_is_kept_though_nothing_is_waited_for)
{
    open_lane();
    join();
    for (unsigned i = 0; i < 10; i++)
        post(fx_runs_req(lane, 1, 5, 2));
    post_close();
    post(fx_runs_req(lane, 1, 1, 1)); /* behind the close */
    wait_told(13);
    ck_assert_str_eq(told[11], "closed");
    ck_assert_str_eq(told[12], "refused");
    struct core_counts c;
    ck_assert(core_batch_counts(core, lane, &c) && c.total == 100);
    ck_assert_uint_eq(answer_all(), 40); /* five hosts of eight each, one slot of each target */
    wait_told(53);
    ck_assert_str_eq(told[52], "result:bj-1:");
    fx_check_green();
}
END_TEST

START_TEST(a_verdict_of_the_master_is_told_without_an_agent)
{
    open_lane();
    deadline_ms = 1000;
    post(runs_due(1, 1000));
    wait_told(2);
    later_ms = 1000;
    wait_told(3);
    ck_assert_str_eq(told[2], "result::no_agent");
    fx_check_green();
}
END_TEST

START_TEST(results_of_other_batches_are_not_told)
{
    open_lane();
    uint32_t num = fx_batch(5);
    struct batch_info info = fx_info(num);
    desk_open_batch(core, &info, false, now);
    join();
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    struct core_counts c;
    while (core_batch_counts(core, num, &c)) {
        turn();
        answer_all();
        ck_assert(mono_before(mono_now(), until));
    }
    ck_assert_uint_eq(n_told, 1);
}
END_TEST

START_TEST(deadlines_of_runs_are_found_again_after_a_restart)
{
    open_lane();
    post(runs_due(2, 50000));
    post(runs_due(3, 90000));
    post(fx_runs_req(lane, 1, 1, 1)); /* without one */
    wait_told(4);
    stop();
    boot();
    courier_start(&courier, fx);
    ck_assert_uint_eq(fx_boot.timetable.n_lanes, 1);
    wait_read(6); /* and so their deadlines are known: time may go on */
    later_ms = 40000;
    struct core_counts c = wait_ended(0);
    ck_assert_uint_eq(c.queued, 6);
    later_ms = 60000;
    wait_told(6);
    later_ms = 100000;
    wait_told(9);
    for (unsigned i = 4; i < 9; i++)
        ck_assert_str_eq(told[i], "result::no_agent");
    c = wait_ended(5);
    ck_assert_uint_eq(c.queued, 1);
    fx_check_green();
}
END_TEST

START_TEST(a_lane_that_is_cancelled_sweeps_what_is_added_meanwhile)
{
    open_lane();
    post(fx_runs_req(lane, 1, 5, 1));
    wait_told(2);
    post(fx_runs_req(lane, 1, 5, 1));
    ck_assert(core_cancel(core, lane, &courier, now));
    post(fx_runs_req(lane, 1, 5, 1));
    wait_told(5);
    ck_assert_str_eq(told[2], "runs");
    ck_assert_str_eq(told[3], "committed");
    ck_assert_str_eq(told[4], "refused");
    wait_ended(UINT64_MAX); /* it goes */
    ck_assert_uint_eq(fx_info(lane).ended[OUTCOME_CANCELLED], 10);
    fx_check_green();
}
END_TEST

START_TEST(what_the_end_finds_unsent_is_freed)
{
    post(fx_lane_req(1)); /* never any store */
    struct store_req *r = fx_runs_req(1, 1, 3, 1);
    post(r);
    turn();
}
END_TEST

TESTS(courier_tests, a_lane_from_its_opening_to_its_end, order_is_kept_though_nothing_is_waited_for,
      a_verdict_of_the_master_is_told_without_an_agent, results_of_other_batches_are_not_told,
      deadlines_of_runs_are_found_again_after_a_restart,
      a_lane_that_is_cancelled_sweeps_what_is_added_meanwhile, what_the_end_finds_unsent_is_freed)
static TCase *all(void)
{
    TCase *tc = courier_tests();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("courier", all)
