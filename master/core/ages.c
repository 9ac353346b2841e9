/* SPDX-License-Identifier: MIT */
#include "master/core/ages.h"
#include <stdlib.h>
#include "common/require.h"

static int64_t nearness(int64_t age_ms)
{
    int64_t part = age_ms / AGES_NEAR_PART;
    return part > AGES_NEAR_MS ? part : AGES_NEAR_MS;
}

static bool is_near(int64_t a, int64_t b, int64_t near_ms)
{
    return llabs(a - b) <= near_ms;
}

static bool is_recent(const struct ages *a, unsigned i, struct mono now)
{
    return mono_diff_ms(now, a->kept[i].ended) <= AGES_WINDOW_MS;
}

static unsigned count_recent(const struct ages *a, struct mono now)
{
    unsigned n = 0;
    for (unsigned i = 0; i < a->n; i++)
        n += is_recent(a, i, now);
    return n;
}

/* Those near `age_ms`, and how many moments they ended in; kept in the order of their ends. */
static unsigned count_near(const struct ages *a, int64_t age_ms, struct mono now, unsigned *moments)
{
    unsigned n = 0, first = a->n == AGES_KEPT ? a->next : 0;
    struct mono last = {0};
    *moments = 0;
    for (unsigned k = 0; k < a->n; k++) {
        unsigned i = (first + k) % AGES_KEPT;
        if (!is_recent(a, i, now) || !is_near(a->kept[i].age_ms, age_ms, nearness(age_ms)))
            continue;
        n++;
        if (*moments == 0 || mono_diff_ms(a->kept[i].ended, last) > AGES_MOMENT_MS)
            (*moments)++;
        last = a->kept[i].ended;
    }
    return n;
}

/* The kept age that has most others near it. */
bool ages_look(const struct ages *a, struct mono now, struct ages_pile *out)
{
    struct ages_pile best = {.of = count_recent(a, now)};
    for (unsigned i = 0; i < a->n; i++) {
        unsigned moments;
        int64_t age_ms = a->kept[i].age_ms;
        if (!is_recent(a, i, now))
            continue;
        unsigned n = count_near(a, age_ms, now, &moments);
        if (n > best.n && moments >= AGES_MOMENTS)
            best = (struct ages_pile){n, best.of, age_ms, nearness(age_ms)};
    }
    *out = best;
    return best.n >= AGES_LEAST && best.n * 100 >= best.of * AGES_PERCENT;
}

/* Where this value was told, or where it may be noted: a free place, else the oldest. */
static unsigned told_slot(const struct ages *a, int64_t age_ms)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < a->n_told; i++) {
        if (is_near(a->told[i].age_ms, age_ms, 2 * nearness(age_ms)))
            return i;
        if (mono_before(a->told[i].at, a->told[oldest].at))
            oldest = i;
    }
    return a->n_told < AGES_TOLD ? a->n_told : oldest;
}

/* True: it was not told lately; now it is. */
static bool tell(struct ages *a, int64_t age_ms, struct mono now)
{
    unsigned slot = told_slot(a, age_ms);
    bool known = slot < a->n_told && is_near(a->told[slot].age_ms, age_ms, 2 * nearness(age_ms));
    if (known && mono_diff_ms(now, a->told[slot].at) < AGES_SILENCE_MS)
        return false;
    a->n_told += slot == a->n_told;
    REQUIRE(slot < AGES_TOLD && a->n_told <= AGES_TOLD);
    a->told[slot].age_ms = age_ms;
    a->told[slot].at = now;
    return true;
}

bool ages_add(struct ages *a, int64_t age_ms, struct mono now, struct ages_pile *out)
{
    struct ages_pile pile;
    REQUIRE(a->next < AGES_KEPT && a->n <= AGES_KEPT);
    if (age_ms < AGES_YOUNG_MS)
        return false;
    a->kept[a->next].age_ms = age_ms;
    a->kept[a->next].ended = now;
    a->next = (a->next + 1) % AGES_KEPT;
    a->n += a->n < AGES_KEPT;
    if (!ages_look(a, now, &pile) || !is_near(pile.age_ms, age_ms, 2 * pile.near_ms) ||
        !tell(a, pile.age_ms, now))
        return false;
    *out = pile;
    return true;
}
