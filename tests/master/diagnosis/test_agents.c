/* SPDX-License-Identifier: MIT */
#include "tests/master/diagnosis/facts.h"

/* What the checks of the fleet do not share with a fleet that is not there. */
static void no_agents(void)
{
    well();
    facts.n_agents = 0;
    facts.hub.sessions = 0;
}

/* n agents, all well. */
static void many(unsigned n)
{
    static char names_of[ARRAY_LEN(fleet)][8];
    REQUIRE(n <= ARRAY_LEN(fleet));
    well();
    for (unsigned i = 0; i < n; i++) {
        snprintf(names_of[i], sizeof(names_of[i]), "b%u", i);
        agent(i, names_of[i]);
    }
    facts.n_agents = n;
    facts.hub.sessions = n;
}

START_TEST(without_agents_what_waits_decides)
{
    no_agents();
    says(only(DIAG_agents, DIAG_BAD)->evidence, "tasks that wait: 1000");
    facts.store.open_tasks = 0;
    only(DIAG_agents, DIAG_WARN);
}
END_TEST

START_TEST(who_went_without_a_bye_is_named_with_the_cause)
{
    well();
    fleet[1].state = AGENT_ORPHANED;
    fleet[1].away_ms = 12000;
    fleet[1].last_end.cause = END_heartbeat_missed;
    const struct diag_finding *f = only(DIAG_agents_lost, DIAG_WARN);
    names(f, "a2", "away for 12s: nothing was heard of the agent for 15 s");
    says(f->evidence, "1 of 3");
    fleet[1].state = AGENT_GONE;
    only(DIAG_agents_lost, DIAG_WARN);
    fleet[1].left = true; /* it said BYE */
    only(DIAG_agents_lost, DIAG_OK);
    fleet[1].left = false;
    fleet[1].away_ms = 2 * 3600 * 1000; /* no news any more */
    only(DIAG_agents_lost, DIAG_OK);
}
END_TEST

START_TEST(many_lost_at_once_are_bad)
{
    many(10);
    for (unsigned i = 0; i < 2; i++) {
        fleet[i].state = AGENT_ORPHANED;
        fleet[i].away_ms = 5000;
    }
    only(DIAG_agents_lost, DIAG_WARN);
    fleet[2].state = AGENT_GONE;
    fleet[2].away_ms = 5000;
    says(only(DIAG_agents_lost, DIAG_BAD)->evidence, "too many for a chance");
    many(11); /* three of eleven are not three tenths */
    for (unsigned i = 0; i < 3; i++) {
        fleet[i].state = AGENT_GONE;
        fleet[i].away_ms = 5000;
    }
    only(DIAG_agents_lost, DIAG_WARN);
}
END_TEST

START_TEST(who_says_nothing_is_named)
{
    well();
    fleet[2].heartbeat_age_ms = 7400;
    only(DIAG_half_open, DIAG_OK);
    fleet[2].heartbeat_age_ms = 11000;
    fleet[2].state = AGENT_SUSPECT;
    fleet[2].leases = 5;
    names(only(DIAG_half_open, DIAG_WARN), "a3", "no heartbeat for 11s, suspect; 5 tasks there");
    fleet[2].has_hb = false;
    fleet[2].heartbeat_age_ms = -1;
    fleet[2].connected_ms = 9000;
    names(only(DIAG_half_open, DIAG_WARN), "a3", "connected, and no heartbeat for 9s");
    fleet[2].connected_ms = 1000;
    only(DIAG_half_open, DIAG_OK);
    many(10);
    for (unsigned i = 0; i < 3; i++)
        fleet[i].heartbeat_age_ms = 9000;
    only(DIAG_half_open, DIAG_BAD);
}
END_TEST

START_TEST(a_slow_consumer_and_the_side_that_is_slow)
{
    well();
    fleet[0].slow = true;
    fleet[0].untaken = 40;
    fleet[0].untaken_bytes = 20480;
    names(only(DIAG_slow_consumers, DIAG_WARN), "a1",
          "on the way: 40 tasks, 20 KiB not received, and its Recv-Q is empty");
    fleet[0].hb.recvq_bytes = -1;
    names(only(DIAG_slow_consumers, DIAG_WARN), "a1", "its Recv-Q is not known");
    fleet[0].hb.recvq_bytes = 4096;
    names(only(DIAG_slow_consumers, DIAG_WARN), "a1", "in its Recv-Q: 4.0 KiB unread");
    fleet[0].slow = false;
    only(DIAG_slow_consumers, DIAG_OK);
    fleet[0].hb.recvq_bytes = 362708;
    names(only(DIAG_slow_consumers, DIAG_WARN), "a1", "in its Recv-Q: 354 KiB unread");
}
END_TEST

START_TEST(who_was_cut_while_slow_is_named_though_it_is_back)
{
    well();
    fleet[1].last_end.cause = END_slow_consumer;
    fleet[1].last_end.detail = (char *)"3 of 900 tasks received";
    fleet[1].last_end.ago_ms = 61000;
    const struct diag_finding *f = only(DIAG_slow_consumers, DIAG_WARN);
    names(f, "a2", "cut 1m01s ago as slow_consumer: 3 of 900 tasks received");
    says(f->evidence, "0 of 3 connected, others were cut for it");
    ck_assert_double_eq(figure(f, "cut_while_slow"), 1);
    fleet[1].last_end.ago_ms = 601000;
    only(DIAG_slow_consumers, DIAG_OK);
    fleet[1].last_end.ago_ms = 1000;
    fleet[1].last_end.cause = END_connection_reset;
    only(DIAG_slow_consumers, DIAG_OK);
}
END_TEST

START_TEST(full_pools_are_counted_and_are_no_fault)
{
    well();
    fleet[0].hb.running = fleet[0].hb.slots;
    const struct diag_finding *f = only(DIAG_slow_consumers, DIAG_OK);
    ck_assert_double_eq(figure(f, "full_pools"), 1);
    says(f->evidence, "1 with all slots in use");
}
END_TEST

START_TEST(a_probe_beyond_every_time_out)
{
    well();
    fleet[1].hb.oldest_ms = TIMEOUT_MS_MAX + 5000;
    only(DIAG_stuck_probes, DIAG_OK);
    fleet[1].hb.oldest_ms = 90000;
    names(only(DIAG_stuck_probes, DIAG_WARN), "a2", "1m30s");
    no_agents();
    facts.store.open_tasks = 0;
    says(only(DIAG_agents, DIAG_WARN)->evidence, "none");
    says(found->findings[DIAG_stuck_probes].evidence, "no probe runs");
}
END_TEST

START_TEST(an_agent_whose_work_stands)
{
    well();
    fleet[1].state = AGENT_STALLED;
    fleet[1].hb.overdue_ms = 65000;
    fleet[1].hb.oldest_ms = 75000;
    const struct diag_finding *f = only(DIAG_agents_stalled, DIAG_WARN);
    names(f, "a2", "a probe is 1m05s over its time-out");
    says(f->evidence, "1 of 3");
    fleet[1].hb.overdue_ms = -1;
    fleet[1].hb.queue = 12;
    fleet[1].hb.still_ms = 40000;
    names(only(DIAG_agents_stalled, DIAG_WARN), "a2",
          "12 tasks wait, and for 40s none started or ended");
    fleet[0].state = fleet[2].state = AGENT_STALLED;
    only(DIAG_agents_stalled, DIAG_BAD);
}
END_TEST

START_TEST(what_agents_say_of_themselves)
{
    well();
    fleet[1].trouble = (char *)"its resolver does not answer";
    names(only(DIAG_agent_trouble, DIAG_WARN), "a2", "its resolver does not answer");
    fleet[1].trouble = (char *)"cut \xc3"; /* a character that lost its end */
    names(only(DIAG_agent_trouble, DIAG_WARN), "a2", "cut \xef\xbf\xbd");
    fleet[1].state = AGENT_GONE;
    fleet[1].left = true;
    only(DIAG_agent_trouble, DIAG_OK);
}
END_TEST

START_TEST(an_agent_that_is_late)
{
    well();
    fleet[0].hb.lag_ms = 600;
    names(only(DIAG_agent_lag, DIAG_WARN), "a1", "600 ms late");
    fleet[0].hb.lag_ms = 6000;
    only(DIAG_agent_lag, DIAG_BAD);
    fleet[0].hb.lag_ms = -1;
    only(DIAG_agent_lag, DIAG_OK);
}
END_TEST

START_TEST(limits_of_the_agents_hosts)
{
    well();
    fleet[0].hb.fds_used = 8000;
    names(only(DIAG_agent_descriptors, DIAG_WARN), "a1", "8000 of 10000 descriptors (80 %)");
    fleet[1].hb.fds_used = 9600;
    const struct diag_finding *f = only(DIAG_agent_descriptors, DIAG_BAD);
    ck_assert_str_eq(f->items[0].name, "a2"); /* the worst first */
    says(f->evidence, "at most 96 %");
    well();
    fleet[2].hb.time_wait = 14000;
    names(only(DIAG_agent_ports, DIAG_WARN), "a3", "14000 of 28000 local ports");
    fleet[2].hb.time_wait = 27000;
    only(DIAG_agent_ports, DIAG_BAD);
    fleet[2].hb.time_wait = -1;
    only(DIAG_agent_ports, DIAG_OK);
}
END_TEST

START_TEST(so_many_are_named_and_the_rest_is_counted)
{
    many(40);
    for (unsigned i = 0; i < 30; i++)
        fleet[i].hb.fds_used = i == 29 ? 9900 : 8500;
    const struct diag_finding *f = only(DIAG_agent_descriptors, DIAG_BAD);
    ck_assert_uint_eq(f->n_items, DIAG_ITEMS_MAX);
    ck_assert_uint_eq(f->more_items, 30 - DIAG_ITEMS_MAX);
    ck_assert_str_eq(f->items[0].name, "b29");
    ck_assert_str_eq(f->items[1].name, "b0");
    ck_assert_str_eq(f->items[9].name, "b8");
}
END_TEST

TESTS(away, without_agents_what_waits_decides, who_went_without_a_bye_is_named_with_the_cause,
      many_lost_at_once_are_bad, who_says_nothing_is_named)
TESTS(ill, a_slow_consumer_and_the_side_that_is_slow,
      who_was_cut_while_slow_is_named_though_it_is_back, full_pools_are_counted_and_are_no_fault,
      a_probe_beyond_every_time_out, an_agent_whose_work_stands, what_agents_say_of_themselves,
      an_agent_that_is_late, limits_of_the_agents_hosts, so_many_are_named_and_the_rest_is_counted)
CHECK_MAIN("diagnosis of the fleet", away, ill)
