/* SPDX-License-Identifier: MIT */
#include "tests/support/core_audit.h"
#include "tests/support/core_fixture.h"

/* Busy hosts: what waits for one holds up no other, however much of it there is. */

static struct w_agent *agent;

static void begin(void)
{
    setup();
    agent = world_connect(w, 0, "a", "1");
}

static void go_on(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        world_credit(w, agent, 600);
        world_tick(w, 250, true);
        core_audit(w->core);
    }
}

static void answer_until_all_ended(uint32_t num, int rounds)
{
    for (int i = 0; i < rounds && !world_all_ended(w, num); i++) {
        world_credit(w, agent, 600);
        world_answer_all(w, agent);
        world_tick(w, 250, true);
        core_audit(w->core);
    }
    ck_assert(world_all_ended(w, num));
}

/* `busy` tasks of host 1, then others of hosts of their own. */
static void busy_head(uint32_t num, uint64_t busy, uint64_t others, int64_t per_host)
{
    world_batch(w, num, busy + others, per_host, 0);
    for (uint64_t i = 0; i < busy + others; i++)
        w->batches[num].tasks[i].host = i < busy ? 1 : 1000 + i;
}

START_TEST(ten_windows_of_a_busy_host_do_not_hold_up_the_hosts_behind_it)
{
    begin();
    busy_head(1, 10 * CORE_WINDOW_BATCH, 200, 2);
    world_open(w, 1);
    go_on(20);
    ck_assert_uint_eq(agent->n_held, 2 + 200);
    ck_assert_int_le(gauge_get(&core_stats(w->core)->window_tasks), CORE_WINDOW_BATCH);
    done();
}
END_TEST

START_TEST(what_was_passed_over_is_read_again_in_time_and_once)
{
    begin();
    busy_head(1, 3000, 100, 50);
    world_open(w, 1);
    answer_until_all_ended(1, 200);
    for (int i = 0; i < 3100; i++)
        ck_assert_int_eq(w->batches[1].tasks[i].stored, 1);
    ck_assert_uint_le(w->refill_rows, 20000);
    done();
}
END_TEST

START_TEST(a_list_sorted_by_host_keeps_every_host_at_its_budget)
{
    begin();
    world_batch(w, 1, 40 * 400, 3, 0);
    for (int i = 0; i < 40 * 400; i++)
        w->batches[1].tasks[i].host = 1 + (uint64_t)i / 400;
    w->core->host_queue_most = w->core->host_queue_least = 8;
    world_open(w, 1);
    go_on(20);
    ck_assert_uint_eq(agent->n_held, 40 * 3);
    for (int i = 0; i < 5; i++) {
        world_answer_all(w, agent);
        go_on(2);
        ck_assert_uint_eq(agent->n_held, 40 * 3);
    }
    done();
}
END_TEST

START_TEST(with_too_many_busy_hosts_the_reading_pauses_and_says_so)
{
    begin();
    world_batch(w, 1, 10 * 20, 1, 0);
    for (int i = 0; i < 10 * 20; i++)
        w->batches[1].tasks[i].host = 1 + (uint64_t)i / 20;
    w->core->host_queue_most = w->core->host_queue_least = 2;
    w->core->skipped_hosts_max = 3;
    world_open(w, 1);
    go_on(10);
    ck_assert_str_eq(counts(1).waits_for, "its hosts: as many are busy as it may pass over");
    answer_until_all_ended(1, 200);
    done();
}
END_TEST

START_TEST(a_batch_that_goes_leaves_the_turn_at_a_host_to_the_next)
{
    begin();
    w->core->host_queue_most = 2;
    busy_head(1, 50, 0, 1);
    busy_head(2, 50, 0, 1);
    world_open(w, 1);
    world_open(w, 2);
    go_on(4);
    ck_assert_uint_eq(agent->n_held, 1);
    core_cancel(w->core, 1, NULL, w->now);
    world_settle(w);
    answer_until_all_ended(2, 100);
    done();
}
END_TEST

START_TEST(what_was_passed_over_is_there_after_a_pause)
{
    begin();
    w->core->host_queue_most = 4;
    busy_head(1, 300, 20, 5);
    world_open(w, 1);
    go_on(2);
    core_pause(w->core, 1, true, NULL, w->now);
    world_settle(w);
    core_audit(w->core);
    core_pause(w->core, 1, false, NULL, w->now);
    answer_until_all_ended(1, 200);
    done();
}
END_TEST

/* Its queue becomes READY when nothing of it is in flight, and is not to be filled again and again.
 */
START_TEST(a_host_that_nobody_probes_does_not_fill_the_memory)
{
    begin();
    w->core->host_queue_most = 8;
    w->core->refill_rows_max = 50;
    w->core->window_batch_max = 200;
    world_batch(w, 1, 3000, 2, 1);
    world_open(w, 1);
    go_on(2);
    ck_assert_uint_eq(agent->n_held, 2);
    core_session_closed(w->core, agent->id, END_connection_reset, "", w->now);
    agent->id = 0;
    agent->n_held = 0;
    world_tick(w, 120000, false);
    ck_assert_int_le(gauge_get(&core_stats(w->core)->window_tasks), 200);
    agent = world_connect(w, 0, "a", "2"); /* it gives no credit */
    world_tick(w, 120000, true);
    ck_assert_int_le(gauge_get(&core_stats(w->core)->window_tasks), 200);
    answer_until_all_ended(1, 3000);
    done();
}
END_TEST

/* ---- starts a second */

static void rated(uint32_t num, uint64_t total, double rate, int64_t per_host, unsigned hosts)
{
    world_batch(w, num, total, per_host, hosts);
    w->batches[num].def.per_host_rate = rate;
    world_open(w, num);
}

START_TEST(a_host_gets_so_many_starts_a_second)
{
    begin();
    rated(1, 200, 4, 0, 1);
    go_on(40); /* 10 s */
    ck_assert_uint_ge(agent->received, 39);
    ck_assert_uint_le(agent->received, 42);
    done();
}
END_TEST

START_TEST(less_than_one_start_a_second)
{
    begin();
    rated(1, 10, 0.2, 8, 1);
    go_on(4 * 11);
    ck_assert_uint_eq(agent->received, 3);
    done();
}
END_TEST

START_TEST(a_rate_holds_up_no_other_host)
{
    begin();
    busy_head(1, 2 * CORE_WINDOW_BATCH, 300, 0);
    w->batches[1].def.per_host_rate = 1;
    for (int i = 0; i < 300; i++) /* four for each of the others */
        w->batches[1].tasks[2 * CORE_WINDOW_BATCH + i].host = 2 + (uint64_t)i / 10;
    world_open(w, 1);
    go_on(4 * 5);
    ck_assert_uint_ge(agent->received, 5 * 31);
    ck_assert_uint_ge(w->rated[1].starts, 5);
    done();
}
END_TEST

START_TEST(all_batches_with_a_rate_share_it)
{
    begin();
    rated(1, 100, 2, 0, 1);
    rated(2, 100, 2, 0, 1);
    go_on(4 * 10);
    ck_assert_uint_le(agent->received, 21);
    ck_assert_uint_ge(agent->received, 19);
    done();
}
END_TEST

START_TEST(a_rate_is_remembered_when_nothing_is_in_flight)
{
    begin();
    rated(1, 1, 0.1, 0, 1);
    go_on(1);
    world_answer_all(w, agent);
    ck_assert(world_all_ended(w, 1));
    rated(2, 1, 0.1, 0, 1);
    go_on(4 * 5);
    ck_assert_uint_eq(agent->received, 1);
    ck_assert_str_eq(counts(2).waits_for, "its hosts: all are at their per_host budget or rate");
    go_on(4 * 6);
    ck_assert_uint_eq(agent->received, 2);
    go_on(4 * 11);
    world_answer_all(w, agent);
    ck_assert_uint_eq(w->core->hosts.count, 0);
    done();
}
END_TEST

TESTS(rate, a_host_gets_so_many_starts_a_second, less_than_one_start_a_second,
      a_rate_holds_up_no_other_host, all_batches_with_a_rate_share_it,
      a_rate_is_remembered_when_nothing_is_in_flight)
TESTS(busy, ten_windows_of_a_busy_host_do_not_hold_up_the_hosts_behind_it,
      what_was_passed_over_is_read_again_in_time_and_once,
      a_list_sorted_by_host_keeps_every_host_at_its_budget,
      with_too_many_busy_hosts_the_reading_pauses_and_says_so,
      a_batch_that_goes_leaves_the_turn_at_a_host_to_the_next,
      what_was_passed_over_is_there_after_a_pause,
      a_host_that_nobody_probes_does_not_fill_the_memory)
CHECK_MAIN("polite", busy, rate)
