/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/census.h"
#include "master/schedule/plan.h"
#include "master/schedule/verdict.h"

/*
 * votes - one run of a check while it is under way: its tasks, who has said what, and what that
 * makes as votes (verdict.h).
 *
 * Each agent has one vote, its last word that measured something: one that failed and then saw it
 * well saw it well. How often in a row it has failed counts its tries of this run, and those of the
 * runs before (`tries` in verdict.h), which are kept from run to run as streaks, so that a target
 * that is down stays down without being asked about twice each time. But what others have
 * contradicted is no streak of the target's, it is the agent's own trouble:
 *
 *      the last verdict                    streaks
 *      nobody saw it well                  go on
 *      down, though some saw it well       go on
 *      degraded                            go on, but count only beside somebody who sees it well
 *      up, and a failure is left over      are forgotten
 *
 * So an ill prober never brings a target down by repeating itself while anybody else can be asked.
 * Answers of nobody (the master's own verdict) are votes of their own.
 *
 * Owned by one thread; agents are references of the census. Bounds: VERDICT_VOTES_MAX tasks.
 */
struct votes_try {
    uint64_t task;
    struct census_agent *agent; /* NULL: none yet, or nobody's word */
    enum cause cause;
    bool done;
    unsigned order; /* of arrival */
};
struct votes_streak {
    struct census_agent *agent;
    unsigned tries;
};
struct votes_streaks { /* of a check; NULL = none */
    bool disputed;     /* they count only beside an ok vote */
    unsigned n;
    struct votes_streak items[];
};

struct votes {
    struct votes_try *tries;
    unsigned n, cap;
    unsigned open; /* without a result */
    unsigned order;
};

void votes_fini(struct votes *v, struct census *c);
/* VERDICT_VOTES_MAX of them at most. */
void votes_add(struct votes *v, uint64_t task);
/* agent NULL: the master's own verdict. False: unknown, or answered already. */
bool votes_result(struct votes *v, struct census *c, uint64_t task, const char *agent,
                  enum cause cause);

/* Returns how many; names are borrowed from the census. */
unsigned votes_count(const struct votes *v, const struct votes_streaks *s,
                     struct verdict_vote out[VERDICT_VOTES_MAX]);
/* The only agent that measured; NULL: several, or none (*none). */
struct census_agent *votes_speaker(const struct votes *v, bool *none);
/* The last result that says what the verdict says; 0 = none does. */
uint64_t votes_deciding(const struct votes *v, const struct verdict *verdict);
/* Hashes of those who have spoken; returns how many, at most max. */
unsigned votes_shun(const struct votes *v, uint64_t *out, unsigned max);

/* The run has ended with this verdict: what its agents take along into the next. */
void votes_carry(const struct votes *v, struct census *c, const struct verdict *verdict,
                 struct votes_streaks **sp);
void votes_streaks_free(struct votes_streaks **sp, struct census *c);
