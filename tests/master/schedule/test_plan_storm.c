/* SPDX-License-Identifier: MIT */
#include "tests/master/schedule/plan_rig.h"

#include "common/random.h"
#include "tests/support/check_main.h"

/*
 * A check's life at random: looked at or not, refused, restarted, paused, with clocks that jump.
 * Whatever happens, its books are whole; and where no clock jumps, it has had exactly the slots
 * that a walk over the seconds counts.
 */
#define SEEDS 120
#define STEPS 150

static const char *const crons[] = {"* * * * *", "*/7 1-4 * * *", "30 2 * * *",
                                    "15,45 * 28,29 3 *"};

static void make_rule(struct rng *r)
{
    char why[CRON_WHY_MAX];
    bool windows = rng_below(r, 3) == 0;
    if (rng_below(r, 2)) {
        static const int64_t intervals[] = {1000, 7000, 30000, 60000, 600000, 3600000};
        rig.rule = (struct rule){.kind = RULE_EVERY, .every_ms = intervals[rng_below(r, 6)]};
    } else {
        rig.rule = (struct rule){.kind = RULE_CRON, .spread_ms = (int64_t)rng_below(r, 60000)};
        rig.rule.zone = zone_of("Europe/Berlin");
        ck_assert(cron_parse(crons[rng_below(r, ARRAY_LEN(crons))], &rig.rule.cron, why) ==
                  ERR_NONE);
    }
    if (windows)
        rig.rule.windows = (struct windows){.zone = zone_of("America/New_York"),
                                            .n = 2,
                                            .w = {{0x55, 20 * 60, 3 * 60}, {0x3e, 600, 720}}};
    rig_add(rng_next(r));
}

static int64_t some_ms(struct rng *r)
{
    static const int64_t most[] = {100, 3000, 90000, 4000000, 50000000};
    return (int64_t)rng_below(r, (uint64_t)most[rng_below(r, ARRAY_LEN(most))]);
}

static void pause_for(int64_t ms)
{
    plan_remove(&rig.plan, &rig.item);
    rig_skip(ms);
    rig.item.since = rig.now.wall;
    plan_add(&rig.plan, &rig.item, rig.now);
}

static void step(struct rng *r, bool clocks_jump)
{
    unsigned what = (unsigned)rng_below(r, clocks_jump ? 8 : 6);
    rig.refuse = rng_below(r, 3) ? PLAN_MISS_NONE
                                 : (enum plan_miss)(PLAN_MISS_still_running + rng_below(r, 3));
    if (what < 2)
        rig_skip(some_ms(r));
    else if (what < 4)
        rig_run(some_ms(r) / 10);
    else if (what == 4)
        rig_look();
    else if (what == 5)
        rig_restart(some_ms(r));
    else if (what == 6)
        rig_jump((rng_below(r, 2) ? 1 : -1) * some_ms(r) * 2);
    else
        pause_for(some_ms(r));
}

static void finish(void)
{
    rig.refuse = PLAN_MISS_NONE;
    rig_look();
    rig_prove();
    plan_remove(&rig.plan, &rig.item);
    plan_fini(&rig.plan);
}

static void close_zones(void)
{
    zone_close((struct zone **)&rig.rule.zone);
    zone_close((struct zone **)&rig.rule.windows.zone);
}

START_TEST(test_the_books_are_whole_whatever_happens)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r;
        rng_init(&r, seed);
        rig_start(rng_below(&r, 2) ? "2026-03-27T19:12:13" : "2026-10-23T19:12:13");
        make_rule(&r);
        for (int i = 0; i < STEPS && rig.n_runs < RIG_RUNS - 10000 && rig.n_gaps < RIG_GAPS - 100;
             i++)
            step(&r, true);
        finish();
        close_zones();
    }
}
END_TEST

/* In the window of the day, by what the clock on the wall shows. New York changes its clock on days
 * that lie outside these tests. */
static bool in_windows(int64_t at)
{
    const struct windows *ws = &rig.rule.windows;
    struct civil c;
    if (ws->n == 0)
        return true;
    c = zone_civil(ws->zone, at);
    int day = civil_weekday(civil_days(c.year, c.month, c.day)), min = c.hour * 60 + c.minute;
    return (0x55 >> day & 1 && min >= 1200) || (0x55 >> (day + 6) % 7 & 1 && min < 180) ||
           (0x3e >> day & 1 && min >= 600 && min < 720);
}

static uint64_t walk(int64_t since_ms, int64_t now_ms)
{
    uint64_t n = 0;
    if (rig.rule.kind == RULE_EVERY) {
        int64_t at = since_ms - since_ms % rig.rule.every_ms + rig.item.offset_ms;
        for (; at <= now_ms; at += rig.rule.every_ms)
            n += at > since_ms && in_windows(at / 1000);
        return n;
    }
    int64_t at = since_ms / 1000;
    while ((at = cron_next(&rig.rule.cron, rig.rule.zone, at)) * 1000 + rig.item.offset_ms <=
           now_ms)
        n += in_windows(at);
    return n;
}

START_TEST(test_no_slot_is_left_out_and_none_comes_twice)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng r;
        rng_init(&r, seed * 7919);
        rig_start(rng_below(&r, 2) ? "2026-03-27T19:12:13" : "2026-10-23T19:12:13");
        make_rule(&r);
        int64_t since = rig.now.wall.us / 1000;
        for (int i = 0; i < STEPS && rig.now.wall.us / 1000 - since < 6 * 86400000ll &&
                        rig.n_gaps < RIG_GAPS - 100;
             i++)
            step(&r, false);
        finish();
        ck_assert_msg(rig.item.last.seq == walk(since, rig.now.wall.us / 1000),
                      "seed %llu: %llu slots, not %llu", (unsigned long long)seed,
                      (unsigned long long)rig.item.last.seq,
                      (unsigned long long)walk(since, rig.now.wall.us / 1000));
        close_zones();
    }
}
END_TEST

TESTS(storm, test_the_books_are_whole_whatever_happens,
      test_no_slot_is_left_out_and_none_comes_twice)
CHECK_MAIN("plan_storm", storm)
