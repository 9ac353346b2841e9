/* SPDX-License-Identifier: MIT */
#include "master/ctl/ask.h"
#include "proto/result_view.h"
#include "master/ctl/result_list.h"
#include "common/screen.h"
#include "master/ctl/verbs.h"
#include "proto/cause.h"
#include <string.h>

#define OUT_MAX    (4u << 20)
#define TARGET_MAX (256u << 10) /* escapes lengthen a body and PEM */
#define WHY_MAX    1024

static void name_probe(struct ctl *c)
{
    client_path(c->client, API "/probes");
    client_query(c->client, "count", c->o.count);
    client_query(c->client, "log_tasks", c->o.log_tasks ? "1" : NULL);
    for (size_t i = 0; i < c->o.agents.count; i++)
        client_query(c->client, "agent", c->o.agents.items[i]);
    for (size_t i = 0; i < c->o.tags.count; i++)
        client_query(c->client, "tag", c->o.tags.items[i]);
}

/* One target has one error: that is the sentence, not the one about lines around it. */
static int refused(struct ctl *c, struct answer *a)
{
    const char *detail = NULL;
    char why[JSON_PROBLEM_MAX];
    if (json_parse(a->reply.body.data, a->reply.body.len, &a->doc, NULL, 0) == ERR_NONE)
        detail = node_str(node_first(answer_root(a), "errors"), "detail");
    if (!detail)
        return ask_parse(c, a);
    target_flags_explain(&c->o.target, detail, why, sizeof(why));
    return ctl_fail(EXIT_USAGE, "%s", why);
}

/* The master judges the target: it may know options that we do not. */
static int ask_probe(struct ctl *c, const char *target, struct answer *a)
{
    struct strbuf body;
    char why[WHY_MAX] = "";
    int code;
    strbuf_init(&body, TARGET_MAX);
    if (target_flags_encode(&c->o.target, target, &body, why, sizeof(why)) != ERR_NONE) {
        code = ctl_fail(EXIT_USAGE, "%s", why);
    } else {
        name_probe(c);
        client_post(c->client, body.data, &a->reply);
        code = a->reply.status == 422 ? refused(c, a) : ask_parse(c, a);
    }
    explicit_bzero(body.data, body.len);
    strbuf_fini(&body);
    return code;
}

static void print_views(const struct json_node *root)
{
    struct table_style style = screen_style(stdout);
    struct strbuf out;
    strbuf_init(&out, OUT_MAX);
    for (const struct json_node *r = node_first(root, "results"); r; r = json_next(r)) {
        result_view_put(r, &style, &out);
        if (json_next(r))
            strbuf_putc(&out, '\n');
    }
    fputs(out.data, stdout);
    strbuf_fini(&out);
}

static int print(struct ctl *c, const struct answer *a)
{
    struct listing l;
    if (c->form == FORM_JSON)
        return ask_print(a);
    if (c->form == FORM_TABLE) {
        print_views(answer_root(a));
        return EXIT_ALL_OK;
    }
    listing_init(&l, &result_list, c->form);
    for (const struct json_node *r = node_first(answer_root(a), "results"); r; r = json_next(r))
        listing_add(&l, r);
    return ask_finish(&l);
}

static int exit_code_of(const struct json_node *root)
{
    int code = EXIT_ALL_OK;
    for (const struct json_node *r = node_first(root, "results"); r; r = json_next(r)) {
        enum outcome o;
        const char *word = node_str(r, "outcome");
        if (!word || outcome_parse(word, &o) != ERR_NONE)
            o = OUTCOME_FAILED;
        if (o == OUTCOME_EXPIRED)
            return EXIT_DEADLINE;
        if (o != OUTCOME_OK)
            code = EXIT_SOME_FAILED;
    }
    return code;
}

int probe_run(struct ctl *c)
{
    struct answer a;
    answer_init(&a);
    int code = ask_probe(c, c->words[0], &a);
    if (code == EXIT_ALL_OK && !node_first(answer_root(&a), "results"))
        code = ctl_fail(EXIT_SOME_FAILED, "the master answered without a result");
    if (code == EXIT_ALL_OK)
        code = print(c, &a);
    if (code == EXIT_ALL_OK)
        code = exit_code_of(answer_root(&a));
    answer_fini(&a);
    return code;
}
