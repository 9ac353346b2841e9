/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "master/core/state.h"

/* What bulk.c needs to know of the fleet, and what people are told of its verdict. */

#define V4_PREFIX_BITS 24 /* as sites and providers route */
#define V6_PREFIX_BITS 48

static bool in_trouble(const struct agent *a, struct mono from)
{
    return mono_is_set(a->troubled_at) && !mono_before(a->troubled_at, from);
}

static void count_agents(struct core *c, struct mono from, struct bulk_figures *f)
{
    f->agents = c->connected;
    LIST_EACH (&c->troubled, n) {
        const struct agent *a = CONTAINER_OF(n, struct agent, troubled_node);
        if (!in_trouble(a, from))
            break;
        f->agents += a->session == NULL;
        f->troubled++;
        f->sockets += a->session != NULL;
        f->unread += a->session && c->ops.unread(c->arg, a->session->id) > 0;
    }
}

static struct bulk_figures look(struct core *c, struct mono from, struct mono now)
{
    struct bulk_figures f = {.lag_ms = c->own_lag_ms, .cpu = c->ops.cpu(c->arg)};
    if (c->storing == 0)
        c->committed_at = now;
    f.commit_ms = mono_diff_ms(now, c->committed_at);
    if (mono_is_set(c->overslept_at) && !mono_before(c->overslept_at, from))
        f.overslept_ms = c->overslept_ms;
    count_agents(c, from, &f);
    return f;
}

typedef void group_add_f(struct bulk_groups *g, const char *key);

static void add_address(struct bulk_groups *g, const char *peer, group_add_f *add)
{
    char key[BULK_KEY_MAX], text[IP_TEXT_MAX];
    struct ip ip;
    if (ip_parse(peer, &ip) != ERR_NONE)
        return; /* a unix socket */
    snprintf(key, sizeof(key), "the address %s", ip_format(&ip, text));
    add(g, key);
    unsigned bits = ip.family == AF_INET ? V4_PREFIX_BITS : V6_PREFIX_BITS;
    unsigned width = ip.family == AF_INET ? 4 : 16;
    memset(ip.bytes + bits / 8, 0, width - bits / 8);
    snprintf(key, sizeof(key), "the prefix %s/%u", ip_format(&ip, text), bits);
    add(g, key);
}

static void add_agent(struct bulk_groups *g, const struct agent *a, group_add_f *add)
{
    char key[BULK_KEY_MAX];
    for (unsigned i = 0; i < a->n_tags; i++) {
        int n = snprintf(key, sizeof(key), "the tag %s=%s", a->tags[i].key, a->tags[i].value);
        if (n > 0 && (size_t)n < sizeof(key))
            add(g, key);
    }
    add_address(g, a->peer, add);
}

static void find_group(struct core *c, struct mono from, unsigned lost, struct bulk_group *out)
{
    struct bulk_groups *g = bulk_groups_create();
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        if (in_trouble(a, from))
            add_agent(g, a, bulk_groups_lost);
    }
    HASH_ITER(hh, c->agents, a, tmp)
    {
        if (a->session && !in_trouble(a, from))
            add_agent(g, a, bulk_groups_well);
    }
    bulk_groups_best(g, lost, out);
    bulk_groups_destroy(&g);
}

/* ---- what the lost say of it when they are back */

static void story_end(struct core *c)
{
    char text[BULK_STORY_TEXT_MAX];
    struct bulk_story *s = &c->story;
    if (s->back > 0) {
        bulk_story_tell(s, text, sizeof(text));
        c->ops.event(c->arg, "bulk_loss_story", NULL, text);
    }
    s->since = (struct mono){0};
}

static void story_begin(struct core *c, struct mono from, struct mono now)
{
    if (mono_is_set(c->story.since))
        story_end(c);
    c->story = (struct bulk_story){.no = c->story.no + 1, .since = now, .cls = c->bulk.cls};
    LIST_EACH (&c->troubled, n) {
        struct agent *a = CONTAINER_OF(n, struct agent, troubled_node);
        if (!in_trouble(a, from))
            break;
        a->story = c->story.no;
        c->story.lost++;
    }
    if (c->story.lost == 0) /* they are back already */
        c->story.since = (struct mono){0};
}

void bulk_hear(struct core *c, struct agent *a, const struct msg_heartbeat *m)
{
    if (a->story == 0)
        return;
    bool of_this = a->story == c->story.no && mono_is_set(c->story.since);
    a->story = 0;
    if (!of_this)
        return;
    int64_t queue = m->queue > 0 ? m->queue : 0, results = m->outbox_results;
    bulk_story_hear(&c->story, m->lag_ms, queue + (results > 0 ? results : 0));
    if (c->story.back == c->story.lost)
        story_end(c);
}

/* ---- what is told */

/* One that healed before it was told has no group any more to be found. */
static void tell_found(struct core *c, struct mono from)
{
    char text[BULK_TEXT_MAX];
    struct bulk_group group;
    const struct bulk_figures *f = &c->bulk.seen;
    bool part = c->bulk.cls == BULK_NETWORK_GROUP && c->bulk.state != BULK_QUIET;
    if (part)
        find_group(c, from, f->troubled, &group);
    bulk_tell(c->bulk.cls, f, part ? &group : NULL, text, sizeof(text));
    counter_add(&c->stats.bulk_losses, 1);
    c->ops.event(c->arg, "bulk_loss", NULL, text);
}

static void tell_over(struct core *c, const struct bulk_figures *f, struct mono now)
{
    char text[BULK_TEXT_MAX];
    snprintf(text, sizeof(text), "%s: after %lld s %u of %u agents are still away%s",
             bulk_word(c->bulk.cls), (long long)mono_diff_ms(now, c->bulk.since) / 1000,
             f->troubled, c->bulk.worst,
             c->bulk.state == BULK_SPENT ? "; nothing is withheld any longer" : "");
    c->ops.event(c->arg, "bulk_loss_over", NULL, text);
}

void bulk_watch(struct core *c, struct mono now)
{
    struct mono from = bulk_window(&c->bulk, now);
    struct bulk_figures f = look(c, from, now);
    if (c->draining)
        return; /* they are told to leave */
    enum bulk_news news = bulk_step(&c->bulk, &f, now);
    if (mono_is_set(c->story.since) && mono_diff_ms(now, c->story.since) >= BULK_FREEZE_MS)
        story_end(c);
    if (news == BULK_FOUND) {
        tell_found(c, from);
        story_begin(c, from, now);
    } else if (news == BULK_OVER) {
        tell_over(c, &f, now);
    }
    gauge_set(&c->stats.bulk_loss, c->bulk.state != BULK_QUIET);
}
