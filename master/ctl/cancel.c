/* SPDX-License-Identifier: MIT */
#include "master/ctl/ask.h"
#include "master/ctl/listing.h"
#include "master/ctl/verbs.h"

static int print(struct ctl *c, const struct answer *a, const char *id)
{
    static const struct list_column columns[] = {{{.title = "ID"}, "id", CELL_TEXT},
                                                 {{.title = "STATE"}, "state", CELL_TEXT}};
    static const struct list_kind kind = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
    struct listing l;
    const char *state = node_str(answer_root(a), "state");
    if (c->form == FORM_JSON)
        return ask_print(a);
    if (c->form == FORM_TABLE) {
        bool ended = state && strcmp(state, "ended") == 0;
        printf("batch %s %s\n", id, ended ? "had ended already" : "is being cancelled");
        return EXIT_ALL_OK;
    }
    listing_init(&l, &kind, c->form);
    listing_add(&l, answer_root(a));
    return ask_finish(&l);
}

int cancel_run(struct ctl *c)
{
    struct answer a;
    char id[UUID_TEXT_MAX];
    int code = ask_batch_id(c, c->words[0], id);
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/batches/%s/cancel", id);
    client_post(c->client, NULL, &a.reply);
    code = ask_parse(c, &a);
    if (code == EXIT_ALL_OK)
        code = print(c, &a, id);
    answer_fini(&a);
    return code;
}
