/* SPDX-License-Identifier: MIT */
#include "master/store/roll.h"

#include <stdlib.h>

#include "common/mem.h"
#include "master/store/timings.h"

#define HOUR_US      (ROLLUP_HOUR_MS * 1000)
#define QUIET_MAX    4 /* times without a master in one hour; more are taken as one */
#define HOURS_OF_DAY 24

struct quiet {
    struct wall from, to;
};
struct cell {
    uint64_t check;
    struct rollup rollup;
    enum verdict_state state;
    struct wall at, end; /* of the state: not counted yet */
    struct quiet quiet[QUIET_MAX];
    unsigned n_quiet;
    uint64_t last_task;
    struct strbuf tasks;
};
struct roll {
    struct wall from, to;
    struct cell *cells; /* by check */
    size_t n;
    unsigned left_out; /* of a day: hours that the disk has changed */
};

static struct cell *find(struct roll *r, uint64_t check)
{
    size_t low = 0, high = r->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (r->cells[mid].check < check)
            low = mid + 1;
        else
            high = mid;
    }
    return low < r->n && r->cells[low].check == check ? &r->cells[low] : NULL;
}

/* ---- states */

/* The state from c->at on, but for the times without a master. */
static void pass_time(struct cell *c, struct wall to)
{
    if (to.us <= c->at.us)
        return;
    for (unsigned i = 0; i < c->n_quiet; i++) {
        struct quiet q = c->quiet[i];
        if (q.to.us <= c->at.us || q.from.us >= to.us)
            continue;
        struct wall stop = q.to.us < to.us ? q.to : to;
        if (q.from.us > c->at.us)
            rollup_state(&c->rollup, c->state, c->at, q.from);
        rollup_state(&c->rollup, VERDICT_UNKNOWN, q.from.us > c->at.us ? q.from : c->at, stop);
        c->at = stop;
    }
    rollup_state(&c->rollup, c->state, c->at, to); /* nothing, when it is quiet up to there */
    c->at = to;
}

static void on_change(void *arg, uint64_t check, struct wall at, enum verdict_state now)
{
    struct roll *r = arg;
    struct cell *c = find(r, check);
    REQUIRE(r != NULL);
    if (c == NULL)
        return;
    pass_time(c, at.us < c->end.us ? at : c->end);
    c->state = now;
}

static void add_quiet(struct cell *c, struct wall from, struct wall to)
{
    if (c->n_quiet == QUIET_MAX)
        c->quiet[QUIET_MAX - 1].to = to; /* they come in the order of their ends */
    else
        c->quiet[c->n_quiet++] = (struct quiet){from, to};
}

/* How many of the slots lie before a moment. */
static uint64_t slots_before(const struct plan_gap *g, int64_t step, struct wall at)
{
    if (at.us <= g->first_at.us)
        return 0;
    if (at.us > g->last.at.us || step == 0)
        return g->count;
    uint64_t n = (uint64_t)((at.us - g->first_at.us + step - 1) / step);
    return n < g->count ? n : g->count;
}

static void on_miss(void *arg, uint64_t check, const struct plan_gap *g)
{
    struct roll *r = arg;
    struct cell *c = find(r, check);
    REQUIRE(r != NULL);
    if (c == NULL)
        return;
    int64_t length = g->last.at.us - g->first_at.us;
    int64_t step = g->count > 1 && length > 0 ? length / (int64_t)(g->count - 1) : 0;
    uint64_t n = slots_before(g, step, r->to) - slots_before(g, step, r->from);
    if (n > 0)
        rollup_missed(&c->rollup, g->why, n);
    if (g->why == PLAN_MISS_master_down && g->count >= ROLL_QUIET)
        add_quiet(c, (struct wall){g->first_at.us + step}, (struct wall){g->last.at.us});
}

/* ---- runs */

static void on_run(void *arg, const struct roll_run *run)
{
    struct roll *r = arg;
    struct cell *c = find(r, run->check);
    struct result_timings t;
    REQUIRE(r != NULL);
    if (c == NULL)
        return;
    sketch_put_varint(&c->tasks, run->task - c->last_task);
    c->last_task = run->task;
    if (run->outcome < 0)
        return;
    timings_read(run->record, run->record_len, &t);
    rollup_run(&c->rollup, (enum outcome)run->outcome, &t);
}

/* Without them: the rest stays. */
static void forget_runs(struct roll *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct rollup *x = &r->cells[i].rollup;
        memset(x->runs, 0, sizeof(x->runs));
        for (unsigned p = 0; p < ROLLUP_PHASES; p++)
            sketch_fini(&x->phases[p]);
        strbuf_reset(&r->cells[i].tasks);
    }
}

/* ---- an hour */

static void cell_init(struct roll *r, struct cell *c, const struct roll_check *k, struct wall end)
{
    c->check = k->id;
    rollup_init_hour(&c->rollup, r->from);
    strbuf_init(&c->tasks, ROLL_TASKS_MAX);
    c->at = k->created.us > r->from.us ? k->created : r->from;
    c->end = k->removed.us != 0 && k->removed.us < end.us ? k->removed : end;
}

static enum err read_checks(struct sqlite_db *d, const struct roll_goal *g, struct roll *r)
{
    size_t n = g->one ? 1 : ROLL_CHECKS;
    struct roll_check *checks = mem_array(n, sizeof(*checks));
    enum err e = g->one ? sqlite_roll_check(d, g->first, checks)
                        : sqlite_roll_checks(d, g->hour, g->first, checks, &n);
    if (!e) {
        r->cells = mem_array(n + 1, sizeof(*r->cells));
        r->n = n;
        for (size_t i = 0; i < n; i++)
            cell_init(r, &r->cells[i], &checks[i], g->end);
    }
    free(checks);
    return e;
}

static enum err read_states(struct sqlite_db *d, const struct roll_goal *g, struct roll *r)
{
    enum err e = ERR_NONE;
    bool known = false;
    for (size_t i = 0; !e && i < r->n; i++)
        e = sqlite_roll_state(d, r->cells[i].check, r->from, &r->cells[i].state, &known);
    if (!e)
        e = sqlite_roll_misses(d, r->cells[0].check, r->cells[r->n - 1].check, r->from, r->to,
                               on_miss, r);
    if (!e)
        e = sqlite_roll_changes(d, g->one ? g->first : 0, r->from, r->to, on_change, r);
    for (size_t i = 0; !e && i < r->n; i++)
        pass_time(&r->cells[i], r->cells[i].end);
    return e;
}

static enum err read_runs(struct sqlite_db *d, const struct roll_goal *g, struct roll *r,
                          bool *partial)
{
    struct roll_span span = {g->hour, r->cells[0].check, r->cells[r->n - 1].check};
    uint64_t looked = 0;
    enum err e = sqlite_roll_runs(d, &span, g->most_rows, &looked, on_run, r);
    if (e != ERR_TOO_BIG)
        return e;
    forget_runs(r);
    *partial = true;
    return ERR_NONE;
}

enum err roll_hour(struct sqlite_db *d, const struct roll_goal *g, struct roll **out, bool *partial)
{
    struct roll *r = mem_zalloc(sizeof(*r));
    REQUIRE(d != NULL && g->hour < ROLLUP_HOUR_MAX);
    r->from = (struct wall){g->hour * HOUR_US};
    r->to = (struct wall){(g->hour + 1) * HOUR_US};
    REQUIRE(g->end.us <= r->to.us);
    enum err e = read_checks(d, g, r);
    if (!e && r->n > 0)
        e = read_states(d, g, r);
    if (!e && r->n > 0)
        e = read_runs(d, g, r, partial);
    if (e) {
        roll_destroy(&r);
        return e;
    }
    *out = r;
    return ERR_NONE;
}

/* ---- a day */

/* What is damaged is left out, and told by `sonde-master check`. */
static void on_hour(void *arg, uint64_t check, const void *bytes, size_t len)
{
    struct roll *r = arg;
    struct rollup hour;
    struct cell *c = find(r, check);
    REQUIRE(r != NULL);
    if (c == NULL)
        return;
    if (rollup_decode(&hour, bytes, len) != ERR_NONE) {
        r->left_out++;
        return;
    }
    r->left_out += rollup_merge(&c->rollup, &hour) != ERR_NONE; /* whole ones fit */
    rollup_fini(&hour);
}

enum err roll_day(struct sqlite_db *d, uint32_t hour, uint64_t first, struct roll **out)
{
    struct roll_goal g = {.hour = hour, .first = first, .end = {hour * HOUR_US}};
    struct roll *r = mem_zalloc(sizeof(*r));
    r->from = g.end;
    r->to = (struct wall){(hour + HOURS_OF_DAY) * HOUR_US};
    enum err e = read_checks(d, &g, r);
    for (size_t i = 0; !e && i < r->n; i++) {
        rollup_fini(&r->cells[i].rollup);
        rollup_init(&r->cells[i].rollup);
    }
    for (uint32_t h = hour; !e && r->n > 0 && h < hour + HOURS_OF_DAY; h++) {
        struct roll_span span = {h, r->cells[0].check, r->cells[r->n - 1].check};
        e = sqlite_roll_hours(d, &span, false, on_hour, r);
    }
    if (e) {
        roll_destroy(&r);
        return e;
    }
    *out = r;
    return ERR_NONE;
}

/* ---- what came of it */

void roll_destroy(struct roll **rp)
{
    struct roll *r = *rp;
    if (!r)
        return;
    *rp = NULL;
    for (size_t i = 0; i < r->n; i++) {
        rollup_fini(&r->cells[i].rollup);
        strbuf_fini(&r->cells[i].tasks);
    }
    free(r->cells);
    free(r);
}

size_t roll_count(const struct roll *r)
{
    return r->n;
}

uint64_t roll_last(const struct roll *r)
{
    REQUIRE(r->n > 0);
    return r->cells[r->n - 1].check;
}

static bool is_empty(const struct rollup *x)
{
    uint64_t n = (uint64_t)rollup_watched_ms(x);
    for (unsigned o = 0; o < OUTCOME_COUNT; o++)
        n += x->runs[o];
    for (unsigned m = 0; m < PLAN_MISS_COUNT; m++)
        n += x->missed[m];
    return n == 0;
}

bool roll_encode(const struct roll *r, size_t i, uint64_t *check, struct strbuf *rollup,
                 struct strbuf *tasks)
{
    const struct cell *c = &r->cells[i];
    REQUIRE(i < r->n);
    *check = c->check;
    if (is_empty(&c->rollup) && c->tasks.len == 0)
        return false;
    rollup_encode(&c->rollup, rollup);
    strbuf_append(tasks, c->tasks.data, c->tasks.len);
    return true;
}
