/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"
#include "proto/result.h"
#include <string.h>

/*
 * What a task goes through at agents: leased, taken up again after a lost connection or a restart,
 * lost, answered. The first result with a valid ticket wins, whichever lease it comes from; the
 * store says which was first.
 */

static void lease_enter(struct core *c, struct task *t, struct agent *a)
{
    REQUIRE(!t->agent && !list_linked(&t->node));
    t->state = TASK_LEASED;
    t->agent = a;
    list_push_back(&a->leases, &t->node);
    slots_set(t, a);
    t->batch->leased++;
    if (t->spec)
        task_set_running(t, true);
    else
        t->batch->unproved++;
    t->batch->had_agent = true;
}

void lease_take(struct core *c, struct task *t, struct agent *a, struct mono now)
{
    t->lease = (struct lease_no){c->epoch, ++c->lease_counter};
    t->leased_at = t->held_since = now;
    lease_enter(c, t, a);
}

static void take_up_lease(struct core *c, struct task *t, struct agent *a, struct lease_no no)
{
    t->lease = no;
    t->held_since = c->last_tick;
    t->leased_at = (struct mono){0};
    t->forgotten |= no.epoch != c->epoch;
    lease_enter(c, t, a);
    tell_step(c, t->batch, &(struct core_told){STEP_TAKEN_UP, .task = t->id, .agent = a->name});
    if (t->spec)
        polite_count(c, t);
}

void lease_continue(struct core *c, struct task *t, struct agent *a, struct lease_no no)
{
    t->lease = no;
    t->leased_at = t->held_since = c->last_tick;
    lease_enter(c, t, a);
}

void lease_emptied(struct core *c, struct agent *a)
{
    if (c->alone_agent != a || !list_empty(&a->leases) || !list_empty(&a->twins))
        return;
    if (c->alone_runs)
        c->alone_agent = NULL;
    c->alone_runs = false;
    if (a->session)
        dispatch_hungry(c, a->session);
}

void lease_drop(struct core *c, struct task *t)
{
    REQUIRE(t->state == TASK_LEASED && t->agent);
    struct agent *a = t->agent;
    list_remove(&a->leases, &t->node);
    t->agent = NULL;
    slots_set(t, NULL);
    REQUIRE(t->batch->leased > 0);
    t->batch->leased--;
    if (!t->spec)
        t->batch->unproved--;
    polite_leave(c, t);
    t->state = TASK_STORING;
    lease_emptied(c, a);
}

/* ---- endings that the master decides */

void lease_verdict(struct core *c, struct task *t, enum cause cause, const char *message)
{
    REQUIRE(t->state == TASK_STORING && !t->agent && !list_linked(&t->node));
    struct strbuf record;
    struct core_history history;
    bool told = history_tell(t, &history);
    strbuf_init(&record, RESULT_MAX_BYTES);
    result_encode_verdict(cause, message, &record);
    if (t->spec) /* else it may have ended before a restart, and be counted there */
        task_set_running(t, true);
    c->storing++;
    tell_step(c, t->batch,
              &(struct core_told){STEP_VERDICT, .task = t->id, .attempt = t->attempts,
                                  .outcome = outcome_word(cause_outcome(cause)),
                                  .cause = cause_word(cause)});
    c->ops.store(c->arg, &(struct core_result){.task = t->id,
                                               .attempt = t->attempts,
                                               .outcome = cause_outcome(cause),
                                               .cause = cause_word(cause),
                                               .record = record.data,
                                               .record_len = record.len,
                                               .history = told ? &history : NULL});
    strbuf_fini(&record);
}

static bool used_up(struct core *c, struct task *t, enum cause cause)
{
    if (t->deaths > DEATHS_ALONE) {
        lease_verdict(c, t, CAUSE_poison, NULL);
        return true;
    }
    if (t->attempts < ATTEMPTS_MAX)
        return false;
    lease_verdict(c, t, cause, NULL);
    return true;
}

enum lease_loss lease_loss_of(const struct agent *a)
{
    return a->reborn && !a->usurped ? LOSS_DEATH : LOSS_GRACE;
}

static const struct {
    enum attempt_end end;
    enum core_step step;
} losses[] = {[LOSS_RELEASED] = {ATTEMPT_RELEASED, STEP_RELEASED},
              [LOSS_NACK] = {ATTEMPT_NACK, STEP_NACK},
              [LOSS_GRACE] = {ATTEMPT_LOST, STEP_LOST},
              [LOSS_DEATH] = {ATTEMPT_DIED, STEP_DIED},
              [LOSS_STALL] = {ATTEMPT_STALLED, STEP_STALLED}};

void lease_lost(struct core *c, struct task *t, enum lease_loss why, enum cause cause,
                struct mono now)
{
    struct agent *a = t->agent;
    lease_drop(c, t);
    history_add(t, a->name, losses[why].end, cause, now);
    if (why != LOSS_RELEASED)
        t->attempts++;
    if (why == LOSS_DEATH || why == LOSS_STALL)
        t->deaths++;
    if (tells(c, t->batch, why != LOSS_RELEASED))
        tell_step(c, t->batch,
                  &(struct core_told){losses[why].step, .task = t->id, .agent = a->name,
                                      .attempt = t->attempts,
                                      .cause = why == LOSS_NACK ? cause_word(cause) : NULL});
    if (straggle_take_over(c, t))
        return;
    straggle_settle(c, t, NULL);
    if (used_up(c, t, cause))
        return;
    counter_add(&c->stats.requeued, 1);
    task_set_running(t, false);
    t->avoid = a;
    t->faulted = why == LOSS_NACK;
    t->avoid_until =
        mono_add_ms(now, t->faulted ? RETRY_ELSEWHERE_MS * t->attempts : RETRY_ELSEWHERE_MS);
    t->retry = true;
    if (t->spec) {
        batch_queue(c, t, false);
        return;
    }
    struct batch *b = t->batch;
    uint64_t id = t->id;
    task_free(c, t);
    batch_rewind(c, b, id, now);
}

void lease_ended(struct core *c, struct task *t)
{
    if (t->state == TASK_LEASED) {
        if (t->agent->session)
            fleet_cancel(c, t->agent, t->id);
        straggle_settle(c, t, NULL);
        lease_drop(c, t);
    } else if (t->state != TASK_STORING) {
        task_unqueue(c, t);
    }
    task_set_running(t, false);
    if (!t->batch->refilling) {
        task_free(c, t);
        return;
    }
    t->ended = true;
    list_push_back(&t->batch->tombs, &t->node);
}

/* ---- results */

static void reject(struct core *c, struct session *s, const struct msg_result *m, const char *why)
{
    counter_add(&c->stats.results_rejected, 1);
    char detail[256];
    snprintf(detail, sizeof(detail), "task %llu: %s", (unsigned long long)m->task, why);
    c->ops.event(c->arg, "result_rejected", s->agent->name, detail);
    fleet_ack(c, s, m->task, ACK_REJECTED, m->record_len);
}

/* The ticket proves a lease of this task to this agent in this batch. */
static bool ticket_good(struct core *c, struct session *s, struct batch *b, uint64_t task,
                        const char *ticket, struct lease_no *no)
{
    return ticket_verify(c->tickets, ticket, b->uuid, task, s->agent->name, no) == ERR_NONE;
}

static bool current(const struct task *t, const struct agent *a, struct lease_no no)
{
    return t && t->state == TASK_LEASED && t->agent == a && t->lease.epoch == no.epoch &&
           t->lease.counter == no.counter;
}

/* Its result is on the way to the store: no agent has it any more. */
static void settle(struct core *c, struct batch *b, struct task *t, uint64_t id, struct agent *from)
{
    if (!t) { /* not read yet, or ended: the store knows; until then it keeps a refill from bringing
                 it back */
        task_new(c, b, id, 0);
        return;
    }
    if (t->state == TASK_LEASED) {
        if (t->agent != from)
            fleet_cancel(c, t->agent, t->id);
        straggle_settle(c, t, from);
        lease_drop(c, t);
    } else if (t->state != TASK_STORING) {
        task_unqueue(c, t);
        task_set_running(t, true);
    }
}

/* Expired and cancelled are the master's to say. */
static bool head_good(const struct json_node *record, struct result_head *head, char *why,
                      size_t why_max)
{
    if (result_head_parse(record, head, why, why_max) != ERR_NONE)
        return false;
    if (head->outcome != OUTCOME_EXPIRED && head->outcome != OUTCOME_CANCELLED)
        return true;
    snprintf(why, why_max, "an agent cannot say '%s'", outcome_word(head->outcome));
    return false;
}

/* To be called while the lease is there. False: it is the one attempt, as of most. */
static bool tell_answer(struct core *c, const struct task *t, const struct agent *a,
                        struct lease_no no, struct mono now, struct core_history *out)
{
    bool told = history_tell(t, out);
    out->lost |= no.epoch != c->epoch;
    if (!told && !out->lost)
        return false;
    struct core_attempt last = {.ended_at = now, .end = ATTEMPT_RESULT};
    snprintf(last.agent, sizeof(last.agent), "%s", a->name);
    if (current(t, a, no))
        last.leased_at = t->leased_at;
    history_append(out, &last);
    return true;
}

/* The lease that is current, and the proof as it was sent: it need not be computed again. */
static bool ticket_known(const struct task *t, const struct agent *a, const char *ticket,
                         struct lease_no *no)
{
    struct lease_no given;
    if (!t || ticket_peek(ticket, &given) != ERR_NONE || !current(t, a, given) ||
        t->proof_of != given.counter ||
        !bytes_equal(t->proof, ticket_proof(ticket), TICKET_PROOF_LEN))
        return false;
    *no = given;
    return true;
}

void lease_result(struct core *c, struct session *s, const struct msg_result *m, struct mono now)
{
    struct batch *b = batch_find(c, (uint32_t)(m->task >> 32));
    if (!b) { /* ended, or never was: either way there is nothing to win */
        counter_add(&c->stats.results_late, 1);
        fleet_ack(c, s, m->task, ACK_DUPLICATE, m->record_len);
        return;
    }
    struct lease_no no;
    struct task *t = task_find(c, m->task);
    if (!ticket_known(t, s->agent, m->ticket, &no) &&
        !ticket_good(c, s, b, m->task, m->ticket, &no)) {
        reject(c, s, m, "its ticket does not prove a lease");
        return;
    }
    char why[160];
    struct result_head head;
    if (!head_good(m->record, &head, why, sizeof(why))) {
        reject(c, s, m, why);
        if (current(t, s->agent, no))
            lease_lost(c, t, LOSS_NACK, CAUSE_agent_lost, now);
        return;
    }
    uint32_t attempt = t ? t->attempts + 1u : 1;
    struct core_history history;
    bool told = tell_answer(c, t, s->agent, no, now, &history);
    struct mono leased_at = current(t, s->agent, no) ? t->leased_at : (struct mono){0};
    attempt += t && t->twin && t->twin->agent == s->agent;
    if (t && t->state == TASK_LEASED)
        straggle_note(t, now);
    settle(c, b, t, m->task, s->agent);
    if (t)
        slots_answered(c, t, s->agent, now);
    c->storing++;
    s->agent->results++;
    if (tells(c, b, head.outcome != OUTCOME_OK || attempt > 1))
        tell_step(c, b,
                  &(struct core_told){STEP_RESULT, .task = m->task, .agent = s->agent->name,
                                      .attempt = attempt, .outcome = outcome_word(head.outcome),
                                      .cause = head.cause});
    c->ops.store(c->arg, &(struct core_result){.task = m->task,
                                               .session = s->id,
                                               .agent = s->agent->name,
                                               .attempt = attempt,
                                               .outcome = head.outcome,
                                               .cause = head.cause,
                                               .record = m->record_text,
                                               .record_len = m->record_len,
                                               .history = told ? &history : NULL,
                                               .leased_at = leased_at,
                                               .arrived_at = now});
}

void lease_nack(struct core *c, struct session *s, const struct msg_nack *m, bool release,
                struct mono now)
{
    struct task *t = task_find(c, m->task);
    struct lease_no no;
    if (!t || !ticket_good(c, s, t->batch, m->task, m->ticket, &no) ||
        straggle_given_back(c, t, s->agent, no) || !current(t, s->agent, no))
        return; /* only the current lease can be given back; late ones mean nothing */
    counter_add(release ? &c->stats.releases : &c->stats.nacks, 1);
    if (release) {
        lease_lost(c, t, LOSS_RELEASED, CAUSE_agent_lost, now);
        return;
    }
    enum cause cause = CAUSE_NONE;
    bool known = cause_parse(m->cause, &cause) == ERR_NONE;
    if (!known || cause_where(cause) == WHERE_AGENT) {
        lease_lost(c, t, LOSS_NACK, known ? cause : CAUSE_agent_lost, now);
        return;
    }
    straggle_settle(c, t, s->agent);
    lease_drop(c, t);
    history_add(t, s->agent->name, ATTEMPT_NACK, cause, now);
    t->attempts++;
    tell_step(c, t->batch,
              &(struct core_told){STEP_NACK, .task = t->id, .agent = s->agent->name,
                                  .attempt = t->attempts, .cause = cause_word(cause)});
    lease_verdict(c, t, cause, m->detail);
}

/* ---- HELLO: what an agent still holds */

static bool take_up(struct core *c, struct session *s, const struct msg_inflight *m)
{
    struct batch *b = batch_find(c, (uint32_t)(m->task >> 32));
    struct lease_no no;
    if (!b || b->marked || !ticket_good(c, s, b, m->task, m->ticket, &no))
        return false;
    struct task *t = task_find(c, m->task);
    if (t && t->state == TASK_LEASED && t->agent == s->agent) {
        t->lease = no; /* a newer lease of the same task may have been lost on the way */
        return true;
    }
    if (t && (t->state == TASK_LEASED || t->state == TASK_STORING))
        return false; /* another one has it, or its result is here */
    if (!t && (no.epoch == c->epoch || m->task <= b->cursor || b->exhausted))
        return false; /* it was leased or read by this master, and has ended since */
    if (t)
        task_unqueue(c, t);
    else
        t = task_new(c, b, m->task, 0);
    take_up_lease(c, t, s->agent, no);
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* A process cannot run what another one was given, nor one that stalled what went to others; a
 * result it may have of it. */
static bool kept(struct core *c, struct session *s, const struct msg_inflight *m)
{
    bool runs = !s->agent->reborn && !agent_stalled(s->agent);
    return (m->state == INFLIGHT_DONE || runs) && take_up(c, s, m);
}

void lease_inflight(struct core *c, struct session *s, const struct msg_inflight *m,
                    struct mono now)
{
    if (s->n_reported == INFLIGHT_MAX) {
        fleet_close(c, s, CLOSE_POLICY, "more INFLIGHT lines than allowed");
        return;
    }
    bool keep = kept(c, s, m);
    msg_put_verdict(&s->verdicts,
                    &(struct msg_verdict){m->task, keep || m->state == INFLIGHT_DONE});
    if (!keep && s->agent->reborn)
        return;
    if (s->n_reported == s->reported_cap) {
        s->reported_cap = s->reported_cap ? s->reported_cap * 2 : 64;
        s->reported = mem_realloc(s->reported, s->reported_cap * sizeof(*s->reported));
    }
    s->reported[s->n_reported++] = m->task;
}

/* What was leased to it and is not in its list never arrived: it goes back without an attempt
 * counted. Or it arrived at a process that is no more. */
void lease_inflight_end(struct core *c, struct session *s, struct mono now)
{
    if (s->n_reported)
        qsort(s->reported, s->n_reported, sizeof(*s->reported), by_number);
    enum lease_loss why = s->agent->reborn ? lease_loss_of(s->agent) : LOSS_RELEASED;
    LIST_EACH_SAFE (&s->agent->leases, n, tmp) {
        struct task *t = CONTAINER_OF(n, struct task, node);
        if (!s->n_reported ||
            !bsearch(&t->id, s->reported, s->n_reported, sizeof(*s->reported), by_number))
            lease_lost(c, t, why, CAUSE_agent_lost, now);
    }
    if (s->agent->reborn && c->alone_agent == s->agent && list_empty(&s->agent->leases))
        c->alone_agent = NULL;
    s->agent->reborn = s->agent->usurped = false;
    free(s->reported);
    s->reported = NULL;
    s->n_reported = s->reported_cap = 0;
    dispatch_wake(c);
}
