/* SPDX-License-Identifier: MIT */
#include "common/human.h"
#include "proto/result_view_parts.h"

static void put_flags(struct view *v, const struct json_node *dns)
{
    struct strbuf all;
    strbuf_init(&all, VIEW_TEXT_MAX);
    view_join(dns, "flags", " ", &all);
    view_line(v, "flags", all.data);
    strbuf_fini(&all);
}

static void put_edns(struct view *v, const struct json_node *edns)
{
    if (!edns || json_type(edns) != JSON_OBJECT)
        return;
    view_linef(v, "edns", "version %.0f, %.0f bytes%s", node_num(edns, "version", 0),
               node_num(edns, "udp_size", 0), node_true(edns, "do") ? ", do" : "");
    for (const struct json_node *e = node_first(edns, "ede"); e; e = json_next(e)) {
        const char *text = node_str(e, "text");
        view_linef(v, "error", "%s (%.0f)%s%s", view_or_dash(node_str(e, "name")),
                   node_num(e, "code", 0), text ? ": " : "", text ? text : "");
    }
}

/* "xn--bcher-kva.de. (bücher.de.)  60  A  192.0.2.1" */
static void record_text(const struct json_node *rr, struct strbuf *line)
{
    const char *unicode = node_str(rr, "name_unicode");
    strbuf_puts(line, view_or_dash(node_str(rr, "name")));
    if (unicode)
        strbuf_printf(line, " (%s)", unicode);
    strbuf_printf(line, "  %.0f  %s  %s", node_num(rr, "ttl", 0),
                  view_or_dash(node_str(rr, "type")), view_or_dash(node_str(rr, "data")));
}

static void put_section(struct view *v, const struct json_node *dns, const char *name)
{
    const struct json_node *rr = node_first(dns, name);
    if (rr)
        view_heading(v, name);
    for (; rr; rr = json_next(rr)) {
        struct strbuf line;
        strbuf_init(&line, VIEW_TEXT_MAX);
        record_text(rr, &line);
        view_item(v, line.data);
        strbuf_fini(&line);
    }
}

void view_dns(struct view *v, const struct json_node *dns)
{
    char size[HUMAN_MAX];
    if (!dns || json_type(dns) != JSON_OBJECT)
        return;
    strbuf_putc(v->out, '\n');
    view_linef(v, "server", "%s over %s%s", view_or_dash(node_str(dns, "server")),
               view_or_dash(node_str(dns, "transport")),
               node_true(dns, "truncated") ? ", after a truncated answer over udp" : "");
    view_line(v, "rcode", node_str(dns, "rcode"));
    put_flags(v, dns);
    put_edns(v, node_at(dns, "edns"));
    if (node_at(dns, "size"))
        view_line(v, "size", human_bytes(node_count(dns, "size"), size));
    put_section(v, dns, "answer");
    put_section(v, dns, "authority");
    put_section(v, dns, "additional");
}
