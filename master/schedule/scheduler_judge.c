/* SPDX-License-Identifier: MIT */
#include "master/schedule/scheduler_impl.h"

#include <stdlib.h>

#include "common/mem.h"

/* A verdict, or the lack of one, becomes a state; a change of state is told, and may be of an
 * incident. */

#define ADVICE_MAX 512 /* three names of agents and a few words */

struct incident_change sched_incident_change(struct scheduler *x, const struct sched_check *c,
                                             const struct census_agent *agent, uint64_t task)
{
    const struct windows *maintenance = &c->of->def->maintenance;
    return (struct incident_change){
        .check = c->id,
        .host = c->host->name,
        .state = c->state.state,
        .cause = c->state.cause,
        .flapping = c->state.flapping,
        .result = task,
        .agent = agent != NULL ? agent->name : NULL,
        .host_checks = c->host->checks,
        .hosts_judged = census_judged(&x->census, x->now.mono),
        .agent_hosts = agent != NULL ? agent->hosts : 0,
        .maintenance = maintenance->n > 0 ? maintenance : NULL,
    };
}

static void advise(struct sched_check *c, const struct verdict *v, const struct verdict_vote *votes,
                   unsigned n)
{
    struct strbuf b;
    strbuf_init(&b, ADVICE_MAX);
    verdict_advice(v, votes, n, &b);
    free(c->advice);
    c->advice = b.len > 0 ? mem_strndup(b.data, b.len) : NULL;
    strbuf_fini(&b);
}

void sched_judge(struct scheduler *x, struct sched_check *c, const struct verdict *v,
                 const struct verdict_vote *votes, unsigned n)
{
    struct sched_run *run = c->run;
    struct check_change change;
    bool nobody;
    struct census_agent *agent = votes_speaker(&run->votes, &nobody);
    if (!nobody)
        census_verdict(&x->census, c->host, agent, x->now.mono);
    advise(c, v, votes, n);
    sched_uncount(x, c);
    bool changed = check_verdict(&c->state, run->seq, v, x->now, run->interval_ms, &change);
    sched_count(x, c);
    sched_watch_age(x, c);
    if (!changed)
        return;
    uint64_t task = votes_deciding(&run->votes, v);
    sched_tell_transition(x, c, &change, run->seq, task);
    struct incident_change ic = sched_incident_change(x, c, agent, task);
    incidents_change(x->incidents, &ic, x->now);
    sched_tell_incidents(x);
}

void sched_judge_age(struct scheduler *x, struct sched_check *c)
{
    struct check_change change;
    sched_uncount(x, c);
    bool changed = check_tick(&c->state, x->now, &change);
    sched_count(x, c);
    if (changed) {
        free(c->advice);
        c->advice = NULL;
        sched_tell_transition(x, c, &change, c->state.slot, 0);
    }
    sched_watch_age(x, c);
}

void sched_judge_pause(struct scheduler *x, struct sched_check *c)
{
    struct check_change change;
    sched_uncount(x, c);
    bool changed = check_pause(&c->state, x->now, &change);
    sched_count(x, c);
    free(c->advice);
    c->advice = NULL;
    if (changed)
        sched_tell_transition(x, c, &change, c->state.slot, 0);
    votes_streaks_free(&c->streaks, &x->census);
    incidents_forget(x->incidents, c->id, x->now);
}

/* ---- certificates */

static int days_left(const struct scheduler *x, int64_t not_after)
{
    int64_t s = not_after - civil_floor_div(x->now.wall.us, 1000000);
    int64_t days = civil_floor_div(s, SEC_PER_DAY);
    return days < -CERT_DAYS_FAR  ? -CERT_DAYS_FAR
           : days > CERT_DAYS_FAR ? CERT_DAYS_FAR
                                  : (int)days;
}

/* The smallest one that has been passed; 0 = none. */
static uint16_t passed(const struct schedule *s, int days)
{
    uint16_t least = 0;
    for (unsigned i = 0; i < s->n_cert_days; i++)
        if (days < s->cert_days[i] && (least == 0 || s->cert_days[i] < least))
            least = s->cert_days[i];
    return least;
}

void sched_judge_certificate(struct scheduler *x, struct sched_check *c, int64_t not_after)
{
    if (not_after == 0)
        return;
    bool renewed = not_after > c->cert_not_after && c->cert_warned != 0;
    c->cert_not_after = not_after;
    int days = days_left(x, not_after);
    uint16_t threshold = passed(c->of->def, days);
    if (renewed && (threshold == 0 || threshold > c->cert_warned)) {
        c->cert_warned = 0;
        sched_tell_certificate(x, c, days, 0);
    }
    if (threshold == 0 || (c->cert_warned != 0 && threshold >= c->cert_warned))
        return;
    c->cert_warned = threshold;
    sched_tell_certificate(x, c, days, threshold);
}
