/* SPDX-License-Identifier: MIT */
#include "master/ctl/check_page.h"
#include "common/human.h"
#include "common/text.h"
#include "master/ctl/checks.h"
#include "master/ctl/fact.h"
#include "master/ctl/schedules.h"
#include <stdio.h>
#include <string.h>

#define LINE_BYTES 8192

/* ---- the bar */

static const struct {
    double least;
    const char *block;
    enum table_tone tone;
} heights[] = {{0.9995, "█", TONE_GOOD},
               {0.99, "▇", TONE_WARN},
               {0.95, "▅", TONE_WARN},
               {0.75, "▃", TONE_BAD},
               {0, "▁", TONE_BAD}};

static void put_block(struct strbuf *out, const struct json_node *span,
                      const struct table_style *style)
{
    double up = node_num(span, "up_ms", 0), degraded = node_num(span, "degraded_ms", 0);
    double known = up + degraded + node_num(span, "down_ms", 0);
    if (known <= 0) {
        strbuf_puts(out, "·");
        return;
    }
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(heights) && (up + degraded) / known < heights[i].least)
        i++;
    enum table_tone tone =
        i == 0 && degraded / known > 1 - heights[0].least ? TONE_WARN : heights[i].tone;
    const char *begin = style->colour ? table_tone_begin(tone) : "";
    strbuf_printf(out, "%s%s%s", begin, heights[i].block, *begin ? TONE_END : "");
}

void check_page_bar(struct strbuf *out, const struct json_node *history,
                    const struct table_style *style)
{
    for (const struct json_node *s = node_first(history, "series"); s; s = json_next(s))
        put_block(out, s, style);
}

/* ---- facts */

static void put_state(struct strbuf *out, const struct json_node *check)
{
    char at[FACT_TIME_MAX];
    const char *state = node_str(check, "state"), *cause = node_str(check, "cause");
    const char *advice = node_str(check, "advice"), *incident = node_str(check, "incident");
    fact_put(out, "target", node_str(check, "target"));
    fact_put(out, "schedule", node_str(check, "schedule"));
    fact_printf(out, "state", "%s since %s%s%s%s", state ? state : "?",
                fact_time(node_str(check, "since"), at), cause ? ": " : "", cause ? cause : "",
                node_true(check, "flapping") ? ", flapping" : "");
    fact_put(out, "", advice);
    if (incident)
        fact_printf(out, "incident", "%s (sonde incident %s)", incident, incident);
    if (node_true(check, "paused"))
        fact_put(out, "paused", "its schedule is paused");
    fact_put(out, "next", fact_time(node_str(check, "next_at"), at));
    if (node_true(check, "running"))
        fact_put(out, "now", "a run is under way");
    if (node_at(check, "certificate.days_left"))
        fact_printf(out, "certificate", "ends in %.0f days (%s)",
                    node_num(check, "certificate.days_left", 0),
                    fact_time(node_str(check, "certificate.not_after"), at));
}

/* A part that may be below 0. */
static void put_budget(struct strbuf *out, double left)
{
    if (left < 0)
        fact_printf(out, "", "the error budget is overdrawn by %.1f %%", -left * 100);
    else
        fact_printf(out, "", "%.1f %% of the error budget is left", left * 100);
}

static void put_goal(struct strbuf *out, const struct json_node *history)
{
    char now[CHECKS_PERCENT_MAX];
    const struct json_node *left = node_at(history, "goal.budget_left");
    double goal = node_num(history, "goal.availability", -1);
    if (goal < 0)
        return;
    fact_printf(out, "goal", "%.7g %%, is %s", goal,
                checks_percent(node_at(history, "goal.availability_of_period"), now));
    if (left && json_type(left) == JSON_NUMBER)
        put_budget(out, json_node_num(left));
    for (const struct json_node *b = node_first(history, "goal.burn"); b; b = json_next(b))
        if (node_true(b, "burns"))
            fact_printf(out, "", "over the last %s it burns %.1f times as fast as it may",
                        node_str(b, "long") ? node_str(b, "long") : "hours",
                        node_num(b, "rate", 0));
}

static void put_history(struct strbuf *out, const struct json_node *history,
                        const struct table_style *style)
{
    char percent[CHECKS_PERCENT_MAX], from[FACT_TIME_MAX];
    struct strbuf line;
    strbuf_init(&line, LINE_BYTES);
    fact_printf(out, "uptime", "%s since %.10s",
                checks_percent(node_at(history, "uptime"), percent),
                fact_time(node_str(history, "from"), from));
    if (node_first(history, "series")) {
        fact_label(out, "by day");
        check_page_bar(out, history, style);
        strbuf_putc(out, '\n');
    }
    put_goal(out, history);
    schedules_put_counts(node_at(history, "runs"), &line);
    fact_put(out, "runs", line.data);
    strbuf_reset(&line);
    schedules_put_counts(node_at(history, "missed"), &line);
    fact_put(out, "missed", line.data);
    strbuf_fini(&line);
}

/* ---- tables */

static void put_latency(struct strbuf *out, const struct json_node *history,
                        const struct table_style *style)
{
    static const struct table_column columns[] = {{.title = "PHASE"},
                                                  {.title = "P50 MS", .right = true},
                                                  {.title = "P90 MS", .right = true},
                                                  {.title = "P95 MS", .right = true},
                                                  {.title = "P99 MS", .right = true},
                                                  {.title = "MAX MS", .right = true}};
    static const char *const paths[] = {"p50", "p90", "p95", "p99", "max"};
    const struct json_node *all = node_at(history, "latency_ms");
    if (!all || json_type(all) != JSON_OBJECT || !json_first(all))
        return;
    struct table *t = table_create(columns, ARRAY_LEN(columns));
    for (const struct json_node *p = json_first(all); p; p = json_next(p)) {
        char text[ARRAY_LEN(paths)][HUMAN_MAX];
        const char *cells[1 + ARRAY_LEN(paths)] = {json_node_key(p)};
        for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
            double v = node_num(p, paths[i], -1);
            cells[i + 1] = v < 0 ? NULL : human_ms(v, text[i]);
        }
        if (cells[1])
            table_row(t, cells, 0, TONE_PLAIN);
    }
    strbuf_putc(out, '\n');
    table_print(t, style, out);
    table_destroy(&t);
}

static void put_transitions(struct strbuf *out, const struct json_node *check,
                            const struct table_style *style)
{
    static const struct table_column columns[] = {
        {.title = "CHANGED"}, {.title = "TO"}, {.title = "CAUSE"}, {.title = "WHY", .least = 20}};
    const struct json_node *n = node_first(check, "transitions");
    if (!n)
        return;
    struct table *t = table_create(columns, ARRAY_LEN(columns));
    for (; n; n = json_next(n)) {
        char at[FACT_TIME_MAX];
        const char *to = node_str(n, "to");
        const char *cells[] = {fact_time(node_str(n, "at"), at), to, node_str(n, "cause"),
                               node_str(n, "advice")};
        table_row(t, cells, 1, checks_tone(to));
    }
    strbuf_putc(out, '\n');
    table_print(t, style, out);
    table_destroy(&t);
}

static void put_missed(struct strbuf *out, const struct json_node *check,
                       const struct table_style *style)
{
    static const struct table_column columns[] = {{.title = "MISSED"},
                                                  {.title = "UNTIL"},
                                                  {.title = "SLOTS", .right = true},
                                                  {.title = "WHY"},
                                                  {.title = "MEANING", .least = 30, .drop = 1}};
    const struct json_node *n = node_first(check, "missed");
    if (!n)
        return;
    struct table *t = table_create(columns, ARRAY_LEN(columns));
    for (; n; n = json_next(n)) {
        char from[FACT_TIME_MAX], to[FACT_TIME_MAX], count[HUMAN_MAX];
        const char *cells[] = {fact_time(node_str(n, "first_at"), from),
                               fact_time(node_str(n, "last_at"), to),
                               human_count(node_count(n, "count"), count), node_str(n, "reason"),
                               node_str(n, "meaning")};
        table_row(t, cells, 0, TONE_PLAIN);
    }
    strbuf_putc(out, '\n');
    table_print(t, style, out);
    table_destroy(&t);
}

void check_page_put(struct strbuf *out, const struct json_node *check,
                    const struct json_node *history, const struct table_style *style)
{
    put_state(out, check);
    put_history(out, history, style);
    put_latency(out, history, style);
    put_transitions(out, check, style);
    put_missed(out, check, style);
}
