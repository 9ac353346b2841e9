/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"
#include <string.h>

/*
 * Agents and their sessions. An agent outlives its sessions: a lost connection orphans its leases
 * for the grace, the same process (run_id) takes them back, BYE ends them at once, and another
 * process all but those whose results it brings.
 *
 *   session:  NEW ──its turn──► ADMITTED ──HELLO──► INFLIGHT ──INFLIGHT_END──► READY
 *              └──► WAITING ───────┘                any ──close──► CLOSING ──closed──► gone
 *   agent:    no session ─► orphaned (leases, until the grace ends) ─► gone (no leases)
 */
void fleet_enter(struct core *c, struct session *s, enum session_state to)
{
    s->state = to;
    bool arrives = to == SESSION_NEW || to == SESSION_ADMITTED || to == SESSION_INFLIGHT;
    if (arrives && !list_linked(&s->arriving_node))
        list_push_back(&c->arriving, &s->arriving_node);
    else if (!arrives && list_linked(&s->arriving_node))
        list_remove(&c->arriving, &s->arriving_node);
    if (to == SESSION_WAITING)
        list_push_back(&c->waiting, &s->waiting_node);
    else if (list_linked(&s->waiting_node))
        list_remove(&c->waiting, &s->waiting_node);
    gauge_set(&c->stats.hellos_waiting, (int64_t)c->waiting.count);
}

struct session *fleet_session(struct core *c, session_id id)
{
    return idmap_find(&c->sessions, id);
}

void fleet_want_write(struct core *c, struct session *s)
{
    if (s->asked)
        return;
    s->asked = true;
    s->asked_at = c->last_tick;
    c->ops.want_write(c->arg, s->id);
}

void fleet_control(struct core *c, struct session *s)
{
    if (s->control.overflow) {
        fleet_close(c, s, CLOSE_WRITE_STALLED, "too many control lines wait for this agent");
        return;
    }
    fleet_want_write(c, s);
}

void fleet_close(struct core *c, struct session *s, int code, const char *reason)
{
    if (s->state == SESSION_CLOSING)
        return;
    fleet_enter(c, s, SESSION_CLOSING);
    dispatch_forget(c, s);
    ending_note(s, end_of_close(code), reason);
    c->ops.close(c->arg, s->id, code, reason);
}

/* ---- sessions come and go */

session_id core_session_open(struct core *c, const char *allowed_agents, const char *peer,
                             struct mono now)
{
    struct session *s = mem_zalloc(sizeof(*s));
    do {
        s->id = rng_next(&c->rng);
    } while (s->id == 0 || fleet_session(c, s->id));
    s->allowed_agents = mem_strdup(allowed_agents);
    snprintf(s->peer, sizeof(s->peer), "%s", peer);
    s->opened_at = s->last_rx = s->began_at = now;
    strbuf_init(&s->control, CONTROL_MAX_BYTES);
    strbuf_init(&s->verdicts, CONTROL_MAX_BYTES);
    idmap_add(&c->sessions, s->id, s);
    list_push_back(&c->session_list, &s->node);
    fleet_enter(c, s, SESSION_NEW);
    counter_add(&c->stats.sessions_total, 1);
    gauge_set(&c->stats.sessions, (int64_t)c->session_list.count);
    return s->id;
}

static void session_free(struct core *c, struct session *s)
{
    dispatch_forget(c, s);
    idmap_remove(&c->sessions, s->id);
    list_remove(&c->session_list, &s->node);
    liveness_unsuspect(c, s);
    fleet_enter(c, s, SESSION_CLOSING);
    gauge_set(&c->stats.sessions, (int64_t)c->session_list.count);
    strbuf_fini(&s->control);
    strbuf_fini(&s->verdicts);
    free(s->allowed_agents);
    free(s->acks);
    free(s->reported);
    free(s->end_detail);
    free(s);
}

/* The agent has no session any more; its leases wait for the same process until the grace after the
 * last frame of a session that was complete: HELLO alone, again and again, does not prolong it. */
static void agent_detach(struct core *c, struct agent *a, struct session *s, struct mono now)
{
    a->session = NULL;
    liveness_unsuspect(c, s);
    a->left_at = s->last_rx;
    straggle_agent_gone(c, a);
    if (s->granted.count > 0)
        a->orphan_until = mono_add_ms(s->last_rx, ORPHAN_GRACE_MS);
    if (s->state != SESSION_CLOSING)
        liveness_trouble(c, a, now);
    c->connected--;
    c->fleet_epoch++;
    counter_add(&c->stats.disconnects, 1);
    ending_tell(c, s, now);
    if (list_empty(&a->leases))
        c->ops.agent_empty(c->arg, a->name);
    else
        list_push_back(&c->orphans, &a->orphan_node);
}

void core_session_closed(struct core *c, session_id id, enum end cause, const char *detail,
                         struct mono now)
{
    struct session *s = fleet_session(c, id);
    if (!s)
        return;
    ending_note_socket(c, s, cause, detail, now);
    if (s->agent && s->agent->session == s)
        agent_detach(c, s->agent, s, now);
    ending_tell(c, s, now);
    session_free(c, s);
}

bool core_session_is_known(struct core *c, session_id id)
{
    const struct session *s = fleet_session(c, id);
    return s != NULL && s->agent != NULL;
}

/* ---- agents */

static void free_tags(struct agent *a)
{
    for (unsigned i = 0; i < a->n_tags; i++) {
        free((char *)a->tags[i].key);
        free((char *)a->tags[i].value);
    }
    free(a->tags);
    a->tags = NULL;
    a->n_tags = 0;
}

void fleet_adopted(struct core *c, struct agent *a)
{
    if (list_linked(&a->orphan_node))
        list_remove(&c->orphans, &a->orphan_node);
}

static void agent_free(struct core *c, struct agent *a)
{
    REQUIRE(list_empty(&a->leases) && list_empty(&a->twins) && !a->session);
    if (c->alone_agent == a)
        c->alone_agent = NULL;
    fleet_adopted(c, a);
    liveness_trouble_over(c, a);
    liveness_unstall(c, a);
    HASH_DEL(c->agents, a);
    free_tags(a);
    free(a->cuts);
    free(a->last_end.detail);
    free(a);
}

/* Room for one more name: forgets one that is gone and holds nothing. Of one that is awaited nobody
 * knows that yet. */
static bool agents_make_room(struct core *c)
{
    if (HASH_COUNT(c->agents) < CORE_AGENTS_MAX)
        return true;
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        if (a->session || a->awaited || !list_empty(&a->leases))
            continue;
        agent_free(c, a);
        return true;
    }
    return false;
}

static struct agent *agent_find(struct core *c, const char *name)
{
    struct agent *a = NULL;
    HASH_FIND_STR(c->agents, name, a);
    return a;
}

/* One that is made when it is not known. NULL: there are as many names as there can be. */
static struct agent *agent_make(struct core *c, const char *name)
{
    struct agent *a = agent_find(c, name);
    if (a || !agents_make_room(c))
        return a;
    a = mem_zalloc(sizeof(*a));
    snprintf(a->name, sizeof(a->name), "%s", name);
    a->hash = slots_agent_hash(name);
    list_init(&a->leases);
    list_init(&a->twins);
    HASH_ADD_STR(c->agents, name, a);
    return a;
}

void fleet_agent_lost(struct core *c, struct agent *a, enum lease_loss why, struct mono now)
{
    LIST_EACH_SAFE (&a->leases, n, tmp) {
        lease_lost(c, CONTAINER_OF(n, struct task, node), why, CAUSE_agent_lost, now);
    }
    a->reborn = a->usurped = false;
    if (c->alone_agent == a)
        c->alone_agent = NULL;
    if (!a->session)
        c->ops.agent_empty(c->arg, a->name);
    dispatch_wake(c);
}

/* ---- after a restart */

void fleet_await(struct core *c, const char *const *names, unsigned n, struct mono now)
{
    for (unsigned i = 0; i < n; i++) {
        struct agent *a = agent_make(c, names[i]);
        if (!a || a->awaited)
            continue;
        a->awaited = true;
        c->awaited++;
    }
    if (c->awaited)
        c->hold_until = mono_add_ms(now, ORPHAN_GRACE_MS);
}

/* It has said what it still runs. When all have, nothing need wait any more. */
static void arrived(struct core *c, struct agent *a)
{
    if (!a->awaited)
        return;
    a->awaited = false;
    if (--c->awaited > 0)
        return;
    c->hold_until = (struct mono){0};
    dispatch_wake(c);
}

/* Who has not come back within the grace holds nothing that counts. */
void fleet_stop_awaiting(struct core *c, struct mono now)
{
    if (c->awaited == 0 || mono_before(now, c->hold_until))
        return;
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        if (!a->awaited)
            continue;
        a->awaited = false;
        if (!a->session)
            c->ops.agent_empty(c->arg, a->name);
    }
    c->awaited = 0;
    c->hold_until = (struct mono){0};
}

static bool name_allowed(const char *allowed, const char *name)
{
    if (!allowed)
        return true;
    size_t len = strlen(name);
    for (const char *p = allowed; *p; p += strcspn(p, ","), p += *p == ',')
        if (strncmp(p, name, len) == 0 && (p[len] == ',' || p[len] == '\0'))
            return true;
    return false;
}

static void agent_describe(struct agent *a, const struct msg_hello *m)
{
    free_tags(a);
    a->tags = mem_array(m->n_tags + 1, sizeof(*a->tags));
    for (unsigned i = 0; i < m->n_tags; i++)
        a->tags[a->n_tags++] =
            (struct msg_tag){mem_strdup(m->tags[i].key), mem_strdup(m->tags[i].value)};
    snprintf(a->instance, sizeof(a->instance), "%s", m->instance);
    snprintf(a->version, sizeof(a->version), "%s", m->version);
    a->window = m->slots + m->queue;
}

void fleet_tags_json(const struct agent *a, struct strbuf *b)
{
    struct json_out w;
    json_out_init(&w, b);
    json_obj_begin(&w);
    for (unsigned i = 0; i < a->n_tags; i++) {
        json_key_str(&w, a->tags[i].key);
        json_put_str(&w, a->tags[i].value);
    }
    json_obj_end(&w);
}

static void agent_attach(struct core *c, struct agent *a, struct session *s, struct mono now)
{
    a->session = s;
    s->agent = a;
    fleet_adopted(c, a);
    a->connected_at = now;
    a->draining = false;
    a->has_hb = a->slow = false;
    a->hb_gap_max_ms = 0;
    a->hb_at = now;
    a->rtt_ms = -1;
    if (a->sessions++ > 0)
        hours_add(&a->reconnects, now);
    snprintf(a->peer, sizeof(a->peer), "%s", s->peer);
    c->connected++;
    c->fleet_epoch++;
}

void fleet_detach(struct core *c, struct agent *a, int code, const char *reason, struct mono now)
{
    struct session *old = a->session;
    if (!old)
        return;
    fleet_close(c, old, code, reason);
    agent_detach(c, a, old, now);
    old->agent = NULL;
}

/* The same agent anew: an old session is taken over at once. Another process knows nothing of what
 * the old one ran, but it may have its results on disk: what it does not bring, INFLIGHT_END ends.
 */
static void agent_take_over(struct core *c, struct agent *a, const struct session *s,
                            const struct msg_hello *m, struct mono now)
{
    bool another = a->run_id[0] && strcmp(a->run_id, m->run_id) != 0;
    if (strcmp(a->run_id, m->run_id) != 0)
        liveness_unstall(c, a);
    char why[END_DETAIL_MAX];
    a->usurped |= another && a->session;
    a->reborn |= another;
    snprintf(why, sizeof(why), "the agent connected anew, from %s", s->peer);
    fleet_detach(c, a, CLOSE_REPLACED, why, now);
    snprintf(a->run_id, sizeof(a->run_id), "%s", m->run_id);
}

static const char *hello_refused(struct core *c, struct session *s, const struct msg_hello *m,
                                 int *code, struct mono now)
{
    *code = CLOSE_VERSION;
    if (m->proto_min > PROTO_VERSION_MAX || m->proto_max < PROTO_VERSION_MIN)
        return "no common protocol version: update the agent or the master";
    *code = CLOSE_POLICY;
    if (!agent_name_valid(m->agent))
        return "the agent's name is not valid: letters, digits, '.', '_' and '-', at most 64";
    if (!name_allowed(s->allowed_agents, m->agent))
        return "this token is bound to another agent name: make one with 'token add --name'";
    struct agent *a = agent_find(c, m->agent);
    if (c->max_agents && c->connected >= c->max_agents && !(a && a->session))
        return "as many agents as --max-agents allows are connected already";
    a = agent_make(c, m->agent);
    if (!a)
        return "the master knows as many agents as it can";
    *code = CLOSE_CLONE;
    return clone_judge(c, a, m, s->peer, now) ? CLONE_REASON : NULL;
}

bool fleet_hello(struct core *c, struct session *s, const struct msg_hello *m, struct mono now)
{
    int code;
    const char *why = hello_refused(c, s, m, &code, now);
    if (why) {
        c->ops.event(c->arg, "hello_refused", m->agent, why);
        if (code == CLOSE_POLICY)
            ending_note(s, END_refused, why);
        fleet_close(c, s, code, why);
        return false;
    }
    struct agent *a = agent_find(c, m->agent);
    agent_take_over(c, a, s, m, now);
    agent_describe(a, m);
    agent_attach(c, a, s, now);
    fleet_enter(c, s, SESSION_INFLIGHT);
    struct strbuf tags;
    strbuf_init(&tags, LINE_MAX_BYTES);
    fleet_tags_json(a, &tags);
    c->ops.agent_seen(c->arg, a->name, tags.data, a->instance);
    strbuf_fini(&tags);
    return true;
}

static void put_welcome(struct core *c, struct session *s, struct mono now)
{
    char id[24];
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)s->id);
    struct msg_welcome w = {.proto = PROTO_VERSION_MAX,
                            .session = id,
                            .store_id = c->store_id,
                            .heartbeat_ms = HEARTBEAT_MS,
                            .timeout_ms = DEAD_MS,
                            .results = flow_grant(c, s, now),
                            .time = c->ops.wall(c->arg)};
    char text[64][IP_TEXT_MAX + 4];
    for (; w.n_deny < c->n_deny; w.n_deny++) {
        char ip[IP_TEXT_MAX];
        snprintf(text[w.n_deny], sizeof(text[0]), "%s/%u", ip_format(&c->deny[w.n_deny].ip, ip),
                 c->deny[w.n_deny].bits);
        w.deny[w.n_deny] = text[w.n_deny];
    }
    msg_put_welcome(&s->control, &w);
}

void fleet_inflight_end(struct core *c, struct session *s, struct mono now)
{
    lease_inflight_end(c, s, now);
    put_welcome(c, s, now);
    strbuf_append(&s->control, s->verdicts.data, s->verdicts.len);
    if (s->verdicts.overflow)
        s->control.overflow = true;
    strbuf_fini(&s->verdicts);
    strbuf_init(&s->verdicts, CONTROL_MAX_BYTES);
    msg_put_verdict_end(&s->control);
    fleet_enter(c, s, SESSION_READY);
    s->answered_at = now;
    liveness_trouble_over(c, s->agent);
    arrived(c, s->agent);
    c->ops.event(c->arg, "agent_connected", s->agent->name, s->peer);
    fleet_control(c, s);
}

/* ---- flow */

/* Acknowledges it and opens the result window by its record's bytes. */
void fleet_ack(struct core *c, struct session *s, uint64_t task, enum ack_verdict v,
               size_t record_len)
{
    s->settled.bytes += record_len;
    if (s->n_acks == s->acks_cap) {
        s->acks_cap = s->acks_cap ? s->acks_cap * 2 : 64;
        s->acks = mem_realloc(s->acks, s->acks_cap * sizeof(*s->acks));
    }
    s->acks[s->n_acks++] = (struct msg_ack){task, v};
    fleet_want_write(c, s);
}

void fleet_stored(struct core *c, session_id id, uint64_t task, enum ack_verdict v,
                  size_t record_len)
{
    struct session *s = fleet_session(c, id);
    if (s && s->state != SESSION_CLOSING)
        fleet_ack(c, s, task, v, record_len);
}

void fleet_cancel(struct core *c, struct agent *a, uint64_t task)
{
    if (!a->session || a->session->state != SESSION_READY)
        return;
    msg_put_cancel(&a->session->control, &task, 1);
    fleet_control(c, a->session);
}

void fleet_credit(struct core *c, struct session *s, struct window w)
{
    uint64_t most = s->sent.count + CREDIT_TASKS_MAX;
    if (w.count < s->credit.count || w.bytes < s->credit.bytes)
        counter_add(&c->stats.bad_messages,
                    1); /* it shrank: counted, and what was granted stays granted */
    if (w.count > s->credit.count)
        s->credit.count = w.count < most ? w.count : most;
    most = s->sent.bytes + 4ull * BYTE_WINDOW_MAX;
    if (w.bytes > s->credit.bytes)
        s->credit.bytes = w.bytes < most ? w.bytes : most;
    dispatch_hungry(c, s);
}

void fleet_bye(struct core *c, struct session *s, const char *reason, struct mono now)
{
    struct agent *a = s->agent;
    c->ops.event(c->arg, "agent_bye", a->name, reason);
    straggle_agent_gone(c, a);
    LIST_EACH_SAFE (&a->leases, n, tmp) {
        lease_lost(c, CONTAINER_OF(n, struct task, node), LOSS_RELEASED, CAUSE_agent_lost, now);
    }
    liveness_trouble_over(c, a);
    a->run_id[0] = '\0'; /* whoever comes next starts clean, without a death */
    ending_note(s, END_bye, reason ? reason : "");
    fleet_close(c, s, CLOSE_NORMAL, "bye");
    dispatch_wake(c);
}

unsigned fleet_matching(struct core *c, struct batch *b)
{
    if (b->n_agent_names == 0 && b->n_tags == 0)
        return c->connected;
    if (b->matching_epoch == c->fleet_epoch)
        return b->matching;
    b->matching = 0;
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        b->matching += a->session && batch_matches(b, a);
    }
    b->matching_epoch = c->fleet_epoch;
    return b->matching;
}

unsigned fleet_able(struct core *c, struct batch *b)
{
    if (b->able_epoch == c->fleet_epoch && b->able_at.ns == c->last_tick.ns)
        return b->able;
    b->able_epoch = c->fleet_epoch;
    b->able_at = c->last_tick;
    b->able = 0;
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        b->able += agent_able(a) && batch_matches(b, a);
    }
    return b->able;
}

void core_goodbye(struct core *c, int64_t reconnect_in_ms, struct mono now)
{
    LIST_EACH (&c->session_list, n) {
        struct session *s = CONTAINER_OF(n, struct session, node);
        int64_t jitter = (int64_t)rng_below(&c->rng, (uint64_t)reconnect_in_ms + 1);
        msg_put_text(&s->control, MSG_GOAWAY, "the master stops", reconnect_in_ms + jitter);
        fleet_control(c, s);
    }
}

void fleet_destroy_all(struct core *c)
{
    LIST_EACH_SAFE (&c->session_list, n, tmp) {
        session_free(c, CONTAINER_OF(n, struct session, node));
    }
    struct agent *a, *atmp;
    HASH_ITER(hh, c->agents, a, atmp)
    {
        a->session = NULL;
        agent_free(c, a);
    }
}
