/* SPDX-License-Identifier: MIT */
#include "master/store/apply.h"

#include <stdio.h>

#include "master/store/apply_lane.h"
#include "master/store/apply_timetable.h"
#include "master/store/selection.h"

static struct ledger_batch *find_upload(struct apply *a, struct store_req *r)
{
    struct ledger_batch *b = ledger_find(a->ledger, r->upload.info.num);
    if (b && b->receiving)
        return b;
    (void)sqlite_refuse(r, ERR_NOT_FOUND, "no upload of this number is being received");
    return NULL;
}

/* "All" agents are those of this moment, not of a later one. */
static enum err fix_slots(struct apply *a, struct store_req *r)
{
    struct batch_info *info = &r->upload.info;
    enum err e = ERR_NONE;
    if (info->all_agents)
        e = selection_count(a->db, info->agents, a->patient, &info->slots);
    else if (info->slots == 0)
        info->slots = 1;
    if (!e && info->slots == 0)
        return sqlite_refuse(r, ERR_INVALID, "no agent that matches was seen within a day");
    if (!e && info->slots > AGENTS_COUNT_MAX)
        return sqlite_refuse(r, ERR_INVALID, "more agents match than a target can be probed from");
    return e;
}

static enum err upload_begin(struct apply *a, struct store_req *r)
{
    struct batch_info *info = &r->upload.info;
    REQUIRE(uuid_valid(info->uuid));
    if (info->created_at.us == 0)
        info->created_at = a->now;
    bool kept = true;
    enum err e = info->retry_of[0] ? sqlite_batch_kept(a->db, info->retry_of, &kept) : ERR_NONE;
    if (e)
        return e;
    if (!kept)
        return sqlite_refuse(r, ERR_NOT_FOUND, "the batch that is to be retried was purged");
    e = fix_slots(a, r);
    if (e || r->err)
        return e;
    e = sqlite_batch_insert(a->db, info);
    if (e == ERR_EXISTS)
        return sqlite_refuse(r, ERR_EXISTS, "a batch with this uuid is there already");
    if (!e)
        ledger_began(a->ledger, ledger_add(a->ledger, info, true));
    return e;
}

static enum err add_task(struct apply *a, struct ledger_batch *b, const struct store_row *row,
                         uint32_t slot)
{
    enum err e = sqlite_task_insert(a->db, task_id(b->info.num, (uint32_t)b->rows), row, slot);
    if (!e)
        ledger_count_row(a->ledger, b);
    return e;
}

static enum err upload_rows(struct apply *a, struct store_req *r)
{
    REQUIRE(r->upload.n_rows <= STORE_COMMIT_ROWS);
    struct ledger_batch *b = find_upload(a, r);
    if (!b)
        return ERR_NONE;
    enum err e = ERR_NONE;
    for (unsigned i = 0; !e && i < r->upload.n_rows; i++) {
        const struct store_row *row = &r->upload.rows[i];
        if (r->upload.expand == 0)
            e = add_task(a, b, row, row->slot);
        for (uint32_t slot = 0; !e && slot < r->upload.expand; slot++)
            e = add_task(a, b, row, slot);
    }
    return e;
}

/* Before anything of the opening is written: a key that has an answer already refuses it. */
static enum err keep_answer(struct apply *a, struct store_req *r)
{
    bool added = true;
    const struct store_idempotency *first = r->upload.first;
    enum err e =
        first ? sqlite_idempotency_add(a->db, r->upload.info.num, first, a->now, a->patient, &added)
              : ERR_NONE;
    return e || added ? e
                      : sqlite_refuse(r, ERR_EXISTS, "this Idempotency-Key has an answer already");
}

void apply_opens_now(const struct apply *a, struct batch_info *info)
{
    struct boot boot;
    boot_read(&boot);
    info->opened_at = a->now;
    info->deadline_at = (struct wall){a->now.us + info->deadline_s * 1000000};
    snprintf(info->boot, sizeof(info->boot), "%s", boot.id);
    info->deadline_boot_us = boot.us + info->deadline_s * 1000000;
}

static enum err upload_commit(struct apply *a, struct store_req *r)
{
    struct ledger_batch *b = find_upload(a, r);
    if (!b)
        return ERR_NONE;
    enum err e = keep_answer(a, r);
    if (e || r->err)
        return e;
    struct batch_info *info = &r->upload.info;
    info->total = b->rows;
    info->deadline_s = b->info.deadline_s;
    apply_opens_now(a, info);
    info->ended_at = info->total == 0 ? a->now : (struct wall){0};
    e = sqlite_batch_open(a->db, info);
    if (!e)
        ledger_opened(a->ledger, b, info);
    return e;
}

/* A task that is not open: its batch has ended (then there is a result), or never was. */
static enum err apply_late(struct apply *a, struct store_result *x)
{
    bool there = false;
    enum err e = sqlite_result_exists(a->db, x->task, &there);
    if (!e && !there)
        e = sqlite_task_purged(a->db, x->task, &there);
    if (!e)
        x->verdict = there ? ACK_DUPLICATE : ACK_REJECTED;
    return e;
}

/*
 * A target that asks for several agents is answered by different ones: the second result of one of
 * them leaves its task open. A repetition of the result that is there is an ordinary duplicate.
 */
static enum err answered_already(struct apply *a, const struct ledger_batch *b,
                                 struct store_result *x)
{
    bool own = true, other = false;
    x->again = false;
    if (b->info.slots < 2 || !x->agent)
        return ERR_NONE;
    enum err e = sqlite_result_exists(a->db, x->task, &own);
    if (!e && !own)
        e = sqlite_target_answered(a->db, x->task, b->info.slots, x->agent, &other);
    if (!e && other) {
        x->again = true;
        x->verdict = ACK_DUPLICATE;
    }
    return e;
}

enum err apply_result(struct apply *a, struct store_result *x)
{
    struct ledger_batch *b = ledger_find(a->ledger, task_batch(x->task));
    if (!b)
        return apply_late(a, x);
    if (b->receiving || (uint32_t)x->task >= b->info.total) {
        x->verdict = ACK_REJECTED;
        return ERR_NONE;
    }
    bool inserted = false;
    enum err e = answered_already(a, b, x);
    if (e || x->again)
        return e;
    e = sqlite_result_insert(a->db, ledger_next_seq(a->ledger), a->now, x, &inserted);
    if (e)
        return e;
    x->verdict = inserted ? ACK_STORED : ACK_DUPLICATE;
    x->lane = b->info.lane;
    if (inserted)
        ledger_count(a->ledger, b, x->outcome, x->cause);
    return ERR_NONE;
}

static enum err results(struct apply *a, struct store_req *r)
{
    REQUIRE(r->results.n <= STORE_COMMIT_ROWS);
    for (unsigned i = 0; i < r->results.n; i++) {
        enum err e = apply_result(a, &r->results.items[i]);
        if (e)
            return e;
    }
    return ERR_NONE;
}

/* A batch that has ended meanwhile needs no mark: that is not an error. */
static enum err mark(struct apply *a, struct store_req *r)
{
    REQUIRE(r->mark.mark != MARK_NONE && r->mark.cause != CAUSE_NONE);
    struct ledger_batch *b = ledger_find(a->ledger, r->mark.batch);
    if (b && b->receiving)
        return sqlite_refuse(r, ERR_NOT_FOUND, "this batch is not open yet");
    if (!b || !ledger_mark(a->ledger, b, r->mark.mark, r->mark.cause))
        return ERR_NONE;
    return sqlite_batch_mark(a->db, r->mark.batch, r->mark.mark, r->mark.cause);
}

static enum err pause_batch(struct apply *a, struct store_req *r)
{
    const struct ledger_batch *b = ledger_find(a->ledger, r->pause.batch);
    if (b && b->receiving)
        return sqlite_refuse(r, ERR_NOT_FOUND, "this batch is not open yet");
    return b ? sqlite_batch_pause(a->db, r->pause.batch, r->pause.paused) : ERR_NONE;
}

enum err apply_request(struct apply *a, struct store_req *r)
{
    REQUIRE(a != NULL && r != NULL);
    switch (r->op) {
    case STORE_UPLOAD_BEGIN:
        return upload_begin(a, r);
    case STORE_UPLOAD_ROWS:
        return upload_rows(a, r);
    case STORE_UPLOAD_COMMIT:
        return upload_commit(a, r);
    case STORE_UPLOAD_ABORT:
        (void)find_upload(a, r);
        return ERR_NONE;
    case STORE_RESULTS:
        return results(a, r);
    case STORE_MARK:
        return mark(a, r);
    case STORE_PAUSE:
        return pause_batch(a, r);
    case STORE_LANE_OPEN:
    case STORE_LANE_CLOSE:
    case STORE_RUNS_ADD:
        return apply_lane(a, r);
    case STORE_EVENTS_ADD:
        return sqlite_events_add(a->db, r->events.items, r->events.n);
    case STORE_AGENT_EMPTY:
        return sqlite_agent_empty(a->db, r->agent.name, r->agent.at);
    case STORE_AGENT_SEEN:
        return sqlite_agent_seen(a->db, r->agent.name, r->agent.instance, r->agent.tags_json,
                                 r->agent.at);
    default:
        return apply_timetable(a, r);
    }
}

unsigned apply_rows(const struct store_req *r)
{
    if (r->op == STORE_UPLOAD_ROWS)
        return r->upload.n_rows * (r->upload.expand ? r->upload.expand : 1);
    if (r->op == STORE_RESULTS)
        return r->results.n;
    if (r->op == STORE_RUNS_ADD)
        return apply_lane_rows(r);
    if (r->op == STORE_EVENTS_ADD)
        return r->events.n;
    return apply_timetable_rows(r);
}
