/* SPDX-License-Identifier: MIT */
#include "master/ctl/submit.h"
#include "master/ctl/verbs.h"

/* Sent as an upload of nothing: it may take as long as one. */
static ssize_t read_nothing(void *arg, char *buf, size_t max)
{
    return 0;
}

int retry_run(struct ctl *c)
{
    struct answer a;
    char id[UUID_TEXT_MAX];
    int64_t wait_s;
    int code = submit_wait(c, &wait_s);
    if (code == EXIT_ALL_OK)
        code = submit_check_key(c->o.idempotency_key);
    if (code == EXIT_ALL_OK)
        code = ask_batch_id(c, c->words[0], id);
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/batches/%s/retry-failed", id);
    client_query(c->client, "outcomes", c->o.outcomes);
    client_idempotency_key(c->client, c->o.idempotency_key);
    client_upload(c->client, "text/plain", read_nothing, NULL, &a.reply);
    code = ask_parse(c, &a);
    if (code == EXIT_ALL_OK)
        code = submit_accepted(c, wait_s, &a);
    answer_fini(&a);
    return code;
}
