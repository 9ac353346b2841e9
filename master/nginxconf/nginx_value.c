/* SPDX-License-Identifier: MIT */
#include "master/nginxconf/nginx_value.h"
#include <string.h>
#include <strings.h>
#include "common/require.h"

#define VALUE_MAX (INT64_C(1) << 40) /* of one number: so that no unit overflows */

const struct nginx_node *nginx_own(const struct nginx_node *block, const char *directive)
{
    const struct nginx_node *found = NULL;
    for (const struct nginx_node *n = block->first; n != NULL; n = n->next)
        if (nginx_node_is(n, directive))
            found = n;
    return found;
}

const struct nginx_node *nginx_effective(const struct nginx_node *block, const char *directive)
{
    const struct nginx_node *found = NULL;
    for (; block != NULL && found == NULL; block = block->parent)
        found = nginx_own(block, directive);
    return found;
}

const char *nginx_argument(const struct nginx_node *n, const char *dflt)
{
    return n != NULL && n->n_words > 1 ? n->words[1] : dflt;
}

/* ---- numbers with units */

struct unit {
    const char *word;
    int64_t factor;
};

static bool take_number(const char **p, int64_t *out)
{
    int64_t n = 0;
    const char *began = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        n = n * 10 + (**p - '0');
        if (n > VALUE_MAX)
            return false;
    }
    *out = n;
    return *p != began;
}

/* The longest unit that stands there; the last one is "". */
static int64_t take_unit(const char **p, const struct unit *units)
{
    for (; units->word[0] != '\0'; units++) {
        size_t len = strlen(units->word);
        if (strncasecmp(*p, units->word, len) != 0)
            continue;
        *p += len;
        return units->factor;
    }
    return units->factor;
}

enum err nginx_time_ms(const char *text, int64_t *ms)
{
    static const struct unit units[] = {
        {"ms", 1},       {"s", 1000},      {"m", 60000}, {"h", 3600000},
        {"d", 86400000}, {"w", 604800000}, {"", 1000},
    };
    int64_t sum = 0, n;
    const char *p = text;
    do {
        if (!take_number(&p, &n))
            return ERR_INVALID;
        int64_t factor = take_unit(&p, units);
        if (n > VALUE_MAX / factor || (sum += n * factor) > VALUE_MAX)
            return ERR_INVALID;
        while (*p == ' ')
            p++;
    } while (*p != '\0');
    *ms = sum;
    return ERR_NONE;
}

enum err nginx_size(const char *text, int64_t *bytes)
{
    static const struct unit units[] = {{"k", 1024}, {"m", 1 << 20}, {"g", 1 << 30}, {"", 1}};
    int64_t n;
    const char *p = text;
    if (!take_number(&p, &n))
        return ERR_INVALID;
    int64_t factor = take_unit(&p, units);
    if (*p != '\0' || n > VALUE_MAX / factor)
        return ERR_INVALID;
    *bytes = n * factor;
    return ERR_NONE;
}

/* ---- headers */

const struct nginx_node *nginx_header(const struct nginx_node *block, const char *header)
{
    while (block != NULL && nginx_own(block, "proxy_set_header") == NULL)
        block = block->parent;
    const struct nginx_node *found = NULL;
    for (const struct nginx_node *n = block ? block->first : NULL; n != NULL; n = n->next)
        if (nginx_node_is(n, "proxy_set_header") && n->n_words == 3 &&
            strcasecmp(n->words[1], header) == 0)
            found = n;
    return found;
}
