/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

/* Two processes of one name: told apart from a restart and from a link that flaps. */

static enum agent_state state_of(const char *name)
{
    struct agent_view *v;
    unsigned n = core_agents(w->core, name, w->now, &v);
    ck_assert_uint_eq(n, 1);
    enum agent_state s = v->state;
    core_views_free(v, n);
    return s;
}

static void refused_as_clone(unsigned slot)
{
    ck_assert(w->agents[slot].closed);
    ck_assert_int_eq(w->agents[slot].close_code, CLOSE_CLONE);
    ck_assert(!w->agents[slot].welcomed);
}

/* Both have the name in turn; the first comes back. */
static void fight(void)
{
    world_connect(w, 0, "a", "1");
    world_tick(w, 1000, true);
    world_connect(w, 1, "a", "2");
    ck_assert_int_eq(w->agents[0].close_code, CLOSE_REPLACED);
    world_tick(w, 1000, true);
    world_connect(w, 2, "a", "1");
}

START_TEST(a_process_that_comes_back_after_another_is_a_clone)
{
    setup();
    fight();
    refused_as_clone(2);
    ck_assert(w->agents[1].closed);
    ck_assert_int_eq(w->agents[1].close_code, CLOSE_CLONE);
    ck_assert_int_eq(state_of("a"), AGENT_QUARANTINED);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->agent_clones), 1);
    done();
}
END_TEST

START_TEST(nobody_gets_the_name_for_a_minute_and_then_the_first_who_comes)
{
    setup();
    fight();
    world_tick(w, 58000, true);
    world_connect(w, 3, "a", "2");
    refused_as_clone(3);
    world_connect(w, 4, "a", "3");
    refused_as_clone(4);
    world_tick(w, 3000, true);
    ck_assert_int_eq(state_of("a"), AGENT_GONE);
    ck_assert(world_connect(w, 5, "a", "2")->welcomed);
    ck_assert_int_eq(state_of("a"), AGENT_ALIVE);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->agent_clones), 1);
    done();
}
END_TEST

START_TEST(another_name_is_let_in_meanwhile)
{
    setup();
    fight();
    ck_assert(world_connect(w, 3, "b", "1")->welcomed);
    done();
}
END_TEST

START_TEST(a_link_that_flaps_is_no_clone)
{
    setup();
    for (unsigned i = 0; i < 20; i++) {
        ck_assert(world_connect(w, i, "a", "1")->welcomed);
        world_tick(w, 1000, true);
        if (i % 2 == 0)
            w->agents[i].closed = true; /* else the next takes it over */
    }
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->agent_clones), 0);
    done();
}
END_TEST

START_TEST(restarts_are_no_clones)
{
    setup();
    char run[8];
    for (unsigned i = 0; i < 20; i++) {
        snprintf(run, sizeof(run), "%x", i + 1);
        ck_assert(world_connect(w, i, "a", run)->welcomed);
        world_tick(w, 1000, true);
    }
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->agent_clones), 0);
    done();
}
END_TEST

START_TEST(coming_back_after_a_minute_is_no_fight)
{
    setup();
    world_connect(w, 0, "a", "1");
    world_connect(w, 1, "a", "2");
    world_tick(w, 61000, true);
    ck_assert(world_connect(w, 2, "a", "1")->welcomed);
    ck_assert_int_eq(w->agents[1].close_code, CLOSE_REPLACED);
    done();
}
END_TEST

START_TEST(one_of_several_clones_is_enough)
{
    setup();
    ck_assert(world_connect(w, 0, "a", "1")->welcomed);
    ck_assert(world_connect(w, 1, "a", "2")->welcomed);
    ck_assert(world_connect(w, 2, "a", "3")->welcomed);
    ck_assert(world_connect(w, 3, "a", "4")->welcomed);
    world_connect(w, 4, "a", "2");
    refused_as_clone(4);
    done();
}
END_TEST

/* What a fight takes from either is no death of a process: it would be poison after three. */
START_TEST(a_fight_convicts_no_task)
{
    setup();
    world_batch(w, 1, 4, 0, 0);
    world_open(w, 1);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 3; i++)
            w->agents[i].n_held = 0;
        world_credit(w, world_connect(w, 0, "a", "1"), 500);
        ck_assert_uint_eq(counts(1).running, 4);
        world_credit(w, world_connect(w, 1, "a", "2"), 500);
        world_tick(w, 5000, true);
        ck_assert_uint_eq(counts(1).running, 4);
        world_connect(w, 2, "a", "1");
        refused_as_clone(2);
        ck_assert_uint_eq(counts(1).queued, 4);
        world_tick(w, 61000, true);
    }
    struct w_agent *b = world_connect(w, 3, "b", "9");
    world_credit(w, b, 500);
    ck_assert_uint_eq(b->n_held, 4); /* side by side: none is to be run alone */
    world_answer_all(w, b);
    ck_assert(world_all_ended(w, 1));
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(w->batches[1].tasks[i].outcome, OUTCOME_OK);
    done();
}
END_TEST

TESTS(clone, a_process_that_comes_back_after_another_is_a_clone,
      nobody_gets_the_name_for_a_minute_and_then_the_first_who_comes,
      another_name_is_let_in_meanwhile, a_link_that_flaps_is_no_clone, restarts_are_no_clones,
      coming_back_after_a_minute_is_no_fight, one_of_several_clones_is_enough,
      a_fight_convicts_no_task)
CHECK_MAIN("clone", clone)
