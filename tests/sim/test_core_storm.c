/* SPDX-License-Identifier: MIT */
#include "common/random.h"
#include "tests/support/core_world.h"
#include <check.h>

/*
 * A seeded adversary against one master's core and played agents: connections break in mid-stream,
 * processes and the master die, the store stalls, results come twice and late. After each run:
 * every task has ended exactly once, the counts added up at every step. A failing run prints its
 * seed; SONDE_SIM_SEED=N replays it alone, SONDE_SIM_SEEDS=N runs N of them.
 */
#define SEEDS_DEFAULT 300
#define STEPS         400
#define AGENTS        5

struct storm {
    struct world *w;
    struct rng rng;
    unsigned process[AGENTS]; /* run ids */
    struct w_held old[256];   /* results said before: to be said again */
    unsigned old_agent[256], n_old;
    bool cancelled;
};

static void check_counts(struct storm *st)
{
    for (uint32_t num = 1; num < 4; num++) {
        struct core_counts n;
        if (!core_batch_counts(st->w->core, num, &n))
            continue;
        uint64_t sum = n.queued + n.running;
        for (int i = 0; i < OUTCOME_COUNT; i++)
            sum += n.ended[i];
        ck_assert_uint_eq(sum, n.total);
    }
}

static void connect_one(struct storm *st, unsigned i)
{
    char name[8], run[16];
    snprintf(name, sizeof(name), "a%u", i);
    snprintf(run, sizeof(run), "%x", (st->process[i] << 8) + i + 1);
    world_connect(st->w, i, name, run);
}

static void cut(struct storm *st, unsigned i)
{
    struct w_agent *a = &st->w->agents[i];
    if (!a->id)
        return;
    core_session_closed(st->w->core, a->id, "cut", st->w->now);
    a->id = 0;
    if (a->n_held && rng_below(&st->rng, 2)) /* the path swallowed the last ones */
        a->n_held -= (unsigned)rng_below(&st->rng, a->n_held);
}

static void answer_some(struct storm *st, unsigned i)
{
    struct w_agent *a = &st->w->agents[i];
    for (uint64_t n = rng_below(&st->rng, 60); n > 0 && a->n_held && a->id && !a->closed; n--) {
        struct w_held h = a->held[rng_below(&st->rng, a->n_held)];
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
    struct w_agent *a = &st->w->agents[st->old_agent[k]];
    if (a->id && !a->closed)
        world_result(st->w, a, &st->old[k], CAUSE_NONE);
}

static void give_back(struct storm *st, unsigned i)
{
    struct w_agent *a = &st->w->agents[i];
    if (!a->id || a->closed || !a->n_held)
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

static void step(struct storm *st)
{
    struct world *w = st->w;
    unsigned i = (unsigned)rng_below(&st->rng, AGENTS);
    struct w_agent *a = &w->agents[i];
    switch (rng_below(&st->rng, 16)) {
    case 0:
        cut(st, i);
        break;
    case 1:
        if (rng_below(&st->rng, 4) == 0) { /* the process dies */
            cut(st, i);
            a->n_held = 0;
            st->process[i]++;
        }
        break;
    case 2:
        w->store_stalled = !w->store_stalled;
        break;
    case 3:
        if (rng_below(&st->rng, 8) == 0)
            world_restart(w);
        break;
    case 4:
        say_again(st);
        break;
    case 5:
        give_back(st, i);
        break;
    case 6:
        world_tick(w, 250 + (int64_t)rng_below(&st->rng, 3000), true);
        break;
    case 7:
        if (rng_below(&st->rng, 40) == 0)
            world_tick(w, 16000, rng_below(&st->rng, 2));
        break;
    case 8:
        if (!st->cancelled && rng_below(&st->rng, 60) == 0)
            st->cancelled = core_cancel(w->core, 2, w->now);
        break;
    case 9:
    case 10:
        answer_some(st, i);
        break;
    default:
        if (!a->id)
            connect_one(st, i);
        else if (!a->closed)
            world_credit(w, a, rng_below(&st->rng, 100));
        break;
    }
    world_settle(w);
    check_counts(st);
}

static void finish(struct storm *st)
{
    struct world *w = st->w;
    w->store_stalled = false;
    for (int round = 0; round < 400; round++) {
        if (world_all_ended(w, 1) && world_all_ended(w, 2) && world_all_ended(w, 3))
            return;
        for (unsigned i = 0; i < AGENTS; i++) {
            struct w_agent *a = &w->agents[i];
            if (!a->id)
                connect_one(st, i);
            world_credit(w, a, 200);
            world_answer_all(w, a);
        }
        world_tick(w, 1000, true);
        check_counts(st);
    }
}

static void run_seed(uint64_t seed)
{
    struct storm st = {.w = mem_zalloc(sizeof(struct world))};
    rng_init(&st.rng, seed);
    world_init(st.w);
    st.w->n_agents = AGENTS;
    world_batch(st.w, 1, 1500 + rng_below(&st.rng, 1500), 0, 0);
    world_batch(st.w, 2, 300, 2, 7);
    world_batch(st.w, 3, 50, 8, 0);
    st.w->batches[3].def.cls = CLASS_INTERACTIVE;
    for (uint32_t num = 1; num < 4; num++)
        world_open(st.w, num);
    for (int i = 0; i < STEPS; i++)
        step(&st);
    finish(&st);
    for (uint32_t num = 1; num < 4; num++)
        ck_assert_msg(world_all_ended(st.w, num), "batch %u did not end", num);
    struct core_counts n;
    for (uint32_t num = 1; num < 4; num++)
        ck_assert_msg(!core_batch_counts(st.w->core, num, &n), "batch %u is still open", num);
    world_fini(st.w);
    free(st.w);
}

static uint64_t env_number(const char *name, uint64_t dflt)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : dflt;
}

/* _i, the seed, stands in Check's report of a failure. */
START_TEST(every_task_ends_once_under_every_storm)
{
    run_seed((uint64_t)_i);
}
END_TEST

int main(void)
{
    int only = (int)env_number("SONDE_SIM_SEED", 0);
    int first = only ? only : 1;
    int last = only ? only : (int)env_number("SONDE_SIM_SEEDS", SEEDS_DEFAULT);
    Suite *s = suite_create("core_storm");
    TCase *tc = tcase_create("storm");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, every_task_ends_once_under_every_storm, first, last + 1);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
