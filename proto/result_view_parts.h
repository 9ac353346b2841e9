/* SPDX-License-Identifier: MIT */
#pragma once
#include "proto/result_view.h"

/* result_view_parts - what the files of result_view share; only result_view*.c include it. */
struct view {
    const struct table_style *style;
    struct strbuf *out;
};
#define VIEW_TEXT_MAX (256u << 10) /* twice a record: a line of it with what we add */

const char *view_or_dash(const char *s);

/* "  label   text", the text under itself; nothing for NULL and "". */
void view_line(struct view *v, const char *label, const char *text);
void view_linef(struct view *v, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "  text", what does not fit a little further in. */
void view_item(struct view *v, const char *text);
/* An empty line, and the name of what follows. */
void view_heading(struct view *v, const char *text);

/* Each member of the array `path` under obj that is a string, joined. */
void view_join(const struct json_node *obj, const char *path, const char *between,
               struct strbuf *out);

/* result_view_time.c: the phases of the hops one behind the other. */
void view_waterfall(struct view *v, const struct json_node *result);
/* result_view_http.c, result_view_dns.c; nothing when there is no such object. */
void view_http(struct view *v, const struct json_node *http);
void view_dns(struct view *v, const struct json_node *dns);
