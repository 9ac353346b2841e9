/* SPDX-License-Identifier: MIT */
#include "master/store/apply_lane.h"

/* ---- its life */

/* Tasks of count "all" are as many as match when they are due: the bound of all of them. */
static void set_defaults(struct batch_info *info)
{
    if (info->all_agents)
        info->slots = AGENTS_COUNT_MAX;
    else if (info->slots == 0)
        info->slots = 1;
    if (info->deadline_s == 0)
        info->deadline_s = DEADLINE_S_MAX;
}

static enum err lane_open(struct apply *a, struct store_req *r)
{
    struct batch_info *info = &r->lane.info;
    REQUIRE(uuid_valid(info->uuid) && r->lane.lane != NULL);
    set_defaults(info);
    REQUIRE(info->slots <= AGENTS_COUNT_MAX && info->deadline_s > 0);
    info->total = 0;
    info->lane = info->growing = true;
    info->created_at = a->now;
    info->ended_at = (struct wall){0};
    apply_opens_now(a, info);
    enum err e = sqlite_batch_insert(a->db, info);
    if (e == ERR_EXISTS)
        return sqlite_refuse(r, ERR_EXISTS, "a batch with this uuid is there already");
    if (!e)
        e = sqlite_batch_open(a->db, info);
    if (!e)
        e = sqlite_lane_open(a->db, info->num, r->lane.lane);
    if (!e)
        ledger_began(a->ledger, ledger_add(a->ledger, info, false));
    return e;
}

static struct ledger_batch *find_growing(struct apply *a, struct store_req *r, uint32_t num)
{
    struct ledger_batch *b = ledger_find(a->ledger, num);
    if (b && !b->receiving && ledger_grows(b))
        return b;
    (void)sqlite_refuse(r, ERR_NOT_FOUND, "no lane of this number grows");
    return NULL;
}

static enum err lane_close(struct apply *a, struct store_req *r)
{
    struct ledger_batch *b = find_growing(a, r, r->lane.info.num);
    if (b)
        ledger_close(a->ledger, b);
    return ERR_NONE;
}

/* ---- runs */

unsigned apply_lane_rows(const struct store_req *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->runs.n; i++)
        n += r->runs.items[i].n;
    return n;
}

/* Before anything is written. That all of a request is added to each of its lanes is more than
 * there can be: it leaves the last few ordinals unused. */
static bool all_fit(struct apply *a, struct store_req *r)
{
    unsigned rows = apply_lane_rows(r);
    for (unsigned i = 0; i < r->runs.n; i++) {
        const struct ledger_batch *b = find_growing(a, r, r->runs.items[i].batch);
        if (!b)
            return false;
        REQUIRE(r->runs.items[i].n > 0 && r->runs.items[i].n <= AGENTS_COUNT_MAX);
        if (ledger_total(b) + rows <= UINT32_MAX)
            continue;
        (void)sqlite_refuse(r, ERR_FULL, "a lane has no ordinals left");
        return false;
    }
    return true;
}

static enum err add_run(struct apply *a, struct store_run *run)
{
    struct ledger_batch *b = ledger_find(a->ledger, run->batch);
    run->first = task_id(run->batch, (uint32_t)ledger_total(b));
    enum err e = ERR_NONE;
    for (uint32_t slot = 0; !e && slot < run->n; slot++)
        e = sqlite_run_insert(a->db, run->first + slot, run, slot);
    if (!e)
        ledger_grow(a->ledger, b, run->n);
    return e;
}

static enum err runs_add(struct apply *a, struct store_req *r)
{
    REQUIRE(r->runs.n <= STORE_RUNS_ONCE && apply_lane_rows(r) <= STORE_COMMIT_ROWS);
    if (!all_fit(a, r))
        return ERR_NONE;
    enum err e = ERR_NONE;
    for (unsigned i = 0; !e && i < r->runs.n; i++)
        e = add_run(a, &r->runs.items[i]);
    return e;
}

enum err apply_lane(struct apply *a, struct store_req *r)
{
    REQUIRE(a != NULL && r != NULL);
    switch (r->op) {
    case STORE_LANE_OPEN:
        return lane_open(a, r);
    case STORE_LANE_CLOSE:
        return lane_close(a, r);
    case STORE_RUNS_ADD:
        return runs_add(a, r);
    default:
        UNREACHABLE("not a request of lanes");
    }
}
