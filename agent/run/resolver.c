/* SPDX-License-Identifier: MIT */
#include "agent/run/resolver.h"

#include "agent/run/channel.h"
#include "common/mem.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Three lifetimes. A `resolve` is the caller's; it ends by its own timer only, so done() never runs
 * inside c-ares or inside resolve_start(). A `lookup` is ours: it carries the two questions of a
 * resolve and lives until c-ares has called back for each of them, which may be long after the
 * resolve has ended (lookup.q is NULL then and the answer is dropped). A `channel` is replaced
 * every few minutes, for a fresh source port; the old one drains and is destroyed by the tick,
 * never from within a callback.
 *
 * Who is at fault when nothing comes back: c-ares reports an ICMP "unreachable" (or no socket) as
 * ECONNREFUSED; that is the agent's own resolver. For silence there is a canary: when a question
 * has waited CANARY_AFTER_MS and nothing at all has been answered meanwhile, the NS of the root is
 * asked, which any living resolver has in its cache. Silent to that too, since this name was asked:
 * agent_resolver_down. Else: dns_timeout.
 *
 * What a resolver answers is its answer, SERVFAIL and REFUSED too: the next server is asked after
 * silence only, for c-ares would not tell those two apart from a dead server if it went on by
 * itself.
 */
#define QUERIES_MAX      512 /* outstanding at c-ares; what is over waits in order */
#define TICK_MS          10  /* c-ares sees its own time-outs only when it is called */
#define RENEW_MS         (5 * 60 * 1000)
#define CANARY_AFTER_MS  500
#define HOLD_FOR_AAAA_MS 50 /* RFC 8305 §3 */
#define HOLD_FOR_A_MS                                                                              \
    500 /* addresses cannot be added later here, and IPv6 alone may lead nowhere */
#define TYPE_A           1
#define TYPE_NS          2
#define TYPE_AAAA        28
#define CLASS_IN         1
#define DNS_HEADER_BYTES 12
#define RCODE_NOERROR    0
#define RCODE_NXDOMAIN   3
#define DNS_TC           0x02 /* in the third octet */

enum family { V6, V4, FAMILIES };
static const int family_type[FAMILIES] = {TYPE_AAAA, TYPE_A};

struct resolver {
    struct loop *loop;
    char *servers;
    bool named; /* by a target: not the agent's own */
    struct vitals *vitals;
    struct list channels; /* the last one is current */
    struct mono renew_at;
    struct timer tick;
    struct list waiting; /* struct resolve */
    unsigned n_queries, n_live;
    struct mono answered_at, canary_at; /* the last of each */
    struct mono canary_before_at;       /* the one before: at least CANARY_AFTER_MS older */
};

struct lookup;
struct question {
    struct lookup *lookup;
    enum family family;
    struct channel *channel;
    bool asked, ended;
    enum cause cause; /* when ended without addresses */
    struct ip addrs[RESOLVE_ADDRS_MAX];
    unsigned n_addrs;
};
struct lookup {
    struct resolver *owner;
    struct resolve *q; /* NULL: it has ended */
    char host[NI_MAXHOST];
    enum ip_version version;
    struct mono started_at, deadline; /* started_at unset: it waits for its turn */
    struct question questions[FAMILIES];
};

static void on_resolve_timer(struct timer *t, struct mono now);
static void on_tick(struct timer *t, struct mono now);

/* ---- channels */

static void pump(struct resolver *r);

static struct channel *current_channel(struct resolver *r)
{
    return CONTAINER_OF(list_last(&r->channels), struct channel, node);
}

static void after_event(struct channel *c)
{
    pump(c->arg);
}

static bool channel_add(struct resolver *r)
{
    struct channel *c = channel_create(r->loop, r->servers, after_event, r);
    if (c)
        list_push_back(&r->channels, &c->node);
    return c != NULL;
}

static void channel_remove(struct resolver *r, struct channel *c)
{
    list_remove(&r->channels, &c->node);
    channel_destroy(&c);
}

static void renew_if_due(struct resolver *r, struct mono now)
{
    if (mono_before(now, r->renew_at))
        return;
    struct channel *old = current_channel(r);
    r->renew_at = mono_add_ms(now, RENEW_MS);
    if (channel_add(r)) /* else the old one goes on */
        old->retired = true;
}

static void reap_channels(struct resolver *r)
{
    LIST_EACH_SAFE (&r->channels, n, tmp) {
        struct channel *c = CONTAINER_OF(n, struct channel, node);
        if (c->retired && c->n_queries == 0)
            channel_remove(r, c);
    }
}

/* ---- answers */

static bool out_of_descriptors(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE;
    close(fd);
    return false;
}

static enum cause cause_of_rcode(int rcode)
{
    switch (rcode) {
    case RCODE_NXDOMAIN:
        return CAUSE_dns_nxdomain;
    case 5:
        return CAUSE_dns_refused;
    default: /* SERVFAIL, and FORMERR or NOTIMP of a resolver that cannot either */
        return CAUSE_dns_servfail;
    }
}

static enum cause cause_of_status(int status)
{
    switch (status) {
    case ARES_ETIMEOUT:
        return CAUSE_dns_timeout;
    case ARES_ENOMEM:
        return CAUSE_agent_memory;
    case ARES_ECONNREFUSED:
        return out_of_descriptors() ? CAUSE_agent_fd_exhausted : CAUSE_agent_resolver_down;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return CAUSE_dns_nxdomain;
    case ARES_ENODATA:
        return CAUSE_dns_nodata;
    case ARES_ESERVFAIL:
        return CAUSE_dns_servfail;
    case ARES_EREFUSED:
        return CAUSE_dns_refused;
    default:
        return CAUSE_dns_malformed;
    }
}

static void take_a(struct question *u, const unsigned char *msg, int len, int *status)
{
    struct ares_addrttl list[RESOLVE_ADDRS_MAX];
    int n = RESOLVE_ADDRS_MAX;
    *status = ares_parse_a_reply(msg, len, NULL, list, &n);
    for (int i = 0; *status == ARES_SUCCESS && i < n; i++) {
        struct ip *ip = &u->addrs[u->n_addrs++];
        *ip = (struct ip){.family = AF_INET};
        memcpy(ip->bytes, &list[i].ipaddr, 4);
    }
}

static void take_aaaa(struct question *u, const unsigned char *msg, int len, int *status)
{
    struct ares_addr6ttl list[RESOLVE_ADDRS_MAX];
    int n = RESOLVE_ADDRS_MAX;
    *status = ares_parse_aaaa_reply(msg, len, NULL, list, &n);
    for (int i = 0; *status == ARES_SUCCESS && i < n; i++) {
        struct ip *ip = &u->addrs[u->n_addrs++];
        *ip = (struct ip){.family = AF_INET6};
        memcpy(ip->bytes, &list[i].ip6addr, 16);
    }
}

static enum cause read_answer(struct question *u, const unsigned char *msg, int len)
{
    int rcode = msg[3] & 0xf, status;
    if (rcode != RCODE_NOERROR)
        return cause_of_rcode(rcode);
    if (u->family == V4)
        take_a(u, msg, len, &status);
    else
        take_aaaa(u, msg, len, &status);
    if (status == ARES_SUCCESS && u->n_addrs > 0)
        return CAUSE_NONE;
    if (msg[2] & DNS_TC) /* over TCP: c-ares has asked there */
        return CAUSE_dns_malformed;
    if (status == ARES_SUCCESS)
        return CAUSE_dns_nodata;
    return cause_of_status(status);
}

static bool asked_all_ended(const struct lookup *l)
{
    return !(l->questions[V4].asked && !l->questions[V4].ended) &&
           !(l->questions[V6].asked && !l->questions[V6].ended);
}

static void lookup_free_if_over(struct lookup *l)
{
    if (l->q == NULL && asked_all_ended(l))
        free(l);
}

/* The earlier of `at` and the deadline. */
static void arm_resolve(struct lookup *l, struct mono at)
{
    if (mono_before(l->deadline, at))
        at = l->deadline;
    timer_arm(loop_timers(l->owner->loop), &l->q->timer, at, on_resolve_timer);
}

/* A question has ended: all ended → now; one has addresses → a little time for the other. */
static void arm_after_answer(struct lookup *l, const struct question *u)
{
    struct mono now = loop_now(l->owner->loop);
    if (asked_all_ended(l))
        arm_resolve(l, now);
    else if (u->n_addrs > 0)
        arm_resolve(l, mono_add_ms(now, u->family == V4 ? HOLD_FOR_AAAA_MS : HOLD_FOR_A_MS));
}

/* It knew: a resolver that lost its own way out answers too, with SERVFAIL. */
static bool useful(const unsigned char *msg)
{
    int rcode = msg[3] & 0xf;
    return rcode == RCODE_NOERROR || rcode == RCODE_NXDOMAIN;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
    struct question *u = arg;
    REQUIRE(u != NULL && u->asked && !u->ended && u->channel->n_queries > 0);
    struct lookup *l = u->lookup;
    struct resolver *r = l->owner;
    bool answered = msg != NULL && len >= DNS_HEADER_BYTES;
    u->ended = true;
    u->channel->n_queries--;
    r->n_queries--;
    if (answered)
        r->answered_at = loop_now(r->loop);
    if (answered && useful(msg) && !r->named)
        vitals_good(r->vitals, VITAL_RESOLVER, r->answered_at);
    if (l->q != NULL) {
        u->cause = answered ? read_answer(u, msg, len) : cause_of_status(status);
        if (r->named && u->cause == CAUSE_agent_resolver_down)
            u->cause = CAUSE_dns_timeout;
        if (!l->q->cancelled)
            arm_after_answer(l, u);
    }
    lookup_free_if_over(l);
}

static void on_canary(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
    struct channel *c = arg;
    REQUIRE(c != NULL && c->n_queries > 0);
    struct resolver *r = c->arg;
    c->n_queries--;
    r->n_queries--;
    if (msg != NULL && len >= DNS_HEADER_BYTES)
        r->answered_at = loop_now(r->loop);
}

/* ---- questions */

static void count_query(struct resolver *r, struct channel *c)
{
    c->n_queries++;
    r->n_queries++;
}

static void ask(struct lookup *l, enum family f)
{
    struct question *u = &l->questions[f];
    struct channel *c = current_channel(l->owner);
    *u = (struct question){.lookup = l, .family = f, .channel = c, .asked = true};
    count_query(l->owner, c);
    ares_query(c->ares, l->host, CLASS_IN, family_type[f], on_answer,
               u); /* may call back at once */
}

static void lookup_begin(struct lookup *l)
{
    struct resolver *r = l->owner;
    struct mono now = loop_now(r->loop);
    REQUIRE(!mono_is_set(l->started_at) && l->q != NULL);
    l->started_at = now;
    renew_if_due(r, now);
    /* Both are marked before the first is asked: an answer inside ares_query must not look like the
     * last one. */
    l->questions[V6].asked = l->version != IP_V4;
    l->questions[V4].asked = l->version != IP_V6;
    if (l->questions[V6].asked)
        ask(l, V6);
    if (l->questions[V4].asked)
        ask(l, V4);
    if (!timer_armed(&r->tick))
        timer_arm(loop_timers(r->loop), &r->tick, mono_add_ms(now, TICK_MS), on_tick);
}

static void pump(struct resolver *r)
{
    while (r->n_queries + FAMILIES <= QUERIES_MAX && !list_empty(&r->waiting)) {
        struct resolve *q = CONTAINER_OF(list_pop_front(&r->waiting), struct resolve, node);
        lookup_begin(q->query);
    }
}

static void canary_if_silent(struct resolver *r, struct mono now)
{
    struct mono quiet_since = mono_add_ms(now, -CANARY_AFTER_MS);
    if (r->named || r->n_live == 0 || !mono_before(r->answered_at, quiet_since) ||
        !mono_before(r->canary_at, quiet_since))
        return;
    struct channel *c = current_channel(r);
    r->canary_before_at = r->canary_at;
    r->canary_at = now;
    count_query(r, c);
    ares_query(c->ares, ".", CLASS_IN, TYPE_NS, on_canary, c);
}

static void on_tick(struct timer *t, struct mono now)
{
    struct resolver *r = CONTAINER_OF(t, struct resolver, tick);
    LIST_EACH (&r->channels, n)
        channel_process(CONTAINER_OF(n, struct channel, node));
    canary_if_silent(r, now);
    reap_channels(r);
    pump(r);
    if (r->n_queries > 0)
        timer_arm(loop_timers(r->loop), &r->tick, mono_add_ms(now, TICK_MS), on_tick);
}

/* ---- the end of a resolve */

/* IPv6 first, then in turns, the rest of the longer one behind. */
static void interleave(struct resolve *q, const struct lookup *l)
{
    const struct question *u = l->questions;
    for (unsigned i = 0; i < RESOLVE_ADDRS_MAX; i++)
        for (enum family f = 0; f < FAMILIES; f++)
            if (i < u[f].n_addrs && q->n_addrs < RESOLVE_ADDRS_MAX)
                q->addrs[q->n_addrs++] = u[f].addrs[i];
}

/* Was the resolver silent to everything since this name was asked, a canary that had its time too?
 */
static bool resolver_is_silent(const struct lookup *l, struct mono now)
{
    const struct resolver *r = l->owner;
    bool waited = !mono_before(mono_add_ms(now, -CANARY_AFTER_MS), r->canary_at);
    struct mono canary = waited ? r->canary_at : r->canary_before_at;
    return !r->named && mono_before(r->answered_at, l->started_at) &&
           !mono_before(canary, l->started_at);
}

static enum cause question_cause(const struct lookup *l, const struct question *u, struct mono now)
{
    enum cause c = u->ended ? u->cause : CAUSE_dns_timeout;
    if (c == CAUSE_dns_timeout && resolver_is_silent(l, now))
        return CAUSE_agent_resolver_down;
    return c;
}

/* Of two failures the one that says more about the name: NXDOMAIN holds for every type, NODATA for
 * its own only. */
static enum cause worse_cause(enum cause a, enum cause b)
{
    static const enum cause order[] = {
        CAUSE_dns_nxdomain,        CAUSE_agent_fd_exhausted, CAUSE_agent_memory,
        CAUSE_agent_resolver_down, CAUSE_dns_timeout,        CAUSE_dns_servfail,
        CAUSE_dns_refused,         CAUSE_dns_malformed,      CAUSE_dns_nodata,
    };
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (a == order[i] || b == order[i])
            return order[i];
    UNREACHABLE("a failed question has one of these causes");
}

static void fail_resolve(struct resolve *q, const struct lookup *l, struct mono now)
{
    const struct question *u = l->questions;
    enum cause v6 = u[V6].asked ? question_cause(l, &u[V6], now) : CAUSE_NONE;
    enum cause v4 = u[V4].asked ? question_cause(l, &u[V4], now) : CAUSE_NONE;
    bool both = u[V6].asked && u[V4].asked;
    if (both && v6 != v4)
        snprintf(q->detail, sizeof(q->detail), "AAAA: %s; A: %s", cause_word(v6), cause_word(v4));
    else
        snprintf(q->detail, sizeof(q->detail), "asked for %s",
                 both          ? "A and AAAA"
                 : u[V4].asked ? "A"
                               : "AAAA");
    q->cause = both ? worse_cause(v6, v4) : u[V4].asked ? v4 : v6;
    REQUIRE(q->cause != CAUSE_NONE);
}

static void settle(struct resolve *q, struct lookup *l, struct mono now)
{
    if (!mono_is_set(l->started_at)) {
        q->cause = CAUSE_agent_resolver_down;
        snprintf(q->detail, sizeof(q->detail),
                 "too many names are being resolved; its turn did not come in time");
        return;
    }
    interleave(q, l);
    if (q->n_addrs == 0)
        fail_resolve(q, l, now);
}

static void on_resolve_timer(struct timer *t, struct mono now)
{
    struct resolve *q = CONTAINER_OF(t, struct resolve, timer);
    struct resolver *r = q->owner;
    struct lookup *l = q->query;
    REQUIRE(r != NULL && r->n_live > 0);
    if (list_linked(&q->node))
        list_remove(&r->waiting, &q->node);
    r->n_live--;
    q->owner = NULL;
    q->query = NULL;
    if (l != NULL) {
        REQUIRE(l->q == q);
        if (!q->cancelled)
            settle(q, l, now);
        l->q = NULL;
        lookup_free_if_over(l);
    }
    q->done(q); /* q may be gone now */
}

static void end_soon(struct resolve *q)
{
    timer_arm(loop_timers(q->owner->loop), &q->timer, loop_now(q->owner->loop), on_resolve_timer);
}

static void take_literal(struct resolve *q, const struct ip *ip, enum ip_version v)
{
    bool fits = v == IP_ANY || (v == IP_V4) == (ip->family == AF_INET);
    if (fits) {
        q->addrs[q->n_addrs++] = *ip;
    } else {
        q->cause = CAUSE_dns_nodata;
        snprintf(q->detail, sizeof(q->detail),
                 "the host is a literal IPv%d address, but ip_version is %d",
                 ip->family == AF_INET ? 4 : 6, v == IP_V4 ? 4 : 6);
    }
}

/* ---- the interface */

struct resolver *resolver_create(struct loop *l, const struct resolver_config *c)
{
    REQUIRE(l != NULL && c != NULL);
    struct resolver *r = mem_zalloc(sizeof(*r));
    r->loop = l;
    r->servers = mem_strdup(c->servers);
    r->named = c->named;
    r->vitals = c->vitals;
    r->renew_at = mono_add_ms(loop_now(l), RENEW_MS);
    list_init(&r->channels);
    list_init(&r->waiting);
    if (channel_add(r))
        return r;
    free(r->servers);
    free(r);
    return NULL;
}

void resolver_destroy(struct resolver **rp)
{
    struct resolver *r = *rp;
    if (!r)
        return;
    REQUIRE(r->n_live == 0 && list_empty(&r->waiting));
    LIST_EACH_SAFE (&r->channels, n, tmp)
        channel_remove(r, CONTAINER_OF(n, struct channel, node));
    REQUIRE(r->n_queries == 0);
    timer_disarm(loop_timers(r->loop), &r->tick);
    free(r->servers);
    free(r);
    *rp = NULL;
}

void resolve_start(struct resolver *r, struct resolve *q, const char *host, enum ip_version v,
                   struct mono deadline)
{
    REQUIRE(r != NULL && q->owner == NULL && q->done != NULL);
    struct ip ip;
    q->owner = r;
    q->n_addrs = 0;
    q->cause = CAUSE_NONE;
    q->detail[0] = '\0';
    q->cancelled = false;
    r->n_live++;
    if (ip_parse(host, &ip) == ERR_NONE) {
        take_literal(q, &ip, v);
        end_soon(q);
        return;
    }
    struct lookup *l = mem_zalloc(sizeof(*l));
    *l = (struct lookup){.owner = r, .q = q, .version = v, .deadline = deadline};
    snprintf(l->host, sizeof(l->host), "%s", host); /* what is cut is no name for c-ares either */
    q->query = l;
    arm_resolve(l, deadline);
    list_push_back(&r->waiting, &q->node);
    pump(r);
}

bool resolver_is_full(const struct resolver *r)
{
    return !list_empty(&r->waiting);
}

void resolve_cancel(struct resolve *q)
{
    if (q->owner == NULL || q->cancelled)
        return; /* its callback has run, or is on its way */
    q->cancelled = true;
    end_soon(q);
}
