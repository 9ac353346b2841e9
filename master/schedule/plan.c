/* SPDX-License-Identifier: MIT */
#include "master/schedule/plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define NO_SLOT INT64_MIN

const char *plan_miss_name(enum plan_miss m)
{
    static const char *const names[] = {[PLAN_MISS_NONE] = "none",
#define X(name, text) [PLAN_MISS_##name] = #name,
                                        PLAN_MISS_TABLE(X)
#undef X
    };
    REQUIRE(m < PLAN_MISS_COUNT);
    return names[m];
}

const char *plan_miss_text(enum plan_miss m)
{
    static const char *const texts[] = {[PLAN_MISS_NONE] = "not missed",
#define X(name, text) [PLAN_MISS_##name] = text,
                                        PLAN_MISS_TABLE(X)
#undef X
    };
    REQUIRE(m < PLAN_MISS_COUNT);
    return texts[m];
}

static int64_t wall_ms(struct wall w)
{
    return civil_floor_div(w.us, 1000);
}

static struct wall wall_of_ms(int64_t ms)
{
    return (struct wall){ms * 1000};
}

static int64_t interval_line(const struct plan *p, struct plan_now now)
{
    return p->line_ms + now.mono.ns / NS_PER_MS;
}

static bool is_interval(const struct plan_item *it)
{
    return it->rule->kind == RULE_EVERY;
}

static int64_t line_now(const struct plan *p, const struct plan_item *it, struct plan_now now)
{
    return is_interval(it) ? interval_line(p, now) : wall_ms(now.wall);
}

/* Of a slot on its item's line, for people and for the store. */
static struct wall slot_wall(const struct plan *p, const struct plan_item *it, int64_t slot)
{
    if (is_interval(it))
        return wall_of_ms(slot + p->shift_ms);
    return wall_of_ms(civil_floor_div(slot - it->offset_ms, 1000) * 1000);
}

static int64_t next_slot(const struct plan *p, const struct plan_item *it, int64_t after)
{
    return rule_next(it->rule, it->offset_ms, after, p->shift_ms);
}

static struct heap *heap_of(struct plan *p, const struct plan_item *it)
{
    return is_interval(it) ? &p->every : &p->cron;
}

static void schedule(struct plan *p, struct plan_item *it, int64_t after)
{
    it->next_ms = next_slot(p, it, after);
    if (it->next_ms != RULE_NEVER)
        heap_insert(heap_of(p, it), &it->node, it->next_ms);
}

static void reschedule(struct plan *p, struct plan_item *it, int64_t after)
{
    heap_remove(heap_of(p, it), &it->node);
    schedule(p, it, after);
}

void plan_init(struct plan *p, struct plan_now now)
{
    int64_t wall = wall_ms(now.wall);
    *p = (struct plan){
        .line_ms = wall - now.mono.ns / NS_PER_MS,
        .started_ms = wall,
        .jump_from_ms = INT64_MAX,
        .jump_to_ms = INT64_MAX,
    };
    heap_init(&p->every);
    heap_init(&p->cron);
}

void plan_fini(struct plan *p)
{
    heap_fini(&p->every);
    heap_fini(&p->cron);
}

/*
 * The moment of the wall behind which the first slot is. Clocks of two processes differ a little,
 * and the slot of an interval that has run must not come again: it is nearer than half an interval.
 */
static int64_t settled_until(const struct plan_item *it, int64_t now_ms)
{
    int64_t since = wall_ms(it->since), last = wall_ms(it->last.at);
    int64_t ahead = is_interval(it) ? it->rule->every_ms : PLAN_BACK_MAX_MS;
    if (since > now_ms + ahead) /* of a clock that was put back since then */
        since = it->last.seq == 0 ? now_ms : INT64_MIN;
    if (it->last.seq == 0)
        return since;
    if (last > now_ms + ahead)
        last = now_ms;
    else if (is_interval(it) && last > since) /* else it was another rule's, or before a pause */
        last += it->rule->every_ms / 2;
    return last > since ? last : since;
}

void plan_add(struct plan *p, struct plan_item *it, struct plan_now now)
{
    REQUIRE(!heap_linked(&it->node) && it->rule != NULL && it->since.us != 0);
    REQUIRE(it->gap.count == 0 || it->gap.first_seq + it->gap.count == it->last.seq + 1);
    it->offset_ms = rule_offset_ms(it->rule, it->key);
    it->offered = false;
    int64_t settled = settled_until(it, wall_ms(now.wall));
    schedule(p, it, is_interval(it) ? settled - p->shift_ms : settled + it->offset_ms);
}

void plan_remove(struct plan *p, struct plan_item *it)
{
    if (heap_linked(&it->node))
        heap_remove(heap_of(p, it), &it->node);
}

/* Calls f for each item of a heap, which it may move. */
typedef void item_f(struct plan *p, struct plan_item *it, struct plan_now now);
static void each(struct plan *p, struct heap *h, item_f *f, struct plan_now now)
{
    size_t n = h->count;
    struct heap_node **nodes = mem_array(n + 1, sizeof(*nodes));
    if (n > 0)
        memcpy(nodes, h->nodes, n * sizeof(*nodes));
    for (size_t i = 0; i < n; i++)
        f(p, CONTAINER_OF(nodes[i], struct plan_item, node), now);
    free(nodes);
}

/* Its windows are the wall's, which has moved: they decide anew also of what is due already. */
static void look_at_windows(struct plan *p, struct plan_item *it, struct plan_now now)
{
    int64_t line = interval_line(p, now);
    if (it->rule->windows.n > 0)
        reschedule(p, it, it->next_ms <= line ? it->next_ms - 1 : line);
}

static void forget_future(struct plan *p, struct plan_item *it, struct plan_now now)
{
    int64_t wall = wall_ms(now.wall), last = wall_ms(it->last.at), since = wall_ms(it->since);
    if ((last > since ? last : since) > wall + PLAN_BACK_MAX_MS)
        reschedule(p, it, wall);
}

static void look_at_clocks(struct plan *p, struct plan_now now)
{
    int64_t wall = wall_ms(now.wall), shift = wall - interval_line(p, now);
    int64_t jump = shift - p->shift_ms;
    p->shift_ms = shift;
    if (jump > -PLAN_JUMP_MS && jump < PLAN_JUMP_MS)
        return;
    if (jump > 0) {
        p->jump_from_ms = wall - jump;
        p->jump_to_ms = wall;
    } else {
        each(p, &p->cron, forget_future, now);
    }
    each(p, &p->every, look_at_windows, now);
}

/* Why a slot was not come to, and the last moment of which that holds. */
static enum plan_miss reason(const struct plan *p, const struct plan_item *it, int64_t slot,
                             int64_t *until)
{
    if (slot < p->started_ms) {
        *until = p->started_ms - 1;
        return PLAN_MISS_master_down;
    }
    *until = INT64_MAX;
    if (is_interval(it) || slot > p->jump_to_ms)
        return PLAN_MISS_master_late;
    *until = slot <= p->jump_from_ms ? p->jump_from_ms : p->jump_to_ms;
    return slot <= p->jump_from_ms ? PLAN_MISS_master_late : PLAN_MISS_clock_jumped;
}

/* The slots up to it.last.seq + n are in the gap, and settled. */
static void widen_gap(struct plan_item *it, enum plan_miss why, uint64_t n, struct wall first,
                      struct wall last)
{
    struct plan_gap *g = &it->gap;
    if (g->count == 0 || g->why != why)
        *g = (struct plan_gap){.why = why, .first_seq = it->last.seq + 1, .first_at = first};
    REQUIRE(n > 0 && g->first_seq + g->count == it->last.seq + 1);
    g->count += n;
    it->last = g->last = (struct plan_slot){it->last.seq + n, last};
}

static int64_t may_be_late_ms(const struct plan_item *it)
{
    int64_t late = is_interval(it) ? it->rule->every_ms / 10 : PLAN_LATE_MAX_MS;
    late = late < PLAN_LATE_MIN_MS ? PLAN_LATE_MIN_MS : late;
    return late < PLAN_LATE_MAX_MS ? late : PLAN_LATE_MAX_MS;
}

/* The last slot that is due, if it may still run. */
static int64_t last_to_run(const struct plan *p, const struct plan_item *it, int64_t line)
{
    int64_t last = NO_SLOT, late_ms = may_be_late_ms(it);
    int64_t from = line - late_ms > it->next_ms ? line - late_ms : it->next_ms;
    for (int64_t s; (s = next_slot(p, it, from - 1)) <= line; from = s + 1)
        last = s;
    return last;
}

static void miss(struct plan *p, struct plan_item *it, int64_t end, struct plan_event *out)
{
    int64_t first = it->next_ms, until, last = first;
    enum plan_miss why = reason(p, it, first, &until);
    if (until < end)
        end = until;
    uint64_t n = rule_count(it->rule, it->offset_ms, first - 1, end, p->shift_ms, &last);
    widen_gap(it, why, n, slot_wall(p, it, first), slot_wall(p, it, last));
    *out = (struct plan_event){.kind = PLAN_MISSED, .item = it, .gap = it->gap};
    reschedule(p, it, end);
}

static void offer(struct plan *p, struct plan_item *it, int64_t line, struct plan_event *out)
{
    int64_t slot = it->next_ms;
    *out = (struct plan_event){
        .kind = PLAN_DUE,
        .item = it,
        .slot = {it->last.seq + 1, slot_wall(p, it, slot)},
        .late_ms = line - slot,
    };
    it->offered = true;
    it->slot_at = out->slot.at;
    reschedule(p, it, slot);
}

static struct plan_item *first_due(const struct heap *h, int64_t line)
{
    struct heap_node *n = heap_min(h);
    return n != NULL && n->key <= line ? CONTAINER_OF(n, struct plan_item, node) : NULL;
}

bool plan_next(struct plan *p, struct plan_now now, struct plan_event *out)
{
    look_at_clocks(p, now);
    struct plan_item *it = first_due(&p->every, interval_line(p, now));
    if (it == NULL)
        it = first_due(&p->cron, wall_ms(now.wall));
    if (it == NULL)
        return false;
    REQUIRE(!it->offered);
    int64_t line = line_now(p, it, now), last = last_to_run(p, it, line);
    if (last == it->next_ms)
        offer(p, it, line, out);
    else
        miss(p, it, last != NO_SLOT ? last - 1 : line, out);
    return true;
}

void plan_ran(struct plan_item *it)
{
    REQUIRE(it->offered);
    it->offered = false;
    it->gap = (struct plan_gap){0};
    it->last = (struct plan_slot){it->last.seq + 1, it->slot_at};
}

struct plan_gap plan_refuse(struct plan_item *it, enum plan_miss why)
{
    REQUIRE(it->offered && why > PLAN_MISS_NONE && why < PLAN_MISS_COUNT);
    it->offered = false;
    widen_gap(it, why, 1, it->slot_at, it->slot_at);
    return it->gap;
}

struct wall plan_next_at(const struct plan *p, const struct plan_item *it)
{
    return heap_linked(&it->node) ? slot_wall(p, it, it->next_ms) : (struct wall){0};
}

int64_t plan_interval_ms(const struct plan *p, const struct plan_item *it, struct plan_now now,
                         int64_t late_ms, int64_t most)
{
    if (is_interval(it))
        return it->rule->every_ms;
    int64_t ms = it->next_ms - (line_now(p, it, now) - late_ms);
    return it->next_ms == RULE_NEVER || ms > most ? most : ms;
}

static int64_t sooner(const struct heap *h, int64_t line, int64_t wait)
{
    struct heap_node *n = heap_min(h);
    int64_t in = n != NULL ? n->key - line : wait;
    return in < wait ? in : wait;
}

int plan_wait_ms(const struct plan *p, struct plan_now now, int max_ms)
{
    int64_t wait = sooner(&p->every, interval_line(p, now), max_ms);
    wait = sooner(&p->cron, wall_ms(now.wall), wait);
    return wait > 0 ? (int)wait : 0;
}
