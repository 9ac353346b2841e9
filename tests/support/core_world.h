/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/core_world_state.h"

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
static bool w_passed_over(struct w_refill *r, uint64_t host)
{
    unsigned i = 0;
    while (i < r->q.n_hosts && r->q.hosts[i] != host)
        i++;
    bool named = i < r->q.n_hosts;
    if (named && !r->q.only)
        r->passed[i] = r->last;
    return r->q.n_hosts > 0 && named != r->q.only;
}
static uint32_t w_slot(const struct w_batch *b, uint64_t ordinal)
{
    return b->def.slots > 1 ? (uint32_t)(ordinal % b->def.slots) : 0;
}
/* Of the target that this task is of, unless the one before is of it, too. */
static void w_read_answers(struct w_refill *r, const struct w_batch *b, uint64_t first, uint64_t i)
{
    uint64_t target = i - w_slot(b, i);
    if (r->n > 1 && r->found[r->n - 2] >= first + target)
        return;
    for (uint64_t k = target; b->def.slots > 1 && k < target + b->def.slots; k++) {
        if (!b->tasks[k].has_result || b->tasks[k].agent == 0)
            continue;
        REQUIRE(r->n_answers < W_ANSWERS);
        r->answers[r->n_answers++] = (struct core_answer){first + k, b->tasks[k].agent};
    }
}
static void w_read_refill(struct world *w, struct w_refill *r)
{
    const struct w_batch *b = &w->batches[r->q.batch];
    uint64_t first = (uint64_t)r->q.batch << 32;
    uint64_t from = r->q.after + 1 < first ? 0 : (uint32_t)(r->q.after + 1);
    uint64_t to =
        w->refill_scan && from + w->refill_scan < b->total ? from + w->refill_scan : b->total;
    if (r->q.to && (uint32_t)r->q.to + 1 < to)
        to = (uint32_t)r->q.to + 1;
    r->last = r->q.after;
    r->read = true;
    for (uint64_t i = from; i < to && r->n < r->q.limit; i++) {
        r->last = first + i;
        if (w_passed_over(r, b->tasks[i].host) || b->tasks[i].has_result)
            continue;
        r->found[r->n++] = r->last;
        w_read_answers(r, b, first, i);
    }
}
static void w_refill(void *arg, const struct core_refill *q)
{
    struct world *w = arg;
    REQUIRE(w->n_refills < 2 * W_BATCHES && q->limit > 0 && q->limit <= CORE_REFILL_ROWS);
    struct w_refill *r = &w->refills[w->n_refills++];
    memset(r, 0, sizeof(*r));
    r->q = *q;
    w->refill_rows += q->limit;
    if (w->refill_early)
        w_read_refill(w, r);
}
static void w_store(void *arg, const struct core_result *r)
{
    struct world *w = arg;
    if (w->n_pending == w->cap_pending) {
        w->cap_pending = w->cap_pending ? w->cap_pending * 2 : 256;
        w->pending = mem_realloc(w->pending, w->cap_pending * sizeof(*w->pending));
    }
    w->told = r->history ? *r->history : (struct core_history){0};
    struct w_pending *p = &w->pending[w->n_pending++];
    *p = (struct w_pending){
        .task = r->task, .session = r->session, .outcome = r->outcome, .len = r->record_len};
    snprintf(p->cause, sizeof(p->cause), "%s", r->cause ? r->cause : "");
    snprintf(p->agent, sizeof(p->agent), "%s", r->agent ? r->agent : "");
}
static void w_mark(void *arg, uint32_t batch, bool cancel, enum cause cause, void *waiter)
{
    struct world *w = arg;
    if (w->batches[batch].marked)
        return;
    w->batches[batch].marked = true;
    w->batches[batch].mark_cause = cause;
}
static void w_pause(void *arg, uint32_t batch, bool paused, void *waiter)
{
    struct world *w = arg;
    w->batches[batch].pausing = paused ? 1 : -1;
    w->batches[batch].held_back = paused;
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
    snprintf(w->last_event, sizeof(w->last_event), "%s", kind);
}
static void w_ended(void *arg, uint32_t batch, void *waiter)
{
    ((struct world *)arg)->ended_calls++;
}
static void world_boot(struct world *w)
{
    w->ops = (struct core_ops){w_want_write, w_close,      w_refill,      w_store, w_mark,
                               w_pause,      w_agent_seen, w_agent_empty, w_event, w_ended};
    const char *holders[W_SESSIONS];
    for (unsigned i = 0; i < w->n_holders; i++)
        holders[i] = w->holders[i];
    struct core_config cfg = {.holders = holders,
                              .n_holders = w->n_holders,
                              .store_id = "0190b5f0-0000-7000-8000-000000000001",
                              .boot_epoch = ++w->epoch,
                              .keys = &w->key,
                              .n_keys = 1,
                              .seed = w->epoch * 77 + 5};
    w->core = core_create(&cfg, &w->ops, w, w->now);
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
    core_destroy(&w->core);
    for (int i = 0; i < W_BATCHES; i++)
        free(w->batches[i].tasks);
    free(w->pending);
}

static uint64_t w_count_results(struct w_batch *b, uint64_t ended[OUTCOME_COUNT])
{
    uint64_t n = 0;
    memset(ended, 0, sizeof(uint64_t) * OUTCOME_COUNT);
    for (uint64_t i = 0; i < b->total; i++) {
        if (!b->tasks[i].has_result)
            continue;
        ended[b->tasks[i].outcome]++;
        n++;
    }
    return n;
}

/* ---- the store and the hub's part */

static void w_answer_refill(struct world *w, struct w_refill *r)
{
    struct w_batch *b = &w->batches[r->q.batch];
    struct core_task rows[CORE_REFILL_ROWS];
    struct strbuf spec;
    strbuf_init(&spec, TASK_MAX_BYTES);
    strbuf_puts(&spec, "{\"url\":\"http://x/");
    for (unsigned i = 0; i < b->pad; i++)
        strbuf_putc(&spec, 'x');
    strbuf_puts(&spec, "\"");
    strbuf_puts(&spec, b->more ? b->more : "");
    strbuf_putc(&spec, '}');
    if (!r->read)
        w_read_refill(w, r);
    for (unsigned i = 0; i < r->n; i++)
        rows[i] = (struct core_task){r->found[i], b->tasks[(uint32_t)r->found[i]].host, spec.data,
                                     spec.len, w_slot(b, (uint32_t)r->found[i])};
    struct core_refilled answer = {.batch = r->q.batch,
                                   .tasks = rows,
                                   .n = r->n,
                                   .answers = r->answers,
                                   .n_answers = r->n_answers,
                                   .last = r->last,
                                   .exhausted = (uint32_t)r->last + 1 >= b->total};
    memcpy(answer.passed, r->passed, sizeof(answer.passed));
    core_refilled(w->core, &answer, w->now);
    strbuf_fini(&spec);
}

/* This agent has answered another task of the target. */
static bool w_answered(const struct w_batch *b, uint64_t ordinal, uint64_t agent)
{
    uint64_t target = ordinal - w_slot(b, ordinal);
    for (uint64_t k = target; agent && b->def.slots > 1 && k < target + b->def.slots; k++)
        if (k != ordinal && b->tasks[k].has_result && b->tasks[k].agent == agent)
            return true;
    return false;
}
static void w_commit_one(struct world *w, struct w_pending *p)
{
    struct w_batch *b = &w->batches[p->task >> 32];
    struct w_task *t = &b->tasks[(uint32_t)p->task];
    enum ack_verdict v = t->has_result ? ACK_DUPLICATE : ACK_STORED;
    uint64_t agent = p->agent[0] ? hash64(p->agent, strlen(p->agent)) : 0;
    t->stored++;
    if (!t->has_result && w_answered(b, (uint32_t)p->task, agent)) {
        core_stored_again(w->core, p->task, p->session, p->agent, p->len, w->now);
        return;
    }
    if (!t->has_result) {
        t->has_result = true;
        t->agent = agent;
        t->outcome = p->outcome;
        snprintf(t->cause, sizeof(t->cause), "%s", p->cause);
    }
    core_stored(w->core, p->task, p->session, p->outcome, v, p->len, w->now);
}

static void w_sweep(struct world *w, uint32_t num)
{
    struct w_batch *b = &w->batches[num];
    uint64_t n = 0, i = 0;
    for (; i < b->total && (!w->sweep_rows || n < w->sweep_rows); i++) {
        if (b->tasks[i].has_result)
            continue;
        b->tasks[i].has_result = true;
        b->tasks[i].outcome = cause_outcome(b->mark_cause);
        snprintf(b->tasks[i].cause, CAUSE_MAX, "%s", cause_word(b->mark_cause));
        n++;
    }
    b->marked = i < b->total;
    core_swept(w->core, num, cause_outcome(b->mark_cause), n, !b->marked, w->now);
}

static bool w_commit_pause(struct w_batch *b)
{
    bool any = b->pausing != 0;
    b->paused = any ? b->pausing > 0 : b->paused;
    b->pausing = 0;
    return any;
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
    a->wants = core_produce(w->core, a->id, &frame, FRAME_COALESCE_BYTES, w->now);
    bool any = frame.len > 0;
    size_t at = 0;
    while (at < frame.len) {
        const char *end = memchr(frame.data + at, '\n', frame.len - at);
        REQUIRE(end);
        w_on_line(w, a, frame.data + at, (size_t)(end - frame.data) - at);
        at = (size_t)(end - frame.data) + 1;
    }
    strbuf_fini(&frame);
    return any;
}

/* One turn of the store: true if anything happened. */
static bool w_store_turn(struct world *w)
{
    bool any = false;
    unsigned n_refills = w->refill_stalled ? 0 : w->n_refills;
    for (unsigned i = 0; i < n_refills; i++, any = true)
        w_answer_refill(w, &w->refills[i]);
    memmove(w->refills, w->refills + n_refills, (w->n_refills - n_refills) * sizeof(w->refills[0]));
    w->n_refills -= n_refills;
    if (!w->store_stalled) {
        size_t n = w->n_pending;
        for (size_t i = 0; i < n; i++, any = true) {
            struct w_pending p = w->pending[i];
            w_commit_one(w, &p);
        }
        if (n)
            memmove(w->pending, w->pending + n, (w->n_pending - n) * sizeof(*w->pending));
        w->n_pending -= n;
        for (uint32_t b = 1; b < W_BATCHES; b++) {
            any |= w_commit_pause(&w->batches[b]);
            if (w->batches[b].marked && (any = true))
                w_sweep(w, b);
        }
    }
    return any;
}

/* One turn of hub and store: true if anything happened. */
static bool w_turn(struct world *w)
{
    bool any = w_store_turn(w);
    for (unsigned i = 0; i < w->n_agents; i++) {
        struct w_agent *a = &w->agents[i];
        if (a->closed && a->id) {
            core_session_closed(w->core, a->id, "closed", w->now);
            a->id = 0;
            any = true;
        } else if (a->id && a->wants) {
            any |= w_write(w, a);
        }
    }
    return any;
}
static void world_settle(struct world *w)
{
    for (int i = 0; i < 100000; i++)
        if (!w_turn(w))
            return;
    UNREACHABLE("the world does not settle");
}

/* ---- what a test does */

static void world_batch(struct world *w, uint32_t num, uint64_t total, int64_t per_host,
                        unsigned hosts)
{
    struct w_batch *b = &w->batches[num];
    b->total = total;
    b->tasks = mem_array(total, sizeof(*b->tasks));
    for (uint64_t i = 0; i < total; i++)
        b->tasks[i] = (struct w_task){.exists = true, .host = hosts ? i % hosts : i};
    b->open = true;
    b->def = (struct core_batch){.num = num,
                                 .uuid = "0190b5f0-0000-7000-8000-00000000000b",
                                 .trace = "4bf92f3577b34da6a3ce929d0e0e4736",
                                 .cls = CLASS_BULK,
                                 .per_host = per_host,
                                 .total = total,
                                 .deadline_in_ms = 3600 * 1000};
}
static void world_open(struct world *w, uint32_t num)
{
    core_batch_open(w->core, &w->batches[num].def, w->now);
    world_settle(w);
}
/* Kill -9 of the master: what was on its way to the store is lost, sessions are gone, what was
 * committed stays. */
static void world_restart(struct world *w)
{
    w->n_pending = w->n_refills = 0;
    core_destroy(&w->core);
    for (unsigned i = 0; i < w->n_agents; i++)
        w->agents[i].id = 0;
    world_boot(w);
    for (uint32_t num = 1; num < W_BATCHES; num++) {
        struct w_batch *b = &w->batches[num];
        b->pausing = 0;
        b->held_back = b->paused;
        if (!b->open)
            continue;
        struct core_batch def = b->def;
        if (w_count_results(b, def.ended) == b->total)
            continue;
        def.resumed = true;
        def.marked = b->marked;
        def.paused = b->paused;
        core_batch_open(w->core, &def, w->now);
    }
    world_settle(w);
}

static void w_say(struct world *w, struct w_agent *a, struct strbuf *b)
{
    size_t at = 0;
    while (at < b->len && a->id) {
        const char *end = memchr(b->data + at, '\n', b->len - at);
        core_session_line(w->core, a->id, b->data + at, (size_t)(end - b->data) - at, w->now);
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
    a->closed = a->welcomed = a->goaway = false;
    a->granted = (struct window){0};
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
static void world_result(struct world *w, struct w_agent *a, const struct w_held *h,
                         enum cause cause)
{
    struct strbuf record, b;
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
    w_say(w, a, &b);
    strbuf_fini(&record);
}
/* Answers everything that the agent holds now. */
static void world_answer_all(struct world *w, struct w_agent *a)
{
    for (unsigned n = a->n_held; n > 0 && a->id && !a->closed; n--) {
        struct w_held h = a->held[0];
        w_forget(a, h.task);
        world_result(w, a, &h, CAUSE_NONE);
        if (n % 512 == 0)
            world_settle(w);
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
                              .trouble = ""};
    msg_put_heartbeat(&b, &h);
    w_say(w, a, &b);
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
    REQUIRE(!w->batches[m->task >> 32].held_back);
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
    if (m.type == MSG_GOAWAY)
        a->goaway = true;
    if (m.type == MSG_VERDICT && m.verdict.keep)
        a->verdict_keep++;
    if (m.type == MSG_VERDICT && !m.verdict.keep) {
        a->verdict_drop++;
        w_forget(a, m.verdict.task);
    }
    for (unsigned i = 0; m.type == MSG_CANCEL && i < m.cancel.n; i++, a->cancels++)
        w_forget(a, m.cancel.tasks[i]);
    for (unsigned i = 0; m.type == MSG_RESULTS_ACK && i < m.results_ack.n; i++) {
        a->acks_stored += m.results_ack.acks[i].verdict == ACK_STORED;
        a->acks_duplicate += m.results_ack.acks[i].verdict == ACK_DUPLICATE;
        a->acks_rejected += m.results_ack.acks[i].verdict == ACK_REJECTED;
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
