/* SPDX-License-Identifier: MIT */
#include "tests/master/diagnosis/facts.h"

/* What the checks of the fleet do not share with a fleet that is not there. */
static void no_agents(void)
{
    well();
    facts.n_agents = 0;
    facts.hub.sessions = 0;
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

START_TEST(sockets_that_an_agent_does_not_close)
{
    well();
    fleet[0].hb.close_wait = 41; /* as many as probes run, and 31 */
    only(DIAG_agent_close_wait, DIAG_OK);
    fleet[0].hb.close_wait = 42;
    names(only(DIAG_agent_close_wait, DIAG_WARN), "a1", "42 sockets in CLOSE_WAIT, 10 probes run");
    fleet[1].hb.close_wait = 300;
    const struct diag_finding *f = only(DIAG_agent_close_wait, DIAG_BAD);
    ck_assert_double_eq(figure(f, "most"), 300);
    for (unsigned i = 0; i < 3; i++)
        fleet[i].hb.close_wait = -1;
    says(only(DIAG_agent_close_wait, DIAG_OK)->evidence, "no agent has told");
}
END_TEST

static void set_clock(unsigned i, int64_t ms)
{
    fleet[i].hb.has_clock = true;
    fleet[i].hb.clock_ms = ms;
    fleet[i].hb.rtt_ms = 1.5;
    fleet[i].clock_off = message_clock_is_off(ms, 1.5);
}

START_TEST(a_clock_that_is_off_and_whose_it_is)
{
    well();
    says(only(DIAG_agent_clock, DIAG_OK)->evidence, "no agent has told");
    for (unsigned i = 0; i < 3; i++)
        set_clock(i, 1000 * (int64_t)i);
    says(only(DIAG_agent_clock, DIAG_OK)->evidence, "0 of 3");
    set_clock(1, -86400000);
    const struct diag_finding *f = only(DIAG_agent_clock, DIAG_WARN);
    names(f, "a2", "its clock is 86400.0 s behind the master's; round trip 1.5 ms");
    ck_assert_double_eq(figure(f, "worst_s"), -86400);
    for (unsigned i = 0; i < 3; i++)
        set_clock(i, 86400000 + 100 * (int64_t)i);
    says(only(DIAG_agent_clock, DIAG_WARN)->evidence, "all 3 agree with each other");
    set_clock(1, 90000000);
    says(only(DIAG_agent_clock, DIAG_WARN)->evidence, "3 of 3 that tell are off");
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
      many_lost_at_once_are_bad)
TESTS(ill, a_probe_beyond_every_time_out, an_agent_whose_work_stands, what_agents_say_of_themselves,
      an_agent_that_is_late, limits_of_the_agents_hosts, sockets_that_an_agent_does_not_close,
      a_clock_that_is_off_and_whose_it_is, so_many_are_named_and_the_rest_is_counted)
CHECK_MAIN("diagnosis of the fleet", away, ill)
