/* SPDX-License-Identifier: MIT */
#include "common/log.h"
#include "tests/support/sim_world.h"
#include <check.h>
#include <unistd.h>

/*
 * A seeded adversary against one master's core and real agent sessions over streams with delay:
 * connections break at any byte and are noticed late or never, processes and the master die, drain
 * and freeze, the store stalls, spools are torn, slow and full, probes end late, in faults or not
 * at all. At each step the counts add up on both sides, nothing passes a credit, a window or a
 * bound, and what is acknowledged is in the store. After each run: every task has ended exactly
 * once, and nobody holds anything. A failing run prints its seed; SONDE_SIM_SEED=N replays it
 * alone, SONDE_SIM_SEEDS=N runs N of them.
 */
#if defined(__SANITIZE_THREAD__) /* one thread, and ten times slower */
#define SEEDS_DEFAULT 6
#elif defined(__SANITIZE_ADDRESS__)
#define SEEDS_DEFAULT 40
#else
#define SEEDS_DEFAULT 90
#endif
#define STEPS       800
#define BATCHES     5
#define AUDIT_EVERY 4
#define STORE_EVERY 16
#define IDLE_MS     200000 /* longer than any grace, drain and freeze in a row */
#define FAT_BYTES   120000

struct storm {
    struct sim m;
    unsigned steps, rage; /* rage: six of so many steps are the adversary's; fewer are worse */
    uint32_t opened;
    bool deadly; /* processes die so often that tasks see it again and again */
    bool fat;    /* all records are large, so that the result window is filled by bytes */
};

static uint64_t below(struct storm *st, uint64_t n)
{
    return rng_below(&st->m.rng, n);
}

/* ---- what must hold */

static void check_stats(struct storm *st)
{
    struct core_stats *s = core_stats(st->m.w->core);
    ck_assert_uint_eq(counter_get(&s->over_window), 0);
    ck_assert_uint_eq(counter_get(&s->bad_messages), 0);
    ck_assert_uint_eq(counter_get(&s->unknown_messages), 0);
    ck_assert_uint_eq(counter_get(&s->results_rejected), 0);
}

/* What the core counts as ended is what the store holds. */
static void check_store(struct storm *st, uint32_t num, const struct core_counts *n)
{
    uint64_t ended[OUTCOME_COUNT];
    w_count_results(&st->m.w->batches[num], ended);
    for (int i = 0; i < OUTCOME_COUNT; i++)
        ck_assert_uint_eq(n->ended[i], ended[i]);
}

static void check_all(struct storm *st)
{
    struct world *w = st->m.w;
    for (unsigned i = 0; i < SIM_AGENTS; i++)
        sim_agent_audit(&st->m.hosts[i].agent);
    st->steps++;
    if (st->m.master == MASTER_DOWN)
        return;
    check_stats(st);
    if (st->steps % AUDIT_EVERY == 0)
        core_audit(w->core);
    for (uint32_t num = 1; num <= st->opened; num++) {
        struct core_counts n;
        if (!core_batch_counts(w->core, num, &n))
            continue;
        uint64_t sum = n.queued + n.running;
        for (int i = 0; i < OUTCOME_COUNT; i++)
            sum += n.ended[i];
        ck_assert_uint_eq(sum, n.total);
        if (st->steps % STORE_EVERY == 0)
            check_store(st, num, &n);
    }
}

/* ---- batches */

static const char *const two_names[] = {"a0", "a1"};

static void define_batch(struct storm *st, uint32_t num)
{
    struct world *w = st->m.w;
    struct core_batch *def = &w->batches[num].def;
    switch (num) {
    case 1:
        world_batch(w, num, 600 + below(st, 2400), 0, 0);
        break;
    case 2:
        world_batch(w, num, 200, 2, 7);
        def->cls = CLASS_INTERACTIVE;
        break;
    case 3:
        world_batch(w, num, 100, 3, 4); /* hosts that batch 2 has too */
        def->cls = CLASS_INTERACTIVE;
        def->agent_names = two_names;
        def->n_agent_names = 2;
        break;
    case 4:
        world_batch(w, num, 400, 1, 40);
        w->batches[num].pad = 6000; /* the byte window ends before the count */
        def->cls = CLASS_SCHEDULE;
        break;
    default:
        world_batch(w, num, 300, 8, 0);
        def->deadline_in_ms = 1000 + (int64_t)below(st, 60000);
        break;
    }
}

static void open_next_batch(struct storm *st)
{
    if (st->opened == BATCHES || st->m.master != MASTER_RUNS)
        return;
    define_batch(st, ++st->opened);
    core_batch_open(st->m.w->core, &st->m.w->batches[st->opened].def, st->m.w->now);
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
    d->stalled_until = mono_add_ms(st->m.w->now, (int64_t)below(st, 20000));
}

static void freeze(struct storm *st)
{
    int64_t ms = (int64_t)below(st, 25000);
    if (below(st, 3) == 0)
        st->m.frozen_until = mono_add_ms(st->m.w->now, ms);
    else
        host_freeze(&st->m, some_host(st), ms);
}

/* How the store behaves from now on. */
static void store_weather(struct storm *st)
{
    struct world *w = st->m.w;
    static const unsigned scans[] = {0, 0, 1, 7, 300};
    switch (below(st, 5)) {
    case 0:
        w->store_stalled = !w->store_stalled;
        break;
    case 1:
        w->refill_stalled = !w->refill_stalled;
        break;
    case 2:
        w->refill_early = !w->refill_early;
        break;
    case 3:
        w->refill_scan = scans[below(st, ARRAY_LEN(scans))];
        break;
    default:
        w->sweep_rows = scans[below(st, ARRAY_LEN(scans))];
        break;
    }
}

static void host_weather(struct storm *st)
{
    struct sim_agent *a = &some_host(st)->agent;
    a->faulty = below(st, 3) == 0;
    a->refuses = below(st, 3) == 0;
    a->disk.sick = below(st, 6) == 0;
    a->fat = st->fat || below(st, 8) == 0 ? FAT_BYTES : below(st, 2) ? 2000 : 0;
}

static void cancel_one(struct storm *st)
{
    if (st->m.master == MASTER_RUNS && st->opened && below(st, 8) == 0)
        core_cancel(st->m.w->core, 1 + (uint32_t)below(st, st->opened), NULL, st->m.w->now);
}

static void step_rare(struct storm *st)
{
    switch (below(st, 8)) {
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
        freeze(st);
        break;
    default:
        cancel_one(st);
        break;
    }
}

static void adversary(struct storm *st)
{
    if (st->deadly && below(st, 6) == 0)
        host_dies(&st->m, some_host(st));
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
        store_weather(st);
        break;
    case 4:
        host_weather(st);
        break;
    case 5:
        step_rare(st);
        break;
    default:
        break;
    }
}

/* ---- a run */

static int64_t some_time(struct storm *st)
{
    return (int64_t)below(st, below(st, 8) ? 200 : 1500);
}

static void calm_down(struct storm *st)
{
    struct world *w = st->m.w;
    st->m.calm = true;
    st->m.frozen_until = w->now;
    w->store_stalled = w->refill_stalled = false;
    w->refill_scan = w->sweep_rows = 0;
    for (unsigned i = 0; i < SIM_AGENTS; i++) {
        st->m.hosts[i].frozen_until = w->now;
        st->m.hosts[i].agent.faulty = st->m.hosts[i].agent.refuses = false;
        st->m.hosts[i].agent.disk.sick = false;
    }
}

/* What is left to do: tasks without a result, and what agents hold. */
static uint64_t left(struct storm *st)
{
    uint64_t n = 0, ended[OUTCOME_COUNT];
    for (uint32_t num = 1; num <= BATCHES; num++)
        n += st->m.w->batches[num].total - w_count_results(&st->m.w->batches[num], ended);
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
    while (st->opened < BATCHES) {
        sim_turn(&st->m, 100);
        open_next_batch(st);
    }
    uint64_t least = left(st);
    for (int64_t idle_ms = 0; least > 0; idle_ms += 100) {
        ck_assert_msg(idle_ms < IDLE_MS, "%llu things are left, and nothing moves",
                      (unsigned long long)least);
        sim_turn(&st->m, 100);
        check_all(st);
        uint64_t now = left(st);
        if (now < least)
            idle_ms = 0;
        least = now < least ? now : least;
    }
}

static void check_end(struct storm *st)
{
    struct core_counts n;
    struct agent *a, *tmp;
    for (uint32_t num = 1; num <= BATCHES; num++) {
        ck_assert_msg(world_all_ended(st->m.w, num), "batch %u did not end", num);
        ck_assert_msg(!core_batch_counts(st->m.w->core, num, &n), "batch %u is still open", num);
    }
    HASH_ITER(hh, st->m.w->core->agents, a, tmp)
    {
        ck_assert_uint_eq(a->leases.count, 0);
    }
    core_audit(st->m.w->core);
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

static void run_seed(uint64_t seed)
{
    struct storm st = {0};
    sim_init(&st.m, seed);
    st.rage = 10 + (unsigned)below(&st, 90);
    st.fat = below(&st, 8) == 0;
    st.deadly = below(&st, 8) == 0;
    if (st.fat)
        fatten(&st);
    for (int i = 0; i < STEPS; i++) {
        if (i % (STEPS / 8) == 10)
            open_next_batch(&st);
        adversary(&st);
        sim_turn(&st.m, some_time(&st));
        check_all(&st);
    }
    finish(&st);
    check_end(&st);
    sim_fini(&st.m);
}

static uint64_t env_number(const char *name, uint64_t dflt)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : dflt;
}

/* _i, the seed, stands in Check's report of a failure. */
START_TEST(every_task_ends_once_and_nobody_keeps_anything)
{
    run_seed((uint64_t)_i);
}
END_TEST

int main(void)
{
    int only = (int)env_number("SONDE_SIM_SEED", 0);
    int first = only ? only : 1;
    int last = only ? only : (int)env_number("SONDE_SIM_SEEDS", SEEDS_DEFAULT);
    log_init(only ? LOG_DEBUG : LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    Suite *s = suite_create("session_storm");
    TCase *tc = tcase_create("storm");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_task_ends_once_and_nobody_keeps_anything, first, last + 1);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
