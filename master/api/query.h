/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * query - the parameters behind the '?', asked for by name; what nobody asked for is an error that
 * names it.
 *
 * Pure. Strings are borrowed from who filled it. The first thing wrong is kept in `problem`; later
 * calls answer defaults.
 */
#define QUERY_MAX         64
#define QUERY_PROBLEM_MAX 240

struct query_item {
    const char *name, *value;
    bool asked;
};
struct query {
    struct query_item items[QUERY_MAX];
    unsigned n;
    enum err err;
    char problem[QUERY_PROBLEM_MAX]; /* valid UTF-8 */
};
void query_init(struct query *q);
/* Lengths are checked: a NUL inside, invalid UTF-8 or too many of them make the query bad. */
void query_add(struct query *q, const char *name, size_t name_len, const char *value,
               size_t value_len);

bool query_has(const struct query *q, const char *name); /* it stays unasked */
/* NULL when absent; a name given twice is an error. */
const char *query_str(struct query *q, const char *name);
/* The next of a name that may be given many times; *at starts at 0. */
const char *query_next(struct query *q, const char *name, unsigned *at);
int64_t query_int(struct query *q, const char *name, int64_t min, int64_t max, int64_t dflt);
bool query_bool(struct query *q, const char *name, bool dflt); /* 1 true, 0 false */
/* "30s", "500ms" or a bare number of seconds; 0 when absent. */
int64_t query_ms(struct query *q, const char *name, int64_t max_ms);
void query_fail(struct query *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Refuses what nobody asked for. */
enum err query_end(struct query *q);
