/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include "common/clock.h"
#include "common/screen.h"
#include "common/text.h"
#include "master/ctl/ask.h"
#include "master/ctl/fact.h"
#include "master/ctl/interrupt.h"
#include "master/ctl/listing.h"
#include "master/ctl/verbs.h"

#define OUT_MAX       (4u << 20)
#define CURSOR_BYTES  48
#define FOLLOW_WAIT   "30s" /* the master answers when there is something */
#define PAUSE_MS      200   /* between two questions, whatever the answers say */
#define AWAY_RETRY_MS 1000

static const struct list_column columns[] = {
    {{.title = "AT"}, "at", CELL_WHEN},
    {{.title = "EVENT"}, "kind", CELL_TEXT},
    {{.title = "AGENT", .least = 8}, "agent", CELL_TEXT},
    {{.title = "CAUSE", .drop = 1}, "cause", CELL_TEXT},
    {{.title = "AGE", .right = true, .drop = 2}, "evidence.age_ms", CELL_AGE_MS},
};

static const struct {
    const char *kind;
    enum table_tone tone;
} tones[] = {
    {"agent_connected", TONE_GOOD},    {"agent_alive", TONE_GOOD},
    {"agent_not_slow", TONE_GOOD},     {"agent_disconnected", TONE_WARN},
    {"agent_slow", TONE_WARN},         {"agent_suspect", TONE_WARN},
    {"agent_not_stalled", TONE_GOOD},  {"agent_stalled", TONE_BAD},
    {"agent_clock_skew", TONE_WARN},   {"proxy_timeout", TONE_BAD},
    {"master_unclean_stop", TONE_BAD}, {"bulk_loss", TONE_BAD},
    {"bulk_loss_story", TONE_WARN},    {"master_overloaded", TONE_BAD},
    {"master_overslept", TONE_WARN},
};

static enum table_tone tone(const struct json_node *row)
{
    const char *kind = node_str(row, "kind"), *who = node_str(row, "who");
    if (who && strcmp(who, "nobody") == 0)
        return TONE_PLAIN;
    for (size_t i = 0; kind && i < ARRAY_LEN(tones); i++)
        if (strcmp(kind, tones[i].kind) == 0)
            return tones[i].tone;
    return TONE_PLAIN;
}

/* What the cause means, and the words of the moment. */
static void note(const struct json_node *row, struct strbuf *out)
{
    const char *text = node_str(row, "text"), *detail = node_str(row, "detail");
    if (text)
        strbuf_puts(out, text);
    if (detail && *detail)
        strbuf_printf(out, "%s%s", text ? ": " : "", detail);
}

static const struct list_kind events_list = {
    .columns = columns, .n_columns = ARRAY_LEN(columns), .toned = 1, .tone = tone, .note = note};

static void name_events(struct ctl *c, const char *cursor, const char *limit)
{
    client_path(c->client, API "/events");
    client_query(c->client, "agent", c->o.agent);
    client_query(c->client, "kind", c->o.kind);
    client_query(c->client, "limit", limit);
    client_query(c->client, "cursor", cursor);
}

/* ---- followed */

struct follow {
    struct ctl *c;
    char cursor[CURSOR_BYTES];
    bool away;
    struct strbuf line, note;
};

/* A line each: columns that wait for no row to come. */
static void put_line(struct follow *f, const struct json_node *e)
{
    char at[FACT_TIME_MAX];
    const char *kind = node_str(e, "kind");
    const char *agent = node_str(e, "agent"), *cause = node_str(e, "cause");
    struct table_style style = screen_style(stdout);
    const char *colour = style.colour ? table_tone_begin(tone(e)) : "";
    strbuf_reset(&f->note);
    note(e, &f->note);
    strbuf_printf(&f->line, "%s  %s%-18s%s  ", fact_time(node_str(e, "at"), at), colour,
                  kind ? kind : "", *colour ? TONE_END : "");
    text_clean(&f->line, agent ? agent : "-");
    strbuf_printf(&f->line, "%s%s", cause ? "  " : "", cause ? cause : "");
    strbuf_puts(&f->line, f->note.len > 0 ? "  " : "");
    text_clean(&f->line, f->note.data);
    strbuf_putc(&f->line, '\n');
}

static void put_json(struct follow *f, const struct json_node *e)
{
    struct json_out w;
    json_out_init(&w, &f->line);
    json_print(&w, e);
    strbuf_putc(&f->line, '\n');
}

static int take_page(struct follow *f, const struct json_node *page)
{
    const char *next = node_str(page, "next_cursor");
    strbuf_reset(&f->line);
    if (node_true(page, "lost"))
        ctl_say(
            "some events are missing here: they are not kept any more, or were not stored in time");
    for (const struct json_node *e = node_first(page, "events"); e; e = json_next(e)) {
        if (f->c->form == FORM_NDJSON)
            put_json(f, e);
        else
            put_line(f, e);
    }
    if (next)
        snprintf(f->cursor, sizeof(f->cursor), "%s", next);
    if (fwrite(f->line.data, 1, f->line.len, stdout) != f->line.len || fflush(stdout) != 0)
        return ctl_unwritten(errno);
    return EXIT_ALL_OK;
}

/* A master that restarts is waited for: that is when one looks. */
static void wait_for_master(struct follow *f)
{
    if (!f->away)
        ctl_say("the master does not answer at the moment; trying again");
    f->away = true;
    poll(NULL, 0, AWAY_RETRY_MS);
}

static int follow_on(struct follow *f, struct answer *a)
{
    int code = take_page(f, answer_root(a));
    while (code == EXIT_ALL_OK && !interrupt_seen()) {
        poll(NULL, 0, PAUSE_MS);
        name_events(f->c, f->cursor, NULL);
        client_query(f->c->client, "wait", FOLLOW_WAIT);
        client_get(f->c->client, &a->reply);
        if (interrupt_seen())
            break;
        if (client_is_away(&a->reply)) {
            wait_for_master(f);
            continue;
        }
        f->away = false;
        code = ask_parse(f->c, a);
        if (code == EXIT_ALL_OK)
            code = take_page(f, answer_root(a));
    }
    return interrupt_seen() ? EXIT_INTERRUPTED : code;
}

static int follow(struct ctl *c, struct answer *a)
{
    struct follow f = {.c = c};
    strbuf_init(&f.line, OUT_MAX);
    strbuf_init(&f.note, OUT_MAX);
    interrupt_arm();
    int code = follow_on(&f, a);
    strbuf_fini(&f.line);
    strbuf_fini(&f.note);
    return code;
}

/* ---- the verb */

static int print(struct ctl *c, const struct answer *a)
{
    struct listing l;
    if (c->form == FORM_JSON)
        return ask_print(a);
    listing_init(&l, &events_list, c->form);
    for (const struct json_node *n = node_first(answer_root(a), "events"); n; n = json_next(n))
        listing_add(&l, n);
    if (l.n_rows == 0 && c->form == FORM_TABLE)
        ctl_say("nothing of this kind has happened since the master started");
    return ask_finish(&l);
}

int events_run(struct ctl *c)
{
    struct answer a;
    char limit[24];
    if (c->o.follow && c->form != FORM_TABLE && c->form != FORM_NDJSON)
        return ctl_fail(EXIT_USAGE, "--follow has no end, which %s must have: use -o ndjson",
                        c->o.output);
    answer_init(&a);
    snprintf(limit, sizeof(limit), "%lld", (long long)c->o.limit);
    name_events(c, NULL, limit);
    int code = ask_get(c, &a);
    if (code == EXIT_ALL_OK)
        code = c->o.follow ? follow(c, &a) : print(c, &a);
    answer_fini(&a);
    return code;
}
