/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mem.h"
#include "master/schedule/schedule.h"
#include <stdio.h>
#include <stdlib.h>

/* schedule_fixture - for tests and benches: definitions made by hand. */

static inline struct schedule *schedule_every(const char *name, int64_t every_ms, uint32_t count)
{
    struct schedule *s = mem_zalloc(sizeof(*s));
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->rule = (struct rule){.kind = RULE_EVERY, .every_ms = every_ms};
    s->count = count;
    s->confirm = 1;
    s->timeout_ms_max = 10000;
    return s;
}

static inline struct schedule *schedule_cron(const char *name, const char *text, const char *zone,
                                             uint32_t count)
{
    char why[CRON_WHY_MAX];
    struct schedule *s = schedule_every(name, 0, count);
    s->rule.kind = RULE_CRON;
    s->rule.spread_ms = RULE_SPREAD_DEFAULT_MS;
    REQUIRE(zone_open(zone, &s->zone, why) == ERR_NONE);
    REQUIRE(cron_parse(text, &s->rule.cron, why) == ERR_NONE);
    s->rule.zone = s->zone;
    return s;
}

static inline void schedule_alert(struct schedule *s, const char *channel)
{
    s->alerts[s->n_alerts++] = mem_strdup(channel);
}
