/* SPDX-License-Identifier: MIT */
#include "common/human.h"
#include "common/text.h"
#include "master/ctl/apply_file.h"
#include "master/ctl/fact.h"
#include "master/ctl/incident_page.h"
#include "master/ctl/pages.h"
#include "master/ctl/schedules.h"
#include "master/ctl/verbs.h"
#include <string.h>

/* Alert channels, and what was sent to them. */

#define LIST_PAGE 500
#define OUT_MAX   (1u << 20)

static const struct list_column columns[] = {
    {{.title = "NAME", .least = 8}, "name", CELL_TEXT},
    {{.title = "KIND"}, "definition.kind", CELL_TEXT},
    {{.title = "URL", .least = 20, .drop = 2}, "definition.url", CELL_TEXT},
    {{.title = "CHANGED", .drop = 1}, "changed_at", CELL_WHEN},
};
static const struct list_kind list = {.columns = columns, .n_columns = ARRAY_LEN(columns)};

static int print_rows(const struct ctl *c, const struct json_node *first)
{
    struct listing l;
    listing_init(&l, &list, c->form);
    for (const struct json_node *n = first; n; n = json_next(n))
        listing_add(&l, n);
    if (l.n_rows == 0 && c->form == FORM_TABLE)
        ctl_say("there is no alert channel yet; 'sonde alert set NAME FILE' makes one");
    return ask_finish(&l);
}

int alert_list_run(struct ctl *c)
{
    struct answer a;
    answer_init(&a);
    client_path(c->client, API "/alerts");
    int code = ask_get(c, &a);
    if (code == EXIT_ALL_OK)
        code = c->form == FORM_JSON ? ask_print(&a)
                                    : print_rows(c, node_first(answer_root(&a), "alerts"));
    answer_fini(&a);
    return code;
}

/* ---- show */

/* Members as they are; a text without its quotes. */
static void put_members(struct strbuf *out, const struct json_node *channel)
{
    for (const struct json_node *m = json_first(channel); m; m = json_next(m)) {
        struct strbuf value;
        struct json_out w;
        if (json_type(m) == JSON_NULL || strcmp(json_node_key(m), "name") == 0)
            continue;
        strbuf_init(&value, OUT_MAX);
        json_out_init(&w, &value);
        if (json_type(m) == JSON_STRING)
            strbuf_puts(&value, json_node_str(m));
        else
            json_print(&w, m);
        fact_put(out, json_node_key(m), value.data);
        strbuf_fini(&value);
    }
}

static int print_page(const struct json_node *root)
{
    struct strbuf out;
    char at[FACT_TIME_MAX];
    const struct json_node *definition = node_at(root, "definition");
    strbuf_init(&out, OUT_MAX);
    fact_put(&out, "name", node_str(root, "name"));
    fact_put(&out, "changed", fact_time(node_str(root, "changed_at"), at));
    if (definition && json_type(definition) == JSON_OBJECT)
        put_members(&out, definition);
    fputs(out.data, stdout);
    strbuf_fini(&out);
    return EXIT_ALL_OK;
}

int alert_show_run(struct ctl *c)
{
    struct answer a;
    int code = schedules_check_name(c->words[0]);
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/alerts/%s", c->words[0]);
    code = ask_get(c, &a);
    if (code == EXIT_ALL_OK)
        code = c->form == FORM_TABLE ? print_page(answer_root(&a)) : ask_row(&a, &list, c->form);
    answer_fini(&a);
    return code;
}

/* ---- set, test, remove */

int alert_set_run(struct ctl *c)
{
    struct client_reply r;
    struct strbuf body;
    int code = schedules_check_name(c->words[0]);
    if (code != EXIT_ALL_OK)
        return code;
    strbuf_init(&body, OUT_MAX);
    client_reply_init(&r);
    code = apply_file_object(c->words[1], &body);
    if (code == EXIT_ALL_OK) {
        client_path(c->client, API "/alerts/%s", c->words[0]);
        client_put(c->client, body.data, body.len, &r);
        code = client_verdict(c->client, &r);
    }
    if (code == EXIT_ALL_OK && c->form == FORM_TABLE)
        printf("alert channel %s %s; 'sonde alert test %s' tries it\n", c->words[0],
               r.status == 201 ? "is made" : "is changed", c->words[0]);
    client_reply_fini(&r);
    strbuf_fini(&body);
    return code;
}

static void say_sent(const char *name, const struct json_node *root)
{
    char took[HUMAN_MAX];
    const char *error = node_str(root, "error");
    double status = node_num(root, "status", 0);
    struct strbuf b;
    strbuf_init(&b, OUT_MAX);
    strbuf_printf(&b, "alert channel %s: %s after %s", name,
                  node_true(root, "delivered") ? "delivered" : "not delivered",
                  human_took((int64_t)node_num(root, "took_ms", 0), took));
    if (status > 0)
        strbuf_printf(&b, ", status %.0f", status);
    if (error)
        strbuf_printf(&b, ": %s", error);
    struct strbuf clean;
    strbuf_init(&clean, OUT_MAX);
    text_clean(&clean, b.data);
    printf("%s\n", clean.data);
    strbuf_fini(&clean);
    strbuf_fini(&b);
}

int alert_test_run(struct ctl *c)
{
    struct answer a;
    int code = schedules_check_name(c->words[0]);
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/alerts/%s/test", c->words[0]);
    client_post(c->client, NULL, &a.reply);
    code = ask_parse(c, &a);
    if (code == EXIT_ALL_OK) {
        bool delivered = node_true(answer_root(&a), "delivered");
        if (c->form == FORM_TABLE)
            say_sent(c->words[0], answer_root(&a));
        else
            code = ask_print(&a);
        code = code == EXIT_ALL_OK && !delivered ? EXIT_SOME_FAILED : code;
    }
    answer_fini(&a);
    return code;
}

int alert_remove_run(struct ctl *c)
{
    return schedules_remove(c, "alerts", "alert channel", "", "");
}

/* ---- deliveries */

static const struct list_column delivery_columns[] = {
    {{.title = "ID"}, "id", CELL_TEXT},
    {{.title = "STATE"}, "state", CELL_TEXT},
    {{.title = "CHANNEL", .least = 8}, "channel", CELL_TEXT},
    {{.title = "ABOUT", .least = 12}, "about", CELL_TEXT},
    {{.title = "CREATED"}, "created_at", CELL_WHEN},
    {{.title = "TRIES", .right = true, .drop = 1}, "attempts", CELL_COUNT},
    {{.title = "STATUS", .right = true, .drop = 2}, "status", CELL_TEXT},
    {{.title = "NEXT", .drop = 3}, "next_at", CELL_WHEN},
};

static enum table_tone delivery_tone(const struct json_node *row)
{
    return incident_page_delivery_tone(node_str(row, "state"));
}

static void delivery_note(const struct json_node *row, struct strbuf *out)
{
    const char *error = node_str(row, "error");
    strbuf_puts(out, error ? error : "");
}

static const struct list_kind deliveries_list = {.columns = delivery_columns,
                                                 .n_columns = ARRAY_LEN(delivery_columns),
                                                 .toned = 1,
                                                 .tone = delivery_tone,
                                                 .note = delivery_note};

int deliveries_run(struct ctl *c)
{
    const struct pages p = {.path = "/deliveries",
                            .member = "deliveries",
                            .kind = &deliveries_list,
                            .query = {{"channel", c->o.channel}, {"state", c->o.state}},
                            .page_max = LIST_PAGE,
                            .none = "nothing was sent yet, or nothing like that"};
    return pages_run(c, &p);
}
