/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/probe/expect.h"
#include "common/clock.h"

/* expect_impl - what the files of expect share; only expect*.c include it. Worker thread. */
struct expecting {
    const struct target *target;
    const struct expect_facts *facts;
    struct result *r;
    struct mono until; /* all the patterns and paths of one answer together */
};

/* Adds a check; the first that does not hold gives the result's cause. */
void expect_add(struct expecting *x, const char *check, bool ok, enum cause c, const char *detail);

/* As expect_regex, but not beyond until. */
enum expect_match expect_regex_until(const char *pattern, const char *text, size_t len,
                                     struct mono until);

/* expect_json.c: one check for each path. */
void expect_json(struct expecting *x);
