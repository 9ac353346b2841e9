/* SPDX-License-Identifier: MIT */
#include "common/file_text.h"
#include <errno.h>
#include <stdio.h>
#include "common/require.h"
#include "common/utf8.h"

static enum err read_all(FILE *f, const char *path, struct strbuf *out, char *why, size_t why_max)
{
    char chunk[4096];
    size_t n;
    while (!out->overflow && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        strbuf_append(out, chunk, n);
    if (ferror(f)) {
        snprintf(why, why_max, "'%s' cannot be read: %s", path, strerror(errno));
        return ERR_IO;
    }
    if (out->overflow) {
        snprintf(why, why_max, "'%s' is longer than %zu bytes", path, out->max);
        return ERR_TOO_BIG;
    }
    if (utf8_valid(out->data, out->len) && memchr(out->data, '\0', out->len) == NULL)
        return ERR_NONE;
    snprintf(why, why_max, "'%s' is not text in UTF-8", path);
    return ERR_INVALID;
}

enum err file_text(const char *path, struct strbuf *out, char *why, size_t why_max)
{
    REQUIRE(path != NULL && out->len == 0 && why != NULL);
    bool standard_input = strcmp(path, "-") == 0;
    FILE *f = standard_input ? stdin : fopen(path, "re");
    if (f == NULL) {
        snprintf(why, why_max, "'%s' cannot be read: %s", path, strerror(errno));
        return ERR_IO;
    }
    enum err e = read_all(f, path, out, why, why_max);
    if (!standard_input)
        fclose(f);
    return e;
}
