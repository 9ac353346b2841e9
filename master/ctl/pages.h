/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/ask.h"
#include "master/ctl/listing.h"

/*
 * pages - a list of the master, page by page, as rows. One thread; returns an exit code.
 *
 * As a table, NDJSON or CSV up to c->o.limit rows are shown; as JSON the first page is printed as
 * it came.
 */
#define PAGES_QUERY_MAX 4

struct pages {
    const char *path, *member; /* "/checks", "checks" */
    const struct list_kind *kind;
    struct {
        const char *name, *value; /* value NULL: left out */
    } query[PAGES_QUERY_MAX];
    const struct option_list *labels; /* each as a "label"; NULL: none */
    uint64_t page_max;                /* what the master takes as a limit */
    const char *none;                 /* said when there is no row in a table */
};
int pages_run(struct ctl *c, const struct pages *p);

/* Calls f with each item of all pages; f returns an exit code, and what is not 0 ends it. */
typedef int pages_f(void *arg, const struct json_node *item);
int pages_each(struct ctl *c, const struct pages *p, uint64_t most, pages_f *f, void *arg);
