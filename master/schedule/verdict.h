/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include "proto/cause.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * verdict - what the results of one slot from several agents say of the target together.
 *
 * Only ok and failed are votes. Whoever could not measure (undetermined, a fault of the agent's
 * own, no result at all) has none, and can never make a target down. Pure; any thread.
 *
 * One failure is the word of one prober, which may itself be the one that is ill. It counts when it
 * has witnesses enough: `confirm` + 1 of them, where a witness is a failed try, of another agent or
 * of the same one anew (`tries`: how often in a row this agent has failed at this target, in this
 * slot and in those before). Until then the verdict asks for as many more tries at once: by agents
 * that have not spoken, else by the same. It does not ask where they could not make the target down
 * any more, because too many have seen it well.
 *
 * With o ok votes, f failed ones, w witnesses and c = confirm + 1:
 *
 *      o    f              state        why
 *      0    0              unknown      nobody measured
 *      ≥1   0              up
 *      0    ≥1   w < c     unknown      ask for c - w: nobody else has seen it
 *      ≥1   ≥1   w < c     up           ask for c - w, unless f + c - w ≤ o; "down from bj-1 only"
 *      any  ≥1   w ≥ c     down         if f > o: most of those who measured
 *      any  ≥1   w ≥ c     degraded     if f ≤ o: it fails from some places, for sure
 *
 * With confirm 1, which is the default, and first tries that is, for n votes:
 *
 *      n = 1    1 failed: unknown, ask 1; it failed twice: down
 *      n = 2    1 failed: up, ask 1 (then: a third fails: down; a third is ok: up; the same fails
 *               anew: degraded); 2 failed: down
 *      n = 3    1 failed: up; 2, 3 failed: down
 *      n = 4    1 failed: up; 2 failed: degraded; 3, 4 failed: down
 *
 * `confirm` 0 lets a single failure count: down from one agent, degraded from one of two.
 */
#define VERDICT_CONFIRM_MAX 4 /* five tries: what else can they tell? */
#define VERDICT_VOTES_MAX   (AGENTS_COUNT_MAX + VERDICT_CONFIRM_MAX)

enum verdict_state { VERDICT_UNKNOWN, VERDICT_UP, VERDICT_DEGRADED, VERDICT_DOWN };
#define VERDICT_STATES 4
const char *verdict_word(enum verdict_state s); /* "unknown" "up" "degraded" "down" */

enum verdict_vote_kind {
    VERDICT_VOTE_OK,
    VERDICT_VOTE_FAILED,
    VERDICT_VOTE_UNDETERMINED,
    VERDICT_VOTE_AGENT_FAULT,
    VERDICT_VOTE_MISSING
};
struct verdict_vote {
    const char *agent; /* borrowed; each agent once */
    enum verdict_vote_kind kind;
    enum cause cause; /* of FAILED */
    unsigned tries;   /* of FAILED: ≥ 1 */
};

/* What a result with this cause says; CAUSE_NONE is ok. */
enum verdict_vote_kind verdict_vote_kind(enum cause cause);

struct verdict {
    enum verdict_state state;
    bool confirmed; /* up and unknown: no failure is left unconfirmed; down and degraded: always */
    unsigned ask;   /* how many more tries at once */
    unsigned ok, failed, undetermined, agent_fault, missing;
    enum cause cause; /* the most frequent one of those that failed, the first of equals */
};
struct verdict verdict_of(const struct verdict_vote *votes, size_t n, unsigned confirm);

/* One line for people beside the state: "down from bj-1 only, not confirmed", "2 of 3 agents could
 * not measure". Appends nothing where the state says it all. */
void verdict_advice(const struct verdict *v, const struct verdict_vote *votes, size_t n,
                    struct strbuf *out);
