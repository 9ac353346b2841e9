/* SPDX-License-Identifier: MIT */
/* clang-format off */
#define SIM_KINDS(X)                                                          \
    X(stalled,        C, "the store commits nothing")                         \
    X(results_stalled,C, "no results are committed")                          \
    X(overslept,      C, "nobody looks for a while")                          \
    X(jumped,         C, "the wall clock is set")                             \
    X(no_room,        C, "no agent, or no room")                              \
    X(ill,            C, "an agent fails at everything")                      \
    X(host_broken,    C, "a host is down")                                    \
    X(expired,        C, "a task ends at its deadline")                       \
    X(no_verdict,     C, "an agent could not measure")                        \
    X(confirm,        C, "further tries are asked for")                       \
    X(went_down,      C, "a check goes down")                                 \
    X(went_stale,     C, "or becomes unknown")                                \
    X(flapped,        C, "or flaps")                                          \
    X(confirmed,      C, "an incident is confirmed")                          \
    X(system_event,   C, "many are one system event")                         \
    X(certificate,    C, "a certificate is warned of")                        \
    X(gap_grew,       C, "a gap is told of again")                            \
    X(put,            C, "a schedule is new")                                 \
    X(changed,        C, "or changed")                                        \
    X(new_rule,       C, "with another rule")                                 \
    X(lost_checks,    C, "with checks that are no more")                      \
    X(paused,         C, "or paused")                                         \
    X(paused_running, C, "while it runs")                                     \
    X(resumed,        C, "and resumed")                                       \
    X(removed,        C, "or removed")                                        \
    X(acked,          C, "somebody has an incident")                          \
    X(stopped,        C, "a master stops in order")                           \
    X(kill_run,       C, "a master dies after: a run asked for")              \
    X(kill_journal,   C, "an entry told")                                     \
    X(kill_snapshot,  C, "a snapshot told")                                   \
    X(kill_committed, C, "rows committed, untold")                            \
    X(kill_began,     C, "rows told")                                         \
    X(kill_kept,      C, "anything committed")                                \
    X(kill_result,    C, "a result committed, untold")                        \
    X(kill_told,      C, "a result told")                                     \
    X(kill_user,      C, "a user's change committed, untold")                 \
    X(kill_step,      C, "any step")                                          \
    X(kill_loaded,    C, "a start")                                           \
    X(open_at_start,  C, "a start finds tasks without a result")              \
    X(whole_at_start, C, "or a run of which all is known, and no verdict")
/* clang-format on */
#include "tests/support/schedule_books.h"

/*
 * A seeded adversary against the scheduler: the store stalls, results are late or never come,
 * agents vanish, fall ill or cannot measure, hosts break, clocks jump, users put, change, pause and
 * remove in the middle of it all, and the master dies at every step. After each run: every slot of
 * each check is one run or in one gap, and where no clock was set they are those that a walk over
 * the time counts; runs of a check never overlapped, no incident was told of twice, and the
 * transitions that were kept, one after the other, give the states. Replay: sim_run.h.
 */
#if defined(__SANITIZE_THREAD__)
#define SEEDS_DEFAULT 100
#elif defined(__SANITIZE_ADDRESS__)
#define SEEDS_DEFAULT 300
#else
#define SEEDS_DEFAULT 1500
#endif
#define STEPS         250
#define STALL_MOST_MS 200000
#define CALM_ROUNDS   400 /* of a second: the rarest rule whose checks must be up is two minutes */
#define START_US      (INT64_C(1790000000) * 1000000)

struct storm {
    struct world w;
    bool stalled, results_stalled, clocks_jump;
    bool inexact; /* slots may have been left out */
    struct mono stalled_at;
    int64_t kill_every;
};

static uint64_t below(struct storm *st, uint64_t n)
{
    return rng_below(&st->w.rng, n);
}

/* ---- what was due */

static void begin_span(struct world *w, uint64_t check, bool new)
{
    const struct w_check *c = &w->disk.checks[check];
    const struct w_schedule *s = &w->disk.schedules[c->schedule];
    if (s->paused)
        return;
    SIM_CHECK(w->n_spans < W_SPANS, "too many spans");
    w->spans[w->n_spans++] =
        (struct w_span){.check = check, .rule = s->rule, .from = w->now.wall, .new = new};
}

static void end_span(struct world *w, uint64_t check)
{
    for (size_t i = 0; i < w->n_spans; i++)
        if (w->spans[i].check == check && w->spans[i].to.us == 0)
            w->spans[i].to = w->now.wall;
}

/* ---- users: the store has committed what was asked for before, then the change */

static bool settle_before(struct storm *st)
{
    w_commit_all(&st->w);
    if (!st->w.killed)
        scheduler_tick(st->w.x, st->w.now);
    w_commit_all(&st->w);
    return !st->w.killed;
}

/* What was missed and not told of yet is told with a change. If the master dies before that is
 * kept, nobody can know of it: the slots are left out of the books, as if they had been after the
 * change. */
static void settle_after(struct storm *st)
{
    w_commit_all(&st->w);
    st->inexact |= st->w.killed;
}

static void define(struct storm *st, struct w_schedule *s)
{
    s->there = true;
    s->count = (unsigned)below(st, 4); /* 0: all */
    s->confirm = (unsigned)below(st, 3);
    s->changed_at = st->w.now.wall;
}

static uint64_t new_check(struct world *w, unsigned schedule)
{
    uint64_t id = w->disk.next_check++;
    w->disk.checks[id] =
        (struct w_check){.there = true, .schedule = schedule, .created = w->now.wall};
    begin_span(w, id, true);
    return id;
}

/* Some of its checks go; the rest have another rule from now on. */
static size_t commit_change(struct storm *st, unsigned id, unsigned rule, uint64_t *removed)
{
    struct world *w = &st->w;
    struct w_schedule *s = &w->disk.schedules[id];
    bool again = s->there && s->rule != rule, lose = below(st, 4) == 0;
    size_t n = 0;
    s->rule = rule;
    define(st, s);
    SEEN_IF(again, new_rule);
    for (uint64_t c = 1; c < w->disk.next_check; c++) {
        if (!w->disk.checks[c].there || w->disk.checks[c].schedule != id)
            continue;
        bool goes = lose && below(st, 2) == 0;
        if (goes || again)
            end_span(w, c);
        if (goes) {
            w->disk.checks[c].there = false;
            removed[n++] = c;
            SEEN(lost_checks);
        } else if (again) {
            begin_span(w, c, false);
        }
    }
    return n;
}

static void put(struct storm *st)
{
    struct world *w = &st->w;
    unsigned id = 1 + (unsigned)below(st, W_SCHEDULES);
    struct w_schedule *s = &w->disk.schedules[id];
    uint64_t removed[W_CHECKS];
    if (!settle_before(st) || w->n_spans + 2 * W_CHECKS > W_SPANS)
        return;
    SEEN_IF(!s->there, put);
    SEEN_IF(s->there, changed);
    if (!s->there)
        s->paused = false;
    unsigned rule = s->there && below(st, 2) ? s->rule : (unsigned)below(st, ARRAY_LEN(w_rules));
    size_t n_removed = commit_change(st, id, rule, removed);
    struct scheduler_check checks[4];
    char text[4][2][32];
    size_t n = 0;
    for (unsigned more = (unsigned)below(st, 5); more > 0 && w->disk.next_check <= W_CHECKS;
         more--) {
        checks[n] = w_describe(w, new_check(w, id));
        snprintf(text[n][0], sizeof(text[n][0]), "%s", checks[n].key);
        checks[n].key = text[n][0];
        snprintf(text[n][1], sizeof(text[n][1]), "%s", checks[n].host);
        checks[n].host = text[n][1];
        n++;
    }
    kill_point(w, SAW_kill_user);
    if (!w->killed)
        scheduler_put(w->x, id, w_definition(w, id), checks, n, removed, n_removed, w->now);
    settle_after(st);
}

static bool runs(const struct world *w, unsigned schedule)
{
    for (uint64_t i = w->first_open; i < w->disk.n_rows; i++)
        if (w->disk.rows[i].outcome < 0 &&
            w->disk.checks[w->disk.rows[i].check].schedule == schedule)
            return true;
    return false;
}

static void pause_or_resume(struct storm *st)
{
    struct world *w = &st->w;
    unsigned id = 1 + (unsigned)below(st, W_SCHEDULES);
    struct w_schedule *s = &w->disk.schedules[id];
    if (!s->there || !settle_before(st) || w->n_spans + W_CHECKS > W_SPANS)
        return;
    s->paused = !s->paused;
    s->changed_at = w->now.wall;
    SEEN_IF(s->paused, paused);
    SEEN_IF(s->paused && runs(w, id), paused_running);
    SEEN_IF(!s->paused, resumed);
    for (uint64_t c = 1; c < w->disk.next_check; c++) {
        if (!w->disk.checks[c].there || w->disk.checks[c].schedule != id)
            continue;
        if (s->paused)
            end_span(w, c);
        else
            begin_span(w, c, false);
    }
    kill_point(w, SAW_kill_user);
    if (!w->killed)
        SIM_CHECK(scheduler_pause(w->x, id, s->paused, w->now), "not there");
    settle_after(st);
}

static void remove_one(struct storm *st)
{
    struct world *w = &st->w;
    unsigned id = 1 + (unsigned)below(st, W_SCHEDULES);
    struct w_schedule *s = &w->disk.schedules[id];
    if (!s->there || !settle_before(st))
        return;
    s->there = false;
    SEEN(removed);
    for (uint64_t c = 1; c < w->disk.next_check; c++)
        if (w->disk.checks[c].there && w->disk.checks[c].schedule == id) {
            w->disk.checks[c].there = false;
            end_span(w, c);
        }
    kill_point(w, SAW_kill_user);
    if (!w->killed)
        SIM_CHECK(scheduler_remove(w->x, id, w->now), "not there");
    settle_after(st);
}

static void ack(struct storm *st)
{
    if (st->w.disk.last_incident == 0)
        return;
    uint64_t id = 1 + below(st, st->w.disk.last_incident);
    SEEN_IF(scheduler_ack(st->w.x, id, "eva", NULL, st->w.now) == ERR_NONE, acked);
}

/* ---- the fleet */

static enum cause measure(struct storm *st, unsigned agent, uint64_t check)
{
    static const enum cause silent[] = {CAUSE_agent_network_down, CAUSE_agent_lost,
                                        CAUSE_policy_address};
    if (below(st, 30) == 0) {
        SEEN(no_verdict);
        return silent[below(st, ARRAY_LEN(silent))];
    }
    if (st->w.ill >> agent & 1)
        return CAUSE_connect_timeout;
    if (st->w.broken >> (check % 8) & 1)
        return below(st, 2) ? CAUSE_connect_refused : CAUSE_http_5xx;
    return below(st, 200) == 0 ? CAUSE_reset_after_connect : CAUSE_NONE;
}

static void answer(struct storm *st, unsigned percent)
{
    struct world *w = &st->w;
    for (uint64_t i = w->first_open; i < w->disk.n_rows; i++) {
        struct w_row *r = &w->disk.rows[i];
        if (r->outcome >= 0 || r->answered || w->agents == 0 || below(st, 100) >= percent)
            continue;
        char name[8];
        unsigned agent = (unsigned)below(st, w->agents);
        snprintf(name, sizeof(name), "a%u", agent);
        if (below(st, 40) == 0)
            w_answer(w, r, NULL, CAUSE_no_agent);
        else
            w_answer(w, r, name, measure(st, agent, r->check));
    }
}

static void commit_results(struct storm *st, unsigned percent)
{
    struct world *w = &st->w;
    for (uint64_t i = w->first_open; i < w->disk.n_rows && !w->killed; i++)
        if (w->disk.rows[i].answered && below(st, 100) < percent)
            w_commit_result(w, i);
}

/* ---- steps */

static void tick(struct storm *st)
{
    w_expire(&st->w);
    scheduler_tick(st->w.x, st->w.now);
    kill_point(&st->w, SAW_kill_step);
}

/* A while as it should be: it is looked when the scheduler says, and things get done. */
static void go_on(struct storm *st, int64_t ms)
{
    struct world *w = &st->w;
    for (int64_t left = ms; left > 0 && !w->killed;) {
        int64_t step = scheduler_wait_ms(w->x, w->now, 5000);
        step = step < 1 ? 1 : step < left ? step : left;
        left -= step;
        w_pass(w, step);
        tick(st);
        for (uint64_t n = below(st, 60); n > 0 && !st->stalled && w->head < w->n_queue; n--)
            if (!w->killed)
                w_commit(w);
        answer(st, 60);
        if (!st->results_stalled)
            commit_results(st, 80);
    }
}

static void weather(struct storm *st)
{
    struct world *w = &st->w;
    switch (below(st, 8)) {
    case 0:
        st->stalled = !st->stalled;
        SEEN_IF(st->stalled, stalled);
        break;
    case 1:
        st->results_stalled = !st->results_stalled;
        SEEN_IF(st->results_stalled, results_stalled);
        break;
    case 2:
        w->room = below(st, 2) ? PLAN_MISS_NONE : PLAN_MISS_overloaded;
        w->agents = (unsigned)below(st, W_AGENTS + 1);
        SEEN_IF(w->room || w->agents == 0, no_room);
        break;
    case 3:
        w->ill = below(st, 2) ? 1u << below(st, W_AGENTS) : 0;
        SEEN_IF(w->ill, ill);
        break;
    case 4:
    case 5:
        w->broken ^= 1u << below(st, 8);
        SEEN_IF(w->broken, host_broken);
        break;
    case 6:
        w->broken = below(st, 2) ? 0xff : 0;
        break;
    default:
        w->agents = W_AGENTS;
        w->room = PLAN_MISS_NONE;
        st->stalled = st->results_stalled = false;
    }
}

static void jump(struct storm *st)
{
    static const int64_t most_s[] = {5, 600, 90000, 400000};
    if (!st->clocks_jump)
        return;
    int64_t s = (int64_t)below(st, (uint64_t)most_s[below(st, ARRAY_LEN(most_s))]);
    st->w.now.wall.us += (below(st, 2) ? s : -s) * 1000000;
    SEEN(jumped);
}

static void user(struct storm *st)
{
    switch (below(st, 8)) {
    case 0:
    case 1:
    case 2:
        put(st);
        break;
    case 3:
    case 4:
        pause_or_resume(st);
        break;
    case 5:
        if (below(st, 3) == 0)
            remove_one(st);
        break;
    default:
        ack(st);
    }
}

static int64_t down_ms(struct storm *st)
{
    static const int64_t most[] = {1, 3000, 60000, 3000000};
    return (int64_t)below(st, (uint64_t)most[below(st, ARRAY_LEN(most))]);
}

/* What a start finds. */
static void look_at_rows(const struct world *w)
{
    uint64_t of = 0;
    for (uint64_t i = w->disk.n_rows; i > w->first_open; i--)
        of += w->disk.rows[i - 1].outcome < 0;
    SEEN_IF(of > 0, open_at_start);
    SEEN_IF(w->disk.n_rows > 0 && of == 0, whole_at_start);
}

static void rise(struct storm *st)
{
    struct world *w = &st->w;
    while (w->killed) {
        sim_saw(w->killed_at, 1);
        w->kill_in = st->kill_every > 0 ? (int64_t)below(st, (uint64_t)st->kill_every) : -1;
        look_at_rows(w);
        w_reboot(w, down_ms(st));
        st->stalled_at = w->now.mono;
    }
}

static void stop(struct storm *st)
{
    struct world *w = &st->w;
    SEEN(stopped);
    w_snapshot(w);
    w_commit_all(w);
    if (!w->killed)
        w_reboot(w, down_ms(st));
    st->stalled_at = w->now.mono;
}

/* No stall is longer than the scheduler's patience with results. */
static void end_stalls(struct storm *st)
{
    if (st->results_stalled && mono_diff_ms(st->w.now.mono, st->stalled_at) > STALL_MOST_MS) {
        st->results_stalled = false;
        commit_results(st, 100);
        rise(st);
    }
    if (!st->results_stalled)
        st->stalled_at = st->w.now.mono;
}

static void step(struct storm *st)
{
    struct world *w = &st->w;
    end_stalls(st);
    uint64_t what = below(st, 100);
    if (what < 60) {
        go_on(st, (int64_t)below(st, below(st, 5) ? 3000 : 40000));
    } else if (what < 72) {
        weather(st);
    } else if (what < 82) {
        user(st);
    } else if (what < 88) {
        w_snapshot(w);
    } else if (what < 92) {
        w_pass(w, (int64_t)below(st, below(st, 4) ? 9000 : 200000));
        SEEN(overslept);
        tick(st);
    } else if (what < 95) {
        jump(st);
    } else if (what < 96) {
        stop(st);
    } else {
        kill_point(w, SAW_kill_step);
    }
    rise(st);
}

/* ---- at the end */

static void calm(struct storm *st)
{
    struct world *w = &st->w;
    w->kill_in = -1;
    w->room = PLAN_MISS_NONE;
    w->agents = W_AGENTS;
    w->ill = w->broken = 0;
    for (int i = 0; i < CALM_ROUNDS; i++) {
        w_pass(w, 1000);
        tick(st);
        w_commit_all(w);
        for (uint64_t k = w->first_open; k < w->disk.n_rows; k++) {
            w_answer(w, &w->disk.rows[k], "a1", CAUSE_NONE);
            if (w->disk.rows[k].answered)
                w_commit_result(w, k);
        }
    }
    w_snapshot(w); /* what is untold is told */
    w_commit_all(w);
    for (uint64_t k = 0; k < w->disk.n_rows; k++)
        SIM_CHECK(w->disk.rows[k].outcome >= 0 || !w->disk.checks[w->disk.rows[k].check].there,
                  "task %llu has not ended", (unsigned long long)k + 1);
}

/* The half-hourly ones may have had no slot in the calm, and none of cron has when the clock was
 * put back: their old time comes first. */
static bool has_run_lately(const struct storm *st, const struct w_schedule *s)
{
    const char *cron = w_rules[s->rule].cron;
    return cron == NULL || (cron[0] == '*' && !st->clocks_jump);
}

static void prove_state(const struct storm *st, uint64_t check)
{
    const struct world *w = &st->w;
    const struct w_check *c = &w->disk.checks[check];
    const struct w_schedule *s = &w->disk.schedules[c->schedule];
    struct scheduler_filter f = {.only = check, .state = -1, .limit = 1};
    struct scheduler_check_view *v;
    uint64_t last;
    bool more;
    SIM_CHECK(scheduler_checks(w->x, &f, &v, &last, &more) == 1, "a check is gone");
    SIM_CHECK(v->state == c->told, "check %llu is %s, and was told as %s",
              (unsigned long long)check, verdict_word(v->state), verdict_word(c->told));
    SIM_CHECK(v->state != VERDICT_DOWN || v->incident != 0, "down, and in no incident");
    enum verdict_state is = s->paused ? VERDICT_UNKNOWN : VERDICT_UP;
    SIM_CHECK(v->state == is || !has_run_lately(st, s), "check %llu is %s in calm weather",
              (unsigned long long)check, verdict_word(v->state));
    scheduler_check_views_free(v, 1);
}

static void prove(struct storm *st)
{
    char why[ZONE_WHY_MAX];
    struct zone *utc;
    REQUIRE(zone_open("UTC", &utc, why) == ERR_NONE);
    for (uint64_t c = 1; c < st->w.disk.next_check; c++) {
        uint64_t slots = prove_slots(&st->w, c);
        if (!st->clocks_jump && !st->inexact)
            prove_time(&st->w, c, slots, utc);
        if (st->w.disk.checks[c].there)
            prove_state(st, c);
    }
    zone_close(&utc);
    SIM_CHECK(counter_get(&scheduler_stats(st->w.x)->lost) == 0, "a run was given up");
}

static void run_seed(uint64_t seed)
{
    struct storm *st = mem_zalloc(sizeof(*st));
    rng_init(&st->w.rng, seed);
    st->clocks_jump = below(st, 3) == 0;
    st->kill_every = below(st, 4) ? 10 + (int64_t)below(st, 1000) : 0;
    st->w.kill_in = st->kill_every > 0 ? (int64_t)below(st, 1000) : -1;
    st->w.now = (struct check_now){{NS_PER_SEC}, {START_US + (int64_t)below(st, 3600) * 1000000}};
    st->w.agents = W_AGENTS;
    st->w.disk.next_check = 1;
    w_boot(&st->w);
    rise(st);
    put(st);
    rise(st);
    for (int i = 0; i < STEPS && st->w.disk.n_rows < W_ROWS / 2; i++)
        step(st);
    calm(st);
    prove(st);
    scheduler_destroy(&st->w.x);
    free(st);
}

int main(int argc, char **argv)
{
    struct sim_plan plan = {
        .name = "schedule_storm", .storm = C, .seeds = SEEDS_DEFAULT, .run = run_seed};
    return sim_main(&plan, argc, argv);
}
