/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "common/json.h"
#include "common/require.h"
#include "master/api/upload_json.h"

#define HEAD_MAX (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t elements, long_ones, hash;
    bool bad, whole;
};

/* In pieces of `step` bytes. */
static struct seen split_all(const char *p, size_t n, size_t step)
{
    struct split s;
    struct seen seen = {.hash = 0};
    split_init(&s, HEAD_MAX);
    for (size_t at = 0, used; at < n && !seen.bad; at += used) {
        size_t piece = n - at < step ? n - at : step;
        enum split_event e = split_next(&s, p + at, piece, &used);
        REQUIRE(used <= piece && (used > 0 || e != SPLIT_MORE));
        seen.bad = e == SPLIT_BAD;
        REQUIRE(!seen.bad || s.why != NULL);
        seen.long_ones += e == SPLIT_TOO_LONG;
        if (e != SPLIT_ELEMENT)
            continue;
        seen.elements++;
        for (size_t i = 0; i < s.element.len; i++)
            seen.hash = seen.hash * 31 + (unsigned char)s.element.data[i];
    }
    seen.whole = !seen.bad && split_whole(&s);
    split_fini(&s);
    return seen;
}

/* However the bytes are cut the same elements come out; and good JSON of the right form is split
 * into just its elements. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    struct json_doc *d = NULL;
    struct seen all = split_all(p, size, size + 1), one = split_all(p, size, 1);
    REQUIRE(all.elements == one.elements && all.hash == one.hash && all.bad == one.bad &&
            all.whole == one.whole && all.long_ones == one.long_ones);
    if (json_parse(p, size, &d, NULL, 0) != ERR_NONE)
        return 0;
    const struct json_node *root = json_root(d), *targets = NULL;
    if (json_type(root) == JSON_OBJECT) {
        for (const struct json_node *n = json_first(root); n; n = json_next(n))
            if (strcmp(json_node_key(n), "targets") == 0 && json_type(n) == JSON_ARRAY)
                targets = n;
        if (targets && all.whole)
            REQUIRE(json_count(targets) >= all.elements + all.long_ones);
    }
    json_free(&d);
    return 0;
}
