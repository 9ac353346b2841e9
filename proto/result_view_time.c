/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include "common/human.h"
#include "common/text.h"
#include "proto/result_view_parts.h"

/* The waterfall: one time line over all hops, so that a bar says when it was and how long. */

#define BAR_MAX       50
#define BAR_LEAST     8
#define WIDTH_DEFAULT 80
#define BEFORE_BAR    27 /* indent, label, number, unit */

static const struct phase {
    const char *name, *member;
} phases[] = {{"dns", "dns_ms"},          {"connect", "connect_ms"}, {"proxy", "proxy_ms"},
              {"tls", "tls_ms"},          {"send", "send_ms"},       {"wait", "wait_ms"},
              {"download", "download_ms"}};

struct line_of_time {
    size_t room;
    double begin, whole; /* ms: where the next bar begins, and all that there is */
};

static double sum_of(const struct json_node *timings)
{
    double sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        sum += node_num(timings, phases[i].member, 0);
    return sum;
}

/* Each bar begins where the one before ended; the shortest still shows. */
static void put_bar(struct view *v, const struct line_of_time *l, double ms)
{
    double scale = l->whole > 0 ? (double)l->room / l->whole : 0;
    size_t from = (size_t)(l->begin * scale), to = (size_t)((l->begin + ms) * scale);
    from = from < l->room ? from : l->room - 1;
    to = to > from ? to : from + 1;
    to = to < l->room ? to : l->room;
    text_pad(v->out, 2 + from);
    for (size_t i = from; i < to; i++)
        strbuf_puts(v->out, "█");
}

static void put_ms(struct view *v, const char *label, double ms)
{
    char buf[HUMAN_MAX];
    strbuf_printf(v->out, "  %-12s%8s ms", label, human_ms(ms, buf));
}

/* A phase that never happened has no line. */
static void put_phases(struct view *v, struct line_of_time *l, const struct json_node *timings)
{
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        double ms = node_num(timings, phases[i].member, -1);
        if (ms < 0)
            continue;
        put_ms(v, phases[i].name, ms);
        put_bar(v, l, ms);
        strbuf_putc(v->out, '\n');
        l->begin += ms;
    }
}

/* Who answered, with what, at which address. */
static void put_hop(struct view *v, unsigned n, const struct json_node *hop, const char *url)
{
    char label[24], status[24] = "no answer";
    struct strbuf where;
    const char *ip = node_str(hop, "ip");
    if (node_at(hop, "status"))
        snprintf(status, sizeof(status), "%.0f", node_num(hop, "status", 0));
    strbuf_init(&where, VIEW_TEXT_MAX);
    if (ip)
        strbuf_printf(&where, " (%s port %.0f)", ip, node_num(hop, "port", 0));
    snprintf(label, sizeof(label), "hop %u", n);
    strbuf_putc(v->out, '\n');
    view_linef(v, label, "%s from %s%s", status, view_or_dash(url), where.data);
    strbuf_fini(&where);
}

void view_waterfall(struct view *v, const struct json_node *result)
{
    const struct json_node *last = node_at(result, "timings");
    const struct json_node *first_hop = node_first(result, "http.redirects");
    size_t width = v->style->width ? v->style->width : WIDTH_DEFAULT;
    struct line_of_time l = {.room =
                                 width > BEFORE_BAR + BAR_LEAST ? width - BEFORE_BAR : BAR_LEAST};
    double total = node_num(last, "total_ms", -1);
    unsigned n = 0;
    l.room = l.room < BAR_MAX ? l.room : BAR_MAX;
    l.whole = sum_of(last);
    for (const struct json_node *h = first_hop; h; h = json_next(h))
        l.whole += sum_of(node_at(h, "timings"));
    if (!last || (l.whole <= 0 && total < 0))
        return;
    for (const struct json_node *h = first_hop; h; h = json_next(h)) {
        put_hop(v, ++n, h, node_str(h, "url"));
        put_phases(v, &l, node_at(h, "timings"));
    }
    if (n > 0)
        put_hop(v, n + 1, node_at(result, "http"), node_str(result, "http.url"));
    else
        strbuf_putc(v->out, '\n');
    put_phases(v, &l, last);
    if (total < 0)
        return;
    strbuf_puts(v->out, n > 0 ? "\n" : "");
    put_ms(v, "total", total);
    strbuf_puts(v->out, node_first(result, "tries") ? "  over all tries" : "");
    strbuf_putc(v->out, '\n');
}
