/* SPDX-License-Identifier: MIT */
#include "tests/support/core_audit.h"
#include "tests/support/core_fixture.h"

/* Whom a HELLO lets in: as many as --max-agents at the same time, and names that there is room for.
 */

static void refused(unsigned slot, const char *why)
{
    ck_assert(w->agents[slot].closed && !w->agents[slot].welcomed);
    ck_assert_int_eq(w->agents[slot].close_code, CLOSE_POLICY);
    ck_assert_int_eq(w->last_end, END_refused);
    ck_assert_msg(strstr(w->last_end_detail, why) != NULL, "%s", w->last_end_detail);
    core_audit(w->core);
}

/* All the names that a core knows are of agents that may hold tasks of before its start. */
static void await_all_names(void)
{
    static char text[CORE_AGENTS_MAX][16];
    static const char *names[CORE_AGENTS_MAX];
    for (unsigned i = 0; i < CORE_AGENTS_MAX; i++) {
        snprintf(text[i], sizeof(text[i]), "n%u", i);
        names[i] = text[i];
    }
    fleet_await(w->core, names, CORE_AGENTS_MAX, w->now);
    ck_assert_uint_eq(w->core->awaited, CORE_AGENTS_MAX);
    core_audit(w->core);
}

START_TEST(one_too_many_is_refused)
{
    setup();
    w->core->max_agents = 2;
    world_connect(w, 0, "a", "1");
    world_connect(w, 1, "b", "1");
    world_connect(w, 2, "c", "1");
    refused(2, "--max-agents");
    ck_assert_uint_eq(w->core->connected, 2);
    ck_assert(!w->agents[0].closed && !w->agents[1].closed);
    done();
}
END_TEST

START_TEST(with_as_many_as_may_be_an_agent_takes_its_own_place_over)
{
    setup();
    w->core->max_agents = 2;
    world_connect(w, 0, "a", "1");
    world_connect(w, 1, "b", "1");
    ck_assert(world_connect(w, 2, "a", "1")->welcomed); /* the link flaps … */
    ck_assert_int_eq(w->agents[0].close_code, CLOSE_REPLACED);
    ck_assert(world_connect(w, 3, "b", "2")->welcomed); /* … or its process is another */
    ck_assert_int_eq(w->agents[1].close_code, CLOSE_REPLACED);
    ck_assert_uint_eq(w->core->connected, 2);
    world_connect(w, 4, "c", "1");
    refused(4, "--max-agents");
    done();
}
END_TEST

START_TEST(a_place_is_free_when_its_agent_has_gone)
{
    setup();
    w->core->max_agents = 1;
    world_connect(w, 0, "a", "1");
    core_session_closed(w->core, w->agents[0].id, END_connection_reset, "", w->now);
    w->agents[0].id = 0;
    ck_assert(world_connect(w, 1, "b", "1")->welcomed);
    world_connect(w, 2, "a", "1"); /* nobody keeps it for it */
    refused(2, "--max-agents");
    done();
}
END_TEST

START_TEST(who_is_refused_leaves_no_name)
{
    setup();
    w->core->max_agents = 1;
    world_connect(w, 0, "a", "1");
    world_connect(w, 1, "b", "1");
    refused(1, "--max-agents");
    struct agent_view *v;
    unsigned n = core_agents(w->core, NULL, w->now, &v);
    ck_assert_uint_eq(n, 1);
    core_views_free(v, n);
    done();
}
END_TEST

START_TEST(who_is_refused_costs_no_name_that_is_awaited)
{
    setup();
    w->core->max_agents = 1;
    await_all_names();
    ck_assert(world_connect(w, 0, "n7", "1")->welcomed);
    ck_assert_uint_eq(w->core->awaited, CORE_AGENTS_MAX - 1);
    world_connect(w, 1, "x", "1");
    refused(1, "--max-agents");
    ck_assert_uint_eq(HASH_COUNT(w->core->agents), CORE_AGENTS_MAX);
    ck_assert_uint_eq(w->core->awaited, CORE_AGENTS_MAX - 1);
    done();
}
END_TEST

START_TEST(no_name_goes_for_another_while_it_is_awaited)
{
    setup();
    await_all_names();
    world_connect(w, 0, "x", "1");
    refused(0, "as many agents as it can");
    ck_assert_uint_eq(w->core->awaited, CORE_AGENTS_MAX);
    world_tick(w, ORPHAN_GRACE_MS + 1000, true);
    ck_assert_uint_eq(w->core->awaited, 0);
    ck_assert(world_connect(w, 1, "x", "1")->welcomed);
    ck_assert_uint_eq(HASH_COUNT(w->core->agents), CORE_AGENTS_MAX);
    core_audit(w->core);
    done();
}
END_TEST

TESTS(join, one_too_many_is_refused, with_as_many_as_may_be_an_agent_takes_its_own_place_over,
      a_place_is_free_when_its_agent_has_gone, who_is_refused_leaves_no_name,
      who_is_refused_costs_no_name_that_is_awaited, no_name_goes_for_another_while_it_is_awaited)
CHECK_MAIN("join", join)
