/* SPDX-License-Identifier: MIT */
#include "master/ctl/agents.h"
#include "master/ctl/agent_page.h"
#include "master/ctl/ask.h"
#include "master/ctl/verbs.h"
#include <string.h>

#define OUT_MAX (1u << 20)

#define COUNT(text, path, dropped)                                                                 \
    {                                                                                              \
        {.title = text, .right = true, .drop = dropped}, path, CELL_COUNT                          \
    }

static const struct list_column columns[] = {
    {{.title = "NAME", .least = 8}, "name", CELL_TEXT},
    {{.title = "STATE"}, "state", CELL_TEXT},
    {{.title = "HEARD", .right = true, .drop = 1}, "heartbeat_age_ms", CELL_AGE_MS},
    {{.title = "RTT MS", .right = true, .drop = 5}, "rtt_ms", CELL_MS},
    COUNT("RUNNING", "heartbeat.running", 2),
    COUNT("QUEUE", "heartbeat.queue", 6),
    COUNT("SLOTS", "heartbeat.slots", 7),
    COUNT("CREDIT", "credit_left", 8),
    COUNT("OUTBOX", "heartbeat.outbox_results", 9),
    COUNT("RESULTS", "results", 3),
    {{.title = "LAG MS", .right = true, .drop = 10}, "heartbeat.lag_ms", CELL_MS},
    {{.title = "RECV-Q", .right = true, .drop = 11}, "heartbeat.recvq_bytes", CELL_BYTES},
    {{.title = "CONNECTED", .right = true, .drop = 4}, "connected_ms", CELL_AGE_MS},
    {{.title = "PEER", .drop = 12}, "peer", CELL_TEXT},
    {{.title = "VERSION", .drop = 13}, "version", CELL_TEXT},
};

bool agents_is_alive(const struct json_node *agent)
{
    const char *state = node_str(agent, "state");
    return state && strcmp(state, "alive") == 0;
}

bool agents_is_stalled(const struct json_node *agent)
{
    const char *state = node_str(agent, "state");
    return state && strcmp(state, "stalled") == 0;
}

static enum table_tone tone(const struct json_node *row)
{
    const char *state = node_str(row, "state");
    if (agents_is_alive(row))
        return node_true(row, "slow") ? TONE_WARN : TONE_GOOD;
    return agents_is_stalled(row) || (state && strcmp(state, "gone") == 0) ? TONE_BAD : TONE_WARN;
}

/* What it complains of; and of one that is away, how it went. */
static void note(const struct json_node *row, struct strbuf *out)
{
    const char *trouble = node_str(row, "trouble"), *left = node_str(row, "last_disconnect.text");
    if (agents_is_stalled(row))
        strbuf_puts(out, "stalled: " AGENTS_STALLED_TEXT);
    if (node_true(row, "slow"))
        strbuf_printf(out, "%sslow: it does not take what is sent to it", out->len > 0 ? "; " : "");
    if (trouble && *trouble)
        strbuf_printf(out, "%s%s", out->len > 0 ? "; " : "", trouble);
    if (left && *left && !agents_is_alive(row))
        strbuf_printf(out, "%slast disconnect: %s", out->len > 0 ? "; " : "", left);
}

const struct list_kind agents_list = {
    .columns = columns, .n_columns = ARRAY_LEN(columns), .toned = 1, .tone = tone, .note = note};

static int print_one(const struct json_node *agent)
{
    struct strbuf out;
    strbuf_init(&out, OUT_MAX);
    agent_page_put(agent, &out);
    fputs(out.data, stdout);
    strbuf_fini(&out);
    return EXIT_ALL_OK;
}

/* ---- the verb */

static int print(struct ctl *c, const struct answer *a)
{
    struct listing l;
    bool one = c->n_words > 0;
    if (c->form == FORM_JSON)
        return ask_print(a);
    if (one && c->form == FORM_TABLE)
        return print_one(answer_root(a));
    listing_init(&l, &agents_list, c->form);
    if (one)
        listing_add(&l, answer_root(a));
    for (const struct json_node *n = node_first(answer_root(a), "agents"); n && !one;
         n = json_next(n))
        listing_add(&l, n);
    if (l.n_rows == 0 && c->form == FORM_TABLE)
        ctl_say("no agent has connected since the master started; sonde-agent --help tells how one "
                "joins");
    return ask_finish(&l);
}

int agents_run(struct ctl *c)
{
    struct answer a;
    const char *name = c->n_words > 0 ? c->words[0] : NULL;
    if (name && (*name == '\0' || strpbrk(name, "/?#% ")))
        return ctl_fail(EXIT_USAGE, "'%s' cannot be the name of an agent", name);
    answer_init(&a);
    client_path(c->client, API "/agents%s%s", name ? "/" : "", name ? name : "");
    int code = ask_get(c, &a);
    if (code == EXIT_ALL_OK)
        code = print(c, &a);
    answer_fini(&a);
    return code;
}
