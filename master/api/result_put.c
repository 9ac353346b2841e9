/* SPDX-License-Identifier: MIT */
#include "master/api/result_put.h"
#include <string.h>

/* ---- JSON */

static bool target_span(const char *spec, size_t len, const char **p, size_t *n)
{
    return spec &&
           (json_member_span(spec, len, "url", p, n) || json_member_span(spec, len, "dns", p, n));
}

void result_put_target(struct json_out *w, const char *spec, size_t spec_len)
{
    const char *p;
    size_t n;
    if (target_span(spec, spec_len, &p, &n))
        json_raw(w, "target", p, n);
    else
        json_null(w, "target");
}

/* The members of the record go in as they came: `raw` places a comma of its own when there are any.
 */
static void put_record(struct json_out *w, const char *record, size_t len)
{
    if (len <= 2)
        return;
    REQUIRE(record[0] == '{' && record[len - 1] == '}');
    json_put_raw(w, record + 1, len - 2);
}

void result_put_json(struct json_out *w, const struct store_result_row *row, const char *batch,
                     const char *trace)
{
    json_obj_begin(w);
    json_id(w, "task", row->task);
    json_str(w, "batch", batch);
    result_put_target(w, row->spec, row->spec_len);
    json_str(w, "agent", row->agent);
    json_int(w, "attempt", row->attempt);
    put_record(w, row->record, row->record_len);
    json_str(w, "user_id", row->user_id);
    json_str(w, "trace", trace);
    json_obj_end(w);
}

/* ---- CSV */

static const char *const timing_names[] = {"dns_ms",  "connect_ms", "proxy_ms",    "tls_ms",
                                           "send_ms", "wait_ms",    "download_ms", "total_ms"};

void csv_put(struct strbuf *b, const char *field, size_t n)
{
    bool quote = false;
    for (size_t i = 0; i < n && !quote; i++)
        quote = field[i] == ',' || field[i] == '"' || field[i] == '\n' || field[i] == '\r';
    if (!quote) {
        strbuf_append(b, field, n);
        return;
    }
    strbuf_putc(b, '"');
    for (size_t i = 0; i < n; i++) {
        if (field[i] == '"')
            strbuf_putc(b, '"');
        strbuf_putc(b, field[i]);
    }
    strbuf_putc(b, '"');
}

static void cell(struct strbuf *b, const char *s)
{
    strbuf_putc(b, ',');
    if (s)
        csv_put(b, s, strlen(s));
}

/* Strings as they are, numbers in digits, null and what is absent empty. */
static void cell_node(struct strbuf *b, const struct json_node *n)
{
    struct json_out w;
    if (n && json_type(n) == JSON_STRING) {
        cell(b, json_node_str(n));
        return;
    }
    strbuf_putc(b, ',');
    if (!n || json_type(n) == JSON_NULL)
        return;
    json_out_init(&w, b);
    json_print(&w, n);
}

static const struct json_node *member(const struct json_node *obj, const char *name)
{
    if (!obj || json_type(obj) != JSON_OBJECT)
        return NULL;
    for (const struct json_node *n = json_first(obj); n; n = json_next(n))
        if (strcmp(json_node_key(n), name) == 0)
            return n;
    return NULL;
}

void result_put_csv_head(struct strbuf *b)
{
    strbuf_puts(b, "task,batch,target,agent,attempt,outcome,cause,message,started_at,queue_ms");
    for (size_t i = 0; i < ARRAY_LEN(timing_names); i++)
        strbuf_printf(b, ",%s", timing_names[i]);
    strbuf_puts(b, ",status,ip,rcode,user_id\r\n");
}

static void put_record_cells(struct strbuf *b, const struct json_node *record)
{
    const struct json_node *timings = member(record, "timings"), *http = member(record, "http");
    cell_node(b, member(record, "message"));
    cell_node(b, member(record, "started_at"));
    cell_node(b, member(record, "queue_ms"));
    for (size_t i = 0; i < ARRAY_LEN(timing_names); i++)
        cell_node(b, member(timings, timing_names[i]));
    cell_node(b, member(http, "status"));
    cell_node(b, member(http, "ip"));
    cell_node(b, member(member(record, "dns"), "rcode"));
}

static void put_target_cell(struct strbuf *b, const struct store_result_row *row)
{
    struct json_doc *d = NULL;
    const char *p;
    size_t n;
    strbuf_putc(b, ',');
    if (!target_span(row->spec, row->spec_len, &p, &n) || json_parse(p, n, &d, NULL, 0) != ERR_NONE)
        return;
    if (json_type(json_root(d)) == JSON_STRING)
        csv_put(b, json_node_str(json_root(d)), strlen(json_node_str(json_root(d))));
    json_free(&d);
}

void result_put_csv(struct strbuf *b, const struct store_result_row *row, const char *batch)
{
    struct json_doc *d = NULL;
    strbuf_u64(b, row->task);
    cell(b, batch);
    put_target_cell(b, row);
    cell(b, row->agent);
    strbuf_printf(b, ",%u", row->attempt);
    cell(b, outcome_word(row->outcome));
    cell(b, row->cause);
    bool read = json_parse(row->record, row->record_len, &d, NULL, 0) == ERR_NONE;
    put_record_cells(b, read ? json_root(d) : NULL);
    cell(b, row->user_id);
    strbuf_puts(b, "\r\n");
    if (read)
        json_free(&d);
}
