/* SPDX-License-Identifier: MIT */
#include "master/store/pace.h"

#define OUTLIERS_MAX (PACE_COMMITS / 100 + 1)

void pace_add(struct pace *p, double ms, struct mono now)
{
    p->last[p->next].at = now;
    p->last[p->next].ms = ms;
    p->next = (p->next + 1) % PACE_COMMITS;
    if (p->n < PACE_COMMITS)
        p->n++;
}

/* Keeps the greatest, in falling order. */
static void keep(double top[OUTLIERS_MAX], double ms)
{
    for (unsigned i = 0; i < OUTLIERS_MAX; i++) {
        if (ms <= top[i])
            continue;
        double lower = top[i];
        top[i] = ms;
        ms = lower;
    }
}

double pace_p99_ms(const struct pace *p, struct mono now)
{
    double top[OUTLIERS_MAX] = {0};
    unsigned n = 0;
    for (unsigned i = 0; i < p->n; i++) {
        if (mono_diff_ms(now, p->last[i].at) > PACE_MS)
            continue;
        keep(top, p->last[i].ms);
        n++;
    }
    return top[n / 100];
}

int64_t pace_told_ms(int64_t p99_ms, struct mono at, struct mono since, struct mono now)
{
    int64_t ended_ms = mono_diff_ms(now, at) > PACE_MS ? 0 : p99_ms;
    int64_t under_way_ms = mono_is_set(since) ? mono_diff_ms(now, since) : 0;
    return ended_ms > under_way_ms ? ended_ms : under_way_ms;
}
