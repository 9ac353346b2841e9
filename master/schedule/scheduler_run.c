/* SPDX-License-Identifier: MIT */
#include "master/schedule/scheduler_impl.h"

#include <stdlib.h>

#include "common/mem.h"

/*
 * Runs under way:
 *
 *      ops.run ──► coming ──began──► open ──results──► all in ──► asks? ──no──► verdict, gone
 *                    ▲                                             │yes
 *                    └──────────────── ops.run (confirms) ◄────────┘
 */

struct sched_run *sched_make_run(struct scheduler *x, struct sched_check *c, uint64_t seq,
                                 struct wall at)
{
    REQUIRE(c->run == NULL && seq > 0);
    c->run = mem_zalloc(sizeof(*c->run));
    c->run->seq = seq;
    c->run->at = at;
    x->running++;
    return c->run;
}

void sched_drop_run(struct scheduler *x, struct sched_check *c)
{
    struct sched_run *r = c->run;
    if (r == NULL)
        return;
    for (unsigned i = 0; i < r->votes.n; i++)
        if (!r->votes.tries[i].done)
            idmap_remove(&x->tasks, r->votes.tries[i].task);
    votes_fini(&r->votes, &x->census);
    free(r);
    c->run = NULL;
    REQUIRE(x->running > 0);
    x->running--;
}

static int64_t deadline_ms(const struct schedule *s)
{
    int64_t ms = s->rule.kind == RULE_EVERY ? s->rule.every_ms : RUN_LEAST_MS;
    int64_t least = s->timeout_ms_max + RUN_MARGIN_MS;
    ms = ms < RUN_LEAST_MS ? RUN_LEAST_MS : ms;
    ms = ms < least ? least : ms;
    return ms < RUN_MOST_MS ? ms : RUN_MOST_MS;
}

static void ask(struct scheduler *x, struct sched_check *c, unsigned n, bool confirms)
{
    struct sched_run *run = c->run;
    uint64_t shun[SCHEDULER_SHUN_MAX];
    struct scheduler_run r = {
        .schedule = c->of->def,
        .check = c->id,
        .seq = run->seq,
        .at = run->at,
        .n = n,
        .confirms = confirms,
        .spec = c->spec,
        .spec_len = c->spec_len,
        .host_hash = c->host_hash,
        .shun = shun,
        .n_shun = votes_shun(&run->votes, shun, SCHEDULER_SHUN_MAX),
        .deadline_ms = deadline_ms(c->of->def),
    };
    REQUIRE(n > 0 && run->votes.n + run->coming + n <= VERDICT_VOTES_MAX);
    run->coming += n;
    run->lost_at = (struct mono){0};
    counter_add(confirms ? &x->stats.confirms : &x->stats.runs, 1);
    x->ops->run(x->arg, &r);
}

void sched_start_run(struct scheduler *x, struct sched_check *c, const struct plan_event *e,
                     unsigned agents)
{
    unsigned n = c->of->def->count != 0 ? c->of->def->count : agents;
    n = n < 1 ? 1 : n > AGENTS_COUNT_MAX ? AGENTS_COUNT_MAX : n;
    struct sched_run *run = sched_make_run(x, c, e->slot.seq, e->slot.at);
    run->interval_ms =
        plan_interval_ms(&x->plan, &c->item, sched_plan_now(x), e->late_ms, CRON_FAR_MS);
    sched_tell_untold(x, c);
    plan_ran(&c->item);
    c->settled = c->item.last.seq;
    c->of->runs++;
    ask(x, c, n, false);
}

/* ---- what comes back */

static void remember(struct sched_check *c, uint64_t task)
{
    c->recent_at = (uint8_t)((c->recent_at + 1) % SCHEDULER_RECENT);
    c->recent[c->recent_at] = task;
}

void sched_add_task(struct scheduler *x, struct sched_check *c, uint64_t task)
{
    votes_add(&c->run->votes, task);
    idmap_add(&x->tasks, task, c);
    remember(c, task);
}

void scheduler_began(struct scheduler *x, uint64_t check, uint64_t seq, uint64_t first, unsigned n,
                     struct check_now now)
{
    struct sched_check *c = sched_find_check(x, check);
    x->now = now;
    if (c == NULL || c->run == NULL || c->run->seq != seq)
        return; /* removed meanwhile */
    struct sched_run *run = c->run;
    REQUIRE(n > 0 && n == run->coming);
    if (run->votes.n == 0) {
        double lag = (double)(now.wall.us - run->at.us) / 1000;
        histogram_add(&x->stats.start_lag_ms, lag > 0 ? lag : 0);
    }
    run->coming = 0;
    run->lost_at = mono_add_ms(now.mono, deadline_ms(c->of->def) + RUN_LOST_MS);
    for (unsigned i = 0; i < n; i++)
        sched_add_task(x, c, first + i);
}

void sched_note_result(struct scheduler *x, struct sched_check *c, const struct scheduler_result *r)
{
    struct sched_run *run = c->run;
    if (!votes_result(&run->votes, &x->census, r->task, r->agent, r->cause))
        UNREACHABLE("a task that is open in the map and not in its run");
    idmap_remove(&x->tasks, r->task);
    if (r->total_ms >= 0)
        c->total_ms = r->total_ms;
    if (r->cert_not_after != 0 &&
        (run->cert_not_after == 0 || r->cert_not_after < run->cert_not_after))
        run->cert_not_after = r->cert_not_after;
}

void scheduler_result(struct scheduler *x, const struct scheduler_result *r, struct check_now now)
{
    struct sched_check *c = idmap_find(&x->tasks, r->task);
    x->now = now;
    if (c == NULL)
        return;
    REQUIRE(c->run != NULL);
    sched_note_result(x, c, r);
    if (c->run->votes.open == 0 && c->run->coming == 0)
        sched_settle(x, c);
}

/* ---- all is in */

/* How many further tries: what the verdict asks for, within what one slot may have. */
static unsigned further(const struct sched_check *c, const struct verdict *v)
{
    const struct sched_run *run = c->run;
    unsigned left = run->confirms < VERDICT_CONFIRM_MAX ? VERDICT_CONFIRM_MAX - run->confirms : 0;
    unsigned room = VERDICT_VOTES_MAX - run->votes.n;
    left = left < room ? left : room;
    return v->ask < left ? v->ask : left;
}

void sched_settle(struct scheduler *x, struct sched_check *c)
{
    struct verdict_vote votes[VERDICT_VOTES_MAX];
    struct sched_run *run = c->run;
    REQUIRE(run->coming == 0);
    if (!run->silent) {
        unsigned n = votes_count(&run->votes, c->streaks, votes);
        struct verdict v = verdict_of(votes, n, c->of->def->confirm);
        unsigned more = further(c, &v);
        if (more > 0) {
            run->confirms += more;
            ask(x, c, more, true);
            return;
        }
        sched_judge_certificate(x, c, run->cert_not_after);
        sched_judge(x, c, &v, votes, n);
        votes_carry(&run->votes, &x->census, &v, &c->streaks);
    }
    sched_drop_run(x, c);
}
