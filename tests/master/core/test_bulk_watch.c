/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

/* The core when many of its agents fall silent at once. */
#define AGENTS 10
#define CREDIT 50 /* a sixteenth of 640 places, 40, is never bulk's: ten tasks */

/* So many agents share the tasks of one batch, ten each. */
static void begin(void)
{
    setup();
    world_batch(w, 1, 10 * AGENTS, 0, 0);
    world_open(w, 1);
    for (unsigned i = 0; i < AGENTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "a%u", i);
        struct w_agent *a = world_connect(w, i, name, "1");
        world_credit(w, a, CREDIT);
        ck_assert_uint_eq(a->n_held, 10);
    }
}

/* Time passes in which only agents from `first` on are heard. */
static void pass(int64_t ms, unsigned first)
{
    for (int64_t at = 0; at < ms; at += 1000) {
        for (unsigned i = first; i < AGENTS; i++)
            if (w->agents[i].id && !w->agents[i].closed)
                world_heartbeat(w, &w->agents[i]);
        world_tick(w, 1000, false);
    }
}

static uint64_t requeued(void)
{
    return counter_get(&core_stats(w->core)->requeued);
}
static uint64_t dead(void)
{
    return counter_get(&core_stats(w->core)->agents_dead);
}
static bool told(const char *word)
{
    return strncmp(w->bulk_loss, word, strlen(word)) == 0 && w->bulk_loss[strlen(word)] == ':';
}

static void counted(int64_t alive, int64_t suspect, int64_t orphaned)
{
    struct core_stats *s = core_stats(w->core);
    ck_assert_int_eq(gauge_get(&s->agents_alive), alive);
    ck_assert_int_eq(gauge_get(&s->agents_suspect), suspect);
    ck_assert_int_eq(gauge_get(&s->agents_orphaned), orphaned);
}

START_TEST(one_or_two_are_no_bulk_loss)
{
    begin();
    pass(12000, 2);
    counted(AGENTS - 2, 2, 0);
    pass(6000, 2);
    counted(AGENTS - 2, 0, 0);
    ck_assert_str_eq(w->bulk_loss, "");
    ck_assert_uint_eq(dead(), 2);
    ck_assert_uint_eq(requeued(), 20);
    done();
}
END_TEST

START_TEST(when_all_are_lost_nothing_is_queued_again_for_a_minute)
{
    begin();
    pass(20000, AGENTS);
    ck_assert(told("network_all"));
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->bulk_losses), 1);
    ck_assert_uint_eq(dead(), AGENTS); /* the sockets are given back all the same */
    counted(0, 0, AGENTS);
    pass(48000, AGENTS);
    ck_assert_uint_eq(requeued(), 0);
    for (unsigned i = 0; i < 5; i++) { /* the same processes take their tasks back */
        char name[16];
        snprintf(name, sizeof(name), "a%u", i);
        struct w_agent *a = world_connect(w, i, name, "1");
        ck_assert_uint_eq(a->verdict_keep, 10);
    }
    pass(BULK_FREEZE_MS - mono_diff_ms(w->now, w->core->bulk.since) - 1000, 0);
    counted(5, 0, 5); /* the others may follow … */
    pass(1000, 0);
    counted(5, 0, 4); /* … until the minute is over: one a second is given up */
    pass(24000, 0);
    counted(5, 0, 0);
    ck_assert_uint_eq(requeued(), 50);
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->bulk_loss), 0);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->bulk_losses), 1);
    done();
}
END_TEST

/* Nobody comes back: the freeze ends, and others get the tasks, one agent's after the other. */
START_TEST(after_a_minute_the_tasks_of_all_go_out_one_agent_a_second)
{
    begin();
    pass(20000, AGENTS);
    ck_assert(told("network_all"));
    int64_t began_ms = mono_diff_ms(w->now, w->core->bulk.since);
    pass(BULK_FREEZE_MS - began_ms - 1000, AGENTS);
    ck_assert_uint_eq(requeued(), 0);
    uint64_t last = 0, most = 0;
    for (int s = 0; s < BULK_PACE_S + 3; s++) {
        pass(1000, AGENTS);
        most = requeued() - last > most ? requeued() - last : most;
        last = requeued();
    }
    ck_assert_uint_eq(most, 10); /* never two agents' in one second */
    ck_assert_uint_eq(last, 10 * AGENTS);
    ck_assert_str_eq(w->last_event, "agent_grace_over");
    done();
}
END_TEST

/* A freeze is counted from its own beginning, and each lease sees one at most. */
START_TEST(who_flaps_does_not_prolong_the_freeze_of_the_others)
{
    begin();
    pass(20000, AGENTS);
    for (int i = 0; i < 5; i++) {
        world_connect(w, 0, "a0", "1");
        pass(3000, 0);
        core_session_closed(w->core, w->agents[0].id, END_connection_lost, "", w->now);
        w->agents[0].id = 0;
        pass(10000, AGENTS);
    }
    ck_assert_uint_ge(requeued(), 10 * (AGENTS - 2));
    done();
}
END_TEST

START_TEST(a_loss_that_heals_before_it_is_told_is_told_as_it_was)
{
    begin();
    for (unsigned i = 0; i < 5; i++) {
        core_session_closed(w->core, w->agents[i].id, END_connection_reset, "", w->now);
        w->agents[i].id = 0;
    }
    pass(2000, 5);
    ck_assert_str_eq(w->bulk_loss, "");
    for (unsigned i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "a%u", i);
        world_connect(w, i, name, "1");
    }
    pass(2000, 0);
    ck_assert(told("network_group"));
    ck_assert_ptr_nonnull(strstr(w->bulk_loss, "5 of 10 agents suspect or lost;"));
    ck_assert_ptr_null(strstr(w->bulk_loss, "in common"));
    done();
}
END_TEST

static void come_back(unsigned i, double lag_ms, int64_t results)
{
    char name[16];
    snprintf(name, sizeof(name), "a%u", i);
    struct w_agent *a = world_connect(w, i, name, "1");
    a->lag_ms = lag_ms;
    a->outbox_results = results;
    world_heartbeat(w, a);
}

START_TEST(who_stood_himself_corrects_the_label_when_he_is_back)
{
    begin();
    pass(17000, 5);
    ck_assert(told("network_group"));
    for (unsigned i = 0; i < 4; i++) {
        come_back(i, i == 0 ? 0.4 : 17200, 0);
        ck_assert_str_ne(w->last_event, "bulk_loss_story");
    }
    come_back(4, 16000, 3);
    ck_assert_str_eq(w->last_event, "bulk_loss_story");
    ck_assert_str_eq(
        w->last_detail,
        "network_group corrected to agents_stood: of 5 that were lost 5 are back; 4 of "
        "them say that their own loop stood, for 17.2 s at most; 3 tasks and results "
        "waited with them: look at what their hosts share, not at the network");
    done();
}
END_TEST

START_TEST(those_that_ran_on_confirm_the_label_and_who_stays_away_is_not_waited_for)
{
    int s = 0;
    begin();
    pass(17000, 5);
    come_back(0, 0.4, 40);
    come_back(1, 0.2, 2);
    for (; s < 70 && strcmp(w->last_event, "bulk_loss_story") != 0; s++) {
        for (unsigned i = 0; i < AGENTS; i++)
            if (i < 2 || i >= 5)
                world_heartbeat(w, &w->agents[i]);
        world_tick(w, 1000, false);
    }
    ck_assert_int_ge(s, 55);
    ck_assert_int_le(s, 60);
    ck_assert_str_eq(
        w->last_detail,
        "network_group stands: of 5 that were lost 2 are back; 0 of them say that their "
        "own loop stood, for 0.0 s at most; 42 tasks and results waited with them");
    done();
}
END_TEST

/* Connected, and its HELLO lies in the socket. */
START_TEST(a_hello_that_we_have_not_read_is_not_late)
{
    setup();
    w->n_agents = 1;
    struct w_agent *a = &w->agents[0];
    a->id = core_session_open(w->core, NULL, "127.0.0.1", w->now);
    a->unread = 100;
    world_tick(w, 20000, false);
    ck_assert(!a->closed);
    a->unread = 0;
    world_tick(w, 2000, false);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->ends[END_hello_timeout]), 1);
    a->id = core_session_open(w->core, NULL, "127.0.0.1", w->now);
    a->closed = false;
    a->unread = 100; /* for ever: not longer than a freeze */
    world_tick(w, 80000, false);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->ends[END_hello_timeout]), 2);
    done();
}
END_TEST

START_TEST(when_the_path_is_mended_nobody_who_is_on_the_way_back_loses_his_tasks)
{
    begin();
    pass(25000, AGENTS);
    for (unsigned i = 0; i < AGENTS; i++) { /* each in its own time, within their backoff */
        char name[16];
        snprintf(name, sizeof(name), "a%u", i);
        ck_assert_uint_eq(world_connect(w, i, name, "1")->verdict_keep, 10);
        if (i % 2)
            pass(1000, AGENTS);
    }
    ck_assert_uint_eq(requeued(), 0);
    done();
}
END_TEST

START_TEST(a_lost_part_is_queued_again_one_after_the_other)
{
    begin();
    pass(17000, 6);
    ck_assert(told("network_group"));
    uint64_t last = requeued(), grown = 0;
    for (int s = 0; s < 12; s++) {
        pass(1000, 6);
        ck_assert_uint_le(requeued() - last, 10); /* one agent's a second */
        grown += requeued() > last;
        last = requeued();
    }
    ck_assert_uint_eq(last, 60);
    ck_assert_uint_ge(grown, 5);
    ck_assert_uint_eq(dead(), 6);
    done();
}
END_TEST

START_TEST(who_has_unread_bytes_is_not_dead_within_a_minute_more)
{
    begin();
    w->agents[0].unread = 100;
    pass(40000, 1);
    ck_assert_uint_eq(dead(), 0);
    ck_assert(!w->agents[0].closed);
    ck_assert_str_eq(w->bulk_loss, ""); /* one is single */
    pass(40000, 1);
    ck_assert_uint_eq(dead(), 1);
    done();
}
END_TEST

START_TEST(a_handler_that_does_not_read_convicts_no_one)
{
    begin();
    for (unsigned i = 0; i < 3; i++) /* of six */
        w->agents[i].unread = 100;
    pass(30000, 6);
    ck_assert(told("handler_slow"));
    ck_assert_uint_eq(dead(), 0);
    ck_assert_uint_eq(requeued(), 0);
    pass(5000, 0); /* it has read */
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->bulk_loss), 0);
    ck_assert_uint_eq(dead(), 0);
    done();
}
END_TEST

START_TEST(a_master_that_slept_blames_itself_for_those_who_left)
{
    begin();
    pass(1000, 0);
    w->now = mono_add_ms(w->now, 20000);
    core_tick(w->core, 20000, w->now);
    for (unsigned i = 0; i < AGENTS; i++) { /* they had given it up meanwhile */
        core_session_closed(w->core, w->agents[i].id, END_connection_lost, "", w->now);
        w->agents[i].id = 0;
    }
    world_tick(w, 1000, false);
    ck_assert(told("master_overload"));
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->stood), 1);
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->stood_ms), 20000);
    for (unsigned i = 0; i < AGENTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "a%u", i);
        ck_assert_uint_eq(world_connect(w, i, name, "1")->verdict_keep, 10);
    }
    pass(20000, 0);
    ck_assert_uint_eq(requeued(), 0);
    ck_assert_uint_eq(dead(), 0);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->bulk_losses), 1);
    done();
}
END_TEST

START_TEST(own_lag_withholds_a_single_verdict_too)
{
    begin();
    for (int i = 0; i < 20; i++) {
        w->now = mono_add_ms(w->now, 1000);
        for (unsigned k = 1; k < AGENTS; k++)
            world_heartbeat(w, &w->agents[k]);
        core_tick(w->core, 1000, w->now);
        world_settle(w);
    }
    ck_assert_uint_eq(dead(), 0);
    pass(2000, 1);
    ck_assert_uint_eq(dead(), 1);
    done();
}
END_TEST

START_TEST(a_fleet_that_says_bye_is_not_lost)
{
    begin();
    for (unsigned i = 0; i < AGENTS; i++) {
        struct strbuf b;
        strbuf_init(&b, LINE_MAX_BYTES);
        msg_put_text(&b, MSG_BYE, "restart", -1);
        w_say(w, &w->agents[i], &b);
    }
    world_settle(w);
    pass(20000, 0);
    ck_assert_str_eq(w->bulk_loss, "");
    done();
}
END_TEST

TESTS(watch, one_or_two_are_no_bulk_loss, when_all_are_lost_nothing_is_queued_again_for_a_minute,
      after_a_minute_the_tasks_of_all_go_out_one_agent_a_second,
      who_flaps_does_not_prolong_the_freeze_of_the_others,
      a_loss_that_heals_before_it_is_told_is_told_as_it_was,
      who_stood_himself_corrects_the_label_when_he_is_back,
      those_that_ran_on_confirm_the_label_and_who_stays_away_is_not_waited_for,
      a_hello_that_we_have_not_read_is_not_late,
      when_the_path_is_mended_nobody_who_is_on_the_way_back_loses_his_tasks,
      a_lost_part_is_queued_again_one_after_the_other,
      who_has_unread_bytes_is_not_dead_within_a_minute_more,
      a_handler_that_does_not_read_convicts_no_one,
      a_master_that_slept_blames_itself_for_those_who_left, own_lag_withholds_a_single_verdict_too,
      a_fleet_that_says_bye_is_not_lost)
CHECK_MAIN("bulk_watch", watch)
