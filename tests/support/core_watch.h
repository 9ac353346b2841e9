/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/core_store.h"

/*
 * core_watch - what must hold of every line between the core and its agents, and what was seen in
 * them. No line is decoded for it: the first bytes say what it is.
 */

static bool w_line_is(const char *line, size_t len, enum message_type type)
{
    static const char head[] = "{\"type\":\"";
    const char *word = message_word(type);
    size_t n = strlen(word), from = sizeof(head) - 1;
    return len > from + n && memcmp(line + from, word, n) == 0 && line[from + n] == '"';
}
/* Of lines whose second member it is. */
static uint64_t w_line_task(const char *line, size_t len)
{
    static const char key[] = "\"task\":\"";
    const char *at = memmem(line, len < 64 ? len : 64, key, sizeof(key) - 1);
    REQUIRE(at);
    return strtoull(at + sizeof(key) - 1, NULL, 10);
}
/* Where a master dies that has just read this line. */
static enum sim_kind w_line_kill(const char *line, size_t len)
{
    static const struct {
        enum message_type type;
        enum sim_kind kill;
    } kills[] = {{MSG_RESULT, SAW_kill_m_result},       {MSG_CREDIT, SAW_kill_m_credit},
                 {MSG_HEARTBEAT, SAW_kill_m_heartbeat}, {MSG_NACK, SAW_kill_m_back},
                 {MSG_RELEASE, SAW_kill_m_back},        {MSG_INFLIGHT, SAW_kill_m_inflight},
                 {MSG_HELLO, SAW_kill_m_hello},         {MSG_INFLIGHT_END, SAW_kill_m_settled}};
    for (unsigned i = 0; i < sizeof(kills) / sizeof(kills[0]); i++)
        if (w_line_is(line, len, kills[i].type))
            return kills[i].kill;
    return 0;
}

/* ---- lines from agents */

static bool w_leased_to(const struct task *t, const struct agent *a)
{
    return t && t->state == TASK_LEASED && (t->agent == a || (t->twin && t->twin->agent == a));
}
static void w_see_line(struct world *w, session_id from, const char *line, size_t len)
{
    const struct session *s = sim_seen ? fleet_session(w->core, from) : NULL;
    const struct agent *a = s ? s->agent : NULL;
    if (!a)
        return;
    if (w_line_is(line, len, MSG_RESULT)) {
        uint64_t id = w_line_task(line, len);
        const struct task *t = task_find(w->core, id);
        SEEN_IF(batch_find(w->core, (uint32_t)(id >> 32)) && !w_leased_to(t, a), stale_result);
        SEEN_IF(w->batches[id >> 32].tasks[(uint32_t)id].has_result ||
                    (t && t->state == TASK_STORING),
                said_again);
    } else if (w_line_is(line, len, MSG_INFLIGHT) && s->n_reported == 0) {
        bool known = mono_is_set(a->orphan_until);
        SEEN_IF(known && !mono_before(w->now, a->orphan_until), back_late);
        SEEN_IF(a->leases.count > 0 && !a->reborn, back_in_grace);
    }
}
/* Once it is read. */
static void w_see_inflight(struct world *w, session_id id, const char *line, size_t len)
{
    const struct session *s = sim_seen ? fleet_session(w->core, id) : NULL;
    if (!s || !s->agent || !w_line_is(line, len, MSG_INFLIGHT))
        return;
    const struct task *t = task_find(w->core, w_line_task(line, len));
    bool kept = t && t->state == TASK_LEASED && t->agent == s->agent;
    sim_saw(kept ? SAW_kept : SAW_dropped, 1);
}

/* ---- lines to agents */

static size_t w_frame_max(const struct world *w)
{
    return w->one_line ? 1 : FRAME_COALESCE_BYTES;
}

/* A rate alone counts its tasks, but they wait for no place. */
static bool w_placeless(const struct world *w, uint64_t host)
{
    for (uint32_t num = 1; num <= w->n_batches; num++) {
        const struct w_batch *b = &w->batches[num];
        if (b->def.per_host == 0 && b->def.per_host_rate > 0 && host < W_RATED)
            return true;
    }
    return false;
}
/* Now that this task has left for this agent. */
static void w_check_sent(struct world *w, const char *agent, uint64_t id)
{
    const struct w_batch *b = &w->batches[id >> 32];
    const struct w_task *row = &b->tasks[(uint32_t)id];
    const struct task *t = task_find(w->core, id);
    struct agent *a = NULL;
    HASH_FIND_STR(w->core->agents, agent, a);
    REQUIRE((uint32_t)id < b->total && !b->held_back && !b->marked && !b->marking);
    REQUIRE(!row->told); /* what is known to have ended does not run again */
    REQUIRE(w_leased_to(t, a) && !agent_stalled(a));
    REQUIRE(mono_before(w->now, t->batch->deadline_at));
    REQUIRE(!mono_is_set(row->deadline_at) || mono_before(w->now, row->deadline_at));
    if (!w->one_line) /* those behind it in the frame may have larger budgets */
        return;
    if (t->batch->per_host == 0 || t->deaths >= DEATHS_ALONE || w_placeless(w, row->host))
        return;
    const struct host *h = polite_find(w->core, row->host);
    REQUIRE(h && h->in_flight <= (uint64_t)t->batch->per_host);
}
/* What is acknowledged is in the store; what is over was acknowledged long ago. */
static void w_check_ack(struct world *w, const struct msg_ack *a)
{
    uint32_t num = (uint32_t)(a->task >> 32);
    w->acked = true;
    if (a->verdict == ACK_REJECTED || num >= W_BATCHES ||
        (uint32_t)a->task >= w->batches[num].total)
        return;
    /* Answered by an agent that has answered another task of the target: nothing is stored. */
    bool again = w->batches[num].def.slots > 1 && a->verdict == ACK_DUPLICATE;
    REQUIRE(again || w->batches[num].tasks[(uint32_t)a->task].has_result);
}
