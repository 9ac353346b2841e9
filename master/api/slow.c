/* SPDX-License-Identifier: MIT */
#include "master/api/slow.h"

void slow_enter(struct slow *s, enum slow_phase phase, const struct slow_look *l, struct mono now)
{
    *s = (struct slow){.phase = phase, .since = now, .in = l->in, .out = l->out};
}

static enum slow_verdict judge_busy(struct slow *s, const struct slow_look *l, struct mono now)
{
    uint64_t moved = l->in - s->in + (l->out - s->out);
    if (l->ours || moved >= SLOW_BYTES)
        slow_enter(s, SLOW_BUSY, l, now);
    return mono_diff_ms(now, s->since) < SLOW_WINDOW_MS ? SLOW_FINE : SLOW_NO_PROGRESS;
}

enum slow_verdict slow_judge(struct slow *s, const struct slow_look *l, struct mono now)
{
    if (s->phase == SLOW_IDLE && l->known && l->in != s->in)
        slow_enter(s, SLOW_HEAD, l, now);
    if (s->phase == SLOW_HEAD)
        return mono_diff_ms(now, s->since) < SLOW_HEAD_MS ? SLOW_FINE : SLOW_NO_HEAD;
    if (s->phase == SLOW_BUSY && l->known)
        return judge_busy(s, l, now);
    return SLOW_FINE; /* what stands still altogether is libmicrohttpd's to end */
}
