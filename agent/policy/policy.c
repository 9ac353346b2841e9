/* SPDX-License-Identifier: MIT */
#include "agent/policy/policy.h"
#include "common/mem.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * One address is judged as a small set of addresses: itself, and every IPv4 address that its IPv6
 * form may carry to the far side of a translator or tunnel. A denial of any of them denies the
 * whole.
 *
 * The lock guards master_deny alone: readers hold it for the few comparisons of a check, the link
 * thread for a swap of pointers.
 */
struct cidr_set {
    struct cidr *items;
    size_t n;
};
struct port_set {
    struct port_range *items;
    size_t n;
};
struct method_set {
    char **items;
    size_t n;
};
struct policy {
    struct cidr_set defaults, allow, deny; /* all but the last immutable after create */
    struct cidr_set allow_resolvers, deny_resolvers;
    struct port_set allow_ports, deny_ports;
    struct method_set allow_methods, deny_methods;
    pthread_rwlock_t lock;
    struct cidr_set master_deny;
};

static const struct {
    const char *prefix, *why;
} default_denials[] = {
#define DENIED(prefix, why) {prefix, why},
#include "agent/policy/policy_denied.def"
#undef DENIED
};
#define N_DEFAULT_DENIALS ARRAY_LEN(default_denials)

static const char *const loopbacks[] = {"127.0.0.0/8", "::1/128"};
#define N_LOOPBACKS ARRAY_LEN(loopbacks)

/* A tunnel is never a measurement; an echo of our own headers is one only to who asks for it. */
static const char tunnel[] = "CONNECT";
static const char *const echoes[] = {"TRACE", "TRACK"};

/* Itself and at most four embedded ones (the positions of RFC 6052). */
#define VIEWS_MAX 5
struct views {
    struct ip ips[VIEWS_MAX];
    unsigned n;
};

static struct cidr_set set_create(const struct cidr *items, size_t n, size_t room)
{
    struct cidr_set s = {.items = mem_array(n + room + 1, sizeof(*items)), .n = n};
    if (n > 0)
        memcpy(s.items, items, n * sizeof(*items));
    return s;
}

static void set_add_text(struct cidr_set *s, const char *prefix)
{
    enum err e = cidr_parse(prefix, &s->items[s->n]);
    REQUIRE(e == ERR_NONE); /* a literal of ours */
    s->n++;
}

/* The prefix that has it, or NULL. */
static const struct cidr *set_find(const struct cidr_set *s, const struct ip *ip)
{
    for (size_t i = 0; i < s->n; i++)
        if (cidr_contains(&s->items[i], ip))
            return &s->items[i];
    return NULL;
}

static const struct cidr *set_find_any(const struct cidr_set *s, const struct views *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        const struct cidr *c = set_find(s, &v->ips[i]);
        if (c)
            return c;
    }
    return NULL;
}

static struct port_set ports_create(const struct port_range *items, size_t n)
{
    struct port_set s = {.items = mem_array(n + 1, sizeof(*items)), .n = n};
    if (n > 0)
        memcpy(s.items, items, n * sizeof(*items));
    return s;
}

static const struct port_range *ports_find(const struct port_set *s, uint16_t port)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].first <= port && port <= s->items[i].last)
            return &s->items[i];
    return NULL;
}

static struct method_set methods_create(const char *const *items, size_t n)
{
    struct method_set s = {.items = mem_array(n + 1, sizeof(*s.items)), .n = n};
    for (size_t i = 0; i < n; i++)
        s.items[i] = mem_strdup(items[i]);
    return s;
}

static void methods_free(struct method_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i]);
    free(s->items);
}

static bool methods_has(const struct method_set *s, const char *method)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcasecmp(s->items[i], method) == 0)
            return true;
    return false;
}

static void views_add_v4(struct views *v, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    REQUIRE(v->n < VIEWS_MAX);
    v->ips[v->n++] = (struct ip){.family = AF_INET, .bytes = {a, b, c, d}};
}

static bool starts_with(const uint8_t *bytes, const void *prefix, size_t n)
{
    return memcmp(bytes, prefix, n) == 0;
}

/* RFC 6052 §2.2 at every prefix length that fits into a /48; byte 8 is skipped by the shorter ones.
 */
static void views_add_local_nat64(struct views *v, const uint8_t *b)
{
    views_add_v4(v, b[6], b[7], b[9], b[10]);
    views_add_v4(v, b[7], b[9], b[10], b[11]);
    views_add_v4(v, b[9], b[10], b[11], b[12]);
    views_add_v4(v, b[12], b[13], b[14], b[15]);
}

static void views_add_embedded(struct views *v, const uint8_t *b)
{
    static const uint8_t zero12[12];
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t translated[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0}; /* RFC 2765 */
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    static const uint8_t nat64_local[6] = {0, 0x64, 0xff, 0x9b, 0, 1};
    static const uint8_t sixtofour[2] = {0x20, 0x02};
    static const uint8_t teredo[4] = {0x20, 0x01, 0, 0};

    if (starts_with(b, zero12, 12) || starts_with(b, mapped, 12) ||
        starts_with(b, translated, 12) || starts_with(b, nat64, 12)) {
        views_add_v4(v, b[12], b[13], b[14], b[15]);
        return;
    }
    if (starts_with(b, nat64_local, 6)) {
        views_add_local_nat64(v, b);
        return;
    }
    if (starts_with(b, sixtofour, 2))
        views_add_v4(v, b[2], b[3], b[4], b[5]);
    if (starts_with(b, teredo, 4)) { /* server, and client with its bits flipped (RFC 4380 §4) */
        views_add_v4(v, b[4], b[5], b[6], b[7]);
        views_add_v4(v, b[12] ^ 0xff, b[13] ^ 0xff, b[14] ^ 0xff, b[15] ^ 0xff);
    }
    /* ISATAP (RFC 5214 §6.1) may stand under any prefix; the u bit says whether the IPv4 address is
     * unique. */
    if ((b[8] & 0xfd) == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe)
        views_add_v4(v, b[12], b[13], b[14], b[15]);
}

static void views_init(struct views *v, const struct ip *ip)
{
    REQUIRE(ip->family == AF_INET || ip->family == AF_INET6);
    v->ips[0] = *ip;
    v->n = 1;
    if (ip->family == AF_INET6)
        views_add_embedded(v, ip->bytes);
}

struct policy *policy_create(const struct policy_config *c)
{
    REQUIRE(c != NULL);
    struct policy *p = mem_zalloc(sizeof(*p));
    p->defaults = set_create(NULL, 0, N_DEFAULT_DENIALS);
    for (size_t i = 0; i < N_DEFAULT_DENIALS; i++)
        set_add_text(&p->defaults, default_denials[i].prefix);
    p->allow = set_create(c->allow, c->n_allow, N_LOOPBACKS);
    for (size_t i = 0; c->dev && i < N_LOOPBACKS; i++)
        set_add_text(&p->allow, loopbacks[i]);
    p->deny = set_create(c->deny, c->n_deny, 0);
    p->allow_ports = ports_create(c->allow_ports, c->n_allow_ports);
    p->deny_ports = ports_create(c->deny_ports, c->n_deny_ports);
    p->allow_methods = methods_create(c->allow_methods, c->n_allow_methods);
    p->deny_methods = methods_create(c->deny_methods, c->n_deny_methods);
    p->allow_resolvers = set_create(c->allow_resolvers, c->n_allow_resolvers, 0);
    p->deny_resolvers = set_create(c->deny_resolvers, c->n_deny_resolvers, 0);
    p->master_deny = set_create(NULL, 0, 0);
    PTOK(pthread_rwlock_init(&p->lock, NULL));
    return p;
}

void policy_destroy(struct policy **pp)
{
    struct policy *p = *pp;
    if (!p)
        return;
    PTOK(pthread_rwlock_destroy(&p->lock));
    free(p->defaults.items);
    free(p->allow.items);
    free(p->deny.items);
    free(p->master_deny.items);
    free(p->allow_resolvers.items);
    free(p->deny_resolvers.items);
    free(p->allow_ports.items);
    free(p->deny_ports.items);
    methods_free(&p->allow_methods);
    methods_free(&p->deny_methods);
    free(p);
    *pp = NULL;
}

/* ---- the rules. words[POLICY_WHY_MAX] says which one refused; NULL: nobody asks, and it costs
 * nothing. */

static void say(char *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(char *words, const char *fmt, ...)
{
    va_list ap;
    if (!words)
        return;
    va_start(ap, fmt);
    vsnprintf(words, POLICY_WHY_MAX, fmt, ap);
    va_end(ap);
}

static void say_cidr(char *words, const char *lead, const struct cidr *c, const char *why)
{
    char ip[IP_TEXT_MAX];
    if (words)
        say(words, "%s %s/%u%s%s%s", lead, ip_format(&c->ip, ip), c->bits, why ? " (" : "",
            why ? why : "", why ? ")" : "");
}

static bool master_denies(struct policy *p, const struct views *v, char *words)
{
    PTOK(pthread_rwlock_rdlock(&p->lock));
    const struct cidr *c = set_find_any(&p->master_deny, v);
    if (c)
        say_cidr(words, "the master denies", c, NULL);
    PTOK(pthread_rwlock_unlock(&p->lock));
    return c != NULL;
}

/* An allowed prefix that covers the address as written lifts all default denials; one that covers
 * an embedded address lifts that one's. */
static bool default_denies(const struct policy *p, const struct views *v, char *words)
{
    if (set_find(&p->allow, &v->ips[0]))
        return false;
    for (unsigned i = 0; i < v->n; i++) {
        if (i > 0 && set_find(&p->allow, &v->ips[i]))
            continue;
        const struct cidr *c = set_find(&p->defaults, &v->ips[i]);
        if (!c)
            continue;
        say_cidr(words, i > 0 ? "it embeds one of" : "it is in", c,
                 default_denials[c - p->defaults.items].why);
        return true;
    }
    return false;
}

static bool address_denied(struct policy *p, const struct ip *ip, char *words)
{
    struct views v;
    views_init(&v, ip);
    const struct cidr *c = set_find_any(&p->deny, &v);
    if (c)
        say_cidr(words, "--deny", c, NULL);
    return c || master_denies(p, &v, words) || default_denies(p, &v, words);
}

static bool port_denied(const struct policy *p, uint16_t port, char *words)
{
    const struct port_range *r = ports_find(&p->deny_ports, port);
    if (r && r->first == r->last)
        say(words, "--deny-port %u", port);
    else if (r)
        say(words, "--deny-port %u-%u", r->first, r->last);
    if (r)
        return true;
    if (p->allow_ports.n == 0 || ports_find(&p->allow_ports, port))
        return false;
    say(words, "port %u is none of --allow-port", port);
    return true;
}

static enum cause check(struct policy *p, const struct ip *ip, uint16_t port, char *words)
{
    REQUIRE(p != NULL && ip != NULL);
    if (address_denied(p, ip, words))
        return CAUSE_policy_address;
    return port_denied(p, port, words) ? CAUSE_policy_port : CAUSE_NONE;
}

static bool is_echo(const char *method)
{
    for (size_t i = 0; i < ARRAY_LEN(echoes); i++)
        if (strcasecmp(method, echoes[i]) == 0)
            return true;
    return false;
}

static enum cause check_method(const struct policy *p, const char *method, char *words)
{
    REQUIRE(p != NULL && method != NULL);
    if (strcasecmp(method, tunnel) == 0)
        say(words, "it is never allowed");
    else if (methods_has(&p->deny_methods, method))
        say(words, "--deny-method");
    else if (methods_has(&p->allow_methods, method))
        return CAUSE_NONE;
    else if (p->allow_methods.n > 0)
        say(words, "it is none of --allow-method");
    else if (is_echo(method))
        say(words, "only --allow-method allows it");
    else
        return CAUSE_NONE;
    return CAUSE_policy_method;
}

static enum cause check_resolver(struct policy *p, const struct ip *ip, uint16_t port, char *words)
{
    struct views v;
    if (check(p, ip, port, words) != CAUSE_NONE)
        return CAUSE_policy_resolver;
    views_init(&v, ip);
    const struct cidr *c = set_find_any(&p->deny_resolvers, &v);
    if (c)
        say_cidr(words, "--deny-resolver", c, NULL);
    if (!c && (p->allow_resolvers.n == 0 || set_find(&p->allow_resolvers, ip)))
        return CAUSE_NONE;
    if (!c)
        say(words, "it is none of --allow-resolver");
    return CAUSE_policy_resolver;
}

/* ---- questions */

enum cause policy_check(struct policy *p, const struct ip *ip, uint16_t port)
{
    return check(p, ip, port, NULL);
}

enum cause policy_check_method(struct policy *p, const char *method)
{
    return check_method(p, method, NULL);
}

enum cause policy_check_resolver(struct policy *p, const struct ip *ip, uint16_t port)
{
    return check_resolver(p, ip, port, NULL);
}

const char *policy_why(struct policy *p, const struct ip *ip, uint16_t port,
                       char out[POLICY_WHY_MAX])
{
    out[0] = '\0';
    check(p, ip, port, out);
    return out;
}

const char *policy_why_method(struct policy *p, const char *method, char out[POLICY_WHY_MAX])
{
    out[0] = '\0';
    check_method(p, method, out);
    return out;
}

const char *policy_why_resolver(struct policy *p, const struct ip *ip, uint16_t port,
                                char out[POLICY_WHY_MAX])
{
    out[0] = '\0';
    check_resolver(p, ip, port, out);
    return out;
}

void policy_set_master_deny(struct policy *p, const struct cidr *deny, size_t n)
{
    REQUIRE(p != NULL && (deny != NULL || n == 0));
    struct cidr_set fresh = set_create(deny, n, 0);
    PTOK(pthread_rwlock_wrlock(&p->lock));
    struct cidr_set old = p->master_deny;
    p->master_deny = fresh;
    PTOK(pthread_rwlock_unlock(&p->lock));
    free(old.items);
}
