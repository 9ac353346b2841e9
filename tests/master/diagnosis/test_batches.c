/* SPDX-License-Identifier: MIT */
#include "tests/master/diagnosis/facts.h"

static void one(enum waits_for why, uint64_t running)
{
    well();
    stuck[0] = (struct core_stuck){
        .uuid = "0193b1c2-0000-7000-8000-000000000001",
        .counts = {.total = 100, .queued = 90, .running = running, .waits = why},
        .still_ms = 65000,
        .deadline_in_ms = 3600000,
        .matching = 2,
        .able = 1};
    facts.n_stuck = 1;
}

START_TEST(each_reason_has_a_check_of_its_own)
{
    static const struct {
        enum waits_for why;
        uint64_t running;
        enum diag_check check;
    } cases[] = {
        {WAITS_NO_AGENT, 0, DIAG_batch_no_agent},    {WAITS_UNABLE, 0, DIAG_batch_agents_unable},
        {WAITS_CREDIT, 0, DIAG_batch_agents_unable}, {WAITS_MORE_AGENTS, 0, DIAG_batch_more_agents},
        {WAITS_HOSTS, 0, DIAG_batch_hosts},          {WAITS_PAUSED, 0, DIAG_batch_paused},
        {WAITS_STORE, 0, DIAG_batch_store},          {WAITS_ENDING, 0, DIAG_batch_store},
        {WAITS_NONE, 10, DIAG_batch_running},        {WAITS_ALONE, 0, DIAG_batch_alone},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        one(cases[i].why, cases[i].running);
        const struct diag_finding *f = only(cases[i].check, DIAG_WARN);
        names(f, stuck[0].uuid, "nothing ended for 1m05s; 90 queued");
        names(f, stuck[0].uuid, "2 agents match, 1 of them able; deadline in 1h00m");
        says(f->evidence, "1 of 1 that stand still");
    }
}
END_TEST

START_TEST(results_that_a_full_store_does_not_take)
{
    one(WAITS_NONE, 10);
    facts.store.writable = false;
    free(found);
    found = diagnosis_make(&facts);
    ck_assert_int_eq(found->findings[DIAG_batch_store].state, DIAG_WARN);
    ck_assert_int_eq(found->findings[DIAG_batch_running].state, DIAG_OK);
}
END_TEST

START_TEST(what_was_not_looked_at_is_counted)
{
    one(WAITS_PAUSED, 0);
    facts.more_stuck = 70;
    says(only(DIAG_batch_paused, DIAG_WARN)->evidence, "at least 1 of 71");
}
END_TEST

START_TEST(nothing_stands_still)
{
    well();
    says(only(DIAG_batch_store, DIAG_OK)->evidence, "no batch stands still");
}
END_TEST

TESTS(batches, each_reason_has_a_check_of_its_own, results_that_a_full_store_does_not_take,
      what_was_not_looked_at_is_counted, nothing_stands_still)
CHECK_MAIN("diagnosis of batches", batches)
