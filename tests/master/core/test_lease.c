/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

START_TEST(the_same_process_takes_its_leases_back)
{
    setup();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 90);
    unsigned held = a->n_held;
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    world_tick(w, 5000, true);
    ck_assert_uint_eq(counts(1).running, held);
    a = world_connect(w, 0, "a", "1");
    ck_assert_uint_eq(a->verdict_keep, held);
    ck_assert_uint_eq(counts(1).running, held);
    world_answer_all(w, a);
    ck_assert_uint_eq(a->acks_stored, held);
    done();
}
END_TEST

START_TEST(another_process_of_the_name_ends_them_at_once)
{
    setup();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 90);
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->n_held = 0;
    a = world_connect(w, 0, "a", "2");
    ck_assert_uint_eq(counts(1).running, 0);
    done();
}
END_TEST

START_TEST(what_the_agent_never_received_is_queued_again)
{
    setup();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 90);
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->n_held = 10; /* the rest was swallowed by the path */
    a = world_connect(w, 0, "a", "1");
    ck_assert_uint_eq(counts(1).running, 10);
    done();
}
END_TEST

START_TEST(after_the_grace_they_run_elsewhere)
{
    setup();
    world_batch(w, 1, 50, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    ck_assert_uint_eq(a->n_held, 50);
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    struct w_agent *b = world_connect(w, 1, "b", "1");
    world_credit(w, b, 500);
    ck_assert_uint_eq(b->n_held, 0);
    world_tick(w, ORPHAN_GRACE_MS + 1000, true);
    world_credit(w, b, 500);
    ck_assert_uint_eq(b->n_held, 50);
    world_answer_all(w, b);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(a_result_twice_counts_once)
{
    setup();
    world_batch(w, 1, 2, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    struct w_held h = a->held[0];
    world_result(w, a, &h, CAUSE_NONE);
    world_result(w, a, &h, CAUSE_NONE);
    world_settle(w);
    world_result(w, a, &h, CAUSE_NONE);
    world_settle(w);
    ck_assert_uint_eq(a->acks_stored, 1);
    ck_assert_uint_eq(a->acks_duplicate, 2);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 1);
    done();
}
END_TEST

START_TEST(a_forged_ticket_is_rejected)
{
    setup();
    world_batch(w, 1, 2, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    struct w_held h = a->held[0];
    h.task ^= 1; /* another task's ticket */
    world_result(w, a, &h, CAUSE_NONE);
    world_settle(w);
    ck_assert_uint_eq(a->acks_rejected, 1);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 0);
    done();
}
END_TEST

/* Its lease is the current one, and only the proof is not. */
START_TEST(a_wrong_proof_of_the_current_lease_is_rejected)
{
    setup();
    world_batch(w, 1, 2, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    struct w_held good = a->held[0], bad = good;
    char *last = bad.ticket + strlen(bad.ticket) - 1;
    *last = *last == '0' ? '1' : '0';
    world_result(w, a, &bad, CAUSE_NONE);
    world_settle(w);
    ck_assert_uint_eq(a->acks_rejected, 1);
    world_result(w, a, &good, CAUSE_NONE);
    world_settle(w);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 1);
    done();
}
END_TEST

START_TEST(another_agents_ticket_is_rejected)
{
    setup();
    world_batch(w, 1, 2, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    struct w_agent *b = world_connect(w, 1, "b", "1");
    world_result(w, b, &a->held[0], CAUSE_NONE);
    world_settle(w);
    ck_assert_uint_eq(b->acks_rejected, 1);
    done();
}
END_TEST

START_TEST(a_late_result_from_an_old_lease_still_wins)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    struct w_held h = a->held[0];
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->n_held = 0;
    world_tick(w, ORPHAN_GRACE_MS + 1000, true);
    struct w_agent *b = world_connect(w, 1, "b", "1");
    world_credit(w, b, 500);
    ck_assert_uint_eq(b->n_held, 1);
    a = world_connect(w, 0, "a", "1");
    world_result(w, a, &h, CAUSE_NONE);
    world_settle(w);
    ck_assert(world_all_ended(w, 1));
    ck_assert_uint_eq(b->cancels, 1);
    done();
}
END_TEST

static void say_nack(struct w_agent *a, unsigned i, const char *cause)
{
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    struct w_held h = a->held[i];
    msg_put_nack(&b, &(struct msg_nack){h.task, h.ticket, cause, "d"});
    w_forget(a, h.task);
    w_say(w, a, &b);
    world_settle(w);
}

START_TEST(an_agents_fault_is_tried_elsewhere_and_ends_undetermined)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1"), *b = world_connect(w, 1, "b", "1");
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        struct w_agent *on = i % 2 ? b : a;
        world_credit(w, a, 100);
        world_credit(w, b, 100);
        ck_assert_uint_eq(a->n_held + b->n_held, 1);
        if (i > 0)
            ck_assert_uint_eq(on->n_held, 1); /* the other one, at once */
        say_nack(a->n_held ? a : b, 0, "agent_fd_exhausted");
    }
    ck_assert(world_all_ended(w, 1));
    ck_assert_int_eq(w->batches[1].tasks[0].outcome, OUTCOME_UNDETERMINED);
    ck_assert_str_eq(w->batches[1].tasks[0].cause, "agent_fd_exhausted");
    done();
}
END_TEST

START_TEST(the_only_agent_gets_time_to_recover_from_its_fault)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    ck_assert_uint_eq(a->n_held, 1);
    say_nack(a, 0, "agent_fd_exhausted");
    world_tick(w, 2000, true);
    world_credit(w, a, 100);
    ck_assert_uint_eq(a->n_held, 0);
    world_tick(w, 2000, true);
    ck_assert_uint_eq(a->n_held, 1);
    world_answer_all(w, a);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(a_task_that_kills_three_processes_is_poison_and_bystanders_are_not)
{
    setup();
    world_batch(w, 1, 20, 0, 0);
    world_open(w, 1);
    struct w_agent *a = NULL;
    for (int life = 1; life <= 12 && !world_all_ended(w, 1); life++) {
        char run[8];
        snprintf(run, sizeof(run), "%x", life);
        if (a && a->id)
            core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
        w->agents[0].n_held = 0;
        a = world_connect(w, 0, "a", run);
        for (int round = 0; round < 40; round++) {
            world_credit(w, a, 500);
            world_tick(w, 4000, true);
            bool killed = false;
            for (unsigned i = 0; i < a->n_held; i++)
                killed |= (uint32_t)a->held[i].task == 13;
            if (killed)
                break; /* the process dies with everything it held */
            world_answer_all(w, a);
        }
    }
    ck_assert(world_all_ended(w, 1));
    for (int i = 0; i < 20; i++)
        ck_assert_str_eq(w->batches[1].tasks[i].cause, i == 13 ? "poison" : "");
    done();
}
END_TEST

START_TEST(released_tasks_go_elsewhere_without_an_attempt)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    for (int i = 0; i < 20; i++) {
        world_credit(w, a, 100);
        ck_assert_uint_eq(a->n_held, 1);
        struct strbuf b;
        strbuf_init(&b, LINE_MAX_BYTES);
        msg_put_release(&b, a->held[0].task, a->held[0].ticket);
        a->n_held = 0;
        w_say(w, a, &b);
        world_settle(w);
    }
    ck_assert(!world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(a_draining_agent_gets_nothing_and_bye_gives_all_back)
{
    setup();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 60);
    struct strbuf b;
    strbuf_init(&b, 1000);
    msg_put_text(&b, MSG_DRAIN, "sigterm", 0);
    w_say(w, a, &b);
    unsigned before = a->n_held;
    world_credit(w, a, 60);
    ck_assert_uint_eq(a->n_held, before);
    strbuf_init(&b, 1000);
    msg_put_text(&b, MSG_BYE, "done", 0);
    w_say(w, a, &b);
    world_settle(w);
    ck_assert_uint_eq(counts(1).running, 0);
    done();
}
END_TEST

START_TEST(a_restart_takes_up_what_agents_still_run)
{
    setup();
    world_batch(w, 1, 3000, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_connect(w, 1, "b", "1");
    world_credit(w, a, 500);
    for (int i = 0; i < 100; i++) {
        struct w_held h = a->held[--a->n_held];
        world_result(w, a, &h, CAUSE_NONE);
    }
    unsigned held = a->n_held;
    world_restart(w); /* 100 results were never committed, but the agent was never told they were */
    a = world_connect(w, 0, "a", "1");
    ck_assert_uint_eq(a->verdict_keep, held);
    ck_assert_uint_eq(counts(1).running, held);
    world_credit(w, a, 500);
    ck_assert_uint_eq(a->n_held, held); /* the grace: b may still report */
    world_answer_all(w, a);
    ck_assert_uint_eq(a->n_held, 0);
    world_tick(w, ORPHAN_GRACE_MS + 1000, true);
    while (!world_all_ended(w, 1)) {
        world_credit(w, a, 500);
        world_answer_all(w, a);
    }
    done();
}
END_TEST

START_TEST(after_a_restart_nobody_waits_longer_than_for_the_last_agent)
{
    setup();
    world_batch(w, 1, 3000, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    struct w_agent *gone = world_connect(w, 1, "b", "1");
    core_session_closed(w->core, gone->id, END_connection_reset, "", w->now); /* it held nothing */
    gone->id = 0;
    world_credit(w, a, 100);
    unsigned held = a->n_held;
    world_restart(w);
    a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    ck_assert_uint_gt(a->n_held, held);
    done();
}
END_TEST

/* It slept through the time in which agents were to say what they still run. */
START_TEST(a_master_that_overslept_its_restart_asks_all_the_same)
{
    setup();
    world_batch(w, 1, 300, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1"), *b = world_connect(w, 1, "b", "1");
    world_credit(w, a, 200);
    world_credit(w, b, 10);
    unsigned held = a->n_held;
    world_restart(w);
    w->now = mono_add_ms(w->now, 2 * ORPHAN_GRACE_MS);
    core_tick(w->core, 2 * ORPHAN_GRACE_MS, w->now);
    world_settle(w);
    b = world_connect(w, 1, "b", "1");
    world_credit(w, b, 500);
    a = world_connect(w, 0, "a", "1");
    ck_assert_uint_eq(a->verdict_keep, held);
    done();
}
END_TEST

START_TEST(an_agent_lost_after_a_restart_loses_no_task)
{
    setup();
    world_batch(w, 1, 300, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 200);
    world_restart(w);
    a = world_connect(w, 0, "a", "1");
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->n_held = 0;
    world_tick(w, 2 * ORPHAN_GRACE_MS, true);
    struct w_agent *b = world_connect(w, 1, "b", "1");
    for (int i = 0; i < 20 && !world_all_ended(w, 1); i++) {
        world_credit(w, b, 500);
        world_answer_all(w, b);
        world_tick(w, 1000, true);
    }
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(what_is_taken_up_after_a_restart_counts_at_its_host)
{
    setup();
    world_batch(w, 1, 20, 2, 1);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    ck_assert_uint_eq(a->n_held, 2);
    world_restart(w);
    a = world_connect(w, 0, "a", "1");
    ck_assert_uint_eq(a->n_held, 2);
    struct w_agent *b = world_connect(w, 1, "b", "1");
    world_tick(w, 2 * ORPHAN_GRACE_MS, true);
    world_credit(w, b, 100);
    ck_assert_uint_eq(b->n_held, 0);
    world_answer_all(w, a);
    world_credit(w, b, 100);
    ck_assert_uint_eq(b->n_held, 2);
    done();
}
END_TEST

static void nack(struct w_agent *a, const struct w_held *h, const char *cause)
{
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_nack(&b, &(struct msg_nack){h->task, h->ticket, cause, "no"});
    w_say(w, a, &b);
}

START_TEST(a_nack_of_what_ended_before_a_restart_does_not_spoil_the_counts)
{
    setup();
    world_batch(w, 1, 2, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    struct w_held h[2] = {a->held[0], a->held[1]};
    world_result(w, a, &h[0], CAUSE_NONE);
    world_settle(w);
    w->refill_stalled = true;
    world_restart(w);
    a->n_held = 2; /* the ack of the first was lost */
    a->held[0] = h[0];
    a->held[1] = h[1];
    a = world_connect(w, 0, "a", "1");
    w->store_stalled = true;
    nack(a, &h[0], "policy_address");
    nack(a, &h[1], "policy_address");
    counts(1);
    w->store_stalled = w->refill_stalled = false;
    world_settle(w);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(an_agent_that_missed_its_newer_lease_keeps_the_task)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    struct w_held old = a->held[0];
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->n_held = 0;
    world_tick(w, 2 * ORPHAN_GRACE_MS, true); /* queued again */
    a = world_connect(w, 0, "a", "1");
    world_tick(w, 5000, true);
    world_credit(w, a, 100); /* leased anew, and swallowed by the path */
    ck_assert_uint_eq(a->n_held, 1);
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->held[0] = old;
    a = world_connect(w, 0, "a", "1");
    ck_assert_uint_eq(a->verdict_keep, 1);
    ck_assert_uint_eq(a->n_held, 1);
    done();
}
END_TEST

START_TEST(an_agent_that_never_gets_past_hello_does_not_keep_its_leases)
{
    setup();
    world_batch(w, 1, 10, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->n_held = 0;
    struct msg_hello h = {.proto_min = 1,
                          .proto_max = 1,
                          .agent = "a",
                          .instance = "00000000000000000000000000000001",
                          .run_id = "00000000000000000000000000000001",
                          .version = "t",
                          .store_id = "",
                          .slots = 1,
                          .workers = 1};
    for (int i = 0; i < 10; i++) {
        struct strbuf b;
        strbuf_init(&b, LINE_MAX_BYTES);
        msg_put_hello(&b, &h);
        session_id id = core_session_open(w->core, NULL, "127.0.0.1", w->now);
        ck_assert(core_session_may_speak(w->core, id, w->now));
        core_session_line(w->core, id, b.data, b.len - 1, w->now);
        strbuf_fini(&b);
        world_tick(w, 5000, true);
        core_session_closed(w->core, id, END_connection_reset, "", w->now);
        world_tick(w, 250, true);
    }
    ck_assert_uint_eq(counts(1).running, 0);
    done();
}
END_TEST

/* Two agents that always have something to do; each answer brings the next. */
START_TEST(a_task_to_be_run_alone_gets_its_turn_among_busy_agents)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    world_open(w, 1);
    for (int life = 1; life <= 3; life++) { /* two deaths */
        char run[8];
        snprintf(run, sizeof(run), "%x", life);
        w->agents[2].n_held = 0;
        struct w_agent *k = world_connect(w, 2, "killer", run);
        if (life <= 2)
            world_credit(w, k, 100);
        core_session_closed(w->core, k->id, END_connection_reset, "", w->now);
        k->id = 0;
    }
    world_batch(w, 2, 4000, 0, 0);
    world_open(w, 2);
    struct w_agent *a[2] = {world_connect(w, 0, "a", "1"), world_connect(w, 1, "b", "1")};
    for (int i = 0; i < 100 && !world_all_ended(w, 1); i++) {
        /* the other one is always ready to take before this one is empty */
        world_credit(w, a[0], 64);
        world_credit(w, a[1], 64);
        world_answer_all(w, a[i % 2]);
        world_credit(w, a[(i + 1) % 2], 64);
    }
    ck_assert(world_all_ended(w, 1));
    ck_assert(!world_all_ended(w, 2));
    done();
}
END_TEST

TESTS(leases, the_same_process_takes_its_leases_back, another_process_of_the_name_ends_them_at_once,
      what_the_agent_never_received_is_queued_again, after_the_grace_they_run_elsewhere,
      a_late_result_from_an_old_lease_still_wins, a_result_twice_counts_once,
      a_forged_ticket_is_rejected, a_wrong_proof_of_the_current_lease_is_rejected,
      another_agents_ticket_is_rejected, the_only_agent_gets_time_to_recover_from_its_fault,
      an_agents_fault_is_tried_elsewhere_and_ends_undetermined,
      a_task_that_kills_three_processes_is_poison_and_bystanders_are_not,
      released_tasks_go_elsewhere_without_an_attempt,
      a_draining_agent_gets_nothing_and_bye_gives_all_back,
      what_is_taken_up_after_a_restart_counts_at_its_host,
      a_nack_of_what_ended_before_a_restart_does_not_spoil_the_counts,
      an_agent_that_missed_its_newer_lease_keeps_the_task,
      an_agent_that_never_gets_past_hello_does_not_keep_its_leases,
      a_task_to_be_run_alone_gets_its_turn_among_busy_agents,
      a_restart_takes_up_what_agents_still_run,
      after_a_restart_nobody_waits_longer_than_for_the_last_agent,
      a_master_that_overslept_its_restart_asks_all_the_same,
      an_agent_lost_after_a_restart_loses_no_task)
CHECK_MAIN("lease", leases)
