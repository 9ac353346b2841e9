/* SPDX-License-Identifier: MIT */
#include "common/random.h"
#include "tests/support/core_audit.h"
#include "tests/support/core_world.h"
#include <check.h>

/*
 * A seeded adversary against one master's core and played agents: connections break in mid-stream,
 * processes and the master die, the store stalls, results come twice and late. After each run:
 * every task has ended exactly once; at each step the counts added up, inside (core_audit) and
 * outside, and nothing was sent beyond the credit (core_world). A failing run prints its
 * seed; SONDE_SIM_SEED=N replays it alone, SONDE_SIM_SEEDS=N runs N of them.
 */
#if defined(__SANITIZE_THREAD__) /* one thread, and ten times slower */
#define SEEDS_DEFAULT 20
#elif defined(__SANITIZE_ADDRESS__)
#define SEEDS_DEFAULT 150
#else
#define SEEDS_DEFAULT 300
#endif
#define SEED_GONE_BACK 852 /* found: a host left out behind a cursor that had gone back */
#define STEPS          400
#define AGENTS         5
#define SECOND         AGENTS /* slots of second connections of the same names: take-overs */
#define BATCHES        9
#define SORTED         6 /* the batch that is sorted by host */
#define AUDIT_EVERY    4
#define IDLE_ROUNDS    100 /* of a second: longer than any grace */

struct storm {
    struct world *w;
    struct rng rng;
    unsigned process[AGENTS]; /* run ids */
    struct w_held old[256];   /* results said before: to be said again */
    unsigned old_agent[256], n_old;
    unsigned steps;
};

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
    for (uint32_t num = 1; num <= BATCHES; num++) {
        struct core_counts n;
        if (!core_batch_counts(st->w->core, num, &n))
            continue;
        uint64_t sum = n.queued + n.running;
        for (int i = 0; i < OUTCOME_COUNT; i++)
            sum += n.ended[i];
        ck_assert_uint_eq(sum, n.total);
    }
}

/* What it had said and was not acknowledged is said again. */
static void resend(struct storm *st, struct w_agent *a)
{
    for (unsigned k = 0; k < a->n_held && a->id && !a->closed; k++) {
        struct w_held h = a->held[k];
        if (h.done)
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
    memcpy(b->held, a->held, a->n_held * sizeof(*a->held));
    b->n_held = a->n_held;
    a->n_held = 0;
    connect_as(st, i, to);
}

static void connect_one(struct storm *st, unsigned i)
{
    struct w_agent *second = &st->w->agents[SECOND + i], *a = &st->w->agents[i];
    if (second->n_held) {
        memcpy(a->held, second->held, second->n_held * sizeof(*a->held));
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
    core_session_closed(st->w->core, a->id, "cut", st->w->now);
    a->id = 0;
    if (a->n_held && rng_below(&st->rng, 2)) /* the path swallowed the last ones */
        a->n_held -= (unsigned)rng_below(&st->rng, a->n_held);
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
    if (a->id && !a->closed)
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
    uint64_t most = 1 + rng_below(&st->rng, 200);
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_credit(&b, w_grant(a, most, 1 + rng_below(&st->rng, BYTE_WINDOW_MAX)));
    msg_put_credit(&b, a->granted);
    msg_put_credit(&b, (struct window){a->received, a->received_bytes});
    w_say(st->w, a, &b);
}

static void cancel_one(struct storm *st)
{
    uint32_t num = 1 + (uint32_t)rng_below(&st->rng, BATCHES);
    if (rng_below(&st->rng, 60) == 0)
        core_cancel(st->w->core, num, NULL, st->w->now);
}

static void pause_one(struct storm *st)
{
    uint32_t num = 1 + (uint32_t)rng_below(&st->rng, BATCHES);
    core_pause(st->w->core, num, rng_below(&st->rng, 2), NULL, st->w->now);
}

static void resume_all(struct storm *st)
{
    for (uint32_t num = 1; num <= BATCHES; num++)
        core_pause(st->w->core, num, false, NULL, st->w->now);
}

static void die(struct storm *st, unsigned i)
{
    struct w_agent *a = slot(st, i);
    cut(st, i);
    cut(st, i);
    a->n_held = st->w->agents[i].n_held = st->w->agents[SECOND + i].n_held = 0;
    st->process[i]++;
}

/* How the store and the path behave from now on. */
static void weather(struct storm *st)
{
    struct world *w = st->w;
    static const unsigned scans[] = {0, 0, 1, 7, 300};
    switch (rng_below(&st->rng, 5)) {
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
        w->refill_scan = scans[rng_below(&st->rng, ARRAY_LEN(scans))];
        break;
    default:
        w->sweep_rows = scans[rng_below(&st->rng, ARRAY_LEN(scans))];
        break;
    }
}

/* So that busy hosts' tasks are passed over in batches of this size. */
static void lower_bounds(struct storm *st)
{
    struct core *c = st->w->core;
    static const unsigned queues[] = {1, 2, 5, 30, CORE_HOST_QUEUE};
    c->host_queue_most = queues[rng_below(&st->rng, ARRAY_LEN(queues))];
    c->host_queue_least = 1;
    c->skipped_hosts_max = rng_below(&st->rng, 4) ? CORE_SKIPPED_HOSTS : 2;
}

static void step_rare(struct storm *st, unsigned i)
{
    struct world *w = st->w;
    switch (rng_below(&st->rng, 8)) {
    case 0:
    case 1:
        die(st, i);
        break;
    case 2:
        world_restart(w);
        lower_bounds(st);
        break;
    case 3:
        say_text(st, i, MSG_BYE);
        break;
    case 4:
        say_text(st, i, MSG_DRAIN);
        break;
    case 5:
        if (rng_below(&st->rng, 4) == 0)
            world_tick(w, 16000, rng_below(&st->rng, 2));
        break;
    case 6:
        core_tick(w->core, 20000, w->now = mono_add_ms(w->now, 20000)); /* it overslept */
        break;
    default:
        take_over(st, i);
        break;
    }
}

static void step(struct storm *st)
{
    struct world *w = st->w;
    unsigned i = (unsigned)rng_below(&st->rng, AGENTS);
    switch (rng_below(&st->rng, 16)) {
    case 0:
        cut(st, i);
        break;
    case 1:
        if (rng_below(&st->rng, 2) == 0)
            step_rare(st, i);
        break;
    case 2:
    case 3:
        weather(st);
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
        credit_again(st, i);
        break;
    case 8:
        cancel_one(st);
        pause_one(st);
        break;
    case 9:
    case 10:
        answer_some(st, i);
        break;
    default:
        if (!slot(st, i)->id)
            connect_one(st, i);
        else if (!slot(st, i)->closed)
            world_credit(w, slot(st, i), rng_below(&st->rng, 100));
        break;
    }
    world_settle(w);
    check_counts(st);
}

static uint64_t left(struct storm *st)
{
    uint64_t n = 0, ended[OUTCOME_COUNT];
    for (uint32_t num = 1; num <= BATCHES; num++)
        n += st->w->batches[num].total - w_count_results(&st->w->batches[num], ended);
    return n;
}

/* Answers all but what batch SORTED has of host 0. */
static unsigned answer_others(struct storm *st, struct w_agent *a)
{
    unsigned n = 0;
    for (unsigned k = 0; k < a->n_held && a->id && !a->closed; k++) {
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
    ck_assert_msg(!list_empty(&w->core->alone) || !others_left(st), "hosts wait for another host");
}

/* Calm weather: all ends, or nothing moves any more. Tasks that run alone take a round each. */
static void finish(struct storm *st)
{
    struct world *w = st->w;
    w->store_stalled = w->refill_stalled = false;
    w->refill_scan = w->sweep_rows = 0;
    resume_all(st);
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

static void open_batches(struct storm *st)
{
    struct world *w = st->w;
    world_batch(w, 1, 1500 + rng_below(&st->rng, 1500), 0, 0);
    world_batch(w, 2, 300, 2, 7);
    world_batch(w, 3, 50, 8, 0);
    world_batch(w, 4, 200, 3, 4); /* hosts that batch 2 has too */
    world_batch(w, 5, 400, 1, 40);
    world_batch(w, SORTED, 700, 1 + (int64_t)rng_below(&st->rng, 3), 0);
    for (int i = 0; i < 700; i++)
        w->batches[SORTED].tasks[i].host = (uint64_t)i / 100;
    world_batch(w, 7, 60, (int64_t)rng_below(&st->rng, 3), 20); /* with a rate */
    w->batches[7].def.per_host_rate = (double)(1 + rng_below(&st->rng, 30)) / 4;
    world_batch(w, 8, 3 * 120, 2, 11); /* three agents for each target */
    w->batches[8].def.slots = 3;
    world_batch(w, 9, (AGENTS + 1) * 20, 0, 0); /* more than there are */
    w->batches[9].def.slots = AGENTS + 1;
    w->batches[9].def.deadline_in_ms = 60000;
    w->batches[3].def.cls = w->batches[4].def.cls = CLASS_INTERACTIVE;
    w->batches[5].def.cls = CLASS_SCHEDULE;
    w->batches[5].pad = 6000; /* the byte window ends before the count */
    w->batches[5].def.deadline_in_ms = 1000 + (int64_t)rng_below(&st->rng, 120000);
    w->batches[4].def.agent_names = two_names;
    w->batches[4].def.n_agent_names = 2;
    lower_bounds(st);
    for (uint32_t num = 1; num <= BATCHES; num++)
        world_open(w, num);
}

static void all_different(const struct w_batch *b)
{
    for (uint64_t i = 0; b->def.slots > 1 && i < b->total; i++)
        for (uint64_t k = i - i % b->def.slots; k < i; k++)
            ck_assert_msg(!b->tasks[i].agent || b->tasks[i].agent != b->tasks[k].agent,
                          "one agent answered a target twice");
}

static void run_seed(uint64_t seed)
{
    struct storm st = {.w = mem_zalloc(sizeof(struct world))};
    rng_init(&st.rng, seed);
    world_init(st.w);
    st.w->n_agents = 2 * AGENTS;
    open_batches(&st);
    for (int i = 0; i < STEPS; i++)
        step(&st);
    finish(&st);
    struct core_counts n;
    for (uint32_t num = 1; num <= BATCHES; num++) {
        ck_assert_msg(world_all_ended(st.w, num), "batch %u did not end", num);
        all_different(&st.w->batches[num]);
        ck_assert_msg(!core_batch_counts(st.w->core, num, &n), "batch %u is still open", num);
    }
    core_audit(st.w->core);
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
    if (!only)
        tcase_add_loop_test(tc, every_task_ends_once_under_every_storm, SEED_GONE_BACK,
                            SEED_GONE_BACK + 1);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
