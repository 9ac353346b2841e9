/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

START_TEST(a_batch_ends_with_one_result_each)
{
    setup();
    world_batch(w, 1, 5000, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    ck_assert(a->welcomed);
    while (!world_all_ended(w, 1)) {
        world_credit(w, a, 200);
        ck_assert_uint_le(a->n_held, 200);
        world_answer_all(w, a);
    }
    struct core_counts n;
    ck_assert(!core_batch_counts(w->core, 1, &n));
    ck_assert_uint_eq(a->acks_stored, 5000);
    for (int i = 0; i < 5000; i++)
        ck_assert_int_eq(w->batches[1].tasks[i].stored, 1);
    done();
}
END_TEST

START_TEST(open_tasks_are_those_that_have_not_ended)
{
    setup();
    world_batch(w, 1, 300, 8, 0);
    world_batch(w, 2, 500, 8, 0);
    world_open(w, 1);
    world_open(w, 2);
    struct gauge *open = &core_stats(w->core)->open_tasks;
    ck_assert_int_eq(gauge_get(open), 800);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 200);
    world_answer_all(w, a);
    uint64_t left = 800 - counts(1).ended[OUTCOME_OK] - counts(2).ended[OUTCOME_OK];
    ck_assert(left < 800);
    ck_assert_int_eq(gauge_get(open), (int64_t)left);
    core_cancel(w->core, 1, NULL, w->now);
    core_cancel(w->core, 2, NULL, w->now);
    world_settle(w);
    ck_assert_int_eq(gauge_get(open), 0);
    done();
}
END_TEST

START_TEST(nothing_is_sent_beyond_the_credit)
{
    setup();
    world_batch(w, 1, 500, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_tick(w, 2000, false);
    ck_assert_uint_eq(a->n_held, 0);
    world_credit(w, a, 100);
    world_tick(w, 2000, false);
    ck_assert_uint_le(a->n_held, 100);
    ck_assert_uint_ge(a->n_held, 60); /* a sixteenth of its window is not for bulk */
    ck_assert_uint_eq(counts(1).running, a->n_held);
    done();
}
END_TEST

START_TEST(who_does_not_take_what_is_sent_is_slow_in_every_view)
{
    setup();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    a->received = a->received_bytes = 0; /* so it says: its kernel has what it was sent */
    struct agent_view *v;
    world_tick(w, SLOW_MS - 2000, true);
    unsigned n = core_agents(w->core, "a", w->now, &v);
    ck_assert(n == 1 && !v->slow);
    core_views_free(v, n);
    world_tick(w, 5000, true);
    n = core_agents(w->core, "a", w->now, &v);
    ck_assert_uint_eq(n, 1);
    ck_assert(v->slow && v->untaken > 0);
    core_views_free(v, n);
    done();
}
END_TEST

START_TEST(shrinking_credit_is_ignored_and_counted)
{
    setup();
    world_batch(w, 1, 500, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    uint64_t bad = counter_get(&core_stats(w->core)->bad_messages);
    struct strbuf b;
    strbuf_init(&b, 1000);
    msg_put_credit(&b, (struct window){1, 1});
    w_say(w, a, &b);
    ck_assert(!a->closed);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->bad_messages), bad + 1);
    done();
}
END_TEST

START_TEST(interactive_goes_before_bulk)
{
    setup();
    world_batch(w, 1, 2000, 0, 0);
    world_batch(w, 2, 10, 0, 0);
    w->batches[2].def.cls = CLASS_INTERACTIVE;
    world_open(w, 1);
    world_open(w, 2);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 60);
    unsigned interactive = 0;
    for (unsigned i = 0; i < 12 && i < a->n_held; i++)
        interactive += a->held[i].cls == CLASS_INTERACTIVE;
    ck_assert_uint_ge(interactive, 9);
    done();
}
END_TEST

START_TEST(bulk_leaves_a_sixteenth_for_the_others)
{
    setup();
    world_batch(w, 1, 2000, 0, 0);
    world_batch(w, 2, 10, 0, 0);
    w->batches[2].def.cls = CLASS_INTERACTIVE;
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 640);
    ck_assert_uint_eq(a->n_held, 600);
    world_open(w, 2);
    ck_assert_uint_eq(a->n_held, 610);
    done();
}
END_TEST

START_TEST(batches_take_turns)
{
    setup();
    world_batch(w, 1, 2000, 0, 0);
    world_batch(w, 2, 50, 0, 0);
    world_open(w, 1);
    world_open(w, 2);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 140);
    unsigned second = 0;
    for (unsigned i = 0; i < 100; i++)
        second += a->held[i].task >> 32 == 2;
    ck_assert_uint_ge(second, 48);
    done();
}
END_TEST

/* Tarpits hold every slot; what they give back goes to the good ones, and not half of it to tarpits
 * again. */
START_TEST(a_batch_that_holds_every_place_gets_no_more_until_others_have_as_much)
{
    setup();
    world_batch(w, 1, 2000, 0, 0);
    world_batch(w, 2, 2000, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 640);
    unsigned tarpits = a->n_held;
    world_open(w, 2);
    world_credit(w, a, 140); /* as if places had been given back */
    unsigned good = 0;
    for (unsigned i = tarpits; i < a->n_held; i++)
        good += a->held[i].task >> 32 == 2;
    ck_assert_uint_ge(a->n_held - tarpits, 90);
    ck_assert_uint_eq(good, a->n_held - tarpits);
    done();
}
END_TEST

START_TEST(a_host_has_at_most_its_budget_in_flight)
{
    setup();
    world_batch(w, 1, 400, 3, 2); /* two hosts, three each */
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    ck_assert_uint_eq(a->n_held, 6);
    for (int i = 0; i < 200 && !world_all_ended(w, 1); i++) {
        ck_assert_uint_le(a->n_held, 6);
        world_answer_all(w, a);
        world_credit(w, a, 500);
    }
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(a_busy_host_does_not_block_the_others_behind_it)
{
    setup();
    world_batch(w, 1, 1000, 1, 0);
    for (int i = 0; i < 500; i++)
        w->batches[1].tasks[i].host = 7777777;
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 600);
    ck_assert_uint_ge(a->n_held, 501);
    done();
}
END_TEST

START_TEST(a_silent_agent_is_suspect_then_dead)
{
    setup();
    world_batch(w, 1, 50, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    struct agent_view *v;
    world_tick(w, 9500, false);
    ck_assert_uint_eq(core_agents(w->core, "a", w->now, &v), 1);
    ck_assert_int_eq(v->state, AGENT_ALIVE);
    core_views_free(v, 1);
    world_tick(w, 1000, false);
    core_agents(w->core, "a", w->now, &v);
    ck_assert_int_eq(v->state, AGENT_SUSPECT);
    core_views_free(v, 1);
    world_tick(w, 5000, false);
    ck_assert(a->closed);
    ck_assert_int_eq(a->close_code, CLOSE_SILENT);
    done();
}
END_TEST

START_TEST(a_master_that_overslept_convicts_no_one)
{
    setup();
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_tick(w, 1000, true);
    w->now = mono_add_ms(w->now, 20000);
    core_tick(w->core, 20000, w->now);
    ck_assert_str_eq(w->last_event, "master_overslept");
    world_settle(w);
    ck_assert(!a->closed);
    world_tick(w, 1000, true);
    ck_assert(!a->closed);
    done();
}
END_TEST

START_TEST(a_connection_without_hello_is_closed)
{
    setup();
    w->n_agents = 1;
    w->agents[0].id = core_session_open(w->core, NULL, "peer", w->now);
    world_tick(w, HELLO_DEADLINE_MS + 1000, false);
    ck_assert(w->agents[0].closed);
    ck_assert_int_eq(w->agents[0].close_code, CLOSE_HELLO_TIMEOUT);
    done();
}
END_TEST

START_TEST(a_new_connection_takes_over_the_old_one)
{
    setup();
    world_connect(w, 0, "a", "1");
    struct w_agent *second = world_connect(w, 1, "a", "1");
    ck_assert(w->agents[0].closed);
    ck_assert_int_eq(w->agents[0].close_code, CLOSE_REPLACED);
    ck_assert(!second->closed && second->welcomed);
    done();
}
END_TEST

START_TEST(a_token_bound_to_a_name_speaks_for_no_other)
{
    setup();
    w->n_agents = 1;
    struct w_agent *a = &w->agents[0];
    a->id = core_session_open(w->core, "x,ab", "peer", w->now);
    struct msg_hello h = {.proto_min = 1,
                          .proto_max = 1,
                          .agent = "a",
                          .instance = "00000000000000000000000000000001",
                          .run_id = "00000000000000000000000000000002",
                          .version = "t",
                          .store_id = "",
                          .slots = 8};
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_hello(&b, &h);
    w_say(w, a, &b);
    ck_assert(a->closed);
    ck_assert_int_eq(a->close_code, CLOSE_POLICY);
    done();
}
END_TEST

START_TEST(cancel_ends_all_and_reaches_the_agent)
{
    setup();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 60);
    unsigned held = a->n_held;
    w->store_stalled = true;
    ck_assert(core_cancel(w->core, 1, NULL, w->now));
    ck_assert(core_cancel(w->core, 1, NULL, w->now));
    counts(1);
    world_settle(w);
    ck_assert_uint_eq(a->cancels, held);
    w->store_stalled = false;
    world_settle(w);
    ck_assert(world_all_ended(w, 1));
    ck_assert(!core_cancel(w->core, 1, NULL, w->now));
    done();
}
END_TEST

START_TEST(a_result_committed_before_the_sweep_wins)
{
    setup();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 60);
    w->store_stalled = true;
    world_result(w, a, &a->held[0], CAUSE_NONE);
    core_cancel(w->core, 1, NULL, w->now);
    counts(1);
    w->store_stalled = false;
    world_settle(w);
    ck_assert(world_all_ended(w, 1));
    ck_assert_int_eq(w->batches[1].tasks[(uint32_t)a->held[0].task].outcome, OUTCOME_OK);
    done();
}
END_TEST

START_TEST(the_deadline_ends_what_is_left)
{
    setup();
    world_batch(w, 1, 10, 0, 0);
    w->batches[1].def.deadline_in_ms = 20000;
    world_batch(w, 2, 10, 0, 0);
    w->batches[2].def.deadline_in_ms = 20000;
    const char *names[] = {"nobody"};
    w->batches[2].def.agent_names = names;
    w->batches[2].def.n_agent_names = 1;
    world_open(w, 1);
    world_open(w, 2);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 5);
    world_tick(w, 19000, true);
    ck_assert(!world_all_ended(w, 1));
    world_tick(w, 8000, true);
    ck_assert(world_all_ended(w, 1));
    ck_assert(world_all_ended(w, 2));
    ck_assert_str_eq(w->batches[1].tasks[9].cause, "deadline");
    ck_assert_str_eq(w->batches[2].tasks[9].cause, "no_agent");
    done();
}
END_TEST

START_TEST(tags_and_names_select_agents)
{
    setup();
    world_batch(w, 1, 10, 0, 0);
    const char *names[] = {"c", "b"};
    w->batches[1].def.agent_names = names;
    w->batches[1].def.n_agent_names = 2;
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1"), *b = world_connect(w, 1, "b", "1");
    world_credit(w, a, 100);
    world_credit(w, b, 100);
    ck_assert_uint_eq(a->n_held, 0);
    ck_assert_uint_eq(b->n_held, 10);
    done();
}
END_TEST

START_TEST(idle_agents_share_a_small_batch)
{
    setup();
    struct w_agent *a = world_connect(w, 0, "a", "1"), *b = world_connect(w, 1, "b", "1");
    world_credit(w, a, 400);
    world_credit(w, b, 400);
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    ck_assert_uint_eq(a->n_held + b->n_held, 100);
    ck_assert_uint_ge(a->n_held, 20);
    ck_assert_uint_ge(b->n_held, 20);
    done();
}
END_TEST

START_TEST(a_malformed_line_closes_with_1008)
{
    setup();
    struct w_agent *a = world_connect(w, 0, "a", "1");
    core_session_line(w->core, a->id, "{\"type\":", 8, w->now);
    ck_assert(a->closed);
    ck_assert_int_eq(a->close_code, CLOSE_POLICY);
    done();
}
END_TEST

START_TEST(an_unknown_message_is_ignored_and_counted)
{
    setup();
    struct w_agent *a = world_connect(w, 0, "a", "1");
    const char *line = "{\"type\":\"news\",\"x\":1}";
    core_session_line(w->core, a->id, line, strlen(line), w->now);
    ck_assert(!a->closed);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->unknown_messages), 1);
    done();
}
END_TEST

START_TEST(results_beyond_the_window_close_the_session)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 10);
    struct w_held h = a->held[0];
    w->store_stalled = a->heedless = true;
    for (int i = 0; i < CORE_RESULT_WINDOW + 1 && !a->closed; i++)
        world_result(w, a, &h, CAUSE_NONE);
    ck_assert(a->closed);
    w->store_stalled = false;
    world_settle(w);
    done();
}
END_TEST

START_TEST(goodbye_tells_every_agent)
{
    setup();
    struct w_agent *a = world_connect(w, 0, "a", "1");
    core_drain(w->core, w->now);
    core_goodbye(w->core, 1000, w->now);
    world_settle(w);
    ck_assert(a->goaway);
    ck_assert(core_drained(w->core));
    done();
}
END_TEST

START_TEST(a_window_full_of_one_busy_host_does_not_stop_other_batches)
{
    setup();
    for (uint32_t num = 1; num <= 9; num++) {
        world_batch(w, num, 9000, 1, 1);
        world_open(w, num);
    }
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 600);
    world_tick(w, 1000, true);
    ck_assert_uint_eq(a->n_held, 1);
    world_batch(w, 10, 200, 8, 0);
    for (int i = 0; i < 200; i++)
        w->batches[10].tasks[i].host = 1000 + (uint64_t)i;
    w->batches[10].def.cls = CLASS_INTERACTIVE;
    world_open(w, 10);
    for (int i = 0; i < 20; i++) {
        world_credit(w, a, 600);
        world_tick(w, 250, true);
    }
    ck_assert_uint_eq(a->n_held, 201);
    done();
}
END_TEST

START_TEST(refills_under_way_count_in_the_window)
{
    setup();
    for (uint32_t num = 1; num <= 100; num++) {
        world_batch(w, num, 1200, 0, 0);
        core_batch_open(w->core, &w->batches[num].def, w->now);
    }
    world_settle(w);
    ck_assert_int_le(gauge_get(&core_stats(w->core)->window_tasks),
                     CORE_WINDOW_TASKS + 100 * CORE_REFILL_LEAST);
    done();
}
END_TEST

START_TEST(a_host_is_free_when_the_next_in_turn_has_no_agent)
{
    static const char *const only_a[] = {"a"};
    setup();
    world_batch(w, 1, 20, 1, 1);
    w->batches[1].def.agent_names = only_a;
    w->batches[1].def.n_agent_names = 1;
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100); /* one runs, the others wait for the host */
    world_batch(w, 2, 20, 1, 1);
    world_open(w, 2);
    struct w_agent *b = world_connect(w, 1, "b", "1");
    world_credit(w, b, 100);
    ck_assert_uint_eq(b->n_held, 0);
    world_answer_all(w, a); /* its credit is used: what is woken now waits for more */
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->n_held = 0;
    world_tick(w, 2 * ORPHAN_GRACE_MS, true);
    ck_assert_uint_eq(b->n_held, 1);
    done();
}
END_TEST

START_TEST(results_that_nobody_is_told_of_fill_the_window)
{
    setup();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 10);
    struct w_held h = a->held[0];
    h.ticket[0] = 'x'; /* each is refused at once; the agent never reads the answers */
    a->heedless = true;
    for (int i = 0; i < 4 * CORE_RESULT_WINDOW && !a->closed; i++) {
        world_result(w, a, &h, CAUSE_NONE);
        if (i % 1000 == 0)
            world_heartbeat(w, a);
    }
    ck_assert(a->closed);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->over_window), 1);
    done();
}
END_TEST

TESTS(flow, a_batch_ends_with_one_result_each, open_tasks_are_those_that_have_not_ended,
      nothing_is_sent_beyond_the_credit, who_does_not_take_what_is_sent_is_slow_in_every_view,
      shrinking_credit_is_ignored_and_counted, results_beyond_the_window_close_the_session,
      a_malformed_line_closes_with_1008, an_unknown_message_is_ignored_and_counted,
      goodbye_tells_every_agent, results_that_nobody_is_told_of_fill_the_window,
      refills_under_way_count_in_the_window)
TESTS(turns, interactive_goes_before_bulk, bulk_leaves_a_sixteenth_for_the_others,
      batches_take_turns, a_batch_that_holds_every_place_gets_no_more_until_others_have_as_much,
      a_host_has_at_most_its_budget_in_flight, a_busy_host_does_not_block_the_others_behind_it,
      tags_and_names_select_agents, idle_agents_share_a_small_batch,
      a_host_is_free_when_the_next_in_turn_has_no_agent,
      a_window_full_of_one_busy_host_does_not_stop_other_batches)
TESTS(life, a_silent_agent_is_suspect_then_dead, a_master_that_overslept_convicts_no_one,
      a_connection_without_hello_is_closed, a_new_connection_takes_over_the_old_one,
      a_token_bound_to_a_name_speaks_for_no_other)
TESTS(ends, cancel_ends_all_and_reaches_the_agent, a_result_committed_before_the_sweep_wins,
      the_deadline_ends_what_is_left)
CHECK_MAIN("core", flow, turns, life, ends)
