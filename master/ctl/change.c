/* SPDX-License-Identifier: MIT */
#include "master/ctl/ask.h"
#include "master/ctl/listing.h"
#include "master/ctl/verbs.h"

/* What is done to a batch that is there: cancel, pause, resume. */

static int print(struct ctl *c, const struct answer *a, const char *id, const char *done)
{
    static const struct list_column columns[] = {{{.title = "ID"}, "id", CELL_TEXT},
                                                 {{.title = "STATE"}, "state", CELL_TEXT}};
    static const struct list_kind kind = {.columns = columns, .n_columns = ARRAY_LEN(columns)};
    const char *state = node_str(answer_root(a), "state");
    if (c->form != FORM_TABLE)
        return ask_row(a, &kind, c->form);
    bool ended = state && strcmp(state, "ended") == 0;
    printf("batch %s %s\n", id, ended ? "had ended already" : done);
    return EXIT_ALL_OK;
}

/* call: the last part of the path; done: what the sentence says after it. */
static int change(struct ctl *c, const char *call, const char *done)
{
    struct answer a;
    char id[UUID_TEXT_MAX];
    int code = ask_batch_id(c, c->words[0], id);
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/batches/%s/%s", id, call);
    client_post(c->client, NULL, &a.reply);
    code = ask_parse(c, &a);
    if (code == EXIT_ALL_OK)
        code = print(c, &a, id, done);
    answer_fini(&a);
    return code;
}

int cancel_run(struct ctl *c)
{
    return change(c, "cancel", "is being cancelled");
}

int pause_run(struct ctl *c)
{
    return change(c, "pause", "is paused; what agents have already goes on to its end");
}

int resume_run(struct ctl *c)
{
    return change(c, "resume", "goes on");
}
