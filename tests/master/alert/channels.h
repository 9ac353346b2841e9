/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdio.h>
#include "master/alert/alert.h"
#include "tests/support/json_fixture.h"

/* channels - channels from JSON, and the facts of an incident. */

static char why[ALERT_WHY_MAX];

/* NULL: it is refused, and why says so. */
static inline struct alert_channel *channel_over(const char *json, const char *old)
{
    struct json_doc *d = must_parse(json);
    struct alert_channel *c = NULL;
    why[0] = '\0';
    enum err e = alert_channel_parse("oncall", json_root(d), old, &c, why);
    json_free(&d);
    ck_assert_int_eq(e, c ? ERR_NONE : ERR_INVALID);
    return c;
}

static inline struct alert_channel *channel(const char *json)
{
    struct alert_channel *c = channel_over(json, NULL);
    ck_assert_msg(c != NULL, "%s", why);
    return c;
}

static inline void refused(const char *json, const char *because)
{
    ck_assert(channel_over(json, NULL) == NULL);
    ck_assert_msg(strstr(why, because) != NULL, "'%s' is not in: %s", because, why);
}

static struct incident sample_incident(void)
{
    struct incident i = {.id = 17,
                         .kind = INCIDENT_TARGET,
                         .state = INCIDENT_CONFIRMED,
                         .host = "shop.example",
                         .causes = {CAUSE_connect_refused},
                         .n_causes = 1,
                         .since = {INT64_C(1767225600000000)}, /* 2026-01-01T00:00:00Z */
                         .checks = 3,
                         .not_up = 3};
    snprintf(i.first.agent, sizeof(i.first.agent), "bj-1");
    i.first.result = 4294967297;
    return i;
}

static char facts_text[8192];
static inline const char *facts_of(enum incident_action_kind action)
{
    struct incident i = sample_incident();
    struct strbuf b;
    if (action == INCIDENT_DID_RESOLVE) {
        i.state = INCIDENT_RESOLVED;
        i.ended_at.us = i.since.us + 725 * INT64_C(1000000);
    }
    strbuf_init(&b, sizeof(facts_text));
    alert_facts_put(&(struct alert_facts){.action = action,
                                          .incident = &i,
                                          .schedule = "shop",
                                          .target = "https://shop.example/\"cart\""},
                    &b);
    ck_assert(!b.overflow);
    snprintf(facts_text, sizeof(facts_text), "%.*s", (int)b.len, b.data);
    strbuf_fini(&b);
    return facts_text;
}
