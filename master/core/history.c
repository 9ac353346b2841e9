/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"
#include <string.h>

/*
 * What a task went through: how each lease ended that brought no result. It is told with the result
 * and kept there; an ordinary task has none of it.
 */
const char *attempt_end_word(enum attempt_end e)
{
    static const char *const words[] = {
        [ATTEMPT_RUNNING] = "running",   [ATTEMPT_RESULT] = "result", [ATTEMPT_NACK] = "nack",
        [ATTEMPT_RELEASED] = "released", [ATTEMPT_LOST] = "lost",     [ATTEMPT_DIED] = "died",
        [ATTEMPT_STALLED] = "stalled"};
    REQUIRE((size_t)e < ARRAY_LEN(words));
    return words[e];
}

static void append(struct core_attempt *all, unsigned *n, unsigned *left_out,
                   const struct core_attempt *a)
{
    if (*n == CORE_HISTORY_MAX) {
        memmove(all, all + 1, (CORE_HISTORY_MAX - 1) * sizeof(*all));
        --*n;
        ++*left_out;
    }
    all[(*n)++] = *a;
}

void history_append(struct core_history *h, const struct core_attempt *a)
{
    append(h->attempts, &h->n, &h->left_out, a);
}

void history_add(struct task *t, const char *agent, enum attempt_end end, enum cause cause,
                 struct mono now)
{
    struct core_attempt a = {.leased_at = t->leased_at, .ended_at = now, .end = end};
    REQUIRE(end != ATTEMPT_RUNNING && end != ATTEMPT_RESULT);
    a.cause = end == ATTEMPT_NACK ? cause : CAUSE_NONE;
    snprintf(a.agent, sizeof(a.agent), "%s", agent);
    if (!t->history)
        t->history = mem_zalloc(sizeof(*t->history));
    append(t->history->attempts, &t->history->n, &t->history->left_out, &a);
}

bool history_tell(const struct task *t, struct core_history *out)
{
    *out = (struct core_history){.lost = t && t->forgotten};
    if (!t || !t->history)
        return out->lost;
    memcpy(out->attempts, t->history->attempts, sizeof(out->attempts));
    out->n = t->history->n;
    out->left_out = t->history->left_out;
    return true;
}

static const char *state_of(const struct task *t)
{
    switch (t->state) {
    case TASK_READY:
        return t->batch->paused ? "paused" : "queued";
    case TASK_WAITING:
        return "waiting_for_host";
    case TASK_LEASED:
        return "running";
    case TASK_STORING:
        return "storing";
    }
    UNREACHABLE("a task has four states");
}

bool core_task(struct core *c, uint64_t id, struct core_task_view *out)
{
    const struct task *t = task_find(c, id);
    if (!t)
        return false;
    out->state = state_of(t);
    history_tell(t, &out->history);
    if (t->state == TASK_LEASED) {
        struct core_attempt now = {.leased_at = t->leased_at, .end = ATTEMPT_RUNNING};
        snprintf(now.agent, sizeof(now.agent), "%s", t->agent->name);
        history_append(&out->history, &now);
    }
    return true;
}
