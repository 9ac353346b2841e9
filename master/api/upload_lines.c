/* SPDX-License-Identifier: MIT */
#include "master/api/upload_lines.h"

#define BOM "\xef\xbb\xbf"

void lines_init(struct lines *l)
{
    *l = (struct lines){.number = 0};
    strbuf_init(&l->buf, LINES_TEXT_MAX);
}

void lines_fini(struct lines *l)
{
    strbuf_fini(&l->buf);
}

static enum line_event hand_out(struct lines *l, const char *p, size_t n)
{
    l->number++;
    if (l->number == 1 && n >= sizeof(BOM) - 1 && memcmp(p, BOM, sizeof(BOM) - 1) == 0) {
        p += sizeof(BOM) - 1;
        n -= sizeof(BOM) - 1;
    }
    if (n > 0 && p[n - 1] == '\r')
        n--;
    l->text = p;
    l->len = n;
    return LINE_READY;
}

/* What of a line came so far is kept, or the line is given up. */
static void keep(struct lines *l, const char *p, size_t n)
{
    if (l->skipping)
        return;
    strbuf_append(&l->buf, p, n);
    l->skipping = l->buf.overflow;
}

static enum line_event finish(struct lines *l)
{
    l->whole = true;
    if (!l->skipping)
        return hand_out(l, l->buf.data, l->buf.len);
    l->skipping = false;
    l->number++;
    return LINE_TOO_LONG;
}

static void forget(struct lines *l)
{
    if (l->whole)
        strbuf_reset(&l->buf);
    l->whole = false;
}

enum line_event lines_next(struct lines *l, const char *p, size_t n, size_t *used)
{
    forget(l);
    const char *end = n ? memchr(p, '\n', n) : NULL;
    if (!end) {
        keep(l, p, n);
        *used = n;
        return LINE_MORE;
    }
    size_t len = (size_t)(end - p);
    *used = len + 1;
    if (l->buf.len == 0 && !l->skipping && len <= LINES_TEXT_MAX)
        return hand_out(l, p, len);
    keep(l, p, len);
    return finish(l);
}

enum line_event lines_end(struct lines *l)
{
    forget(l);
    return l->buf.len || l->skipping ? finish(l) : LINE_MORE;
}
