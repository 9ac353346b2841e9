/* SPDX-License-Identifier: MIT */
#include "master/ctl/checks.h"
#include "common/clock.h"
#include "common/human.h"
#include "common/ids.h"
#include "common/screen.h"
#include "master/ctl/check_page.h"
#include "master/ctl/pages.h"
#include "master/ctl/result_list.h"
#include "master/ctl/verbs.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIST_PAGE   1000
#define RECENT_RUNS "10"
#define OUT_MAX     (1u << 20)
#define DAY_US      (86400 * INT64_C(1000000))

enum table_tone checks_tone(const char *state)
{
    static const struct {
        const char *word;
        enum table_tone tone;
    } all[] = {{"up", TONE_GOOD}, {"degraded", TONE_WARN}, {"down", TONE_BAD}};
    for (size_t i = 0; state && i < ARRAY_LEN(all); i++)
        if (strcmp(state, all[i].word) == 0)
            return all[i].tone;
    return TONE_DIM;
}

/* Never rounded up to 100: that would hide the seconds that people ask for. */
char *checks_percent(const struct json_node *part, char buf[CHECKS_PERCENT_MAX])
{
    double v = part && json_type(part) == JSON_NUMBER ? json_node_num(part) : -1;
    if (v < 0 || v > 1)
        snprintf(buf, CHECKS_PERCENT_MAX, "-");
    else if (v >= 1)
        snprintf(buf, CHECKS_PERCENT_MAX, "100 %%");
    else
        snprintf(buf, CHECKS_PERCENT_MAX, "%.3f %%", v * 100 < 99.999 ? v * 100 : 99.999);
    return buf;
}

int checks_check_id(const char *word, const char *of, const char *verb)
{
    uint64_t id;
    if (u64_parse(word, strlen(word), &id) == ERR_NONE && id > 0)
        return EXIT_ALL_OK;
    return ctl_fail(EXIT_USAGE, "'%s' is not the number of %s; 'sonde %s' lists them", word, of,
                    verb);
}

/* ---- the list */

static void put_since(const struct json_node *row, struct strbuf *out)
{
    char buf[HUMAN_MAX];
    struct wall at;
    const char *since = node_str(row, "since");
    if (since && wall_parse(since, &at) == ERR_NONE)
        strbuf_puts(out, human_duration((wall_now().us - at.us) / 1000000, buf));
}

static const struct list_column columns[] = {
    {{.title = "ID"}, "id", CELL_TEXT},
    {{.title = "STATE"}, "state", CELL_TEXT},
    {{.title = "TARGET", .least = 24}, "target", CELL_TEXT},
    {{.title = "SCHEDULE", .least = 8, .drop = 3}, "schedule", CELL_TEXT},
    {{.title = "SINCE", .drop = 2}, "since", CELL_WHEN},
    {{.title = "CAUSE", .drop = 1}, "cause", CELL_TEXT},
    {{.title = "MS", .right = true, .drop = 4}, "last.total_ms", CELL_MS},
    {{.title = "CERT DAYS", .right = true, .drop = 6}, "certificate.days_left", CELL_TEXT},
    {{.title = "INCIDENT", .right = true, .drop = 5}, "incident", CELL_TEXT},
    {{.title = "NEXT", .drop = 7}, "next_at", CELL_WHEN},
};

static enum table_tone tone(const struct json_node *row)
{
    return checks_tone(node_str(row, "state"));
}

static void note(const struct json_node *row, struct strbuf *out)
{
    const char *state = node_str(row, "state"), *advice = node_str(row, "advice");
    if (tone(row) != TONE_GOOD && state) {
        strbuf_printf(out, "%s for ", state);
        put_since(row, out);
    }
    if (node_true(row, "flapping"))
        strbuf_printf(out, "%sflapping", out->len > 0 ? "; " : "");
    if (advice && *advice)
        strbuf_printf(out, "%s%s", out->len > 0 ? "; " : "", advice);
}

static const struct list_kind list = {
    .columns = columns, .n_columns = ARRAY_LEN(columns), .toned = 1, .tone = tone, .note = note};

int checks_run(struct ctl *c)
{
    const struct ctl_options *o = &c->o;
    const struct pages p = {
        .path = "/checks",
        .member = "checks",
        .kind = &list,
        .query = {{"schedule", o->schedule}, {"state", o->state}, {"host", o->host}},
        .page_max = LIST_PAGE,
        .none = o->schedule || o->state || o->host
                    ? "there is no such check"
                    : "there is no check yet; 'sonde schedule apply FILE' makes some"};
    return pages_run(c, &p);
}

/* ---- one */

static int ask_history(struct ctl *c, struct answer *a)
{
    char from[WALL_TEXT_MAX];
    wall_format((struct wall){wall_now().us - c->o.days * DAY_US}, from);
    client_path(c->client, API "/checks/%s/history", c->words[0]);
    client_query(c->client, "from", from);
    client_query(c->client, "by", "day");
    return ask_get(c, a);
}

static int print_runs(struct ctl *c)
{
    struct answer a;
    struct listing l;
    answer_init(&a);
    client_path(c->client, API "/checks/%s/runs", c->words[0]);
    client_query(c->client, "limit", RECENT_RUNS);
    int code = ask_get(c, &a);
    if (code == EXIT_ALL_OK) {
        const struct json_node *n = node_first(answer_root(&a), "results");
        if (n)
            printf("\nThe last runs\n");
        listing_init(&l, &result_list, FORM_TABLE);
        for (; n; n = json_next(n))
            listing_add(&l, n);
        code = ask_finish(&l);
    }
    answer_fini(&a);
    return code;
}

static int print_page(struct ctl *c, const struct json_node *check)
{
    struct answer history;
    struct strbuf out;
    struct table_style style = screen_style(stdout);
    answer_init(&history);
    int code = ask_history(c, &history);
    if (code == EXIT_ALL_OK) {
        strbuf_init(&out, OUT_MAX);
        check_page_put(&out, check, answer_root(&history), &style);
        fputs(out.data, stdout);
        strbuf_fini(&out);
        code = print_runs(c);
    }
    answer_fini(&history);
    return code;
}

int check_run(struct ctl *c)
{
    struct answer a;
    int code = checks_check_id(c->words[0], "a check", "checks");
    if (code != EXIT_ALL_OK)
        return code;
    answer_init(&a);
    client_path(c->client, API "/checks/%s", c->words[0]);
    code = ask_get(c, &a);
    if (code == EXIT_ALL_OK)
        code = c->form == FORM_TABLE ? print_page(c, answer_root(&a)) : ask_row(&a, &list, c->form);
    answer_fini(&a);
    return code;
}
