/* SPDX-License-Identifier: MIT */
#include "master/core/bulk.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/mem.h"
#include "common/require.h"
#include "proto/limits.h"

#define uthash_fatal(msg) UNREACHABLE("uthash: " msg)
#include <uthash.h>

#define LATE_MS       1000  /* of our loop: heartbeats may have waited as long */
#define BUSY_CPU      0.95  /* of a core: nothing more goes through one thread */
#define COMMIT_MS     5000  /* a heartbeat's interval without a commit */
#define ALL_PERCENT   90    /* of the fleet: the rest may be on our side of the cut */
#define SPENT_MS      15000 /* after the freeze: the pace, and some room */
#define GROUP_PERCENT 80    /* of the lost are in the group, and of the group are lost */

static const char *const words[] = {
    [BULK_SINGLE] = "single",
    [BULK_MASTER_OVERLOAD] = "master_overload",
    [BULK_HANDLER_SLOW] = "handler_slow",
    [BULK_NETWORK_GROUP] = "network_group",
    [BULK_NETWORK_ALL] = "network_all",
};

const char *bulk_word(enum bulk_class c)
{
    REQUIRE(c <= BULK_NETWORK_ALL);
    return words[c];
}

bool bulk_is_many(unsigned troubled, unsigned agents)
{
    REQUIRE(troubled <= agents);
    return troubled >= BULK_LEAST && (uint64_t)troubled * 100 >= (uint64_t)agents * BULK_PERCENT;
}

static bool percent_of(unsigned part, unsigned whole, unsigned percent)
{
    return (uint64_t)part * 100 >= (uint64_t)whole * percent;
}

/* Our own faults come first: whoever did not listen may not speak of silence. */
enum bulk_class bulk_classify(const struct bulk_figures *f)
{
    REQUIRE(f->unread <= f->sockets && f->sockets <= f->troubled);
    if (!bulk_is_many(f->troubled, f->agents))
        return BULK_SINGLE;
    if (f->overslept_ms >= LATE_MS || f->lag_ms >= LATE_MS || f->cpu >= BUSY_CPU ||
        f->commit_ms >= COMMIT_MS)
        return BULK_MASTER_OVERLOAD;
    if (f->unread > 0 && percent_of(f->unread, f->sockets, 50))
        return BULK_HANDLER_SLOW;
    return percent_of(f->troubled, f->agents, ALL_PERCENT) ? BULK_NETWORK_ALL : BULK_NETWORK_GROUP;
}

/* ---- what the lost have in common */

struct key {
    char text[BULK_KEY_MAX];
    unsigned lost, well, order;
    UT_hash_handle hh;
};
struct bulk_groups {
    struct key *keys;
};

struct bulk_groups *bulk_groups_create(void)
{
    return mem_zalloc(sizeof(struct bulk_groups));
}

void bulk_groups_destroy(struct bulk_groups **gp)
{
    struct bulk_groups *g = *gp;
    if (!g)
        return;
    struct key *k, *tmp;
    HASH_ITER(hh, g->keys, k, tmp)
    {
        HASH_DEL(g->keys, k);
        free(k);
    }
    free(g);
    *gp = NULL;
}

static struct key *key_find(const struct bulk_groups *g, const char *text)
{
    struct key *k = NULL;
    HASH_FIND_STR(g->keys, text, k);
    return k;
}

void bulk_groups_lost(struct bulk_groups *g, const char *text)
{
    struct key *k = key_find(g, text);
    if (!k && (HASH_COUNT(g->keys) >= BULK_KEYS_MAX || strlen(text) >= BULK_KEY_MAX))
        return;
    if (!k) {
        k = mem_zalloc(sizeof(*k));
        snprintf(k->text, sizeof(k->text), "%s", text);
        HASH_ADD_STR(g->keys, text, k);
    }
    k->lost++;
}

void bulk_groups_well(struct bulk_groups *g, const char *text)
{
    struct key *k = key_find(g, text);
    if (k)
        k->well++;
}

void bulk_groups_best(const struct bulk_groups *g, unsigned lost, struct bulk_group *out)
{
    *out = (struct bulk_group){.key = ""};
    struct key *k, *tmp;
    HASH_ITER(hh, g->keys, k, tmp)
    {
        bool most = percent_of(k->lost, lost, GROUP_PERCENT);
        bool few_others = percent_of(k->lost, k->lost + k->well, GROUP_PERCENT);
        bool better = k->lost > out->lost || (k->lost == out->lost && k->well < out->well);
        if (!most || !few_others || !better)
            continue;
        *out = (struct bulk_group){.lost = k->lost, .well = k->well};
        snprintf(out->key, sizeof(out->key), "%s", k->text);
    }
}

/* ---- for people */

static void tell_group(const struct bulk_group *group, char *out, size_t max)
{
    out[0] = '\0';
    if (!group)
        return;
    if (!group->key[0])
        snprintf(out, max, "; they have no address, prefix or tag in common");
    else
        snprintf(out, max, "; %u of them have %s, as have %u that are fine", group->lost,
                 group->key, group->well);
}

void bulk_tell(enum bulk_class c, const struct bulk_figures *f, const struct bulk_group *group,
               char *out, size_t max)
{
    char common[BULK_KEY_MAX + 64], cpu[16] = "unknown";
    tell_group(group, common, sizeof(common));
    if (f->cpu >= 0)
        snprintf(cpu, sizeof(cpu), "%.0f %%", f->cpu * 100);
    snprintf(out, max,
             "%s: %u of %u agents suspect or lost%s; %u of %u connections hold unread bytes; own "
             "lag %.0f ms, overslept %lld ms, CPU %s, commit waits %lld ms",
             bulk_word(c), f->troubled, f->agents, common, f->unread, f->sockets, f->lag_ms,
             (long long)f->overslept_ms, cpu, (long long)f->commit_ms);
}

/* ---- what the lost say of it */

void bulk_story_hear(struct bulk_story *s, double lag_ms, int64_t waiting)
{
    REQUIRE(s->back < s->lost);
    s->back++;
    s->stood += lag_ms >= HEARTBEAT_MS;
    s->worst_ms = lag_ms > s->worst_ms ? lag_ms : s->worst_ms;
    s->waited += waiting > 0 ? (uint64_t)waiting : 0;
}

bool bulk_story_corrects(const struct bulk_story *s)
{
    bool of_the_path = s->cls == BULK_NETWORK_GROUP || s->cls == BULK_NETWORK_ALL;
    return of_the_path && s->stood * 2 > s->back;
}

void bulk_story_tell(const struct bulk_story *s, char *out, size_t max)
{
    snprintf(
        out, max,
        "%s%s: of %u that were lost %u are back; %u of them say that their own loop stood, for "
        "%.1f s at most; %llu tasks and results waited with them%s",
        bulk_word(s->cls), bulk_story_corrects(s) ? " corrected to agents_stood" : " stands",
        s->lost, s->back, s->stood, s->stood > 0 ? s->worst_ms / 1000 : 0.0,
        (unsigned long long)s->waited,
        bulk_story_corrects(s) ? ": look at what their hosts share, not at the network" : "");
}

/* ---- the course of one */

struct mono bulk_window(const struct bulk *b, struct mono now)
{
    return mono_add_ms(b->state == BULK_QUIET ? now : b->since, -BULK_WINDOW_MS);
}

static bool own_fault(enum bulk_class c)
{
    return c == BULK_MASTER_OVERLOAD || c == BULK_HANDLER_SLOW;
}

static enum bulk_news begin(struct bulk *b, enum bulk_class c, struct mono now)
{
    *b = (struct bulk){.state = own_fault(c) ? BULK_STANDING : BULK_SETTLING, .since = now};
    b->cls = c;
    return b->state == BULK_STANDING ? BULK_FOUND : BULK_NO_NEWS;
}

static enum bulk_news end(struct bulk *b)
{
    enum bulk_news news = b->state == BULK_SETTLING   ? BULK_FOUND
                          : b->state == BULK_STANDING ? BULK_OVER
                                                      : BULK_NO_NEWS;
    b->state = BULK_QUIET;
    return news;
}

static enum bulk_news settle(struct bulk *b, enum bulk_class c, struct mono now)
{
    b->cls = c;
    if (!own_fault(c) && mono_diff_ms(now, b->since) < BULK_SETTLE_MS)
        return BULK_NO_NEWS;
    b->state = BULK_STANDING;
    return BULK_FOUND;
}

/* A part becomes the whole when the rest follows, and the other way when some come back; what is
 * our own fault stays so until it is over. */
static enum bulk_news stand(struct bulk *b, enum bulk_class c, struct mono now)
{
    if (!own_fault(b->cls) && !own_fault(c))
        b->cls = c;
    if (mono_diff_ms(now, b->since) < BULK_FREEZE_MS)
        return BULK_NO_NEWS;
    b->state = BULK_SPENT;
    return BULK_OVER;
}

static enum bulk_news step(struct bulk *b, const struct bulk_figures *f, struct mono now)
{
    enum bulk_class c = bulk_classify(f);
    if (b->state != BULK_QUIET && f->troubled > b->worst)
        b->worst = f->troubled;
    if (c == BULK_SINGLE)
        return b->state == BULK_QUIET ? BULK_NO_NEWS : end(b);
    b->seen = *f;
    switch (b->state) {
    case BULK_QUIET: {
        enum bulk_news news = begin(b, c, now);
        b->worst = f->troubled;
        b->seen = *f;
        return news;
    }
    case BULK_SETTLING:
        return settle(b, c, now);
    case BULK_STANDING:
        return stand(b, c, now);
    case BULK_SPENT: /* who is still away has been given up */
        if (mono_diff_ms(now, b->since) >= BULK_FREEZE_MS + SPENT_MS)
            b->state = BULK_QUIET;
        break;
    }
    return BULK_NO_NEWS;
}

static bool freezes(const struct bulk *b)
{
    return b->state == BULK_STANDING && b->cls != BULK_NETWORK_GROUP;
}

enum bulk_news bulk_step(struct bulk *b, const struct bulk_figures *f, struct mono now)
{
    bool froze = freezes(b);
    enum bulk_news news = step(b, f, now);
    if (froze && !freezes(b))
        b->eased_at = b->state == BULK_SPENT ? (struct mono){0} : now;
    return news;
}

bool bulk_holds_deaths(const struct bulk *b)
{
    return b->state == BULK_STANDING && own_fault(b->cls);
}

/* The first of them are back: the rest gets the time to follow, within that of the freeze. */
static bool they_return(const struct bulk *b, struct mono now)
{
    return mono_is_set(b->eased_at) && mono_diff_ms(now, b->eased_at) < BULK_RETURN_MS &&
           mono_diff_ms(now, b->since) < BULK_FREEZE_MS;
}

unsigned bulk_may_requeue(const struct bulk *b, struct mono now)
{
    if (b->state == BULK_SETTLING || freezes(b) || they_return(b, now))
        return 0;
    if (b->state == BULK_QUIET)
        return UINT_MAX;
    return (b->worst + BULK_PACE_S - 1) / BULK_PACE_S;
}
