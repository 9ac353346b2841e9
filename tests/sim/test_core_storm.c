/* SPDX-License-Identifier: MIT */
#include "common/random.h"
#include "tests/support/sim_adversary.h"

/*
 * A seeded adversary against one master's core and played agents: connections break in mid-stream,
 * processes and the master die at every kind of step, the store stalls, fails and keeps silent,
 * results come twice and late, users pause, cancel and retry, and a lane grows. After each run:
 * every task has ended exactly once; at each step the counts added up, inside (core_audit) and
 * outside, nothing was sent beyond a credit, a budget or a deadline, and what is acknowledged is in
 * the store (core_watch). How to run and replay seeds: sim_run.h.
 */
#if defined(__SANITIZE_THREAD__) /* one thread, and twenty times slower */
#define SEEDS_DEFAULT 100
#elif defined(__SANITIZE_ADDRESS__)
#define SEEDS_DEFAULT 200
#else
#define SEEDS_DEFAULT 2000
#endif
#define AGENTS      5
#define SECOND      AGENTS /* slots of second connections of the same names: take-overs */
#define BATCHES     10
#define LANE        10 /* the one that grows */
#define SORTED      6  /* the batch that is sorted by host */
#define SORTED_OF   7  /* so many of them */
#define AUDIT_EVERY 4
#define IDLE_ROUNDS 100 /* of a second: longer than any grace */

struct storm {
    struct world *w;
    struct rng rng;
    unsigned process[AGENTS]; /* run ids */
    struct w_held old[256];   /* results said before: to be said again */
    unsigned old_agent[256], n_old;
    unsigned steps, all_steps;
    uint64_t part;       /* tasks are one of so many of what a large world has */
    bool deadly, faulty; /* processes die often; agents give back what they got */
    struct sim_users users;
};

static uint64_t below(struct storm *st, uint64_t n)
{
    return rng_below(&st->rng, n);
}

/* The slot that speaks for agent i now: a second connection takes the first one over. */
static struct w_agent *slot(struct storm *st, unsigned i)
{
    struct w_agent *second = &st->w->agents[SECOND + i];
    return second->id ? second : &st->w->agents[i];
}

static void check_counts(struct storm *st)
{
    if (st->steps++ % AUDIT_EVERY == 0)
        core_audit(st->w->core);
    users_check_counts(&st->users);
}

/* What it had said and was not acknowledged is said again. */
static void resend(struct storm *st, struct w_agent *a)
{
    for (unsigned k = a->n_held; k-- > 0 && a->id && !a->closed;) {
        if (k >= a->n_held ||
            !a->held[k].done) /* acknowledged meanwhile: the last takes its place */
            continue;
        struct w_held h = a->held[k];
        world_result(st->w, a, &h, CAUSE_NONE);
    }
    world_settle(st->w);
}

static void connect_as(struct storm *st, unsigned i, unsigned in)
{
    char name[8], run[16];
    snprintf(name, sizeof(name), "a%u", i);
    snprintf(run, sizeof(run), "%x", (st->process[i] << 8) + i + 1);
    resend(st, world_connect(st->w, in, name, run));
}

/* The same process once more, while the master thinks that the first connection lives. */
static void take_over(struct storm *st, unsigned i)
{
    struct w_agent *a = slot(st, i);
    unsigned to = a == &st->w->agents[i] ? SECOND + i : i;
    struct w_agent *b = &st->w->agents[to];
    if (!a->id || b->id)
        return;
    SEEN(take_over);
    memcpy(b->held, a->held, a->n_held * sizeof(*a->held));
    b->overdue_ms = a->overdue_ms;
    b->n_held = a->n_held;
    a->n_held = 0;
    connect_as(st, i, to);
}

static void connect_one(struct storm *st, unsigned i)
{
    struct w_agent *second = &st->w->agents[SECOND + i], *a = &st->w->agents[i];
    if (second->n_held) {
        memcpy(a->held, second->held, second->n_held * sizeof(*a->held));
        a->overdue_ms = second->overdue_ms;
        a->n_held = second->n_held;
        second->n_held = 0;
    }
    connect_as(st, i, i);
}

static void cut(struct storm *st, unsigned i)
{
    struct w_agent *a = slot(st, i);
    if (!a->id)
        return;
    core_session_closed(st->w->core, a->id, END_connection_closed, "", st->w->now);
    a->id = 0;
    SEEN(cut);
    if (a->n_held == 0 || below(st, 2))
        return;
    a->n_held -= (unsigned)below(st, a->n_held); /* the path swallowed the last ones */
    SEEN(lost_on_path);
}

static void answer_some(struct storm *st, unsigned i)
{
    struct w_agent *a = slot(st, i);
    for (uint64_t n = rng_below(&st->rng, 60); n > 0 && a->n_held && a->id && !a->closed; n--) {
        unsigned at = (unsigned)rng_below(&st->rng, a->n_held);
        struct w_held h = a->held[at];
        if (h.done)
            continue;
        a->held[at].done = true;
        if (rng_below(&st->rng, 8) == 0) /* an agent with a bad memory */
            w_forget(a, h.task);
        unsigned k = st->n_old < 256 ? st->n_old++ : (unsigned)rng_below(&st->rng, 256);
        st->old[k] = h;
        st->old_agent[k] = i;
        world_result(st->w, a, &h, rng_below(&st->rng, 4) ? CAUSE_NONE : CAUSE_connect_refused);
    }
}

static void say_again(struct storm *st)
{
    if (!st->n_old)
        return;
    unsigned k = (unsigned)rng_below(&st->rng, st->n_old);
    struct w_agent *a = slot(st, st->old_agent[k]);
    if (!a->id || a->closed)
        return;
    world_result(st->w, a, &st->old[k], CAUSE_NONE);
}

static void give_back(struct storm *st, unsigned i)
{
    struct w_agent *a = slot(st, i);
    if (!a->id || a->closed || !a->n_held || a->held[0].done)
        return;
    struct w_held h = a->held[0];
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    if (rng_below(&st->rng, 2))
        msg_put_release(&b, h.task, h.ticket);
    else
        msg_put_nack(&b, &(struct msg_nack){h.task, h.ticket, "agent_memory", "full"});
    w_forget(a, h.task);
    w_say(st->w, a, &b);
}

static void say_text(struct storm *st, unsigned i, enum message_type type)
{
    struct w_agent *a = slot(st, i);
    if (!a->id || a->closed)
        return;
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_text(&b, type, "storm", 0);
    w_say(st->w, a, &b);
}

/* Credit twice, and an older one after it. */
static void credit_again(struct storm *st, unsigned i)
{
    struct w_agent *a = slot(st, i);
    if (!a->id || a->closed)
        return;
    SEEN(credit_again);
    uint64_t most = 1 + rng_below(&st->rng, 200);
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_credit(&b, w_grant(a, most, 1 + rng_below(&st->rng, BYTE_WINDOW_MAX)));
    msg_put_credit(&b, a->granted);
    msg_put_credit(&b, (struct window){a->received, a->received_bytes});
    w_say(st->w, a, &b);
}

/* ---- a lane */

/* A run or a few: with deadlines that pass and such that do not, and agents that have spoken. */
static void lane_step(struct storm *st)
{
    static const char *const names[AGENTS] = {"a0", "a1", "a2", "a3", "a4"};
    unsigned from = (unsigned)below(st, AGENTS);
    struct w_batch *b = &st->w->batches[LANE];
    if (st->users.opened < LANE)
        return;
    if (below(st, 64) == 0) {
        SEEN_IF(b->growing && b->n_ended < b->total, lane_closed);
        world_lane_close(st->w, LANE);
    }
    world_shun(st->w, (unsigned)below(st, AGENTS + 1 - from), names + from);
    int64_t deadline_ms =
        below(st, 4) ? 20000 + (int64_t)below(st, 60000) : 1 + (int64_t)below(st, 20000);
    w_commit_runs(st->w, LANE, 1 + (unsigned)below(st, 8),
                  1 + (uint32_t)below(st, b->def.slots + 1), below(st, 6), deadline_ms);
}

/* ---- processes */

static void die(struct storm *st, unsigned i)
{
    struct w_agent *a = slot(st, i);
    cut(st, i);
    cut(st, i);
    a->n_held = st->w->agents[i].n_held = st->w->agents[SECOND + i].n_held = 0;
    SEEN_IF(a->overdue_ms > 0, stalled_dies);
    st->w->agents[i].overdue_ms = st->w->agents[SECOND + i].overdue_ms = 0;
    st->process[i]++;
    SEEN(agent_died);
}

/* Its probes stand, or go on again; its heartbeats say so. */
static void stick(struct storm *st, unsigned i)
{
    struct w_agent *a = slot(st, i);
    if (!a->id || a->closed)
        return;
    a->overdue_ms = a->overdue_ms ? 0 : 1 + (int64_t)below(st, 4 * STALLED_OVERDUE_MS);
    SEEN_IF(a->overdue_ms > 0, agent_stuck);
    world_heartbeat(st->w, a);
}

static void step_rare(struct storm *st, unsigned i)
{
    struct world *w = st->w;
    switch (below(st, 10)) {
    case 0:
    case 1:
        die(st, i);
        break;
    case 7:
    case 8:
        stick(st, i);
        break;
    case 2:
        world_restart(w);
        break;
    case 3:
        say_text(st, i, MSG_BYE);
        break;
    case 4:
        say_text(st, i, MSG_DRAIN);
        break;
    case 5:
        if (below(st, 4) == 0)
            world_tick(w, 16000, below(st, 2));
        break;
    case 6:
        SEEN(overslept);
        core_tick(w->core, 20000, w->now = mono_add_ms(w->now, 20000));
        break;
    default:
        take_over(st, i);
        break;
    }
}

static void step_agent(struct storm *st, unsigned i)
{
    struct w_agent *a = slot(st, i);
    if (!a->id)
        connect_one(st, i);
    else if (!a->closed)
        world_credit(st->w, a, below(st, 1 + 100 / st->part));
}

static void step(struct storm *st)
{
    unsigned i = (unsigned)below(st, AGENTS);
    if (below(st, 48) == 0)
        arm_kill(&st->users);
    if (st->deadly && below(st, 6) == 0)
        die(st, i);
    for (int k = 0; st->faulty && k < 4; k++)
        give_back(st, (unsigned)below(st, AGENTS));
    switch (below(st, 16)) {
    case 0:
        cut(st, i);
        break;
    case 1:
        if (below(st, 2) == 0)
            step_rare(st, i);
        break;
    case 2:
    case 3:
        store_weather(st->w);
        st->w->one_line = below(st, 2);
        break;
    case 4:
        say_again(st);
        break;
    case 5:
        give_back(st, i);
        break;
    case 6:
        world_tick(st->w, 250 + (int64_t)below(st, 3000), true);
        break;
    case 7:
        credit_again(st, i);
        break;
    case 8:
        users_step(&st->users);
        break;
    case 11:
    case 12:
        lane_step(st);
        break;
    case 9:
    case 10:
        answer_some(st, i);
        break;
    default:
        step_agent(st, i);
        break;
    }
    world_settle(st->w);
    check_counts(st);
}

static uint64_t left(struct storm *st)
{
    uint64_t n = 0;
    for (uint32_t num = 1; num <= st->w->n_batches; num++)
        n += st->w->batches[num].total - st->w->batches[num].n_ended;
    return n;
}

/* Answers all but what batch SORTED has of host 0. */
static unsigned answer_others(struct storm *st, struct w_agent *a)
{
    unsigned n = 0;
    for (unsigned k = a->n_held; k-- > 0 && a->id && !a->closed;) {
        if (k >= a->n_held) /* acknowledged meanwhile: the last takes its place */
            continue;
        struct w_held h = a->held[k];
        if (h.task >> 32 == SORTED && st->w->batches[SORTED].tasks[(uint32_t)h.task].host == 0)
            continue;
        if (h.done)
            continue;
        a->held[k].done = true;
        n++;
        world_result(st->w, a, &h, CAUSE_NONE);
    }
    world_settle(st->w);
    return n;
}

static bool others_left(struct storm *st)
{
    const struct w_batch *b = &st->w->batches[SORTED];
    for (uint64_t i = 0; i < b->total; i++)
        if (b->tasks[i].host != 0 && !b->tasks[i].has_result)
            return true;
    return false;
}

/* A host that answers nothing holds up no other. But for what must run alone: its agent would have
 * to be empty. */
static void host_stuck(struct storm *st)
{
    struct world *w = st->w;
    for (int round = 0, idle = 0; idle < 20 && round < 1000 && others_left(st); round++) {
        unsigned moved = 0;
        for (unsigned i = 0; i < AGENTS; i++) {
            if (!slot(st, i)->id)
                connect_one(st, i);
            world_credit(w, slot(st, i), 200);
            moved += answer_others(st, slot(st, i));
        }
        world_tick(w, 1000, true);
        check_counts(st);
        idle = moved ? 0 : idle + 1;
    }
    SIM_CHECK(!list_empty(&w->core->alone) || !others_left(st), "hosts wait for another host");
}

/* Calm weather: all ends, or nothing moves any more. Tasks that run alone take a round each. */
static void finish(struct storm *st)
{
    struct world *w = st->w;
    store_calm(w);
    w->kill_at = 0;
    w->booted = NULL;
    world_lane_close(w, LANE);
    world_settle(w);
    users_resume_all(&st->users);
    for (unsigned i = 0; i < 2 * AGENTS; i++)
        w->agents[i].overdue_ms = 0;
    for (unsigned i = 0; i < 2 * AGENTS; i++)
        cut(st, i % AGENTS); /* those that drain would get nothing */
    host_stuck(st);
    uint64_t before = left(st);
    for (int idle = 0; before > 0 && idle < IDLE_ROUNDS;) {
        for (unsigned i = 0; i < AGENTS; i++) {
            if (!slot(st, i)->id)
                connect_one(st, i);
            world_credit(w, slot(st, i), 200);
            world_answer_all(w, slot(st, i));
        }
        world_tick(w, 1000, true);
        check_counts(st);
        uint64_t now = left(st);
        idle = now < before ? 0 : idle + 1;
        before = now;
    }
}

static const char *const two_names[] = {"a0", "a1"};

static void world_of(struct storm *st, uint32_t num, uint64_t tasks, int64_t per_host,
                     unsigned hosts)
{
    world_batch(st->w, num, 1 + tasks / st->part, per_host, hosts);
}

static void define_batch(struct storm *st, uint32_t num)
{
    struct world *w = st->w;
    struct core_batch *def = &w->batches[num].def;
    switch (num) {
    case 1:
        world_of(st, num, 1500 + below(st, 1500), 0, 0);
        break;
    case 2:
        world_of(st, num, 300, 2, 7);
        break;
    case 3:
        world_of(st, num, 50, 8, 0);
        def->cls = CLASS_INTERACTIVE;
        break;
    case 4:
        world_of(st, num, 200, 3, 4); /* hosts that batch 2 has too */
        def->cls = CLASS_INTERACTIVE;
        def->agent_names = two_names;
        def->n_agent_names = 2;
        break;
    case 5:
        world_of(st, num, 400, 1, 40);
        w->batches[num].pad = 6000; /* the byte window ends before the count */
        def->cls = CLASS_SCHEDULE;
        def->deadline_in_ms = 1000 + (int64_t)below(st, 120000);
        break;
    case SORTED:
        world_of(st, num, 700, 1 + (int64_t)below(st, 3), 0);
        for (uint64_t i = 0; i < w->batches[num].total; i++)
            w->batches[num].tasks[i].host = i * SORTED_OF / w->batches[num].total;
        break;
    case 7: /* with a rate */
        world_of(st, num, 60, (int64_t)below(st, 3), 20);
        def->per_host_rate = (double)(1 + below(st, 30)) / 4;
        break;
    case 8: /* three agents for each target */
        world_batch(w, num, 3 * (1 + 120 / st->part), 2, 11);
        def->slots = 3;
        break;
    case LANE:
        world_lane(w, num, (int64_t)below(st, 4), 1 + (uint32_t)below(st, AGENTS + 1));
        break;
    default: /* more than there are */
        world_batch(w, num, (AGENTS + 1) * (1 + 20 / st->part), 0, 0);
        def->slots = AGENTS + 1;
        def->deadline_in_ms = 60000;
        break;
    }
}

static void open_next(struct storm *st)
{
    if (st->users.opened == BATCHES)
        return;
    define_batch(st, ++st->users.opened);
    st->w->batches[st->users.opened].def.log_tasks = st->users.opened % 2;
    world_open(st->w, st->users.opened);
}

/* Most worlds are small: what goes wrong does so among few tasks, and many small worlds differ
 * more than one large one. */
static void choose_size(struct storm *st)
{
    uint64_t size = below(st, 50);
    st->part = size == 0 ? 1 : size < 8 ? 4 : 8 + below(st, 24);
    st->all_steps = size == 0 ? 400 : size < 8 ? 200 : 60 + (unsigned)below(st, 100);
    st->deadly = below(st, 8) == 0;
    st->faulty = below(st, 8) == 0;
}

static void run_seed(uint64_t seed)
{
    struct storm st = {.w = mem_zalloc(sizeof(struct world))};
    rng_init(&st.rng, seed);
    st.users = (struct sim_users){.w = st.w, .rng = &st.rng, .batches = BATCHES};
    choose_size(&st);
    st.w->rng = &st.rng;
    st.w->booted = lower_bounds;
    world_init(st.w);
    st.w->n_agents = 2 * AGENTS;
    unsigned at_once = 1 + (unsigned)below(&st, BATCHES);
    for (unsigned i = 0; i < st.all_steps; i++) {
        if (st.users.opened < at_once || below(&st, 8) == 0)
            open_next(&st);
        step(&st);
    }
    while (st.users.opened < BATCHES)
        open_next(&st);
    finish(&st);
    users_check_end(&st.users);
    world_fini(st.w);
    free(st.w);
}

int main(int argc, char **argv)
{
    struct sim_plan plan = {
        .name = "core_storm", .storm = C, .seeds = SEEDS_DEFAULT, .run = run_seed};
    return sim_main(&plan, argc, argv);
}
