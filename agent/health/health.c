/* SPDX-License-Identifier: MIT */
#include "agent/health/health.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/mem.h"

/* Tasks go on with a sixteenth of the places when only they can show that the network is back. */
#define STEP_SHARE  16
#define TROUBLE_MAX 160

struct vital_state {
    struct mono good_at; /* the last sign seen */
    struct list cases;   /* not decided */
    uint64_t hosts[HEALTH_SILENT_HOSTS];
    unsigned n_hosts;     /* different ones that were silent since good_at */
    bool covered;         /* it has a canary … */
    bool proven;          /* … that has answered once: its silence means something */
    bool asked;           /* … that is under way */
    struct mono asked_at; /* the last one's start; unset = none yet */
    struct mono over_for; /* the start of the last one that has ended */
    struct mono down_at;  /* unset = up */
};

struct health {
    unsigned base, limit; /* places: at best, and while faults come */
    struct vital_state vitals[VITALS];
    struct list decided;
    bool fell, paused;
    bool in_use; /* something has been measured: before that no canary is worth its packet */
    unsigned ends, faults; /* since the last tick */
    unsigned last_faults;
    enum cause fault; /* the last one */
    int64_t ports_used, ports_range;
    char trouble[TROUBLE_MAX];
};

struct health *health_create(unsigned places, unsigned canaries)
{
    REQUIRE(places > 0);
    struct health *h = mem_zalloc(sizeof(*h));
    h->base = h->limit = places;
    h->ports_used = h->ports_range = -1;
    list_init(&h->decided);
    for (enum vital v = VITAL_NONE; v < VITALS; v++) {
        list_init(&h->vitals[v].cases);
        h->vitals[v].covered = canaries & 1u << v;
    }
    return h;
}

void health_destroy(struct health **hp)
{
    if (!*hp)
        return;
    REQUIRE(health_waiting(*hp) == 0 && list_empty(&(*hp)->decided));
    free(*hp);
    *hp = NULL;
}

static bool is_down(const struct vital_state *s)
{
    return mono_is_set(s->down_at);
}

/* ---- verdicts */

static void note_host(struct vital_state *s, uint64_t host)
{
    for (unsigned i = 0; i < s->n_hosts; i++)
        if (s->hosts[i] == host)
            return;
    if (s->n_hosts < HEALTH_SILENT_HOSTS)
        s->hosts[s->n_hosts++] = host;
}

static void decide(struct health *h, struct vital_state *s, struct health_case *c, bool ours)
{
    c->ours = ours;
    list_remove(&s->cases, &c->node);
    list_push_back(&h->decided, &c->node);
}

static void fall(struct health *h, struct vital_state *s, struct mono now)
{
    enum vital v = (enum vital)(s - h->vitals);
    if (is_down(s))
        return;
    s->down_at = now;
    h->fell = true;
    LOG(LOG_WARN, "health", "down", LS("what", vital_text(v)),
        LS("shown_by", s->proven ? "the canary" : "different targets, all silent"));
}

static void rise(struct health *h, struct vital_state *s, struct mono now)
{
    enum vital v = (enum vital)(s - h->vitals);
    LOG(LOG_INFO, "health", "up", LS("what", vital_text(v)),
        LI("down_ms", mono_diff_ms(now, s->down_at)));
    s->down_at = (struct mono){0};
}

/* Never heard from, or not since before the first of many silent hosts. */
static bool all_silent(const struct vital_state *s)
{
    return s->n_hosts == HEALTH_SILENT_HOSTS;
}

static bool canary_was_silent(const struct vital_state *s, const struct health_case *c)
{
    return s->proven && mono_is_set(s->over_for) && !mono_before(s->over_for, c->entered);
}

static void judge(struct health *h, struct vital_state *s, struct health_case *c, struct mono now)
{
    if (mono_before(c->entered, s->good_at)) {
        decide(h, s, c, false);
    } else if (is_down(s)) {
        decide(h, s, c, true);
    } else if (canary_was_silent(s, c) || (!s->proven && all_silent(s))) {
        fall(h, s, now);
        decide(h, s, c, true);
    } else if (!s->proven && mono_diff_ms(now, c->entered) >= HEALTH_HOLD_MS) {
        decide(h, s, c, false);
    }
}

static void look(struct health *h, struct vital_state *s, struct mono good_at, struct mono now)
{
    if (mono_before(s->good_at, good_at)) {
        s->good_at = good_at;
        s->n_hosts = 0;
        if (is_down(s) && mono_before(s->down_at, good_at))
            rise(h, s, now);
    }
    LIST_EACH_SAFE (&s->cases, n, tmp)
        judge(h, s, CONTAINER_OF(n, struct health_case, node), now);
}

void health_enter(struct health *h, struct health_case *c, struct mono now)
{
    REQUIRE(c->vital > VITAL_NONE && c->vital < VITALS && !list_linked(&c->node));
    struct vital_state *s = &h->vitals[c->vital];
    h->in_use = true;
    c->entered = now;
    c->ours = false;
    if (!mono_before(c->since, s->good_at))
        note_host(s, c->host);
    list_push_back(&s->cases, &c->node);
}

void health_step(struct health *h, const struct vitals *v, struct mono now)
{
    for (enum vital i = VITAL_NONE + 1; i < VITALS; i++)
        look(h, &h->vitals[i], vitals_last(v, i), now);
}

struct health_case *health_next(struct health *h)
{
    struct list_node *n = list_pop_front(&h->decided);
    return n ? CONTAINER_OF(n, struct health_case, node) : NULL;
}

struct health_case *health_abandon(struct health *h)
{
    for (enum vital i = VITAL_NONE; i < VITALS; i++) {
        struct list_node *n = list_pop_front(&h->vitals[i].cases);
        if (n)
            return CONTAINER_OF(n, struct health_case, node);
    }
    return health_next(h);
}

size_t health_waiting(const struct health *h)
{
    size_t n = 0;
    for (enum vital i = VITAL_NONE; i < VITALS; i++)
        n += h->vitals[i].cases.count;
    return n;
}

/* ---- canaries */

static struct mono entered_at(const struct list_node *n)
{
    return CONTAINER_OF(n, struct health_case, node)->entered;
}

/* Some case has waited long enough, and one is younger than the last canary that was
 * asked to the end. */
static bool asked_for(const struct vital_state *s, struct mono now)
{
    const struct list_node *first = list_first(&s->cases), *last = list_last(&s->cases);
    return first && mono_diff_ms(now, entered_at(first)) >= HEALTH_CANARY_AFTER_MS &&
           !mono_before(entered_at(last), s->over_for);
}

static bool canary_due(const struct vital_state *s, struct mono now)
{
    if (!s->covered || s->asked)
        return false;
    if (!mono_is_set(s->asked_at))
        return true;
    int64_t ago_ms = mono_diff_ms(now, s->asked_at);
    return (asked_for(s, now) && ago_ms >= HEALTH_CANARY_GAP_MS) ||
           (is_down(s) && ago_ms >= HEALTH_CANARY_EVERY_MS) ||
           (!s->proven && ago_ms >= HEALTH_PROVE_EVERY_MS);
}

unsigned health_canaries_due(struct health *h, struct mono now)
{
    unsigned due = 0;
    for (enum vital i = VITAL_NONE + 1; i < VITALS; i++) {
        struct vital_state *s = &h->vitals[i];
        if (!h->in_use || !canary_due(s, now))
            continue;
        s->asked = true;
        s->asked_at = now;
        due |= 1u << i;
    }
    return due;
}

void health_canary_over(struct health *h, enum vital vital, bool answered, struct mono now)
{
    REQUIRE(vital > VITAL_NONE && vital < VITALS && h->vitals[vital].asked);
    struct vital_state *s = &h->vitals[vital];
    if (!answered && !s->proven && mono_is_set(s->over_for) == false)
        LOG(LOG_WARN, "health", "canary_silent", LS("of", vital_text(vital)),
            LS("fix", "it has never answered: an outage of this agent's own may be told as the "
                      "targets'; give a --canary that answers"));
    s->asked = false;
    s->over_for = s->asked_at;
    s->proven |= answered;
}

void health_canary_undone(struct health *h, enum vital vital)
{
    REQUIRE(vital > VITAL_NONE && vital < VITALS && h->vitals[vital].asked);
    h->vitals[vital].asked = false;
}

/* ---- places */

static bool mostly_faults(const struct health *h)
{
    return h->faults > 0 && h->faults * 2 >= h->ends;
}

static bool network_vital(enum vital v)
{
    return v > VITAL_RESOLVER;
}

/* A canary stops and starts everything by itself: such a fault is no reason to go on slowly
 * afterwards. */
static bool canary_watches(const struct health *h, enum cause fault)
{
    for (enum vital i = VITAL_NONE + 1; i < VITALS; i++)
        if (is_down(&h->vitals[i]) && h->vitals[i].proven &&
            fault == (network_vital(i) ? CAUSE_agent_network_down : CAUSE_agent_resolver_down))
            return true;
    return false;
}

void health_ended(struct health *h, enum cause own_fault, struct mono now)
{
    REQUIRE(own_fault == CAUSE_NONE || cause_where(own_fault) == WHERE_AGENT);
    h->in_use = true;
    if (own_fault == CAUSE_agent_resolver_down && h->vitals[VITAL_RESOLVER].proven)
        fall(h, &h->vitals[VITAL_RESOLVER], now);
    if (canary_watches(h, own_fault))
        return;
    h->ends++;
    if (own_fault == CAUSE_NONE)
        return;
    h->faults++;
    h->fault = own_fault;
    if (!mostly_faults(h) || h->paused)
        return;
    h->paused = h->fell = true;
}

static unsigned step_of(const struct health *h)
{
    return h->base < STEP_SHARE ? 1 : h->base / STEP_SHARE;
}

void health_ports(struct health *h, int64_t used, int64_t range)
{
    h->ports_used = used;
    h->ports_range = range;
}

void health_tick(struct health *h, unsigned in_hand)
{
    unsigned before = h->limit;
    if (mostly_faults(h)) {
        unsigned from = in_hand < h->limit ? in_hand : h->limit;
        h->limit = from > 1 ? from / 2 : 1;
        h->last_faults = h->faults;
    } else if (h->faults == 0 && h->limit < h->base) {
        unsigned step = h->limit / 2 > step_of(h) ? h->limit / 2 : step_of(h);
        unsigned more = h->limit + step;
        h->limit = more < h->base ? more : h->base;
    }
    if (before == h->base && h->limit < h->base)
        LOG(LOG_WARN, "health", "fewer_places", LS("cause", cause_word(h->fault)),
            LU("faults", h->faults), LU("places", h->limit), LU("of", h->base));
    h->ends = h->faults = 0;
    h->paused = false;
}

/* Down, and no other network has answered since. */
static bool cut_off(const struct health *h, enum vital v)
{
    if (!is_down(&h->vitals[v]))
        return false;
    if (!network_vital(v))
        return true;
    for (enum vital i = VITAL_NONE + 1; i < VITALS; i++)
        if (network_vital(i) && mono_before(h->vitals[v].down_at, h->vitals[i].good_at))
            return false;
    return true;
}

/* The illness that stops everything; VITAL_NONE = none does. */
static enum vital worst(const struct health *h)
{
    for (enum vital i = VITALS - 1; i > VITAL_NONE; i--)
        if (cut_off(h, i))
            return i;
    return VITAL_NONE;
}

static unsigned port_places(const struct health *h)
{
    if (h->ports_used < 0 || h->ports_range <= 0)
        return h->base;
    int64_t percent = h->ports_used * 100 / h->ports_range;
    if (percent <= HEALTH_PORTS_EASY)
        return h->base;
    if (percent >= HEALTH_PORTS_FULL)
        return 0;
    return (unsigned)(h->base * (HEALTH_PORTS_FULL - percent) /
                      (HEALTH_PORTS_FULL - HEALTH_PORTS_EASY));
}

unsigned health_places(const struct health *h)
{
    enum vital v = worst(h);
    unsigned n = h->limit, by_ports = port_places(h);
    if (h->paused)
        return 0;
    if (v != VITAL_NONE && h->vitals[v].proven)
        return 0;
    if (v != VITAL_NONE && n > step_of(h))
        n = step_of(h);
    return n < by_ports ? n : by_ports;
}

bool health_take_fall(struct health *h)
{
    bool fell = h->fell && health_places(h) == 0;
    h->fell = false;
    return fell;
}

const char *health_trouble(struct health *h, struct mono now)
{
    enum vital v = worst(h);
    h->trouble[0] = '\0';
    if (v != VITAL_NONE)
        snprintf(h->trouble, sizeof(h->trouble), "%s is down for %lld s: nothing on it answers%s",
                 vital_text(v), (long long)mono_diff_ms(now, h->vitals[v].down_at) / 1000,
                 h->vitals[v].proven ? ", the canary neither" : "");
    else if (port_places(h) < h->base)
        snprintf(h->trouble, sizeof(h->trouble),
                 "%lld of %lld local ports are in TIME_WAIT: at most %u of %u tasks are taken",
                 (long long)h->ports_used, (long long)h->ports_range, health_places(h), h->base);
    else if (h->limit < h->base)
        snprintf(h->trouble, sizeof(h->trouble),
                 "%s: %u probes met it in a second; at most %u of %u tasks are taken",
                 cause_word(h->fault), h->last_faults, h->limit, h->base);
    return h->trouble;
}
