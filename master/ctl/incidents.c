/* SPDX-License-Identifier: MIT */
#include "common/screen.h"
#include "master/ctl/checks.h"
#include "master/ctl/incident_page.h"
#include "master/ctl/pages.h"
#include "master/ctl/verbs.h"
#include <errno.h>
#include <string.h>

#define LIST_PAGE 500
#define NOTE_MAX  1024
#define OUT_MAX   (1u << 20)

static void own(const struct json_node *row, const char *path, struct strbuf *out)
{
    incident_page_causes(out, row);
}

static const struct list_column columns[] = {
    {{.title = "ID"}, "id", CELL_TEXT},
    {{.title = "STATE"}, "state", CELL_TEXT},
    {{.title = "KIND", .drop = 5}, "kind", CELL_TEXT},
    {{.title = "HOST", .least = 16}, "host", CELL_TEXT},
    {{.title = "CAUSES", .least = 12, .drop = 1}, "causes", CELL_OWN},
    {{.title = "SINCE"}, "since", CELL_WHEN},
    {{.title = "ENDED", .drop = 4}, "ended_at", CELL_WHEN},
    {{.title = "CHECKS", .right = true, .drop = 3}, "checks", CELL_COUNT},
    {{.title = "NOT UP", .right = true}, "not_up", CELL_COUNT},
    {{.title = "ACKED BY", .drop = 2}, "acked.by", CELL_TEXT},
};

static enum table_tone tone(const struct json_node *row)
{
    return incident_page_tone(node_str(row, "state"));
}

static void note(const struct json_node *row, struct strbuf *out)
{
    const char *said = node_str(row, "acked.note");
    if (node_true(row, "muted"))
        strbuf_puts(out, "muted: maintenance");
    if (said && *said)
        strbuf_printf(out, "%s%s", out->len > 0 ? "; " : "", said);
}

static const struct list_kind list = {.columns = columns,
                                      .n_columns = ARRAY_LEN(columns),
                                      .toned = 1,
                                      .tone = tone,
                                      .own = own,
                                      .note = note};

int incidents_run(struct ctl *c)
{
    const struct pages p = {.path = "/incidents",
                            .member = "incidents",
                            .kind = &list,
                            .query = {{"state", c->o.state}},
                            .page_max = LIST_PAGE,
                            .none = c->o.state ? "there is no such incident"
                                               : "there was no incident yet"};
    return pages_run(c, &p);
}

/* ---- one */

static int print_page(const struct json_node *root)
{
    struct table_style style = screen_style(stdout);
    struct strbuf out;
    strbuf_init(&out, OUT_MAX);
    incident_page_put(&out, root, &style);
    fputs(out.data, stdout);
    strbuf_fini(&out);
    return fflush(stdout) == 0 ? EXIT_ALL_OK : ctl_unwritten(errno);
}

int incident_run(struct ctl *c)
{
    struct answer a;
    int code = checks_check_id(c->words[0], "an incident", "incidents");
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/incidents/%s", c->words[0]);
    code = ask_get(c, &a);
    if (code == EXIT_ALL_OK)
        code = c->form == FORM_TABLE ? print_page(answer_root(&a)) : ask_row(&a, &list, c->form);
    answer_fini(&a);
    return code;
}

int ack_run(struct ctl *c)
{
    struct answer a;
    struct strbuf body;
    struct json_out w;
    int code = checks_check_id(c->words[0], "an incident", "incidents");
    const char *words = c->n_words > 1 ? c->words[1] : NULL;
    if (code == EXIT_ALL_OK && words && strlen(words) > NOTE_MAX)
        code = ctl_fail(EXIT_USAGE, "the note is longer than %d bytes", NOTE_MAX);
    if (code != EXIT_ALL_OK)
        return code;
    strbuf_init(&body, 8 * NOTE_MAX);
    json_out_init(&w, &body);
    json_obj_begin(&w);
    if (words)
        json_str(&w, "note", words);
    json_obj_end(&w);
    answer_init(&a);
    client_path(c->client, API "/incidents/%s/ack", c->words[0]);
    client_post(c->client, body.data, &a.reply);
    code = ask_parse(c, &a);
    if (code == EXIT_ALL_OK && c->form == FORM_TABLE)
        printf("incident %s is yours\n", c->words[0]);
    else if (code == EXIT_ALL_OK)
        code = ask_print(&a);
    answer_fini(&a);
    strbuf_fini(&body);
    return code;
}
