/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/check_main.h"
#include <string.h>
#include "common/mem.h"
#include "common/utf8.h"
#include "proto/target.h"

/*
 * target_given - what the tests of targets share: text() and json() parse into `t` under the
 * defaults `d`, a problem goes into `p`.
 */
static struct target *t;
static struct target_defaults *d;
static struct target_problem p;

static inline void teardown(void)
{
    target_destroy(&t);
    target_defaults_destroy(&d);
}

static inline enum err text(const char *s)
{
    target_destroy(&t);
    p = (struct target_problem){.code = "", .detail = ""};
    enum err e = target_from_text(s, strlen(s), d, &t, &p);
    ck_assert((e == ERR_NONE) == (t != NULL));
    ck_assert(utf8_valid(p.detail, strlen(p.detail)));
    return e;
}

static inline enum err json(const char *s)
{
    struct json_doc *doc = NULL;
    char why[JSON_PROBLEM_MAX];
    target_destroy(&t);
    p = (struct target_problem){.code = "", .detail = ""};
    ck_assert_msg(json_parse(s, strlen(s), &doc, why, sizeof(why)) == ERR_NONE, "%s: %s", s, why);
    enum err e = target_from_json(json_root(doc), d, &t, &p);
    json_free(&doc);
    ck_assert((e == ERR_NONE) == (t != NULL));
    return e;
}

static inline enum err defaults(const char *s)
{
    struct json_doc *doc = NULL;
    target_defaults_destroy(&d);
    p = (struct target_problem){.code = "", .detail = ""};
    ck_assert_int_eq(json_parse(s, strlen(s), &doc, NULL, 0), ERR_NONE);
    enum err e = target_defaults_parse(json_root(doc), &d, &p);
    json_free(&doc);
    return e;
}

static inline void good(const char *s)
{
    enum err e = *s == '{' ? json(s) : text(s);
    ck_assert_msg(e == ERR_NONE, "'%s': %s: %s", s, p.code, p.detail);
}

struct bad {
    const char *given, *code, *detail;
};
static inline void refused(const struct bad *b)
{
    enum err e = *b->given == '{' ? json(b->given) : text(b->given);
    ck_assert_msg(e == ERR_INVALID, "'%s' was taken", b->given);
    ck_assert_msg(strcmp(p.code, b->code) == 0, "'%s': %s: %s", b->given, p.code, p.detail);
    ck_assert_msg(strstr(p.detail, b->detail) != NULL, "'%s': '%s' is not in '%s'", b->given,
                  b->detail, p.detail);
}
#define REFUSE_ALL(table)                                                                          \
    for (size_t i_ = 0; i_ < ARRAY_LEN(table); i_++)                                               \
    refused(&(table)[i_])

static inline char *repeat(const char *head, char c, size_t n, const char *tail)
{
    char *s = mem_alloc(strlen(head) + n + strlen(tail) + 1);
    memcpy(s, head, strlen(head));
    memset(s + strlen(head), c, n);
    memcpy(s + strlen(head) + n, tail, strlen(tail) + 1);
    return s;
}
