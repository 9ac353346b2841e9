/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <string.h>
#include <unistd.h>
#include "common/log.h"
#include "master/hub/journal.h"

#define EPOCH 7

static struct journal *j;
static struct core_req q;
static unsigned answers;
static const struct mono start = {1000 * NS_PER_SEC};

static void on_done(struct core_req *of)
{
    answers++;
}

static void setup(void)
{
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    j = journal_create(EPOCH, start);
    q = (struct core_req){.op = REQ_EVENTS, .done = on_done, .events.limit = 100};
    answers = 0;
}
static void done(void)
{
    event_page_fini(&q.events.page);
    journal_close(j);
    journal_destroy(&j);
}

static void end_session(enum end cause, int64_t age_ms, int64_t at_s)
{
    struct core_session_end e = {
        .id = 1, .agent = "a", .peer = "p", .cause = cause, .detail = "", .age_ms = age_ms};
    struct sockinfo link = {.sendq_bytes = 108528};
    journal_session_ended(j, &e, &link, mono_add_ms(start, at_s * 1000));
}

START_TEST(test_the_end_of_a_session_carries_its_evidence)
{
    end_session(END_write_stalled, 60000, 1);
    journal_serve(j, &q, start);
    ck_assert_uint_eq(answers, 1);
    ck_assert_uint_eq(q.events.page.n, 1);
    ck_assert_int_eq(q.events.page.events[0].cause, END_write_stalled);
    ck_assert_ptr_nonnull(strstr(q.events.page.events[0].evidence, "\"sendq_bytes\":108528"));
    ck_assert_ptr_nonnull(strstr(q.events.page.events[0].evidence, "\"age_ms\":60000"));
}
END_TEST

START_TEST(test_a_pile_of_ages_says_what_to_check)
{
    for (int i = 0; i < 6; i++)
        end_session(END_connection_closed, 60000, 10 * i);
    journal_serve(j, &q, start);
    ck_assert_uint_eq(q.events.page.n, 7);
    const struct event *e = &q.events.page.events[5];
    ck_assert_str_eq(e->kind, "proxy_timeout");
    ck_assert_ptr_nonnull(strstr(e->detail, "5 of 5 sessions ended at 60 ± 1 s"));
    ck_assert_ptr_nonnull(strstr(e->detail, "proxy_read_timeout"));
    ck_assert_str_eq(e->evidence, "{\"sessions\":5,\"of\":5,\"age_ms\":60000,\"within_ms\":1200}");
}
END_TEST

START_TEST(test_ends_that_no_proxy_makes_do_not_pile_up)
{
    for (int i = 0; i < 10; i++)
        end_session(END_heartbeat_missed, 60000, 10 * i);
    journal_serve(j, &q, start);
    ck_assert_uint_eq(q.events.page.n, 10);
}
END_TEST

START_TEST(test_strangers_cannot_push_events_out)
{
    for (int i = 0; i < 1000; i++)
        journal_refused(j, "p", 401, "no", start);
    journal_serve(j, &q, start);
    ck_assert_uint_eq(q.events.page.n, JOURNAL_REFUSALS_BURST);
    journal_refused(j, "p", 401, "no", mono_add_ms(start, 1500));
    journal_serve(j, &q, start);
    ck_assert_uint_eq(q.events.page.n, 1);
    ck_assert_ptr_nonnull(strstr(q.events.page.events[0].evidence, "\"left_out_before\":940"));
}
END_TEST

START_TEST(test_a_cursor_of_another_start_is_told_of_its_loss)
{
    journal_event(j, "agent_connected", "a", "");
    q.events.after = (struct event_key){EPOCH - 1, 100};
    journal_serve(j, &q, start);
    ck_assert(q.events.page.lost && q.events.served);
    ck_assert_uint_eq(q.events.page.n, 1);
    ck_assert_uint_eq(q.events.after.epoch, EPOCH);
}
END_TEST

static struct store_event old(uint64_t number, const char *kind)
{
    return (struct store_event){
        .epoch = EPOCH - 1, .number = number, .at = {1}, .kind = (char *)kind};
}

START_TEST(test_a_cursor_of_a_start_that_was_loaded_goes_on)
{
    struct store_event events[] = {old(1, "master_started"), old(2, "agent_connected"),
                                   old(3, "master_stopped")};
    journal_load(j, events, 3);
    journal_started(j);
    q.events.after = (struct event_key){EPOCH - 1, 2};
    journal_serve(j, &q, start);
    ck_assert(!q.events.page.lost);
    ck_assert_uint_eq(q.events.page.n, 2);
    ck_assert_str_eq(q.events.page.events[0].kind, "master_stopped");
    ck_assert_str_eq(q.events.page.events[1].kind, "master_started");
    ck_assert_uint_eq(q.events.page.events[1].key.id, 1);
}
END_TEST

START_TEST(test_a_start_after_a_kill_says_so)
{
    struct store_event events[] = {old(1, "master_started"), old(2, "agent_connected")};
    journal_load(j, events, 2);
    journal_started(j);
    q.events.after = (struct event_key){EPOCH - 1, 2};
    journal_serve(j, &q, start);
    ck_assert_uint_eq(q.events.page.n, 2);
    ck_assert_str_eq(q.events.page.events[0].kind, "master_unclean_stop");
    ck_assert_ptr_nonnull(strstr(q.events.page.events[0].detail, "1970-01-01T00:00:00"));
    ck_assert_str_eq(q.events.page.events[1].kind, "master_started");
}
END_TEST

START_TEST(test_the_first_start_of_all_follows_none)
{
    journal_load(j, NULL, 0);
    journal_started(j);
    journal_stopped(j);
    journal_serve(j, &q, start);
    ck_assert_uint_eq(q.events.page.n, 2);
    ck_assert_str_eq(q.events.page.events[0].kind, "master_started");
    ck_assert_str_eq(q.events.page.events[1].kind, "master_stopped");
}
END_TEST

static void keep(void *arg, const struct event *e)
{
    unsigned *sum = arg;
    ck_assert_uint_eq(e->key.epoch, EPOCH);
    *sum = *sum * 10 + (unsigned)e->key.id;
}

START_TEST(test_each_event_is_given_to_who_keeps_more)
{
    unsigned sum = 0;
    journal_keep(j, keep, &sum);
    journal_event(j, "agent_connected", "a", "");
    end_session(END_write_stalled, 60000, 1);
    journal_refused(j, "p", 401, "no", start);
    ck_assert_uint_eq(sum, 123);
}
END_TEST

START_TEST(test_who_waits_is_answered_by_what_comes_or_by_the_clock)
{
    q.agent = (char *)"b";
    q.wait_ms = 1000;
    journal_serve(j, &q, start);
    journal_event(j, "agent_connected", "a", "");
    journal_tick(j, mono_add_ms(start, 10));
    ck_assert_uint_eq(answers, 0);
    journal_event(j, "agent_connected", "b", "");
    journal_tick(j, mono_add_ms(start, 20));
    ck_assert_uint_eq(answers, 1);
    ck_assert_uint_eq(q.events.page.n, 1);
    journal_serve(j, &q, start);
    journal_tick(j, mono_add_ms(start, 1000));
    ck_assert_uint_eq(answers, 2);
    ck_assert_uint_eq(q.events.page.n, 0);
    journal_serve(j, &q, start);
    journal_close(j);
    ck_assert_uint_eq(answers, 3);
}
END_TEST

TESTS(each, test_the_end_of_a_session_carries_its_evidence, test_a_pile_of_ages_says_what_to_check,
      test_ends_that_no_proxy_makes_do_not_pile_up, test_strangers_cannot_push_events_out,
      test_a_cursor_of_another_start_is_told_of_its_loss,
      test_a_cursor_of_a_start_that_was_loaded_goes_on, test_a_start_after_a_kill_says_so,
      test_the_first_start_of_all_follows_none, test_each_event_is_given_to_who_keeps_more,
      test_who_waits_is_answered_by_what_comes_or_by_the_clock)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, setup, done);
    return tc;
}
CHECK_MAIN("journal", all)
