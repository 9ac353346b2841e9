/* SPDX-License-Identifier: MIT */
#include "agent/policy/policy.h"
#include "common/mem.h"
#include <pthread.h>
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
struct policy {
    struct cidr_set defaults, allow, deny; /* immutable after create */
    uint16_t *deny_ports;
    size_t n_deny_ports;
    pthread_rwlock_t lock;
    struct cidr_set master_deny;
};

static const char *const default_denials[] = {
#define DENIED(prefix, why) prefix,
#include "agent/policy/policy_denied.def"
#undef DENIED
};
#define N_DEFAULT_DENIALS ARRAY_LEN(default_denials)

static const char *const loopbacks[] = {"127.0.0.0/8", "::1/128"};
#define N_LOOPBACKS ARRAY_LEN(loopbacks)

/* They make a tunnel or an echo of our own headers, never a measurement. */
static const char *const denied_methods[] = {"CONNECT", "TRACE", "TRACK"};

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

static bool set_has(const struct cidr_set *s, const struct ip *ip)
{
    for (size_t i = 0; i < s->n; i++)
        if (cidr_contains(&s->items[i], ip))
            return true;
    return false;
}

static bool set_has_any(const struct cidr_set *s, const struct views *v)
{
    for (unsigned i = 0; i < v->n; i++)
        if (set_has(s, &v->ips[i]))
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
        set_add_text(&p->defaults, default_denials[i]);
    p->allow = set_create(c->allow, c->n_allow, N_LOOPBACKS);
    for (size_t i = 0; c->dev && i < N_LOOPBACKS; i++)
        set_add_text(&p->allow, loopbacks[i]);
    p->deny = set_create(c->deny, c->n_deny, 0);
    p->n_deny_ports = c->n_deny_ports;
    p->deny_ports = mem_array(c->n_deny_ports + 1, sizeof(*p->deny_ports));
    if (c->n_deny_ports > 0)
        memcpy(p->deny_ports, c->deny_ports, c->n_deny_ports * sizeof(*p->deny_ports));
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
    free(p->deny_ports);
    free(p);
    *pp = NULL;
}

static bool master_denies(struct policy *p, const struct views *v)
{
    PTOK(pthread_rwlock_rdlock(&p->lock));
    bool denied = set_has_any(&p->master_deny, v);
    PTOK(pthread_rwlock_unlock(&p->lock));
    return denied;
}

/* An allowed prefix that covers the address as written lifts all default denials; one that covers
 * an embedded address lifts that one's. */
static bool default_denies(const struct policy *p, const struct views *v)
{
    if (set_has(&p->allow, &v->ips[0]))
        return false;
    for (unsigned i = 0; i < v->n; i++) {
        if (i > 0 && set_has(&p->allow, &v->ips[i]))
            continue;
        if (set_has(&p->defaults, &v->ips[i]))
            return true;
    }
    return false;
}

enum cause policy_check(struct policy *p, const struct ip *ip, uint16_t port)
{
    REQUIRE(p != NULL && ip != NULL);
    struct views v;
    views_init(&v, ip);
    if (set_has_any(&p->deny, &v) || master_denies(p, &v) || default_denies(p, &v))
        return CAUSE_policy_address;
    for (size_t i = 0; i < p->n_deny_ports; i++)
        if (p->deny_ports[i] == port)
            return CAUSE_policy_port;
    return CAUSE_NONE;
}

enum cause policy_check_method(struct policy *p, const char *method)
{
    REQUIRE(p != NULL && method != NULL);
    for (size_t i = 0; i < ARRAY_LEN(denied_methods); i++)
        if (strcasecmp(method, denied_methods[i]) == 0)
            return CAUSE_policy_method;
    return CAUSE_NONE;
}

enum cause policy_check_resolver(struct policy *p, const struct ip *ip, uint16_t port)
{
    return policy_check(p, ip, port) == CAUSE_NONE ? CAUSE_NONE : CAUSE_policy_resolver;
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
