/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "proto/message.h"

/* Room for lines that wait to be taken and one that is still growing. */
#define BUFFER_MAX (4 * (size_t)LINE_MAX_BYTES)
/* What an idle link may keep; a rare long line is not remembered. */
#define KEEP_MAX (2 * (size_t)FRAME_COALESCE_BYTES)

void line_buf_init(struct line_buf *l)
{
    *l = (struct line_buf){0};
    strbuf_init(&l->b, BUFFER_MAX);
}

void line_buf_fini(struct line_buf *l)
{
    strbuf_fini(&l->b);
    l->taken = l->tail = 0;
}

static void drop_taken(struct line_buf *l)
{
    REQUIRE(l->taken <= l->tail && l->tail <= l->b.len);
    if (l->taken == 0)
        return;
    if (l->taken == l->b.len && l->b.cap > KEEP_MAX) {
        line_buf_fini(l);
        line_buf_init(l);
        return;
    }
    strbuf_consume(&l->b, l->taken);
    l->tail -= l->taken;
    l->taken = 0;
}

enum err line_buf_feed(struct line_buf *l, const char *p, size_t n)
{
    drop_taken(l);
    size_t at = l->b.len;
    strbuf_append(&l->b, p, n);
    if (l->b.overflow)
        return ERR_TOO_BIG;
    const char *nl;
    while ((nl = memchr(l->b.data + at, '\n', l->b.len - at)) != NULL) {
        at = (size_t)(nl - l->b.data) + 1;
        if (at - 1 - l->tail > LINE_MAX_BYTES)
            return ERR_TOO_BIG;
        l->tail = at;
    }
    return l->b.len - l->tail > LINE_MAX_BYTES ? ERR_TOO_BIG : ERR_NONE;
}

bool line_buf_any(const struct line_buf *l)
{
    return l->taken < l->tail;
}

const char *line_buf_next(struct line_buf *l, size_t *len)
{
    REQUIRE(l->taken <= l->tail);
    while (l->taken < l->tail) {
        const char *line = l->b.data + l->taken;
        const char *nl = memchr(line, '\n', l->tail - l->taken);
        REQUIRE(nl != NULL);
        *len = (size_t)(nl - line);
        l->taken += *len + 1;
        if (*len > 0)
            return line;
    }
    return NULL;
}
