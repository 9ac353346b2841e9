/* SPDX-License-Identifier: MIT */
#include "master/store/selection.h"

#include <string.h>

#include "common/json.h"

struct selection {
    const struct json_node *names, *tags; /* NULL = any */
    uint32_t count;
};

static bool is_named(const struct json_node *names, const char *name)
{
    if (!names || json_count(names) == 0)
        return true;
    for (const struct json_node *n = json_first(names); n; n = json_next(n))
        if (json_type(n) == JSON_STRING && strcmp(json_node_str(n), name) == 0)
            return true;
    return false;
}

static bool has(const struct json_node *tags, const struct json_node *wanted)
{
    for (const struct json_node *n = json_first(tags); n; n = json_next(n))
        if (strcmp(json_node_key(n), json_node_key(wanted)) == 0)
            return json_type(n) == JSON_STRING && json_type(wanted) == JSON_STRING &&
                   strcmp(json_node_str(n), json_node_str(wanted)) == 0;
    return false;
}

static bool has_tags(const struct json_node *wanted, const char *tags_json)
{
    struct json_doc *d = NULL;
    if (!wanted || json_count(wanted) == 0)
        return true;
    if (!tags_json || json_parse(tags_json, strlen(tags_json), &d, NULL, 0) != ERR_NONE)
        return false;
    bool all = json_type(json_root(d)) == JSON_OBJECT;
    for (const struct json_node *n = json_first(wanted); all && n; n = json_next(n))
        all = has(json_root(d), n);
    json_free(&d);
    return all;
}

static void look_at(void *arg, const char *name, const char *tags_json)
{
    struct selection *s = arg;
    s->count += is_named(s->names, name) && has_tags(s->tags, tags_json);
}

enum err selection_count(struct sqlite_db *d, const char *agents, struct wall now, uint32_t *out)
{
    struct selection s = {0};
    struct json_doc *doc = NULL;
    if (agents) {
        struct json_cur c;
        enum err bad = json_parse(agents, strlen(agents), &doc, NULL, 0);
        REQUIRE(!bad); /* the api has printed it */
        json_cur_init(&c, json_root(doc));
        s.names = json_get_arr(&c, "names", SIZE_MAX);
        s.tags = json_get_obj(&c, "tags");
    }
    enum err e = sqlite_agents_seen(d, (struct wall){now.us - AGENTS_SEEN_S * INT64_C(1000000)},
                                    look_at, &s);
    json_free(&doc);
    if (!e)
        *out = s.count;
    return e;
}
