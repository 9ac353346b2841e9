/* SPDX-License-Identifier: MIT */
#include "tests/master/diagnosis/facts.h"

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

static void make_slow(int64_t sendq, int64_t recvq)
{
    fleet[0].slow = true;
    fleet[0].untaken = 40;
    fleet[0].untaken_bytes = 3 << 20;
    fleet[0].has_link = sendq >= 0;
    fleet[0].link.sendq_bytes = sendq;
    fleet[0].hb.recvq_bytes = recvq;
}

START_TEST(a_slow_consumer_and_the_side_that_is_slow)
{
    well();
    make_slow(0, 0);
    const struct diag_finding *f = only(DIAG_slow_consumers, DIAG_WARN);
    names(f, "a1",
          "on the way: 40 tasks, 3.0 MiB not received; the master's Send-Q empty, on the "
          "way 3.0 MiB, its Recv-Q empty; 10 of 256 slots run");
    ck_assert_double_eq(figure(f, "way_bytes"), 3 << 20);
    make_slow(2 << 20, 4096);
    f = only(DIAG_slow_consumers, DIAG_WARN);
    names(f, "a1",
          "in the master's Send-Q: 40 tasks, 3.0 MiB not received; the master's Send-Q "
          "2.0 MiB, on the way 1020 KiB, its Recv-Q 4.0 KiB");
    ck_assert_double_eq(figure(f, "sendq_bytes"), 2 << 20);
    fleet[0].held_bytes = 128 << 10; /* of a frame that the socket has not taken whole */
    names(only(DIAG_slow_consumers, DIAG_WARN), "a1", "Send-Q 2.1 MiB, on the way 892 KiB");
    fleet[0].held_bytes = 0;
    make_slow(-1, -1);
    names(only(DIAG_slow_consumers, DIAG_WARN), "a1",
          "Send-Q not known, on the way 3.0 MiB, its Recv-Q not known");
    make_slow(8192, 4 << 20); /* more than is missing: results, TLS */
    names(only(DIAG_slow_consumers, DIAG_WARN), "a1", "in its Recv-Q: ");
    fleet[0].slow = false;
    names(only(DIAG_slow_consumers, DIAG_WARN), "a1", "in its Recv-Q: ");
    fleet[0].hb.recvq_bytes = 65535;
    only(DIAG_slow_consumers, DIAG_OK);
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
    says(f->evidence, "1 with no slot to spare");
    ck_assert_uint_eq(f->n_items, 1);
    ck_assert_int_eq(f->items[0].state, DIAG_OK);
    fleet[0].hb.queue = 64;
    fleet[1].hb.running = 240; /* the rest is kept for what is not bulk; and nothing waits */
    f = only(DIAG_slow_consumers, DIAG_OK);
    names(f, "a1", "in its pool: 256 of 256 slots run, 64 tasks wait for one");
    ck_assert_double_eq(figure(f, "pool_tasks"), 64);
}
END_TEST

START_TEST(an_agent_that_is_cut_again_and_again)
{
    well();
    fleet[0].cuts = (struct cuts_sum){.hour = 2, .day = 11, .causes = {{END_kicked, 11}}};
    only(DIAG_reconnects, DIAG_OK);
    fleet[0].cuts.day = 12;
    names(only(DIAG_reconnects, DIAG_WARN), "a1",
          "cut 2 times in the last hour, 12 in 24 h: kicked");
    fleet[1].cuts =
        (struct cuts_sum){.hour = 20,
                          .day = CUTS_KEPT,
                          .more = true,
                          .causes = {{END_connection_reset, 60}, {END_heartbeat_missed, 4}}};
    fleet[1].state = AGENT_ORPHANED; /* just now it is away: that is the same story */
    fleet[1].last_end.cause = END_connection_reset;
    fleet[1].left = true;
    const struct diag_finding *f = only(DIAG_reconnects, DIAG_BAD);
    names(f, "a2",
          "cut 20 times in the last hour, 64 or more in 24 h: connection_reset 60, "
          "heartbeat_missed 4");
    ck_assert_double_eq(figure(f, "hour"), 22);
    says(f->evidence, "2 agents stand out");
}
END_TEST

START_TEST(ages_that_pile_up_are_held_against_the_heartbeat)
{
    well();
    facts.pile.of = 7;
    says(only(DIAG_session_ages, DIAG_OK)->evidence, "the 7 that ended in 24 h do not pile up");
    facts.pile = (struct ages_pile){.n = 6, .of = 7, .age_ms = 60200, .near_ms = 1200};
    says(only(DIAG_session_ages, DIAG_WARN)->evidence,
         "6 of 7 sessions ended at 60 s, with heartbeats every 5 s");
    facts.pile.age_ms = 4100;
    const struct diag_finding *f = only(DIAG_session_ages, DIAG_BAD);
    says(f->evidence, "ended at 4.1 s: a time-out of less than three heartbeats of 5 s");
    ck_assert_double_eq(figure(f, "heartbeat_s"), 5);
}
END_TEST

TESTS(queues, who_says_nothing_is_named, a_slow_consumer_and_the_side_that_is_slow,
      who_was_cut_while_slow_is_named_though_it_is_back, full_pools_are_counted_and_are_no_fault)
TESTS(ends, an_agent_that_is_cut_again_and_again, ages_that_pile_up_are_held_against_the_heartbeat)
CHECK_MAIN("diagnosis of the links", queues, ends)
