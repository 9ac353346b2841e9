/* SPDX-License-Identifier: MIT */
#include "tests/master/hub/edge.h"

#include "master/hub/outgoing.h"
#include "tests/support/schedule_fixture.h"

/* Runs, entries and snapshots on their way to a real store, and the lanes that runs go to. */
#define ANSWERS_MAX 64

static struct lanes lanes;
static struct outgoing out;
static struct schedule *schedule;
static unsigned n_began;
static uint64_t began_check[ANSWERS_MAX];
static char answers[ANSWERS_MAX + 1]; /* a letter each: o c j r s, and R: refused */
static size_t n_answers;

static void note(char letter)
{
    if (n_answers < ANSWERS_MAX)
        answers[n_answers++] = letter;
}

static void on_answer(void *arg, struct store_req *q)
{
    note(q->op == STORE_LANE_OPEN    ? 'o'
         : q->op == STORE_LANE_CLOSE ? 'c'
         : q->op == STORE_JOURNAL    ? 'j'
         : q->op == STORE_SNAPSHOT   ? 's'
         : q->err                    ? 'R'
                                     : 'r');
    if (q->op == STORE_LANE_OPEN || q->op == STORE_LANE_CLOSE)
        lanes_answer(&lanes, q, mono_now());
    else
        outgoing_answer(&out, q, mono_now());
}

static void on_began(void *arg, uint64_t check, uint64_t seq, uint64_t first, unsigned n,
                     struct mono now)
{
    ck_assert(first != 0 && n > 0 && seq > 0);
    began_check[n_began++ % ANSWERS_MAX] = check;
}

static void no_ack(void *arg, uint64_t incident, enum err err)
{
}

static void turn(void)
{
    outgoing_flush(&out);
    courier_flush(&courier);
    courier_take(&courier, mono_now());
}

static void wait_until(bool (*ready)(void))
{
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    while (!ready()) {
        turn();
        ck_assert_msg(mono_before(mono_now(), until), "waited in vain; answers: %s", answers);
        usleep(500);
    }
}

static bool idle(void)
{
    return outgoing_idle(&out) && lanes_ready(&lanes);
}

static void setup(void)
{
    edge_make_dir();
    edge_boot();
    courier.on_answer = on_answer;
    lanes_init(&lanes, core, &courier);
    outgoing_init(&out, core, &courier, &lanes);
    out.on_began = on_began;
    out.on_acked = no_ack;
    schedule = schedule_every("s", 60000, 1);
    fx_checks(10);
}

static void teardown(void)
{
    edge_close_store();
    outgoing_fini(&out);
    lanes_fini(&lanes);
    edge_destroy_core();
    schedule_free(&schedule);
    edge_remove_dir();
}

/* With a lane that is open. */
static uint32_t open_lane(void)
{
    courier_start(&courier, fx);
    struct lane *l = lanes_expect(&lanes, schedule, mono_now());
    wait_until(idle);
    return l->batch;
}

/* What is sent waits, as with a store that is full, until it is let go. */
static void hold(void)
{
    courier.store = NULL;
}

static void let_go(void)
{
    courier.store = fx;
}

static void run(uint64_t check, uint64_t seq)
{
    struct scheduler_run r = {.schedule = schedule,
                              .check = check,
                              .seq = seq,
                              .at = wall_now(),
                              .n = 1,
                              .spec = "{\"url\":\"http://x/\"}",
                              .spec_len = strlen("{\"url\":\"http://x/\"}"),
                              .host_hash = check,
                              .deadline_ms = 60000};
    outgoing_run(&out, &r, mono_now());
}

static void gap(uint64_t check, uint64_t first, uint64_t count)
{
    struct wall at = wall_now();
    struct scheduler_entry e = {.kind = ENTRY_GAP,
                                .at = at,
                                .check = check,
                                .schedule = "s",
                                .key = "http://x/",
                                .gap = {.why = PLAN_MISS_no_agent,
                                        .first_seq = first,
                                        .count = count,
                                        .first_at = at,
                                        .last = {first + count - 1, at}}};
    outgoing_entry(&out, &e);
}

static void transition(uint64_t check)
{
    struct scheduler_entry e = {.kind = ENTRY_TRANSITION,
                                .at = wall_now(),
                                .check = check,
                                .schedule = "s",
                                .key = "http://x/",
                                .transition = {.to = VERDICT_UP, .advice = ""}};
    outgoing_entry(&out, &e);
}

START_TEST(a_run_is_stored_then_given_to_the_core_then_has_begun)
{
    uint32_t lane = open_lane();
    struct core_counts c;
    run(1, 7);
    turn();
    ck_assert(core_batch_counts(core, lane, &c));
    ck_assert(n_began == c.total); /* both, or none yet */
    wait_until(idle);
    ck_assert_uint_eq(n_began, 1);
    ck_assert(core_batch_counts(core, lane, &c) && c.queued == 1);
    ck_assert_int_eq(edge_count("SELECT count(*) FROM tasks WHERE run_check = 1 AND run_seq = 7"),
                     1);
}
END_TEST

START_TEST(a_gap_behind_a_run_of_its_check_is_committed_behind_it)
{
    open_lane();
    gap(1, 1, 3);
    run(1, 4);
    gap(2, 1, 1); /* of another check: with the first one */
    gap(1, 5, 1);
    wait_until(idle);
    ck_assert_str_eq(answers, "ojrj");
    ck_assert_int_eq(edge_count("SELECT count(*) FROM misses"), 3);
}
END_TEST

START_TEST(of_a_gap_that_grows_meanwhile_the_newest_is_kept)
{
    open_lane();
    hold();
    for (uint64_t i = 0; i < OUTGOING_STAGES_MAX; i++) {
        transition(1);
        turn();
    }
    for (uint64_t n = 1; n <= 100; n++) {
        gap(1, 1, n);
        turn();
    }
    ck_assert_uint_eq(out.n_notes, 1);
    ck_assert_uint_eq(out.under_way, OUTGOING_STAGES_MAX);
    let_go();
    wait_until(idle);
    ck_assert_int_eq(edge_count("SELECT count FROM misses"), 100);
}
END_TEST

START_TEST(runs_that_a_lane_does_not_take_go_to_the_next)
{
    uint32_t lane = open_lane();
    hold();
    run(1, 1);
    run(2, 1);
    turn();
    ck_assert_int_eq(fx_lane_close(lane), ERR_NONE);
    run(3, 1);
    let_go();
    wait_until(idle);
    ck_assert_uint_eq(n_began, 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(began_check[i], i + 1);
    ck_assert_ptr_nonnull(strchr(answers, 'R'));
    char sql[96];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM tasks WHERE task >> 32 <> %u", lane);
    ck_assert_int_eq(edge_count(sql), 3);
}
END_TEST

START_TEST(an_old_lane_stays_while_runs_wait_for_it)
{
    open_lane();
    hold();
    for (uint64_t i = 1; i <= OUTGOING_STAGES_MAX + 2; i++) {
        run(i, 1);
        turn();
    }
    struct mono later = mono_add_ms(mono_now(), LANE_MS + LANE_IDLE_MS + 1);
    lanes_tick(&lanes, later);
    let_go();
    wait_until(idle);
    ck_assert_uint_eq(n_began, OUTGOING_STAGES_MAX + 2);
    ck_assert_ptr_null(strchr(answers, 'R'));
    lanes_tick(&lanes, later);
    ck_assert_ptr_null(lanes.all);
}
END_TEST

START_TEST(a_lane_is_renewed_without_a_standstill)
{
    uint32_t lane = open_lane();
    struct mono later = mono_add_ms(mono_now(), LANE_MS);
    struct lane *l = lanes_use(&lanes, schedule, later);
    ck_assert(l->batch == lane && l->opening && lanes_ready(&lanes));
    run(1, 1);
    wait_until(idle);
    while (l->opening)
        turn();
    ck_assert_uint_ne(l->batch, lane);
    ck_assert_uint_eq(n_began, 1);
}
END_TEST

/* Of a check that is due once a day: its slot must not find the lane closed. */
START_TEST(a_lane_that_a_schedule_expects_stays_though_nothing_runs)
{
    unsigned agents;
    uint32_t first = open_lane();
    struct mono began = mono_now();
    struct lane *l = lanes_join(&lanes, schedule, began);
    for (int64_t at = 0; at < LANE_IDLE_MS; at += LANE_MS / 2)
        lanes_tick(&lanes, mono_add_ms(began, at));
    wait_until(idle);
    ck_assert(l->batch == first && !l->opening);
    ck_assert_int_eq(outgoing_room(&out, schedule, &agents, mono_now()), PLAN_MISS_no_agent);
    lanes_tick(&lanes, mono_add_ms(began, LANE_IDLE_MS));
    ck_assert(l->opening && lanes_ready(&lanes));
    while (l->opening)
        turn();
    ck_assert_uint_ne(l->batch, first);
    lanes_leave(l);
    lanes_tick(&lanes, mono_add_ms(began, 2 * LANE_IDLE_MS));
    ck_assert_ptr_null(lanes.all);
}
END_TEST

START_TEST(there_is_no_room_without_a_lane_or_an_agent)
{
    unsigned agents = 9;
    courier_start(&courier, fx);
    ck_assert_int_eq(outgoing_room(&out, schedule, &agents, mono_now()), PLAN_MISS_overloaded);
    wait_until(idle);
    ck_assert_int_eq(outgoing_room(&out, schedule, &agents, mono_now()), PLAN_MISS_no_agent);
    ck_assert_uint_eq(agents, 0);
    out.n_runs += OUTGOING_RUNS_MAX;
    ck_assert_int_eq(outgoing_room(&out, schedule, &agents, mono_now()), PLAN_MISS_overloaded);
    out.n_runs -= OUTGOING_RUNS_MAX;
}
END_TEST

START_TEST(beyond_the_bound_only_incidents_are_kept)
{
    struct incident i = {.id = 1, .host = "h", .since = {1}};
    struct scheduler_entry e = {
        .kind = ENTRY_INCIDENT, .at = wall_now(), .incident = {INCIDENT_DID_OPEN, &i, NULL, 0}};
    for (unsigned n = 0; n < OUTGOING_NOTES_MAX; n++)
        transition(1);
    ck_assert_uint_eq(out.lost, 0);
    transition(1);
    gap(1, 1, 1);
    ck_assert_uint_eq(out.lost, 2);
    outgoing_entry(&out, &e);
    ck_assert_uint_eq(out.lost, 2);
    ck_assert_uint_eq(out.n_notes, OUTGOING_NOTES_MAX + 1);
}
END_TEST

/* ---- snapshots, of a scheduler to which no agent ever comes */

static void op_run(void *arg, const struct scheduler_run *r)
{
    ck_abort_msg("there was no room for it");
}
static enum plan_miss op_room(void *arg, const struct schedule *s, unsigned *agents)
{
    *agents = 0;
    return PLAN_MISS_no_agent;
}
static void op_journal(void *arg, const struct scheduler_entry *e)
{
    outgoing_entry(&out, e);
}
static const struct scheduler_ops ops = {op_run, op_room, op_journal};

#define MANY 24000 /* more than OUTGOING_NOTES_MAX */

static struct scheduler *scheduler_of(size_t n, struct check_now now)
{
    struct scheduler *x = scheduler_create(&ops, NULL, 0, now);
    struct scheduler_check *checks = mem_array(n, sizeof(*checks));
    char(*keys)[32] = mem_array(n, sizeof(*keys));
    for (size_t i = 0; i < n; i++) {
        snprintf(keys[i], sizeof(keys[i]), "http://h-%zu/", i);
        checks[i] = (struct scheduler_check){
            .id = i + 1, .key = keys[i], .spec = "{}", .spec_len = 2, .host = "h"};
    }
    scheduler_loaded(x, now);
    scheduler_put(x, 1, schedule_every("s", 10000, 1), checks, n, NULL, 0, now);
    free(checks);
    free(keys);
    return x;
}

START_TEST(a_snapshot_is_taken_while_runs_are_under_way)
{
    struct anchor a = anchor_now();
    struct scheduler *x = scheduler_of(3, (struct check_now){a.mono, a.wall});
    open_lane();
    hold();
    run(1, 1);
    turn();
    run(2, 1);
    ck_assert(outgoing_snapshot(&out, x, a.wall));
    ck_assert(!outgoing_snapshot(&out, x, a.wall)); /* one at a time */
    let_go();
    wait_until(idle);
    ck_assert_str_eq(answers, "orrs");
    ck_assert_int_eq(edge_count("SELECT count(*) FROM snapshots"), 1);
    scheduler_destroy(&x);
}
END_TEST

START_TEST(no_snapshot_is_taken_of_what_is_not_sent)
{
    struct anchor a = anchor_now();
    struct scheduler *x = scheduler_of(3, (struct check_now){a.mono, a.wall});
    courier_start(&courier, fx);
    hold();
    run(1, 1); /* its lane is not open */
    ck_assert(!outgoing_snapshot(&out, x, a.wall));
    let_go();
    wait_until(idle);
    ck_assert(outgoing_snapshot(&out, x, a.wall));
    wait_until(idle);
    scheduler_destroy(&x);
}
END_TEST

START_TEST(no_gap_that_a_snapshot_tells_is_lost)
{
    struct anchor a = anchor_now();
    struct check_now now = {a.mono, a.wall};
    struct scheduler *x = scheduler_of(MANY, now);
    courier_start(&courier, fx);
    for (unsigned i = 0; i < 220; i++) { /* each misses two slots, and the second is not told */
        now.mono = mono_add_ms(now.mono, 100);
        now.wall.us += 100000;
        scheduler_tick(x, now);
        wait_until(idle);
    }
    ck_assert_int_eq(edge_count("SELECT count(*) FROM misses"), MANY);
    ck_assert(outgoing_snapshot(&out, x, now.wall));
    wait_until(idle);
    ck_assert_uint_eq(out.lost, 0);
    ck_assert_int_eq(edge_count("SELECT count(*) FROM misses WHERE count < 2"), 0);
    scheduler_destroy(&x);
}
END_TEST

START_TEST(what_the_end_finds_unsent_is_freed)
{
    run(1, 1); /* never any store */
    gap(1, 2, 1);
    transition(2);
    turn();
    ck_assert(!outgoing_idle(&out));
}
END_TEST

TESTS(outgoing_tests, a_run_is_stored_then_given_to_the_core_then_has_begun,
      a_gap_behind_a_run_of_its_check_is_committed_behind_it,
      of_a_gap_that_grows_meanwhile_the_newest_is_kept,
      runs_that_a_lane_does_not_take_go_to_the_next, an_old_lane_stays_while_runs_wait_for_it,
      a_lane_is_renewed_without_a_standstill,
      a_lane_that_a_schedule_expects_stays_though_nothing_runs,
      there_is_no_room_without_a_lane_or_an_agent, beyond_the_bound_only_incidents_are_kept,
      a_snapshot_is_taken_while_runs_are_under_way, no_snapshot_is_taken_of_what_is_not_sent,
      no_gap_that_a_snapshot_tells_is_lost, what_the_end_finds_unsent_is_freed)
static TCase *all(void)
{
    TCase *tc = outgoing_tests();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("outgoing", all)
