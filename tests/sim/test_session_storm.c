/* SPDX-License-Identifier: MIT */
#include "common/log.h"
#include "tests/support/sim_adversary.h"
#include "tests/support/sim_world.h"
#include <unistd.h>

/*
 * A seeded adversary against one master's core and real agent sessions over streams with delay:
 * connections break at any byte and are noticed late or never, processes and the master die at
 * every kind of step, drain and freeze, probes stand while their agent's heartbeats go on, the
 * store stalls, fails and keeps silent, spools are torn, slow and full, probes end late, in faults
 * or not at all, users pause, cancel and retry. At each step the counts add up on both sides,
 * nothing passes a credit, a window, a budget or a bound, and what is acknowledged is in the store.
 * After each run: every task has ended exactly once, and nobody holds anything. How to run and
 * replay seeds: sim_run.h.
 */
#if defined(__SANITIZE_THREAD__) /* one thread, and twenty times slower */
#define SEEDS_DEFAULT 100
#elif defined(__SANITIZE_ADDRESS__)
#define SEEDS_DEFAULT 200
#else
#define SEEDS_DEFAULT 2000
#endif
#define BATCHES     5
#define AUDIT_EVERY 4
#define ARM_ONE_IN  24 /* steps: some process is to die at some point */
#define STORE_EVERY 16
#define FINISH_MS   250    /* one turn of the end */
#define IDLE_MS     200000 /* longer than any grace, drain and freeze in a row */
#define FAT_BYTES   120000 /* of a record, at most, in a few worlds; in the others … */
#define PLUMP_BYTES 2000

struct storm {
    struct sim m;
    unsigned steps, all_steps;
    unsigned rage; /* seven of so many steps are the adversary's; fewer are worse */
    uint64_t part; /* tasks are one of so many of what a large world has */
    bool deadly;   /* processes die so often that tasks see it again and again */
    bool faulty;   /* hosts are in trouble most of the time */
    bool fat;      /* all records are large, so that the result window is filled by bytes */
    struct sim_users users;
};

static uint64_t below(struct storm *st, uint64_t n)
{
    return rng_below(&st->m.rng, n);
}

/* ---- what must hold */

static void check_stats(struct storm *st)
{
    struct core_stats *s = core_stats(st->m.w->core);
    REQUIRE(counter_get(&s->over_window) == 0);
    REQUIRE(counter_get(&s->bad_messages) == 0);
    REQUIRE(counter_get(&s->unknown_messages) == 0);
    REQUIRE(counter_get(&s->results_rejected) == 0);
}

/* What was counted as it came is what is there. */
static void check_store(const struct world *w)
{
    uint64_t ended[OUTCOME_COUNT];
    for (uint32_t num = 1; num <= w->n_batches; num++) {
        REQUIRE(w_count_results(&w->batches[num], ended) == w->batches[num].n_ended);
        REQUIRE(memcmp(ended, w->batches[num].ended, sizeof(ended)) == 0);
    }
}

static void check_all(struct storm *st)
{
    for (unsigned i = 0; i < SIM_AGENTS; i++)
        sim_agent_audit(&st->m.hosts[i].agent);
    if (++st->steps % STORE_EVERY == 0)
        check_store(st->m.w);
    if (st->m.master == MASTER_DOWN)
        return;
    check_stats(st);
    if (st->steps % AUDIT_EVERY == 0)
        core_audit(st->m.w->core);
    users_check_counts(&st->users);
}

/* ---- batches */

static const char *const two_names[] = {"a0", "a1"};

static void world_of(struct storm *st, uint32_t num, uint64_t tasks, int64_t per_host,
                     unsigned hosts)
{
    world_batch(st->m.w, num, 1 + tasks / st->part, per_host, hosts);
}

static void define_batch(struct storm *st, uint32_t num)
{
    struct world *w = st->m.w;
    struct core_batch *def = &w->batches[num].def;
    switch (num) {
    case 1:
        world_of(st, num, 600 + below(st, 2400), 0, 0);
        break;
    case 2:
        world_of(st, num, 200, 2, 7);
        def->cls = CLASS_INTERACTIVE;
        break;
    case 3:
        world_of(st, num, 100, 3, 4); /* hosts that batch 2 has too */
        def->cls = CLASS_INTERACTIVE;
        def->agent_names = two_names;
        def->n_agent_names = 2;
        break;
    case 4:
        world_of(st, num, 400, 1, 40);
        w->batches[num].pad = 6000; /* the byte window ends before the count */
        def->cls = CLASS_SCHEDULE;
        break;
    default:
        world_of(st, num, 300, 8, 0);
        def->deadline_in_ms = 1000 + (int64_t)below(st, 60000);
        break;
    }
}

static void open_next_batch(struct storm *st)
{
    if (st->users.opened == BATCHES || st->m.master != MASTER_RUNS)
        return;
    define_batch(st, ++st->users.opened);
    w_accept(st->m.w, st->users.opened);
}

/* ---- the adversary */

static struct sim_host *some_host(struct storm *st)
{
    return &st->m.hosts[below(st, SIM_AGENTS)];
}

static void cut_one(struct storm *st)
{
    struct sim_host *h = some_host(st);
    if (h->conn >= 0 && !mono_is_set(st->m.conns[h->conn].agent_learns))
        conn_cut(&st->m, &st->m.conns[h->conn]);
}

/* The agent sees it at once and is back before the master knows. */
static void flap_one(struct storm *st)
{
    struct sim_host *h = some_host(st);
    if (!h->agent.s || h->conn < 0 || mono_before(st->m.w->now, h->frozen_until))
        return;
    conn_cut(&st->m, &st->m.conns[h->conn]);
    host_disconnected(&st->m, h);
    h->connect_at = mono_add_ms(st->m.w->now, (int64_t)below(st, 50));
}

static void stall_one(struct storm *st)
{
    struct sim_host *h = some_host(st);
    if (h->conn < 0)
        return;
    struct sim_conn *c = &st->m.conns[h->conn];
    struct sim_wire *d = below(st, 2) ? &c->up : &c->down;
    SEEN(stall);
    d->stalled_until = mono_add_ms(st->m.w->now, (int64_t)below(st, 20000));
}

static void freeze(struct storm *st)
{
    int64_t ms = (int64_t)below(st, 25000);
    if (below(st, 3) == 0) {
        SEEN(master_frozen);
        st->m.frozen_until = mono_add_ms(st->m.w->now, ms);
    } else {
        SEEN(agent_frozen);
        host_freeze(&st->m, some_host(st), ms);
    }
}

/* Most of them go on by themselves. */
static void stick(struct storm *st)
{
    SEEN(agent_stuck);
    host_stick(&st->m, some_host(st), (int64_t)below(st, WATCHDOG_END_MS * 5 / 4));
}

static void host_weather(struct storm *st)
{
    struct sim_agent *a = &some_host(st)->agent;
    a->faulty = st->faulty || below(st, 3) == 0;
    a->refuses = below(st, 3) == 0;
    a->disk.sick = below(st, 6) == 0;
    a->fat = st->fat ? FAT_BYTES : below(st, 2) ? PLUMP_BYTES : 0;
}

static void arm_agent_kill(struct storm *st)
{
    unsigned n = SAW_kill_drain - SAW_kill_connected + 1;
    st->m.kill_at = SAW_kill_connected + (unsigned)below(st, n);
    st->m.kill_after = 1 + (unsigned)below(st, below(st, 2) ? 3 : 30);
    if (st->m.kill_at == SAW_kill_drain) {
        st->m.kill_after = 1;
        host_drain(&st->m, some_host(st));
    }
}

static void arm(struct storm *st)
{
    if (below(st, 2))
        arm_agent_kill(st);
    else if (st->m.master == MASTER_RUNS)
        arm_kill(&st->users);
}

static void step_rare(struct storm *st)
{
    switch (below(st, 10)) {
    case 0:
    case 1:
        host_dies(&st->m, some_host(st));
        break;
    case 2:
    case 3:
        host_drain(&st->m, some_host(st));
        break;
    case 4:
        master_dies(&st->m);
        break;
    case 5:
        master_drains(&st->m);
        break;
    case 6:
    case 7:
    case 8:
        stick(st);
        break;
    default:
        freeze(st);
        break;
    }
}

static void adversary(struct storm *st)
{
    if (st->deadly && below(st, 6) == 0)
        host_dies(&st->m, some_host(st));
    if (below(st, ARM_ONE_IN) == 0)
        arm(st);
    switch (below(st, st->rage)) {
    case 0:
        cut_one(st);
        break;
    case 1:
        flap_one(st);
        break;
    case 2:
        stall_one(st);
        break;
    case 3:
        store_weather(st->m.w);
        st->m.w->one_line = below(st, 4) == 0;
        break;
    case 4:
        host_weather(st);
        break;
    case 5:
        step_rare(st);
        break;
    case 6:
        if (st->m.master == MASTER_RUNS)
            users_step(&st->users);
        break;
    default:
        break;
    }
}

/* ---- a run */

static int64_t some_time(struct storm *st)
{
    return (int64_t)below(st, below(st, 8) ? 200 : below(st, 4) ? 1500 : 6000);
}

static void calm_down(struct storm *st)
{
    struct world *w = st->m.w;
    st->m.calm = true;
    st->m.frozen_until = w->now;
    st->m.kill_at = w->kill_at = 0;
    w->booted = NULL;
    store_calm(w);
    for (unsigned i = 0; i < SIM_AGENTS; i++) {
        st->m.hosts[i].frozen_until = w->now;
        st->m.hosts[i].agent.stuck_since = (struct mono){0};
        st->m.hosts[i].agent.faulty = st->m.hosts[i].agent.refuses = false;
        st->m.hosts[i].agent.disk.sick = false;
    }
}

/* What is left to do: tasks without a result, and what agents hold. */
static uint64_t left(struct storm *st)
{
    uint64_t n = 0;
    for (uint32_t num = 1; num <= st->m.w->n_batches; num++)
        n += st->m.w->batches[num].total - st->m.w->batches[num].n_ended;
    for (unsigned i = 0; i < SIM_AGENTS; i++) {
        struct session_info info = {0};
        if (st->m.hosts[i].agent.s)
            session_info(st->m.hosts[i].agent.s, &info);
        n += info.tasks + info.results;
    }
    return n;
}

static void finish(struct storm *st)
{
    calm_down(st);
    do { /* at least once: it may be about to die */
        sim_turn(&st->m, FINISH_MS);
        open_next_batch(st);
    } while (st->users.opened < BATCHES || st->m.master != MASTER_RUNS);
    users_resume_all(&st->users);
    uint64_t least = left(st);
    for (int64_t idle_ms = 0; least > 0; idle_ms += FINISH_MS) {
        SIM_CHECK(idle_ms < IDLE_MS, "%llu things are left, and nothing moves",
                  (unsigned long long)least);
        sim_turn(&st->m, FINISH_MS);
        check_all(st);
        uint64_t now = left(st);
        if (now < least)
            idle_ms = 0;
        least = now < least ? now : least;
    }
    sim_turn(&st->m, FINISH_MS); /* what ended last is told */
}

static void check_end(struct storm *st)
{
    struct agent *a, *tmp;
    check_store(st->m.w);
    users_check_end(&st->users);
    HASH_ITER(hh, st->m.w->core->agents, a, tmp)
    {
        REQUIRE(a->leases.count == 0 && a->twins.count == 0);
    }
}

/* Results wait for a store that is stalled, until their bytes fill the window. */
static void fatten(struct storm *st)
{
    for (unsigned i = 0; i < SIM_AGENTS; i++) {
        struct sim_agent *a = &st->m.hosts[i].agent;
        a->fat = FAT_BYTES;
        a->slots = 40;
        sim_agent_kill(a);
        a->outbox_results = 400;
        sim_agent_start(a);
    }
    st->m.w->store_stalled = true;
}

/* Most worlds are small, as in the core's storm. */
static void choose_size(struct storm *st)
{
    uint64_t size = below(st, 50);
    st->part = size == 0 ? 1 : size > 1 && size < 8 ? 4 : 8 + below(st, 24);
    st->all_steps = size == 0 ? 800 : 100 + (unsigned)below(st, 200);
    st->rage = 10 + (unsigned)below(st, 60);
    st->fat = size == 1;
    st->deadly = below(st, 6) == 0;
    st->faulty = below(st, 8) == 0;
    for (unsigned i = 0; i < SIM_AGENTS; i++)
        st->m.hosts[i].agent.faulty = st->faulty;
}

static void new_master(struct world *w)
{
    lower_bounds(w);
    lower_result_window(w);
    lower_hello_rate(w);
}

static void run_seed(uint64_t seed)
{
    struct storm st = {0};
    sim_init(&st.m, seed, new_master);
    choose_size(&st);
    st.users = (struct sim_users){.w = st.m.w, .rng = &st.m.rng, .batches = BATCHES};
    if (st.fat)
        fatten(&st);
    for (unsigned i = 0; i < st.all_steps; i++) {
        if (i % (st.all_steps / 8) == 10)
            open_next_batch(&st);
        adversary(&st);
        sim_turn(&st.m, some_time(&st));
        check_all(&st);
    }
    finish(&st);
    check_end(&st);
    sim_fini(&st.m);
}

int main(int argc, char **argv)
{
    log_init(getenv("SONDE_SIM_SEED") ? LOG_DEBUG : LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    struct sim_plan plan = {
        .name = "session_storm", .storm = S, .seeds = SEEDS_DEFAULT, .run = run_seed};
    return sim_main(&plan, argc, argv);
}
