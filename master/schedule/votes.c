/* SPDX-License-Identifier: MIT */
#include "master/schedule/votes.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* A streak over this is told as this: nobody asks for more witnesses. */
#define STREAK_MAX (VERDICT_CONFIRM_MAX + 1)
/* Who answers for the master where no agent has. */
#define NOBODY "an agent"

void votes_fini(struct votes *v, struct census *c)
{
    for (unsigned i = 0; i < v->n; i++)
        if (v->tries[i].agent != NULL)
            census_agent_put(c, v->tries[i].agent);
    free(v->tries);
    *v = (struct votes){0};
}

void votes_add(struct votes *v, uint64_t task)
{
    REQUIRE(task != 0 && v->n < VERDICT_VOTES_MAX);
    if (v->n == v->cap) {
        v->cap = v->cap ? 2 * v->cap : 2;
        v->tries = mem_realloc(v->tries, v->cap * sizeof(*v->tries));
    }
    v->tries[v->n++] = (struct votes_try){.task = task};
    v->open++;
}

static struct votes_try *find(const struct votes *v, uint64_t task)
{
    for (unsigned i = 0; i < v->n; i++)
        if (v->tries[i].task == task)
            return &v->tries[i];
    return NULL;
}

bool votes_result(struct votes *v, struct census *c, uint64_t task, const char *agent,
                  enum cause cause)
{
    struct votes_try *t = find(v, task);
    if (t == NULL || t->done)
        return false;
    REQUIRE(v->open > 0);
    v->open--;
    t->done = true;
    t->cause = cause;
    t->order = ++v->order;
    t->agent = agent != NULL ? census_agent_get(c, agent) : NULL;
    return true;
}

static enum verdict_vote_kind kind_of(const struct votes_try *t)
{
    enum verdict_vote_kind k = verdict_vote_kind(t->cause);
    if (t->agent != NULL)
        return k;
    return k == VERDICT_VOTE_MISSING ? k : VERDICT_VOTE_UNDETERMINED;
}

static bool measured(enum verdict_vote_kind k)
{
    return k == VERDICT_VOTE_OK || k == VERDICT_VOTE_FAILED;
}

static void merge(struct verdict_vote *vote, enum verdict_vote_kind k, const struct votes_try *t)
{
    if (!measured(k) && measured(vote->kind))
        return;
    vote->tries = k == VERDICT_VOTE_FAILED ? vote->tries + 1 : 0;
    vote->kind = k;
    vote->cause = t->cause;
}

/* Votes by this run alone. Names of agents are each there once, so that pointers compare. */
static unsigned collect(const struct votes *v, struct verdict_vote *out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < v->n; i++) {
        const struct votes_try *t = &v->tries[i];
        unsigned at = 0;
        if (!t->done)
            continue;
        while (t->agent != NULL && at < n && out[at].agent != t->agent->name)
            at++;
        if (t->agent == NULL)
            at = n;
        if (at == n)
            out[n++] = (struct verdict_vote){.agent = t->agent != NULL ? t->agent->name : NOBODY,
                                             .kind = VERDICT_VOTE_MISSING};
        merge(&out[at], kind_of(t), t);
    }
    return n;
}

static unsigned streak(const struct votes_streaks *s, const char *name)
{
    for (unsigned i = 0; s != NULL && i < s->n; i++)
        if (s->items[i].agent->name == name)
            return s->items[i].tries;
    return 0;
}

unsigned votes_count(const struct votes *v, const struct votes_streaks *s,
                     struct verdict_vote out[VERDICT_VOTES_MAX])
{
    unsigned n = collect(v, out), ok = 0;
    for (unsigned i = 0; i < n; i++)
        ok += out[i].kind == VERDICT_VOTE_OK;
    if (s == NULL || (s->disputed && ok == 0))
        return n;
    for (unsigned i = 0; i < n; i++)
        if (out[i].kind == VERDICT_VOTE_FAILED)
            out[i].tries += streak(s, out[i].agent);
    return n;
}

struct census_agent *votes_speaker(const struct votes *v, bool *none)
{
    struct census_agent *only = NULL;
    *none = true;
    for (unsigned i = 0; i < v->n; i++) {
        const struct votes_try *t = &v->tries[i];
        if (!t->done || t->agent == NULL || !measured(kind_of(t)))
            continue;
        if (!*none && t->agent != only)
            return NULL;
        only = t->agent;
        *none = false;
    }
    return only;
}

uint64_t votes_deciding(const struct votes *v, const struct verdict *verdict)
{
    enum verdict_vote_kind k = verdict->state == VERDICT_UP ? VERDICT_VOTE_OK : VERDICT_VOTE_FAILED;
    const struct votes_try *best = NULL;
    for (unsigned i = 0; i < v->n; i++) {
        const struct votes_try *t = &v->tries[i];
        if (t->done && kind_of(t) == k && (best == NULL || t->order > best->order))
            best = t;
    }
    return best != NULL ? best->task : 0;
}

unsigned votes_shun(const struct votes *v, uint64_t *out, unsigned max)
{
    unsigned n = 0;
    for (unsigned i = 0; i < v->n && n < max; i++) {
        bool known = v->tries[i].agent == NULL;
        for (unsigned k = 0; !known && k < n; k++)
            known = out[k] == v->tries[i].agent->hash;
        if (!known)
            out[n++] = v->tries[i].agent->hash;
    }
    return n;
}

/* ---- streaks */

void votes_streaks_free(struct votes_streaks **sp, struct census *c)
{
    struct votes_streaks *s = *sp;
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->n; i++)
        census_agent_put(c, s->items[i].agent);
    free(s);
    *sp = NULL;
}

static const struct verdict_vote *vote_of(const struct verdict_vote *votes, unsigned n,
                                          const struct census_agent *a)
{
    for (unsigned i = 0; i < n; i++)
        if (votes[i].agent == a->name)
            return &votes[i];
    return NULL;
}

static void put_streak(struct votes_streaks *s, struct census_agent *a, unsigned tries)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->items[i].agent == a)
            return;
    a->refs++;
    s->items[s->n++] = (struct votes_streak){a, tries < STREAK_MAX ? tries : STREAK_MAX};
}

/* Those of this run, and of those before that were not asked this time; bounded by the agents that
 * one run may have. */
static struct votes_streaks *gather(const struct votes *v, const struct votes_streaks *old,
                                    const struct verdict_vote *votes, unsigned n)
{
    unsigned room = v->n + (old != NULL ? old->n : 0);
    struct votes_streaks *s = mem_zalloc(sizeof(*s) + room * sizeof(s->items[0]));
    for (unsigned i = 0; i < v->n; i++) {
        struct census_agent *a = v->tries[i].agent;
        const struct verdict_vote *vote = a != NULL ? vote_of(votes, n, a) : NULL;
        if (vote != NULL && vote->kind == VERDICT_VOTE_FAILED)
            put_streak(s, a, vote->tries + streak(old, a->name));
    }
    for (unsigned i = 0; old != NULL && i < old->n && s->n < VERDICT_VOTES_MAX; i++) {
        const struct verdict_vote *vote = vote_of(votes, n, old->items[i].agent);
        if (vote == NULL || !measured(vote->kind))
            put_streak(s, old->items[i].agent, old->items[i].tries);
    }
    return s;
}

void votes_carry(const struct votes *v, struct census *c, const struct verdict *verdict,
                 struct votes_streaks **sp)
{
    struct verdict_vote votes[VERDICT_VOTES_MAX];
    if (verdict->failed == 0 && verdict->ok == 0)
        return;
    if (verdict->state == VERDICT_UP) {
        votes_streaks_free(sp, c);
        return;
    }
    struct votes_streaks *s = gather(v, *sp, votes, collect(v, votes));
    s->disputed = verdict->state == VERDICT_DEGRADED;
    votes_streaks_free(sp, c);
    *sp = s;
    if (s->n == 0)
        votes_streaks_free(sp, c);
}
