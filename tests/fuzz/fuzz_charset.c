/* SPDX-License-Identifier: MIT */
#include "agent/probe/charset.h"
#include "common/utf8.h"
#include <stdint.h>
#include <string.h>

#define CUT_BYTES 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const struct charset *c, const char *p, size_t n, size_t max)
{
    struct strbuf b;
    strbuf_init(&b, max + 1);
    charset_decode(c, p, n, &b, max);
    REQUIRE(!b.overflow && b.len <= max && utf8_valid(b.data, b.len));
    strbuf_fini(&b);
}

/* The first line is a Content-Type, the rest a page: whatever they say, what comes out is valid
 * and bounded. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char label[CHARSET_LABEL_MAX];
    const char *text = (const char *)data, *line = size ? memchr(text, '\n', size) : NULL;
    const char *page = line ? line + 1 : text;
    size_t n = size - (size_t)(page - text);
    charset_label(text, line ? (size_t)(line - text) : 0, label);
    REQUIRE(memchr(label, '\0', sizeof(label)) != NULL);
    const struct charset *c = charset_of(label, page, n, true);
    decode(c, page, n, 3 * n + 4);
    decode(c, page, n, CUT_BYTES);
    return 0;
}
