/* SPDX-License-Identifier: MIT */
#include "master/ctl/ask.h"
#include "common/human.h"
#include "master/ctl/result_list.h"
#include "master/ctl/results.h"
#include "master/ctl/verbs.h"
#include <inttypes.h>

#define PAGE_ROWS 500

static void name_results(struct ctl *c, const char *id, const struct results_query *q,
                         const char *suffix)
{
    client_path(c->client, API "/batches/%s/results%s", id, suffix);
    client_query(c->client, "outcome", q->outcome);
    client_query(c->client, "cause", q->cause);
    client_query(c->client, "agent", q->agent);
    client_query(c->client, "host", q->host);
}

int results_export(struct ctl *c, const char *id, const struct results_query *q)
{
    struct answer a;
    answer_init(&a);
    name_results(c, id, q, c->form == FORM_CSV ? ".csv" : ".ndjson");
    client_export(c->client, stdout, &a.reply);
    int code = client_verdict(c->client, &a.reply);
    answer_fini(&a);
    return code;
}

int results_add(struct ctl *c, const char *id, const struct results_query *q, uint64_t rows,
                struct listing *l)
{
    struct answer a;
    char cursor[24] = "", limit[24];
    int code = EXIT_ALL_OK;
    answer_init(&a);
    while (rows > 0 && code == EXIT_ALL_OK) {
        snprintf(limit, sizeof(limit), "%" PRIu64, rows < PAGE_ROWS ? rows : PAGE_ROWS);
        name_results(c, id, q, "");
        client_query(c->client, "limit", limit);
        client_query(c->client, "cursor", cursor[0] ? cursor : NULL);
        code = ask_get(c, &a);
        if (code != EXIT_ALL_OK)
            break;
        for (const struct json_node *n = node_first(answer_root(&a), "results"); n && rows > 0;
             n = json_next(n), rows--)
            listing_add(l, n);
        const char *next = node_str(answer_root(&a), "next_cursor");
        if (!next)
            break;
        snprintf(cursor, sizeof(cursor), "%s", next);
    }
    answer_fini(&a);
    return code;
}

/* One page, as the master wrote it: with its cursor. */
static int print_page(struct ctl *c, const char *id, const struct results_query *q)
{
    struct answer a;
    char limit[24];
    answer_init(&a);
    snprintf(limit, sizeof(limit), "%" PRId64, c->o.limit < 1000 ? c->o.limit : 1000);
    name_results(c, id, q, "");
    client_query(c->client, "limit", limit);
    int code = ask_get(c, &a);
    if (code == EXIT_ALL_OK)
        code = ask_print(&a);
    answer_fini(&a);
    return code;
}

static int print_table(struct ctl *c, const char *id, const struct results_query *q)
{
    struct listing l;
    char n[HUMAN_MAX];
    listing_init(&l, &result_list, FORM_TABLE);
    int code = results_add(c, id, q, (uint64_t)c->o.limit, &l);
    size_t rows = l.n_rows;
    int printed = ask_finish(&l);
    if (code != EXIT_ALL_OK || printed != EXIT_ALL_OK)
        return code != EXIT_ALL_OK ? code : printed;
    if (rows == 0)
        ctl_say("no results");
    else if (rows == (size_t)c->o.limit)
        ctl_say("the first %s results; --limit shows more, -o ndjson or -o csv exports all",
                human_count(rows, n));
    return EXIT_ALL_OK;
}

int results_run(struct ctl *c)
{
    char id[UUID_TEXT_MAX];
    struct results_query q = {.outcome = c->o.outcome,
                              .cause = c->o.cause,
                              .host = c->o.host,
                              .agent = c->o.agents.count ? c->o.agents.items[0] : NULL};
    if (c->o.agents.count > 1)
        return ctl_fail(EXIT_USAGE, "--agent can be given once here");
    int code = ask_batch_id(c, c->words[0], id);
    if (code != EXIT_ALL_OK)
        return code;
    if (c->form == FORM_TABLE)
        return print_table(c, id, &q);
    return c->form == FORM_JSON ? print_page(c, id, &q) : results_export(c, id, &q);
}
