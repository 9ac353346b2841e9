/* SPDX-License-Identifier: MIT */
#include "tests/agent/probe/dns_given.h"

static const struct result_try *only_try(void)
{
    ck_assert_uint_eq(result->n_tries, 1);
    return &result->tries[0];
}

START_TEST(test_silence_is_followed_by_another_try)
{
    ends("second.example", ", \"retries\": 1", 2000, CAUSE_NONE);
    ck_assert_uint_eq(atomic_load(&server.asked), 2);
    ck_assert_int_eq(only_try()->cause, CAUSE_dns_timeout);
    ck_assert_ptr_nonnull(strstr(only_try()->message, "no answer within the time-out"));
    ck_assert(only_try()->started_at.us > 0);
    ck_assert(only_try()->total_ms > 0 && only_try()->total_ms <= result->t.total_ms);
    ck_assert(result->t.dns_ms <= result->t.total_ms - only_try()->total_ms);
}
END_TEST

START_TEST(test_servfail_is_followed_by_another_try)
{
    ends("recovers.example", ", \"retries\": 3", 3000, CAUSE_NONE);
    ck_assert_uint_eq(atomic_load(&server.asked), 2);
    ck_assert_int_eq(only_try()->cause, CAUSE_dns_servfail);
    ck_assert_uint_eq(result->dns->n_sections[0], 1);
}
END_TEST

START_TEST(test_unexpected_servfail_is_followed_by_another_try)
{
    ends("recovers.example", ", \"retries\": 1, \"expect\": {\"rcode\": \"NOERROR\"}", 3000,
         CAUSE_NONE);
    ck_assert_int_eq(only_try()->cause, CAUSE_rcode_mismatch);
    ck_assert_uint_eq(result->n_checks, 1); /* those of the last try alone */
    ck_assert(result->checks[0].ok);
}
END_TEST

/* So many questions were sent; its thread may have yet to read the last one. */
static void server_was_asked(unsigned n)
{
    for (int ms = 0; ms < 10000 && atomic_load(&server.asked) < n; ms++)
        usleep(1000);
    ck_assert_uint_eq(atomic_load(&server.asked), n);
}

START_TEST(test_every_try_is_recorded_within_one_timeout)
{
    ends("silent.example", ", \"retries\": 2", 1500, CAUSE_dns_timeout);
    server_was_asked(3);
    ck_assert_uint_eq(result->n_tries, 2);
    ck_assert_int_eq(result->tries[1].cause, CAUSE_dns_timeout);
}
END_TEST

START_TEST(test_answers_that_stand_are_not_asked_for_again)
{
    ends("nx.example", ", \"retries\": 5", 3000, CAUSE_dns_nxdomain);
    ends("refused.example", ", \"retries\": 5", 3000, CAUSE_dns_refused);
    ends("nodata.example", ", \"retries\": 5", 3000, CAUSE_dns_nodata);
    ends("servfail.example", ", \"retries\": 5, \"expect\": {\"rcode\": \"SERVFAIL\"}", 3000,
         CAUSE_NONE);
    ck_assert_uint_eq(atomic_load(&server.asked), 4);
    ck_assert_uint_eq(result->n_tries, 0);
}
END_TEST

START_TEST(test_no_retries_unless_asked_for)
{
    ends("recovers.example", "", 3000, CAUSE_dns_servfail);
    ck_assert_uint_eq(result->n_tries, 0);
}
END_TEST

START_TEST(test_tries_over_tcp)
{
    ends("tcpclose.example", ", \"retries\": 1, \"transport\": \"tcp\"", 3000, CAUSE_empty_reply);
    ck_assert_uint_eq(atomic_load(&server.asked_tcp), 2);
    ck_assert_int_eq(only_try()->cause, CAUSE_empty_reply);
}
END_TEST

START_TEST(test_each_try_begins_with_udp_again)
{
    ends("tcpclose.example", ", \"retries\": 1", 3000, CAUSE_empty_reply);
    ck_assert_uint_eq(atomic_load(&server.asked), 2); /* over UDP: TCP closes before it counts */
    ck_assert_uint_eq(atomic_load(&server.asked_tcp), 2);
    ck_assert(result->dns->truncated);
}
END_TEST

/* An answer that is late on a busy machine is a try that timed out: behind that there is no pause.
 */
START_TEST(test_no_pause_that_would_outlast_the_timeout)
{
    run("servfail.example", "A", ", \"retries\": 1", 100);
    for (unsigned i = 0; i < result->n_tries; i++)
        ck_assert_int_eq(result->tries[i].cause, CAUSE_dns_timeout);
}
END_TEST

START_TEST(test_own_resolver_that_is_silent_stays_the_agents_fault)
{
    atomic_store(&server.mute, true);
    start("{\"dns\": \"host.example\", \"type\": \"A\", \"retries\": 5}", 2400);
    loop_run(env.loop);
    ck_assert_int_eq(result->cause, CAUSE_agent_resolver_down);
    ck_assert_uint_ge(result->n_tries, 1); /* shorter than what the question about the root needs */
}
END_TEST

struct canceller {
    struct timer timer;
    struct probe *probe;
};

static void on_cancel(struct timer *t, struct mono now)
{
    probe_dns.cancel(CONTAINER_OF(t, struct canceller, timer)->probe);
}

START_TEST(test_cancel_between_two_tries)
{
    char json[200];
    snprintf(json, sizeof(json),
             "{\"dns\": \"servfail.example\", \"type\": \"A\", \"retries\": 5, \"resolver\": "
             "\"127.0.0.1:%u\"}",
             server.port);
    struct canceller c = {.probe = start(json, 30000)};
    timer_arm(loop_timers(env.loop), &c.timer, mono_add_ms(mono_now(), 50), on_cancel);
    loop_run(env.loop);
    ck_assert_uint_eq(ended, 1);
    ck_assert_uint_lt(result->n_tries, 5);
}
END_TEST

TESTS(plain_tries, test_silence_is_followed_by_another_try,
      test_servfail_is_followed_by_another_try, test_unexpected_servfail_is_followed_by_another_try,
      test_every_try_is_recorded_within_one_timeout,
      test_answers_that_stand_are_not_asked_for_again, test_no_retries_unless_asked_for,
      test_tries_over_tcp, test_each_try_begins_with_udp_again,
      test_no_pause_that_would_outlast_the_timeout,
      test_own_resolver_that_is_silent_stays_the_agents_fault, test_cancel_between_two_tries)
static TCase *tries(void)
{
    TCase *tc = plain_tries();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("dns_retry", tries)
