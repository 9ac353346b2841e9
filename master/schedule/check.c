/* SPDX-License-Identifier: MIT */
#include "master/schedule/check.h"

#define FLAP_MASK ((UINT32_C(1) << CHECK_FLAP_SLOTS) - 1)

_Static_assert(CHECK_FLAP_SLOTS < 32 && CHECK_FLAP_BEGIN <= CHECK_FLAP_SLOTS &&
                   CHECK_FLAP_END < CHECK_FLAP_BEGIN,
               "the history has a bit for each slot, and the thresholds are apart");

void check_init(struct check *c, struct check_now now)
{
    *c = (struct check){.state = VERDICT_UNKNOWN, .since = now.wall, .confirmed = true};
}

static void enter(struct check *c, enum verdict_state state, struct check_now now)
{
    REQUIRE((unsigned)state < VERDICT_STATES);
    if (state == c->state)
        return;
    c->state = state;
    c->since = now.wall;
}

static void live(struct check *c, struct check_now now, int64_t interval_ms)
{
    REQUIRE(interval_ms > 0 && mono_is_set(now.mono));
    c->stale_at = mono_add_ms(now.mono, CHECK_STALE * interval_ms);
}

void check_restore(struct check *c, enum verdict_state state, struct wall since, uint64_t slot,
                   struct check_now now, int64_t interval_ms)
{
    check_init(c, now);
    c->state = c->seen = c->earlier = state;
    c->since = since;
    c->slot = slot;
    if (state != VERDICT_UNKNOWN)
        live(c, now, interval_ms);
}

/* Whether what a slot says differs from the one before; a slot may think better of it. */
static void remember(struct check *c, uint64_t slot, enum verdict_state seen)
{
    if (slot > c->slot) {
        c->changes = c->changes << 1 & FLAP_MASK;
        c->earlier = c->seen;
        c->slot = slot;
    }
    bool changed = c->earlier != VERDICT_UNKNOWN && seen != c->earlier;
    c->changes = (c->changes & ~UINT32_C(1)) | changed;
    c->seen = seen;
}

static void judge_flapping(struct check *c, struct check_now now)
{
    int changes = __builtin_popcount(c->changes);
    bool flaps = changes >= (c->flapping ? CHECK_FLAP_END + 1 : CHECK_FLAP_BEGIN);
    if (flaps && !c->flapping)
        c->flapping_since = now.wall;
    c->flapping = flaps;
}

static bool compare(const struct check *before, const struct check *c, struct check_change *out)
{
    struct check_change change = {
        .from = before->state,
        .to = c->state,
        .flapping_began = c->flapping && !before->flapping,
        .flapping_ended = before->flapping && !c->flapping,
    };
    if (change.from == change.to && before->flapping == c->flapping)
        return false;
    *out = change;
    return true;
}

bool check_verdict(struct check *c, uint64_t slot, const struct verdict *v, struct check_now now,
                   int64_t interval_ms, struct check_change *out)
{
    REQUIRE(slot > 0 && c != NULL && v != NULL);
    struct check before = *c;
    if (slot < c->slot)
        return false;
    if (v->failed > 0 || v->ok > 0) {
        c->confirmed = v->confirmed;
        c->cause = v->cause;
    }
    if (v->state == VERDICT_UNKNOWN)
        return false;
    enter(c, v->state, now);
    remember(c, slot, v->state);
    judge_flapping(c, now);
    live(c, now, interval_ms);
    return compare(&before, c, out);
}

bool check_tick(struct check *c, struct check_now now, struct check_change *out)
{
    struct check before = *c;
    if (!mono_is_set(c->stale_at) || mono_before(now.mono, c->stale_at))
        return false;
    c->stale_at = (struct mono){0};
    c->confirmed = true;
    c->cause = CAUSE_NONE;
    enter(c, VERDICT_UNKNOWN, now);
    return compare(&before, c, out);
}

struct mono check_due(const struct check *c)
{
    return c->stale_at;
}

bool check_pause(struct check *c, struct check_now now, struct check_change *out)
{
    struct check before = *c;
    uint64_t slot = c->slot;
    enter(c, VERDICT_UNKNOWN, now);
    *c = (struct check){.state = c->state, .since = c->since, .confirmed = true, .slot = slot};
    return compare(&before, c, out);
}
