/* SPDX-License-Identifier: MIT */
#include "master/core/core.h"

#include "master/core/state.h"

/* Why a batch does not advance: in a word for programs, in a sentence for people, and for the
 * diagnosis those that stand still. */

/* Ends with the first one: of most batches that is near. */
static bool any_able(struct core *c, const struct batch *b)
{
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        if (agent_able(a) && batch_matches(b, a))
            return true;
    }
    return false;
}

/* Those that run alone are in no queue of their batch. */
static bool any_alone(const struct core *c, const struct batch *b)
{
    LIST_EACH (&c->alone, n) {
        if (CONTAINER_OF(n, struct task, node)->batch == b)
            return true;
    }
    return false;
}

enum waits_for batch_waits(struct core *c, struct batch *b, struct mono now)
{
    size_t ready = b->ready.count + b->retry.count;
    if (b->marked)
        return WAITS_ENDING;
    if (b->paused)
        return WAITS_PAUSED;
    if (batch_ended(b) == b->total) /* of a lane: nothing is due */
        return WAITS_NONE;
    if (skip_is_full(c, b))
        return WAITS_HOSTS;
    if (b->running > 0)
        return WAITS_NONE;
    if (b->resumed && mono_before(now, c->hold_until))
        return WAITS_GRACE;
    if (fleet_matching(c, b) == 0)
        return WAITS_NO_AGENT;
    if (b->waiting > 0 && ready == 0)
        return WAITS_HOSTS;
    if (b->left_out != 0 && b->exhausted && b->tasks.count == 0)
        return WAITS_MORE_AGENTS;
    if (b->aside.count > 0 && ready == 0)
        return WAITS_MORE_AGENTS;
    if (ready > 0)
        return any_able(c, b) ? WAITS_CREDIT : WAITS_UNABLE;
    if (any_alone(c, b))
        return any_able(c, b) ? WAITS_ALONE : WAITS_UNABLE;
    return WAITS_STORE;
}

const char *batch_wait_text(const struct core *c, const struct batch *b, enum waits_for why)
{
    static const char *const texts[] = {
        [WAITS_NONE] = "",
        [WAITS_ENDING] = "its remaining tasks are being ended",
        [WAITS_PAUSED] = "it is paused",
        [WAITS_HOSTS] = "its hosts: all are at their per_host budget",
        [WAITS_GRACE] = "the grace after a restart: agents report what they still run",
        [WAITS_NO_AGENT] = "an agent that matches its selection: none is connected",
        [WAITS_UNABLE] = "agents: those that match are silent, slow, stalled or draining",
        [WAITS_MORE_AGENTS] = "agents: its targets ask for more than are connected",
        [WAITS_ALONE] = "an agent of their own: two processes died of its tasks, or stood still",
        [WAITS_CREDIT] = "credit: all matching agents are full",
        [WAITS_STORE] = "the store: its tasks are being read",
    };
    if (why != WAITS_HOSTS)
        return texts[why];
    if (skip_is_full(c, b))
        return "its hosts: as many are busy as it may pass over";
    return b->per_host_rate > 0 ? "its hosts: all are at their per_host budget or rate"
                                : texts[why];
}

/* ---- for the diagnosis */

static bool is_stuck(struct core *c, struct batch *b, struct mono now)
{
    int64_t still_ms = mono_diff_ms(now, b->moved_at);
    if (still_ms < CORE_STUCK_SURE_MS || batch_ended(b) == b->total)
        return false;
    enum waits_for why = batch_waits(c, b, now);
    if (why == WAITS_NO_AGENT)
        return true;
    return still_ms >= CORE_STUCK_MS && why != WAITS_GRACE;
}

static void tell(struct core *c, struct batch *b, struct mono now, struct core_stuck *out)
{
    *out = (struct core_stuck){.still_ms = mono_diff_ms(now, b->moved_at),
                               .deadline_in_ms = mono_diff_ms(b->deadline_at, now),
                               .matching = fleet_matching(c, b),
                               .able = fleet_able(c, b)};
    snprintf(out->uuid, sizeof(out->uuid), "%s", b->uuid);
    bool open = core_batch_counts(c, b->num, &out->counts);
    REQUIRE(open);
}

unsigned core_stuck(struct core *c, struct mono now, struct core_stuck *out, unsigned *more)
{
    unsigned n = 0;
    *more = 0;
    struct batch *b, *tmp;
    HASH_ITER(hh, c->batches, b, tmp)
    {
        if (!is_stuck(c, b, now))
            continue;
        if (n < CORE_STUCK_MAX)
            tell(c, b, now, &out[n++]);
        else
            (*more)++;
    }
    return n;
}
