/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"
#include <string.h>

/* What people see of the fleet: copies of the figures, sorted by name. */

const char *agent_state_word(enum agent_state s)
{
    static const char *const words[] = {
        [AGENT_ALIVE] = "alive",       [AGENT_SUSPECT] = "suspect",
        [AGENT_ORPHANED] = "orphaned", [AGENT_GONE] = "gone",
        [AGENT_DRAINING] = "draining", [AGENT_QUARANTINED] = "quarantined",
        [AGENT_STALLED] = "stalled",
    };
    return words[s];
}

static enum agent_state view_state(const struct agent *a, struct mono now)
{
    if (clone_quarantined(a, now))
        return AGENT_QUARANTINED;
    if (!a->session)
        return list_empty(&a->leases) ? AGENT_GONE : AGENT_ORPHANED;
    if (session_suspect(a->session))
        return AGENT_SUSPECT;
    if (agent_stalled(a))
        return AGENT_STALLED;
    return a->draining ? AGENT_DRAINING : AGENT_ALIVE;
}

static char *dup_or_null(const char *s)
{
    return s && s[0] ? mem_strdup(s) : NULL;
}

static void view_tags(const struct agent *a, struct agent_view *v)
{
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    fleet_tags_json(a, &b);
    v->tags_json = strbuf_take(&b, NULL);
}

static void view_session(const struct session *s, struct agent_view *v, struct mono now)
{
    char id[24];
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)s->id);
    v->session = mem_strdup(id);
    v->sid = s->id;
    v->credit_left = s->credit.count > s->sent.count ? s->credit.count - s->sent.count : 0;
    v->connected_ms = mono_diff_ms(now, s->agent->connected_at);
    const struct window *got = &s->agent->hb.received;
    if (!s->agent->has_hb)
        return;
    v->untaken = s->sent.count > got->count ? s->sent.count - got->count : 0;
    v->untaken_bytes = s->sent.bytes > got->bytes ? s->sent.bytes - got->bytes : 0;
}

static void view_fill(const struct agent *a, struct agent_view *v, struct mono now)
{
    v->name = mem_strdup(a->name);
    v->peer = dup_or_null(a->peer);
    v->version = dup_or_null(a->version);
    v->trouble = dup_or_null(a->trouble);
    v->last_end.cause = a->last_end.cause;
    v->last_end.detail = dup_or_null(a->last_end.detail);
    v->last_end.age_ms = a->last_end.age_ms;
    v->last_end.ago_ms = mono_diff_ms(now, a->last_end.at);
    view_tags(a, v);
    v->state = view_state(a, now);
    v->slow = a->session && a->slow;
    v->hb = a->hb;
    v->has_hb = a->has_hb;
    v->heartbeat_age_ms = a->has_hb ? mono_diff_ms(now, a->hb_at) : -1;
    v->heartbeat_gap_max_ms = a->hb_gap_max_ms;
    v->connected_ms = -1;
    v->away_ms = a->session || !mono_is_set(a->left_at) ? -1 : mono_diff_ms(now, a->left_at);
    v->left = !a->session && a->run_id[0] == '\0';
    v->rtt_ms = a->rtt_ms;
    v->clock_off = a->clock_off;
    v->leases = v->in_flight = a->leases.count + a->twins.count;
    v->sent_tasks = a->sent_tasks;
    v->results = a->results;
    v->reconnects = a->sessions > 0 ? a->sessions - 1 : 0;
    v->reconnects_24h = hours_sum(&a->reconnects, now);
    if (a->cuts)
        cuts_sum(a->cuts, now, &v->cuts);
    if (a->session)
        view_session(a->session, v, now);
}

static int view_by_name(const void *a, const void *b)
{
    return strcmp(((const struct agent_view *)a)->name, ((const struct agent_view *)b)->name);
}

unsigned core_agents(struct core *c, const char *name, struct mono now, struct agent_view **out)
{
    struct agent_view *v = mem_array(HASH_COUNT(c->agents) + 1, sizeof(*v));
    unsigned n = 0;
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        if (!name || strcmp(name, a->name) == 0)
            view_fill(a, &v[n++], now);
    }
    if (n)
        qsort(v, n, sizeof(*v), view_by_name);
    *out = v;
    return n;
}

void core_views_free(struct agent_view *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        free(v[i].name);
        free(v[i].peer);
        free(v[i].version);
        free(v[i].session);
        free(v[i].trouble);
        free(v[i].last_end.detail);
        free(v[i].tags_json);
    }
    free(v);
}
