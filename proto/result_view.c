/* SPDX-License-Identifier: MIT */
#include "proto/result_view.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/human.h"
#include "common/text.h"
#include "proto/cause.h"
#include "proto/result_view_parts.h"

#define INDENT      2
#define LABEL_WIDTH 12
#define HANG        4 /* further in: the rest of an item */

/* ---- lines */

const char *view_or_dash(const char *s)
{
    return s ? s : "-";
}

/* The cursor stands in column `at`; what does not fit goes on under column `under`. */
static void put_text(struct view *v, const char *text, size_t at, size_t under)
{
    struct strbuf clean;
    strbuf_init(&clean, 4 * TEXT_CELL_MAX);
    text_clean(&clean, text);
    text_wrap(v->out, clean.data, v->style->width, at, under);
    strbuf_fini(&clean);
}

static void put_toned(struct view *v, const char *text, enum table_tone tone)
{
    const char *begin = v->style->colour ? table_tone_begin(tone) : "";
    strbuf_puts(v->out, begin);
    put_text(v, text, 0, 0);
    strbuf_puts(v->out, *begin ? TONE_END : "");
}

void view_line(struct view *v, const char *label, const char *text)
{
    if (!text || !*text)
        return;
    strbuf_printf(v->out, "%*s%-*s", INDENT, "", LABEL_WIDTH, label);
    put_text(v, text, INDENT + LABEL_WIDTH, INDENT + LABEL_WIDTH);
    strbuf_putc(v->out, '\n');
}

void view_linef(struct view *v, const char *label, const char *fmt, ...)
{
    struct strbuf b;
    va_list ap;
    strbuf_init(&b, VIEW_TEXT_MAX);
    va_start(ap, fmt);
    strbuf_vprintf(&b, fmt, ap);
    va_end(ap);
    view_line(v, label, b.data);
    strbuf_fini(&b);
}

void view_item(struct view *v, const char *text)
{
    text_pad(v->out, INDENT);
    put_text(v, text, INDENT, HANG);
    strbuf_putc(v->out, '\n');
}

void view_heading(struct view *v, const char *text)
{
    strbuf_putc(v->out, '\n');
    text_pad(v->out, INDENT);
    put_toned(v, text, TONE_DIM);
    strbuf_putc(v->out, '\n');
}

void view_join(const struct json_node *obj, const char *path, const char *between,
               struct strbuf *out)
{
    for (const struct json_node *n = node_first(obj, path); n; n = json_next(n)) {
        if (json_type(n) != JSON_STRING)
            continue;
        strbuf_puts(out, out->len > 0 ? between : "");
        strbuf_puts(out, json_node_str(n));
    }
}

/* ---- the verdict */

enum table_tone result_view_tone(const struct json_node *result)
{
    enum outcome o;
    const char *word = node_str(result, "outcome");
    if (!word || outcome_parse(word, &o) != ERR_NONE)
        return TONE_PLAIN;
    return o == OUTCOME_OK ? TONE_GOOD : o == OUTCOME_FAILED ? TONE_BAD : TONE_WARN;
}

void result_view_reason(const struct json_node *result, struct strbuf *out)
{
    enum cause c;
    const char *word = node_str(result, "cause"), *message = node_str(result, "message");
    const char *sentence = word && cause_parse(word, &c) == ERR_NONE ? cause_text(c) : NULL;
    bool said = sentence && message && strstr(message, sentence);
    if (sentence && !said)
        strbuf_puts(out, sentence);
    if (message) {
        strbuf_puts(out, out->len > 0 ? ": " : "");
        strbuf_puts(out, message);
    }
}

static void put_cause(struct view *v, const struct json_node *r)
{
    enum cause c;
    struct strbuf rest;
    const char *outcome = view_or_dash(node_str(r, "outcome")), *word = node_str(r, "cause");
    strbuf_init(&rest, VIEW_TEXT_MAX);
    if (word)
        strbuf_printf(&rest, ": %s", word);
    if (word && cause_parse(word, &c) == ERR_NONE)
        strbuf_printf(&rest, " (at fault: %s)", cause_where_word(cause_where(c)));
    put_toned(v, outcome, result_view_tone(r));
    put_text(v, rest.data, text_width(outcome), HANG);
    strbuf_putc(v->out, '\n');
    strbuf_fini(&rest);
}

/* A clock that is off is said beside what it tells. */
static void put_started(struct view *v, const struct json_node *r)
{
    double skew_ms = node_num(r, "clock_skew_ms", 0);
    view_line(v, "started", node_str(r, "started_at"));
    if (skew_ms != 0)
        view_linef(v, "its clock", "%.1f s %s the master's", fabs(skew_ms) / 1000,
                   skew_ms < 0 ? "behind" : "ahead of");
}

static void put_verdict(struct view *v, const struct json_node *r)
{
    char queued[HUMAN_MAX];
    struct strbuf reason;
    strbuf_init(&reason, VIEW_TEXT_MAX);
    put_cause(v, r);
    result_view_reason(r, &reason);
    if (reason.len > 0) {
        put_text(v, reason.data, 0, 0);
        strbuf_putc(v->out, '\n');
    }
    strbuf_fini(&reason);
    strbuf_putc(v->out, '\n');
    view_line(v, "target", node_str(r, "target"));
    view_line(v, "agent", node_str(r, "agent"));
    put_started(v, r);
    if (node_num(r, "queue_ms", 0) >= 1)
        view_linef(v, "queued", "%s ms", human_ms(node_num(r, "queue_ms", 0), queued));
}

/* ---- expectations and tries */

static void put_check(struct view *v, const struct json_node *c)
{
    struct strbuf b;
    bool ok = node_true(c, "ok");
    const char *detail = node_str(c, "detail");
    strbuf_init(&b, VIEW_TEXT_MAX);
    strbuf_printf(&b, "%s%s%s", view_or_dash(node_str(c, "check")), detail ? ": " : "",
                  detail ? detail : "");
    text_pad(v->out, INDENT);
    put_toned(v, ok ? "ok    " : "FAILED", ok ? TONE_GOOD : TONE_BAD);
    strbuf_puts(v->out, "  ");
    put_text(v, b.data, INDENT + 8, INDENT + 8);
    strbuf_putc(v->out, '\n');
    strbuf_fini(&b);
}

static void put_checks(struct view *v, const struct json_node *r)
{
    const struct json_node *c = node_first(r, "checks");
    if (c)
        view_heading(v, "expectations");
    for (; c; c = json_next(c))
        put_check(v, c);
}

static void put_tries(struct view *v, const struct json_node *r)
{
    char label[24], ms[HUMAN_MAX];
    unsigned n = 0;
    const struct json_node *t = node_first(r, "tries");
    if (t)
        view_heading(v, "tries before this one");
    for (; t; t = json_next(t)) {
        const char *message = node_str(t, "message");
        snprintf(label, sizeof(label), "try %u", ++n);
        view_linef(v, label, "%s after %s ms%s%s", view_or_dash(node_str(t, "cause")),
                   human_ms(node_num(t, "total_ms", 0), ms), message ? ": " : "",
                   message ? message : "");
    }
}

void result_view_put(const struct json_node *result, const struct table_style *style,
                     struct strbuf *out)
{
    struct view v = {.style = style, .out = out};
    REQUIRE(result != NULL && style != NULL && out != NULL);
    put_verdict(&v, result);
    put_checks(&v, result);
    put_tries(&v, result);
    view_waterfall(&v, result);
    view_http(&v, node_at(result, "http"));
    view_dns(&v, node_at(result, "dns"));
    if (node_true(result, "cut")) {
        view_heading(&v, "cut");
        view_item(&v, "it found more than a result can hold: headers, body or lists are left out");
    }
}
