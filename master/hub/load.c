/* SPDX-License-Identifier: MIT */
#include "master/hub/load.h"

static double clamp(double v, double least, double most)
{
    return v < least ? least : v > most ? most : v;
}

bool load_tick(struct load *l, double lost_ms, struct mono now)
{
    double passed_ms = mono_is_set(l->at) ? mono_diff_ms_f(now, l->at) : 0;
    /* As much of it as is added at most: long stalls in a row are overload, too. */
    double paid_ms = clamp(passed_ms, 0, LOAD_STALL_MS) * LOAD_PAID;
    double debt = clamp(l->debt_ms - paid_ms, 0, LOAD_MAX_MS);
    l->debt_ms = clamp(debt + clamp(lost_ms, 0, LOAD_STALL_MS), 0, LOAD_MAX_MS);
    l->at = now;
    bool overloaded = l->overloaded ? l->debt_ms > LOAD_OFF_MS : l->debt_ms >= LOAD_ON_MS;
    if (overloaded == l->overloaded)
        return false;
    l->overloaded = overloaded;
    l->since = now;
    return true;
}
