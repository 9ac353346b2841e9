/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "common/json.h"
#include "common/mem.h"
#include "common/require.h"
#include "common/utf8.h"
#include "proto/json_path.h"
#include "proto/json_walk.h"

/*
 * A path of the user, a newline, a body of the target. What is found lies within the body and is a
 * value itself; what our strict reader takes, the walker takes too.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find(const struct json_path *path, const char *body, size_t n)
{
    struct json_walk w, inner;
    struct json_value v;
    struct json_doc *doc = NULL;
    bool good = json_walk_check(&w, body, n);
    REQUIRE(good || json_parse(body, n, &doc, NULL, 0) != ERR_NONE);
    json_free(&doc);
    if (!good || !json_path_find(path, &w, &v))
        return;
    REQUIRE(v.p >= body && v.len > 0 && v.len <= (size_t)(body + n - v.p));
    REQUIRE(json_walk_check(&inner, v.p, v.len) && inner.p == v.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_path *path = NULL;
    char why[JSON_PATH_WHY_MAX] = "";
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t n = newline != NULL ? (size_t)(newline - data) : size;
    char *text = mem_strndup((const char *)data, n);
    if (json_path_parse(text, &path, why) != ERR_NONE)
        REQUIRE(why[0] != '\0' && utf8_valid(why, strlen(why)));
    else if (newline != NULL)
        find(path, (const char *)newline + 1, size - n - 1);
    json_path_destroy(&path);
    free(text);
    return 0;
}
