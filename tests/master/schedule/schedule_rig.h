/* SPDX-License-Identifier: MIT */
#pragma once
#include <string.h>
#include "master/schedule/schedule.h"
#include "tests/support/check_main.h"

/* schedule_rig - definitions as texts, taken or refused. */

#define NOW_S          1790000000 /* 2026-09-21T14:13:20Z, a Monday */
#define TARGETS        "\"targets\":[\"https://a.test/\"]"
#define DEF(members)   "{\"name\":\"web\"," members "," TARGETS "}"
#define EVERY(members) DEF("\"every\":\"30s\"," members)
#define OF(list)       "{\"name\":\"web\",\"every\":\"30s\",\"targets\":[" list "]}"

static struct schedule *got;
static struct schedule_targets list;
static struct schedule_problem problem;

static inline enum err parse_as(const char *text, const char *name, bool admin)
{
    struct json_doc *d = NULL;
    char why[200] = "";
    ck_assert_msg(json_parse(text, strlen(text), &d, why, sizeof(why)) == ERR_NONE, "%s: %s", text,
                  why);
    problem = (struct schedule_problem){.why = ""};
    enum err e = schedule_parse(json_root(d), name, admin, NOW_S, &got, &list, &problem);
    json_free(&d);
    return e;
}

static inline void done(void)
{
    schedule_free(&got);
    schedule_targets_free(&list);
}

static inline struct schedule *taken(const char *text)
{
    done();
    ck_assert_msg(parse_as(text, NULL, false) == ERR_NONE, "%s: %s: %s", text, problem.field,
                  problem.why);
    return got;
}

static inline void refused(const char *text, const char *field, const char *says)
{
    ck_assert_msg(parse_as(text, NULL, false) == ERR_INVALID, "taken: %s", text);
    ck_assert_ptr_null(got);
    ck_assert_msg(strcmp(problem.field, field) == 0, "'%s' instead of '%s': %s", problem.field,
                  field, problem.why);
    ck_assert_msg(strstr(problem.why, says) != NULL, "'%s' is not in: %s", says, problem.why);
}
