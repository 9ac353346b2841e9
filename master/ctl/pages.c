/* SPDX-License-Identifier: MIT */
#include "master/ctl/pages.h"
#include <inttypes.h>
#include <stdio.h>

#define CURSOR_MAX 128

static void name_page(struct ctl *c, const struct pages *p, const char *cursor, uint64_t rows)
{
    char limit[24];
    snprintf(limit, sizeof(limit), "%" PRIu64, rows < p->page_max ? rows : p->page_max);
    client_path(c->client, API "%s", p->path);
    for (size_t i = 0; i < PAGES_QUERY_MAX && p->query[i].name; i++)
        client_query(c->client, p->query[i].name, p->query[i].value);
    for (size_t i = 0; p->labels && i < p->labels->count; i++)
        client_query(c->client, "label", p->labels->items[i]);
    client_query(c->client, "limit", limit);
    client_query(c->client, "cursor", cursor[0] ? cursor : NULL);
}

/* A page may be short, or empty, while there are more: the master looks at so many at once. */
int pages_each(struct ctl *c, const struct pages *p, uint64_t most, pages_f *f, void *arg)
{
    struct answer a;
    char cursor[CURSOR_MAX] = "";
    uint64_t n = 0;
    int code;
    answer_init(&a);
    do {
        name_page(c, p, cursor, most - n);
        code = ask_get(c, &a);
        const struct json_node *i =
            code == EXIT_ALL_OK ? node_first(answer_root(&a), p->member) : NULL;
        for (; i && n < most && code == EXIT_ALL_OK; i = json_next(i), n++)
            code = f(arg, i);
        const char *next = code == EXIT_ALL_OK ? node_str(answer_root(&a), "next_cursor") : NULL;
        snprintf(cursor, sizeof(cursor), "%s", next ? next : "");
    } while (code == EXIT_ALL_OK && cursor[0] && n < most);
    answer_fini(&a);
    return code;
}

static int add_row(void *arg, const struct json_node *item)
{
    listing_add(arg, item);
    return EXIT_ALL_OK;
}

static int print_first(struct ctl *c, const struct pages *p)
{
    struct answer a;
    answer_init(&a);
    name_page(c, p, "", (uint64_t)c->o.limit);
    int code = ask_get(c, &a);
    code = code == EXIT_ALL_OK ? ask_print(&a) : code;
    answer_fini(&a);
    return code;
}

int pages_run(struct ctl *c, const struct pages *p)
{
    struct listing l;
    REQUIRE(p->page_max > 0 && c->o.limit > 0);
    if (c->form == FORM_JSON)
        return print_first(c, p);
    listing_init(&l, p->kind, c->form);
    int code = pages_each(c, p, (uint64_t)c->o.limit, add_row, &l);
    if (code == EXIT_ALL_OK && l.n_rows == 0 && c->form == FORM_TABLE)
        ctl_say("%s", p->none);
    int printed = ask_finish(&l);
    return code == EXIT_ALL_OK ? printed : code;
}
