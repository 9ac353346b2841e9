/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"
#include "common/utf8.h"
#include <string.h>

/*
 * Alive, slow, stalled or dead. Any frame is life of the link: its session goes to the end of the
 * list, so that one look a second at the front finds all that are silent, however many are there.
 * What an agent says it has received tells whether it reads, and what it says of its probes and its
 * queue whether it works. A master that overslept convicts no one, nor
 * one with unread bytes of the accused; when many are silent at once, bulk.c says what is withheld.
 * The kernel's own time-out would end who does not read long before that: it is told to wait.
 *
 *   alive ──10 s silent──► suspect (no new tasks) ──15 s──► closed (dead)
 *     ▲──────any frame──────┘
 */

void liveness_sent(struct session *s, struct mono now)
{
    if (s->mark <= s->taken)
        s->marked_at = now;
    else if (mono_diff_ms(now, s->marked_at) > BURST_MS)
        return;
    s->mark = s->sent.count;
}

/* How long the oldest task that it has not received waits: one that reads a little now and then
 * moves, and is late all the same. */
static void note_taken(struct session *s, uint64_t received, bool overslept, struct mono now)
{
    bool behind = received < s->mark && !overslept;
    s->taken = received;
    s->untaken_ms = behind ? mono_diff_ms(now, s->marked_at) : 0;
    if (behind)
        return;
    s->mark = s->sent.count;
    s->marked_at = now;
}

static void put_slow(const struct session *s, uint64_t received, int64_t stuck_ms, char *out,
                     size_t max)
{
    snprintf(out, max,
             "%llu tasks sent, %llu received, unmoved for %lld s, the oldest of the rest waits for "
             "%lld s",
             (unsigned long long)s->sent.count, (unsigned long long)received,
             (long long)stuck_ms / 1000, (long long)s->untaken_ms / 1000);
}

/* By the agent's own count: what it has received does not grow although more was sent, or is long
 * behind. */
static void judge_slow(struct core *c, struct session *s, uint64_t received, struct mono now)
{
    struct agent *a = s->agent;
    bool overslept = mono_diff_ms(now, c->last_tick) > OWN_LAG_MS; /* we, not the agent */
    note_taken(s, received, overslept, now);
    if (received != a->hb.received.count || received >= s->sent.count || !a->has_hb || overslept)
        s->moved_at = now;
    int64_t stuck_ms = mono_diff_ms(now, s->moved_at);
    bool slow = stuck_ms >= SLOW_MS || s->untaken_ms >= SLOW_MS, bear = stuck_ms >= UNREAD_MS;
    bool stalled = stuck_ms >= STALLED_MS;
    char detail[160] = "";
    if (slow != a->slow || stalled)
        put_slow(s, received, stuck_ms, detail, sizeof(detail));
    if (slow != a->slow)
        c->ops.event(c->arg, slow ? "agent_slow" : "agent_not_slow", a->name, detail);
    a->slow = slow;
    if (bear != s->borne)
        c->ops.bear(c->arg, s->id, bear);
    s->borne = bear;
    if (stalled)
        fleet_close(c, s, CLOSE_WRITE_STALLED, detail);
}

/* Cut between characters: it is shown as JSON. */
static void note_trouble(struct agent *a, const char *text)
{
    if (text[0] == '\0') { /* as with nearly every heartbeat */
        a->trouble[0] = '\0';
        return;
    }
    char *cut = utf8_sanitized(text, strlen(text), sizeof(a->trouble) - 1);
    snprintf(a->trouble, sizeof(a->trouble), "%s", cut);
    free(cut);
}

/* Its work stands: a probe is far over its time-out, or tasks wait while nothing moves; as it says
 * itself, and measured by its own clock. */
static bool stands(const struct msg_heartbeat *m, char *why, size_t max)
{
    snprintf(why, max, "its work goes on");
    if (m->overdue_ms >= STALLED_OVERDUE_MS)
        snprintf(why, max, "a probe is %lld s over its time-out", (long long)m->overdue_ms / 1000);
    else if (m->still_ms >= STALLED_STILL_MS)
        snprintf(why, max, "%lld tasks wait, and for %lld s none started or ended",
                 (long long)m->queue, (long long)m->still_ms / 1000);
    else
        return false;
    return true;
}

void liveness_unstall(struct core *c, struct agent *a)
{
    if (agent_stalled(a))
        list_remove(&c->stalled, &a->stalled_node);
}

/* Its link may be well: work is judged apart. Its tasks go to others at once; what it sends of them
 * all the same is as good as ever. */
static void judge_stalled(struct core *c, struct session *s, const struct msg_heartbeat *m,
                          struct mono now)
{
    struct agent *a = s->agent;
    char why[128], detail[384];
    bool stalled = stands(m, why, sizeof(why));
    if (stalled == agent_stalled(a))
        return;
    if (!stalled) {
        liveness_unstall(c, a);
        c->ops.event(c->arg, "agent_not_stalled", a->name, why);
        return;
    }
    snprintf(detail, sizeof(detail), "%s; %lld run there; %zu tasks go to others%s%s", why,
             (long long)m->running, a->leases.count, a->trouble[0] ? "; it says: " : "",
             a->trouble);
    list_push_back(&c->stalled, &a->stalled_node);
    counter_add(&c->stats.agent_stalls, 1);
    c->ops.event(c->arg, "agent_stalled", a->name, detail);
    straggle_agent_gone(c, a);
    fleet_agent_lost(c, a, LOSS_STALL, now);
}

/* Only told: all that the core decides, it decides by one clock that nobody sets. */
static void judge_clock(struct core *c, struct agent *a, const struct msg_heartbeat *m)
{
    char detail[128];
    bool off = m->has_clock && message_clock_is_off(m->clock_ms, m->rtt_ms);
    if (!m->has_clock || off == a->clock_off)
        return;
    a->clock_off = off;
    snprintf(detail, sizeof(detail), "its clock is %.3f s %s the master's, round trip %.1f ms",
             (double)llabs(m->clock_ms) / 1000, m->clock_ms < 0 ? "behind" : "ahead of", m->rtt_ms);
    c->ops.event(c->arg, off ? "agent_clock_skew" : "agent_clock_right", a->name, detail);
}

void liveness_heartbeat(struct core *c, struct session *s, const struct msg_heartbeat *m,
                        struct mono now)
{
    struct agent *a = s->agent;
    int64_t gap = mono_diff_ms(now, a->hb_at);
    if (gap > a->hb_gap_max_ms)
        a->hb_gap_max_ms = gap;
    judge_slow(c, s, m->received.count, now);
    judge_clock(c, a, m);
    a->hb = *m;
    a->hb.trouble = NULL;
    note_trouble(a, m->trouble ? m->trouble : "");
    a->rtt_ms = m->rtt_ms;
    a->has_hb = true;
    a->hb_at = now;
    judge_stalled(c, s, m, now);
    bulk_hear(c, a, m);
    msg_put_heartbeat_ack(&s->control, &(struct msg_heartbeat_ack){.seq = m->seq,
                                                                   .lag_ms = c->own_lag_ms,
                                                                   .results = flow_grant(c, s, now),
                                                                   .time = c->ops.wall(c->arg)});
    fleet_credit(c, s, m->credit);
    fleet_control(c, s);
}

/* A verdict is withheld while the fault may be ours, and for no longer than a freeze: on silence,
 * and on a HELLO that may lie unread. */
static bool spared(struct core *c, struct session *s, int64_t waited)
{
    if (waited >= DEAD_MS + BULK_FREEZE_MS)
        return false;
    return c->own_lag_ms >= OWN_LAG_MS || bulk_holds_deaths(&c->bulk) ||
           c->ops.unread(c->arg, s->id) > 0;
}

void liveness_trouble(struct core *c, struct agent *a, struct mono now)
{
    if (mono_is_set(a->troubled_at))
        return;
    a->troubled_at = now;
    list_push_front(&c->troubled, &a->troubled_node);
}

void liveness_trouble_over(struct core *c, struct agent *a)
{
    if (!mono_is_set(a->troubled_at))
        return;
    a->troubled_at = (struct mono){0};
    list_remove(&c->troubled, &a->troubled_node);
}

void liveness_heard(struct core *c, struct session *s, struct mono now)
{
    REQUIRE(s->state != SESSION_CLOSING && !mono_before(now, s->last_rx));
    s->last_rx = now;
    list_remove(&c->session_list, &s->node);
    list_push_back(&c->session_list, &s->node);
    flow_heard(c, s, now);
}

void liveness_unsuspect(struct core *c, struct session *s)
{
    if (session_suspect(s))
        list_remove(&c->suspects, &s->suspect_node);
}

/* Who has said nothing for long enough to be looked at. */
static bool silent(const struct session *s, struct mono now)
{
    return mono_diff_ms(now, s->last_rx) >= SUSPECT_MS;
}

static void revive(struct core *c, struct session *s)
{
    liveness_unsuspect(c, s);
    c->ops.event(c->arg, "agent_alive", s->agent->name, "heard again");
    if (s->state == SESSION_READY)
        liveness_trouble_over(c, s->agent);
    dispatch_hungry(c, s);
}

static void judge_silent(struct core *c, struct session *s, struct mono now)
{
    int64_t silent_ms = mono_diff_ms(now, s->last_rx);
    if (s->state == SESSION_CLOSING || s->state == SESSION_WAITING) /* it is we who do not read */
        return;
    if (silent_ms >= DEAD_MS && !spared(c, s, silent_ms)) {
        counter_add(&c->stats.agents_dead, 1);
        fleet_close(c, s, CLOSE_SILENT, "nothing heard for 15 s");
        return;
    }
    if (session_suspect(s) || !s->agent)
        return;
    list_push_back(&c->suspects, &s->suspect_node);
    c->ops.event(c->arg, "agent_suspect", s->agent->name, "nothing heard for 10 s");
    liveness_trouble(c, s->agent, now);
}

static void sessions_tick(struct core *c, struct mono now)
{
    LIST_EACH_SAFE (&c->suspects, n, tmp) {
        struct session *s = CONTAINER_OF(n, struct session, suspect_node);
        if (s->state != SESSION_CLOSING && !silent(s, now))
            revive(c, s);
    }
    LIST_EACH_SAFE (&c->arriving, n, tmp) {
        struct session *s = CONTAINER_OF(n, struct session, arriving_node);
        int64_t age_ms = mono_diff_ms(now, s->opened_at);
        if (age_ms <= HELLO_DEADLINE_MS)
            break;
        if (!spared(c, s, age_ms))
            fleet_close(c, s, CLOSE_HELLO_TIMEOUT, "no HELLO within 10 s");
    }
    LIST_EACH_SAFE (&c->session_list, n, tmp) {
        struct session *s = CONTAINER_OF(n, struct session, node);
        if (!silent(s, now))
            break;
        judge_silent(c, s, now);
    }
}

/* Of how many agents the tasks may still go to others with one scan is bounded. */
static void orphans_tick(struct core *c, struct mono now)
{
    unsigned may_end = bulk_may_requeue(&c->bulk, now);
    LIST_EACH_SAFE (&c->orphans, n, tmp) {
        struct agent *a = CONTAINER_OF(n, struct agent, orphan_node);
        REQUIRE(!a->session);
        if (!list_empty(&a->leases) && !mono_before(now, a->orphan_until) && may_end > 0) {
            may_end--;
            c->ops.event(c->arg, "agent_grace_over", a->name, "its tasks go to others");
            fleet_agent_lost(c, a, lease_loss_of(a), now);
        }
        if (list_empty(&a->leases))
            fleet_adopted(c, a);
    }
}

/* A master that overslept heard nobody: the time that it lost is nobody's silence. */
static struct mono forgiven(struct mono at, int64_t ms, struct mono now)
{
    at = mono_add_ms(at, ms);
    return mono_before(now, at) ? now : at;
}

static void forgive(struct core *c, int64_t ms, struct mono now)
{
    LIST_EACH (&c->session_list, n) {
        struct session *s = CONTAINER_OF(n, struct session, node);
        s->last_rx = forgiven(s->last_rx, ms, now);
        s->opened_at = forgiven(s->opened_at, ms, now);
        s->moved_at = forgiven(s->moved_at, ms, now);
        s->marked_at = forgiven(s->marked_at, ms, now);
        s->asked_at = forgiven(s->asked_at, ms, now);
    }
    if (mono_is_set(c->hold_until)) /* nobody could say what it still runs */
        c->hold_until = mono_add_ms(c->hold_until, ms);
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        a->orphan_until = mono_add_ms(a->orphan_until, ms);
        a->hb_at = forgiven(a->hb_at, ms, now);
    }
}

static void gauges(struct core *c)
{
    int64_t suspect = (int64_t)c->suspects.count, stalled = 0;
    LIST_EACH (&c->stalled, n)
        stalled += CONTAINER_OF(n, struct agent, stalled_node)->session != NULL;
    gauge_set(&c->stats.agents_alive, (int64_t)c->connected - suspect);
    gauge_set(&c->stats.agents_suspect, suspect);
    gauge_set(&c->stats.agents_stalled, stalled);
    gauge_set(&c->stats.agents_orphaned, (int64_t)c->orphans.count);
}

/* For people: the worst of some minutes. */
static void note_stood(struct core *c, int64_t ms, struct mono now)
{
    struct core_stats *s = &c->stats;
    struct mono last = {gauge_get(&s->stood_at_ns)};
    bool old = counter_get(&s->stood) == 0 || mono_diff_ms(now, last) > CORE_STOOD_MS;
    counter_add(&s->stood, 1);
    if (!old && ms < gauge_get(&s->stood_ms))
        return;
    gauge_set(&s->stood_ms, ms);
    gauge_set(&s->stood_at_ns, now.ns);
}

void liveness_notice_sleep(struct core *c, struct mono now)
{
    int64_t overslept = mono_diff_ms(now, c->last_tick);
    if (overslept <= OWN_LAG_MS)
        return;
    forgive(c, overslept, now);
    note_stood(c, overslept, now);
    char detail[128];
    snprintf(detail, sizeof(detail),
             "master_overload: its loop stood for %lld ms; that time is nobody's silence",
             (long long)overslept);
    c->ops.event(c->arg, "master_overslept", NULL, detail);
    bool old = mono_before(c->overslept_at, mono_add_ms(now, -BULK_WINDOW_MS));
    if (old || overslept > c->overslept_ms) {
        c->overslept_at = now;
        c->overslept_ms = overslept;
    }
}

void liveness_tick(struct core *c, struct mono now)
{
    bulk_watch(c, now);
    sessions_tick(c, now);
    orphans_tick(c, now);
    fleet_stop_awaiting(c, now);
    gauges(c);
}
