/* SPDX-License-Identifier: MIT */
#include "master/ctl/fact.h"
#include "common/text.h"
#include <stdio.h>
#include <string.h>

#define SECOND_LEN 19 /* "2026-11-22T04:05:06" */

void fact_label(struct strbuf *out, const char *label)
{
    strbuf_printf(out, "%-*s", FACT_LABEL, label);
}

void fact_put(struct strbuf *out, const char *label, const char *text)
{
    struct strbuf clean;
    if (!text || !*text)
        return;
    strbuf_init(&clean, 4 * TEXT_CELL_MAX);
    text_clean(&clean, text);
    fact_label(out, label);
    text_wrap(out, clean.data, FACT_WIDTH, FACT_LABEL, FACT_LABEL);
    strbuf_putc(out, '\n');
    strbuf_fini(&clean);
}

void fact_printf(struct strbuf *out, const char *label, const char *fmt, ...)
{
    struct strbuf b;
    va_list ap;
    strbuf_init(&b, 4 * TEXT_CELL_MAX);
    va_start(ap, fmt);
    strbuf_vprintf(&b, fmt, ap);
    va_end(ap);
    fact_put(out, label, b.data);
    strbuf_fini(&b);
}

const char *fact_time(const char *rfc3339, char buf[FACT_TIME_MAX])
{
    if (!rfc3339 || strlen(rfc3339) < SECOND_LEN)
        return "";
    snprintf(buf, FACT_TIME_MAX, "%.10s %.8s", rfc3339, rfc3339 + 11);
    return buf;
}
