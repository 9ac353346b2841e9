/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/core_audit.h"
#include "tests/support/core_fixture.h"

/* lane_rig - lanes in the world of the core's tests. */

#define MINUTE 60000

static void open_lane(uint32_t num, int64_t per_host, uint32_t slots)
{
    world_lane(w, num, per_host, slots);
    world_open(w, num);
}

static void open_lane_for(uint32_t num, const char *const *agents, unsigned n)
{
    world_lane(w, num, 0, 1);
    w->batches[num].def.agent_names = agents;
    w->batches[num].def.n_agent_names = n;
    world_open(w, num);
}

/* A world with lane 1. */
static void begin(int64_t per_host, uint32_t slots)
{
    setup();
    open_lane(1, per_host, slots);
}

static void over(void)
{
    core_audit(w->core);
    done();
}

/* Connected, and it has taken what was there for it. */
static struct w_agent *agent(unsigned i, const char *name, uint64_t credit)
{
    struct w_agent *a = world_connect(w, i, name, "1");
    world_credit(w, a, credit);
    return a;
}

static void stall(struct w_agent *a)
{
    a->overdue_ms = STALLED_OVERDUE_MS;
    world_heartbeat(w, a);
    world_tick(w, 1000, true);
}

static void answer_first(struct w_agent *a)
{
    struct w_held h = a->held[0];
    w_forget(a, h.task);
    world_result(w, a, &h, CAUSE_NONE);
    world_settle(w);
}

/* Time passes, and what comes is answered by the first n agents. */
static void go_on(unsigned n, int64_t ms)
{
    for (int64_t at = 0; at < ms; at += 250) {
        for (unsigned i = 0; i < n; i++) {
            world_credit(w, &w->agents[i], 200);
            world_answer_all(w, &w->agents[i]);
        }
        world_tick(w, 250, true);
        core_audit(w->core);
    }
}

static struct core_room room(uint32_t num)
{
    struct core_room r;
    ck_assert(core_batch_room(w->core, num, &r));
    return r;
}

static bool ended_so(uint32_t num, uint64_t i, enum outcome o, const char *cause)
{
    const struct w_task *t = &w->batches[num].tasks[i];
    return t->has_result && t->outcome == o && strcmp(t->cause, cause) == 0;
}

static bool is_open(uint32_t num)
{
    struct core_counts n;
    return core_batch_counts(w->core, num, &n);
}
