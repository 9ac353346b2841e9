/* SPDX-License-Identifier: MIT */
#include "master/ctl/schedule_page.h"
#include "common/human.h"
#include "master/ctl/fact.h"
#include "master/ctl/schedules.h"
#include <string.h>

#define LINE_BYTES 8192

static void put_head(struct strbuf *out, const struct json_node *root)
{
    char n[HUMAN_MAX], at[FACT_TIME_MAX];
    struct strbuf line;
    strbuf_init(&line, LINE_BYTES);
    fact_put(out, "schedule", node_str(root, "name"));
    schedules_put_when(root, &line);
    fact_printf(out, "when", "%s%s", line.data, node_true(root, "paused") ? ", paused" : "");
    fact_put(out, "next", fact_time(node_str(root, "next_at"), at));
    strbuf_reset(&line);
    schedules_put_counts(node_at(root, "states"), &line);
    fact_printf(out, "checks", "%s%s%s", human_count(node_count(root, "checks"), n),
                line.len > 0 ? ": " : "", line.data);
    if (node_count(root, "flapping") > 0)
        fact_printf(out, "flapping", "%s", human_count(node_count(root, "flapping"), n));
    fact_put(out, "runs", human_count(node_count(root, "runs"), n));
    strbuf_reset(&line);
    schedules_put_counts(node_at(root, "missed"), &line);
    fact_put(out, "missed", line.len > 0 ? line.data : "none since the master started");
    fact_printf(out, "version", "%s, of %s", human_count(node_count(root, "version"), n),
                fact_time(node_str(root, "changed_at"), at));
    strbuf_fini(&line);
}

/* A value of JSON is one of YAML. */
static void put_value(struct strbuf *out, const struct json_node *n)
{
    struct json_out w;
    json_out_init(&w, out);
    json_print(&w, n);
    strbuf_putc(out, '\n');
}

static void put_member(struct strbuf *out, const struct json_node *m, const char *lead)
{
    strbuf_puts(out, lead);
    strbuf_puts(out, json_node_key(m));
    if (strcmp(json_node_key(m), "targets") != 0 || json_type(m) != JSON_ARRAY) {
        strbuf_puts(out, ": ");
        put_value(out, m);
        return;
    }
    strbuf_puts(out, ":\n");
    for (const struct json_node *t = json_first(m); t; t = json_next(t)) {
        strbuf_puts(out, "      - ");
        put_value(out, t);
    }
}

void schedule_page_put(struct strbuf *out, const struct json_node *root)
{
    const struct json_node *definition = node_at(root, "definition");
    put_head(out, root);
    if (!definition || json_type(definition) != JSON_OBJECT)
        return;
    strbuf_puts(out, "\nschedules:\n");
    const char *lead = "  - ";
    for (const struct json_node *m = json_first(definition); m; m = json_next(m)) {
        if (json_type(m) == JSON_NULL)
            continue;
        put_member(out, m, lead);
        lead = "    ";
    }
}
