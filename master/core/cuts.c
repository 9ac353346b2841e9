/* SPDX-License-Identifier: MIT */
#include "master/core/cuts.h"
#include "common/require.h"

_Static_assert(END_COUNT <= UINT8_MAX, "a cause fits its byte");

void cuts_add(struct cuts *c, enum end cause, struct mono now)
{
    REQUIRE(cause != END_NONE && cause < END_COUNT);
    REQUIRE(c->next < CUTS_KEPT && c->n <= CUTS_KEPT);
    c->at[c->next] = now;
    c->cause[c->next] = (uint8_t)cause;
    c->next = (c->next + 1) % CUTS_KEPT;
    c->n += c->n < CUTS_KEPT;
}

static void put_cause(struct cuts_sum *out, enum end cause, unsigned n)
{
    unsigned at = CUTS_CAUSES;
    while (at > 0 && out->causes[at - 1].n < n)
        at--;
    for (unsigned i = CUTS_CAUSES - 1; i > at; i--)
        out->causes[i] = out->causes[i - 1];
    if (at == CUTS_CAUSES)
        return;
    out->causes[at].cause = cause;
    out->causes[at].n = n;
}

void cuts_sum(const struct cuts *c, struct mono now, struct cuts_sum *out)
{
    unsigned of[END_COUNT] = {0};
    *out = (struct cuts_sum){.hour = 0};
    for (unsigned i = 0; i < c->n; i++) {
        int64_t ago_ms = mono_diff_ms(now, c->at[i]);
        out->hour += ago_ms < CUTS_HOUR_MS;
        out->day += ago_ms < CUTS_DAY_MS;
        of[c->cause[i]] += ago_ms < CUTS_DAY_MS;
    }
    out->more = out->day == CUTS_KEPT;
    for (unsigned e = END_NONE + 1; e < END_COUNT; e++)
        if (of[e] > 0)
            put_cause(out, (enum end)e, of[e]);
}
