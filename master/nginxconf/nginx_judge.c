/* SPDX-License-Identifier: MIT */
#include "master/nginxconf/nginx_rules.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/require.h"
#include "master/nginxconf/nginx_value.h"

enum at { AT_ALL, AT_AGENTS, AT_API, AT_BOTH };

static const struct {
    const char *word, *why, *fix;
    enum at at;
    void (*judge)(struct judge *j, const struct nginx_node *place);
} rules[NGINX_RULES] = {
#define RULE(name, where, because, cure)                                                           \
    [NGINX_RULE_##name] = {#name, because, cure, AT_##where, rule_##name},
#include "master/nginxconf/nginx_rules.def"
#undef RULE
};

const char *nginx_rule_word(enum nginx_rule r)
{
    return rules[r].word;
}

const char *nginx_rule_why(enum nginx_rule r)
{
    return rules[r].why;
}

const char *nginx_rule_fix(enum nginx_rule r)
{
    return rules[r].fix;
}

const char *nginx_grade_word(enum nginx_grade g)
{
    static const char *const words[] = {
        [NGINX_NOTE] = "note", [NGINX_WARN] = "warn", [NGINX_BAD] = "bad"};
    return words[g];
}

/* ---- places */

const char *place_target(const struct nginx_node *place)
{
    const char *url = nginx_argument(nginx_own(place, "proxy_pass"), "");
    const char *host = strstr(url, "://");
    return host != NULL ? host + 3 : url;
}

static const struct nginx_node *location_of(const struct nginx_node *place)
{
    while (place != NULL && !nginx_node_is(place, "location"))
        place = place->parent;
    return place;
}

const char *place_path(const struct nginx_node *place)
{
    const struct nginx_node *l = location_of(place);
    return l != NULL && l->n_words > 1 ? l->words[l->n_words - 1] : "";
}

bool place_is_prefix(const struct nginx_node *place)
{
    const struct nginx_node *l = location_of(place);
    bool regex = l != NULL && l->n_words == 3 && l->words[1][0] == '~';
    return !regex && place_path(place)[0] == '/';
}

/* Of a target: up to the path behind it. A unix socket's path ends at a colon. */
static size_t host_len(const char *target)
{
    bool is_unix = strncmp(target, "unix:", 5) == 0;
    return is_unix ? 5 + strcspn(target + 5, ":") : strcspn(target, "/");
}

const struct nginx_node *place_upstream(const struct judge *j, const struct nginx_node *place)
{
    const char *target = place_target(place);
    size_t len = host_len(target);
    for (unsigned i = 0; i < j->n_upstreams; i++) {
        const char *name = j->upstreams[i]->words[1];
        if (strlen(name) == len && memcmp(name, target, len) == 0)
            return j->upstreams[i];
    }
    return NULL;
}

/* The part of an address that tells the master's ports apart: the port, or the socket's path. */
static const char *tail_of(const char *address, size_t len, size_t *tail_len)
{
    static const char http[] = "80";
    const char *end = address + len, *p = end;
    if (strncmp(address, "unix:", 5) == 0) {
        *tail_len = len;
        return address;
    }
    while (p > address && p[-1] >= '0' && p[-1] <= '9')
        p--;
    bool has_port = p > address && p < end && p[-1] == ':';
    *tail_len = has_port ? (size_t)(end - p) : strlen(http);
    return has_port ? p : http;
}

static bool same_port(const char *address, size_t len, const char *wanted)
{
    size_t a_len, b_len;
    const char *a = tail_of(address, len, &a_len), *b = tail_of(wanted, strlen(wanted), &b_len);
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static bool passes_to(const struct judge *j, const struct nginx_node *place, const char *wanted)
{
    const struct nginx_node *up = place_upstream(j, place);
    const char *target = place_target(place);
    if (up == NULL)
        return same_port(target, host_len(target), wanted);
    for (const struct nginx_node *n = up->first; n != NULL; n = n->next)
        if (nginx_node_is(n, "server") && n->n_words > 1 &&
            same_port(n->words[1], strlen(n->words[1]), wanted))
            return true;
    return false;
}

bool place_is_agents(const struct judge *j, const struct nginx_node *place)
{
    return passes_to(j, place, j->master->agents);
}

/* The calls of the API come here: a place for /metrics alone need not carry uploads. */
bool place_is_api(const struct judge *j, const struct nginx_node *place)
{
    static const char call[] = "/api/v1/batches";
    const char *path = place_path(place);
    bool reached =
        !place_is_prefix(place) ? path[0] != '@' : strncmp(call, path, strlen(path)) == 0;
    return reached && passes_to(j, place, j->master->api);
}

/* ---- judging */

void judge_say(struct judge *j, enum nginx_grade g, const struct nginx_node *where, const char *fmt,
               ...)
{
    struct nginx_report *r = j->report;
    r->count[g]++;
    if (r->n == NGINX_FINDINGS_MAX) {
        r->left_out++;
        return;
    }
    struct nginx_finding *f = &r->findings[r->n++];
    *f = (struct nginx_finding){
        .rule = j->rule, .grade = g, .file = where->file, .line = where->line};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->what, sizeof(f->what), fmt, ap);
    va_end(ap);
}

/* Room for one more in an array that grows by doubling. */
static void *room_for(void *array, unsigned n, size_t size)
{
    bool full = (n & (n - 1)) == 0;
    return full ? mem_realloc(array, (n ? 2 * (size_t)n : 1) * size) : array;
}

static void find_upstreams(struct judge *j)
{
    for (const struct nginx_node *n = nginx_conf_root(j->conf); n; n = nginx_node_after(n)) {
        if (!nginx_node_is(n, "upstream") || !n->is_block || n->n_words != 2)
            continue;
        j->upstreams = room_for(j->upstreams, j->n_upstreams, sizeof(struct nginx_node *));
        j->upstreams[j->n_upstreams++] = n;
    }
}

struct places {
    struct {
        const struct nginx_node *block;
        bool agents, api;
    } * list;
    unsigned n;
};

static void find_places(const struct judge *j, struct places *out)
{
    *out = (struct places){0};
    for (const struct nginx_node *n = nginx_conf_root(j->conf); n; n = nginx_node_after(n)) {
        if (!n->is_block || nginx_own(n, "proxy_pass") == NULL)
            continue;
        bool agents = place_is_agents(j, n), api = place_is_api(j, n);
        if (!agents && !api)
            continue;
        out->list = room_for(out->list, out->n, sizeof(*out->list));
        out->list[out->n].block = n;
        out->list[out->n].agents = agents;
        out->list[out->n++].api = api;
        j->report->agents += agents;
        j->report->api += api;
    }
}

void nginx_judge(const struct nginx_conf *c, const struct nginx_master *m, struct nginx_report *out)
{
    struct judge j = {.conf = c, .master = m, .report = out};
    struct places places;
    REQUIRE(m->api != NULL && m->agents != NULL);
    *out = (struct nginx_report){0};
    out->findings = mem_array(NGINX_FINDINGS_MAX, sizeof(*out->findings));
    find_upstreams(&j);
    find_places(&j, &places);
    for (unsigned r = 0; r < NGINX_RULES; r++) {
        j.rule = (enum nginx_rule)r;
        if (rules[r].at == AT_ALL)
            rules[r].judge(&j, nginx_conf_root(c));
        for (unsigned i = 0; i < places.n; i++) {
            bool agents = places.list[i].agents && rules[r].at != AT_API;
            bool api = places.list[i].api && rules[r].at != AT_AGENTS;
            if (rules[r].at != AT_ALL && (agents || api))
                rules[r].judge(&j, places.list[i].block);
        }
    }
    free(places.list);
    free(j.upstreams);
}

void nginx_report_fini(struct nginx_report *r)
{
    free(r->findings);
    *r = (struct nginx_report){0};
}
