/* SPDX-License-Identifier: MIT */
#include "common/ids.h"
#include "common/mem.h"
#include "master/schedule/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * bench_plan - the plan of schedules with N checks (100,000): half at intervals from 1 s to 5 min,
 * half by cron in five zones, each by a rule of its own. One line of figures: the start of a master
 * that was down for an hour (texts parsed, checks added, the gaps of all and their first runs),
 * slots a second of CPU for an hour that goes on, and runs of one crontab a second.
 */
#define CHECKS_DEFAULT 100000
#define CHECKS_MAX     10000000
#define DOWN_S         3600
#define GO_ON_MS       300000
#define START_S        INT64_C(1790000000)

static const char *const zone_names[] = {"UTC", "Europe/Berlin", "America/New_York",
                                         "Asia/Shanghai", "Australia/Lord_Howe"};
static const char *const crons[] = {"*/5 * * * *", "0 * * * *", "30 2 * * *", "*/15 8-18 * * 1-5",
                                    "0 0 1 * *"};
static const int64_t intervals[] = {1000, 10000, 30000, 60000, 300000};

struct check {
    struct plan_item item;
    struct rule rule;
};

static double since_ms(struct mono start)
{
    return mono_diff_ms_f(mono_now(), start);
}

static void make(struct check *c, uint64_t i, struct zone **zones)
{
    char why[CRON_WHY_MAX], target[64];
    c->rule.kind = i % 2 ? RULE_CRON : RULE_EVERY;
    c->rule.every_ms = intervals[i / 2 % ARRAY_LEN(intervals)];
    c->rule.zone = zones[i / 10 % ARRAY_LEN(zone_names)];
    c->rule.spread_ms = RULE_SPREAD_DEFAULT_MS;
    REQUIRE(cron_parse(crons[i / 2 % ARRAY_LEN(crons)], &c->rule.cron, why) == ERR_NONE);
    snprintf(target, sizeof(target), "https://host-%llu.example.com/", (unsigned long long)i);
    c->item = (struct plan_item){.rule = &c->rule,
                                 .key = rule_key("bench", target),
                                 .since = {(START_S - 86400) * 1000000},
                                 .last = {1, {(START_S - DOWN_S) * 1000000}}};
}

static uint64_t drain(struct plan *p, struct plan_now now, uint64_t *missed)
{
    struct plan_event e;
    uint64_t runs = 0;
    while (plan_next(p, now, &e)) {
        if (e.kind == PLAN_DUE) {
            plan_ran(e.item);
            runs++;
        } else {
            *missed += e.gap.count;
        }
    }
    return runs;
}

static void open_zones(struct zone **zones)
{
    char why[ZONE_WHY_MAX];
    for (size_t i = 0; i < ARRAY_LEN(zone_names); i++)
        REQUIRE(zone_open(zone_names[i], &zones[i], why) == ERR_NONE);
}

/* Returns the slots of five minutes looked at every 100 ms, and the time that they took. */
static uint64_t go_on(struct plan *p, struct plan_now now, double *took_ms)
{
    uint64_t missed = 0, runs = 0;
    struct mono start = mono_now();
    for (int ms = 0; ms < GO_ON_MS; ms += 100) {
        now.mono = mono_add_ms(now.mono, 100);
        now.wall.us += 100000;
        runs += drain(p, now, &missed);
    }
    *took_ms = since_ms(start);
    REQUIRE(missed == 0);
    return runs;
}

static double crons_a_second(const struct zone *z, const char *text)
{
    char why[CRON_WHY_MAX];
    struct cron c;
    uint64_t n = 0;
    REQUIRE(cron_parse(text, &c, why) == ERR_NONE);
    struct mono start = mono_now();
    for (int64_t at = START_S; at < START_S + 366 * SEC_PER_DAY; n++)
        at = cron_next(&c, z, at);
    return (double)n / since_ms(start) * 1000;
}

static void bench(uint64_t n)
{
    struct zone *zones[ARRAY_LEN(zone_names)];
    struct plan_now now = {{NS_PER_SEC}, {START_S * 1000000}};
    struct plan p;
    uint64_t missed = 0;
    double slots_ms;
    struct check *checks = mem_array(n, sizeof(*checks));
    struct mono start = mono_now();
    open_zones(zones);
    plan_init(&p, now);
    for (uint64_t i = 0; i < n; i++) {
        make(&checks[i], i, zones);
        plan_add(&p, &checks[i].item, now);
    }
    double added_ms = since_ms(start);
    uint64_t first = drain(&p, now, &missed);
    double ready_ms = since_ms(start);
    uint64_t slots = go_on(&p, now, &slots_ms);
    printf("plan checks=%llu add_ms=%.0f ready_ms=%.0f first_runs=%llu missed=%llu slots=%llu "
           "slots_ms=%.0f slots_per_s=%.0f cron_next_per_s=%.0f item_bytes=%zu\n",
           (unsigned long long)n, added_ms, ready_ms, (unsigned long long)first,
           (unsigned long long)missed, (unsigned long long)slots, slots_ms,
           (double)slots / slots_ms * 1000, crons_a_second(zones[1], "*/5 * * * *"),
           sizeof(struct plan_item));
    plan_fini(&p);
    free(checks);
    for (size_t i = 0; i < ARRAY_LEN(zones); i++)
        zone_close(&zones[i]);
}

int main(int argc, char **argv)
{
    uint64_t n = CHECKS_DEFAULT;
    if (argc > 1 && (u64_parse(argv[1], strlen(argv[1]), &n) || n == 0 || n > CHECKS_MAX)) {
        fprintf(stderr, "usage: bench_plan [CHECKS]\n");
        return EXIT_FAILURE;
    }
    bench(n);
    return EXIT_SUCCESS;
}
