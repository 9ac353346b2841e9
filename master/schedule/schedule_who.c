/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "master/schedule/schedule_parts.h"
#include "proto/message.h"

/* Who runs it and whose it is: agents, alerts, labels and owner. What is a set is sorted. */

#define NAMES_MAX       256  /* as of a batch */
#define AGENTS_TEXT_MAX 8000 /* a lane's text less what else it holds */
#define LABEL_KEY_MAX   64
#define LABEL_VALUE_MAX 256
#define OWNER_MAX       256

bool schedule_name_ok(const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(name);
    bool dots = name[strspn(name, ".")] == '\0'; /* "." and ".." are no names in an address */
    return n > 0 && n <= SCHEDULE_NAME_MAX && strspn(name, letters) == n && !dots;
}

/* ---- sorted lists */

static int by_text(const void *a, const void *b)
{
    const struct json_node *const *x = a, *const *y = b;
    return strcmp(json_node_str(*x), json_node_str(*y));
}

static int by_key(const void *a, const void *b)
{
    const struct json_node *const *x = a, *const *y = b;
    return strcmp(json_node_key(*x), json_node_key(*y));
}

/* The items of a container in order; *n of them. Caller frees. */
static const struct json_node **sorted(const struct json_node *container, size_t *n)
{
    bool object = json_type(container) == JSON_OBJECT;
    const struct json_node **all = mem_array(json_count(container) + 1, sizeof(*all));
    *n = 0;
    for (const struct json_node *i = json_first(container); i != NULL; i = json_next(i))
        all[(*n)++] = i;
    qsort(all, *n, sizeof(*all), object ? by_key : by_text);
    return all;
}

/* Strings, each once; returns how many. */
static unsigned put_names(struct json_out *w, const struct json_node *list)
{
    size_t n;
    unsigned kept = 0;
    const struct json_node **all = sorted(list, &n);
    json_arr_begin(w);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && by_text(&all[i - 1], &all[i]) == 0)
            continue;
        json_put_str(w, json_node_str(all[i]));
        kept++;
    }
    json_arr_end(w);
    free(all);
    return kept;
}

static void put_pairs(struct json_out *w, const struct json_node *obj)
{
    size_t n;
    const struct json_node **all = sorted(obj, &n);
    json_obj_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_key_str(w, json_node_key(all[i]));
        json_put_str(w, json_node_str(all[i]));
    }
    json_obj_end(w);
    free(all);
}

static void check_pairs(struct json_cur *c, const struct json_node *obj, const char *what,
                        size_t pairs_max, size_t key_max, size_t value_max)
{
    if (json_count(obj) > pairs_max)
        json_cur_fail(c, "'%s' holds more than %zu members", what, pairs_max);
    for (const struct json_node *n = json_first(obj); n != NULL; n = json_next(n)) {
        size_t key = strlen(json_node_key(n));
        if (key == 0 || key > key_max)
            json_cur_fail(c, "a name in '%s' must be 1 to %zu bytes long", what, key_max);
        else if (json_type(n) != JSON_STRING || strlen(json_node_str(n)) > value_max)
            json_cur_fail(c, "'%.64s' of '%s' must be a string of at most %zu bytes",
                          json_node_key(n), what, value_max);
    }
}

/* ---- agents */

static void check_agent_names(struct json_cur *c, const struct json_node *names)
{
    for (const struct json_node *n = json_first(names); n != NULL; n = json_next(n))
        if (json_type(n) != JSON_STRING || !agent_name_valid(json_node_str(n)))
            json_cur_fail(c, "'names' must hold names of agents: letters, digits, . _ -");
}

static uint32_t read_count(struct json_cur *c)
{
    const struct json_node *n = json_get(c, "count");
    if (n != NULL && json_type(n) == JSON_STRING) {
        if (strcmp(json_node_str(n), "all") != 0)
            json_cur_fail(c, "'count' must be \"all\" or an integer from 1 to %d, got \"%.40s\"",
                          AGENTS_COUNT_MAX, json_node_str(n));
        return 0;
    }
    return (uint32_t)json_get_int(c, "count", 1, AGENTS_COUNT_MAX, 1);
}

/* {"names":[…],"tags":{…}}, or NULL when any agent will do. */
static char *agents_text(struct json_cur *c, const struct json_node *names,
                         const struct json_node *tags, uint32_t count)
{
    struct strbuf b;
    struct json_out w;
    unsigned n = 0;
    bool named = names != NULL && json_count(names) > 0, tagged = tags != NULL && json_count(tags);
    if (c->err != ERR_NONE || (!named && !tagged))
        return NULL;
    strbuf_init(&b, AGENTS_TEXT_MAX);
    json_out_init(&w, &b);
    json_obj_begin(&w);
    if (named) {
        json_key(&w, "names");
        n = put_names(&w, names);
    }
    if (tagged) {
        json_key(&w, "tags");
        put_pairs(&w, tags);
    }
    json_obj_end(&w);
    if (b.overflow)
        json_cur_fail(c,
                      "names and tags take more than %d bytes: give these agents one tag, and "
                      "select by that",
                      AGENTS_TEXT_MAX);
    else if (named && count > n)
        json_cur_fail(c,
                      "'count' is %u, but only %u %s named: a run needs that many different "
                      "agents",
                      count, n, n == 1 ? "agent is" : "agents are");
    char *text = c->err == ERR_NONE ? strbuf_take(&b, NULL) : NULL;
    strbuf_fini(&b);
    return text;
}

static void read_agents(struct schedule_reader *r)
{
    struct json_cur in;
    schedule_at(r, "agents");
    r->s->count = 1;
    const struct json_node *obj = json_get_obj(&r->c, "agents");
    if (obj == NULL)
        return;
    json_cur_init(&in, obj);
    const struct json_node *names = json_get_arr(&in, "names", NAMES_MAX);
    const struct json_node *tags = json_get_obj(&in, "tags");
    r->s->count = read_count(&in);
    if (names != NULL)
        check_agent_names(&in, names);
    if (tags != NULL)
        check_pairs(&in, tags, "tags", TAGS_MAX, TAG_KEY_MAX, TAG_VALUE_MAX);
    json_cur_end(&in);
    r->s->agents = agents_text(&in, names, tags, r->s->count);
    if (in.err != ERR_NONE)
        json_cur_fail(&r->c, "in 'agents': %s", in.problem);
}

/* ---- alerts, labels, owner */

static bool alert_ok(struct json_cur *c, const struct json_node *n)
{
    if (json_type(n) != JSON_STRING || !schedule_name_ok(json_node_str(n)))
        json_cur_fail(c, "'alerts' must hold names of alert channels: letters, digits, . _ -");
    return c->err == ERR_NONE;
}

static void read_alerts(struct schedule_reader *r)
{
    struct schedule *s = r->s;
    schedule_at(r, "alerts");
    const struct json_node *list = json_get_arr(&r->c, "alerts", SCHEDULE_ALERTS_MAX);
    if (list == NULL)
        return;
    for (const struct json_node *n = json_first(list); n != NULL; n = json_next(n))
        if (!alert_ok(&r->c, n))
            return;
    size_t n;
    const struct json_node **all = sorted(list, &n);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_text(&all[i - 1], &all[i]) != 0)
            s->alerts[s->n_alerts++] = mem_strdup(json_node_str(all[i]));
    free(all);
}

static void read_labels(struct schedule_reader *r)
{
    struct strbuf b;
    struct json_out w;
    schedule_at(r, "labels");
    const struct json_node *obj = json_get_obj(&r->c, "labels");
    if (obj == NULL)
        return;
    check_pairs(&r->c, obj, "labels", LABELS_MAX, LABEL_KEY_MAX, LABEL_VALUE_MAX);
    if (r->c.err != ERR_NONE || json_count(obj) == 0)
        return;
    strbuf_init(&b, SCHEDULE_TEXT_MAX);
    json_out_init(&w, &b);
    put_pairs(&w, obj);
    r->s->labels = strbuf_take(&b, NULL);
}

static void read_owner(struct schedule_reader *r)
{
    schedule_at(r, "owner");
    const char *owner = json_get_str(&r->c, "owner", OWNER_MAX, NULL);
    if (owner == NULL)
        return;
    for (const char *p = owner; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            json_cur_fail(&r->c, "'owner' must be one line of text");
    if (*owner == '\0')
        json_cur_fail(&r->c, "'owner' is empty: name the file or the team, or leave it out");
    r->s->owner = mem_strdup(owner);
}

void schedule_read_who(struct schedule_reader *r)
{
    read_agents(r);
    read_alerts(r);
    read_labels(r);
    read_owner(r);
}
