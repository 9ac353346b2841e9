/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/core_world.h"
#include "tests/support/check_main.h"

/* core_fixture - what the unit tests of the core share: one world, made and freed by each test, and
 * counts that add up. */
static struct world *w;

static void setup(void)
{
    w = mem_zalloc(sizeof(*w));
    world_init(w);
}
static void done(void)
{
    world_fini(w);
    free(w);
}
static struct core_counts counts(uint32_t num)
{
    struct core_counts n;
    ck_assert(core_batch_counts(w->core, num, &n));
    uint64_t sum = n.queued + n.running;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        sum += n.ended[i];
    ck_assert_uint_eq(sum, n.total);
    return n;
}
