/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include "agent/health/health.h"
#include <string.h>

#define PLACES 64

static struct health *h;
static struct vitals signs;
static struct mono now;

static void begin(unsigned canaries)
{
    memset(&signs, 0, sizeof(signs));
    now = (struct mono){NS_PER_SEC};
    h = health_create(PLACES, canaries);
}

static void end(void)
{
    while (health_abandon(h))
        ;
    health_destroy(&h);
}

static void pass(int64_t ms)
{
    now = mono_add_ms(now, ms);
}

static void step(void)
{
    health_step(h, &signs, now);
}

static void sign(enum vital v)
{
    vitals_good(&signs, v, now);
}

static struct health_case doubt(enum vital v, uint64_t host)
{
    return (struct health_case){.vital = v, .since = mono_add_ms(now, -1000), .host = host};
}

/* The canary's first question and its answer, as at the start of an agent. */
static void prove(enum vital v)
{
    ck_assert_uint_eq(health_canaries_due(h, now), 0);
    health_ended(h, CAUSE_NONE, now);
    ck_assert_uint_eq(health_canaries_due(h, now), 1u << v);
    sign(v);
    health_canary_over(h, v, true, now);
    step();
    pass(HEALTH_CANARY_GAP_MS + 1);
}

static bool decided(struct health_case *c, bool ours)
{
    struct health_case *got = health_next(h);
    return got == c && c->ours == ours;
}

START_TEST(others_that_answer_clear_us)
{
    struct health_case c;
    begin(0);
    c = doubt(VITAL_V4, 1);
    health_enter(h, &c, now);
    step();
    ck_assert_ptr_null(health_next(h));
    pass(10);
    sign(VITAL_V4);
    step();
    ck_assert(decided(&c, false));
    end();
}
END_TEST

START_TEST(a_sign_from_before_the_silence_clears_nobody)
{
    struct health_case c;
    begin(1u << VITAL_V4);
    prove(VITAL_V4);
    pass(2000);
    c = doubt(VITAL_V4, 1);
    health_enter(h, &c, now);
    step();
    ck_assert_ptr_null(health_next(h));
    end();
}
END_TEST

/* The network may go between that sign and the moment at which the target would have answered. */
START_TEST(a_sign_in_the_midst_of_the_silence_clears_nobody)
{
    struct health_case c;
    begin(1u << VITAL_V4);
    prove(VITAL_V4);
    pass(2000);
    sign(VITAL_V4);
    pass(1);
    c = doubt(VITAL_V4, 1); /* silent for a second */
    health_enter(h, &c, now);
    step();
    ck_assert_ptr_null(health_next(h));
    pass(HEALTH_CANARY_AFTER_MS);
    ck_assert_uint_eq(health_canaries_due(h, now), 1u << VITAL_V4);
    health_canary_over(h, VITAL_V4, false, now);
    step();
    ck_assert(decided(&c, true));
    end();
}
END_TEST

START_TEST(no_canary_is_asked_while_others_answer)
{
    begin(1u << VITAL_V4);
    prove(VITAL_V4);
    for (unsigned i = 0; i < 50; i++) {
        struct health_case c = doubt(VITAL_V4, i);
        health_enter(h, &c, now);
        step();
        pass(HEALTH_CANARY_AFTER_MS - 1);
        ck_assert_uint_eq(health_canaries_due(h, now), 0);
        sign(VITAL_V4);
        step();
        ck_assert(decided(&c, false));
        pass(HEALTH_CANARY_GAP_MS);
    }
    end();
}
END_TEST

START_TEST(a_sign_of_another_network_clears_nobody)
{
    struct health_case c;
    begin(1u << VITAL_V6);
    prove(VITAL_V6);
    pass(2000);
    c = doubt(VITAL_V6, 1);
    health_enter(h, &c, now);
    sign(VITAL_V4);
    sign(VITAL_V6_PRIVATE);
    step();
    ck_assert_ptr_null(health_next(h));
    end();
}
END_TEST

START_TEST(a_silent_canary_makes_it_ours_and_stops_everything)
{
    struct health_case c, later;
    begin(1u << VITAL_V4);
    prove(VITAL_V4);
    pass(5000);
    c = doubt(VITAL_V4, 1);
    health_enter(h, &c, now);
    step();
    pass(HEALTH_CANARY_AFTER_MS);
    ck_assert_uint_eq(health_canaries_due(h, now), 1u << VITAL_V4);
    ck_assert_uint_eq(health_canaries_due(h, now), 0);
    pass(2000);
    health_canary_over(h, VITAL_V4, false, now);
    step();
    ck_assert(decided(&c, true));
    ck_assert_uint_eq(health_places(h), 0);
    ck_assert(health_take_fall(h));
    ck_assert(!health_take_fall(h));
    ck_assert(strstr(health_trouble(h, now), "the IPv4 network is down") != NULL);
    later = doubt(VITAL_V4, 2); /* at once, without another canary */
    health_enter(h, &later, now);
    step();
    ck_assert(decided(&later, true));
    end();
}
END_TEST

START_TEST(a_canary_that_answers_convicts_the_target)
{
    struct health_case c;
    begin(1u << VITAL_V4);
    prove(VITAL_V4);
    pass(5000);
    c = doubt(VITAL_V4, 1);
    health_enter(h, &c, now);
    pass(HEALTH_CANARY_AFTER_MS);
    ck_assert_uint_eq(health_canaries_due(h, now), 1u << VITAL_V4);
    pass(3);
    sign(VITAL_V4);
    health_canary_over(h, VITAL_V4, true, now);
    step();
    ck_assert(decided(&c, false));
    ck_assert_uint_eq(health_places(h), PLACES);
    end();
}
END_TEST

START_TEST(a_canary_asked_before_the_case_says_nothing_of_it)
{
    struct health_case first, second;
    begin(1u << VITAL_V4);
    prove(VITAL_V4);
    pass(5000);
    first = doubt(VITAL_V4, 1);
    health_enter(h, &first, now);
    pass(HEALTH_CANARY_AFTER_MS);
    ck_assert_uint_ne(health_canaries_due(h, now), 0);
    pass(1000);
    sign(VITAL_V4);
    second = doubt(VITAL_V4, 2);
    health_enter(h, &second, now);
    pass(1);
    health_canary_over(h, VITAL_V4, false, now);
    step();
    ck_assert(decided(&first, false)); /* what answered came after it */
    ck_assert_ptr_null(health_next(h));
    pass(HEALTH_CANARY_AFTER_MS);
    ck_assert_uint_eq(health_canaries_due(h, now), 1u << VITAL_V4);
    end();
}
END_TEST

START_TEST(the_network_comes_back_with_the_canary)
{
    struct health_case c;
    begin(1u << VITAL_V4);
    prove(VITAL_V4);
    pass(5000);
    c = doubt(VITAL_V4, 1);
    health_enter(h, &c, now);
    pass(HEALTH_CANARY_AFTER_MS);
    health_canaries_due(h, now);
    health_canary_over(h, VITAL_V4, false, now);
    step();
    ck_assert(decided(&c, true));
    ck_assert_uint_eq(health_canaries_due(h, now), 0);
    pass(HEALTH_CANARY_EVERY_MS);
    ck_assert_uint_eq(health_canaries_due(h, now), 1u << VITAL_V4);
    sign(VITAL_V4);
    health_canary_over(h, VITAL_V4, true, now);
    step();
    ck_assert_uint_eq(health_places(h), PLACES);
    ck_assert_str_eq(health_trouble(h, now), "");
    end();
}
END_TEST

START_TEST(one_dead_network_of_two_stops_nothing)
{
    struct health_case c;
    begin(1u << VITAL_V6);
    prove(VITAL_V6);
    pass(5000);
    c = doubt(VITAL_V6, 1);
    health_enter(h, &c, now);
    pass(HEALTH_CANARY_AFTER_MS);
    health_canaries_due(h, now);
    health_canary_over(h, VITAL_V6, false, now);
    step();
    ck_assert(decided(&c, true));
    pass(1);
    sign(VITAL_V4);
    step();
    ck_assert_uint_eq(health_places(h), PLACES);
    end();
}
END_TEST

START_TEST(without_a_canary_a_single_silent_host_is_dead_after_a_while)
{
    struct health_case c;
    begin(0);
    c = doubt(VITAL_V4, 1);
    health_enter(h, &c, now);
    pass(HEALTH_HOLD_MS - 1);
    step();
    ck_assert_ptr_null(health_next(h));
    pass(1);
    step();
    ck_assert(decided(&c, false));
    end();
}
END_TEST

START_TEST(without_a_canary_many_silent_hosts_are_our_own_silence)
{
    struct health_case c[HEALTH_SILENT_HOSTS];
    begin(0);
    for (unsigned i = 0; i < HEALTH_SILENT_HOSTS; i++) {
        c[i] = doubt(VITAL_V4, i);
        health_enter(h, &c[i], now);
        if (i + 1 < HEALTH_SILENT_HOSTS) {
            step();
            ck_assert_ptr_null(health_next(h));
        }
    }
    step();
    for (unsigned i = 0; i < HEALTH_SILENT_HOSTS; i++)
        ck_assert(decided(&c[i], true));
    ck_assert_uint_eq(health_places(h), PLACES / 16); /* some must go on, to see it come back */
    pass(1000);
    sign(VITAL_V4);
    step();
    ck_assert_uint_eq(health_places(h), PLACES);
    end();
}
END_TEST

START_TEST(the_same_host_again_is_one_host)
{
    struct health_case c[HEALTH_SILENT_HOSTS];
    begin(0);
    for (unsigned i = 0; i < HEALTH_SILENT_HOSTS; i++) {
        c[i] = doubt(VITAL_V4, 7);
        health_enter(h, &c[i], now);
    }
    step();
    ck_assert_ptr_null(health_next(h));
    end();
}
END_TEST

START_TEST(a_canary_that_never_answered_proves_nothing)
{
    struct health_case c;
    begin(1u << VITAL_V4);
    health_ended(h, CAUSE_NONE, now);
    ck_assert_uint_ne(health_canaries_due(h, now), 0);
    health_canary_over(h, VITAL_V4, false, now);
    pass(1000);
    c = doubt(VITAL_V4, 1);
    health_enter(h, &c, now);
    pass(HEALTH_CANARY_AFTER_MS);
    ck_assert_uint_ne(health_canaries_due(h, now), 0);
    health_canary_over(h, VITAL_V4, false, now);
    step();
    ck_assert_ptr_null(health_next(h));
    pass(HEALTH_HOLD_MS);
    step();
    ck_assert(decided(&c, false));
    end();
}
END_TEST

START_TEST(a_canary_that_could_not_be_asked_is_asked_again)
{
    struct health_case c;
    begin(1u << VITAL_V4);
    prove(VITAL_V4);
    pass(5000);
    c = doubt(VITAL_V4, 1);
    health_enter(h, &c, now);
    pass(HEALTH_CANARY_AFTER_MS);
    ck_assert_uint_ne(health_canaries_due(h, now), 0);
    health_canary_undone(h, VITAL_V4);
    step();
    ck_assert_ptr_null(health_next(h));
    pass(HEALTH_CANARY_GAP_MS);
    ck_assert_uint_ne(health_canaries_due(h, now), 0);
    end();
}
END_TEST

START_TEST(a_resolver_that_is_down_stops_everything)
{
    struct health_case c;
    begin(1u << VITAL_RESOLVER);
    prove(VITAL_RESOLVER);
    pass(5000);
    c = doubt(VITAL_RESOLVER, 1);
    health_enter(h, &c, now);
    pass(HEALTH_CANARY_AFTER_MS);
    health_canaries_due(h, now);
    health_canary_over(h, VITAL_RESOLVER, false, now);
    sign(VITAL_V4);
    step();
    ck_assert(decided(&c, true));
    ck_assert_uint_eq(health_places(h), 0);
    ck_assert(strstr(health_trouble(h, now), "the agent's own resolver is down") != NULL);
    end();
}
END_TEST

START_TEST(a_probe_that_found_the_resolver_dead_is_believed_where_a_canary_can_tell_more)
{
    begin(1u << VITAL_RESOLVER);
    health_ended(h, CAUSE_agent_resolver_down, now);
    health_tick(h, 4);
    ck_assert_uint_eq(health_places(h), 2);
    end();
    begin(1u << VITAL_RESOLVER);
    prove(VITAL_RESOLVER);
    health_ended(h, CAUSE_agent_resolver_down, now);
    health_tick(h, 4);
    ck_assert_uint_eq(health_places(h), 0);
    pass(HEALTH_CANARY_EVERY_MS);
    ck_assert_uint_eq(health_canaries_due(h, now), 1u << VITAL_RESOLVER);
    sign(VITAL_RESOLVER);
    step();
    ck_assert_uint_eq(health_places(h), PLACES);
    end();
}
END_TEST

START_TEST(faults_stop_the_second_and_halve_the_places)
{
    begin(0);
    for (unsigned i = 0; i < 10; i++)
        health_ended(h, CAUSE_NONE, now);
    for (unsigned i = 0; i < 9; i++)
        health_ended(h, CAUSE_agent_fd_exhausted, now);
    ck_assert_uint_eq(health_places(h), PLACES);
    health_ended(h, CAUSE_agent_fd_exhausted, now);
    ck_assert_uint_eq(health_places(h), 0);
    ck_assert(health_take_fall(h));
    health_tick(h, 40);
    ck_assert_uint_eq(health_places(h), 20);
    ck_assert(strstr(health_trouble(h, now), "agent_fd_exhausted") != NULL);
    end();
}
END_TEST

START_TEST(places_never_fall_below_one_and_come_back_in_steps)
{
    begin(0);
    for (unsigned i = 0; i < 10; i++) {
        health_ended(h, CAUSE_agent_memory, now);
        health_tick(h, 1);
        ck_assert_uint_eq(health_places(h), 1);
    }
    static const unsigned back[] = {5, 9, 13, 19, 28, 42, 63, 64, 64};
    for (unsigned i = 0; i < ARRAY_LEN(back); i++) {
        health_tick(h, 1);
        ck_assert_uint_eq(health_places(h), back[i]);
    }
    ck_assert_str_eq(health_trouble(h, now), "");
    end();
}
END_TEST

START_TEST(ports_in_time_wait_shrink_the_places)
{
    begin(0);
    health_ports(h, 150, 1000);
    ck_assert_uint_eq(health_places(h), PLACES);
    health_ports(h, 200, 1000);
    ck_assert_uint_eq(health_places(h), PLACES / 2);
    ck_assert(strstr(health_trouble(h, now), "200 of 1000 local ports") != NULL);
    health_ports(h, 250, 1000);
    ck_assert_uint_eq(health_places(h), 0);
    health_ports(h, 10, 1000);
    ck_assert_uint_eq(health_places(h), PLACES);
    health_ports(h, -1, -1);
    ck_assert_uint_eq(health_places(h), PLACES);
    end();
}
END_TEST

START_TEST(what_is_held_can_be_abandoned)
{
    struct health_case c[3];
    begin(0);
    for (unsigned i = 0; i < 3; i++) {
        c[i] = doubt(i == 0 ? VITAL_V6 : VITAL_V4, i);
        health_enter(h, &c[i], now);
    }
    ck_assert_uint_eq(health_waiting(h), 3);
    pass(1);
    sign(VITAL_V6);
    step();
    ck_assert_uint_eq(health_waiting(h), 2);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(health_abandon(h));
    ck_assert_ptr_null(health_abandon(h));
    end();
}
END_TEST

TESTS(doubts, others_that_answer_clear_us, a_sign_from_before_the_silence_clears_nobody,
      a_sign_in_the_midst_of_the_silence_clears_nobody, no_canary_is_asked_while_others_answer,
      a_sign_of_another_network_clears_nobody, a_silent_canary_makes_it_ours_and_stops_everything,
      a_canary_that_answers_convicts_the_target, a_canary_asked_before_the_case_says_nothing_of_it,
      the_network_comes_back_with_the_canary, one_dead_network_of_two_stops_nothing,
      without_a_canary_a_single_silent_host_is_dead_after_a_while,
      without_a_canary_many_silent_hosts_are_our_own_silence, the_same_host_again_is_one_host,
      a_canary_that_never_answered_proves_nothing, a_canary_that_could_not_be_asked_is_asked_again,
      a_resolver_that_is_down_stops_everything,
      a_probe_that_found_the_resolver_dead_is_believed_where_a_canary_can_tell_more,
      what_is_held_can_be_abandoned)
TESTS(places, faults_stop_the_second_and_halve_the_places,
      places_never_fall_below_one_and_come_back_in_steps, ports_in_time_wait_shrink_the_places)
CHECK_MAIN("health", doubts, places)
