/* SPDX-License-Identifier: MIT */
#include "master/ctl/batch_view.h"
#include "common/human.h"
#include "common/node.h"
#include <stdlib.h>

void batch_view_counts(const struct progress *p, struct strbuf *out)
{
    char n[HUMAN_MAX];
    const char *gap = ": ";
    const struct {
        const char *word;
        uint64_t n;
    } open[] = {{"running", p->running}, {"queued", p->queued}};
    strbuf_printf(out, "%s %s", human_count(p->total, n), p->total == 1 ? "target" : "targets");
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        if (p->ended[o] == 0)
            continue;
        strbuf_printf(out, "%s%s %s", gap, human_count(p->ended[o], n),
                      outcome_word((enum outcome)o));
        gap = ", ";
    }
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        if (open[i].n == 0)
            continue;
        strbuf_printf(out, "%s%s %s", gap, human_count(open[i].n, n), open[i].word);
        gap = ", ";
    }
}

static int by_count(const void *a, const void *b)
{
    const struct json_node *const *x = a, *const *y = b;
    double l = node_num(*x, "", 0), r = node_num(*y, "", 0);
    return l < r ? -1 : l > r ? 1 : 0;
}

size_t batch_view_rare_first(const struct json_node *batch,
                             const struct json_node *causes[BATCH_VIEW_CAUSES])
{
    size_t n = 0;
    const struct json_node *all = node_at(batch, "causes");
    if (!all || json_type(all) != JSON_OBJECT)
        return 0;
    for (const struct json_node *i = json_first(all); i && n < BATCH_VIEW_CAUSES; i = json_next(i))
        causes[n++] = i;
    if (n > 0)
        qsort(causes, n, sizeof(causes[0]), by_count);
    return n;
}

static void add_cause(struct table *t, const struct json_node *n)
{
    char count[HUMAN_MAX];
    enum cause c;
    const char *word = json_node_key(n);
    bool known = cause_parse(word, &c) == ERR_NONE;
    const char *cells[] = {human_count(node_count(n, ""), count), word,
                           known ? cause_where_word(cause_where(c)) : NULL,
                           known ? cause_text(c) : NULL};
    table_row(t, cells, 0, TONE_PLAIN);
}

void batch_view_causes(const struct json_node *batch, const struct table_style *style,
                       struct strbuf *out)
{
    static const struct table_column columns[] = {{.title = "COUNT", .right = true},
                                                  {.title = "CAUSE"},
                                                  {.title = "AT FAULT", .drop = 2},
                                                  {.title = "MEANING", .least = 50, .drop = 1}};
    const struct json_node *causes[BATCH_VIEW_CAUSES];
    size_t n = batch_view_rare_first(batch, causes);
    if (n == 0)
        return;
    struct table *t = table_create(columns, ARRAY_LEN(columns));
    while (n > 0)
        add_cause(t, causes[--n]);
    table_print(t, style, out);
    table_destroy(&t);
}

static void add_host(struct table *t, const struct json_node *host)
{
    char count[HUMAN_MAX], n[HUMAN_MAX];
    const struct json_node *causes[BATCH_VIEW_CAUSES];
    struct strbuf words;
    strbuf_init(&words, 4096);
    for (size_t i = batch_view_rare_first(host, causes); i > 0; i--)
        strbuf_printf(&words, "%s%s %s", words.len > 0 ? ", " : "",
                      human_count(node_count(causes[i - 1], ""), n), json_node_key(causes[i - 1]));
    const char *cells[] = {node_str(host, "host"), human_count(node_count(host, "failed"), count),
                           words.data};
    table_row(t, cells, 0, TONE_PLAIN);
    strbuf_fini(&words);
}

void batch_view_hosts(const struct json_node *batch, const struct table_style *style,
                      struct strbuf *out)
{
    static const struct table_column columns[] = {{.title = "HOST", .least = 16},
                                                  {.title = "FAILED", .right = true},
                                                  {.title = "CAUSES", .least = 20, .drop = 1}};
    const struct json_node *host = node_first(batch, "failures_by_host");
    if (!host)
        return;
    struct table *t = table_create(columns, ARRAY_LEN(columns));
    unsigned left = BATCH_VIEW_HOSTS;
    for (; host && left > 0; host = json_next(host), left--)
        add_host(t, host);
    table_print(t, style, out);
    table_destroy(&t);
}

int batch_view_exit_code(const struct progress *p)
{
    if (p->ended[OUTCOME_EXPIRED] > 0)
        return EXIT_DEADLINE;
    return p->ended[OUTCOME_OK] == p->total ? EXIT_ALL_OK : EXIT_SOME_FAILED;
}
