/* SPDX-License-Identifier: MIT */
#include "master/api/batch_options.h"
#include "common/ids.h"
#include "common/mem.h"
#include "proto/message.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX       256
#define LABEL_KEY_MAX   64
#define LABEL_VALUE_MAX 256
#define PRINTED_MAX     (256u << 10)

/* ---- from JSON */

static char *printed(const struct json_node *n)
{
    struct strbuf b;
    struct json_out w;
    strbuf_init(&b, PRINTED_MAX);
    json_out_init(&w, &b);
    json_print(&w, n);
    return strbuf_take(&b, NULL);
}

static void check_pairs(struct json_cur *c, const struct json_node *obj, const char *what,
                        size_t pairs_max, size_t key_max, size_t value_max)
{
    if (json_count(obj) > pairs_max)
        json_cur_fail(c, "'%s' holds more than %zu members", what, pairs_max);
    for (const struct json_node *n = json_first(obj); n; n = json_next(n)) {
        size_t key = strlen(json_node_key(n));
        if (key == 0 || key > key_max)
            json_cur_fail(c, "a name in '%s' must be 1 to %zu bytes long", what, key_max);
        else if (json_type(n) != JSON_STRING || strlen(json_node_str(n)) > value_max)
            json_cur_fail(c, "'%s' of '%s' must be a string of at most %zu bytes", json_node_key(n),
                          what, value_max);
    }
}

static void check_names(struct json_cur *c, const struct json_node *names)
{
    for (const struct json_node *n = json_first(names); n; n = json_next(n))
        if (json_type(n) != JSON_STRING || !agent_name_valid(json_node_str(n)))
            json_cur_fail(c, "'agents.names' must hold names of agents: letters, digits, . _ -");
}

/* A number, or "all". */
static bool take_count(struct json_cur *c, struct batch_info *info)
{
    const struct json_node *n = json_get(c, "count");
    info->slots = 1;
    if (!n || json_type(n) == JSON_NULL)
        return false;
    info->all_agents = json_type(n) == JSON_STRING && strcmp(json_node_str(n), "all") == 0;
    if (json_type(n) == JSON_STRING && !info->all_agents)
        json_cur_fail(c, "'count' must be \"all\" or an integer from 1 to %d, got \"%.40s\"",
                      AGENTS_COUNT_MAX, json_node_str(n));
    else if (!info->all_agents)
        info->slots = (uint32_t)json_get_int(c, "count", 1, AGENTS_COUNT_MAX, 1);
    return true;
}

/* What is stored is what was given, once it is known to be good; an empty selection is none. */
static char *take_agents(struct json_cur *c, struct batch_info *info)
{
    struct json_cur in;
    const struct json_node *obj = json_get_obj(c, "agents");
    if (!obj)
        return NULL;
    json_cur_init(&in, obj);
    const struct json_node *names = json_get_arr(&in, "names", NAMES_MAX);
    const struct json_node *tags = json_get_obj(&in, "tags");
    bool count = take_count(&in, info);
    if (names)
        check_names(&in, names);
    if (tags)
        check_pairs(&in, tags, "agents.tags", TAGS_MAX, TAG_KEY_MAX, TAG_VALUE_MAX);
    if (json_cur_end(&in) != ERR_NONE)
        json_cur_fail(c, "in 'agents': %s", in.problem);
    bool any = count || (names && json_count(names)) || (tags && json_count(tags));
    return c->err == ERR_NONE && any ? printed(obj) : NULL;
}

static char *take_labels(struct json_cur *c)
{
    const struct json_node *obj = json_get_obj(c, "labels");
    if (!obj)
        return NULL;
    check_pairs(c, obj, "labels", LABELS_MAX, LABEL_KEY_MAX, LABEL_VALUE_MAX);
    return c->err == ERR_NONE && json_count(obj) ? printed(obj) : NULL;
}

static enum task_class take_priority(struct json_cur *c)
{
    const char *word = json_get_str(c, "priority", 16, "bulk");
    if (strcmp(word, "interactive") == 0)
        return CLASS_INTERACTIVE;
    if (strcmp(word, "bulk") != 0)
        json_cur_fail(c, "'priority' must be \"interactive\" or \"bulk\", got \"%s\"", word);
    return CLASS_BULK;
}

/* What is smaller than the least would never come to an end. */
static double take_rate(struct json_cur *c)
{
    double rate = json_get_num(c, "per_host_rate", 0, PER_HOST_RATE_MAX, 0);
    if (rate > 0 && rate < PER_HOST_RATE_MIN)
        json_cur_fail(c, "'per_host_rate' must be 0 (no limit) or at least %g a second",
                      PER_HOST_RATE_MIN);
    return rate;
}

static enum err problem(struct target_problem *p, enum err e, const char *code, const char *detail)
{
    p->code = code;
    snprintf(p->detail, sizeof(p->detail), "%s", detail);
    return e;
}

static enum err take_defaults(const struct json_node *obj, struct target_defaults **out,
                              struct target_problem *p)
{
    return obj ? target_defaults_parse(obj, out, p) : ERR_NONE;
}

enum err batch_options_parse(const struct json_node *obj, bool admin, struct batch_info *info,
                             struct target_defaults **defaults, struct target_problem *p)
{
    struct json_cur c;
    REQUIRE(info->name == NULL && *defaults == NULL);
    json_cur_init(&c, obj);
    const char *name = json_get_str(&c, "name", BATCH_NAME_MAX, NULL);
    info->cls = take_priority(&c);
    info->deadline_s = json_get_int(&c, "deadline_s", 1, DEADLINE_S_MAX, DEADLINE_S_DEFAULT);
    info->per_host = json_get_int(&c, "per_host", 0, PER_HOST_MAX, PER_HOST_DEFAULT);
    info->per_host_rate = take_rate(&c);
    info->log_tasks = json_get_bool(&c, "log_tasks", false);
    const struct json_node *d = json_get_obj(&c, "defaults");
    info->name = mem_strdup(name);
    info->agents = take_agents(&c, info);
    info->labels = take_labels(&c);
    if (json_cur_end(&c) != ERR_NONE)
        return problem(p, ERR_INVALID, "bad_option", c.problem);
    if (info->per_host == 0 && !admin)
        return problem(p, ERR_DENIED, "scope",
                       "'per_host': 0 (no limit) needs a token of scope 'admin'; give 1 or more");
    return take_defaults(d, defaults, p);
}

/* ---- from the query */

static const char *const option_numbers[] = {"deadline_s", "per_host"};
static const char *const option_words[] = {"name", "priority"};
static const char *const default_numbers[] = {"timeout_ms", "max_redirects", "body_limit",
                                              "keep_body",  "edns_size",     "retries"};
static const char *const default_bools[] = {"follow_redirects", "verify_tls", "recursion", "dnssec",
                                            "compression"};
static const char *const default_words[] = {"method", "http_version", "resolver", "transport",
                                            "type"};

/* What is no number is handed on as it is: the parser of the object says what is wrong with it. */
static void put_number(struct json_out *w, struct query *q, const char *name)
{
    int64_t v;
    const char *text = query_str(q, name);
    if (!text)
        return;
    if (i64_parse(text, strlen(text), &v) == ERR_NONE)
        json_int(w, name, v);
    else
        json_str(w, name, text);
}

static void put_decimal(struct json_out *w, struct query *q, const char *name)
{
    char *end;
    const char *text = query_str(q, name);
    if (!text)
        return;
    double v = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(v)) {
        json_key(w, name);
        json_put_num(w, v);
    } else {
        json_str(w, name, text);
    }
}

static void put_words(struct json_out *w, struct query *q, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = query_str(q, names[i]);
        if (text)
            json_str(w, names[i], text);
    }
}

static void put_defaults(struct json_out *w, struct query *q)
{
    json_key(w, "defaults");
    json_obj_begin(w);
    for (size_t i = 0; i < ARRAY_LEN(default_numbers); i++)
        put_number(w, q, default_numbers[i]);
    put_number(w, q, "ip_version"); /* 4, 6 or a word */
    for (size_t i = 0; i < ARRAY_LEN(default_bools); i++)
        if (query_bool(q, default_bools[i], false))
            json_bool(w, default_bools[i], true);
        else if (query_str(q, default_bools[i]))
            json_bool(w, default_bools[i], false);
    put_words(w, q, default_words, ARRAY_LEN(default_words));
    json_obj_end(w);
}

/* tag=KEY=VALUE, as often as wanted. */
static void put_pairs(struct json_out *w, struct query *q, const char *param)
{
    unsigned at = 0;
    json_obj_begin(w);
    for (const char *v; (v = query_next(q, param, &at)) != NULL;) {
        char key[LABEL_KEY_MAX + 1];
        size_t n = strcspn(v, "=");
        if (v[n] == '\0' || n == 0 || n > LABEL_KEY_MAX) {
            query_fail(q, "query parameter '%s' must be written %s=KEY=VALUE, got \"%.60s\"", param,
                       param, v);
            continue;
        }
        memcpy(key, v, n);
        key[n] = '\0';
        json_key_str(w, key);
        json_put_str(w, v + n + 1);
    }
    json_obj_end(w);
}

static void put_agents(struct json_out *w, struct query *q)
{
    unsigned at = 0;
    json_key(w, "agents");
    json_obj_begin(w);
    json_key(w, "names");
    json_arr_begin(w);
    for (const char *v; (v = query_next(q, "agent", &at)) != NULL;)
        json_put_str(w, v);
    json_arr_end(w);
    json_key(w, "tags");
    put_pairs(w, q, "tag");
    put_number(w, q, "count"); /* or a word */
    json_obj_end(w);
}

void batch_options_from_query(struct query *q, struct strbuf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_obj_begin(&w);
    put_words(&w, q, option_words, ARRAY_LEN(option_words));
    for (size_t i = 0; i < ARRAY_LEN(option_numbers); i++)
        put_number(&w, q, option_numbers[i]);
    put_decimal(&w, q, "per_host_rate");
    if (query_bool(q, "log_tasks", false))
        json_bool(&w, "log_tasks", true);
    put_agents(&w, q);
    json_key(&w, "labels");
    put_pairs(&w, q, "label");
    put_defaults(&w, q);
    json_obj_end(&w);
}
