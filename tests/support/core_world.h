/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/core_watch.h"

/*
 * core_world - a master's core with a store in memory and agents that are played by the test, in
 * virtual time.
 *
 * The store survives a restart of the core (world_restart), the core does not. Actions are queued
 * and carried out by world_settle(), as the hub would: never from inside the core.
 */
static struct w_agent *w_find(struct world *w, session_id id)
{
    for (unsigned i = 0; i < w->n_agents; i++)
        if (w->agents[i].id == id)
            return &w->agents[i];
    return NULL;
}
static void w_want_write(void *arg, session_id id)
{
    struct w_agent *a = w_find(arg, id);
    REQUIRE(!a || !a->wants); /* said once, until core_produce() comes */
    ((struct world *)arg)->asked_to_write++;
    if (a)
        a->wants = true;
}
static void w_close(void *arg, session_id id, int code, const char *reason)
{
    struct w_agent *a = w_find(arg, id);
    REQUIRE(a);
    a->closed = true;
    a->close_code = code;
}
static void w_holder(struct world *w, const char *name, bool holds)
{
    unsigned i = 0;
    while (i < w->n_holders && strcmp(w->holders[i], name) != 0)
        i++;
    REQUIRE(i < W_SESSIONS);
    if (holds && i == w->n_holders)
        snprintf(w->holders[w->n_holders++], AGENT_NAME_MAX, "%s", name);
    if (!holds && i < w->n_holders)
        memcpy(w->holders[i], w->holders[--w->n_holders], AGENT_NAME_MAX);
}
static void w_agent_seen(void *arg, const char *name, const char *tags_json, const char *instance)
{
    w_holder(arg, name, true);
}
static void w_agent_empty(void *arg, const char *name)
{
    w_holder(arg, name, false);
}
static void w_event(void *arg, const char *kind, const char *agent, const char *detail)
{
    struct world *w = arg;
    w->events++;
    if (strcmp(kind, "bulk_loss") == 0)
        snprintf(w->bulk_loss, sizeof(w->bulk_loss), "%s", detail);
    snprintf(w->last_event, sizeof(w->last_event), "%s", kind);
    snprintf(w->last_detail, sizeof(w->last_detail), "%s", detail ? detail : "");
    SEEN_IF(strcmp(kind, "agent_suspect") == 0, suspect);
    SEEN_IF(strcmp(kind, "agent_stalled") == 0, stalled);
    SEEN_IF(strcmp(kind, "agent_not_stalled") == 0, not_stalled);
    SEEN_IF(strcmp(kind, "agent_grace_over") == 0, orphans_ended);
    SEEN_IF(strcmp(kind, "agent_bye") == 0, agent_bye);
    SEEN_IF(strcmp(kind, "agent_draining") == 0, agent_drain);
    SEEN_IF(strcmp(kind, "batch_deadline") == 0, deadline);
    SEEN_IF(strcmp(kind, "batch_cancelled") == 0, cancel);
    SEEN_IF(strcmp(kind, "batch_paused") == 0, pause);
    SEEN_IF(strcmp(kind, "batch_resumed") == 0, resume);
}
static void w_session_ended(void *arg, const struct core_session_end *e)
{
    struct world *w = arg;
    w->ends++;
    w->last_end = e->cause;
    w->last_end_age_ms = e->age_ms;
    snprintf(w->last_end_detail, sizeof(w->last_end_detail), "%s", e->detail);
}
static void w_step(void *arg, const struct core_told *t)
{
    struct world *w = arg;
    char text[96];
    REQUIRE(strcmp(t->trace, "4bf92f3577b34da6a3ce929d0e0e4736") == 0 && t->batch != NULL);
    REQUIRE(t->asked || t->notable || w->tell_steps);
    const char *why = t->cause && t->cause[0] ? t->cause : t->outcome;
    int n = snprintf(text, sizeof(text), "%s(%s%s%s) ", core_step_word(t->step),
                     t->agent ? t->agent : "", why ? ":" : "", why ? why : "");
    if (strlen(w->steps) + (size_t)n >= sizeof(w->steps))
        w->steps[0] = '\0';
    memcpy(w->steps + strlen(w->steps), text, strlen(text) + 1);
}
/* Once for each waiter, and not before all of it is in the store. */
static void w_ended(void *arg, uint32_t batch, void *waiter)
{
    struct world *w = arg;
    REQUIRE(w->batches[batch].n_ended == w->batches[batch].total && !w->batches[batch].growing);
    REQUIRE(!waiter || ++*(unsigned *)waiter == 1);
    SEEN_IF(waiter != NULL, ended_told);
    w->ended_calls++;
}
static int64_t w_unread(void *arg, session_id id)
{
    const struct w_agent *a = w_find(arg, id);
    return a ? a->unread : 0;
}
static void w_bear(void *arg, session_id id, bool on)
{
    struct w_agent *a = w_find(arg, id);
    if (!a) /* its connection is gone, and what it had said still comes in */
        return;
    REQUIRE(a->borne != on);
    a->borne = on;
}
static void world_boot(struct world *w)
{
    w->ops =
        (struct core_ops){w_want_write, w_close,       w_refill, w_store, w_mark,          w_pause,
                          w_agent_seen, w_agent_empty, w_event,  w_ended, w_session_ended, w_unread,
                          w_cpu,        w_step,        w_bear,   w_wall};
    const char *holders[W_SESSIONS];
    for (unsigned i = 0; i < w->n_holders; i++)
        holders[i] = w->holders[i];
    struct core_config cfg = {.holders = holders,
                              .n_holders = w->n_holders,
                              .store_id = "0190b5f0-0000-7000-8000-000000000001",
                              .boot_epoch = ++w->epoch,
                              .keys = &w->key,
                              .n_keys = 1,
                              .seed = w->epoch * 77 + 5,
                              .tell_steps = w->tell_steps};
    w->core = core_create(&cfg, &w->ops, w, w->now);
    if (w->booted)
        w->booted(w);
}
/* What this core counted, before it goes. */
static void w_harvest(struct world *w)
{
    struct core_stats *s = core_stats(w->core);
    sim_saw(SAW_requeued, counter_get(&s->requeued));
    sim_saw(SAW_duplicate, counter_get(&s->results_duplicate));
    sim_saw(SAW_late_result, counter_get(&s->results_late));
    sim_saw(SAW_nack, counter_get(&s->nacks));
    sim_saw(SAW_release, counter_get(&s->releases));
    sim_saw(SAW_straggler, counter_get(&s->stragglers));
    sim_saw(SAW_dead, counter_get(&s->agents_dead));
}
/* w is zeroed: most of it is never touched. */
static void world_init(struct world *w)
{
    w->now = (struct mono){1000 * NS_PER_SEC};
    w->key.id = 1;
    memset(w->key.bytes, 7, sizeof(w->key.bytes));
    world_boot(w);
}
static void world_fini(struct world *w)
{
    w_harvest(w);
    core_destroy(&w->core);
    for (int i = 0; i < W_BATCHES; i++)
        free(w->batches[i].tasks);
    free(w->pending);
}

static void w_forget(struct w_agent *a, uint64_t task)
{
    for (unsigned i = 0; i < a->n_held; i++)
        if (a->held[i].task == task) {
            a->held[i] = a->held[--a->n_held];
            return;
        }
}
static void w_on_line(struct world *w, struct w_agent *a, const char *line, size_t len);

static bool w_write(struct world *w, struct w_agent *a)
{
    struct strbuf frame;
    strbuf_init(&frame, FRAME_COALESCE_BYTES + LINE_MAX_BYTES);
    a->wants = false;
    a->wants = core_produce(w->core, a->id, &frame, w_frame_max(w), w->now);
    bool any = frame.len > 0;
    size_t at = 0;
    while (at <
           frame.len) { /* it has left the core: the agent reads it, whether that lives on or not */
        const char *end = memchr(frame.data + at, '\n', frame.len - at);
        REQUIRE(end);
        w_on_line(w, a, frame.data + at, (size_t)(end - frame.data) - at);
        at = (size_t)(end - frame.data) + 1;
    }
    strbuf_fini(&frame);
    if (any)
        w_dies_at(w, w->acked ? SAW_kill_m_acks : SAW_kill_m_frame);
    w->acked = false;
    return any;
}

/* One turn of hub and store: true if anything happened. */
static bool w_turn(struct world *w)
{
    bool any = w_store_turn(w);
    for (unsigned i = 0; i < w->n_agents && !w->killed; i++) {
        struct w_agent *a = &w->agents[i];
        if (a->closed && a->id) {
            core_session_closed(w->core, a->id, END_connection_closed, "", w->now);
            a->id = 0;
            any = true;
        } else if (a->id && a->wants) {
            any |= w_write(w, a);
        }
    }
    return any;
}
static void world_restart(struct world *w);
static void world_settle(struct world *w)
{
    for (int i = 0; i < 100000 && !w->killed; i++)
        if (!w_turn(w) && !w->killed)
            return;
    REQUIRE(w->killed); /* else: the world does not settle */
    world_restart(w);
}

/* ---- what a test does */

static void world_batch(struct world *w, uint32_t num, uint64_t total, int64_t per_host,
                        unsigned hosts)
{
    struct w_batch *b = &w->batches[num];
    b->total = total;
    b->tasks = mem_array(total, sizeof(*b->tasks));
    w->n_batches = num > w->n_batches ? num : w->n_batches;
    for (uint64_t i = 0; i < total; i++)
        b->tasks[i] = (struct w_task){.host = hosts ? i % hosts : i};
    b->def = (struct core_batch){.num = num,
                                 .uuid = "0190b5f0-0000-7000-8000-00000000000b",
                                 .trace = "4bf92f3577b34da6a3ce929d0e0e4736",
                                 .cls = CLASS_BULK,
                                 .per_host = per_host,
                                 .total = total,
                                 .deadline_in_ms = 3600 * 1000};
}
/* A lane: world_runs() adds to it until world_lane_close(). */
static void world_lane(struct world *w, uint32_t num, int64_t per_host, uint32_t slots)
{
    world_batch(w, num, 0, per_host, 0);
    struct w_batch *b = &w->batches[num];
    b->growing = b->def.lane = b->def.growing = true;
    b->def.cls = CLASS_SCHEDULE;
    b->def.slots = slots;
}
/* n runs of so many tasks each: committed now; the core is told by the store's next turn. False: it
 * takes nothing any more. */
static bool w_commit_runs(struct world *w, uint32_t num, unsigned n, uint32_t tasks, uint64_t host,
                          int64_t deadline_ms)
{
    struct w_batch *b = &w->batches[num];
    uint64_t more = (uint64_t)n * tasks;
    if (!b->growing)
        return false;
    if (b->total + more > b->cap) {
        b->cap = 2 * (b->total + more);
        b->tasks = mem_realloc(b->tasks, b->cap * sizeof(*b->tasks));
    }
    for (uint64_t i = 0; i < more; i++)
        b->tasks[b->total + i] = (struct w_task){.host = host + i / tasks,
                                                 .slot = (uint32_t)(i % tasks),
                                                 .deadline_at = mono_add_ms(w->now, deadline_ms)};
    b->total += more;
    b->runs_untold += more;
    SEEN(run_added);
    w_dies_at(w, SAW_kill_m_runs);
    return true;
}
static void world_runs(struct world *w, uint32_t num, unsigned n, uint32_t tasks, uint64_t host,
                       int64_t deadline_ms)
{
    REQUIRE(w_commit_runs(w, num, n, tasks, host, deadline_ms));
    world_settle(w);
}
/* The agents of these names are to be passed over in what is added from now on. */
static void world_shun(struct world *w, unsigned n, const char *const *names)
{
    for (w->n_shun = 0; w->n_shun < n; w->n_shun++)
        w->shun[w->n_shun] = slots_agent_hash(names[w->n_shun]);
}
static void world_lane_close(struct world *w, uint32_t num)
{
    struct w_batch *b = &w->batches[num];
    b->closed_untold |= b->growing;
    b->growing = false;
    b->closed = true;
}
/* Accepted: it is in the store. */
static void w_accept(struct world *w, uint32_t num)
{
    struct w_batch *b = &w->batches[num];
    b->open = true;
    b->deadline_at = mono_add_ms(w->now, b->def.deadline_in_ms);
    if (!w_dies_at(w, SAW_kill_m_accepted))
        core_batch_open(w->core, &b->def, w->now);
}
static void world_open(struct world *w, uint32_t num)
{
    w_accept(w, num);
    world_settle(w);
}
/* Kill -9 of the master: what was on its way to the store is lost, sessions are gone, what was
 * committed stays. */
static void w_reopen(struct world *w, uint32_t num)
{
    struct w_batch *b = &w->batches[num];
    struct core_batch def = b->def;
    uint64_t counted[OUTCOME_COUNT];
    REQUIRE(w_count_results(b, counted) == b->n_ended);
    REQUIRE(memcmp(counted, b->ended, sizeof(counted)) == 0);
    if (!b->open || (b->n_ended == b->total && !b->growing))
        return;
    def.total = b->total;
    def.growing = b->growing;
    memcpy(def.ended, b->ended, sizeof(def.ended));
    def.resumed = true;
    def.marked = b->marked;
    def.paused = b->paused;
    def.deadline_in_ms = mono_diff_ms(b->deadline_at, w->now);
    core_batch_open(w->core, &def, w->now);
}
static void world_restart(struct world *w)
{
    w->killed = false;
    SEEN(master_restart);
    w_harvest(w);
    w_lose(w);
    core_destroy(&w->core);
    for (unsigned i = 0; i < w->n_agents; i++)
        w->agents[i].id = 0;
    world_boot(w);
    for (uint32_t num = 1; num <= w->n_batches; num++)
        w_reopen(w, num);
    world_settle(w);
}

/* One line from an agent. What a killed master is told is lost. */
static void w_hear(struct world *w, session_id id, const char *line, size_t len)
{
    if (w->killed)
        return;
    w_see_line(w, id, line, len);
    REQUIRE(core_session_may_speak(w->core, id, w->now)); /* nobody has to wait here */
    core_session_line(w->core, id, line, len, w->now);
    w_see_inflight(w, id, line, len);
    w_dies_at(w, w_line_kill(line, len));
}
static void w_say(struct world *w, struct w_agent *a, struct strbuf *b)
{
    size_t at = 0;
    while (at < b->len && a->id) {
        const char *end = memchr(b->data + at, '\n', b->len - at);
        w_hear(w, a->id, b->data + at, (size_t)(end - b->data) - at);
        at = (size_t)(end - b->data) + 1;
    }
    strbuf_fini(b);
}
/* Connects slot `i` as `name` with this process id; it reports what the slot still holds. */
static struct w_agent *world_connect(struct world *w, unsigned i, const char *name,
                                     const char *run_id)
{
    REQUIRE(i < W_SESSIONS);
    if (i >= w->n_agents)
        w->n_agents = i + 1;
    struct w_agent *a = &w->agents[i];
    a->id = core_session_open(w->core, NULL, "127.0.0.1", w->now);
    a->wants = false;
    w_dies_at(w, SAW_kill_m_open);
    a->closed = a->welcomed = a->goaway = a->borne = false;
    a->granted = a->results = a->sent = (struct window){0};
    a->received = a->received_bytes = 0;
    snprintf(a->name, sizeof(a->name), "%s", name);
    char run[INSTANCE_ID_LEN + 1];
    snprintf(run, sizeof(run), "%032x", (unsigned)strtoul(run_id, NULL, 16));
    struct msg_hello h = {.proto_min = 1,
                          .proto_max = 1,
                          .agent = name,
                          .instance = "00000000000000000000000000000001",
                          .run_id = run,
                          .version = "t",
                          .store_id = "",
                          .slots = 512,
                          .workers = 2,
                          .queue = 128};
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_hello(&b, &h);
    for (unsigned k = 0; k < a->n_held; k++)
        msg_put_inflight(
            &b, &(struct msg_inflight){a->held[k].task, a->held[k].ticket,
                                       a->held[k].done ? INFLIGHT_DONE : INFLIGHT_RUNNING});
    msg_put_inflight_end(&b);
    w_say(w, a, &b);
    world_settle(w);
    return a;
}
static struct window w_grant(struct w_agent *a, uint64_t more, uint64_t more_bytes)
{
    struct window g = {a->received + more, a->received_bytes + more_bytes};
    if (g.count > a->granted.count)
        a->granted.count = g.count;
    if (g.bytes > a->granted.bytes)
        a->granted.bytes = g.bytes;
    return g;
}
static void world_credit(struct world *w, struct w_agent *a, uint64_t more)
{
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_credit(&b, w_grant(a, more, BYTE_WINDOW_MAX));
    w_say(w, a, &b);
    world_settle(w);
}
static bool w_may_send(const struct w_agent *a)
{
    return a->sent.count < a->results.count && a->sent.bytes < a->results.bytes;
}
/* Before one that the window does not allow, what the master says is heard. */
static void world_result(struct world *w, struct w_agent *a, const struct w_held *h,
                         enum cause cause)
{
    struct strbuf record, b;
    if (!w_may_send(a) && !a->heedless)
        world_settle(w);
    strbuf_init(&record, RESULT_MAX_BYTES);
    if (cause == CAUSE_NONE)
        strbuf_puts(&record, "{\"outcome\":\"ok\",\"cause\":null,\"timings\":{\"total_ms\":1}}");
    else
        result_encode_verdict(cause, NULL, &record);
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_result(&b, &(struct msg_result){.task = h->task,
                                            .ticket = h->ticket,
                                            .record_text = record.data,
                                            .record_len = record.len});
    a->sent.count++;
    a->sent.bytes += record.len;
    w_say(w, a, &b);
    strbuf_fini(&record);
}
/* Answers everything that the agent holds now. */
static void world_answer_all(struct world *w, struct w_agent *a)
{
    for (unsigned n = a->n_held; n > 0 && a->n_held > 0 && a->id && !a->closed; n--) {
        struct w_held h = a->held[0];
        w_forget(a, h.task);
        world_result(w, a, &h, CAUSE_NONE);
    }
    world_settle(w);
}
static void world_heartbeat(struct world *w, struct w_agent *a)
{
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    struct msg_heartbeat h = {.seq = 1,
                              .received = {a->received, a->received_bytes},
                              .credit = w_grant(a, 0, BYTE_WINDOW_MAX),
                              .lag_ms = a->lag_ms,
                              .outbox_results = a->outbox_results,
                              .overdue_ms = a->overdue_ms,
                              .still_ms = a->still_ms,
                              .trouble = ""};
    msg_put_heartbeat(&b, &h);
    w_say(w, a, &b);
}
/* Of the first that it holds. */
static void world_nack(struct world *w, struct w_agent *a, const char *cause)
{
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    REQUIRE(a->n_held > 0);
    struct w_held h = a->held[0];
    msg_put_nack(&b, &(struct msg_nack){h.task, h.ticket, cause, "d"});
    w_forget(a, h.task);
    w_say(w, a, &b);
    world_settle(w);
}
/* Virtual time passes in steps of 250 ms; with heartbeats, connected agents say so each second. */
static void world_tick(struct world *w, int64_t ms, bool heartbeats)
{
    for (int64_t at = 0; at < ms; at += 250) {
        w->now = mono_add_ms(w->now, 250);
        for (unsigned i = 0; heartbeats && at % 1000 == 0 && i < w->n_agents; i++)
            if (w->agents[i].id && !w->agents[i].closed)
                world_heartbeat(w, &w->agents[i]);
        core_tick(w->core, 0, w->now);
        w_dies_at(w, w->core->awaited > 0 ? SAW_kill_m_grace : SAW_kill_m_tick);
        world_settle(w);
    }
}
/* Starts at a host of batches with a rate, all with the same one: never more than it and half a
 * second's worth at once allow. A new master knows nothing of the starts before. */
static void w_check_rate(struct world *w, const struct w_batch *b, uint64_t host)
{
    double rate = b->def.per_host_rate, burst = rate * 0.5 > 1 ? rate * 0.5 : 1;
    if (rate == 0)
        return;
    REQUIRE(host < W_RATED);
    struct w_rate *r = &w->rated[host];
    if (r->epoch != w->epoch)
        *r = (struct w_rate){.epoch = w->epoch, .tokens = burst, .at = w->now};
    r->tokens += (double)(w->now.ns - r->at.ns) / (double)NS_PER_SEC * rate;
    r->tokens = (r->tokens < burst ? r->tokens : burst) - 1;
    r->at = w->now;
    r->starts++;
    REQUIRE(r->tokens > -1e-6);
}
static void w_on_task(struct world *w, struct w_agent *a, const struct msg_task *m, size_t len)
{
    struct w_batch *of = &w->batches[m->task >> 32];
    w_check_rate(w, of, of->tasks[(uint32_t)m->task].host);
    w_check_sent(w, a->name, m->task);
    REQUIRE(a->received < a->granted.count && a->received_bytes < a->granted.bytes);
    a->received++;
    a->received_bytes += len + 1;
    unsigned k = 0;
    while (k < a->n_held && a->held[k].task != m->task)
        k++; /* held already: the newer ticket replaces the older */
    if (k == a->n_held) {
        REQUIRE(a->n_held < W_HELD);
        a->held[a->n_held++] = (struct w_held){.task = m->task};
    }
    struct w_held *h = &a->held[k];
    h->cls = m->cls;
    snprintf(h->ticket, sizeof(h->ticket), "%s", m->ticket);
}
/* It never falls. */
static void w_on_window(struct w_agent *a, const struct message *m)
{
    struct window told = m->type == MSG_WELCOME         ? m->welcome.results
                         : m->type == MSG_HEARTBEAT_ACK ? m->heartbeat_ack.results
                         : m->type == MSG_RESULTS_ACK   ? m->results_ack.results
                                                        : a->results;
    REQUIRE(told.count >= a->results.count && told.bytes >= a->results.bytes);
    a->results = told;
    a->empty_acks += m->type == MSG_RESULTS_ACK && m->results_ack.n == 0;
}
static void w_on_line(struct world *w, struct w_agent *a, const char *line, size_t len)
{
    struct message m;
    char why[160];
    enum err e = message_decode(line, len, &m, why, sizeof(why));
    if (e) {
        fprintf(stderr, "bad line from the core: %s\n%.*s\n", why, (int)len, line);
        abort();
    }
    if (m.type == MSG_TASK)
        w_on_task(w, a, &m.task, len);
    if (m.type == MSG_WELCOME)
        a->welcomed = true;
    w_on_window(a, &m);
    if (m.type == MSG_GOAWAY)
        a->goaway = true;
    if (m.type == MSG_VERDICT && m.verdict.keep)
        a->verdict_keep++;
    if (m.type == MSG_VERDICT && !m.verdict.keep) {
        a->verdict_drop++;
        w_forget(a, m.verdict.task);
    }
    SEEN_IF(m.type == MSG_CANCEL, cancel_told);
    for (unsigned i = 0; m.type == MSG_CANCEL && i < m.cancel.n; i++, a->cancels++)
        w_forget(a, m.cancel.tasks[i]);
    for (unsigned i = 0; m.type == MSG_RESULTS_ACK && i < m.results_ack.n; i++) {
        a->acks_stored += m.results_ack.acks[i].verdict == ACK_STORED;
        a->acks_duplicate += m.results_ack.acks[i].verdict == ACK_DUPLICATE;
        a->acks_rejected += m.results_ack.acks[i].verdict == ACK_REJECTED;
        w_check_ack(w, &m.results_ack.acks[i]);
        w_forget(a, m.results_ack.acks[i].task);
    }
    message_fini(&m);
}
/* The promise: each task of the batch has exactly one result. */
static bool world_all_ended(struct world *w, uint32_t num)
{
    uint64_t ended[OUTCOME_COUNT];
    return w_count_results(&w->batches[num], ended) == w->batches[num].total;
}
