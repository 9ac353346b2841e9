/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"
#include "common/digest.h"
#include <string.h>

/*
 * Two processes that use one name. Whoever says HELLO last has the name, so two that live take it
 * from each other for ever, and each time what the other runs is lost. Run ids are random per
 * process: one that comes back after another had its place is alive beside that one. A restart
 * never comes back, and a link that flaps brings the same id each time.
 */
#define FIGHT_MS      60000 /* coming back later than this is no fight: it harms little */
#define QUARANTINE_MS 60000 /* agents that were told wait as long */

static uint64_t run_hash(const char *run_id)
{
    return hash64(run_id, strlen(run_id));
}

static bool came_back(const struct agent *a, uint64_t run, struct mono now)
{
    for (unsigned i = 0; i < CLONE_FORMER_MAX; i++) {
        const struct former_run *f = &a->former[i];
        if (mono_is_set(f->left_at) && f->run == run && mono_diff_ms(now, f->left_at) <= FIGHT_MS)
            return true;
    }
    return false;
}

/* Neither may answer for the time: what they hold runs elsewhere, and that is no death of theirs.
 */
static void quarantine(struct core *c, struct agent *a, const struct msg_hello *m, const char *peer,
                       struct mono now)
{
    char detail[512];
    snprintf(detail, sizeof(detail),
             "two processes use this name, one at %s (instance %s) and one at %s (instance %s): "
             "both are "
             "refused for %d s; give each agent a --name of its own, or stop one",
             a->peer, a->instance, peer, m->instance, QUARANTINE_MS / 1000);
    counter_add(&c->stats.agent_clones, 1);
    c->ops.event(c->arg, "agent_cloned", a->name, detail);
    fleet_detach(c, a, CLOSE_CLONE, CLONE_REASON, now);
    fleet_agent_lost(c, a, LOSS_RELEASED, now);
    memset(a->former, 0, sizeof(a->former));
    a->run_id[0] = '\0'; /* whoever comes when it is over starts clean */
    a->quarantine_until = mono_add_ms(now, QUARANTINE_MS);
}

bool clone_quarantined(const struct agent *a, struct mono now)
{
    return mono_before(now, a->quarantine_until);
}

bool clone_judge(struct core *c, struct agent *a, const struct msg_hello *m, const char *peer,
                 struct mono now)
{
    if (clone_quarantined(a, now))
        return true;
    if (a->run_id[0] == '\0' || strcmp(a->run_id, m->run_id) == 0)
        return false;
    if (came_back(a, run_hash(m->run_id), now)) {
        quarantine(c, a, m, peer, now);
        return true;
    }
    a->former[a->next_former] = (struct former_run){run_hash(a->run_id), now};
    a->next_former = (a->next_former + 1) % CLONE_FORMER_MAX;
    return false;
}
