/* SPDX-License-Identifier: MIT */
#pragma once
#include <check.h>
#include <stdio.h>
#include "common/clock.h"
#include "master/schedule/zone.h"

/* zones - for tests: a zone that must be there, and seconds as people write them. */

static inline struct zone *zone_of(const char *name)
{
    struct zone *z = NULL;
    char why[ZONE_WHY_MAX] = "";
    ck_assert_msg(zone_open(name, &z, why) == ERR_NONE, "%s", why);
    return z;
}

/* "2026-03-29T01:00" (in UTC), with or without seconds. */
static inline int64_t utc_at(const char *text)
{
    char full[WALL_TEXT_MAX];
    struct wall at;
    snprintf(full, sizeof(full), "%s%sZ", text, strlen(text) == 16 ? ":00" : "");
    ck_assert_msg(wall_parse(full, &at) == ERR_NONE, "not a time: %s", text);
    return at.us / 1000000;
}

/* For ck_assert_str_eq: "2026-03-29T01:00:00". */
static inline const char *utc_text(int64_t utc)
{
    static char buf[WALL_TEXT_MAX];
    wall_format((struct wall){utc * 1000000}, buf);
    buf[19] = '\0';
    return buf;
}
