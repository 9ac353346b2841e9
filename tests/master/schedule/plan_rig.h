/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdlib.h>
#include <string.h>
#include "common/require.h"
#include "master/schedule/plan.h"
#include "tests/master/schedule/zones.h"

/*
 * plan_rig - for tests: a plan, clocks that only the test moves, and the books of one check: its
 * runs, and its gaps by their first number, as a store would keep them.
 */
#define RIG_RUNS 100000
#define RIG_GAPS 1000

struct rig {
    struct plan plan;
    struct plan_now now;
    struct plan_item item;
    struct rule rule;
    enum plan_miss refuse; /* the answer to what is due; NONE: it runs */
    struct plan_slot runs[RIG_RUNS];
    int64_t late_ms[RIG_RUNS];
    size_t n_runs;
    struct plan_gap gaps[RIG_GAPS];
    size_t n_gaps;
    size_t events;
};
static struct rig rig;

static inline void rig_start(const char *at)
{
    memset(&rig, 0, sizeof(rig));
    rig.now = (struct plan_now){{1000 * NS_PER_SEC}, {utc_at(at) * 1000000}};
    plan_init(&rig.plan, rig.now);
}

static inline void rig_book(struct plan_gap g)
{
    if (rig.n_gaps > 0 && rig.gaps[rig.n_gaps - 1].first_seq == g.first_seq)
        rig.n_gaps--;
    REQUIRE(rig.n_gaps < RIG_GAPS);
    rig.gaps[rig.n_gaps++] = g;
}

/* Every number once, and none twice. */
static inline void rig_prove(void)
{
    uint64_t seq = 1;
    for (size_t r = 0, g = 0; r < rig.n_runs || g < rig.n_gaps;) {
        if (r < rig.n_runs && rig.runs[r].seq == seq) {
            seq++;
            r++;
        } else {
            ck_assert_uint_eq(rig.gaps[g].first_seq, seq);
            ck_assert_uint_gt(rig.gaps[g].count, 0);
            seq += rig.gaps[g++].count;
            ck_assert_uint_eq(rig.gaps[g - 1].last.seq, seq - 1);
        }
    }
    ck_assert_uint_eq(seq, rig.item.last.seq + 1);
}

static inline void rig_look(void)
{
    struct plan_event e;
    while (plan_next(&rig.plan, rig.now, &e)) {
        rig.events++;
        ck_assert_ptr_eq(e.item, &rig.item);
        if (e.kind == PLAN_MISSED) {
            rig_book(e.gap);
        } else if (rig.refuse != PLAN_MISS_NONE) {
            rig_book(plan_refuse(e.item, rig.refuse));
        } else {
            REQUIRE(rig.n_runs < RIG_RUNS);
            rig.late_ms[rig.n_runs] = e.late_ms;
            rig.runs[rig.n_runs++] = e.slot;
            plan_ran(e.item);
        }
    }
}

/* Both clocks go on, and nobody looks. */
static inline void rig_skip(int64_t ms)
{
    rig.now.mono = mono_add_ms(rig.now.mono, ms);
    rig.now.wall.us += ms * 1000;
}

/* Both clocks go on, and the plan is asked when it said, or every `step` at the latest. */
static inline void rig_run(int64_t ms)
{
    struct mono end = mono_add_ms(rig.now.mono, ms);
    rig_look();
    while (mono_before(rig.now.mono, end)) {
        int64_t left = mono_diff_ms(end, rig.now.mono);
        rig_skip(plan_wait_ms(&rig.plan, rig.now, left < 3600000 ? (int)left : 3600000));
        rig_look();
    }
}

static inline void rig_jump(int64_t ms)
{
    rig.now.wall.us += ms * 1000;
}

/* Another process: what the store has is there, the monotonic clock is another. */
static inline void rig_restart(int64_t down_ms)
{
    plan_remove(&rig.plan, &rig.item);
    plan_fini(&rig.plan);
    rig_skip(down_ms);
    rig.now.mono = (struct mono){(7 + rig.now.wall.us % 1000) * NS_PER_SEC};
    plan_init(&rig.plan, rig.now);
    struct plan_item it = {.rule = &rig.rule,
                           .key = rig.item.key,
                           .since = rig.item.since,
                           .last = rig.item.last,
                           .gap = rig.item.gap};
    rig.item = it;
    plan_add(&rig.plan, &rig.item, rig.now);
}

static inline void rig_add(uint64_t key)
{
    char why[RULE_WHY_MAX] = "";
    ck_assert_msg(rule_check(&rig.rule, rig.now.wall.us / 1000000, why) == ERR_NONE, "%s", why);
    rig.item = (struct plan_item){.rule = &rig.rule, .key = key, .since = rig.now.wall};
    plan_add(&rig.plan, &rig.item, rig.now);
}

static inline void rig_every(int64_t every_ms, uint64_t key)
{
    rig.rule = (struct rule){.kind = RULE_EVERY, .every_ms = every_ms};
    rig_add(key);
}

static inline void rig_cron(const char *text, const char *zone, int64_t spread_ms, uint64_t key)
{
    char why[CRON_WHY_MAX] = "";
    rig.rule = (struct rule){.kind = RULE_CRON, .zone = zone_of(zone), .spread_ms = spread_ms};
    ck_assert_msg(cron_parse(text, &rig.rule.cron, why) == ERR_NONE, "%s", why);
    rig_add(key);
}

static inline const char *wall_text(struct wall w)
{
    return utc_text(civil_floor_div(w.us, 1000000));
}
