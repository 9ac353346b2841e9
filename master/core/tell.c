/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"
#include <string.h>

/*
 * What the log is told of tasks. Of most tasks it is told nothing, and that costs one look at their
 * batch (tells): the lines of a batch that asked for them, failures and further attempts, and all
 * of it when the log is at debug.
 */
const char *core_step_word(enum core_step s)
{
    static const char *const words[] = {
        [STEP_LEASED] = "leased",   [STEP_TAKEN_UP] = "taken_up", [STEP_RELEASED] = "released",
        [STEP_NACK] = "nack",       [STEP_LOST] = "lost",         [STEP_DIED] = "died",
        [STEP_RESULT] = "result",   [STEP_VERDICT] = "verdict",   [STEP_STORED] = "stored",
        [STEP_STALLED] = "stalled", [STEP_ENDING] = "ending",     [STEP_DUPLICATE] = "duplicate",
    };
    _Static_assert(ARRAY_LEN(words) == STEP_COUNT, "each step has a word");
    REQUIRE((unsigned)s < ARRAY_LEN(words));
    return words[s];
}

/* An ordinary way: it goes on, or it ended well at the first attempt. */
static bool is_ordinary(const struct core_told *t)
{
    bool good = t->outcome == NULL || strcmp(t->outcome, outcome_word(OUTCOME_OK)) == 0;
    switch (t->step) {
    case STEP_RELEASED:
        return true;
    case STEP_LEASED:
    case STEP_RESULT:
    case STEP_STORED:
        return good && t->attempt <= 1;
    default:
        return false;
    }
}

void tell_step(struct core *c, const struct batch *b, const struct core_told *t)
{
    struct core_told told = *t;
    told.batch = b->uuid;
    told.trace = b->trace;
    told.asked = b->log_tasks;
    told.notable = !is_ordinary(t);
    c->ops.step(c->arg, &told);
}

void tell_stored(struct core *c, const struct batch *b, const struct core_told *what,
                 session_id sid)
{
    const struct session *s = sid ? fleet_session(c, sid) : NULL;
    struct core_told t = *what;
    t.agent = s && s->agent ? s->agent->name : NULL;
    tell_step(c, b, &t);
}

void tell_ending(struct core *c, const struct batch *b, enum cause cause)
{
    tell_step(c, b, &(struct core_told){STEP_ENDING, .cause = cause_word(cause)});
}
