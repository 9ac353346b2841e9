/* SPDX-License-Identifier: MIT */
#include "master/ctl/incident_page.h"
#include "common/human.h"
#include "master/ctl/fact.h"
#include "proto/cause.h"
#include <string.h>

enum table_tone incident_page_tone(const char *state)
{
    static const struct {
        const char *word;
        enum table_tone tone;
    } all[] = {{"open", TONE_WARN}, {"confirmed", TONE_BAD}, {"resolved", TONE_GOOD}};
    for (size_t i = 0; state && i < ARRAY_LEN(all); i++)
        if (strcmp(state, all[i].word) == 0)
            return all[i].tone;
    return TONE_DIM;
}

enum table_tone incident_page_delivery_tone(const char *state)
{
    if (state && strcmp(state, "delivered") == 0)
        return TONE_GOOD;
    return state && strcmp(state, "failed") == 0 ? TONE_BAD : TONE_WARN;
}

void incident_page_causes(struct strbuf *out, const struct json_node *incident)
{
    const char *gap = "";
    for (const struct json_node *c = node_first(incident, "causes"); c; c = json_next(c)) {
        if (json_type(c) != JSON_STRING)
            continue;
        strbuf_printf(out, "%s%s", gap, json_node_str(c));
        gap = ", ";
    }
}

static void put_times(struct strbuf *out, const struct json_node *root)
{
    char at[FACT_TIME_MAX];
    fact_put(out, "since", fact_time(node_str(root, "since"), at));
    fact_put(out, "confirmed", fact_time(node_str(root, "confirmed_at"), at));
    fact_put(out, "ended", fact_time(node_str(root, "ended_at"), at));
}

static void put_causes(struct strbuf *out, const struct json_node *root)
{
    const char *label = "causes";
    for (const struct json_node *n = node_first(root, "causes"); n; n = json_next(n)) {
        enum cause c;
        const char *word = json_type(n) == JSON_STRING ? json_node_str(n) : "?";
        if (cause_parse(word, &c) == ERR_NONE)
            fact_printf(out, label, "%s: %s", word, cause_text(c));
        else
            fact_put(out, label, word);
        label = "";
    }
}

static void put_evidence(struct strbuf *out, const struct json_node *root, const char *path,
                         const char *label)
{
    char at[FACT_TIME_MAX];
    const struct json_node *e = node_at(root, path);
    if (!e || json_type(e) != JSON_OBJECT)
        return;
    const char *agent = node_str(e, "agent"), *task = node_str(e, "task"),
               *check = node_str(e, "check"), *cause = node_str(e, "cause");
    fact_printf(out, label, "%s %s by %s, check %s, task %s", fact_time(node_str(e, "at"), at),
                cause ? cause : "?", agent ? agent : "several agents", check ? check : "-",
                task ? task : "-");
}

static void put_ack(struct strbuf *out, const struct json_node *root)
{
    char at[FACT_TIME_MAX];
    const char *by = node_str(root, "acked.by"), *said = node_str(root, "acked.note");
    if (by)
        fact_printf(out, "acked", "by %s, %s%s%s", by, fact_time(node_str(root, "acked.at"), at),
                    said ? ": " : "", said ? said : "");
}

static void put_deliveries(struct strbuf *out, const struct json_node *first,
                           const struct table_style *style)
{
    static const struct table_column columns[] = {{.title = "TOLD"},
                                                  {.title = "STATE"},
                                                  {.title = "ABOUT", .least = 12},
                                                  {.title = "AT"},
                                                  {.title = "TRIES", .right = true},
                                                  {.title = "ERROR", .least = 20}};
    if (!first)
        return;
    struct table *t = table_create(columns, ARRAY_LEN(columns));
    for (const struct json_node *n = first; n; n = json_next(n)) {
        char at[FACT_TIME_MAX], tries[HUMAN_MAX];
        const char *state = node_str(n, "state");
        const char *cells[] = {node_str(n, "channel"),
                               state,
                               node_str(n, "about"),
                               fact_time(node_str(n, "created_at"), at),
                               human_count(node_count(n, "attempts"), tries),
                               node_str(n, "error")};
        table_row(t, cells, 1, incident_page_delivery_tone(state));
    }
    strbuf_putc(out, '\n');
    table_print(t, style, out);
    table_destroy(&t);
}

void incident_page_put(struct strbuf *out, const struct json_node *root,
                       const struct table_style *style)
{
    char n[HUMAN_MAX], of[HUMAN_MAX];
    const char *state = node_str(root, "state"), *kind = node_str(root, "kind");
    const char *agent = node_str(root, "agent"), *other = node_str(root, "withdrawn_for");
    fact_printf(out, "incident", "%s", node_str(root, "id") ? node_str(root, "id") : "?");
    fact_printf(out, "state", "%s%s%s%s", state ? state : "?", other ? ": it was incident " : "",
                other ? other : "", node_true(root, "muted") ? ", muted by maintenance" : "");
    fact_put(out, "kind", kind);
    fact_put(out, "host", node_str(root, "host"));
    fact_put(out, "schedule", node_str(root, "schedule"));
    put_times(out, root);
    put_causes(out, root);
    if (agent)
        fact_printf(out, "agent", "all of it by the word of %s alone", agent);
    fact_printf(out, "checks", "%s, not up: %s", human_count(node_count(root, "checks"), of),
                human_count(node_count(root, "not_up"), n));
    if (node_count(root, "relapses") > 0)
        fact_put(out, "relapses", human_count(node_count(root, "relapses"), n));
    put_ack(out, root);
    put_evidence(out, root, "evidence.first", "first");
    put_evidence(out, root, "evidence.last", "last");
    put_deliveries(out, node_first(root, "deliveries"), style);
}
