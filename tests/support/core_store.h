/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/core_world_state.h"

/*
 * core_store - the store of core_world: rows in memory, and as slow, silent and failing as a test
 * wants. It does what master/store and the hub's courier do: commits results in their order, tries
 * what failed again behind the others, and tells of commits and of sweeps by two ways that do not
 * wait for each other. A master that dies takes along what was asked and not committed.
 */

/* Here it dies, if this is the point (0: none) and the time. True: it is dead. */
static bool w_dies_at(struct world *w, enum sim_kind point)
{
    if (w->killed)
        return true;
    if (point == 0 || w->kill_at != point || --w->kill_after > 0)
        return false;
    sim_saw(point, 1);
    w->kill_at = 0;
    return w->killed = true;
}

/* ---- reading */

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
    if (b->def.lane)
        return b->tasks[ordinal].slot;
    return b->def.slots > 1 ? (uint32_t)(ordinal % b->def.slots) : 0;
}
static bool w_same_target(const struct w_batch *b, uint64_t k, uint64_t target)
{
    return k < b->total && k < target + b->def.slots && k - w_slot(b, k) == target;
}
/* Of the target that this task is of, unless the one before is of it, too. */
static void w_read_answers(struct w_refill *r, const struct w_batch *b, uint64_t first, uint64_t i)
{
    uint64_t target = i - w_slot(b, i);
    if (r->n > 1 && r->found[r->n - 2] >= first + target)
        return;
    for (uint64_t k = target; b->def.slots > 1 && w_same_target(b, k, target); k++) {
        if (!b->tasks[k].has_result || b->tasks[k].agent == 0)
            continue;
        REQUIRE(r->n_answers < W_ANSWERS);
        r->answers[r->n_answers++] =
            (struct core_answer){first + k, b->tasks[k].agent, w_slot(b, k)};
    }
}
/* Anew: large arrays are not cleared, but what is in them does not count. */
static void w_read_nothing(struct w_refill *r)
{
    r->n = r->n_answers = 0;
    r->last = 0;
    r->read = false;
    memset(r->passed, 0, sizeof(r->passed));
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
    r->q = *q;
    w_read_nothing(r);
    w->refill_rows += q->limit;
    if (w->refill_early)
        w_read_refill(w, r);
}
static void w_see_stale(const struct w_batch *b, const struct w_refill *r)
{
    for (unsigned i = 0; sim_seen && i < r->n; i++)
        if (b->tasks[(uint32_t)r->found[i]].has_result) {
            SEEN(refill_stale);
            return;
        }
}
static int64_t w_deadline_ms(const struct world *w, const struct w_task *t)
{
    int64_t left = mono_diff_ms(t->deadline_at, w->now);
    return !mono_is_set(t->deadline_at) ? 0 : left < 1 ? -1 : left;
}
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
    if (r->read)
        w_see_stale(b, r);
    else
        w_read_refill(w, r);
    SEEN_IF(b->def.lane && r->n > 0, lane_refilled);
    for (unsigned i = 0; i < r->n; i++)
        rows[i] = (struct core_task){r->found[i],
                                     b->tasks[(uint32_t)r->found[i]].host,
                                     spec.data,
                                     spec.len,
                                     w_slot(b, (uint32_t)r->found[i]),
                                     w_deadline_ms(w, &b->tasks[(uint32_t)r->found[i]])};
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
/* Those that were asked before this turn; one that failed is read anew in the next. */
static bool w_refills_turn(struct world *w)
{
    unsigned n = w->refill_stalled ? 0 : w->n_refills, i = 0;
    SEEN_IF(w->refill_stalled && w->n_refills > 0, refill_stalled);
    if (n > 0 && w->refills_fail > 0) {
        w->refills_fail--;
        w_read_nothing(&w->refills[0]);
        SEEN(refill_failed);
        return true;
    }
    while (i < n && !w_dies_at(w, SAW_kill_m_asked)) {
        w_answer_refill(w, &w->refills[i++]);
        if (w_dies_at(w, SAW_kill_m_refilled))
            break;
    }
    if (i > 0)
        memmove(w->refills, w->refills + i, (w->n_refills - i) * sizeof(w->refills[0]));
    w->n_refills -= i;
    return i > 0;
}

/* ---- results */

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
    const struct w_task *row = &w->batches[r->task >> 32].tasks[(uint32_t)r->task];
    bool expired = !r->agent && r->outcome == OUTCOME_EXPIRED;
    REQUIRE(!expired || (mono_is_set(row->deadline_at) && !mono_before(w->now, row->deadline_at)));
    SEEN_IF(expired && strcmp(p->cause, "no_agent") == 0, run_no_agent);
    SEEN_IF(expired && strcmp(p->cause, "deadline") == 0, run_expired);
    bool poison = !r->agent && strcmp(p->cause, cause_word(CAUSE_poison)) == 0;
    SEEN_IF(poison, poison);
    SEEN_IF(!r->agent && !poison && !expired, used_up);
}
static uint64_t w_count_results(const struct w_batch *b, uint64_t ended[OUTCOME_COUNT])
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
static void w_end_row(struct w_batch *b, struct w_task *t, enum outcome o, const char *cause)
{
    REQUIRE(!t->has_result);
    t->has_result = true;
    t->outcome = o;
    snprintf(t->cause, sizeof(t->cause), "%s", cause);
    b->ended[o]++;
    b->n_ended++;
}
/* This agent has answered another task of the target. */
static bool w_answered(const struct w_batch *b, uint64_t ordinal, uint64_t agent)
{
    uint64_t target = ordinal - w_slot(b, ordinal);
    if (b->def.lane && w_slot(b, ordinal) >= b->def.slots)
        return false;
    for (uint64_t k = target; agent && b->def.slots > 1 && w_same_target(b, k, target); k++)
        if (k != ordinal && b->tasks[k].has_result && b->tasks[k].agent == agent)
            return true;
    return false;
}
static void w_commit_row(struct world *w, struct w_pending *p)
{
    struct w_batch *b = &w->batches[p->task >> 32];
    struct w_task *t = &b->tasks[(uint32_t)p->task];
    uint64_t agent = p->agent[0] ? hash64(p->agent, strlen(p->agent)) : 0;
    t->stored++;
    p->verdict = t->has_result ? ACK_DUPLICATE : ACK_STORED;
    p->again = !t->has_result && w_answered(b, (uint32_t)p->task, agent);
    if (t->has_result || p->again)
        return;
    w_end_row(b, t, p->outcome, p->cause);
    t->agent = agent;
}
static void w_commit_rows(struct world *w, size_t n)
{
    for (; n > 0; n--)
        w_commit_row(w, &w->pending[w->n_committed++]);
}
/* Nothing of it is written; it is tried again behind what has come since. */
static void w_put_off(struct world *w, size_t n)
{
    size_t at = w->n_committed, rest = w->n_pending - at - n, size = sizeof(*w->pending);
    struct w_pending *failed = mem_array(n, sizeof(*failed));
    memcpy(failed, w->pending + at, n * size);
    memmove(w->pending + at, w->pending + at + n, rest * size);
    memcpy(w->pending + at + rest, failed, n * size);
    free(failed);
}
static bool w_commit(struct world *w)
{
    size_t n = w->n_pending - w->n_committed;
    if (n == 0)
        return false;
    if (w->commit_rows && n > w->commit_rows)
        n = w->commit_rows;
    if (w->fail_next > 0) {
        w->fail_next--;
        w_put_off(w, n);
        SEEN(store_failed);
        return true;
    }
    w_commit_rows(w, n);
    w_dies_at(w, SAW_kill_m_commit);
    return true;
}
/* What was added to lanes, and that nothing more will be. */
static bool w_tell_lane(struct world *w, uint32_t num)
{
    struct w_batch *b = &w->batches[num];
    static const char spec[] = "{\"url\":\"http://x/\"}";
    if (w->silent || (b->runs_untold == 0 && !b->closed_untold))
        return false;
    for (; b->runs_untold > 0; b->runs_untold--) {
        uint64_t i = b->total - b->runs_untold;
        struct core_added add = {.task = ((uint64_t)num << 32) + i,
                                 .host_hash = b->tasks[i].host,
                                 .spec = spec,
                                 .spec_len = sizeof(spec) - 1,
                                 .slot = b->tasks[i].slot,
                                 .shun = w->shun,
                                 .n_shun = w->n_shun,
                                 .deadline_in_ms = mono_diff_ms(b->tasks[i].deadline_at, w->now)};
        core_batch_add(w->core, num, &add, 1, w->now);
    }
    core_batch_added(w->core);
    if (b->closed_untold)
        core_batch_close(w->core, num, w->now);
    b->closed_untold = false;
    return true;
}
/* What the core asks meanwhile is added behind. */
static bool w_tell(struct world *w)
{
    size_t n = w->silent ? 0 : w->n_committed;
    SEEN_IF(w->silent && w->n_committed > 0, store_silent);
    for (size_t i = 0; i < n; i++) {
        struct w_pending p = w->pending[i];
        if (p.again) {
            core_stored_again(w->core, p.task, p.session, p.agent, p.len, w->now);
            SEEN(other_slot);
            continue;
        }
        core_stored(w->core, p.task, p.session, p.outcome, p.verdict, p.len, w->now);
        w->batches[p.task >> 32].tasks[(uint32_t)p.task].told = true;
    }
    if (n == 0)
        return false;
    w->n_pending -= n;
    w->n_committed -= n;
    memmove(w->pending, w->pending + n, w->n_pending * sizeof(*w->pending));
    w_dies_at(w, SAW_kill_m_told);
    return true;
}

/* ---- marks and pauses */

static void w_mark(void *arg, uint32_t batch, bool cancel, enum cause cause, void *waiter)
{
    struct w_batch *b = &((struct world *)arg)->batches[batch];
    if (b->marked || b->marking || b->swept_over)
        return; /* cancelled once more */
    b->marking = true;
    b->growing = b->closed_untold = false; /* nothing that comes later is taken */
    b->mark_cause = cause;
}
static void w_pause(void *arg, uint32_t batch, bool paused, void *waiter)
{
    struct world *w = arg;
    w->batches[batch].pausing = paused ? 1 : -1;
    w->batches[batch].held_back = paused;
}
static void w_sweep(struct world *w, struct w_batch *b)
{
    uint64_t n = 0, i = 0;
    enum outcome o = cause_outcome(b->mark_cause);
    for (; i < b->total && (!w->sweep_rows || n < w->sweep_rows); i++) {
        if (b->tasks[i].has_result)
            continue;
        w_end_row(b, &b->tasks[i], o, cause_word(b->mark_cause));
        b->swept[o]++;
        n++;
    }
    b->marked = i < b->total;
    b->swept_over = !b->marked;
    SEEN_IF(b->marked, sweep_part);
    if (b->marked)
        w_dies_at(w, SAW_kill_m_sweep);
}
static bool w_tell_swept(struct world *w, uint32_t num)
{
    struct w_batch *b = &w->batches[num];
    enum outcome o = cause_outcome(b->mark_cause);
    if (w->sweeps_silent || b->runs_untold > 0 || (b->swept[o] == 0 && !b->swept_over))
        return false;
    uint64_t n = b->swept[o];
    bool over = b->swept_over;
    b->swept[o] = 0;
    b->swept_over = false;
    core_swept(w->core, num, o, n, over, w->now);
    return true;
}
static bool w_commit_pause(struct world *w, struct w_batch *b)
{
    if (b->pausing == 0)
        return false;
    b->paused = b->pausing > 0;
    b->pausing = 0;
    w_dies_at(w, SAW_kill_m_pause);
    return true;
}
static bool w_commit_mark(struct world *w, struct w_batch *b)
{
    if (b->marking) {
        b->marking = false;
        b->marked = true;
        w_dies_at(w, SAW_kill_m_mark);
        return true;
    }
    if (!b->marked)
        return false;
    w_sweep(w, b);
    return true;
}

/* ---- turns, and the end of a process */

/* One turn of the store: true if anything happened. */
static bool w_store_turn(struct world *w)
{
    bool any = !w->killed && w_refills_turn(w);
    if (!w->killed && !w->store_stalled)
        any |= w_commit(w);
    SEEN_IF(w->store_stalled && w->n_pending > w->n_committed, store_stalled);
    for (uint32_t b = 1; b <= w->n_batches && !w->store_stalled && !w->killed; b++)
        any |= w_commit_pause(w, &w->batches[b]) || w_commit_mark(w, &w->batches[b]);
    if (!w->killed)
        any |= w_tell(w);
    for (uint32_t b = 1; b <= w->n_batches && !w->killed; b++)
        any |= w_tell_lane(w, b) || w_tell_swept(w, b);
    return any;
}

/* Of what was asked, a first part may be committed before the process is gone. */
static bool w_before_the_end(struct world *w)
{
    return w->rng && rng_below(w->rng, 2);
}
static void w_lose(struct world *w)
{
    size_t n = w->n_pending - w->n_committed;
    if (n > 0 && w_before_the_end(w))
        w_commit_rows(w, rng_below(w->rng, n + 1));
    SEEN_IF(w->n_pending > w->n_committed, lost_result);
    w->n_pending = w->n_committed = w->n_refills = 0;
    for (uint32_t num = 1; num <= w->n_batches; num++) {
        struct w_batch *b = &w->batches[num];
        if (b->pausing && w_before_the_end(w))
            b->paused = b->pausing > 0;
        else
            SEEN_IF(b->pausing, lost_pause);
        if (b->marking && w_before_the_end(w))
            b->marked = true;
        else
            SEEN_IF(b->marking, lost_mark);
        if (b->marking && !b->marked)
            b->growing = b->def.growing && !b->closed;
        b->marking = b->swept_over = false;
        b->pausing = 0;
        b->held_back = b->paused;
        b->closed_untold = false;
        b->runs_untold = 0;
        memset(b->swept, 0, sizeof(b->swept));
    }
}
