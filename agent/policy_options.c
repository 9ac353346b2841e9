/* SPDX-License-Identifier: MIT */
#include "agent/policy_options.h"
#include "common/ids.h"
#include "common/mem.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LISTS_MAX  1024
#define METHOD_MAX 16 /* as of a target's */

struct reader {
    const char *flag;
    char *why;
    size_t why_max;
};

static enum err fail(const struct reader *r, const char *wanted, const char *got)
{
    snprintf(r->why, r->why_max, "%s must be %s, not '%s'", r->flag, wanted, got);
    return ERR_INVALID;
}

static enum err check_count(const struct reader *r, const struct option_list *l)
{
    if (l->count <= LISTS_MAX)
        return ERR_NONE;
    snprintf(r->why, r->why_max, "more than %d %s are given", LISTS_MAX, r->flag);
    return ERR_INVALID;
}

/* all: the word that stands for every address of both families, NULL = none does. */
static enum err read_cidrs(const struct reader *r, const struct option_list *l, const char *all,
                           const struct cidr **out, size_t *n)
{
    static const struct cidr everything[] = {{.ip = {.family = AF_INET}, .bits = 0},
                                             {.ip = {.family = AF_INET6}, .bits = 0}};
    if (check_count(r, l) != ERR_NONE)
        return ERR_INVALID;
    struct cidr *list = mem_array(l->count * ARRAY_LEN(everything) + 1, sizeof(*list));
    *out = list;
    for (size_t i = 0; i < l->count; i++) {
        if (all && strcmp(l->items[i], all) == 0) {
            memcpy(list + *n, everything, sizeof(everything));
            *n += ARRAY_LEN(everything);
        } else if (cidr_parse(l->items[i], &list[*n]) == ERR_NONE) {
            (*n)++;
        } else {
            return fail(r,
                        all ? "an address, a prefix without host bits, like 10.0.0.0/8, or all"
                            : "an address or a prefix without host bits, like 10.0.0.0/8",
                        l->items[i]);
        }
    }
    return ERR_NONE;
}

static bool port_of(const char *s, size_t n, uint16_t *out)
{
    uint64_t port;
    if (u64_parse(s, n, &port) != ERR_NONE || port == 0 || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

/* "80" or "8000-8999". */
static bool range_of(const char *s, struct port_range *out)
{
    size_t n = strcspn(s, "-");
    const char *last = s[n] == '-' ? s + n + 1 : s;
    return port_of(s, n, &out->first) && port_of(last, strlen(last), &out->last) &&
           out->first <= out->last;
}

static enum err read_ports(const struct reader *r, const struct option_list *l,
                           const struct port_range **out, size_t *n)
{
    if (check_count(r, l) != ERR_NONE)
        return ERR_INVALID;
    struct port_range *list = mem_array(l->count + 1, sizeof(*list));
    *out = list;
    for (; *n < l->count; (*n)++)
        if (!range_of(l->items[*n], &list[*n]))
            return fail(r, "a port from 1 to 65535 or a range like 8000-8999", l->items[*n]);
    return ERR_NONE;
}

static bool is_method(const char *s)
{
    size_t n = 0;
    while (isalpha((unsigned char)s[n]))
        n++;
    return n > 0 && n <= METHOD_MAX && s[n] == '\0';
}

static enum err read_methods(const struct reader *r, const struct option_list *l,
                             const char *const **out, size_t *n)
{
    if (check_count(r, l) != ERR_NONE)
        return ERR_INVALID;
    for (size_t i = 0; i < l->count; i++)
        if (!is_method(l->items[i]))
            return fail(r, "a method of HTTP, like GET or POST", l->items[i]);
    *out = (const char *const *)l->items;
    *n = l->count;
    return ERR_NONE;
}

/* A tunnel through a target is never a measurement; nobody shall think that it was allowed. */
static enum err check_connect(const struct reader *r, const struct option_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcasecmp(l->items[i], "CONNECT") == 0)
            return fail(r, "a method that a probe can use", l->items[i]);
    return ERR_NONE;
}

enum err policy_options_read(const struct policy_options *o, struct policy_config *out, char *why,
                             size_t why_max)
{
    struct reader r = {.why = why, .why_max = why_max};
#define BY(flag_) (r.flag = (flag_), &r)
    out->dev = o->dev;
    if (read_cidrs(BY("--allow"), &o->allow, NULL, &out->allow, &out->n_allow) < 0 ||
        read_cidrs(BY("--deny"), &o->deny, NULL, &out->deny, &out->n_deny) < 0 ||
        read_ports(BY("--allow-port"), &o->allow_ports, &out->allow_ports, &out->n_allow_ports) <
            0 ||
        read_ports(BY("--deny-port"), &o->deny_ports, &out->deny_ports, &out->n_deny_ports) < 0 ||
        read_methods(BY("--deny-method"), &o->deny_methods, &out->deny_methods,
                     &out->n_deny_methods) < 0 ||
        read_methods(BY("--allow-method"), &o->allow_methods, &out->allow_methods,
                     &out->n_allow_methods) < 0 ||
        check_connect(&r, &o->allow_methods) < 0 ||
        read_cidrs(BY("--allow-resolver"), &o->allow_resolvers, "all", &out->allow_resolvers,
                   &out->n_allow_resolvers) < 0 ||
        read_cidrs(BY("--deny-resolver"), &o->deny_resolvers, "all", &out->deny_resolvers,
                   &out->n_deny_resolvers) < 0)
        return ERR_INVALID;
#undef BY
    return ERR_NONE;
}

void policy_options_free(struct policy_config *c)
{
    free((void *)c->allow);
    free((void *)c->deny);
    free((void *)c->allow_ports);
    free((void *)c->deny_ports);
    free((void *)c->allow_resolvers);
    free((void *)c->deny_resolvers);
    *c = (struct policy_config){.dev = false};
}
