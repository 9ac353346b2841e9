/* SPDX-License-Identifier: MIT */
#include "proto/idn.h"
#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/utf8.h"

static bool has_a_label(const char *name)
{
    for (const char *label = name; label != NULL; label = strchr(label, '.')) {
        label += *label == '.';
        if (strncasecmp(label, "xn--", 4) == 0)
            return true;
    }
    return false;
}

/* Decoding alone would let disallowed characters through: overrides of direction, blanks, dots. */
static bool leads_back(const char *unicode, const char *ascii)
{
    uint8_t *again = NULL;
    if (!utf8_valid(unicode, strlen(unicode)) ||
        idn2_lookup_u8((const uint8_t *)unicode, &again, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) !=
            IDN2_OK)
        return false;
    bool same = strcmp((const char *)again, ascii) == 0;
    idn2_free(again);
    return same;
}

/* name in lower case, without its last dot. */
static char *to_unicode(const char *name)
{
    char *unicode = NULL, *out = NULL;
    if (idn2_to_unicode_8z8z(name, &unicode, 0) != IDN2_OK)
        return NULL;
    if (strcmp(unicode, name) != 0 && leads_back(unicode, name))
        out = mem_strdup(unicode);
    idn2_free(unicode);
    return out;
}

char *idn_unicode(const char *name)
{
    size_t n = strlen(name);
    bool dot = n > 0 && name[n - 1] == '.';
    if (!has_a_label(name) || strchr(name, '\\') != NULL)
        return NULL;
    char *bare = mem_strndup(name, n - dot);
    for (char *c = bare; *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    char *out = to_unicode(bare);
    free(bare);
    if (out == NULL || !dot)
        return out;
    size_t len = strlen(out);
    out = mem_realloc(out, len + 2);
    memcpy(out + len, ".", 2);
    return out;
}
