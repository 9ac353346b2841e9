/* SPDX-License-Identifier: MIT */
#include "agent/run/watchdog.h"

#include "common/require.h"

void watchdog_init(struct watchdog *d, struct mono now)
{
    *d = (struct watchdog){.stepped_at = now, .woke_at = now};
}

int64_t watchdog_step(struct watchdog *d, struct mono now)
{
    int64_t ms = mono_diff_ms(now, d->stepped_at);
    REQUIRE(ms >= 0);
    d->stepped_at = now;
    if (ms <= WATCHDOG_STEP_MS)
        return ms;
    d->woke_at = now;
    return WATCHDOG_STEP_MS;
}

void watch_loop_seen(struct watch_loop *l, struct mono turn, int64_t step_ms)
{
    REQUIRE(step_ms >= 0);
    bool same = mono_is_set(turn) && turn.ns == l->turn.ns;
    l->stood_ms = same ? l->stood_ms + step_ms : 0;
    l->turn = turn;
}

int64_t watchdog_age_ms(const struct watchdog *d, struct mono since, struct mono now)
{
    return mono_diff_ms(now, mono_before(since, d->woke_at) ? d->woke_at : since);
}

enum watch_verdict watchdog_judge(const struct watch_figures *f, enum watch_fault *fault)
{
    const struct {
        enum watch_fault fault;
        int64_t ms, ill_ms, end_ms;
    } all[] = {
        {FAULT_LOOP, f->stood_ms, WATCHDOG_ILL_MS, WATCHDOG_END_MS},
        {FAULT_PROBE, f->overdue_ms, WATCHDOG_OVERDUE_MS, WATCHDOG_END_MS},
        {FAULT_QUEUE, f->still_ms, STALLED_STILL_MS, STALLED_STILL_MS + WATCHDOG_END_MS},
    };
    enum watch_verdict worst = WATCH_WELL;
    *fault = FAULT_NONE;
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        enum watch_verdict v = all[i].ms >= all[i].end_ms   ? WATCH_END
                               : all[i].ms >= all[i].ill_ms ? WATCH_ILL
                                                            : WATCH_WELL;
        if (v <= worst)
            continue;
        worst = v;
        *fault = all[i].fault;
    }
    return worst;
}
