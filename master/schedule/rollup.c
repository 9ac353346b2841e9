/* SPDX-License-Identifier: MIT */
#include "master/schedule/rollup.h"

#include <math.h>

#include "common/civil.h"

#define US_PER_MS 1000

static const char *const phase_names[ROLLUP_PHASES] = {
#define X(name) [ROLLUP_##name] = #name,
    ROLLUP_PHASE_TABLE(X)
#undef X
};

const char *rollup_phase_name(enum rollup_phase p)
{
    REQUIRE(p < ROLLUP_PHASES);
    return phase_names[p];
}

void rollup_init(struct rollup *r)
{
    *r = (struct rollup){0};
}

void rollup_init_hour(struct rollup *r, struct wall at)
{
    int64_t hour = civil_floor_div(at.us, ROLLUP_HOUR_MS * US_PER_MS);
    REQUIRE(hour >= 0 && hour < ROLLUP_HOUR_MAX);
    rollup_init(r);
    r->first_hour = (uint32_t)hour;
    r->end_hour = r->first_hour + 1;
    r->cells = 1;
}

void rollup_fini(struct rollup *r)
{
    for (unsigned p = 0; p < ROLLUP_PHASES; p++)
        sketch_fini(&r->phases[p]);
    rollup_init(r);
}

static void add_ms(struct sketch *s, double ms)
{
    if (ms >= 0) /* it happened; a NaN did not */
        sketch_add(s, ms < SKETCH_MAX_US / 1000.0 ? (uint64_t)llround(ms * 1000) : SKETCH_MAX_US);
}

void rollup_run(struct rollup *r, enum outcome o, const struct result_timings *t)
{
    REQUIRE(r->cells > 0 && o < OUTCOME_COUNT);
    if (r->runs[o] >= ROLLUP_COUNT_MAX)
        return;
    r->runs[o]++;
    if (t == NULL || (o != OUTCOME_OK && o != OUTCOME_FAILED))
        return;
#define X(name) add_ms(&r->phases[ROLLUP_##name], t->name##_ms);
    ROLLUP_PHASE_TABLE(X)
#undef X
}

void rollup_missed(struct rollup *r, enum plan_miss why, uint64_t count)
{
    REQUIRE(r->cells > 0 && why > PLAN_MISS_NONE && why < PLAN_MISS_COUNT);
    uint64_t room = ROLLUP_COUNT_MAX - r->missed[why];
    r->missed[why] += count < room ? count : room;
}

int64_t rollup_watched_ms(const struct rollup *r)
{
    int64_t sum = 0;
    for (unsigned s = 0; s < VERDICT_STATES; s++)
        sum += r->state_ms[s];
    return sum;
}

int64_t rollup_state(struct rollup *r, enum verdict_state s, struct wall from, struct wall to)
{
    REQUIRE(r->cells > 0 && s < VERDICT_STATES);
    /* Ends are rounded, not lengths: spans that touch add up to the span of both. */
    int64_t begin = civil_floor_div(from.us, US_PER_MS), end = civil_floor_div(to.us, US_PER_MS);
    int64_t first = r->first_hour * ROLLUP_HOUR_MS, last = r->end_hour * ROLLUP_HOUR_MS;
    begin = begin > first ? begin : first;
    end = end < last ? end : last;
    int64_t room = (int64_t)r->cells * ROLLUP_HOUR_MS - rollup_watched_ms(r);
    int64_t ms = end - begin < room ? end - begin : room;
    if (ms <= 0)
        return 0;
    r->state_ms[s] += ms;
    return ms;
}

static bool fits(const uint64_t *into, const uint64_t *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (from[i] > ROLLUP_COUNT_MAX - into[i])
            return false;
    return true;
}

static bool sketches_fit(const struct rollup *into, const struct rollup *from)
{
    for (unsigned p = 0; p < ROLLUP_PHASES; p++)
        if (from->phases[p].count > SKETCH_COUNT_MAX - into->phases[p].count)
            return false;
    return true;
}

static void add_counts(uint64_t *into, const uint64_t *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        into[i] += from[i];
}

static void widen(struct rollup *into, const struct rollup *from)
{
    if (into->cells == 0 || from->first_hour < into->first_hour)
        into->first_hour = from->first_hour;
    if (into->cells == 0 || from->end_hour > into->end_hour)
        into->end_hour = from->end_hour;
    into->cells += from->cells;
}

enum err rollup_merge(struct rollup *into, const struct rollup *from)
{
    REQUIRE(into != from);
    if (from->cells == 0)
        return ERR_NONE;
    if (from->cells > ROLLUP_CELLS_MAX - into->cells ||
        !fits(into->runs, from->runs, OUTCOME_COUNT) ||
        !fits(into->missed, from->missed, PLAN_MISS_COUNT) || !sketches_fit(into, from))
        return ERR_TOO_BIG;
    widen(into, from);
    add_counts(into->runs, from->runs, OUTCOME_COUNT);
    add_counts(into->missed, from->missed, PLAN_MISS_COUNT);
    for (unsigned s = 0; s < VERDICT_STATES; s++)
        into->state_ms[s] += from->state_ms[s];
    for (unsigned p = 0; p < ROLLUP_PHASES; p++)
        REQUIRE(sketch_merge(&into->phases[p], &from->phases[p]) == ERR_NONE);
    return ERR_NONE;
}

static void put_counts(struct strbuf *b, const uint64_t *counts, unsigned n)
{
    while (n > 0 && counts[n - 1] == 0)
        n--;
    sketch_put_varint(b, n);
    for (unsigned i = 0; i < n; i++)
        sketch_put_varint(b, counts[i]);
}

void rollup_encode(const struct rollup *r, struct strbuf *b)
{
    unsigned phases = 0;
    strbuf_putc(b, ROLLUP_VERSION);
    sketch_put_varint(b, r->first_hour);
    sketch_put_varint(b, r->end_hour - r->first_hour);
    sketch_put_varint(b, r->cells);
    put_counts(b, r->runs, OUTCOME_COUNT);
    put_counts(b, r->missed, PLAN_MISS_COUNT);
    for (unsigned s = 0; s < VERDICT_STATES; s++)
        sketch_put_varint(b, (uint64_t)r->state_ms[s]);
    for (unsigned p = 0; p < ROLLUP_PHASES; p++)
        phases |= (unsigned)(r->phases[p].count > 0) << p;
    strbuf_putc(b, (char)phases);
    for (unsigned p = 0; p < ROLLUP_PHASES; p++)
        if (phases & 1U << p)
            sketch_encode(&r->phases[p], b);
}

/* More than this release knows: another one's. */
static void get_counts(struct sketch_cursor *c, uint64_t *counts, unsigned max, bool *foreign)
{
    unsigned n = (unsigned)sketch_varint(c, UINT8_MAX);
    *foreign = *foreign || n > max;
    for (unsigned i = 0; i < n; i++) {
        uint64_t count = sketch_varint(c, ROLLUP_COUNT_MAX);
        if (i < max)
            counts[i] = count;
        c->bad |= i + 1 == n && count == 0;
    }
}

static void get_head(struct rollup *r, struct sketch_cursor *c, bool *foreign)
{
    r->first_hour = (uint32_t)sketch_varint(c, ROLLUP_HOUR_MAX);
    r->end_hour = r->first_hour + (uint32_t)sketch_varint(c, ROLLUP_HOUR_MAX);
    r->cells = sketch_varint(c, ROLLUP_CELLS_MAX);
    get_counts(c, r->runs, OUTCOME_COUNT, foreign);
    get_counts(c, r->missed, PLAN_MISS_COUNT, foreign);
    for (unsigned s = 0; s < VERDICT_STATES; s++)
        r->state_ms[s] = (int64_t)sketch_varint(c, ROLLUP_CELLS_MAX * ROLLUP_HOUR_MS);
}

static bool head_agrees(const struct rollup *r)
{
    static const struct rollup none;
    bool empty = memcmp(r->runs, none.runs, sizeof(r->runs)) == 0 &&
                 memcmp(r->missed, none.missed, sizeof(r->missed)) == 0;
    return r->missed[PLAN_MISS_NONE] == 0 && r->end_hour <= ROLLUP_HOUR_MAX &&
           rollup_watched_ms(r) <= (int64_t)r->cells * ROLLUP_HOUR_MS &&
           (r->cells > 0 ? r->end_hour > r->first_hour
                         : r->end_hour == 0 && r->first_hour == 0 && empty);
}

static void get_phases(struct rollup *r, struct sketch_cursor *c, bool *foreign)
{
    unsigned phases = c->p < c->end ? *c->p : 0;
    c->bad |= c->p == c->end;
    *foreign = *foreign || phases >> ROLLUP_PHASES != 0;
    if (c->bad || *foreign)
        return;
    c->p++;
    for (unsigned p = 0; p < ROLLUP_PHASES; p++) {
        if (phases & 1U << p)
            sketch_decode(&r->phases[p], c);
        c->bad |= r->phases[p].count > r->runs[OUTCOME_OK] + r->runs[OUTCOME_FAILED];
    }
    c->bad |= c->p != c->end;
}

static enum err decode(struct rollup *out, const void *p, size_t n, bool head_only)
{
    struct sketch_cursor c = {p, (const uint8_t *)p + n, false};
    struct rollup r = {0};
    bool foreign = false;
    if (n == 0 || n > ROLLUP_BYTES_MAX)
        return ERR_CORRUPT;
    if (*c.p++ != ROLLUP_VERSION)
        return ERR_VERSION;
    get_head(&r, &c, &foreign);
    c.bad = c.bad || !head_agrees(&r);
    if (!c.bad && !head_only)
        get_phases(&r, &c, &foreign);
    if (c.bad || foreign) {
        rollup_fini(&r);
        return c.bad ? ERR_CORRUPT : ERR_VERSION;
    }
    *out = r;
    return ERR_NONE;
}

enum err rollup_decode(struct rollup *out, const void *p, size_t n)
{
    return decode(out, p, n, false);
}

enum err rollup_decode_head(struct rollup *out, const void *p, size_t n)
{
    return decode(out, p, n, true);
}
