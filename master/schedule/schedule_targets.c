/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/mem.h"
#include "master/schedule/schedule_parts.h"

/* The targets of a definition: each is checked, encoded and named. */

#define FIELD_MAX   48
#define TYPE_A      1
#define SHOWN_BYTES 120 /* of a URI in a problem */

static enum err problem_at(struct schedule_problem *p, size_t i, const char *member,
                           const char *why)
{
    char field[FIELD_MAX];
    snprintf(field, sizeof(field), "targets[%zu]%s%.24s", i, *member != '\0' ? "." : "", member);
    return schedule_problem(p, field, "%s", why);
}

/* The members of a batch's target that a schedule says once for all of them. */
static const char *misplaced(const struct json_node *n)
{
    if (json_type(n) != JSON_OBJECT)
        return NULL;
    for (const struct json_node *m = json_first(n); m != NULL; m = json_next(m))
        if (strcmp(json_node_key(m), "count") == 0 || strcmp(json_node_key(m), "agents") == 0)
            return json_node_key(m);
    return NULL;
}

/* A bare name keeps its type outside of its URI, and one name may be asked for several. */
static char *uri_of(const struct target *t)
{
    char type[RRTYPE_TEXT_MAX];
    if (t->kind != TARGET_DNS || t->dns.type == TYPE_A || strchr(t->uri, '?') != NULL)
        return mem_strdup(t->uri);
    size_t n = strlen(t->uri) + sizeof("?type=") + RRTYPE_TEXT_MAX;
    char *uri = mem_alloc(n);
    snprintf(uri, n, "%s?type=%s", t->uri, rrtype_format(t->dns.type, type));
    return uri;
}

static enum err fill(struct schedule_target *out, const struct target *t, size_t i,
                     struct strbuf *spec, struct schedule_problem *p)
{
    char why[SCHEDULE_WHY_MAX];
    const char *field;
    if (!schedule_expect_possible(t, &field, why))
        return problem_at(p, i, field, why);
    strbuf_reset(spec);
    if (target_encode(t, spec) != ERR_NONE) {
        snprintf(why, sizeof(why), "with its options it takes more than %d bytes: shorten them",
                 SPEC_MAX_BYTES);
        return problem_at(p, i, "", why);
    }
    const char *host = target_host(t);
    out->key = uri_of(t);
    out->spec = mem_strndup(spec->data, spec->len);
    out->spec_len = spec->len;
    out->user_id = mem_strdup(t->user_id);
    out->host = mem_strdup(*host != '\0' ? host : "."); /* of the root, which has no other name */
    out->host_hash = target_host_hash(t);
    return ERR_NONE;
}

static enum err read_one(const struct json_node *n, const struct target_defaults *d, size_t i,
                         struct schedule_target *out, struct strbuf *spec, int64_t *timeout_ms,
                         struct schedule_problem *p)
{
    struct target *t = NULL;
    struct target_problem tp;
    const char *wrong = misplaced(n);
    if (wrong != NULL)
        return problem_at(p, i, wrong,
                          "all targets of a schedule run from the same agents: write it once, into "
                          "'agents' of the schedule, or make two schedules");
    if (target_from_json(n, d, &t, &tp) != ERR_NONE)
        return problem_at(p, i, "", tp.detail);
    if (t->timeout_ms > *timeout_ms)
        *timeout_ms = t->timeout_ms;
    enum err e = fill(out, t, i, spec, p);
    target_destroy(&t);
    return e;
}

/* ---- names */

struct entry {
    uint64_t hash; /* of the URI: what it is told apart by mostly */
    struct schedule_target *t;
};

/* By URI, then by user_id with none first, then as they stand. */
static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    int d = strcmp(x->t->key, y->t->key);
    if (d != 0)
        return d;
    const char *l = x->t->user_id, *r = y->t->user_id;
    d = l != NULL && r != NULL ? strcmp(l, r) : (l != NULL) - (r != NULL);
    return d != 0 ? d : x->t < y->t ? -1 : 1;
}

static bool same_uri(const struct entry *x, const struct entry *y)
{
    return x->hash == y->hash && strcmp(x->t->key, y->t->key) == 0;
}

static bool same_id(const struct entry *x, const struct entry *y)
{
    const char *l = x->t->user_id, *r = y->t->user_id;
    return l == r || (l != NULL && r != NULL && strcmp(l, r) == 0);
}

static enum err twice(const struct schedule_targets *all, const struct entry *x,
                      const struct entry *y, struct schedule_problem *p)
{
    char why[SCHEDULE_WHY_MAX];
    size_t first = (size_t)(x->t - all->items), second = (size_t)(y->t - all->items);
    if (x->t->user_id == NULL)
        snprintf(
            why, sizeof(why),
            "'%.*s' is there twice, here and as targets[%zu]: remove one, or tell them apart by "
            "'user_id'",
            SHOWN_BYTES, x->t->key, first);
    else
        snprintf(why, sizeof(why),
                 "'%.*s' with the user_id '%.60s' is there twice, here and as targets[%zu]: give "
                 "them different ones",
                 SHOWN_BYTES, x->t->key, x->t->user_id, first);
    return problem_at(p, second, "", why);
}

/* A blank stands in no URI, so that no two names can be one. */
static void add_user_id(struct schedule_target *t)
{
    if (t->user_id == NULL)
        return;
    size_t n = strlen(t->key) + strlen(t->user_id) + 2;
    char *key = mem_alloc(n);
    snprintf(key, n, "%s %s", t->key, t->user_id);
    free(t->key);
    t->key = key;
}

static enum err check_lengths(const struct schedule_targets *all, struct schedule_problem *p)
{
    char why[SCHEDULE_WHY_MAX];
    for (size_t i = 0; i < all->n; i++) {
        size_t n = strlen(all->items[i].key);
        if (n <= CHECK_KEY_MAX)
            continue;
        snprintf(
            why, sizeof(why),
            "its URI, with the user_id where that tells it apart, has %zu bytes; in a schedule "
            "at most %d are possible",
            n, CHECK_KEY_MAX);
        return problem_at(p, i, "", why);
    }
    return ERR_NONE;
}

/* The first of those in the list's order that is there already. */
static enum err name_all(struct schedule_targets *all, struct schedule_problem *p)
{
    struct entry *e = mem_array(all->n, sizeof(*e));
    size_t bad = 0;
    for (size_t i = 0; i < all->n; i++)
        e[i] = (struct entry){hash64(all->items[i].key, strlen(all->items[i].key)), &all->items[i]};
    qsort(e, all->n, sizeof(*e), by_name);
    for (size_t i = 1; i < all->n; i++)
        if (same_uri(&e[i - 1], &e[i]) && same_id(&e[i - 1], &e[i]) &&
            (bad == 0 || e[i].t < e[bad].t))
            bad = i;
    enum err err = bad > 0 ? twice(all, &e[bad - 1], &e[bad], p) : ERR_NONE;
    bool *shared = mem_array(all->n, sizeof(*shared));
    for (size_t i = 1; i < all->n; i++)
        shared[i - 1] |= shared[i] = same_uri(&e[i - 1], &e[i]);
    for (size_t i = 0; i < all->n && err == ERR_NONE; i++)
        if (shared[i])
            add_user_id(e[i].t);
    free(shared);
    free(e);
    return err != ERR_NONE ? err : check_lengths(all, p);
}

enum err schedule_read_targets(const struct json_node *list, const struct target_defaults *d,
                               struct schedule_targets *out, int64_t *timeout_ms_max,
                               struct schedule_problem *p)
{
    struct strbuf spec;
    struct schedule_targets all = {.items = mem_array(json_count(list), sizeof(*all.items))};
    int64_t timeout_ms = 0;
    enum err e = ERR_NONE;
    strbuf_init(&spec, 2 * SPEC_MAX_BYTES);
    for (const struct json_node *n = json_first(list); n != NULL && e == ERR_NONE;
         n = json_next(n)) {
        e = read_one(n, d, all.n, &all.items[all.n], &spec, &timeout_ms, p);
        all.n += e == ERR_NONE;
    }
    strbuf_fini(&spec);
    if (e == ERR_NONE)
        e = name_all(&all, p);
    if (e != ERR_NONE) {
        schedule_targets_free(&all);
        return e;
    }
    *out = all;
    *timeout_ms_max = timeout_ms;
    return ERR_NONE;
}
