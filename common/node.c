/* SPDX-License-Identifier: MIT */
#include "common/node.h"
#include <string.h>

#define EXACT_MAX 9007199254740992.0 /* above 2^53 a double is no count any more */

static const struct json_node *member(const struct json_node *obj, const char *name, size_t len)
{
    if (json_type(obj) != JSON_OBJECT)
        return NULL;
    for (const struct json_node *n = json_first(obj); n; n = json_next(n)) {
        const char *key = json_node_key(n);
        if (strncmp(key, name, len) == 0 && key[len] == '\0')
            return n;
    }
    return NULL;
}

const struct json_node *node_at(const struct json_node *n, const char *path)
{
    REQUIRE(path != NULL);
    while (n && *path != '\0') {
        size_t len = strcspn(path, ".");
        n = member(n, path, len);
        path += len + (path[len] == '.');
    }
    return n && json_type(n) != JSON_NULL ? n : NULL;
}

const char *node_str(const struct json_node *n, const char *path)
{
    n = node_at(n, path);
    return n && json_type(n) == JSON_STRING ? json_node_str(n) : NULL;
}

double node_num(const struct json_node *n, const char *path, double dflt)
{
    n = node_at(n, path);
    return n && json_type(n) == JSON_NUMBER ? json_node_num(n) : dflt;
}

uint64_t node_count(const struct json_node *n, const char *path)
{
    double v = node_num(n, path, 0);
    return v > 0 && v <= EXACT_MAX ? (uint64_t)v : 0;
}

bool node_true(const struct json_node *n, const char *path)
{
    n = node_at(n, path);
    return n && json_type(n) == JSON_BOOL && json_node_bool(n);
}

const struct json_node *node_first(const struct json_node *n, const char *path)
{
    n = node_at(n, path);
    return n && json_type(n) == JSON_ARRAY ? json_first(n) : NULL;
}
